"""GeoJSON, GeoPackage, CityJSON: features and objects from files made here."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import shapely
from ingest_files import (
    FEATURES,
    city_box,
    city_document,
    city_source,
    feature,
    geojson_source,
    gpkg_blob,
    make_gpkg,
    number,
    point,
    reasons,
    run,
    table_mapping,
    text,
)

from hansa.ingest import Geometry, Row, read_source
from hansa.ingest.wire_wkb_iso import read_wkb
from hansa.kernel import HansaError

SHAPES = Geometry(kind="feature")


def test_geojson_columns_kinds_and_ids() -> None:
    first = {**feature(point(4, 52), name="a"), "id": 7}
    second = feature({"type": "LineString", "coordinates": [[4, 52], [5, 52]]}, size=3)

    layer = geojson_source(first, second).layer()

    assert layer.columns == ("id", "name", "size")
    assert layer.geometry == "Geometry"
    assert layer.crs == "OGC:CRS84"
    assert layer.rows == 2


def test_geojson_id_beside_a_property_of_that_name() -> None:
    source = geojson_source({**feature(point(4, 52), id="x"), "id": 7})

    rows = list(source.rows())
    assert isinstance(rows[0], Row)
    assert rows[0].values == {"id": "x", "feature id": 7}


def test_geojson_of_2008_names_its_system() -> None:
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::28992"}}

    assert geojson_source(feature(point(1, 2)), crs=crs).layer().crs == "EPSG:28992"


@pytest.mark.parametrize("bad", [5, {"type": "Point"}, {"type": "Feature", "properties": [1]}])
def test_what_is_no_feature_is_told(bad: Any) -> None:
    result = run(FEATURES, geojson_source(bad, feature(point(4, 52), name="a")))

    assert reasons(result) == [(1, "malformed")]
    assert result.summary.accepted == 1


def test_one_feature_alone_is_a_collection_of_one() -> None:
    source = read_source(json.dumps(feature(point(4, 52), name="a"), indent=1).encode(), "f")

    assert run(FEATURES, source).summary.entities == 1


@pytest.mark.parametrize(
    "text",
    [
        '{"type": "FeatureCollection", "features": [',
        '{"type": "FeatureCollection", "features": [{"x": NaN}]}',
        '{"type": "FeatureCollection", "features": []}',
        '{"type": "Topology"}',
        '{"type": "Point", "coordinates": [1, 2]}',
        "[1, 2]",
        '{"type":' * 3,
        '{"type": "CityJSONFeature"}',
        '{"type": "FeatureCollection", "features": ' + "[" * 100_000,
    ],
)
def test_json_that_is_no_collection_is_refused(text: str) -> None:
    with pytest.raises(HansaError) as refusal:
        read_source(text.encode(), "f.geojson")

    assert refusal.value.code == "invalid_request"
    assert refusal.value.facts["field"] == "file"


TREES = table_mapping(text("kind"), id="{fid}", entity_type="Tree", geometry=SHAPES, layer="trees")


def test_geopackage_tables_are_read_but_views_are_not(tmp_path: Path) -> None:
    pytest.importorskip("pyproj")
    blob = gpkg_blob(shapely.Point(84_593.2, 446_459.6))
    path = make_gpkg(tmp_path / "t.gpkg", [(1, blob, "oak", b"jpg"), (2, blob, None, None)])

    source = read_source(path, "trees.gpkg")

    assert [layer.name for layer in source.layers] == ["notes", "trees"]
    trees = source.layer("trees")
    assert (trees.columns, trees.geometry, trees.crs, trees.rows) == (
        ("fid", "kind", "picture"),
        "Point",
        "EPSG:28992",
        2,
    )
    oak, other = run(TREES, source).entities()
    assert oak["id"] == "urn:ngsi-ld:Tree:test:1"
    assert oak["location"]["value"]["coordinates"] == pytest.approx([4.36187, 52.00204], abs=1e-5)
    assert "kind" not in other


def test_geopackage_from_memory_also_when_it_was_left_in_wal(tmp_path: Path) -> None:
    blob = gpkg_blob(shapely.Point(84_593.2, 446_459.6), envelope=True)
    path = make_gpkg(tmp_path / "t.gpkg", [(1, blob, "oak", None)], wal=True)

    source = read_source(path.read_bytes(), "trees.gpkg")

    assert run(TREES, source).summary.entities == 1


@pytest.mark.parametrize(
    ("blob", "code"),
    [
        (b"not a geometry", "geometry_invalid"),
        ("text", "geometry_invalid"),
        (b"GP\x01\x01" + bytes(30), "geometry_invalid"),
        (b"GP\x00\x21" + bytes(30), "geometry_invalid"),
        (b"GP\x00\x0f" + bytes(30), "geometry_invalid"),
        (gpkg_blob(shapely.Point(84_593.2, 446_459.6))[:-4], "geometry_invalid"),
        (gpkg_blob(shapely.GeometryCollection([shapely.Point(1, 2)])), "geometry_kind"),
        (b"GP\x00\x01" + bytes(4) + b"\x01\x06\0\0\0\x01\0\0\0" * 100_000, "geometry_kind"),
        (b"GP\x00\x01" + bytes(4) + b"\x01\x02\0\0\0\xff\xff\xff\xff", "geometry_too_large"),
        (gpkg_blob(shapely.Point(1, 1), empty=True), "geometry_missing"),
        (gpkg_blob(shapely.Polygon()), "geometry_missing"),
        (None, "geometry_missing"),
    ],
)
def test_geopackage_geometries_that_are_none(tmp_path: Path, blob: Any, code: str) -> None:
    good = gpkg_blob(shapely.Point(84_593.2, 446_459.6))
    path = make_gpkg(tmp_path / "t.gpkg", [(1, blob, "x", None), (2, good, "oak", None)])

    result = run(TREES, read_source(path, "t.gpkg"))

    assert reasons(result) == [(1, code)]
    assert result.summary.entities == 1


@pytest.mark.parametrize("flavour", ["iso", "extended"])
@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize(
    "wkt",
    [
        "POINT (1 2)",
        "POINT Z (1 2 3)",
        "LINESTRING (1 2, 3 4)",
        "POLYGON ((0 0, 4 0, 4 4, 0 0), (1 1, 2 1, 2 2, 1 1))",
        "POLYGON Z ((0 0 1, 4 0 1, 4 4 1, 0 0 1))",
        "MULTIPOINT (1 2, 3 4)",
        "MULTILINESTRING ((1 2, 3 4), (5 6, 7 8))",
        "MULTIPOLYGON (((0 0, 4 0, 4 4, 0 0)), ((5 5, 6 5, 6 6, 5 5)))",
    ],
)
def test_well_known_binary_of_all_kinds(wkt: str, order: int, flavour: str) -> None:
    geometry = shapely.from_wkt(wkt)
    flat = json.loads(shapely.to_geojson(shapely.force_2d(geometry)))

    read = read_wkb(shapely.to_wkb(geometry, byte_order=order, flavor=flavour), "geom")

    assert read == flat


def test_a_database_that_is_no_geopackage_is_refused(tmp_path: Path) -> None:
    import apsw

    path = tmp_path / "x.gpkg"
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE a (b)")
    connection.close()

    for source in (path, path.read_bytes(), path.read_bytes()[:200]):
        with pytest.raises(HansaError) as refusal:
            read_source(source, "x.gpkg")
        assert refusal.value.code == "invalid_request"


CITY = table_mapping(
    number("year"),
    number("height above ground [m]", "height", unit_code="MTR"),
    entity_type="Building",
    geometry=SHAPES,
)


def _area_m2(geometry: dict[str, Any]) -> float:
    west, south, east, north = shapely.from_geojson(json.dumps(geometry)).bounds
    return float((east - west) * 68_678 * (north - south) * 111_267)


@pytest.mark.parametrize("semantics", [True, False])
def test_a_city_object_gives_footprint_height_and_attributes(semantics: bool) -> None:
    pytest.importorskip("pyproj")
    box = city_box(semantics=semantics)

    entity = next(
        run(CITY, city_source(city_document({"b1": box["object"]}, box["vertices"]))).entities()
    )

    assert entity["id"] == "urn:ngsi-ld:Building:test:b1"
    assert entity["height"] == {"type": "Property", "value": 5.0, "unitCode": "MTR"}
    assert entity["year"]["value"] == 1900
    assert entity["location"]["value"]["type"] == "Polygon"
    assert _area_m2(entity["location"]["value"]) == pytest.approx(100, rel=0.05)


def test_lod_0_is_the_footprint_where_there_is_one() -> None:
    pytest.importorskip("pyproj")
    box = city_box()
    flat = {"type": "MultiSurface", "lod": "0", "boundaries": [[[0, 1, 2]]]}
    box["object"]["geometry"].append(flat)

    entity = next(
        run(CITY, city_source(city_document({"b1": box["object"]}, box["vertices"]))).entities()
    )

    assert len(entity["location"]["value"]["coordinates"][0]) == 4


def test_parts_give_their_geometry_to_the_object_without_parent() -> None:
    pytest.importorskip("pyproj")
    box = city_box()
    part = {**box["object"], "type": "BuildingPart", "parents": ["b1"], "children": ["b1"]}
    whole = {"type": "Building", "attributes": {"year": 1950}, "children": ["part", "gone"]}

    source = city_source(city_document({"part": part, "b1": whole}, box["vertices"]), packed=True)

    assert [layer.name for layer in source.layers] == ["Building"]
    entity = next(run(CITY, source).entities())
    assert entity["height"]["value"] == 5.0
    assert entity["year"]["value"] == 1950


def test_layers_are_the_types_of_objects() -> None:
    box = city_box()
    road = {
        "type": "Road",
        "geometry": [{"type": "MultiSurface", "lod": "1", "boundaries": [[[0, 1, 2, 3]]]}],
    }
    source = city_source(
        city_document({"r": road, "r2": road, "b": box["object"]}, box["vertices"])
    )

    assert [(layer.name, layer.rows, layer.crs) for layer in source.layers] == [
        ("Building", 1, "EPSG:7415"),
        ("Road", 2, "EPSG:7415"),
    ]
    with pytest.raises(HansaError) as refusal:
        source.layer("Bridge")
    assert refusal.value.facts["field"] == "mapping.layer"


def test_an_object_with_a_vertex_too_many_is_told() -> None:
    box, broken = city_box(), city_box()
    broken["object"]["geometry"][0]["boundaries"][0][0] = [[0, 1, 99]]
    nested = copy.deepcopy(box["object"])
    nested["geometry"][0]["boundaries"] = [[0, [1], 2]]
    nested["geometry"][0]["lod"] = "fine"

    result = run(
        CITY,
        city_source(
            city_document({"a": broken["object"], "b": nested, "c": box["object"]}, box["vertices"])
        ),
    )

    assert reasons(result) == [(1, "geometry_invalid"), (2, "geometry_invalid")]
    assert result.summary.entities == 1


def _sequence(*lines: Any, version: str = "2.0") -> bytes:
    header = city_document({}, [], version=version)
    return b"\n".join(
        line if isinstance(line, bytes) else json.dumps(line).encode() for line in (header, *lines)
    )


def _city_feature(name: str) -> dict[str, Any]:
    box = city_box()
    return {
        "type": "CityJSONFeature",
        "id": name,
        "CityObjects": {name: box["object"]},
        "vertices": box["vertices"],
    }


def test_a_sequence_tells_the_line_of_each_object() -> None:
    pytest.importorskip("pyproj")
    source = read_source(_sequence(_city_feature("a"), b"{broken", b"", _city_feature("b")), "c")

    assert source.media_type == "application/city+json-seq"
    result = run(CITY, source)
    assert reasons(result) == [(3, "malformed")]
    assert [entity["id"][-1] for entity in result.entities()] == ["a", "b"]


def test_other_versions_are_refused() -> None:
    assert read_source(_sequence(_city_feature("a"), version="1.1"), "c").layers
    for version in ("1.0", "3.0", ""):
        with pytest.raises(HansaError) as refusal:
            read_source(_sequence(_city_feature("a"), version=version), "c")
        assert refusal.value.code == "invalid_request"
        assert "cjio" in refusal.value.detail


def test_a_large_document_is_refused_and_a_sequence_proposed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hansa.ingest.wire_cityjson_2_0.CITYJSON_BYTES_MAX", 100)
    box = city_box()

    with pytest.raises(HansaError) as refusal:
        city_source(city_document({"b1": box["object"]}, box["vertices"]))

    assert refusal.value.code == "body_too_large"
    assert "CityJSONSeq" in refusal.value.detail


def test_a_model_without_system_needs_one() -> None:
    pytest.importorskip("pyproj")
    box = city_box()
    document = city_document({"b1": box["object"]}, box["vertices"])
    del document["metadata"]
    source = city_source(document)

    with pytest.raises(HansaError) as refusal:
        run(CITY, source)
    assert refusal.value.facts["field"] == "mapping.geometry.crs"

    named = table_mapping(geometry=Geometry(kind="feature", crs="EPSG:28992"))
    assert run(named, source).summary.entities == 1
