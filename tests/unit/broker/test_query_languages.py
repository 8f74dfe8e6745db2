"""The languages in which entities are asked for (NGSI-LD 1.9.1 4.6.3, 4.9, 4.10, 4.17)."""

from __future__ import annotations

import math

import pytest

from hansa.broker import AllOf, AnyOf, Term
from hansa.broker.model import Literal, Node, Range, ValueClass
from hansa.broker.query import (
    geometry_from_geojson,
    instant,
    is_uri,
    iso_from_micros,
    parse_geo_query,
    parse_q,
    parse_type_selection,
)
from hansa.broker.store.geometry import around, distance_m, haversine_m
from hansa.kernel import Code, HansaError


def name(short: str) -> str:
    return f"n:{short}"


def q(text: str) -> Node:
    return parse_q(text, name)


def number(value: float) -> Literal:
    return Literal(ValueClass.number, number=value)


def text(value: str) -> Literal:
    return Literal(ValueClass.text, text=value)


A, B, C = (Term(name(one), "", "exists") for one in "abc")


@pytest.mark.parametrize(
    ("source", "node"),
    [
        ("a", A),
        ("a;b;c", AllOf((A, B, C))),
        ("a;b|c", AnyOf((AllOf((A, B)), C))),
        ("a;(b|c)", AllOf((A, AnyOf((B, C))))),
        ("((a))", A),
        ("a==1", Term(name("a"), "", "==", (number(1),))),
        ("a==-1.5e3", Term(name("a"), "", "==", (number(-1500),))),
        ("a<=2", Term(name("a"), "", "<=", (number(2),))),
        ('a=="x;y|z)"', Term(name("a"), "", "==", (text("x;y|z)"),))),
        ('a=="\\"q\\""', Term(name("a"), "", "==", (text('"q"'),))),
        ('a=="x","y"', Term(name("a"), "", "==", (text("x"), text("y")))),
        ("a==1..2", Term(name("a"), "", "==", (Range(number(1), number(2)),))),
        ('a=="b".."c"', Term(name("a"), "", "==", (Range(text("b"), text("c")),))),
        ("a==1..2,5", Term(name("a"), "", "==", (Range(number(1), number(2)), number(5)))),
        ("a!=2026-01-31", Term(name("a"), "", "!=", (text("2026-01-31"),))),
        ("a==12:30:00Z", Term(name("a"), "", "==", (text("12:30:00Z"),))),
        ("a==urn:x:1", Term(name("a"), "", "==", (Literal(ValueClass.uri, text="urn:x:1"),))),
        ("a==true", Term(name("a"), "", "==", (Literal(ValueClass.boolean, number=1.0),))),
        ("a.b", Term(name("a"), ".n:b", "exists")),
        ("a.observedAt", Term(name("a"), "@observedAt", "exists")),
        ("a[b.c]==1", Term(name("a"), "[b.c]", "==", (number(1),))),
        ("a.b[c]", Term(name("a"), ".n:b[c]", "exists")),
        ("a[*]", A),
        ("größe>1", Term(name("größe"), "", ">", (number(1),))),
    ],
)
def test_q_is_read(source: str, node: Node) -> None:
    assert q(source) == node


@pytest.mark.parametrize(
    "source",
    ["", "a==", "a==b", "a;", "|a", "(a", "a)", "a==1..", "a==1..x", "a>1..2", "a>true", "1a",
     "a[b", "a[]", "a.", "a==\"x", "a==1,", "a= =1", 'a==true..false', 'a==1.."x"', "a\x00"],
)  # fmt: skip
def test_q_mistakes_name_the_parameter(source: str) -> None:
    with pytest.raises(HansaError) as caught:
        q(source)
    assert (caught.value.code, caught.value.facts["field"]) == (Code.invalid_field, "q")


@pytest.mark.parametrize(
    "source",
    ["a;" * 64 + "a", "(" * 20 + "a" + ")" * 20, "a" * 5000],
    ids=["terms", "depth", "size"],
)
def test_q_has_bounds(source: str) -> None:
    with pytest.raises(HansaError) as caught:
        q(source)
    assert (caught.value.code, caught.value.status) == (Code.too_complex, 403)


@pytest.mark.parametrize("source", ["a~=b", "a!~=b", "a{b}==1"])
def test_q_says_what_is_not_there(source: str) -> None:
    with pytest.raises(HansaError) as caught:
        q(source)
    assert caught.value.code == Code.not_implemented


def test_type_selections() -> None:
    def sets(source: str) -> set[frozenset[str]]:
        found = parse_type_selection(source, str.lower)
        assert found is not None
        return set(found.alternatives)

    a, b, c = frozenset("a"), frozenset("b"), frozenset("c")
    assert sets("A") == {a}
    assert sets("A,B|C") == {a, b, c}
    assert sets("A;B") == {a | b}
    assert sets("(A,B);C") == {a | c, b | c}
    assert sets("(A;B)|C") == {a | b, c}
    assert parse_type_selection("*", str.lower) is None
    for mistake in ("", "(A", "A)", "A;;B", "A B", ";", "()", "," * 5000):
        with pytest.raises(HansaError) as caught:
            parse_type_selection(mistake, str.lower)
        assert (caught.value.code, caught.value.facts["field"]) == (Code.invalid_field, "type")
    with pytest.raises(HansaError) as caught:
        parse_type_selection(";".join(["(A,B,C,D)"] * 4), str.lower)
    assert caught.value.code == Code.too_complex


def test_type_selections_are_not_read_too_deeply() -> None:
    """A thousand parentheses are a mistake of the caller, not a defect of ours."""
    found = parse_type_selection("(" * 16 + "A" + ")" * 16, str.lower)
    assert found is not None
    assert set(found.alternatives) == {frozenset("a")}
    for depth in (17, 1_500):
        with pytest.raises(HansaError) as caught:
            parse_type_selection("(" * depth + "A" + ")" * depth, str.lower)
        assert (caught.value.code, caught.value.facts["field"]) == (Code.too_complex, "type")


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("2026-01-31T08:00:00Z", "2026-01-31T08:00:00Z"),
        ("2026-01-31T08:00:00.500Z", "2026-01-31T08:00:00.5Z"),
        ("2026-01-31T08:00:00,123456Z", "2026-01-31T08:00:00.123456Z"),
        ("2026-01-31T09:00:00+01:00", "2026-01-31T08:00:00Z"),
        ("1960-06-01T00:00:00.25Z", "1960-06-01T00:00:00.25Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_instants_are_kept_in_utc(source: str, kept: str) -> None:
    at = instant(source)
    assert at is not None
    assert iso_from_micros(at) == kept
    assert instant(kept) == at


@pytest.mark.parametrize(
    "source", ["2026-01-31T08:00:00", "2026-13-31T08:00:00Z", "now", "2026-01-31", "24:00",
               "2026-01-31 08:00:00Z", "0001-01-01T00:00:00+01:00"],
)  # fmt: skip
def test_what_is_no_instant(source: str) -> None:
    assert instant(source) is None


def test_uris() -> None:
    assert all(map(is_uri, ["urn:x:1", "https://e.org/a?b#c", "a:ü", "did:web:x%3A1"]))
    assert not any(map(is_uri, ["x", "1:a", "urn:", "urn:a b", "urn:a\x00", "urn:<a>", ":a", ""]))


def test_boxes_of_geometries() -> None:
    line = geometry_from_geojson({"type": "LineString", "coordinates": [[3, 1, 9], [1, 4]]}, "x")
    assert (line.box, line.point) == ((1.0, 1.0, 3.0, 4.0), False)
    polygons = {
        "type": "MultiPolygon",
        "coordinates": [[[[0, 0], [1, 0], [1, 1], [0, 0]]], [[[5, 5], [6, 5], [6, 6], [5, 5]]]],
    }
    import shapely
    from shapely.geometry import shape

    for value in (polygons, {"type": "MultiPoint", "coordinates": [[1, 2], [3, 4]]}):
        found = geometry_from_geojson(value, "x")
        assert shapely.from_wkb(found.wkb).equals(shape(value))
        assert found.box == shape(value).bounds


def test_distances() -> None:
    assert haversine_m(0, 0, 0, 1) == pytest.approx(111_195, abs=1)
    assert haversine_m(179.5, 0, -179.5, 0) == pytest.approx(111_195, abs=1)
    delft, hague = (
        geometry_from_geojson({"type": "Point", "coordinates": [x, y]}, "x").wkb
        for x, y in ((4.3571, 52.0116), (4.3007, 52.0705))
    )
    assert distance_m(delft, hague) == pytest.approx(7_603, abs=5)


@pytest.mark.parametrize("latitude", [0.0, 52.0, -70.0, 89.95])
def test_the_box_around_a_point_holds_all_that_is_near(latitude: float) -> None:
    near = parse_geo_query(
        "near;maxDistance==5000", "Point", f"[179.99,{latitude}]", "location", name
    )
    box = around(near)
    assert box is not None
    west, south, east, north = box
    for angle in range(0, 360, 5):
        up = math.degrees(4999 / 6_371_008.8) * math.sin(math.radians(angle))
        across = math.degrees(4999 / 6_371_008.8) * math.cos(math.radians(angle))
        y = latitude + up
        x = 179.99 + across / max(1e-9, math.cos(math.radians(latitude)))
        x = (x + 180) % 360 - 180
        if abs(y) <= 90 and haversine_m(179.99, latitude, x, y) <= 5000:
            assert west <= x <= east
            assert south <= y <= north
