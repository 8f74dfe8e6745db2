"""Compiles the columns of a mapping into functions from a row to NGSI-LD attribute bodies.

Bodies are normalized (NGSI-LD 1.9.1 5.2.5 Property, 5.2.6 Relationship, 5.2.7 GeoProperty,
5.2.24 JsonProperty), without `observedAt`, which the pass adds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from hansa.ingest.crs import WGS84, project_from
from hansa.ingest.geometry import from_wkt, to_wgs84
from hansa.ingest.model import (
    AttributeInfo,
    CellError,
    Column,
    Geometry,
    Json,
    Kind,
    Mapping,
    ObservedAt,
    Parameter,
    Pivot,
    Reason,
    ValueType,
)
from hansa.ingest.times import TimeReader
from hansa.ingest.units import UNITS, converter, unit_of
from hansa.ingest.values import Read, number_reader, relationship_reader, text_reader, value_reader
from hansa.kernel import iso

Make = Callable[[Any], Json | None]
"""From a cell to an attribute body; None for a cell without value."""


def property_body(read: Read, unit_code: str | None, cell: Any) -> Json | None:
    """Give a Property, None for a gap."""
    value = read(cell)
    if value is None:
        return None
    body: Json = {"type": "Property", "value": value}
    if unit_code:
        body["unitCode"] = unit_code
    return body


def column_maker(column: Column, geometry: Geometry, layer_crs: str | None) -> Make:
    """Compile one column."""
    if column.kind is Kind.relationship:
        return partial(_relationship_body, relationship_reader(column))
    if column.kind is Kind.time:
        spec = ObservedAt(
            columns=(column.column,), format=column.time_format, zone=column.zone, fold="earlier"
        )
        return partial(_time_body, column, TimeReader(spec))
    if column.kind is Kind.geo:
        return partial(_geo_body, column, geometry, layer_crs)
    read = value_reader(column)
    if column.value is ValueType.json:
        return partial(_json_body, read)
    return partial(property_body, read, column.convert_to or column.unit_code)


def _relationship_body(read: Read, cell: Any) -> Json | None:
    uri = read(cell)
    return None if uri is None else {"type": "Relationship", "object": uri}


def _json_body(read: Read, cell: Any) -> Json | None:
    value = read(cell)
    return None if value is None else {"type": "JsonProperty", "json": value}


def _time_body(column: Column, reader: TimeReader, cell: Any) -> Json | None:
    if cell is None or (isinstance(cell, str) and cell.strip() in column.missing):
        return None
    day = reader.day(cell)
    if day is not None:
        return {"type": "Property", "value": {"@type": "Date", "@value": day.isoformat()}}
    at = iso(reader.read(cell))
    return {"type": "Property", "value": {"@type": "DateTime", "@value": at}}


def _geo_body(column: Column, spec: Geometry, layer_crs: str | None, cell: Any) -> Json | None:
    if cell is None or (isinstance(cell, str) and cell.strip() in column.missing):
        return None
    geometry, crs = from_wkt(str(cell), column.column)
    project = project_from(crs or spec.crs or layer_crs or WGS84)
    return {
        "type": "GeoProperty",
        "value": to_wgs84(geometry, project, column.column, repair=spec.repair),
    }


class PivotReader:
    """Reads a row of a long table: which attribute, and its body."""

    def __init__(self, pivot: Pivot) -> None:
        self._pivot = pivot
        self._name = text_reader(pivot.parameter, pivot.missing)
        self._unit = text_reader(pivot.unit, pivot.missing) if pivot.unit else None
        self._parameters = {parameter.value: parameter for parameter in pivot.parameters}
        self._readers: dict[tuple[str, str | None], Read] = {}

    def read(self, values: Json) -> tuple[str, Json]:
        """Give attribute name and body; `CellError` for an unknown parameter, unit or a gap."""
        pivot = self._pivot
        name = self._name(values.get(pivot.parameter))
        parameter = self._parameters.get(name or "")
        if parameter is None:
            raise CellError(
                Reason.parameter_unknown,
                pivot.parameter,
                f"the mapping has no parameter {name!r}; add it, or leave the row set aside",
                values.get(pivot.parameter),
            )
        body = property_body(
            self._reader(parameter, values),
            parameter.convert_to or parameter.unit_code,
            values.get(pivot.value),
        )
        if body is None:
            raise CellError(
                Reason.value_missing, pivot.value, "the row has no value", values.get(pivot.value)
            )
        return parameter.attribute, body

    def _reader(self, parameter: Parameter, values: Json) -> Read:
        text = self._unit(values.get(self._pivot.unit or "")) if self._unit else None
        key = (parameter.value, text)
        reader = self._readers.get(key)
        if reader is None:
            reader = self._readers[key] = self._compile(parameter, text)
        return reader

    def _compile(self, parameter: Parameter, unit_text: str | None) -> Read:
        """Compile the reader for one parameter in one unit; few pairs occur in a file."""
        pivot = self._pivot
        target = parameter.convert_to or parameter.unit_code
        source = parameter.unit_code
        if unit_text is not None:
            unit = unit_of(unit_text)
            if unit is None and target is not None:
                raise CellError(
                    Reason.unit_unknown, pivot.unit or "", "this unit is not known", unit_text
                )
            source = unit.code if unit else None
        convert = None
        if source and target and source != target:
            convert = converter(source, target)
            if convert is None:
                raise CellError(
                    Reason.unit_differs,
                    pivot.unit or "",
                    f"{source} cannot be converted to {target}",
                    unit_text,
                )
        return number_reader(
            pivot.value,
            decimal=pivot.decimal,
            thousands=pivot.thousands,
            missing=pivot.missing,
            convert=convert,
        )


_KINDS = {Kind.relationship: "Relationship", Kind.geo: "GeoProperty"}


def attribute_infos(mapping: Mapping) -> tuple[AttributeInfo, ...]:
    """Describe the attributes that a mapping makes, for a catalogue."""
    infos: list[AttributeInfo] = []
    if mapping.geometry.kind != "none":
        name = mapping.geometry.attribute
        infos.append(AttributeInfo(name=name, title="Place", kind="GeoProperty"))
    for column in mapping.columns:
        if column.kind is Kind.ignore:
            continue
        kind = _KINDS.get(column.kind, "Property")
        if column.kind is Kind.property and column.value is ValueType.json:
            kind = "JsonProperty"
        code = column.convert_to or column.unit_code
        infos.append(
            AttributeInfo(
                name=column.attribute,
                title=column.title or column.column,
                kind=kind,
                unit_code=code,
                unit=_unit_text(code, column.unit if not column.convert_to else None),
                origin=column.column,
            )
        )
    for parameter in mapping.pivot.parameters if mapping.pivot else ():
        code = parameter.convert_to or parameter.unit_code
        infos.append(
            AttributeInfo(
                name=parameter.attribute,
                title=parameter.title or parameter.value,
                unit_code=code,
                unit=_unit_text(code, parameter.unit if not parameter.convert_to else None),
                origin=parameter.value,
            )
        )
    infos.extend(
        AttributeInfo(name=constant.attribute, title=constant.attribute)
        for constant in mapping.constants
    )
    return tuple(infos)


def _unit_text(code: str | None, text: str | None) -> str | None:
    known = UNITS.get(code or "")
    return known.symbol if known else text
