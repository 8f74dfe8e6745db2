"""What every room needs and no room owns. Imports no other room."""

from hansa.kernel.clock import Clock, FixedClock, SystemClock, iso, parse_instant
from hansa.kernel.errors import Code, HansaError
from hansa.kernel.ids import CountingIds, Ids, SystemIds

__all__ = [
    "Clock",
    "Code",
    "CountingIds",
    "FixedClock",
    "HansaError",
    "Ids",
    "SystemClock",
    "SystemIds",
    "iso",
    "parse_instant",
]
