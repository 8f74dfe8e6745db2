"""Small worlds for the broker: entities with histories, scopes over them, and queries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import strategies as st

from hansa.broker import (
    AllOf,
    AnyOf,
    GeoQuery,
    Order,
    Query,
    Slice,
    TemporalQuery,
    Term,
    TypeSelection,
    View,
)
from hansa.broker.model import Literal, Node, Range, ValueClass
from hansa.broker.query import geometry_from_geojson, micros
from hansa.kernel import iso
from hansa.kernel.jsonld import expand_ngsi_ld_name as expand
from hansa.policy import Area, Cut, Scope, Window

START = datetime(2026, 1, 1, tzinfo=UTC)
NUMBERS = ("power", "height")
TEXTS = ("name", "state")
LINKS = ("partOf",)
ATTRIBUTES = (*NUMBERS, *TEXTS, *LINKS, "location", "entrance", "address")
TYPES = ("Shop", "Workshop", "Sensor")


def at(hour: int) -> datetime:
    """Give an instant of the small world's only day."""
    return START + timedelta(hours=hour)


class History(msgspec.Struct):
    """An entity as it is, and further instances that only its history holds."""

    current: dict[str, Any]
    past: dict[str, list[dict[str, Any]]]


_coordinate = st.integers(0, 8).map(lambda half: half / 2)
_point = st.tuples(_coordinate, _coordinate).map(
    lambda xy: {"type": "Point", "coordinates": [xy[0], xy[1]]}
)
_box = st.tuples(_coordinate, _coordinate, st.integers(1, 3), st.integers(1, 3)).map(
    lambda b: rectangle(b[0], b[1], b[0] + b[2], b[1] + b[3])
)
_triangle = st.tuples(_coordinate, _coordinate, st.integers(1, 3)).map(
    lambda t: {
        "type": "Polygon",
        "coordinates": [[[t[0], t[1]], [t[0] + t[2], t[1]], [t[0], t[1] + t[2]], [t[0], t[1]]]],
    }
)
geometries = st.one_of(_point, _point, _point, _box, _triangle)


def rectangle(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    """Give a GeoJSON rectangle."""
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


_number = st.integers(0, 6).map(lambda n: n if n % 2 else n / 2)
_text = st.sampled_from(["open", "closed", "Ölmühle", "a|b;(c)", "2026-01-01T03:00:00Z"])
_link = st.integers(1, 3).map(lambda n: f"urn:ngsi-ld:Block:{n}")


def _property(value: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    listed = st.one_of(value, value, value, st.lists(value, min_size=1, max_size=2))
    return listed.map(lambda v: {"type": "Property", "value": v})


_address = st.fixed_dictionaries({"city": _text, "number": _number}).map(
    lambda v: {"type": "Property", "value": v}
)
_measured = st.tuples(_property(_number), st.sampled_from(["good", "poor"])).map(
    lambda pair: {**pair[0], "quality": {"type": "Property", "value": pair[1]}}
)
_bodies: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "power": st.one_of(_property(_number), _measured),
    "height": _property(_number),
    "name": _property(_text),
    "state": _property(st.one_of(_text, st.booleans(), _number)),
    "partOf": _link.map(lambda uri: {"type": "Relationship", "object": uri}),
    "location": geometries.map(lambda g: {"type": "GeoProperty", "value": g}),
    "entrance": _point.map(lambda g: {"type": "GeoProperty", "value": g}),
    "address": _address,
}


@st.composite
def _instances(draw: st.DrawFn, name: str) -> Any:
    """Give one instance, or two of which one has a datasetId; observed at an even hour or not."""
    found = []
    for dataset in draw(st.sampled_from([(None,), (None,), (None, "urn:d:1"), ("urn:d:1",)])):
        body = dict(draw(_bodies[name]))
        hour = draw(st.sampled_from([None, 0, 2, 4]))
        if hour is not None:
            body["observedAt"] = iso(at(hour))
        if dataset is not None:
            body["datasetId"] = dataset
        found.append(body)
    return found[0] if len(found) == 1 else found


@st.composite
def histories(draw: st.DrawFn, number: int) -> History:
    """Give an entity with a few attributes, and instances at odd hours in its past."""
    types = draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=2, unique=True))
    wanted = draw(st.sampled_from([0, 1, 2, 3, 5]))
    names = list({draw(st.sampled_from(ATTRIBUTES)): None for _ in range(wanted)})
    if wanted and draw(st.integers(0, 3)) and "location" not in names:
        names.append("location")
    zone = draw(st.sampled_from(["north", "south"]))
    current = {"id": f"urn:ngsi-ld:{zone}:{number}", "type": types[0] if len(types) == 1 else types}
    past: dict[str, list[dict[str, Any]]] = {}
    for name in names:
        current[name] = draw(_instances(name))
        if name in ("power", "name"):
            hours = draw(st.lists(st.sampled_from([1, 3, 5]), max_size=3, unique=True))
            past[name] = [
                {**draw(_bodies[name]), "observedAt": iso(at(hour))} for hour in sorted(hours)
            ]
    return History(current, {name: found for name, found in past.items() if found})


@st.composite
def worlds(draw: st.DrawFn) -> list[History]:
    """Give up to six entities."""
    size = draw(st.sampled_from([1, 3, 4, 5, 6]))
    return [draw(histories(number)) for number in range(size)]


@st.composite
def areas(draw: st.DrawFn) -> Area:
    """Give a rectangle or a triangle of the grid that entities lie on."""
    x, y = draw(st.integers(-1, 2)), draw(st.integers(-1, 2))
    w, h = draw(st.integers(2, 5)), draw(st.integers(2, 5))
    ring = [(x, y), (x + w, y), (x + w, y + h), (x, y + h), (x, y)]
    if draw(st.integers(0, 2)):
        ring = [(x, y), (x + w, y), (x, y + h), (x, y)]
    wkt = f"POLYGON(({', '.join(f'{a} {b}' for a, b in ring)}))"
    return Area(wkt, (x, y, x + w, y + h))


@st.composite
def windows(draw: st.DrawFn) -> Window:
    """Give a span of hours, perhaps open."""
    start, end = draw(st.integers(0, 6)), draw(st.integers(0, 6))
    kind = draw(st.sampled_from(["from", "until", "both"]))
    if kind == "from":
        return Window(start=at(start))
    return (
        Window(end=at(end)) if kind == "until" else Window(at(min(start, end)), at(max(start, end)))
    )


_names = st.frozensets(
    st.sampled_from([expand(n) for n in (*ATTRIBUTES, "never")]), min_size=1, max_size=6
)
_types = st.frozensets(st.sampled_from([expand(t) for t in (*TYPES, "Never")]), max_size=2)
_restrictions: dict[str, st.SearchStrategy[Any]] = {
    "types": _types,
    "id_prefix": st.sampled_from(["urn:ngsi-ld:north", "urn:ngsi-ld:south:1", "urn:x"]),
    "attributes": _names,
    "area": areas(),
    "observed": windows(),
}


@st.composite
def cuts(draw: st.DrawFn) -> Cut:
    """Give a cut with none to three restrictions: one with all of them shows next to nothing."""
    names = st.sampled_from([*_restrictions, "area", "area", "attributes", "observed"])
    chosen = {draw(names) for _ in range(draw(st.sampled_from([0, 1, 1, 2, 2, 3])))}
    return Cut(**{name: draw(_restrictions[name]) for name in sorted(chosen)})


scopes = st.builds(
    Scope,
    permits=st.sampled_from([1, 1, 2, 3]).flatmap(lambda n: st.tuples(*[cuts()] * n)),
    denies=st.sampled_from([0, 0, 1]).flatmap(lambda n: st.tuples(*[cuts()] * n)),
)

# -- queries --------------------------------------------------------------------------------------

_values: dict[str, st.SearchStrategy[Literal]] = {
    "number": _number.map(lambda n: Literal(ValueClass.number, number=float(n))),
    "text": _text.map(lambda t: Literal(ValueClass.text, text=t)),
    "uri": _link.map(lambda u: Literal(ValueClass.uri, text=u)),
    "boolean": st.booleans().map(lambda b: Literal(ValueClass.boolean, number=float(b))),
    "instant": st.integers(0, 5).map(
        lambda h: Literal(ValueClass.instant, number=float(micros(at(h))))
    ),
}
_PATHS = ("", "", "", ".quality", "[city]", "[number]", "@observedAt")


@st.composite
def terms(draw: st.DrawFn, *, deep: bool = True) -> Term:
    """Give one comparison."""
    name = expand(draw(st.sampled_from((*ATTRIBUTES, "never"))))
    path = draw(st.sampled_from(_PATHS)) if deep else ""
    path = f".{expand('quality')}" if path == ".quality" else path
    operator = draw(st.sampled_from(["exists", "==", "!=", ">", ">=", "<", "<="]))
    if operator == "exists":
        return Term(name, path, operator)
    kinds = ["instant"] if path == "@observedAt" else list(_values)
    if operator not in ("==", "!="):
        kinds = [kind for kind in kinds if kind not in ("uri", "boolean")]
        return Term(name, path, operator, (draw(_values[draw(st.sampled_from(kinds))]),))
    listed: list[Literal | Range] = []
    for _ in range(draw(st.integers(1, 2))):
        kind = draw(st.sampled_from(kinds))
        value = draw(_values[kind])
        if kind in ("number", "text", "instant") and draw(st.booleans()):
            listed.append(Range(value, draw(_values[kind])))
        else:
            listed.append(value)
    return Term(name, path, operator, tuple(listed))


def nodes(*, deep: bool = True) -> st.SearchStrategy[Node]:
    """Give a query tree."""

    def joined(parts: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
        several = st.lists(parts, min_size=2, max_size=3).map(tuple)
        return st.one_of(several.map(AllOf), several.map(AnyOf))

    return st.recursive(terms(deep=deep), joined, max_leaves=4)


@st.composite
def geo_queries(draw: st.DrawFn) -> GeoQuery:
    """Give a geographic query on either geo-attribute."""
    relation = draw(
        st.sampled_from(["near", "within", "contains", "intersects", "disjoint", "equals"])
    )
    shape = geometry_from_geojson(draw(geometries), "coordinates")
    attribute = expand(draw(st.sampled_from(["location", "location", "entrance"])))
    if relation != "near":
        return GeoQuery(relation, shape, attribute)
    distance_m = draw(st.sampled_from([50_000.0, 130_000.0, 260_000.0]))
    return GeoQuery("near", shape, attribute, distance_m, draw(st.booleans()))


_selections = st.lists(
    st.frozensets(st.sampled_from([expand(t) for t in TYPES]), min_size=1, max_size=2),
    min_size=1,
    max_size=2,
).map(lambda found: TypeSelection(tuple(found)))
_ids = st.lists(
    st.tuples(st.sampled_from(["north", "south"]), st.integers(0, 5)), min_size=1, max_size=4
).map(lambda pairs: tuple(f"urn:ngsi-ld:{zone}:{n}" for zone, n in pairs))
_orders = st.lists(
    st.builds(
        Order,
        attribute=st.none() | st.sampled_from([expand("power"), expand("name")]),
        descending=st.booleans(),
    ),
    max_size=2,
).map(tuple)


def queries(*, deep: bool = True) -> st.SearchStrategy[Query]:
    """Give which entities are asked for."""
    return st.builds(
        Query,
        ids=st.one_of(st.just(()), st.just(()), _ids),
        types=st.none() | _selections,
        q=st.none() | nodes(deep=deep),
        geo=st.one_of(st.none(), st.none(), geo_queries()),
        existing=st.one_of(
            st.just(()), st.sampled_from([(expand("power"),), (expand("name"), expand("never"))])
        ),
        order=st.one_of(st.just(()), st.just(()), _orders) if deep else st.just(()),
    )


def sweep() -> list[Query]:
    """Give queries that would show any attribute, order or geometry that leaks."""
    zero = (Literal(ValueClass.number, number=0.0),)
    empty = (Literal(ValueClass.text, text=""),)
    late = (Literal(ValueClass.instant, number=float(micros(at(2)))),)
    found = [Query(), Query(order=(Order(expand("power")), Order(expand("name"), True)))]
    found += [Query(order=(Order(expand(name), True),)) for name in (*NUMBERS, *TEXTS)]
    for name in ATTRIBUTES:
        found += [
            Query(q=Term(expand(name), path, operator, values))
            for path, operator, values in (
                ("", "exists", ()),
                ("", "!=", zero),
                ("", ">=", zero),
                ("", ">=", empty),
                ("@observedAt", ">=", late),
                ("[city]", "exists", ()),
            )
        ]
    world = geometry_from_geojson(rectangle(-9, -9, 9, 9), "world")
    for name in ("location", "entrance"):
        found.append(Query(geo=GeoQuery("within", world, expand(name))))
        found.append(Query(geo=GeoQuery("near", world, expand(name), 1.0)))
    return found


slices = st.builds(
    Slice, limit=st.integers(1, 4), offset=st.sampled_from([0, 0, 1, 3]), count=st.booleans()
)
views = st.builds(
    View,
    form=st.sampled_from(["normalized", "normalized", "simplified", "concise"]),
    sys_attrs=st.booleans(),
    only=st.none() | _names,
    geometry=st.one_of(st.none(), st.none(), st.just(expand("location"))),
)


@st.composite
def temporal_queries(draw: st.DrawFn) -> TemporalQuery:
    """Give an interval of hours, perhaps the last ones in it only."""
    start, end = draw(st.none() | st.integers(0, 6)), draw(st.none() | st.integers(0, 6))
    return TemporalQuery(
        start=None if start is None else micros(at(start)),
        end=None if end is None else micros(at(end)),
        property=draw(st.sampled_from(["observedAt", "observedAt", "modifiedAt"])),
        last=draw(st.one_of(st.none(), st.integers(1, 2))),
        attributes=draw(st.one_of(st.none(), st.sampled_from([(expand("power"), expand("name"))]))),
    )
