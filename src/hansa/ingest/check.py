"""Checks a mapping against the source before anything is read; each refusal names the member."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from hansa.ingest.crs import WGS84, project_from
from hansa.ingest.errors import bad_mapping
from hansa.ingest.model import (
    COLUMNS_MAX,
    PLACES_MAX,
    Column,
    Geometry,
    Kind,
    Layer,
    Mapping,
    ObservedAt,
    Parameter,
    Pivot,
    ValueType,
)
from hansa.ingest.naming import NAME, RESERVED
from hansa.ingest.times import FOLDS, FORMATS
from hansa.ingest.units import CODE, converter
from hansa.kernel import Code, HansaError

GEOMETRY_KINDS = ("none", "columns", "wkt", "feature", "places", "point")
_TEXT_MAX = 2_000
_MARKS = (".", ",")
_THOUSANDS = ("", ".", ",", " ", "'", "\u2019", "\u00a0", "\u202f")
_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
DATASET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def decode_mapping(data: Any) -> Mapping:
    """Read a mapping from JSON (bytes or decoded); HansaError names the member that is wrong."""
    try:
        if isinstance(data, bytes | str):
            return msgspec.json.decode(data, type=Mapping)
        return msgspec.convert(data, Mapping)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$")
        member = path.rstrip("`").lstrip(".")
        if "unknown field" in text:
            raise HansaError(
                Code.unknown_field,
                f"The mapping has a member that is not known: {text}.",
                "Leave it out; the suggested mapping shows all members.",
                field=".".join(filter(None, ("mapping", member))),
            ) from None
        raise bad_mapping(member, f"The mapping is not right: {text}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HansaError(
            Code.invalid_json, "The mapping is not JSON.", f"{error}.", field="mapping"
        ) from None


def check_mapping(mapping: Mapping, layer: Layer, *, places_given: bool) -> None:
    """Refuse a mapping that does not fit the layer; HansaError invalid_field names the member."""
    known = frozenset(layer.columns)
    if not NAME.fullmatch(mapping.entity_type):
        raise bad_mapping(
            "entity_type",
            f"{mapping.entity_type!r} is no entity type.",
            "Letters, digits and _, a letter first.",
        )
    _check_id(mapping.id, known)
    if len(mapping.columns) > COLUMNS_MAX:
        raise bad_mapping("columns", f"More than {COLUMNS_MAX:,} columns.")
    for number, column in enumerate(mapping.columns):
        _check_column(f"columns[{number}]", column, known)
    if mapping.observed_at is not None:
        _check_observed_at(mapping.observed_at, known)
    if mapping.pivot is not None:
        _check_pivot(mapping.pivot, known)
    _check_geometry(mapping.geometry, layer, known, places_given=places_given)
    _check_names(mapping)


def check_dataset(name: str) -> None:
    """Refuse a dataset name that cannot be part of an entity id."""
    if not DATASET.fullmatch(name):
        raise HansaError(
            Code.invalid_field,
            f"{name!r} is no name for a dataset.",
            "Letters, digits, hyphens and points, at most 100.",
            field="dataset",
        )


def _check_id(template: str, known: frozenset[str]) -> None:
    if not template or len(template) > _TEXT_MAX:
        raise bad_mapping("id", "The template of the id is empty or too long.", "Write {column}.")
    for name in _PLACEHOLDER.findall(template):
        if name != "#" and name not in known:
            raise bad_mapping("id", f"There is no column {name!r}.", _has(known))


def _has(known: frozenset[str]) -> str:
    names = sorted(known)
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return f"The file has {', '.join(names[:20])}{more}."


def _check_exists(path: str, column: str, known: frozenset[str]) -> None:
    if column not in known:
        raise bad_mapping(path, f"There is no column {column!r}.", _has(known))


def _check_column(path: str, column: Column, known: frozenset[str]) -> None:
    _check_exists(f"{path}.column", column.column, known)
    if column.kind is Kind.ignore:
        return
    _check_marks(path, column.decimal, column.thousands)
    _check_unit(path, column)
    if column.convert_to and column.value is not ValueType.number:
        raise bad_mapping(
            f"{path}.convert_to", "Only numbers can be converted.", "Set `value` to number."
        )
    if column.kind is Kind.relationship and "{value}" not in column.object:
        raise bad_mapping(
            f"{path}.object", "The template of the relationship lacks {value}.",
            "For example urn:ngsi-ld:Building:{value}.",
        )  # fmt: skip
    _check_format(f"{path}.time_format", column.time_format)
    _check_zone(f"{path}.zone", column.zone)


def _check_marks(path: str, decimal: str, thousands: str) -> None:
    if decimal not in _MARKS:
        raise bad_mapping(f"{path}.decimal", "The decimal mark is a point or a comma.")
    if thousands not in _THOUSANDS or thousands == decimal:
        raise bad_mapping(
            f"{path}.thousands", "Thousands are parted by a point, comma, blank or apostrophe."
        )


def _check_unit(path: str, unit: Column | Parameter) -> None:
    for member, code in (("unit_code", unit.unit_code), ("convert_to", unit.convert_to)):
        if code is not None and not CODE.fullmatch(code):
            raise bad_mapping(
                f"{path}.{member}",
                f"{code!r} is no UN/CEFACT unit code.",
                "Two or three capitals or digits, for example KWH.",
            )
    if unit.convert_to and (
        unit.unit_code is None or converter(unit.unit_code, unit.convert_to) is None
    ):
        raise bad_mapping(
            f"{path}.convert_to",
            f"{unit.unit_code or 'No unit'} cannot be converted to {unit.convert_to}.",
            "Both must be known units of one quantity.",
        )


def _check_format(path: str, pattern: str) -> None:
    if pattern not in FORMATS and "%" not in pattern:
        raise bad_mapping(
            path,
            f"{pattern!r} is no time format.",
            f"Write {', '.join(FORMATS)} or a pattern such as %d.%m.%Y %H:%M.",
        )


def _check_observed_at(spec: ObservedAt, known: frozenset[str]) -> None:
    if not spec.columns:
        raise bad_mapping("observed_at.columns", "Name at least one column.", _has(known))
    for number, column in enumerate(spec.columns):
        _check_exists(f"observed_at.columns[{number}]", column, known)
    _check_format("observed_at.format", spec.format)
    if spec.fold not in FOLDS:
        raise bad_mapping("observed_at.fold", f"`fold` is one of {', '.join(FOLDS)}.")
    _check_zone("observed_at.zone", spec.zone)


def _check_zone(path: str, zone: str) -> None:
    if zone:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise bad_mapping(
                path,
                f"{zone!r} is no time zone.",
                "Write an IANA name such as Europe/Amsterdam, or UTC.",
            ) from None


def _check_pivot(pivot: Pivot, known: frozenset[str]) -> None:
    _check_exists("pivot.parameter", pivot.parameter, known)
    _check_exists("pivot.value", pivot.value, known)
    if pivot.unit:
        _check_exists("pivot.unit", pivot.unit, known)
    _check_marks("pivot", pivot.decimal, pivot.thousands)
    if not pivot.parameters:
        raise bad_mapping("pivot.parameters", "A long table needs at least one parameter.")
    for number, parameter in enumerate(pivot.parameters):
        _check_unit(f"pivot.parameters[{number}]", parameter)


def _check_geometry(
    spec: Geometry, layer: Layer, known: frozenset[str], *, places_given: bool
) -> None:
    if spec.kind not in GEOMETRY_KINDS:
        raise bad_mapping("geometry.kind", f"`kind` is one of {', '.join(GEOMETRY_KINDS)}.")
    _check_marks("geometry", spec.decimal, "")
    if spec.kind == "columns":
        _check_exists("geometry.longitude", spec.longitude, known)
        _check_exists("geometry.latitude", spec.latitude, known)
    elif spec.kind == "wkt":
        _check_exists("geometry.wkt", spec.wkt, known)
    elif spec.kind == "feature" and layer.geometry is None:
        raise bad_mapping("geometry.kind", "The rows of this file carry no geometry.")
    elif spec.kind == "point":
        if spec.point is None or not (-180 <= spec.point[0] <= 180 and -90 <= spec.point[1] <= 90):
            raise bad_mapping("geometry.point", "Give longitude and latitude in degrees.")
    elif spec.kind == "places":
        _check_places(spec, known, places_given=places_given)
    if spec.kind == "feature" and not (spec.crs or layer.crs):
        raise bad_mapping(
            "geometry.crs",
            "The file names no coordinate system.",
            "Write the one that its coordinates are in, for example EPSG:28992.",
        )
    project_from(spec.crs or (layer.crs if spec.kind == "feature" else None) or WGS84)


def _check_places(spec: Geometry, known: frozenset[str], *, places_given: bool) -> None:
    places = spec.places
    if places is None:
        raise bad_mapping("geometry.places", "Say which column names the place, and its file.")
    _check_exists("geometry.places.key", places.key, known)
    if len(places.positions) > PLACES_MAX:
        raise bad_mapping("geometry.places.positions", f"More than {PLACES_MAX:,} places.")
    if not places.positions and not places_given:
        raise bad_mapping(
            "geometry.places",
            "The file with the places is missing.",
            "Give it beside this file, or write `positions`.",
        )
    if places_given and not (places.place_key and places.longitude and places.latitude):
        raise bad_mapping(
            "geometry.places",
            "Say which columns of the places' file hold key, longitude and latitude.",
        )


def _names(mapping: Mapping) -> Iterator[tuple[str, str]]:
    if mapping.geometry.kind != "none":
        yield "geometry.attribute", mapping.geometry.attribute
    for number, column in enumerate(mapping.columns):
        if column.kind is not Kind.ignore:
            yield f"columns[{number}].attribute", column.attribute
    for number, parameter in enumerate(mapping.pivot.parameters if mapping.pivot else ()):
        yield f"pivot.parameters[{number}].attribute", parameter.attribute
    for number, constant in enumerate(mapping.constants):
        yield f"constants[{number}].attribute", constant.attribute


def _check_names(mapping: Mapping) -> None:
    taken: dict[str, str] = {}
    for path, name in _names(mapping):
        if not NAME.fullmatch(name):
            raise bad_mapping(
                path, f"{name!r} is no attribute name.", "Letters, digits and _, a letter first."
            )
        if name in RESERVED:
            raise bad_mapping(
                path, f"{name!r} is a word of NGSI-LD.", "Choose another name for the attribute."
            )
        if name in taken:
            raise bad_mapping(
                path, f"The attribute {name!r} stands also at {taken[name]}.", "Name them apart."
            )
        taken[name] = path
    if not taken:
        raise bad_mapping("columns", "Nothing would be published.", "Map at least one column.")
