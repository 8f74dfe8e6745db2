"""Small drawings: areas, periods, samples."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hansa.web import shapes

SQUARE = "POLYGON ((4.0 52.0, 4.01 52.0, 4.01 52.01, 4.0 52.01, 4.0 52.0))"
NOW = datetime(2026, 11, 20, tzinfo=UTC)


def test_an_area_keeps_its_shape_and_names_its_size() -> None:
    sketch = shapes.area_sketch(SQUARE, [3.99, 51.99, 4.02, 52.02])
    assert sketch is not None
    assert sketch.extent_text == "690 m \u00d7 1.1 km"
    assert sketch.surroundings
    numbers = [float(n) for n in sketch.area.strip("MZ").replace("L", " ").split()]
    xs, ys = numbers[::2], numbers[1::2]
    wide, tall = max(xs) - min(xs), max(ys) - min(ys)
    assert tall / wide == pytest.approx(1 / 0.6156, rel=0.02)
    assert min(xs) >= 0
    assert max(xs) <= sketch.width
    assert sketch.scale_px <= 64


@pytest.mark.parametrize("wkt", ["", "POINT (4 52)", "POLYGON ((a b, c d, e f))", "POLYGON (())"])
def test_what_is_no_area_gives_no_drawing(wkt: str) -> None:
    assert shapes.area_sketch(wkt) is None


def test_a_multipolygon_has_all_its_rings() -> None:
    wkt = "MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)), ((2 2, 3 2, 3 3, 2 2)))"
    assert len(shapes.rings_of(wkt)) == 2


def test_a_huge_area_is_cut_not_drawn_for_minutes() -> None:
    ring = ", ".join(f"{i % 180} {i % 90}" for i in range(30_000))
    assert shapes.rings_of(f"POLYGON (({ring}))") == []


@pytest.mark.parametrize(
    ("start", "end", "phase"),
    [(-5, 5, "within"), (1, 5, "before"), (-5, -1, "after"), (None, 5, "within"), (-5, 0, "after")],
)
def test_a_period_knows_where_today_is(start: int | None, end: int | None, phase: str) -> None:
    first = None if start is None else NOW + timedelta(days=start)
    last = None if end is None else NOW + timedelta(days=end)
    bar = shapes.period_sketch(first, last, NOW)
    assert bar.phase == phase
    assert 0 <= bar.from_x <= bar.to_x <= 100
    assert 0 <= bar.now_x <= 100
    assert bar.open_start == (start is None)


def test_an_open_period_runs_to_the_edges() -> None:
    bar = shapes.period_sketch(None, None, NOW)
    assert (bar.from_x, bar.to_x, bar.phase) == (0.0, 100.0, "within")


def test_a_sample_is_drawn_with_points_and_outlines() -> None:
    drawn = shapes.sample_sketch(
        {
            "features": [
                {"geometry": {"type": "Point", "coordinates": [4, 52]}},
                {"geometry": {"type": "Polygon", "coordinates": [[[4, 52], [5, 52], [5, 53]]]}},
                {"geometry": None},
            ]
        }
    )
    assert drawn is not None
    assert len(drawn.points) == 1
    assert drawn.outlines.count("M") == 1
    assert shapes.sample_sketch({"features": []}) is None
