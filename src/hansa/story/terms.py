"""The story's contract: who gives what to whom, where, when, and which attributes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hansa.story.delft import EAST, WEST
from hansa.story.energy import energy_dataset
from hansa.story.model import Terms
from hansa.story.trades import ENTITY_TYPE

PROVIDER = WEST.participant
CONSUMER = EAST.participant

AREA_WKT = (
    "POLYGON ((4.36309 52.005729, 4.3649 52.003779, 4.364209 52.003535, 4.362399 52.005484, "
    "4.36309 52.005729))"
)
"""A strip of 250 m x 55 m along the western side of the border street, WGS84 lon/lat.

It lies in the provider's half and covers 31 of its 120 shops (26 %), those that the neighbour
across the street is concerned with.
"""

GRANTED = ("location", "category", "power")
"""The three attributes that the consumer sees; name, size and yearly use are withheld."""

HISTORY_DAYS = 7
"""How much history the story fills in before it starts."""

PERIOD_BEFORE = timedelta(days=1)
PERIOD_DAYS = 30


def contract(now: datetime) -> Terms:
    """Give the limits of the contract offered at `now`: from the day before, for 30 days.

    The period starts at midnight UTC, so that offers of one day are alike; the history that lies
    before it is what the contract cuts away.
    """
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    start = midnight - PERIOD_BEFORE
    return Terms(
        area_wkt=AREA_WKT,
        attributes=GRANTED,
        entity_type=ENTITY_TYPE,
        start=start,
        end=start + timedelta(days=PERIOD_DAYS),
    )


def energy_title(participant: str) -> str:
    """Give the title of a city's energy dataset, by which the story finds it in a catalogue."""
    return energy_dataset(participant).title
