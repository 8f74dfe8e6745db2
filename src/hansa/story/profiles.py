"""BDEW standard load profiles: the shape of a year, normalised to the year that is asked for."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from importlib import resources

import msgspec

from hansa.story.calendar_nl import ZONE, day_kind, season

QUARTER = timedelta(minutes=15)
SLOTS_PER_DAY = 96
_SLOTS_PER_HOUR = 4


class ProfileTable(msgspec.Struct, frozen=True, kw_only=True):
    """Mean kW of a quarter-hour for nominally 1,000 kWh a year: profile, season, weekday, slot."""

    attribution: str
    source: str
    unit: str
    titles: Mapping[str, str]
    profiles: Mapping[str, Mapping[str, tuple[tuple[float, ...], ...]]]


@lru_cache(maxsize=1)
def table() -> ProfileTable:
    """Give the table, read once from the package's own extract."""
    packed = resources.files("hansa.story").joinpath("data/load_profiles.json.gz").read_bytes()
    return msgspec.json.decode(gzip.decompress(packed), type=ProfileTable)


def day_values(profile: str, day: date) -> tuple[float, ...]:
    """Give the 96 values of a civil day, not yet normalised."""
    return table().profiles[profile][season(day)][day_kind(day)]


def slots_of(day: date) -> list[int]:
    """Give the slots that a civil day really has: 96, at the clock changes 92 or 100."""
    first = datetime(day.year, day.month, day.day, tzinfo=ZONE).astimezone(UTC)
    following = day + timedelta(days=1)
    last = datetime(following.year, following.month, following.day, tzinfo=ZONE).astimezone(UTC)
    count = (last - first) // QUARTER
    if count == SLOTS_PER_DAY:
        return list(range(SLOTS_PER_DAY))
    return [slot_at(first + QUARTER * step)[1] for step in range(count)]


def slot_at(at: datetime) -> tuple[date, int]:
    """Give the civil day in Delft and the slot (0 to 95) of an instant."""
    local = at.astimezone(ZONE)
    return local.date(), local.hour * _SLOTS_PER_HOUR + local.minute // 15


@lru_cache(maxsize=128)
def year_kwh(profile: str, year: int) -> float:
    """Give the energy of a profile over one civil year; nominally 1,000, never exactly."""
    day, total_kw = date(year, 1, 1), 0.0
    while day.year == year:
        values = day_values(profile, day)
        slots = slots_of(day)
        whole = len(slots) == SLOTS_PER_DAY
        total_kw += sum(values) if whole else sum(values[slot] for slot in slots)
        day += timedelta(days=1)
    return total_kw / _SLOTS_PER_HOUR


def load_factor(profile: str, at: datetime) -> float:
    """Give the mean kW of the quarter-hour holding `at` per kWh used in that civil year."""
    day, slot = slot_at(at)
    return day_values(profile, day)[slot] / year_kwh(profile, day.year)


def quarter_start(at: datetime) -> datetime:
    """Give the start of the quarter-hour that holds an aware instant, in UTC."""
    utc = at.astimezone(UTC)
    return utc.replace(minute=utc.minute - utc.minute % 15, second=0, microsecond=0)
