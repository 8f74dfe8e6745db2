"""What a person fills in becomes the API's objects, or a refusal that names the field."""

from __future__ import annotations

from typing import Any

import pytest

from hansa.kernel import Code, HansaError
from hansa.web import offer_form

TEMPLATE: dict[str, Any] = {
    "id": "t",
    "parameters": [
        {"name": "area", "title": "Area", "kind": "area", "required": False},
        {"name": "attributes", "title": "Attributes", "kind": "attributes", "required": True},
        {"name": "period", "title": "Period", "kind": "period", "required": False},
        {"name": "until", "title": "Until", "kind": "date", "required": False},
        {"name": "age", "title": "Age", "kind": "duration", "required": False},
        {"name": "purpose", "title": "Purpose", "kind": "text", "required": False},
    ],
}


def test_all_kinds_of_parameters_are_read() -> None:
    form = {
        "t.area.west": ["4.0"], "t.area.south": ["52"], "t.area.east": ["4.1"],
        "t.area.north": ["52.1"], "t.attributes": ["no2", "location"],
        "t.period.start": ["2026-11-01"], "t.period.end": [""], "t.until": ["2026-12-31"],
        "t.age": ["24"], "t.age.unit": ["hours"], "t.purpose": [" planning "],
        "other.area.west": ["9"],
    }  # fmt: skip
    assert offer_form.parameters(form, TEMPLATE) == {
        "area": "POLYGON ((4.0 52.0, 4.1 52.0, 4.1 52.1, 4.0 52.1, 4.0 52.0))",
        "attributes": ["no2", "location"],
        "period": {"start": "2026-11-01", "end": None},
        "until": "2026-12-31",
        "age": "PT24H",
        "purpose": "planning",
    }


@pytest.mark.parametrize(
    ("field", "value", "at_fault"),
    [
        ("t.area.west", ["4"], "t.area"),
        ("t.area.wkt", ["POINT (4 52)"], "t.area"),
        ("t.period.start", ["tomorrow"], "t.period"),
        ("t.until", ["31.12.2026"], "t.until"),
        ("t.age", ["-3"], "t.age"),
        ("t.attributes", [], "t.attributes"),
    ],
)
def test_a_refusal_names_the_field(field: str, value: list[str], at_fault: str) -> None:
    form = {"t.attributes": ["no2"], field: value}
    with pytest.raises(HansaError) as caught:
        offer_form.parameters(form, TEMPLATE)
    assert caught.value.code is Code.invalid_field
    assert caught.value.facts["field"] == at_fault


def test_edges_must_be_in_order() -> None:
    form = {
        f"t.area.{e}": [v] for e, v in zip(("west", "south", "east", "north"), "5544", strict=True)
    }
    with pytest.raises(HansaError, match="not in order"):
        offer_form.parameter(form, "t.area", "area")


def test_a_period_may_not_end_before_it_starts() -> None:
    form = {"t.period.start": ["2026-12-01"], "t.period.end": ["2026-11-01"]}
    with pytest.raises(HansaError, match="ends before"):
        offer_form.parameter(form, "t.period", "period")


def test_a_mapping_must_be_a_json_object() -> None:
    assert offer_form.mapping("  ") is None
    assert offer_form.mapping('{"a": 1}') == {"a": 1}
    for text in ("[1]", "{", "nonsense"):
        with pytest.raises(HansaError) as caught:
            offer_form.mapping(text)
        assert caught.value.facts["field"] == "mapping"


def test_a_preview_shows_plain_values_of_any_form() -> None:
    table = offer_form.preview_rows(
        [
            {"id": "a", "type": "T", "x": {"type": "Property", "value": 1}, "y": [{"value": 2}]},
            {"id": "b", "type": "T", "r": {"type": "Relationship", "object": "urn:c"}, "k": 3},
        ]
    )
    assert table["columns"] == ["x", "y", "r", "k"]
    assert table["rows"] == [["a", "T", 1, 2, None, None], ["b", "T", None, None, "urn:c", 3]]
