"""The course of an agreement on one time axis: what ran when, as spans on lanes.

Places are percent of the axis, so that a lane is drawn at any width without text in the drawing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from hansa.web.moves import leads_to
from hansa.web.ports_trade import Json
from hansa.web.words import instant

_NARROWEST = 0.6
_LANES_MAX = 100
_RUNNING = {"REQUESTED": "asked", "STARTED": "running", "SUSPENDED": "paused"}
_SIGNS = {"COMPLETED": "completed", "TERMINATED": "stopped", "FINALIZED": "signed"}


_NEVER = datetime.max.replace(tzinfo=UTC)
_LANE_OF = {"negotiation": "negotiation", "signed": "agreement", "ended": "agreement"}


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """One stretch of a lane: asked, running, paused or talk; `open` when it has not ended."""

    kind: str
    x: float
    width: float
    start: datetime
    end: datetime | None
    open: bool = False


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """One moment of a lane: signed, completed, stopped, use or ended."""

    kind: str
    x: float
    at: datetime


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """The negotiation, a transfer, or the agreement itself, with its spans and marks."""

    kind: str
    id: str
    spans: tuple[Span, ...]
    marks: tuple[Mark, ...]


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """All lanes, the two ends of the axis, where now is, and how many lanes were left out."""

    lanes: tuple[Lane, ...]
    start: datetime
    end: datetime
    now_x: float
    left_out: int = 0


class _Axis:
    def __init__(self, start: datetime, end: datetime) -> None:
        self.start, self.end = start, end
        self._whole_s = max((end - start).total_seconds(), 1e-6)

    def place(self, at: datetime) -> float:
        """Give the place of an instant in percent of the axis."""
        return round(
            max(0.0, min(100.0, (at - self.start).total_seconds() / self._whole_s * 100)), 2
        )

    def span(self, kind: str, start: datetime, end: datetime | None) -> Span:
        """Give a stretch; an open one ends with the axis."""
        x = min(self.place(start), 100 - _NARROWEST)
        width = max(self.place(end or self.end) - x, _NARROWEST)
        return Span(kind=kind, x=x, width=round(width, 2), start=start, end=end, open=end is None)


def _grouped(items: Iterable[Json]) -> dict[tuple[str, str], list[tuple[datetime, Json]]]:
    found: dict[tuple[str, str], list[tuple[datetime, Json]]] = {}
    for item in items:
        at = instant(item.get("at"))
        if at is not None:
            kind = _LANE_OF.get(str(item.get("kind")), "transfer")
            found.setdefault((kind, str(item.get("process") or "")), []).append((at, item))
    return found


def _talk(axis: _Axis, key: tuple[str, str], items: Sequence[tuple[datetime, Json]]) -> Lane:
    first, last = items[0][0], items[-1][0]
    closed = any(leads_to(item) in ("FINALIZED", "TERMINATED") for _, item in items)
    return Lane(
        kind=key[0],
        id=key[1],
        marks=(),
        spans=(axis.span("talk", first, last if closed else None),),
    )


def _moved(axis: _Axis, key: tuple[str, str], items: Sequence[tuple[datetime, Json]]) -> Lane:
    spans: list[Span] = []
    marks: list[Mark] = []
    kind, since = "", axis.start
    for at, item in items:
        if item.get("kind") in ("usage", "told"):
            if item.get("kind") == "usage" or item.get("bytes"):
                marks.append(Mark(kind="usage", x=axis.place(at), at=at))
            continue
        state = "TERMINATED" if item.get("kind") == "refused" else leads_to(item)
        if not state:
            continue
        if kind:
            spans.append(axis.span(kind, since, at))
        kind, since = _RUNNING.get(state, ""), at
        if state in _SIGNS:
            marks.append(Mark(kind=_SIGNS[state], x=axis.place(at), at=at))
    if kind:
        spans.append(axis.span(kind, since, None))
    return Lane(kind=key[0], id=key[1], spans=tuple(spans), marks=tuple(marks))


def _stood(axis: _Axis, key: tuple[str, str], items: Sequence[tuple[datetime, Json]]) -> Lane:
    marks = tuple(
        Mark(kind=str(item.get("kind")), x=axis.place(at), at=at)
        for at, item in items
        if item.get("kind") in ("signed", "ended")
    )
    signed = next((mark.at for mark in marks if mark.kind == "signed"), None)
    ended = next((mark.at for mark in marks if mark.kind == "ended"), None)
    spans = (axis.span("force", signed, ended),) if signed else ()
    return Lane(kind=key[0], id=key[1], spans=spans, marks=marks)


_DRAWN = {"negotiation": _talk, "agreement": _stood}
_ORDER = ("negotiation", "agreement", "transfer")


def in_order(items: Sequence[Json]) -> list[Json]:
    """Sort items by their instants, oldest first; a fraction of a second counts too."""
    return sorted(items, key=lambda item: instant(item.get("at")) or _NEVER)


def timeline(items: Sequence[Json], now: datetime, *, over: bool) -> Timeline | None:
    """Lay out the items of a timeline (oldest first); None when nothing has happened.

    The axis ends now, or with the last event once all is `over`.
    """
    groups = _grouped(in_order(items))
    moments = [at for group in groups.values() for at, _ in group]
    if not moments:
        return None
    end = max(moments) if over else max(now, max(moments))
    pad = max((end - min(moments)) * 0.02, timedelta(milliseconds=50))
    axis = _Axis(min(moments) - pad, end + (pad if over else timedelta(0)))
    keys = sorted(
        groups, key=lambda k: (_ORDER.index(k[0]) if k[0] in _ORDER else 9, groups[k][0][0])
    )
    shown = keys[:_LANES_MAX]
    return Timeline(
        lanes=tuple(_DRAWN.get(key[0], _moved)(axis, key, groups[key]) for key in shown),
        start=axis.start,
        end=axis.end,
        now_x=axis.place(now),
        left_out=len(keys) - len(shown),
    )
