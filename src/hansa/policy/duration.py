"""ISO 8601 durations: read, write, subtract from an instant."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta

import msgspec

_PATTERN = re.compile(
    r"P(?:(?P<weeks>\d{1,6})W"
    r"|(?:(?P<years>\d{1,6})Y)?(?:(?P<months>\d{1,6})M)?(?:(?P<days>\d{1,6})D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,9})M)?"
    r"(?:(?P<seconds>\d{1,9}(?:\.\d{1,6})?)S)?)?)",
    re.ASCII,
)
_EARLIEST = datetime.min.replace(tzinfo=UTC)


class Duration(msgspec.Struct, frozen=True):
    """Calendar months and a fixed span; a year is twelve months, a day is 24 hours."""

    months: int
    span: timedelta


def parse_duration(text: str) -> Duration:
    """Read an ISO 8601 duration such as `PT15M`, `P7D`, `P2W` or `P1Y6M`; else ValueError.

    No sign, no zero, fractions on seconds only.
    """
    match = _PATTERN.fullmatch(text)
    if match is None or text == "P":
        raise ValueError(f"{text!r} is no ISO 8601 duration")
    parts = {name: value for name, value in match.groupdict().items() if value is not None}
    seconds = parts.pop("seconds", "0")
    number = {name: int(value) for name, value in parts.items()}
    whole, _, fraction = seconds.partition(".")
    months = 12 * number.pop("years", 0) + number.pop("months", 0)
    span = timedelta(
        **number, seconds=int(whole), microseconds=int(fraction.ljust(6, "0") if fraction else 0)
    )
    if not months and not span:
        raise ValueError(f"{text!r} lasts no time at all")
    return Duration(months, span)


def before(at: datetime, duration: Duration) -> datetime:
    """Give the instant that lies `duration` before `at`, in UTC.

    Months go by the calendar: a month before 31 March is the last day of February. What would
    fall before year 1 becomes the first instant of year 1.
    """
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    try:
        if duration.months:
            count = at.year * 12 + at.month - 1 - duration.months
            year, month = divmod(count, 12)
            day = min(at.day, calendar.monthrange(year, month + 1)[1])
            at = at.replace(year=year, month=month + 1, day=day)
        return at - duration.span
    except (ValueError, OverflowError):
        return _EARLIEST


def duration_parts(duration: Duration) -> tuple[tuple[int, str], ...]:
    """Split into (number, unit) with units year, month, day, hour, minute, second."""
    years, months = divmod(duration.months, 12)
    minutes, seconds = divmod(duration.span.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    every = (
        *((years, "year"), (months, "month"), (duration.span.days, "day")),
        *((hours, "hour"), (minutes, "minute"), (seconds, "second")),
    )
    return tuple((number, unit) for number, unit in every if number)


def duration_iso(duration: Duration) -> str:
    """Write as ISO 8601, in one canonical form."""
    parts = {unit: str(number) for number, unit in duration_parts(duration)}
    if micro := duration.span.microseconds:
        parts["second"] = f"{parts.get('second', '0')}.{micro:06d}".rstrip("0")
    day = "".join(
        parts[u] + mark for u, mark in (("year", "Y"), ("month", "M"), ("day", "D")) if u in parts
    )
    clock = "".join(
        parts[u] + mark
        for u, mark in (("hour", "H"), ("minute", "M"), ("second", "S"))
        if u in parts
    )
    return "P" + day + ("T" + clock if clock else "")
