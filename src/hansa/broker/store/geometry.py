"""Exact geometry behind the R*Tree, called from SQL (NGSI-LD 1.9.1 4.10; `policy.Area`).

Shapely is loaded when the first shape has to be compared. References (an area, the geometry of a
query) are prepared once and named by a number in the statement. Whether a stored geometry lies in
an area is remembered under the number of its row, which is never used again for another geometry.

Distances are great-circle distances on a sphere of 6,371,008.8 m. Between shapes that are no
points the closest places are found on a plane that is true to scale at the reference.
"""

from __future__ import annotations

import math
import threading
from itertools import count
from typing import Any
from weakref import WeakValueDictionary

from hansa.broker.model import GeoQuery
from hansa.broker.store.reference import REPAIRED_POSITIONS_MAX
from hansa.policy import Area

Box = tuple[float, float, float, float]
EARTH_RADIUS_M = 6_371_008.8
DECISIONS_MAX = 200_000

_lock = threading.Lock()
_next = count(1)
_areas: WeakValueDictionary[int, _AreaTest] = WeakValueDictionary()
_relations: WeakValueDictionary[int, _Relation] = WeakValueDictionary()


class Handle(int):
    """The number that names a reference in a statement; keeps the reference alive."""

    reference: Any


class References:
    """The references of one broker; areas keep decisions as long as a statement names them."""

    def __init__(self) -> None:
        self._areas: WeakValueDictionary[Area, _AreaTest] = WeakValueDictionary()

    def area(self, area: Area) -> Handle:
        """Give the number by which statements name this area."""
        test = self._areas.get(area)
        if test is None:
            test = self._areas[area] = _AreaTest(area, next(_next))
            _areas[test.number] = test
        handle = Handle(test.number)
        handle.reference = test
        return handle

    def query(self, query: GeoQuery) -> Handle:
        """Give the number by which statements name this query."""
        relation = _Relation(query)
        handle = Handle(next(_next))
        handle.reference = relation
        _relations[int(handle)] = relation
        return handle


class _AreaTest:
    """Decide whether geometries are covered by an area; remembers its decisions.

    `box` is the box of the area, `inner` a rectangle (west, south, east, north) that it covers.
    """

    __slots__ = ("__weakref__", "_shape", "box", "decided", "inner", "number")

    def __init__(self, area: Area, number: int) -> None:
        import shapely

        self.number = number
        self.decided: dict[int, bool] = {}
        self._shape = shapely.from_wkt(area.wkt)
        if not shapely.is_valid(self._shape):
            self._shape = shapely.make_valid(self._shape)
        shapely.prepare(self._shape)
        self.box: Box = tuple(shapely.bounds(self._shape).tolist())
        self.inner = _inner(self._shape)

    def point(self, g: int, x: float, y: float) -> bool:
        """Decide for a point."""
        import shapely

        with _lock:
            return self._keep(g, bool(shapely.covers(self._shape, shapely.Point(x, y))))

    def shape(self, g: int, wkb: bytes) -> bool:
        """Decide for any geometry."""
        import shapely

        with _lock:
            return self._keep(g, bool(shapely.covers(self._shape, _sound(wkb))))

    def _keep(self, g: int, inside: bool) -> bool:
        if len(self.decided) >= DECISIONS_MAX:
            self.decided.clear()
        self.decided[g] = inside
        return inside


def _inner(shape: Any) -> Box:
    """Give a rectangle that a prepared shape covers, as large as halving finds in few steps.

    A rectangle is found whole; of a shape with holes or tips the widest place is taken.
    """
    import shapely

    west, south, east, north = shapely.bounds(shape).tolist()
    if shapely.covers(shape, shapely.box(west, south, east, north)):
        return west, south, east, north
    centre = shapely.Point(shapely.get_coordinates(shapely.maximum_inscribed_circle(shape))[0])
    half_x, half_y = (east - west) / 2, (north - south) / 2
    best, low, high = (centre.x, centre.y, centre.x, centre.y), 0.0, 1.0
    for _ in range(12):
        share = (low + high) / 2
        box = (
            *(centre.x - half_x * share, centre.y - half_y * share),
            *(centre.x + half_x * share, centre.y + half_y * share),
        )
        if shapely.covers(shape, shapely.box(*box)):
            best, low = box, share
        else:
            high = share
    return best if low else (1.0, 1.0, -1.0, -1.0)


def in_area(
    handle: int, g: int, west: float, south: float, east: float, north: float
) -> bool | None:
    """SQL: is geometry row `g` in the area? None when it is no point and not known yet."""
    test = _areas[handle]
    known = test.decided.get(g)
    if known is not None:
        return known
    if west == east and south == north:
        return test.point(g, west, south)
    return None


def shape_in_area(handle: int, g: int, wkb: bytes | None) -> bool:
    """SQL: is the geometry, given as WKB, in the area?"""
    return wkb is not None and _areas[handle].shape(g, wkb)


def related(handle: int, x: float | None, y: float | None, wkb: bytes) -> bool:
    """SQL: does the geometry (x and y are set for a point) stand in the relation of the query?"""
    return _relations[handle](x, y, wkb)


def haversine_m(x1: float, y1: float, x2: float, y2: float) -> float:
    """Give the great-circle distance of two lon/lat positions in metres."""
    a, b = math.radians(y1), math.radians(y2)
    across = math.sin(math.radians(x2 - x1) / 2) ** 2 * math.cos(a) * math.cos(b)
    h = math.sin((b - a) / 2) ** 2 + across
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, h)))


def around(query: GeoQuery) -> tuple[float, float, float, float] | None:
    """Give a box that holds all that can match a query; None when nothing can be ruled out."""
    west, south, east, north = query.reference.box
    if query.relation == "disjoint" or query.farther:
        return None
    if query.relation != "near":
        return query.reference.box
    assert query.distance_m is not None
    up = math.degrees(query.distance_m / EARTH_RADIUS_M) * 1.001 + 1e-9
    widest = min(90.0, max(abs(south), abs(north)) + up)
    if widest >= 89.9:
        return -180.0, max(-90.0, south - up), 180.0, min(90.0, north + up)
    across = up / math.cos(math.radians(widest))
    if west - across < -180 or east + across > 180:
        return -180.0, south - up, 180.0, north + up
    return west - across, south - up, east + across, north + up


_DECIDE = {
    "within": "contains",
    "contains": "within",
    "intersects": "intersects",
    "disjoint": "disjoint",
    "overlaps": "overlaps",
    "equals": "equals",
}
"""The relation of the target to the reference, asked from the prepared reference's side."""


class _Relation:
    """Decide whether geometries stand in the relation of a query to its reference."""

    __slots__ = ("__weakref__", "_query", "_shape")

    def __init__(self, query: GeoQuery) -> None:
        self._query = query
        self._shape: Any = None

    def __call__(self, x: float | None, y: float | None, wkb: bytes) -> bool:
        """Decide for one geometry."""
        query = self._query
        if query.distance_m is not None:
            if x is not None and y is not None and query.reference.point:
                away_m = haversine_m(query.reference.box[0], query.reference.box[1], x, y)
            else:
                away_m = distance_m(query.reference.wkb, wkb)
            return away_m > query.distance_m if query.farther else away_m <= query.distance_m
        import shapely

        with _lock:
            if self._shape is None:
                self._shape = _sound(query.reference.wkb)
                shapely.prepare(self._shape)
            return bool(getattr(shapely, _DECIDE[query.relation])(self._shape, _sound(wkb)))


def _sound(wkb: bytes) -> Any:
    """Give a geometry that predicates can work with.

    One that crosses itself is repaired when it is small. Repairing a large one would stop the node,
    so that one counts as empty: it is in no area and near to nothing.
    """
    import shapely

    shape = shapely.from_wkb(wkb)
    if shapely.is_valid(shape):
        return shape
    if shapely.get_num_coordinates(shape) > REPAIRED_POSITIONS_MAX:
        return shapely.Polygon()
    return shapely.make_valid(shape, method="structure")


def distance_m(reference: bytes, target: bytes) -> float:
    """Give the distance in metres between the closest places of two geometries (WKB); or nan."""
    import shapely
    from shapely import ops

    one, other = _sound(reference), _sound(target)
    if one.is_empty or other.is_empty:
        return math.nan
    _, south, _, north = one.bounds
    scale = max(1e-6, math.cos(math.radians((south + north) / 2)))

    def flat(shape: Any) -> Any:
        return shapely.transform(shape, lambda xy: xy * (scale, 1.0))

    near, far = ops.nearest_points(flat(one), flat(other))
    return haversine_m(near.x / scale, near.y, far.x / scale, far.y)
