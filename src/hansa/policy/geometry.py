"""Areas as WKT: read with every check, intersect, measure.

Shapely is loaded when the first area is read: a node without areas never pays for it.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from hansa.policy.errors import invalid, shorten, too_large, unsupported
from hansa.policy.model import Area

if TYPE_CHECKING:
    from hansa.kernel import HansaError

VERTICES_MAX = 10_000
WKT_CHARS_MAX = 600_000
_EARTH_RADIUS_KM = 6371.0088
_CRS84 = re.compile(r"<https?://www\.opengis\.net/def/crs/OGC/1\.3/CRS84>\s*")
_HEAD = re.compile(r"\s*(?P<kind>POLYGON|MULTIPOLYGON)\s*\((?P<rest>[0-9eE+\-.,()\s]*)\)\s*", re.I)
_EXAMPLE = (
    "Write for example POLYGON ((4.35 52.00, 4.36 52.00, 4.36 52.01, 4.35 52.01, 4.35 52.00)), "
    "longitude before latitude."
)


def read_area(text: str, path: str) -> Area:
    """Read a WKT polygon or multipolygon in WGS84, longitude before latitude, two dimensions.

    Refused with the path: other shapes and reference systems, open or self-crossing rings,
    coordinates out of range, more than `VERTICES_MAX` vertices, an empty area.
    """
    if len(text) > WKT_CHARS_MAX:
        raise too_large(path, "characters of WKT", WKT_CHARS_MAX)
    text = _CRS84.sub("", text, count=1)
    if text.lstrip().startswith("<") or text.lstrip().upper().startswith("SRID"):
        raise unsupported(path, text, "Only WGS84 longitude and latitude is read.")
    match = _HEAD.fullmatch(text)
    if match is None:
        raise invalid(path, f"`{shorten(text)}` is no polygon or multipolygon in WKT.", _EXAMPLE)
    if match["rest"].count(",") + 1 > VERTICES_MAX:
        raise too_large(path, "vertices", VERTICES_MAX)
    import numpy as np
    import shapely

    try:
        with np.errstate(all="ignore"):
            shape = shapely.from_wkt(text)
    except (shapely.errors.ShapelyError, ValueError) as error:
        raise _unreadable(error, path) from None
    if shape.is_empty:
        raise invalid(path, "The area is empty.", _EXAMPLE)
    if shape.has_z:
        raise invalid(path, "The area has three dimensions.", "Leave out the heights.")
    west, south, east, north = (float(bound) for bound in shape.bounds)
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise invalid(
            path,
            f"Its coordinates reach from {west:g} {south:g} to {east:g} {north:g}.",
            "Write longitude (-180 to 180) before latitude (-90 to 90), in degrees.",
        )
    if not shape.is_valid:
        raise invalid(
            path,
            f"The area is not well-formed: {shapely.is_valid_reason(shape)}.",
            "Draw it without rings that cross or touch along a line.",
        )
    return _area(shape)


def _unreadable(error: Exception, path: str) -> HansaError:
    if "closed linestring" in str(error):
        return invalid(path, "A ring does not end where it begins.", "Repeat its first point last.")
    return invalid(path, "The WKT can't be read.", _EXAMPLE)


def intersect_areas(one: Area, other: Area) -> Area | None:
    """Give the common area; None when there is none (a shared edge alone is no area).

    When one area holds the other, the smaller comes back unchanged, so no rounding happens.
    """
    if one == other:
        return one
    import shapely

    a, b = shape_of(one), shape_of(other)
    if a.covers(b):
        return other
    if b.covers(a):
        return one
    parts = [
        part
        for part in shapely.get_parts(shapely.intersection(a, b))
        if part.geom_type == "Polygon" and part.area > 0
    ]
    return _area(parts[0] if len(parts) == 1 else shapely.multipolygons(parts)) if parts else None


def unite_areas(areas: list[Area]) -> Area:
    """Give the area that is covered by any; for showing, not for deciding."""
    if len(areas) == 1:
        return areas[0]
    import shapely

    return _area(shapely.union_all([shape_of(area) for area in areas]))


def area_km2(area: Area) -> float:
    """Give the size on a sphere of the mean earth radius (Lambert's cylindrical equal area)."""
    import shapely

    def equal_area(lon_lat: Any) -> Any:
        import numpy as np

        radians = np.radians(lon_lat)
        return np.column_stack([radians[:, 0], np.sin(radians[:, 1])])

    return float(shapely.transform(shape_of(area), equal_area).area) * _EARTH_RADIUS_KM**2


def shape_of(area: Area) -> Any:
    """Give the shapely geometry of an area; stays inside the room."""
    import shapely

    return shapely.from_wkt(area.wkt)


def area_of_bbox(west: float, south: float, east: float, north: float, path: str) -> Area:
    """Give the rectangle between the bounds as an area; checked as `read_area` does."""
    if not all(math.isfinite(bound) for bound in (west, south, east, north)):
        raise invalid(path, "A bound is not a number.", "Write west, south, east, north.")
    ring = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    return read_area(f"POLYGON (({', '.join(f'{x!r} {y!r}' for x, y in ring)}))", path)


def _area(shape: Any) -> Area:
    import shapely

    west, south, east, north = (float(bound) for bound in shape.bounds)
    polygons = [_polygon_text(part) for part in shapely.get_parts(shape)]
    many = f"MULTIPOLYGON ({', '.join(polygons)})"
    wkt = f"POLYGON {polygons[0]}" if len(polygons) == 1 else many
    return Area(wkt=wkt, bbox=(west, south, east, north))


def _polygon_text(polygon: Any) -> str:
    """Write a polygon with the shortest numbers that read back the same (GEOS rounds)."""
    rings = (polygon.exterior, *polygon.interiors)
    texts = (", ".join(f"{_number(x)} {_number(y)}" for x, y in ring.coords) for ring in rings)
    return f"({', '.join(f'({text})' for text in texts)})"


def _number(value: float) -> str:
    return repr(float(value)).removesuffix(".0")
