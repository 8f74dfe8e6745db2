"""Read GeoJSON geometries (RFC 7946) and the geographic query (NGSI-LD 1.9.1 4.7, 4.10).

A geometry becomes WKB with two dimensions; the height stays only in the rendered value. No library
is needed for that, so that writing entities loads none.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from hansa.broker.errors import bad_data
from hansa.broker.model import Geometry, GeoQuery
from hansa.kernel import Code, HansaError

POSITIONS_MAX = 100_000
_POINT = struct.Struct("<BIdd")
_HEAD = struct.Struct("<BI")
_COUNT = struct.Struct("<I")
_PAIR = struct.Struct("<dd")
_CODES = {
    "Point": 1,
    "LineString": 2,
    "Polygon": 3,
    "MultiPoint": 4,
    "MultiLineString": 5,
    "MultiPolygon": 6,
}
_DISTANCE = re.compile(r"near;(maxDistance|minDistance)==(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)")
RELATIONS = ("within", "contains", "intersects", "equals", "disjoint", "overlaps")


def geometry_from_geojson(value: Any, field: str) -> Geometry:
    """Check a GeoJSON geometry and give its WKB and box; HansaError invalid_field otherwise."""
    kind = value.get("type") if isinstance(value, Mapping) else None
    if kind not in _CODES:
        raise bad_data(
            f"`{field}` is not a GeoJSON geometry.",
            f"Its type is one of {', '.join(_CODES)}.",
            field=field,
        )
    coordinates = value.get("coordinates")
    if kind == "Point":
        x, y = _position(coordinates, field)
        return Geometry(_POINT.pack(1, 1, x, y), (x, y, x, y), True)
    writer = _Writer(field)
    writer.geometry(kind, coordinates)
    return Geometry(b"".join(writer.parts), writer.box(), False)


def _position(value: Any, field: str) -> tuple[float, float]:
    if isinstance(value, (list, tuple)) and len(value) in (2, 3):
        x, y = value[0], value[1]
        if type(x) in (int, float) and type(y) in (int, float):
            if -180 <= x <= 180 and -90 <= y <= 90:
                return float(x), float(y)
            raise bad_data(
                f"A position of `{field}` is outside the world.",
                "Write longitude (-180 to 180), then latitude (-90 to 90), in degrees.",
                field=field,
            )
    raise bad_data(
        f"A position of `{field}` is not a pair of numbers.",
        "Write [longitude, latitude] or [longitude, latitude, height].",
        field=field,
    )


class _Writer:
    """Write WKB (little endian) and find the box on the way."""

    def __init__(self, field: str) -> None:
        self.parts: list[bytes] = []
        self._field = field
        self._xs: list[float] = []
        self._ys: list[float] = []

    def box(self) -> tuple[float, float, float, float]:
        """Give (west, south, east, north)."""
        return min(self._xs), min(self._ys), max(self._xs), max(self._ys)

    def geometry(self, kind: str, coordinates: Any) -> None:
        """Write a geometry of this kind."""
        if kind == "Point":
            x, y = self._taken(coordinates)
            self.parts.append(_POINT.pack(1, 1, x, y))
            return
        self.parts.append(_HEAD.pack(1, _CODES[kind]))
        if kind == "LineString":
            self._line(coordinates, at_least=2)
            return
        self.parts.append(_COUNT.pack(len(self._list(coordinates))))
        for part in coordinates:
            if kind == "Polygon":
                self._line(part, at_least=4, closed=True)
            else:
                self.geometry(kind.removeprefix("Multi"), part)

    def _list(self, value: Any) -> list[Any]:
        if not isinstance(value, list) or not value:
            raise bad_data(
                f"The coordinates of `{self._field}` are empty or not a list.", field=self._field
            )
        return value

    def _line(self, value: Any, *, at_least: int, closed: bool = False) -> None:
        line = self._list(value)
        if len(line) < at_least or (closed and line[0] != line[-1]):
            raise bad_data(
                f"A line of `{self._field}` is too short or not closed.",
                "A ring has four or more positions, the last equal to the first; a line two.",
                field=self._field,
            )
        self.parts.append(_COUNT.pack(len(line)))
        self.parts.extend([_PAIR.pack(*self._taken(position)) for position in line])

    def _taken(self, value: Any) -> tuple[float, float]:
        x, y = _position(value, self._field)
        self._xs.append(x)
        self._ys.append(y)
        if len(self._xs) > POSITIONS_MAX:
            raise HansaError(
                Code.too_complex,
                f"`{self._field}` has too many positions.",
                f"At most {POSITIONS_MAX} are accepted: simplify the geometry.",
                field=self._field,
                limit=POSITIONS_MAX,
                status=400,
            )
        return x, y


def parse_geo_query(
    georel: str,
    geometry: str | None,
    coordinates: str | None,
    geoproperty: str,
    expand: Callable[[str], str],
) -> GeoQuery:
    """Read the four parameters of a geographic query (4.10)."""
    if geometry is None or coordinates is None:
        raise bad_data(
            "A geographic query needs `geometry` and `coordinates`.",
            "For example georel=near;maxDistance==500&geometry=Point&coordinates=[4.36,52.01].",
            field="geometry" if geometry is None else "coordinates",
        )
    try:
        parsed = orjson.loads(coordinates)
    except orjson.JSONDecodeError:
        raise bad_data("`coordinates` is not a JSON array.", field="coordinates") from None
    reference = geometry_from_geojson({"type": geometry, "coordinates": parsed}, "coordinates")
    attribute = expand(geoproperty)
    if georel in RELATIONS:
        return GeoQuery(georel, reference, attribute)
    near = _DISTANCE.fullmatch(georel)
    if near is None or float(near[2]) == 0:
        raise bad_data(
            "`georel` is not a geographic relation.",
            f"Use near;maxDistance==METRES, near;minDistance==METRES or {', '.join(RELATIONS)}.",
            field="georel",
        )
    return GeoQuery("near", reference, attribute, float(near[2]), near[1] == "minDistance")
