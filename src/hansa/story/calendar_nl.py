"""Which of the standard load profiles' days a civil day is: season, weekday, holiday.

BDEW standard load profiles know three seasons and three kinds of day; a public holiday counts as
a Sunday, 24 and 31 December on a working day as a Saturday. The seasons are BDEW's, the holidays
are those of the Netherlands, because the shops stand in Delft.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Europe/Amsterdam")
SATURDAY, SUNDAY = 5, 6


def season(day: date) -> str:
    """Give `summer` (15 May to 14 September), `winter` (1 November to 20 March), `transition`."""
    place = (day.month, day.day)
    if (5, 15) <= place <= (9, 14):
        return "summer"
    if place >= (11, 1) or place <= (3, 20):
        return "winter"
    return "transition"


def day_kind(day: date) -> int:
    """Give 0 for Monday to 6 for Sunday, as the profile counts the day."""
    if day in holidays(day.year):
        return SUNDAY
    if day.month == 12 and day.day in (24, 31) and day.weekday() < SATURDAY:
        return SATURDAY
    return day.weekday()


@lru_cache(maxsize=64)
def holidays(year: int) -> frozenset[date]:
    """Give the Dutch public holidays of a year; Liberation Day only every fifth year."""
    easter = easter_sunday(year)
    kings_day = date(year, 4, 27)
    if kings_day.weekday() == SUNDAY:
        kings_day = date(year, 4, 26)
    days = {
        date(year, 1, 1),
        easter,
        easter + timedelta(days=1),
        kings_day,
        easter + timedelta(days=39),
        easter + timedelta(days=49),
        easter + timedelta(days=50),
        date(year, 12, 25),
        date(year, 12, 26),
    }
    if year % 5 == 0:
        days.add(date(year, 5, 5))
    return frozenset(days)


def easter_sunday(year: int) -> date:
    """Give Easter Sunday of the Gregorian calendar (the anonymous algorithm of 1876)."""
    golden, century, in_century = year % 19, year // 100, year % 100
    leap, rest = divmod(century, 4)
    correction = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * golden + century - leap - correction + 15) % 30
    quarter, remainder = divmod(in_century, 4)
    weekday = (32 + 2 * rest + 2 * quarter - epact - remainder) % 7
    shift = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * shift + 114, 31)
    return date(year, month, day + 1)
