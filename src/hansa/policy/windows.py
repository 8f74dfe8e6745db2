"""Spans of observation time: start inclusive, end exclusive, a microsecond the smallest step."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hansa.policy.model import Window

TICK = timedelta(microseconds=1)
_LATEST = datetime.max.replace(tzinfo=UTC)


def after(at: datetime) -> datetime:
    """Give the next instant: later than `at` is not before it. The last instant of all stays."""
    return at if at >= _LATEST else at + TICK


def window_of(operator: str, at: datetime) -> Window:
    """Give the window of observation times t with `t operator at` (gteq, gt, lt, lteq, eq)."""
    if operator == "gteq":
        return Window(at, None)
    if operator == "gt":
        return Window(after(at), None)
    if operator == "lt":
        return Window(None, at)
    if operator == "lteq":
        return Window(None, after(at))
    assert operator == "eq", operator
    return Window(at, after(at))


def intersect_windows(one: Window | None, other: Window | None) -> Window | None:
    """Give the common window; one without common instant comes out with start = end."""
    if one is None or other is None:
        return other if one is None else one
    start, end = one.start, one.end
    if start is None or (other.start is not None and other.start > start):
        start = other.start
    if end is None or (other.end is not None and other.end < end):
        end = other.end
    if start is not None and end is not None and end < start:
        end = start
    return Window(start, end)


def holds(wide: Window | None, narrow: Window | None) -> bool:
    """Say whether every instant of `narrow` lies in `wide`."""
    if wide is None:
        return True
    if narrow is None:
        return wide.start is None and wide.end is None
    starts_in = wide.start is None or (narrow.start is not None and narrow.start >= wide.start)
    ends_in = wide.end is None or (narrow.end is not None and narrow.end <= wide.end)
    return starts_in and ends_in
