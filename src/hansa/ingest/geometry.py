"""Brings a geometry to WGS84 and refuses what is none: kind, range, closure, validity.

In and out are GeoJSON geometries (RFC 7946); positions come out as lon/lat with 7 decimals
(1 cm), heights are dropped.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

from hansa.ingest.crs import Project
from hansa.ingest.model import POSITIONS_MAX, CellError, Json, Reason

Position = Sequence[float]
DECIMALS = 7
FINE_DECIMALS = 10
"""For polygons that are valid as they stand but not when rounded to a centimetre."""
_DEPTHS = {
    "Point": 0,
    "MultiPoint": 1,
    "LineString": 1,
    "MultiLineString": 2,
    "Polygon": 2,
    "MultiPolygon": 3,
}
KINDS = tuple(_DEPTHS)
_WKT_START = re.compile(r"\s*(MULTI)?(POINT|LINESTRING|POLYGON)\b", re.I)
_NEAR_DEGREES, _FAR_DEGREES = 2.0, 10.0


def check_position(
    longitude: float, latitude: float, field: str, near: Position | None, raw: Any
) -> None:
    """Refuse a position off the earth, or one whose coordinates were swapped.

    Swapped is told by the range, or by `near`: the position is more than 10 degrees from where
    most rows lie while the swapped one is within 2.
    """
    if not (math.isfinite(longitude) and math.isfinite(latitude)):
        raise CellError(
            Reason.coordinates_range, field, "the position has no place on the earth", raw
        )
    if -180.0 <= longitude <= 180.0 and -90.0 <= latitude <= 90.0:
        if near is None or _within(longitude, latitude, near, _FAR_DEGREES):
            return
        if not _within(latitude, longitude, near, _NEAR_DEGREES):
            return
    elif not (-90.0 <= longitude <= 90.0 and -180.0 <= latitude <= 180.0):
        raise CellError(
            Reason.coordinates_range,
            field,
            f"longitude {longitude:g} or latitude {latitude:g} is out of range (-180 to 180, -90 "
            "to 90 degrees); if these are metres, name the coordinate system",
            raw,
        )
    raise CellError(
        Reason.coordinates_swapped,
        field,
        f"longitude {longitude:g} and latitude {latitude:g} look swapped",
        raw,
    )


def _within(longitude: float, latitude: float, near: Position, degrees: float) -> bool:
    return abs(longitude - near[0]) <= degrees and abs(latitude - near[1]) <= degrees


def point(
    x: float, y: float, project: Project | None, field: str, near: Position | None = None
) -> Json:
    """Give a GeoJSON point in WGS84; `CellError` when it is off the earth."""
    if project is not None:
        longitudes, latitudes = project([x], [y])
        x, y = longitudes[0], latitudes[0]
    check_position(x, y, field, near, f"{x} {y}")
    return {"type": "Point", "coordinates": [round(x, DECIMALS), round(y, DECIMALS)]}


def to_wgs84(
    geometry: Any,
    project: Project | None,
    field: str,
    *,
    near: Position | None = None,
    repair: bool = False,
) -> Json:
    """Give a GeoJSON geometry in WGS84; `CellError` says what is wrong with it.

    `repair` mends invalid polygons instead of refusing them.
    """
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    depth = _DEPTHS.get(kind) if isinstance(kind, str) else None
    if depth is None or not isinstance(kind, str):
        raise CellError(
            Reason.geometry_kind,
            field,
            f"a location is one of {', '.join(KINDS)}, not {kind}",
            kind,
        )
    if kind == "Point":
        x, y = _pair(geometry.get("coordinates"), field)
        return point(x, y, project, field, near)
    flat: list[Position] = []
    shape = _flatten(geometry.get("coordinates"), depth, flat, field)
    if not flat:
        raise CellError(Reason.geometry_missing, field, "the geometry is empty", kind)
    longitudes = [position[0] for position in flat]
    latitudes = [position[1] for position in flat]
    if project is not None:
        projected = project(longitudes, latitudes)
        longitudes, latitudes = list(projected[0]), list(projected[1])
    for longitude, latitude in zip(longitudes, latitudes, strict=True):
        check_position(longitude, latitude, field, near, f"{longitude} {latitude}")
    for decimals in (DECIMALS, FINE_DECIMALS):
        world = (
            [round(longitude, decimals), round(latitude, decimals)]
            for longitude, latitude in zip(longitudes, latitudes, strict=True)
        )
        result = {"type": kind, "coordinates": _rebuild(shape, world)}
        _check_counts(result, field)
        fault = _fault_of(result) if "Polygon" in kind else None
        if fault is None:
            return result
    if repair:
        return _mended(result, field)
    raise CellError(
        Reason.geometry_invalid,
        field,
        f"{fault}; mend it in a GIS, or set `repair` in the mapping",
        kind,
    )


def _pair(position: Any, field: str) -> tuple[float, float]:
    if isinstance(position, list | tuple) and 2 <= len(position) <= 4:
        x, y = position[0], position[1]
        if (
            isinstance(x, int | float)
            and isinstance(y, int | float)
            and not isinstance(x, bool)
            and not isinstance(y, bool)
        ):
            return float(x), float(y)
    raise CellError(Reason.geometry_invalid, field, "a position is two or three numbers", position)


def _flatten(coordinates: Any, depth: int, into: list[Position], field: str) -> Any:
    """Give the nesting as counts and put the positions into one list."""
    if not isinstance(coordinates, list | tuple):
        raise CellError(
            Reason.geometry_invalid, field, "`coordinates` is not an array", coordinates
        )
    if depth == 1:
        into.extend(_pair(position, field) for position in coordinates)
        if len(into) > POSITIONS_MAX:
            raise CellError(
                Reason.geometry_too_large, field, f"more than {POSITIONS_MAX:,} positions", None
            )
        return len(coordinates)
    return [_flatten(part, depth - 1, into, field) for part in coordinates]


def _rebuild(shape: Any, positions: Iterable[Any]) -> Any:
    iterator = iter(positions)

    def build(part: Any) -> Any:
        if isinstance(part, int):
            return [next(iterator) for _ in range(part)]
        return [build(inner) for inner in part]

    return build(shape)


def _check_counts(geometry: Json, field: str) -> None:
    kind, coordinates = geometry["type"], geometry["coordinates"]
    lines = coordinates if kind == "MultiLineString" else [coordinates]
    if "LineString" in kind and any(len(line) < 2 for line in lines):
        raise CellError(Reason.geometry_invalid, field, "a line needs two positions", kind)
    polygons = coordinates if kind == "MultiPolygon" else [coordinates]
    if "Polygon" in kind:
        for ring in (ring for polygon in polygons for ring in polygon):
            if len(ring) < 4 or ring[0] != ring[-1]:
                raise CellError(
                    Reason.geometry_invalid,
                    field,
                    "a ring needs four positions, the last equal to the first",
                    kind,
                )


def _fault_of(geometry: Json) -> str | None:
    """Say why a polygon is invalid (OGC simple features), None when it is valid."""
    import shapely
    from shapely.geometry import shape

    polygon = shape(geometry)
    return None if polygon.is_valid else str(shapely.is_valid_reason(polygon))


def _mended(geometry: Json, field: str) -> Json:
    import shapely
    from shapely.geometry import mapping, shape

    try:
        mended = shapely.make_valid(shape(geometry), method="structure")
    except shapely.errors.ShapelyError:
        mended = shapely.Polygon()
    if mended.is_empty or mended.geom_type not in ("Polygon", "MultiPolygon"):
        raise CellError(Reason.geometry_invalid, field, "the polygon has no area", geometry["type"])
    return as_geojson(mapping(mended))


def as_geojson(geometry: Any) -> Json:
    """Give a geometry of a library (tuples) as plain GeoJSON (lists)."""

    def lists(part: Any) -> Any:
        return [lists(inner) for inner in part] if isinstance(part, list | tuple) else part

    return {"type": geometry["type"], "coordinates": lists(geometry["coordinates"])}


def from_wkt(text: str, field: str) -> tuple[Json, str | None]:
    """Read WKT, also with `SRID=28992;` before it: the GeoJSON geometry and the CRS, if named."""
    import numpy as np
    import shapely
    from shapely.geometry import mapping

    crs = None
    head, mark, rest = text.partition(";")
    if mark and head.strip().upper().startswith("SRID="):
        crs, text = f"EPSG:{head.strip()[5:]}", rest
    if not _WKT_START.match(text):
        # a collection may nest without bound, which would end the process
        raise CellError(Reason.geometry_kind, field, "this is no point, line or polygon", text)
    try:
        with np.errstate(all="ignore"):  # GEOS would warn of nan, which is refused further on
            geometry = shapely.from_wkt(text)
    except (shapely.errors.ShapelyError, ValueError):
        raise CellError(Reason.geometry_invalid, field, "this is not WKT", text) from None
    if geometry is None or geometry.is_empty or geometry.geom_type not in _DEPTHS:
        raise CellError(
            Reason.geometry_kind, field, "the geometry is empty or of another kind", text
        )
    return as_geojson(mapping(geometry)), crs


def bounds_of(geometry: Json) -> tuple[float, float, float, float]:
    """Give west, south, east, north of a GeoJSON geometry."""
    if geometry["type"] == "Point":
        x, y = geometry["coordinates"]
        return x, y, x, y
    flat: list[Position] = []
    _flatten(geometry["coordinates"], _DEPTHS[geometry["type"]], flat, "")
    xs, ys = [position[0] for position in flat], [position[1] for position in flat]
    return min(xs), min(ys), max(xs), max(ys)
