"""Areas in WKT: what is read, what is refused, how they intersect and how large they are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from policy_forms import SQUARE, agreement, assert_refused, c, rule
from policy_forms import refusal as refusal_of

from hansa.kernel import Code
from hansa.policy import Area
from hansa.policy.geometry import (
    VERTICES_MAX,
    area_km2,
    area_of_bbox,
    intersect_areas,
    read_area,
    shape_of,
    unite_areas,
)


def area(text: str) -> Area:
    return read_area(text, "p")


def test_a_polygon_is_read_with_its_bounds() -> None:
    found = area("polygon((4.35 52,4.36 52 , 4.36 52.01, 4.35 52.01, 4.35 52))")
    assert found == Area(wkt=SQUARE, bbox=(4.35, 52.0, 4.36, 52.01))


def test_holes_and_several_polygons_are_read() -> None:
    hole = area("POLYGON ((0 0, 9 0, 9 9, 0 9, 0 0), (1 1, 2 1, 2 2, 1 1))")
    assert shape_of(hole).interiors
    many = area("MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)), ((5 5, 6 5, 6 6, 5 5)))")
    assert many.bbox == (0, 0, 6, 6)
    assert area(many.wkt) == many


@pytest.mark.parametrize("x", [0.005829947932880941, 1e-7, 4.3512345678901, 179.99999999999997])
def test_coordinates_are_kept_to_the_last_bit(x: float) -> None:
    found = area(f"POLYGON (({x!r} 0, 180 0, 180 1, {x!r} 0))")
    assert found.bbox[0] == x
    assert area(found.wkt) == found


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_named_reference_system_of_geosparql_is_read(scheme: str) -> None:
    crs = f"<{scheme}://www.opengis.net/def/crs/OGC/1.3/CRS84>"
    assert area(f"{crs} {SQUARE}") == area(SQUARE)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("POINT (4 52)", "no polygon"),
        ("LINESTRING (0 0, 1 1)", "no polygon"),
        ("GEOMETRYCOLLECTION (POLYGON ((0 0, 1 0, 1 1, 0 0)))", "no polygon"),
        ("POLYGON EMPTY", "no polygon"),
        ("POLYGON Z ((0 0 1, 1 0 1, 1 1 1, 0 0 1))", "no polygon"),
        ("POLYGON ((0 0 1, 1 0 1, 1 1 1, 0 0 1))", "three dimensions"),
        ("POLYGON ((0 0, 1 0, 1 1, 0 0)", "can't be read"),
        ("POLYGON ((0 0, 1 0, 1 1))", "does not end where it begins"),
        ("POLYGON ((0 0, 1 1))", "does not end where it begins"),
        ("POLYGON ((0 0, 1 1, 0 1, 1 0, 0 0))", "Self-intersection"),
        ("POLYGON ((0 0, 0 0, 0 0, 0 0))", "not well-formed"),
        ("MULTIPOLYGON (((0 0, 2 0, 2 2, 0 0)), ((1 0, 3 0, 3 2, 1 0)))", "Self-intersection"),
        ("POLYGON ((52 4, 52 5, 181 5, 52 4))", "reach from 52"),
        ("POLYGON ((4 152, 5 152, 5 153, 4 152))", "reach from 4 152"),
        ("POLYGON ((1e400 0, 1 1, 1 0, 1e400 0))", "reach from"),
        ("POLYGON ((nan 0, 1 1, 1 0, nan 0))", "no polygon"),
        ("a city", "no polygon"),
        ("<b>POLYGON ((0 0, 1 0, 1 1, 0 0))</b>", "WGS84"),
    ],
)
def test_what_is_no_area_is_refused_with_the_reason(text: str, words: str) -> None:
    error = refusal_of(lambda: area(text))
    assert error.code in (Code.policy_invalid, Code.policy_unsupported)
    assert error.facts["path"] == "p"
    assert words in error.detail


@pytest.mark.parametrize(
    "text",
    [
        "<http://www.opengis.net/def/crs/EPSG/0/4326> POLYGON ((52 4, 53 4, 53 5, 52 4))",
        "SRID=28992;POLYGON ((84501 445805, 85675 445805, 85675 446983, 84501 445805))",
    ],
)
def test_other_reference_systems_are_refused(text: str) -> None:
    odrl = agreement(rule(c("hansa:area", "isPartOf", text)))
    where = "permission[0].constraint[0].rightOperand"
    assert_refused(odrl, Code.policy_unsupported, where)


def ring(points: int) -> str:
    turns: Sequence[float] = [2 * math.pi * n / (points - 1) for n in range(points - 1)]
    corners = [f"{4 + math.cos(turn):.9f} {52 + math.sin(turn):.9f}" for turn in turns]
    return f"POLYGON (({', '.join([*corners, corners[0]])}))"


def test_vertices_and_characters_are_bounded() -> None:
    assert area(ring(VERTICES_MAX)).bbox[0] == pytest.approx(3)
    error = refusal_of(lambda: area(ring(VERTICES_MAX + 1)))
    assert "10,000 vertices" in error.detail
    long = refusal_of(lambda: area(SQUARE + " " * 600_000))
    assert "600,000 characters" in long.detail
    assert len(refusal_of(lambda: area("x" * 500_000)).detail) < 500


def test_areas_intersect() -> None:
    left, right = area_of_bbox(0, 0, 2, 2, "p"), area_of_bbox(1, 1, 3, 3, "p")
    common = intersect_areas(left, right)
    assert common is not None
    assert common.bbox == (1, 1, 2, 2)
    assert intersect_areas(left, left) is left
    inside = area_of_bbox(0.1, 0.1, 0.3, 0.3, "p")
    assert intersect_areas(left, inside) is inside
    assert intersect_areas(inside, left) is inside
    assert intersect_areas(left, area_of_bbox(5, 5, 6, 6, "p")) is None
    assert intersect_areas(left, area_of_bbox(2, 0, 3, 2, "p")) is None, "an edge is no area"


def test_an_intersection_may_fall_apart() -> None:
    comb = area("POLYGON ((0 0, 3 0, 3 3, 2 3, 2 1, 1 1, 1 3, 0 3, 0 0))")
    teeth = intersect_areas(comb, area_of_bbox(-1, 2, 4, 3, "p"))
    assert teeth is not None
    assert teeth.wkt.startswith("MULTIPOLYGON")
    assert len(shape_of(teeth).geoms) == 2


def test_areas_unite() -> None:
    both = unite_areas([area_of_bbox(0, 0, 1, 1, "p"), area_of_bbox(1, 0, 2, 1, "p")])
    assert both.bbox == (0, 0, 2, 1)


@pytest.mark.parametrize(
    ("bounds", "km2"),
    [((-180, -90, 180, 90), 510_065_622), ((0, 0, 1, 1), 12_364), ((4.35, 52, 4.36, 52.01), 0.761)],
)
def test_sizes_are_those_of_the_sphere(bounds: tuple[float, ...], km2: float) -> None:
    west, south, east, north = bounds
    found = area_km2(area_of_bbox(west, south, east, north, "p"))
    assert found == pytest.approx(km2, rel=1e-3)
