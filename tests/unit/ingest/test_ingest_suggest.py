"""Suggestions: what names, units and a sample tell, and what is left to a person."""

from __future__ import annotations

import pytest
from ingest_files import csv_source, feature, geojson_source, point, run

from hansa.ingest import Kind, Mapping, ValueType, suggest_mapping

SENSORS = """Zeit;Sensor ID;Temperatur [°C];Feuchte [%];aktiv;Breite;Länge
20.03.2022 11:00;S01;12,5;40;true;52,01;4,36
20.03.2022 11:15;S01;12,7;41;true;52,01;4,36
20.03.2022 11:00;S02;1.012,5;42;false;52,02;4,37
20.03.2022 11:15;S02;13,0;43;false;52,02;4,37
"""


def _columns(mapping: Mapping) -> dict[str, tuple[str, str | None]]:
    return {c.column: (c.attribute, c.unit_code) for c in mapping.columns}


def test_a_german_sensor_file() -> None:
    mapping = suggest_mapping(csv_source(SENSORS, encoding="cp1252", name="sensoren.csv"))

    assert mapping.id == "{Sensor ID}"
    assert mapping.entity_type == "Sensoren"
    assert mapping.observed_at is not None
    assert mapping.observed_at.columns == ("Zeit",)
    assert mapping.observed_at.format == "%d.%m.%Y %H:%M"
    assert mapping.geometry.kind == "columns"
    assert (mapping.geometry.longitude, mapping.geometry.latitude) == ("Länge", "Breite")
    assert mapping.geometry.near == (4.365, 52.015)
    assert not mapping.geometry.moving
    assert _columns(mapping) == {
        "Temperatur [°C]": ("temperatur", "CEL"),
        "Feuchte [%]": ("feuchte", "P1"),
        "aktiv": ("aktiv", None),
    }
    temperature, _, active = mapping.columns
    assert (temperature.decimal, temperature.thousands) == (",", ".")
    assert active.value is ValueType.boolean
    assert active.fixed
    assert any("zone" in note for note in mapping.notes)


def test_the_suggestion_needs_only_the_zone() -> None:
    source = csv_source(SENSORS)
    mapping = suggest_mapping(source)

    assert run(mapping, source).summary.rejected_by == {"time_without_zone": 4}


@pytest.mark.parametrize(
    ("cells", "pattern"),
    [
        (["2022-03-20 11:00", "2022-03-20 12:00"], "iso"),
        (["2022-03-20T11:00:00Z", "2022-03-20T12:00:00Z"], "iso"),
        (["20/03/2022 11:00", "21/03/2022 11:00"], "%d/%m/%Y %H:%M"),
        (["03/20/2022 11:00", "03/21/2022 11:00"], "%m/%d/%Y %H:%M"),
        (["20.03.2022 11:00:30", "21.03.2022 11:00:30"], "%d.%m.%Y %H:%M:%S"),
        (["1647774000", "1647777600"], "epoch_s"),
        (["1647774000000", "1647777600000"], "epoch_ms"),
    ],
)
def test_time_formats(cells: list[str], pattern: str) -> None:
    lines = "\n".join(f"{cell},1.5" for cell in cells)

    mapping = suggest_mapping(csv_source(f"timestamp,x\n{lines}\n"))

    assert mapping.observed_at is not None
    assert mapping.observed_at.format == pattern


def test_an_open_order_of_day_and_month_is_told() -> None:
    mapping = suggest_mapping(csv_source("date,x\n03/04/2022,1\n05/06/2022,2\n"))

    assert any("either order" in note for note in mapping.notes)


def test_date_and_clock_are_joined() -> None:
    mapping = suggest_mapping(csv_source("date,clock,x\n2022-03-20,11:00,1\n2022-03-20,12:00,2\n"))

    assert mapping.observed_at is not None
    assert mapping.observed_at.columns == ("date", "clock")
    assert mapping.observed_at.format == "%Y-%m-%d %H:%M"


def test_a_header_that_says_utc_gives_the_zone() -> None:
    mapping = suggest_mapping(csv_source("time utc,x\n2022-03-20 11:00,1\n2022-03-20 12:00,2\n"))

    assert mapping.observed_at is not None
    assert mapping.observed_at.zone == "UTC"


def test_codes_are_no_numbers() -> None:
    mapping = suggest_mapping(csv_source("id,postcode,ean\na,01067,4006381333931\nb,10115,1\n"))

    assert [column.value for column in mapping.columns] == [ValueType.text, ValueType.text]


def test_a_long_table_is_recognised() -> None:
    source = csv_source(
        "station,time,parameter,value,unit\n"
        "s1,2022-01-01T00:00Z,PM2.5,20,µg/m³\ns1,2022-01-01T01:00Z,noise,50,grunts\n"
    )

    mapping = suggest_mapping(source)

    assert mapping.entity_type == "AirQualityObserved"
    assert mapping.pivot is not None
    assert [(p.value, p.attribute, p.unit_code) for p in mapping.pivot.parameters] == [
        ("PM2.5", "pm25", "GQ"),
        ("noise", "noise", None),
    ]
    assert any("grunts" in note for note in mapping.notes)


def test_coordinates_in_metres() -> None:
    dutch = suggest_mapping(csv_source("id,x,y\n1,84593,446459\n2,84600,446500\n"))
    other = suggest_mapping(csv_source("id,easting,northing\n1,500000,5500000\n2,500001,5500001\n"))

    assert dutch.geometry.crs == "EPSG:28992"
    assert any("RD New" in note for note in dutch.notes)
    assert other.geometry.crs == ""
    assert any("geometry.crs" in note for note in other.notes)


def test_wkt_is_recognised() -> None:
    mapping = suggest_mapping(csv_source("id;shape\n1;POINT (4 52)\n2;POINT (5 52)\n"))

    assert (mapping.geometry.kind, mapping.geometry.wkt) == ("wkt", "shape")


def test_what_moves_is_recognised() -> None:
    mapping = suggest_mapping(
        csv_source(
            "id,time,lat,lon,v\nb,2022-01-01T00:00Z,52,4,1\nb,2022-01-01T00:01Z,52.1,4.1,2\n"
        )
    )

    assert mapping.geometry.moving


def test_features_keep_their_geometry_and_nested_cells_are_left_out() -> None:
    source = geojson_source(
        feature(point(4, 52), name="a", tags=[1], seen="2022-01-01 10:00", status="open"),
        feature(point(5, 52), name="b", tags=[2], seen="2022-01-01 11:00", status="open"),
    )

    mapping = suggest_mapping(source)

    assert mapping.geometry.kind == "feature"
    assert mapping.id == "{name}"
    by_column = {column.column: column for column in mapping.columns}
    assert by_column["tags"].kind is Kind.ignore
    assert by_column["status"].attribute == "state"
    assert any("seen" in note for note in mapping.notes)
    assert run(mapping, source).summary.entities == 2


def test_rows_without_a_name_are_numbered_and_that_is_told() -> None:
    mapping = suggest_mapping(csv_source("colour,size\nred,1\nred,2\n"))

    assert mapping.id == "{#}"
    assert any("numbered" in note for note in mapping.notes)
    assert any("Nothing says where" in note for note in mapping.notes)


def test_a_snapshot_with_one_time_names_its_things() -> None:
    mapping = suggest_mapping(
        csv_source("station,time,x\na,2022-01-01T00:00Z,1\nb,2022-01-01T00:00Z,2\n")
    )

    assert mapping.id == "{station}"


def test_suggestions_apply_as_they_are() -> None:
    for source in (
        csv_source("id,x\n1,2\n"),
        csv_source("a\n1\n2\n"),
        csv_source("only,text,here\nx,y,z\n"),
        geojson_source(feature(point(4, 52))),
    ):
        result = run(suggest_mapping(source), source)
        assert result.rejections == ()
        assert result.summary.entities >= 1
