"""Remembers at which instants an attribute of an entity was observed, in little memory.

A series that runs one way costs 8 bytes per instant; only instants out of order cost more.
"""

from __future__ import annotations

from array import array
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Series:
    """The instants of one attribute of one entity."""

    __slots__ = ("_down", "_odd", "_up")

    def __init__(self) -> None:
        self._up = array("q")
        self._down = array("q")
        self._odd: set[int] | None = None

    def __contains__(self, at: datetime) -> bool:
        """Say whether the instant was taken in before."""
        number = (at - _EPOCH) // _MICROSECOND
        if not self._up or number > self._up[-1]:
            return False
        if number < (self._down[-1] if self._down else self._up[0]):
            return False
        return number in self._all()

    def add(self, at: datetime) -> None:
        """Take an instant in that is not in yet."""
        number = (at - _EPOCH) // _MICROSECOND
        if self._odd is not None:
            self._odd.add(number)
        if not self._up or number > self._up[-1]:
            self._up.append(number)
        elif number < (self._down[-1] if self._down else self._up[0]):
            self._down.append(number)

    def _all(self) -> set[int]:
        if self._odd is None:
            self._odd = {*self._up, *self._down}
        return self._odd
