"""Time, injected: no room asks the machine for the time itself."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What tells the time."""

    def now(self) -> datetime:
        """Give the present instant, aware, in UTC."""
        ...

    def monotonic_s(self) -> float:
        """Give seconds that never go back, for durations."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Give the present instant, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        """Give seconds that never go back, for durations."""
        return time.monotonic()


class FixedClock:
    """A clock for tests: stands still until it is told to move."""

    def __init__(self, at: datetime | None = None) -> None:
        self._at = at or datetime(2026, 1, 1, 12, tzinfo=UTC)
        self._elapsed_s = 0.0

    def now(self) -> datetime:
        """Give the instant that was set."""
        return self._at

    def monotonic_s(self) -> float:
        """Give the seconds moved so far."""
        return self._elapsed_s

    def move(self, seconds: float) -> None:
        """Move on by `seconds`."""
        self._at += timedelta(seconds=seconds)
        self._elapsed_s += seconds


def iso(at: datetime) -> str:
    """Write an instant as ISO 8601 in UTC with `Z`; microseconds only when there are any."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_instant(text: str) -> datetime:
    """Read an ISO 8601 instant that carries a zone; else ValueError."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone: write for example 2026-01-31T08:00:00Z")
    return at.astimezone(UTC)
