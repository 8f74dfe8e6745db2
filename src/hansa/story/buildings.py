"""Buildings of one half as NGSI-LD entities of type Building.

Names of the Smart Data Model Building where it has one (`floorsAboveGround`, `location`,
`source`); the rest are our own. `category` and `address`, which that model wants, are not in the
registration and therefore not made up here.
"""

from __future__ import annotations

from typing import Any

from hansa.story.delft import area, bbox_of, buildings_of, half
from hansa.story.model import Attribute, Building, Half, Json, StoryDataset

ENTITY_TYPE = "Building"
ATTRIBUTES = (
    Attribute(name="location", kind="GeoProperty", title="Footprint", origin="LoD 0"),
    Attribute(
        name="height",
        title="Height of the roof above the ground",
        unit_code="MTR",
        unit="m",
        origin="b3_h_dak_70p - b3_h_maaiveld",
    ),
    Attribute(
        name="groundElevation",
        title="Ground level above NAP",
        unit_code="MTR",
        unit="m",
        origin="b3_h_maaiveld",
    ),
    Attribute(
        name="groundArea", title="Ground area", unit_code="MTK", unit="m²", origin="b3_opp_grond"
    ),
    Attribute(
        name="floorArea",
        title="Ground area times storeys",
        unit_code="MTK",
        unit="m²",
        origin="b3_opp_grond * b3_bouwlagen",
    ),
    Attribute(name="volume", title="Volume", unit_code="MTQ", unit="m³", origin="b3_volume_lod22"),
    Attribute(
        name="floorsAboveGround",
        title="Storeys",
        unit_code="C62",
        unit="1",
        origin="b3_bouwlagen",
    ),
    Attribute(name="yearOfConstruction", title="Built in", origin="oorspronkelijkbouwjaar"),
    Attribute(name="roofType", title="Kind of roof", origin="b3_dak_type"),
    Attribute(name="registrationStatus", title="State in the register", origin="status"),
    Attribute(name="source", title="Where it comes from"),
)


def dataset_name(city: Half) -> str:
    """Give the dataset's name: part of every entity id."""
    return f"{city.participant}-buildings"


def entity_id(city: Half, building: Building) -> str:
    """Give the entity id of a building."""
    return f"urn:ngsi-ld:{ENTITY_TYPE}:{dataset_name(city)}:{building.id}"


def property_of(value: Any, unit_code: str | None = None) -> Json:
    """Give a normalized Property (NGSI-LD 1.9.1 5.2.5)."""
    body: Json = {"type": "Property", "value": value}
    if unit_code is not None:
        body["unitCode"] = unit_code
    return body


def footprint_of(building: Building) -> Json:
    """Give the footprint as a GeoProperty with a GeoJSON Polygon, in lists as JSON has them."""
    rings = [[list(position) for position in ring] for ring in building.footprint]
    return {"type": "GeoProperty", "value": {"type": "Polygon", "coordinates": rings}}


def building_entities(name: str) -> list[Json]:
    """Give the buildings of one half as normalized entities, sorted by id.

    A building with a demolition permit is kept: it stands until it is gone. Unknown storeys are
    left out, and with them the floor area that would be derived from them.
    """
    city = half(name)
    source = property_of(area().attribution)
    return [_entity(city, building, source) for building in buildings_of(city.key)]


def _entity(city: Half, building: Building, source: Json) -> Json:
    entity: Json = {
        "id": entity_id(city, building),
        "type": ENTITY_TYPE,
        "location": footprint_of(building),
        "height": property_of(building.height_m, "MTR"),
        "groundElevation": property_of(building.ground_m, "MTR"),
        "groundArea": property_of(building.area_m2, "MTK"),
        "volume": property_of(building.volume_m3, "MTQ"),
        "yearOfConstruction": property_of(building.year),
        "roofType": property_of(building.roof),
        "registrationStatus": property_of(building.status),
        "source": source,
    }
    if building.storeys is not None:
        entity["floorsAboveGround"] = property_of(building.storeys, "C62")
        entity["floorArea"] = property_of(round(building.area_m2 * building.storeys, 1), "MTK")
    return entity


def buildings_dataset(name: str) -> StoryDataset:
    """Say what the dataset of a half's buildings is."""
    city = half(name)
    return StoryDataset(
        name=dataset_name(city),
        title=f"Buildings of {city.title}",
        description=(
            "Footprint, height, year of construction and size of each building in this half of "
            "the area, from the registration of buildings and airborne laser scans."
        ),
        entity_type=ENTITY_TYPE,
        id_prefix=f"urn:ngsi-ld:{ENTITY_TYPE}:{dataset_name(city)}:",
        attributes=ATTRIBUTES,
        labels=(),
        licence=area().licence,
        attribution=area().attribution,
        keywords=("buildings", "3D", "Delft"),
        bbox=bbox_of(buildings_of(city.key)),
    )
