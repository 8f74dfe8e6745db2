/**
 * What every page loads: styles, live fragments by htmx, relative times, theme, copy buttons.
 * Pages work without any of it.
 */
import "../styles/tokens.css";
import "../styles/base.css";
import "../styles/parts.css";
import "../styles/slip.css";
import "../styles/pages.css";
import "../styles/trade.css";
import "htmx.org";
import "./copy";
import "./drop";
import { followConnection, followEvents } from "./live";
import { themeWithoutReload } from "./theme";
import { keepTimesFresh } from "./times";

followConnection();
followEvents();
keepTimesFresh();
themeWithoutReload();
