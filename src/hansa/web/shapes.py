"""Small drawings made on the server: a contract's area, its period, a sample's geometry.

Coordinates come in lon/lat degrees (EPSG:4326) and leave as SVG path data in a view box of whole
pixels. Nothing here writes markup, so the Content-Security-Policy needs no inline style.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

Point = tuple[float, float]
Box = tuple[float, float, float, float]

_POINTS_MAX = 20_000
_METRES_PER_DEGREE = 111_320.0
_RING = re.compile(r"\(([^()]+)\)")
_NICE_M = (10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000)


class AreaSketch(msgspec.Struct, frozen=True, kw_only=True):
    """A contract's area in its surroundings, in a view box of `width` x `height` pixels."""

    width: int
    height: int
    area: str
    surroundings: str
    meridians: tuple[float, ...]
    parallels: tuple[float, ...]
    scale_px: float
    scale_text: str
    extent_text: str


class PeriodSketch(msgspec.Struct, frozen=True, kw_only=True):
    """A period on a bar of 100 units, with today; `phase` is before, within or after."""

    from_x: float
    to_x: float
    now_x: float
    open_start: bool
    open_end: bool
    phase: str


class SampleSketch(msgspec.Struct, frozen=True, kw_only=True):
    """Geometry of a sample: outlines as one path, points as circles."""

    width: int
    height: int
    outlines: str
    points: tuple[tuple[float, float], ...]
    shown: int


def rings_of(wkt: str) -> list[list[Point]]:
    """Read the rings of a WKT polygon or multipolygon; what cannot be read gives no ring."""
    rings: list[list[Point]] = []
    budget = _POINTS_MAX
    for body in _RING.findall(wkt):
        ring: list[Point] = []
        for pair in body.split(","):
            numbers = pair.split()
            try:
                ring.append((float(numbers[0]), float(numbers[1])))
            except (ValueError, IndexError):
                return []
        budget -= len(ring)
        if budget < 0:
            break
        if len(ring) >= 3:
            rings.append(ring)
    return rings


def box_of(points: Iterable[Point]) -> Box | None:
    """Give (west, south, east, north) of points; None when there are none."""
    xs: list[float] = []
    ys: list[float] = []
    for x, y in points:
        xs.append(x)
        ys.append(y)
    return (min(xs), min(ys), max(xs), max(ys)) if xs else None


def box_wkt(box: Sequence[float]) -> str:
    """Write a bounding box (west, south, east, north) as a WKT polygon."""
    w, s, e, n = box
    return f"POLYGON (({w} {s}, {e} {s}, {e} {n}, {w} {n}, {w} {s}))"


class _Frame:
    """Fits a box into pixels with equal scale, north up, and a margin."""

    def __init__(self, box: Box, width: int, height: int, margin_px: int) -> None:
        west, south, east, north = box
        self._cos = max(math.cos(math.radians((south + north) / 2)), 0.01)
        wide = max((east - west) * self._cos, 1e-6)
        tall = max(north - south, 1e-6)
        self.scale = min((width - 2 * margin_px) / wide, (height - 2 * margin_px) / tall)
        self._x0 = width / 2 - (west + east) / 2 * self._cos * self.scale
        self._y0 = height / 2 + (south + north) / 2 * self.scale

    def place(self, point: Point) -> Point:
        """Give pixels for lon/lat."""
        x, y = point
        return (
            round(self._x0 + x * self._cos * self.scale, 1),
            round(self._y0 - y * self.scale, 1),
        )

    def path(self, rings: Iterable[Sequence[Point]]) -> str:
        """Give SVG path data for closed rings."""
        parts = []
        for ring in rings:
            spots = [self.place(point) for point in ring]
            parts.append("M" + "L".join(f"{x:g} {y:g}" for x, y in spots) + "Z")
        return "".join(parts)

    def lines(self, low: float, high: float, step: float, *, along_x: bool) -> list[float]:
        """Give pixel places of multiples of `step` between two degrees."""
        out: list[float] = []
        value = math.ceil(low / step) * step
        while value <= high and len(out) < 12:
            out.append(self.place((value, 0))[0] if along_x else self.place((0, value))[1])
            value += step
        return out


def _metres(metres: float) -> str:
    return f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"


def _about(metres: float) -> str:
    digits = 10 ** max(math.floor(math.log10(max(metres, 1))) - 1, 0)
    return _metres(round(metres / digits) * digits)


def area_sketch(
    wkt: str, surroundings: Sequence[float] | None = None, *, width: int = 224, height: int = 144
) -> AreaSketch | None:
    """Draw an area in its surroundings (west, south, east, north); None when it has no ring."""
    rings = rings_of(wkt)
    own = box_of(point for ring in rings for point in ring)
    if own is None:
        return None
    around: Box | None = None
    box = own
    if surroundings and len(surroundings) == 4:
        w, s, e, n = (float(v) for v in surroundings)
        around = (w, s, e, n)
        box = (min(own[0], w), min(own[1], s), max(own[2], e), max(own[3], n))
    frame = _Frame(box, width, height, 12)
    cos = math.cos(math.radians((box[1] + box[3]) / 2))
    pixel_m = _METRES_PER_DEGREE / frame.scale
    scale_m = next((m for m in reversed(_NICE_M) if m / pixel_m <= 64), _NICE_M[0])
    span = max(width, height) / frame.scale
    step = 10 ** math.floor(math.log10(span))
    while span / step < 4:
        step /= 2
    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    wide = width / frame.scale / cos / 2
    tall = height / frame.scale / 2
    return AreaSketch(
        width=width,
        height=height,
        area=frame.path(rings),
        surroundings=frame.path(rings_of(box_wkt(around))) if around else "",
        meridians=tuple(frame.lines(middle[0] - wide, middle[0] + wide, step, along_x=True)),
        parallels=tuple(frame.lines(middle[1] - tall, middle[1] + tall, step, along_x=False)),
        scale_px=round(scale_m / pixel_m, 1),
        scale_text=_metres(scale_m),
        extent_text=(
            f"{_about((own[2] - own[0]) * cos * _METRES_PER_DEGREE)} \u00d7 "
            f"{_about((own[3] - own[1]) * _METRES_PER_DEGREE)}"
        ),
    )


def period_sketch(start: datetime | None, end: datetime | None, now: datetime) -> PeriodSketch:
    """Place a period and today on a bar of 100 units, with room on both sides."""
    known = [at for at in (start, end, now) if at is not None]
    low, high = min(known), max(known)
    pad = max((high - low) * 0.12, timedelta(hours=1))
    low, high = low - pad, high + pad
    whole_s = (high - low).total_seconds()

    def place(at: datetime) -> float:
        return round((at - low).total_seconds() / whole_s * 100, 2)

    phase = "within"
    if start is not None and now < start:
        phase = "before"
    if end is not None and now >= end:
        phase = "after"
    return PeriodSketch(
        from_x=place(start) if start else 0.0,
        to_x=place(end) if end else 100.0,
        now_x=place(now),
        open_start=start is None,
        open_end=end is None,
        phase=phase,
    )


def _outlines(geometry: dict[str, Any]) -> list[list[Point]]:
    kind, coordinates = geometry.get("type"), geometry.get("coordinates", [])
    if kind == "Polygon":
        return [[(p[0], p[1]) for p in ring] for ring in coordinates[:1]]
    if kind == "MultiPolygon":
        return [[(p[0], p[1]) for p in part[0]] for part in coordinates if part]
    if kind == "LineString":
        return [[(p[0], p[1]) for p in (*coordinates, *reversed(coordinates))]]
    return []


def sample_sketch(
    collection: dict[str, Any], *, width: int = 640, height: int = 320
) -> SampleSketch | None:
    """Draw the geometry of a GeoJSON FeatureCollection; None when it has none."""
    rings: list[list[Point]] = []
    spots: list[Point] = []
    budget, shown = _POINTS_MAX, 0
    for feature in collection.get("features", []):
        geometry = feature.get("geometry") or {}
        if geometry.get("type") == "Point":
            x, y = geometry["coordinates"][:2]
            spots.append((x, y))
            budget -= 1
        else:
            new = _outlines(geometry)
            rings += new
            budget -= sum(len(ring) for ring in new)
        shown += 1
        if budget < 0:
            break
    box = box_of([*spots, *(point for ring in rings for point in ring)])
    if box is None:
        return None
    frame = _Frame(box, width, height, 16)
    return SampleSketch(
        width=width,
        height=height,
        outlines=frame.path(rings),
        points=tuple(frame.place(spot) for spot in spots),
        shown=shown,
    )
