"""What a file says, how it is to be read, and what came of it. No I/O.

A `Mapping` is suggested, shown as JSON, edited by a person and applied; it holds everything that
is needed to read the file again in the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

Json = dict[str, Any]

FILE_BYTES_MAX = 200 * 1024 * 1024
"""Size of a file, and of what a gzipped one expands to."""
CITYJSON_BYTES_MAX = 64 * 1024 * 1024
"""Size of a CityJSON file that is not a sequence, because it must be held in memory whole."""
ROWS_MAX = 5_000_000
COLUMNS_MAX = 2_000
LAYERS_MAX = 200
CELL_CHARACTERS_MAX = 131_072
TEXT_CHARACTERS_MAX = 10_000
POSITIONS_MAX = 100_000
"""Corners of one geometry."""
PLACES_MAX = 100_000
REJECTIONS_LISTED_MAX = 1_000
"""Rejections beyond this are counted by reason, not listed."""
RAW_CHARACTERS_MAX = 200


class Reason(StrEnum):
    """Why a row was set aside, as a stable word for programs."""

    malformed = "malformed"
    columns_differ = "columns_differ"
    id_missing = "id_missing"
    id_collision = "id_collision"
    duplicate = "duplicate"
    value_missing = "value_missing"
    not_a_number = "not_a_number"
    not_finite = "not_finite"
    not_an_integer = "not_an_integer"
    not_a_boolean = "not_a_boolean"
    not_text = "not_text"
    too_long = "too_long"
    unit_unknown = "unit_unknown"
    unit_differs = "unit_differs"
    parameter_unknown = "parameter_unknown"
    time_missing = "time_missing"
    time_unreadable = "time_unreadable"
    time_without_zone = "time_without_zone"
    time_ambiguous = "time_ambiguous"
    time_nonexistent = "time_nonexistent"
    time_range = "time_range"
    coordinates_missing = "coordinates_missing"
    coordinates_range = "coordinates_range"
    coordinates_swapped = "coordinates_swapped"
    geometry_missing = "geometry_missing"
    geometry_invalid = "geometry_invalid"
    geometry_kind = "geometry_kind"
    geometry_too_large = "geometry_too_large"
    place_unknown = "place_unknown"
    relationship_invalid = "relationship_invalid"


class CellError(Exception):
    """One cell that cannot be read. Caught by the pass, which sets the row aside."""

    def __init__(self, code: Reason, field: str, text: str, raw: Any = None) -> None:
        super().__init__(text)
        self.code = code
        self.field = field
        self.text = text
        self.raw = raw


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """A row that was set aside. `line` counts lines of a text, else features or rows, from 1.

    `raw` is the cell at fault, cut to 200 characters; `file` is set when it is not the main file.
    """

    line: int
    field: str
    code: Reason
    reason: str
    raw: str = ""
    file: str | None = None


class Row(msgspec.Struct, frozen=True):
    """One row: where it stood, its cells by column, its geometry as GeoJSON in the file's CRS."""

    line: int
    values: Json
    geometry: Json | None = None


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """One table of a source. `crs` is like `EPSG:28992`, None when the file names none.

    `geometry` is the GeoJSON type, `Geometry` when mixed, None when rows carry no geometry.
    `noun` is what `Row.line` counts: line, feature, row or object.
    """

    name: str
    columns: tuple[str, ...]
    noun: str
    geometry: str | None = None
    crs: str | None = None
    rows: int | None = None


class Kind(StrEnum):
    """What a column becomes."""

    property = "property"
    relationship = "relationship"
    time = "time"
    geo = "geo"
    ignore = "ignore"


class ValueType(StrEnum):
    """How the text of a property is read."""

    text = "text"
    number = "number"
    integer = "integer"
    boolean = "boolean"
    json = "json"


MISSING = ("", "NA", "N/A", "n/a", "#N/A", "null", "NULL", "None", "-", "--")
"""Cells that mean `no value`. `nan` is not among them: it is set aside unless it is added."""


class Column(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """What one column becomes: `property`, `relationship`, `time` (a DateTime), `geo` (WKT).

    `unit_code` is the UN/CEFACT code of the column's unit, `unit` its text for people;
    `convert_to` asks for another unit of the same quantity. `decimal` and `thousands` are the
    marks in numbers. `fixed` says that the value does not change with time: it gets no
    `observedAt` and no history. `object` is the relationship's id with `{value}` in it.
    `time_format` and `zone` are as in `ObservedAt`; a day without a time of day becomes a Date and
    needs no zone.
    """

    column: str
    kind: Kind = Kind.property
    attribute: str = ""
    title: str = ""
    value: ValueType = ValueType.text
    unit_code: str | None = None
    unit: str | None = None
    convert_to: str | None = None
    decimal: str = "."
    thousands: str = ""
    missing: tuple[str, ...] = MISSING
    fixed: bool = False
    object: str = "{value}"
    time_format: str = "iso"
    zone: str = ""


class Parameter(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """One value of a parameter column and the attribute that it becomes."""

    value: str
    attribute: str
    title: str = ""
    unit_code: str | None = None
    unit: str | None = None
    convert_to: str | None = None


class Pivot(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """A long table: one row per parameter and value. Columns named here make no own attribute.

    A row whose unit differs from its parameter's is converted, or set aside when it can't be.
    """

    parameter: str
    value: str
    unit: str | None = None
    parameters: tuple[Parameter, ...] = ()
    decimal: str = "."
    thousands: str = ""
    missing: tuple[str, ...] = MISSING


class ObservedAt(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """When a row was observed: columns (joined by a blank), format, zone of local times.

    `format` is `iso`, `epoch_s`, `epoch_ms` or a pattern of `strptime`. `zone` is an IANA name
    and counts for times without an own offset; without it such a time is set aside. `fold` says
    what to do with the hour that comes twice: `order` (by the order of the rows), `earlier`,
    `later`, `reject`.
    """

    columns: tuple[str, ...]
    format: str = "iso"
    zone: str = ""
    fold: str = "order"


class Places(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Places of the rows from another file, joined by key.

    `key` is the column of this file; the others are columns of the file named `source`.
    `positions` (key to lon, lat in WGS84) may stand here instead of the other file.
    """

    key: str
    source: str = ""
    place_key: str = ""
    longitude: str = ""
    latitude: str = ""
    positions: dict[str, tuple[float, float]] = {}


class Geometry(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Where a row lies. `kind`: `none`, `columns` (longitude/x and latitude/y columns), `wkt` (a
    column), `feature` (the row's own geometry), `places` (another file), `point` (one for all).

    `crs` overrides the file's. `near` (lon, lat) is where most rows lie: it tells swapped
    coordinates. `moving` gives the location a history. `repair` mends invalid polygons. Rows
    without a place are set aside when it is `required`.
    """

    kind: str = "none"
    attribute: str = "location"
    longitude: str = ""
    latitude: str = ""
    wkt: str = ""
    decimal: str = "."
    point: tuple[float, float] | None = None
    places: Places | None = None
    crs: str = ""
    near: tuple[float, float] | None = None
    moving: bool = False
    repair: bool = False
    required: bool = True


class Constant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A Property that every entity gets, for example `dataProvider`."""

    attribute: str
    value: str | int | float | bool


class Mapping(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """How a file becomes NGSI-LD entities.

    `id` is a template: text with `{column}` in it, `{#}` is the row's number. `layer` is the table
    of a GeoPackage or the object type of a CityJSON. `notes` tell what the suggestion could not
    know.
    """

    entity_type: str
    id: str
    title: str = ""
    layer: str = ""
    columns: tuple[Column, ...] = ()
    geometry: Geometry = Geometry()
    observed_at: ObservedAt | None = None
    pivot: Pivot | None = None
    constants: tuple[Constant, ...] = ()
    notes: tuple[str, ...] = ()


class Instance(msgspec.Struct, frozen=True):
    """One observed attribute instance: normalized body with `observedAt`."""

    entity_id: str
    entity_type: str
    attribute: str
    body: Json


class AttributeInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One attribute that the entities carry, as a catalogue describes it."""

    name: str
    title: str
    kind: str = "Property"
    unit_code: str | None = None
    unit: str | None = None
    origin: str | None = None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a file. `rejected_by` counts rejections by reason, also those not listed.

    `bbox` is west, south, east, north in degrees; `start` and `end` are the first and last
    observation in UTC; `id_prefix` is the start of each entity id.
    """

    rows: int
    accepted: int
    rejected: int
    rejected_by: dict[str, int]
    entities: int
    instances: int
    id_prefix: str
    bbox: tuple[float, float, float, float] | None = None
    start: datetime | None = None
    end: datetime | None = None


class Progress(msgspec.Struct, frozen=True):
    """How far a pass has come: rows read, and the share of the file (0 to 1) when it is known."""

    rows: int
    share: float | None


OnProgress = Callable[[Progress], None]
