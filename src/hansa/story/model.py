"""What the story is made of: buildings, the two halves of the area, shops, datasets. No I/O."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

Position = tuple[float, float]
"""Longitude and latitude in degrees, WGS84 (EPSG:4326 in axis order x, y)."""
Ring = tuple[Position, ...]
Json = dict[str, Any]


class Building(msgspec.Struct, frozen=True, kw_only=True):
    """One building of 3DBAG. Heights in m above NAP; `storeys` None is unknown.

    `footprint` holds closed rings, the shell first. `half` is the key of the half it stands in.
    """

    id: str
    half: str
    footprint: tuple[Ring, ...]
    ground_m: float
    roof_m: float
    storeys: int | None
    year: int
    area_m2: float
    volume_m3: float
    roof: str
    status: str

    @property
    def height_m(self) -> float:
        """Give the height of the roof (70th percentile) above the ground."""
        return max(0.0, round(self.roof_m - self.ground_m, 2))


class Area(msgspec.Struct, frozen=True, kw_only=True):
    """The whole area: attribution, the border between its halves (north to south), buildings."""

    attribution: str
    licence: str
    source: str
    border: tuple[Position, ...]
    buildings: tuple[Building, ...]


class Half(msgspec.Struct, frozen=True, kw_only=True):
    """One half of the area plays one city: its key in the data, its participant id and name.

    `streets` are the lines along which the story puts its shops, beside the border street.
    """

    key: str
    participant: str
    title: str
    streets: tuple[tuple[Position, ...], ...]


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of shop or workshop. Assumed, not measured.

    `floor_m2` bounds the floor area that fits, `share` is its part of such places, `profile` the
    BDEW standard load profile and `specific_kwh_m2` the electricity use per m² and year.
    """

    category: str
    title: str
    profile: str
    specific_kwh_m2: float
    floor_m2: tuple[float, float]
    share: float


class Shop(msgspec.Struct, frozen=True, kw_only=True):
    """A building marked as a shop or workshop, with what is derived for it. Synthetic."""

    entity_id: str
    building: Building
    building_entity_id: str
    name: str
    trade: Trade
    floor_area_m2: float
    annual_kwh: float


class Attribute(msgspec.Struct, frozen=True, kw_only=True):
    """One attribute that the entities of a dataset carry, as a catalogue describes it."""

    name: str
    title: str
    kind: str = "Property"
    unit_code: str | None = None
    unit: str | None = None
    origin: str | None = None


class StoryDataset(msgspec.Struct, frozen=True, kw_only=True):
    """What is said about one dataset of the story when it is published."""

    name: str
    title: str
    description: str
    entity_type: str
    id_prefix: str
    attributes: tuple[Attribute, ...]
    labels: tuple[str, ...]
    licence: str
    attribution: str
    keywords: tuple[str, ...]
    bbox: tuple[float, float, float, float]


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of the story's contract: where, when and which attributes.

    `area_wkt` is a polygon in WGS84 lon/lat; `start` inclusive, `end` exclusive, UTC.
    """

    area_wkt: str
    attributes: tuple[str, ...]
    entity_type: str
    start: datetime
    end: datetime
