"""Places: systems, ranges, swapped coordinates, validity."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingest_files import (
    FEATURES,
    csv_source,
    feature,
    geojson_source,
    number,
    point,
    reasons,
    replaced,
    run,
    table_mapping,
)

from hansa.ingest import Column, Geometry, Kind
from hansa.ingest.crs import normalise, project_from
from hansa.ingest.geometry import bounds_of, to_wgs84
from hansa.ingest.model import CellError
from hansa.kernel import HansaError

BOW_TIE = {"type": "Polygon", "coordinates": [[[4, 52], [5, 53], [5, 52], [4, 53], [4, 52]]]}
SQUARE = {"type": "Polygon", "coordinates": [[[4, 52], [5, 52], [5, 53], [4, 53], [4, 52]]]}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("EPSG:28992", "EPSG:28992"),
        ("epsg:28992", "EPSG:28992"),
        ("urn:ogc:def:crs:EPSG::28992", "EPSG:28992"),
        ("urn:ogc:def:crs:OGC:1.3:CRS84", "OGC:CRS84"),
        ("https://www.opengis.net/def/crs/EPSG/0/7415", "EPSG:7415"),
        ("http://www.opengis.net/def/crs/OGC/1.3/CRS84", "OGC:CRS84"),
        ("CRS84", "OGC:CRS84"),
        ("+init=/etc/passwd", None),
        ("+proj=longlat +nadgrids=/etc/passwd", None),
        ("file:///etc/passwd", None),
        ("RD", None),
    ],
)
def test_only_codes_of_an_authority_name_a_system(text: str, name: str | None) -> None:
    assert normalise(text) == name


def test_wgs84_and_web_mercator_need_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyproj", None)
    project_from.cache_clear()

    assert project_from("EPSG:4326") is None
    assert project_from("OGC:CRS84") is None
    mercator = project_from("EPSG:3857")
    assert mercator is not None
    longitudes, latitudes = mercator([1_603_000.0], [6_464_000.0])
    assert (longitudes[0], latitudes[0]) == pytest.approx((14.399994, 50.102235), abs=1e-6)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyproj", None)
    project_from.cache_clear()

    with pytest.raises(HansaError) as refusal:
        project_from("EPSG:28992")

    assert refusal.value.code == "invalid_field"
    assert "pip install 'hansa[geo]'" in refusal.value.detail


@pytest.mark.parametrize("crs", ["EPSG:99999", "FOO:1", "no system"])
def test_an_unknown_system_is_refused(crs: str) -> None:
    pytest.importorskip("pyproj")
    with pytest.raises(HansaError) as refusal:
        project_from(crs)

    assert refusal.value.facts["field"] == "mapping.geometry.crs"


@pytest.mark.parametrize("crs", ["EPSG:28992", "EPSG:7415"])
def test_rd_new_leads_to_delft(crs: str) -> None:
    pytest.importorskip("pyproj")
    project = project_from(crs)
    assert project is not None

    longitudes, latitudes = project([84_593.2], [446_459.6])

    assert (longitudes[0], latitudes[0]) == pytest.approx((4.36187, 52.00204), abs=1e-5)


@pytest.mark.parametrize(
    ("geometry", "code"),
    [
        (None, "geometry_missing"),
        ({"type": "GeometryCollection", "geometries": []}, "geometry_kind"),
        ("POINT (1 2)", "geometry_kind"),
        ({"type": "Point", "coordinates": [4]}, "geometry_invalid"),
        ({"type": "Point", "coordinates": ["4", "52"]}, "geometry_invalid"),
        ({"type": "Point"}, "geometry_invalid"),
        ({"type": "Point", "coordinates": [181, 52]}, "coordinates_range"),
        ({"type": "Point", "coordinates": [85_000, 446_000]}, "coordinates_range"),
        ({"type": "Point", "coordinates": [52, 120]}, "coordinates_swapped"),
        ({"type": "Point", "coordinates": [4.3, 95]}, "coordinates_swapped"),
        ({"type": "LineString", "coordinates": [[4, 52]]}, "geometry_invalid"),
        ({"type": "Polygon", "coordinates": []}, "geometry_missing"),
        ({"type": "Polygon", "coordinates": [[[4, 52], [5, 52], [5, 53]]]}, "geometry_invalid"),
        (
            {"type": "Polygon", "coordinates": [[[4, 52], [5, 52], [5, 53], [4, 53]]]},
            "geometry_invalid",
        ),
        ({"type": "Polygon", "coordinates": [4, 52]}, "geometry_invalid"),
        ({"type": "MultiPolygon", "coordinates": [[[[1, 2]]]]}, "geometry_invalid"),
        (BOW_TIE, "geometry_invalid"),
    ],
)
def test_what_is_no_place_is_set_aside(geometry: Any, code: str) -> None:
    result = run(FEATURES, geojson_source(feature(geometry, name="a"), feature(SQUARE, name="b")))

    assert reasons(result) == [(1, code)]
    assert result.summary.entities == 1
    assert result.rejections[0].reason


def test_an_invalid_polygon_is_mended_when_asked() -> None:
    mapping = replaced(FEATURES, geometry=Geometry(kind="feature", repair=True))

    result = run(mapping, geojson_source(feature(BOW_TIE, name="a")))

    assert result.rejections == ()
    assert next(result.entities())["location"]["value"]["type"] == "MultiPolygon"


def test_a_polygon_too_fine_for_centimetres_keeps_more_decimals() -> None:
    fine = [[4.0, 52.0], [4.00000004, 52.00000004], [4.0, 52.00000004], [4.0, 52.0]]

    geometry = to_wgs84({"type": "Polygon", "coordinates": [fine]}, None, "g")

    assert geometry["coordinates"][0][1] == [4.00000004, 52.00000004]


def test_too_many_corners_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hansa.ingest.geometry.POSITIONS_MAX", 4)

    with pytest.raises(CellError) as fault:
        to_wgs84(SQUARE, None, "g")

    assert fault.value.code == "geometry_too_large"


def test_heights_are_dropped_and_positions_rounded() -> None:
    geometry = to_wgs84({"type": "Point", "coordinates": [4.123456789, 52, 7]}, None, "g")

    assert geometry == {"type": "Point", "coordinates": [4.1234568, 52]}


@given(st.lists(st.tuples(st.floats(-180, 180), st.floats(-90, 90)), min_size=2, max_size=20))
def test_lines_keep_their_positions(positions: list[tuple[float, float]]) -> None:
    line = {"type": "LineString", "coordinates": [list(p) for p in positions]}

    geometry = to_wgs84(line, None, "g")

    assert len(geometry["coordinates"]) == len(positions)
    for (x, y), (a, b) in zip(positions, geometry["coordinates"], strict=True):
        assert abs(x - a) <= 5.1e-8
        assert abs(y - b) <= 5.1e-8
    west, south, east, north = bounds_of(geometry)
    assert west <= east
    assert south <= north


COLUMNS = Geometry(kind="columns", longitude="lon", latitude="lat", near=(4.36, 52.0))
PLACES = "id,lat,lon,x\n1,52.01,4.36,1\n2,4.37,52.02,2\n3,41.35,-72.07,3\n4,,4.3,4\n5,91,4,5\n"


def test_swapped_columns_are_told_by_where_the_others_lie() -> None:
    result = run(table_mapping(number("x"), geometry=COLUMNS), csv_source(PLACES))

    assert reasons(result) == [
        (3, "coordinates_swapped"),
        (5, "coordinates_missing"),
        (6, "coordinates_swapped"),
    ]
    assert [e["id"][-1] for e in result.entities()] == ["1", "3"]
    assert result.summary.bbox == (-72.07, 41.35, 4.36, 52.01)


def test_a_place_that_is_not_required_may_be_missing() -> None:
    geometry = Geometry(kind="columns", longitude="lon", latitude="lat", required=False)

    result = run(table_mapping(number("x"), geometry=geometry), csv_source("id,lat,lon,x\n1,,,5\n"))

    assert result.rejections == ()
    assert "location" not in next(result.entities())


def test_coordinates_in_metres_with_decimal_commas() -> None:
    pytest.importorskip("pyproj")
    geometry = Geometry(kind="columns", longitude="x", latitude="y", decimal=",", crs="EPSG:28992")

    result = run(
        table_mapping(number("v"), geometry=geometry),
        csv_source("id;x;y;v\n1;84593,2;446459,6;1\n"),
    )

    assert next(result.entities())["location"]["value"]["coordinates"] == pytest.approx(
        [4.36187, 52.00204], abs=1e-5
    )


def test_wkt_with_and_without_its_system() -> None:
    pytest.importorskip("pyproj")
    geometry = Geometry(kind="wkt", wkt="geom")
    source = csv_source(
        "id;geom\n1;POINT (4.36 52.01)\n2;SRID=28992;POINT\n3;nonsense\n4;POINT EMPTY\n5;\n"
        f"6;{'GEOMETRYCOLLECTION(' * 6_000}\n7;POLYGON ((1 2\n"
    )

    result = run(table_mapping(geometry=geometry), source)

    assert reasons(result) == [
        (3, "columns_differ"),
        (4, "geometry_kind"),
        (5, "geometry_kind"),
        (6, "geometry_missing"),
        (7, "geometry_kind"),
        (8, "geometry_invalid"),
    ]
    other = csv_source('id,geom\n1,"SRID=28992;POINT (84593.2 446459.6)"\n')
    located = next(run(table_mapping(geometry=geometry), other).entities())
    assert located["location"]["value"]["coordinates"] == pytest.approx(
        [4.36187, 52.00204], abs=1e-5
    )


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("POINT (nan nan)", "coordinates_range"),
        ("POLYGON ((0 0, nan 0, 1 1, 0 0))", "coordinates_range"),
        ("POLYGON ((0 0, inf 0, 1 1, 0 0))", "coordinates_range"),
        ("POLYGON ((0 0, 1 0, 1 1))", "geometry_invalid"),
        ("LINESTRING (1 2)", "geometry_invalid"),
        ("MULTIPOINT (1 2, EMPTY)", "geometry_invalid"),
        ("CIRCULARSTRING (0 0, 1 1, 2 0)", "geometry_kind"),
    ],
)
def test_wkt_that_is_no_place(text: str, code: str) -> None:
    source = csv_source(f"id;geom\n1;{text}\n")

    result = run(table_mapping(geometry=Geometry(kind="wkt", wkt="geom")), source)

    assert reasons(result) == [(2, code)]


def test_wkt_of_many_corners_is_read() -> None:
    line = ", ".join(f"{4 + n / 10_000} {52 + n / 10_000}" for n in range(2_000))

    result = run(
        table_mapping(geometry=Geometry(kind="wkt", wkt="geom")),
        csv_source(f"id;geom\n1;LINESTRING ({line})\n"),
    )

    assert len(next(result.entities())["location"]["value"]["coordinates"]) == 2_000


def test_a_second_geometry_from_a_column() -> None:
    column = Column(column="entrance", kind=Kind.geo, attribute="entrance")
    mapping = table_mapping(column, geometry=Geometry(kind="point", point=(4.36, 52.0)))

    result = run(mapping, csv_source("id,entrance\n1,POINT (4.361 52.001)\n2,\n3,x\n"))

    first, second = result.entities()
    assert first["entrance"] == {"type": "GeoProperty", "value": point(4.361, 52.001)}
    assert second["location"]["value"] == point(4.36, 52.0)
    assert "entrance" not in second
    assert reasons(result) == [(4, "geometry_kind")]
