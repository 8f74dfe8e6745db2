"""A mapping is JSON that people edit: it is checked before anything is read."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from ingest_files import csv_source, feature, geojson_source, point

from hansa.ingest import Mapping, apply, decode_mapping, suggest_mapping
from hansa.kernel import HansaError

SOURCE = csv_source("id,time,x [kWh],p,v,u\n1,2022-01-01T00:00Z,2,no2,5,ppb\n")
COLUMN = {"column": "x [kWh]", "attribute": "x", "value": "number", "unit_code": "KWH"}


def _mapping(**changes: Any) -> dict[str, Any]:
    return {"entity_type": "Thing", "id": "{id}", "columns": [COLUMN], **changes}


def _column(**changes: Any) -> dict[str, Any]:
    return _mapping(columns=[{**COLUMN, **changes}])


PIVOT = {"parameter": "p", "value": "v", "parameters": [{"value": "no2", "attribute": "no2"}]}


@pytest.mark.parametrize(
    ("mapping", "field"),
    [
        (_mapping(entity_type="No type"), "entity_type"),
        (_mapping(id=""), "id"),
        (_mapping(id="{nothing}"), "id"),
        (_mapping(layer="other"), "layer"),
        (_mapping(columns=[]), "columns"),
        (_column(column="nothing"), "columns[0].column"),
        (_column(attribute="1x"), "columns[0].attribute"),
        (_column(attribute="value"), "columns[0].attribute"),
        (_column(attribute="type"), "columns[0].attribute"),
        (_column(decimal=";"), "columns[0].decimal"),
        (_column(thousands="."), "columns[0].thousands"),
        (_column(decimal=",", thousands=","), "columns[0].thousands"),
        (_column(unit_code="kilowatthour"), "columns[0].unit_code"),
        (_column(convert_to="KWT"), "columns[0].convert_to"),
        (_column(value="text", convert_to="MWH"), "columns[0].convert_to"),
        (_column(kind="relationship", object="urn:x"), "columns[0].object"),
        (_column(kind="time", time_format="dd.mm"), "columns[0].time_format"),
        (_column(kind="time", zone="Delft"), "columns[0].zone"),
        (_mapping(columns=[COLUMN, COLUMN]), "columns[1].attribute"),
        (_mapping(observed_at={"columns": []}), "observed_at.columns"),
        (_mapping(observed_at={"columns": ["when"]}), "observed_at.columns[0]"),
        (_mapping(observed_at={"columns": ["time"], "format": "x"}), "observed_at.format"),
        (_mapping(observed_at={"columns": ["time"], "zone": "../x"}), "observed_at.zone"),
        (_mapping(observed_at={"columns": ["time"], "fold": "x"}), "observed_at.fold"),
        (_mapping(pivot={**PIVOT, "parameter": "q"}), "pivot.parameter"),
        (_mapping(pivot={**PIVOT, "value": "q"}), "pivot.value"),
        (_mapping(pivot={**PIVOT, "unit": "q"}), "pivot.unit"),
        (_mapping(pivot={**PIVOT, "parameters": []}), "pivot.parameters"),
        (
            _mapping(pivot={**PIVOT, "parameters": [{"value": "a", "attribute": "scope"}]}),
            "pivot.parameters[0].attribute",
        ),
        (_mapping(geometry={"kind": "magic"}), "geometry.kind"),
        (_mapping(geometry={"kind": "feature"}), "geometry.kind"),
        (_mapping(geometry={"kind": "columns", "longitude": "a"}), "geometry.longitude"),
        (_mapping(geometry={"kind": "wkt", "wkt": "a"}), "geometry.wkt"),
        (_mapping(geometry={"kind": "point"}), "geometry.point"),
        (_mapping(geometry={"kind": "point", "point": [4, 99]}), "geometry.point"),
        (_mapping(geometry={"kind": "point", "point": [4, 52], "crs": "RD"}), "geometry.crs"),
        (_mapping(geometry={"kind": "places"}), "geometry.places"),
        (_mapping(geometry={"kind": "places", "places": {"key": "q"}}), "geometry.places.key"),
        (_mapping(geometry={"kind": "places", "places": {"key": "id"}}), "geometry.places"),
        (_mapping(constants=[{"attribute": "x", "value": 1}]), "constants[0].attribute"),
        (_mapping(columns="x"), "columns"),
        (_column(kind="colour"), "columns[0].kind"),
    ],
)
def test_each_mistake_is_named(mapping: dict[str, Any], field: str) -> None:
    with pytest.raises(HansaError) as refusal:
        apply(decode_mapping(mapping), SOURCE, dataset="test")

    assert refusal.value.code == "invalid_field"
    assert refusal.value.facts["field"] == f"mapping.{field}"
    assert refusal.value.title


def test_the_mapping_itself_is_right() -> None:
    assert apply(decode_mapping(_mapping()), SOURCE, dataset="test").summary.entities == 1


def test_unknown_members_are_refused() -> None:
    with pytest.raises(HansaError) as refusal:
        decode_mapping(_column(colour="red"))

    assert refusal.value.code == "unknown_field"
    assert refusal.value.facts["field"] == "mapping.columns[0]"


@pytest.mark.parametrize("data", [b"{", b"\xff"])
def test_what_is_not_json_is_refused(data: bytes) -> None:
    with pytest.raises(HansaError) as refusal:
        decode_mapping(data)

    assert refusal.value.code == "invalid_json"


@pytest.mark.parametrize("name", ["", "a b", "a:b", "-x", "x" * 101])
def test_a_dataset_name_must_fit_into_an_id(name: str) -> None:
    with pytest.raises(HansaError) as refusal:
        apply(decode_mapping(_mapping()), SOURCE, dataset=name)

    assert refusal.value.facts["field"] == "dataset"


def test_a_feature_mapping_needs_a_system() -> None:
    crs = {"type": "name", "properties": {"name": "something of our own"}}
    source = geojson_source(feature(point(1, 2), name="a"), crs=crs)

    with pytest.raises(HansaError) as refusal:
        apply(suggest_mapping(source), source, dataset="test")

    assert refusal.value.facts["field"] == "mapping.geometry.crs"


def test_a_mapping_survives_json() -> None:
    suggested = suggest_mapping(SOURCE)
    text = msgspec.json.encode(suggested)

    assert decode_mapping(text) == suggested
    assert decode_mapping(msgspec.json.decode(text)) == suggested
    assert isinstance(suggested, Mapping)
