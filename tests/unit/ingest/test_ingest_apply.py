"""One pass: entities, history, and every row that is set aside with its line and reason."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingest_files import (
    csv_source,
    feature,
    geojson_source,
    number,
    point,
    reasons,
    replaced,
    run,
    series_mapping,
    table_mapping,
    text,
)

from hansa.ingest import (
    Column,
    Constant,
    Geometry,
    Kind,
    Parameter,
    Pivot,
    Places,
    Progress,
    ValueType,
    apply,
    as_temporal,
    decode_mapping,
    inline_places,
)
from hansa.ingest.series import Series
from hansa.kernel import HansaError

SERIES = """id,time,x,y,name
a,2022-01-01T00:00Z,1,10,Anna
b,2022-01-01T00:00Z,2,20,Ben
a,2022-01-01T02:00Z,3,,Anna
a,2022-01-01T01:00Z,4,40,Anne
"""


def test_the_newest_is_current_and_all_are_history() -> None:
    mapping = series_mapping(
        number("x", unit_code="KWH", unit="kWh"), number("y"), text("name", fixed=True)
    )

    result = run(mapping, csv_source(SERIES))

    a, b = result.entities()
    assert a == {
        "id": "urn:ngsi-ld:Thing:test:a",
        "type": "Thing",
        "name": {"type": "Property", "value": "Anna"},
        "x": {
            "type": "Property",
            "value": 3,
            "unitCode": "KWH",
            "observedAt": "2022-01-01T02:00:00Z",
        },
        "y": {"type": "Property", "value": 40, "observedAt": "2022-01-01T01:00:00Z"},
    }
    assert b["name"]["value"] == "Ben"
    history = [(i.entity_id[-1], i.attribute, i.body["value"]) for i in result.history()]
    assert history == [
        ("a", "x", 1), ("a", "y", 10), ("b", "x", 2), ("b", "y", 20),
        ("a", "x", 3), ("a", "x", 4), ("a", "y", 40),
    ]  # fmt: skip
    summary = result.summary
    assert (summary.rows, summary.accepted, summary.entities, summary.instances) == (4, 4, 2, 7)
    assert summary.start == datetime(2022, 1, 1, tzinfo=UTC)
    assert summary.end == datetime(2022, 1, 1, 2, tzinfo=UTC)
    assert summary.id_prefix == result.id_prefix == "urn:ngsi-ld:Thing:test:"


def test_bad_rows_are_set_aside_whole_with_all_their_faults() -> None:
    source = csv_source(
        "id,time,x,y\n"
        "a,2022-01-01T00:00Z,1,1\n"
        "a,soon,two,3\n"
        "a,2022-01-01T01:00Z,nan,4\n"
        ",2022-01-01T01:00Z,1,1\n"
        "a,2022-01-01T02:00Z,,\n"
        "a,2022-01-01T00:00Z,9,9\n"
    )

    result = run(series_mapping(number("x"), number("y")), source)

    assert reasons(result) == [
        (3, "time_unreadable"),
        (3, "not_a_number"),
        (4, "not_finite"),
        (5, "id_missing"),
        (6, "value_missing"),
        (7, "duplicate"),
    ]
    first = result.rejections[1]
    assert (first.field, first.raw) == ("x", "two")
    assert first.reason
    summary = result.summary
    assert (summary.rows, summary.accepted, summary.rejected) == (6, 1, 5)
    assert sum(summary.rejected_by.values()) == 6
    assert [i.body["value"] for i in result.history()] == [1, 1]


def test_what_is_not_listed_is_still_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hansa.ingest.assemble.REJECTIONS_LISTED_MAX", 3)
    source = csv_source("id,x\n" + "1,bad\n" * 10)

    result = run(table_mapping(number("x")), source)

    assert len(result.rejections) == 3
    assert result.summary.rejected_by == {"not_a_number": 10}
    assert result.summary.rejected == 10


def test_a_rejected_cell_is_shown_short() -> None:
    result = run(table_mapping(number("x")), csv_source(f"id,x\n1,{'z' * 5_000}\n"))

    assert len(result.rejections[0].raw) == 200


def test_the_same_thing_twice_without_time_is_a_duplicate() -> None:
    result = run(table_mapping(number("x")), csv_source("id,x\n1,2\n1,3\n"))

    assert reasons(result) == [(3, "duplicate")]
    assert next(result.entities())["x"]["value"] == 2


def test_two_names_that_would_share_an_id_are_told() -> None:
    result = run(table_mapping(number("x")), csv_source("id,x\nKöln,1\nKoln,2\n"))

    assert reasons(result) == [(3, "id_collision")]
    assert "Köln" in result.rejections[0].reason


def test_ids_from_several_columns_or_the_row_number() -> None:
    source = csv_source("a,b,x\n1,2,3\n1,3,4\n")

    assert [
        e["id"].rpartition(":")[2]
        for e in run(table_mapping(number("x"), id="{a}-{b}"), source).entities()
    ] == ["1-2", "1-3"]
    assert [
        e["id"].rpartition(":")[2]
        for e in run(table_mapping(number("x"), id="row-{#}"), source).entities()
    ] == ["row-1", "row-2"]


def test_units_are_converted_when_asked() -> None:
    column = number("flow", unit_code="G51", unit="l/s", convert_to="MQS")

    result = run(series_mapping(column), csv_source("id,time,flow\na,2022-01-01T00:00Z,100.59\n"))

    assert next(result.entities())["flow"]["value"] == 0.10059
    assert next(result.entities())["flow"]["unitCode"] == "MQS"
    info = result.attributes[0]
    assert (info.name, info.unit_code, info.unit, info.origin) == ("flow", "MQS", "m³/s", "flow")


LONG = """station,time,parameter,value,unit
s1,2022-01-01T00:00Z,no2,20,µg/m³
s1,2022-01-01T00:00Z,pm25,0.5,mg/m3
s1,2022-01-01T01:00Z,no2,,µg/m³
s1,2022-01-01T02:00Z,o3,3,µg/m³
s1,2022-01-01T03:00Z,no2,3,ppb
s1,2022-01-01T04:00Z,no2,3,spoons
s1,2022-01-01T05:00Z,no2,7,
"""
AIR = series_mapping(
    id="{station}",
    pivot=Pivot(
        parameter="parameter",
        value="value",
        unit="unit",
        parameters=(
            Parameter(value="no2", attribute="no2", unit_code="GQ"),
            Parameter(value="pm25", attribute="pm25", unit_code="GQ"),
        ),
    ),
)


def test_a_long_table_gives_one_attribute_per_parameter() -> None:
    result = run(AIR, csv_source(LONG))

    entity = next(result.entities())
    assert entity["no2"]["value"] == 7
    assert entity["pm25"] == {
        "type": "Property",
        "value": 500,
        "unitCode": "GQ",
        "observedAt": "2022-01-01T00:00:00Z",
    }
    assert reasons(result) == [
        (4, "value_missing"),
        (5, "parameter_unknown"),
        (6, "unit_differs"),
        (7, "unit_unknown"),
    ]
    assert result.summary.accepted == 3


def test_a_long_table_without_time() -> None:
    mapping = replaced(AIR, observed_at=None)

    result = run(mapping, csv_source(LONG))

    assert next(result.entities())["no2"]["value"] == 20
    assert reasons(result)[-1] == (8, "duplicate")
    assert list(result.history()) == []


STATIONS = "key,lat,lon\ns1,52.01,4.36\ns2,52.02,4.37\ns1,52.99,4.36\ns3,x,4\n,52,4\n"
JOINED = Geometry(
    kind="places",
    places=Places(
        key="station", source="stations.csv", place_key="key", longitude="lon", latitude="lat"
    ),
)


def test_places_come_from_a_second_file() -> None:
    source = csv_source("station,x\ns1,1\ns9,2\n")
    mapping = table_mapping(number("x"), id="{station}", geometry=JOINED)

    result = run(mapping, source, places=csv_source(STATIONS, name="stations.csv"))

    assert next(result.entities())["location"]["value"] == point(4.36, 52.01)
    assert [(r.file, r.line, r.code.value) for r in result.rejections] == [
        ("stations.csv", 4, "duplicate"),
        ("stations.csv", 5, "not_a_number"),
        ("stations.csv", 6, "id_missing"),
        (None, 3, "place_unknown"),
    ]


def test_places_may_stand_in_the_mapping() -> None:
    places = Places(key="station", positions={"s1": (4.36, 52.01)})
    mapping = table_mapping(
        number("x"), id="{station}", geometry=Geometry(kind="places", places=places)
    )

    result = run(mapping, csv_source("station,x\ns1,1\n"))

    assert next(result.entities())["location"]["value"] == point(4.36, 52.01)


def test_a_second_file_can_be_put_into_the_mapping() -> None:
    mapping = table_mapping(number("x"), id="{station}", geometry=JOINED)

    complete, rejections = inline_places(mapping, csv_source(STATIONS, name="stations.csv"))

    assert len(rejections) == 3
    again = decode_mapping(msgspec.json.encode(complete))
    result = run(again, csv_source("station,x\ns2,1\n"))
    assert next(result.entities())["location"]["value"] == point(4.37, 52.02)
    assert inline_places(AIR, csv_source(STATIONS)) == (AIR, ())


def test_a_file_without_any_place_is_refused() -> None:
    mapping = table_mapping(number("x"), id="{station}", geometry=JOINED)

    with pytest.raises(HansaError) as refusal:
        run(mapping, csv_source("station,x\ns1,1\n"), places=csv_source("key,lat,lon\n,1,2\n"))

    assert refusal.value.code == "invalid_request"


TRACK = "id,time,lat,lon,v\nbus,2022-01-01T00:00Z,52.0,4.0,1\nbus,2022-01-01T00:01Z,52.1,4.1,2\n"


def test_what_moves_has_a_history_of_places() -> None:
    geometry = Geometry(kind="columns", longitude="lon", latitude="lat", moving=True)

    result = run(series_mapping(number("v"), geometry=geometry), csv_source(TRACK))

    places = [i.body for i in result.history() if i.attribute == "location"]
    assert [(b["type"], b["value"]["coordinates"]) for b in places] == [
        ("GeoProperty", [4.0, 52.0]),
        ("GeoProperty", [4.1, 52.1]),
    ]
    assert next(result.entities())["location"]["observedAt"] == "2022-01-01T00:01:00Z"
    assert result.summary.bbox == (4.0, 52.0, 4.1, 52.1)


def test_what_stands_has_the_place_of_its_newest_row() -> None:
    geometry = Geometry(kind="columns", longitude="lon", latitude="lat")

    result = run(series_mapping(number("v"), geometry=geometry), csv_source(TRACK))

    assert next(result.entities())["location"] == {"type": "GeoProperty", "value": point(4.1, 52.1)}


def test_constants_relationships_and_json() -> None:
    source = geojson_source(feature(point(4, 52), name="a", owner="o1", tags=["x", {"y": 1}]))
    mapping = table_mapping(
        Column(column="owner", kind=Kind.relationship, attribute="owner",
               object="urn:ngsi-ld:Person:{value}"),
        Column(column="tags", attribute="tags", value=ValueType.json),
        id="{name}",
        constants=(Constant(attribute="dataProvider", value="us"),),
    )  # fmt: skip

    result = run(mapping, source)

    entity = next(result.entities())
    assert entity["owner"] == {"type": "Relationship", "object": "urn:ngsi-ld:Person:o1"}
    assert entity["tags"] == {"type": "JsonProperty", "json": ["x", {"y": 1}]}
    assert entity["dataProvider"] == {"type": "Property", "value": "us"}
    assert {info.name: info.kind for info in result.attributes} == {
        "owner": "Relationship",
        "tags": "JsonProperty",
        "dataProvider": "Property",
    }


def test_progress_is_told_and_a_preview_ends_early() -> None:
    lines = "\n".join(f"{n},{n}" for n in range(12_000))
    seen: list[Progress] = []

    result = apply(
        table_mapping(number("x")),
        csv_source(f"id,x\n{lines}\n"),
        dataset="test",
        progress=seen.append,
    )
    list(result.history())

    assert [step.rows for step in seen] == [5_000, 10_000, 12_000]
    assert seen[-1].share == 1.0
    assert all(step.share is not None and 0 < step.share <= 1 for step in seen)
    preview = apply(
        table_mapping(number("x")), csv_source(f"id,x\n{lines}\n"), dataset="test", rows_max=3
    )
    assert preview.summary.rows == 3


def test_too_many_rows_end_the_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hansa.ingest.assemble.ROWS_MAX", 2)

    with pytest.raises(HansaError) as refusal:
        run(table_mapping(number("x")), csv_source("id,x\n1,1\n2,2\n3,3\n"))

    assert refusal.value.code == "body_too_large"


def test_history_as_temporal_entities(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hansa.ingest.service.TEMPORAL_INSTANCES_MAX", 3)
    mapping = series_mapping(number("x"), number("y"))

    chunks = list(run(mapping, csv_source(SERIES)).temporal())

    assert [chunk["id"][-1] for chunk in chunks] == ["a", "b", "a"]
    assert [one["value"] for one in chunks[0]["x"]] == [1, 3]
    assert [one["value"] for one in chunks[2]["x"]] == [4]
    assert [one["value"] for one in chunks[2]["y"]] == [40]
    monkeypatch.setattr("hansa.ingest.service.HELD_INSTANCES_MAX", 2)
    assert len(list(as_temporal(run(mapping, csv_source(SERIES)).history()))) == 4


def test_entities_can_be_had_without_the_history() -> None:
    result = apply(series_mapping(number("x")), csv_source(SERIES), dataset="test")

    assert len(list(result.entities())) == 2
    assert result.rejections == ()


@given(st.lists(st.integers(0, 30), max_size=60))
def test_a_series_remembers_what_was_in_it(minutes: list[int]) -> None:
    series, known = Series(), set()

    for minute in minutes:
        at = datetime(2022, 1, 1, 0, minute, tzinfo=UTC)
        assert (at in series) == (at in known)
        if at not in known:
            series.add(at)
            known.add(at)
