"""The footprint and height of a city object from its boundaries (CityJSON 2.0 3)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from hansa.ingest.geometry import as_geojson
from hansa.ingest.model import POSITIONS_MAX, CellError, Json, Reason

Point3 = tuple[float, float, float]
Ring = Sequence[int]
Surface = Sequence[Ring]

# How deep a surface (a list of rings) lies in the boundaries of each geometry type.
_SURFACE_DEPTH = {
    "MultiSurface": 1,
    "CompositeSurface": 1,
    "Solid": 2,
    "MultiSolid": 3,
    "CompositeSolid": 3,
}
_GROUND = "GroundSurface"
_FLAT_ENOUGH = 0.05  # share of a surface's area that shows from above, else it is a wall
_GRID_M = 0.001


class _Semantics(msgspec.Struct):
    surfaces: list[dict[str, Any]] = []
    values: Any = None


class CityGeometry(msgspec.Struct):
    """One geometry of a city object, as far as a footprint needs it."""

    type: str
    lod: str | float = ""
    boundaries: Any = None
    semantics: _Semantics | None = None


def _level(geometry: CityGeometry) -> float:
    """Give the level of detail as a number; what is none comes last."""
    try:
        return float(geometry.lod or 0)
    except ValueError:
        return math.inf


class Vertices:
    """The vertices of a file, turned into coordinates when asked for."""

    def __init__(self, raw: Sequence[Point3], scale: Point3, translate: Point3) -> None:
        self._raw = raw
        self._scale = scale
        self._translate = translate

    def __getitem__(self, index: int) -> Point3:
        if not isinstance(index, int) or not 0 <= index < len(self._raw):
            raise CellError(
                Reason.geometry_invalid, "geometry", f"there is no vertex {index}", index
            )
        x, y, z = self._raw[index]
        scale, translate = self._scale, self._translate
        return (
            x * scale[0] + translate[0],
            y * scale[1] + translate[1],
            z * scale[2] + translate[2],
        )

    def extent(self, indices: Iterable[int]) -> tuple[float, float]:
        """Give the lowest and highest z of some vertices."""
        raw, count = self._raw, len(self._raw)
        heights = [
            raw[index][2] for index in indices if isinstance(index, int) and 0 <= index < count
        ]
        if not heights:
            raise CellError(Reason.geometry_invalid, "geometry", "the boundaries name no vertex")
        scale, offset = self._scale[2], self._translate[2]
        low, high = sorted((min(heights) * scale + offset, max(heights) * scale + offset))
        return low, high


def _surfaces(geometry: CityGeometry) -> Iterator[tuple[Surface, str | None]]:
    """Give each surface of a geometry with its semantic type."""
    depth = _SURFACE_DEPTH.get(geometry.type)
    if depth is None:
        return
    semantics = geometry.semantics
    kinds = [str(surface.get("type")) for surface in semantics.surfaces] if semantics else []
    values = semantics.values if semantics else None
    try:
        yield from _walk(geometry.boundaries, values, depth, kinds)
    except (TypeError, IndexError, KeyError):
        raise CellError(
            Reason.geometry_invalid, "geometry", "the boundaries are not nested as they should be"
        ) from None


def _walk(
    boundaries: Any, values: Any, depth: int, kinds: list[str]
) -> Iterator[tuple[Surface, str | None]]:
    if depth == 0:
        if not all(isinstance(ring, list) for ring in boundaries):
            raise TypeError("a surface is a list of rings")
        yield boundaries, kinds[values] if isinstance(values, int) else None
        return
    for number, part in enumerate(boundaries):
        inner = values[number] if isinstance(values, list) and number < len(values) else None
        yield from _walk(part, inner, depth - 1, kinds)


def footprint(geometries: Sequence[CityGeometry], vertices: Vertices) -> Json | None:
    """Give the footprint as a GeoJSON geometry in the file's CRS; None without any geometry."""
    place = next((g for g in geometries if g.type in ("GeometryInstance", "MultiPoint")), None)
    by_lod = sorted(
        (g for g in geometries if g.type in _SURFACE_DEPTH and g.boundaries),
        key=_level,
    )
    if not by_lod:
        return _point(place, vertices) if place is not None else None
    chosen = [surface for g in by_lod if _level(g) < 1 for surface, _ in _surfaces(g)]
    if not chosen:
        chosen = _ground(by_lod)
    return _union(chosen or _bases(by_lod, vertices), vertices)


def _ground(by_lod: Sequence[CityGeometry]) -> list[Surface]:
    """Give the ground surfaces of the lowest level of detail that has any."""
    for lod in sorted({_level(geometry) for geometry in by_lod}):
        found = [
            surface
            for geometry in by_lod
            if _level(geometry) == lod
            for surface, kind in _surfaces(geometry)
            if kind == _GROUND
        ]
        if found:
            return found
    return []


def _bases(by_lod: Sequence[CityGeometry], vertices: Vertices) -> list[Surface]:
    """Give the surfaces without semantics that make a footprint, at the lowest level of detail.

    Of a solid those that look down; of one without a floor, and of any other geometry, all that
    are no wall.
    """
    lowest = _level(by_lod[0])
    tilted = [
        (surface, _tilt(surface, vertices), "Solid" in geometry.type)
        for geometry in by_lod
        if _level(geometry) == lowest
        for surface, _ in _surfaces(geometry)
    ]
    down = [surface for surface, tilt, solid in tilted if solid and tilt < -_FLAT_ENOUGH]
    return down or [surface for surface, tilt, _ in tilted if abs(tilt) > _FLAT_ENOUGH]


def _tilt(surface: Surface, vertices: Vertices) -> float:
    """Give 1 for a surface that looks up, 0 for a wall, -1 for one that looks down.

    By Newell's normal of the outer ring; faces of a solid turn outwards.
    """
    x = y = z = 0.0
    ring = [vertices[index] for index in surface[0]] if surface else []
    if not ring:
        return 0.0
    for one, other in zip(ring, [*ring[1:], ring[0]], strict=True):
        x += (one[1] - other[1]) * (one[2] + other[2])
        y += (one[2] - other[2]) * (one[0] + other[0])
        z += (one[0] - other[0]) * (one[1] + other[1])
    length = math.sqrt(x * x + y * y + z * z)
    return z / length if length else 0.0


def _union(surfaces: Sequence[Surface], vertices: Vertices) -> Json | None:
    import numpy as np
    import shapely
    from shapely.geometry import mapping

    polygons: list[Any] = []
    count = 0
    for surface in surfaces:
        rings = [[vertices[index][:2] for index in ring] for ring in surface]
        count += sum(map(len, rings))
        if count > POSITIONS_MAX:
            raise CellError(
                Reason.geometry_too_large, "geometry", f"more than {POSITIONS_MAX:,} corners"
            )
        if rings and len(rings[0]) >= 3:
            polygons.append(
                shapely.Polygon(rings[0], [ring for ring in rings[1:] if len(ring) >= 3])
            )
    if not polygons:
        return None
    try:
        with np.errstate(all="ignore"):
            if len(polygons) == 1 and polygons[0].is_valid:
                return as_geojson(mapping(polygons[0]))
            joined = shapely.union_all(
                [p if p.is_valid else shapely.make_valid(p, method="structure") for p in polygons],
                grid_size=_GRID_M,
            )
    except (shapely.errors.ShapelyError, ValueError):
        raise CellError(
            Reason.geometry_invalid, "geometry", "the surfaces cannot be joined to a footprint"
        ) from None
    if joined.is_empty or joined.geom_type not in ("Polygon", "MultiPolygon"):
        return None
    return as_geojson(mapping(joined))


def _point(geometry: CityGeometry, vertices: Vertices) -> Json | None:
    """Give the first point: where a tree or lamp of a template stands."""
    if not isinstance(geometry.boundaries, list) or not geometry.boundaries:
        return None
    index = geometry.boundaries[0]
    if not isinstance(index, int):
        raise CellError(Reason.geometry_invalid, "geometry", "a point is the number of a vertex")
    return {"type": "Point", "coordinates": list(vertices[index][:2])}


def vertical_extent(
    geometries: Sequence[CityGeometry], vertices: Vertices
) -> tuple[float, float] | None:
    """Give the lowest and highest z of all surfaces; None without any."""
    indices: set[Any] = set()
    for geometry in geometries:
        if geometry.type in _SURFACE_DEPTH:
            _collect(geometry.boundaries, indices)
    return vertices.extent(indices) if indices else None


def _collect(boundaries: Any, into: set[Any]) -> None:
    if not isinstance(boundaries, list):
        return
    if boundaries and isinstance(boundaries[0], int):
        into.update(part for part in boundaries if isinstance(part, int))
        return
    for part in boundaries:
        _collect(part, into)
