import "./flow_layout.test";
import "./map_model.test";
import "./scale.test";
import "./span.test";
