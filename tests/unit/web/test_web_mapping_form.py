"""The mapping as a table: what is shown, and what comes back of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hansa.kernel import HansaError
from hansa.web import mapping_form

Json = dict[str, Any]
MAPPING: Json = {
    "entity_type": "AirQualityObserved",
    "id": "air",
    "columns": [
        {"column": "station", "attribute": "station"},
        {"column": "no2", "attribute": "no2", "value": "number", "unit_code": "GQ", "unit": "µg"},
    ],
    "pivot": {"parameter": "p", "value": "v", "parameters": [{"value": "NO2", "attribute": "no2"}]},
}


def form(**changes: str | None) -> dict[str, list[str]]:
    """Fill the form as a page shows it, with changes."""
    text = msgspec.json.encode(MAPPING).decode()
    shown = {"mapping": text, "mapping_shown": mapping_form.digest(text)}
    for line in mapping_form.lines(MAPPING):
        shown |= {f"{line.field}.{name}": getattr(line, name) for name in
                  ("attribute", "title", "unit_code")}  # fmt: skip
        if line.choices:
            shown |= {f"{line.field}.kind": line.kind, f"{line.field}.value": line.value}
    shown |= {"entity_type": MAPPING["entity_type"]}
    changed = {name.replace("__", "."): value for name, value in changes.items()}
    return {k: [v] for k, v in {**shown, **changed}.items() if v is not None}


def test_what_is_not_changed_comes_back_as_it_was() -> None:
    assert mapping_form.read(form()) == MAPPING


def test_a_line_changes_its_column_alone() -> None:
    found = mapping_form.read(
        form(column__0__kind="ignore", column__1__attribute="nitrogen", column__1__fixed="1")
    )
    assert found is not None
    assert found["columns"][0] == {"column": "station", "attribute": "station", "kind": "ignore"}
    assert found["columns"][1] == {
        **MAPPING["columns"][1],
        "attribute": "nitrogen",
        "fixed": True,
    }
    assert found["pivot"] == MAPPING["pivot"]


def test_another_unit_forgets_the_words_of_the_old_one() -> None:
    found = mapping_form.read(form(column__1__unit_code="KWT", parameter__0__title="Nitrogen"))
    assert found is not None
    assert found["columns"][1]["unit_code"] == "KWT"
    assert "unit" not in found["columns"][1]
    assert found["pivot"]["parameters"][0]["title"] == "Nitrogen"
    gone = mapping_form.read(form(column__1__unit_code=""))
    assert gone is not None
    assert gone["columns"][1]["unit_code"] is None


def test_what_is_written_as_json_counts_more_than_the_table() -> None:
    written = msgspec.json.encode({**MAPPING, "id": "other"}).decode()
    found = mapping_form.read(form(mapping=written, column__1__attribute="nitrogen"))
    assert found == {**MAPPING, "id": "other"}
    spaced = msgspec.json.format(msgspec.json.encode(MAPPING), indent=4).decode()
    kept = mapping_form.read(form(mapping=spaced.replace("\n", "\r\n"), entity_type="Noise"))
    assert kept == {**MAPPING, "entity_type": "Noise"}, "white space is no change"


def test_choices_that_do_not_exist_are_passed_over() -> None:
    assert mapping_form.read(form(column__0__kind="magic")) == MAPPING
    with pytest.raises(HansaError, match="not a JSON object"):
        mapping_form.read(form(mapping="["))
    assert mapping_form.read({}) is None


@pytest.mark.parametrize("columns", [None, {"no2": "GQ"}, ["no2"], 7])
def test_a_mapping_of_another_shape_has_no_lines(columns: Any) -> None:
    assert mapping_form.lines({"columns": columns, "pivot": columns}) == []
