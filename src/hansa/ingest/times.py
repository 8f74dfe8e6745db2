"""Reads times and brings them to UTC.

A time with an offset is an instant. A local time needs a zone: without one it is refused. At a
clock change an hour is missing (refused) and an hour comes twice: then `fold` decides, see
`Folds`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hansa.ingest.model import CellError, ObservedAt, Reason

YEAR_MIN, YEAR_MAX = 1700, 2200
_DAY_CHARACTERS = len("2022-03-20")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_UNITS = {"epoch_s": timedelta(seconds=1), "epoch_ms": timedelta(milliseconds=1)}
FORMATS = ("iso", *_EPOCH_UNITS)
FOLDS = ("order", "earlier", "later", "reject")

Parse = Callable[[str], datetime]


def parser(pattern: str) -> Parse:
    """Compile a format into a function from text to a time, aware or not; it raises ValueError."""
    if pattern == "iso":
        return _parse_iso
    step = _EPOCH_UNITS.get(pattern)
    if step is not None:
        return lambda text: _EPOCH + step * float(text)
    return lambda text: datetime.strptime(text, pattern)


def _parse_iso(text: str) -> datetime:
    for word in (" UTC", " GMT"):
        if text.endswith(word):
            text = f"{text[:-4]}+00:00"
    return datetime.fromisoformat(text)


class Folds:
    """Which of two instants a local time means that comes twice, by the order of the rows.

    Remembers the last instant of each series. While a series runs forward the first of the two is
    taken until time would stand still, then the second; while it runs backward the other way
    round. A series that begins in the doubled hour is taken to run forward.
    """

    def __init__(self) -> None:
        self._last: dict[Any, datetime] = {}
        self._backward: dict[Any, bool] = {}

    def choose(self, series: Any, earlier: datetime, later: datetime) -> datetime | None:
        """Give the instant that keeps the series in order, None when neither does."""
        last = self._last.get(series)
        if last is None:
            return earlier
        if self._backward.get(series, False):
            return later if later < last else earlier if earlier < last else None
        return earlier if earlier > last else later if later > last else None

    def passed(self, series: Any, at: datetime) -> None:
        """Remember an instant of a series."""
        last = self._last.get(series)
        if last is not None and last != at:
            self._backward[series] = at < last
        self._last[series] = at


class TimeReader:
    """Reads the time of a row from its text, for one format and zone."""

    def __init__(self, spec: ObservedAt, folds: Folds | None = None) -> None:
        self._parse = parser(spec.format)
        self._zone = ZoneInfo(spec.zone) if spec.zone else None
        self._iso = spec.format == "iso"
        self._has_clock = not self._iso and not _is_day_pattern(spec.format)
        self._fold = spec.fold
        self._field = " ".join(spec.columns)
        self._folds = folds or Folds()
        self._follow = self._zone is not None and spec.fold == "order"

    def day(self, raw: Any) -> date | None:
        """Give the day of a cell that holds no time of day, else None."""
        if not isinstance(raw, str) or self._has_clock:
            return None
        text = raw.strip()
        if self._iso and len(text) > _DAY_CHARACTERS:
            return None
        try:
            return self._parse(text).date()
        except (ValueError, OverflowError):
            return None

    def read(self, raw: Any, series: Any = None) -> datetime:
        """Give the instant in UTC; `series` names the run of rows whose order tells the fold."""
        text = raw.strip() if isinstance(raw, str) else _as_text(raw)
        if not text:
            raise CellError(Reason.time_missing, self._field, "the row has no time", raw)
        try:
            at = self._parse(text)
        except (ValueError, OverflowError):
            raise CellError(
                Reason.time_unreadable, self._field, "the time does not fit the format", raw
            ) from None
        if not YEAR_MIN <= at.year <= YEAR_MAX:
            raise CellError(
                Reason.time_range,
                self._field,
                f"the year must lie between {YEAR_MIN} and {YEAR_MAX}",
                raw,
            )
        instant = at.astimezone(UTC) if at.tzinfo is not None else self._local(at, series, raw)
        if self._follow:
            self._folds.passed(series, instant)
        return instant

    def _local(self, at: datetime, series: Any, raw: Any) -> datetime:
        zone = self._zone
        if zone is None:
            raise CellError(
                Reason.time_without_zone,
                self._field,
                "the time has no zone; name the zone of local times, for example Europe/Amsterdam",
                raw,
            )
        earlier = at.replace(tzinfo=zone, fold=0)
        later = at.replace(tzinfo=zone, fold=1)
        if earlier.utcoffset() == later.utcoffset():
            return earlier.astimezone(UTC)
        one, other = earlier.astimezone(UTC), later.astimezone(UTC)
        if other < one:
            raise CellError(
                Reason.time_nonexistent,
                self._field,
                f"the clocks in {zone.key} skipped this time",
                raw,
            )
        chosen = self._choose(series, one, other)
        if chosen is None:
            raise CellError(
                Reason.time_ambiguous,
                self._field,
                f"this time came twice in {zone.key} and the order of the rows does not tell which",
                raw,
            )
        return chosen

    def _choose(self, series: Any, earlier: datetime, later: datetime) -> datetime | None:
        if self._fold == "earlier":
            return earlier
        if self._fold == "later":
            return later
        if self._fold == "order":
            return self._folds.choose(series, earlier, later)
        return None


def _is_day_pattern(pattern: str) -> bool:
    return "%" in pattern and not any(part in pattern for part in ("%H", "%I", "%s", "%c", "%X"))


def _as_text(raw: Any) -> str:
    if raw is None:
        return ""
    return raw.isoformat() if isinstance(raw, date) else str(raw)


def join_cells(values: dict[str, Any], columns: Sequence[str]) -> Any:
    """Give the cell of one column, or several joined by a blank (`2022-03-20` and `11:00`)."""
    if len(columns) == 1:
        return values.get(columns[0])
    return " ".join(str(values.get(column, "")).strip() for column in columns).strip()
