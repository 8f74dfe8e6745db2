"""The area of the story: 1,114 buildings of Delft and the border between its two halves."""

from __future__ import annotations

import gzip
import math
from collections.abc import Iterable
from functools import lru_cache
from importlib import resources
from itertools import pairwise

import msgspec

from hansa.kernel import Code, HansaError
from hansa.story.model import Area, Building, Half, Position

WEST = Half(
    key="west",
    participant="delft-west",
    title="Delft West",
    streets=(
        ((4.362723, 52.00412), (4.364299, 52.002066)),
        ((4.361889, 52.00555), (4.363118, 52.005966)),
        ((4.361941, 52.003304), (4.362989, 52.002054)),
    ),
)
EAST = Half(
    key="east",
    participant="delft-east",
    title="Delft East",
    streets=(
        ((4.364875, 52.005576), (4.365546, 52.004863), (4.366361, 52.004241)),
        ((4.367175, 52.003709), (4.368669, 52.00525)),
        ((4.366179, 52.002666), (4.368501, 52.003001)),
        ((4.375681, 52.004321), (4.375861, 52.006031)),
    ),
)
HALVES = (WEST, EAST)

# Metres per degree at 52° north (WGS84): exact to 0.1 % over the 1.2 km of the area.
_LON_M = 68_678.0
_LAT_M = 111_267.0


def half(name: str) -> Half:
    """Give a half by its participant id or key; HansaError not_found names the two."""
    for one in HALVES:
        if name in (one.participant, one.key):
            return one
    names = " and ".join(one.participant for one in HALVES)
    raise HansaError(
        Code.not_found,
        f"The story has no city {name!r}.",
        f"Its cities are {names}.",
        field="half",
    )


@lru_cache(maxsize=1)
def area() -> Area:
    """Give the whole area, read once from the package's own extract."""
    packed = resources.files("hansa.story").joinpath("data/delft.json.gz").read_bytes()
    return msgspec.json.decode(gzip.decompress(packed), type=Area)


@lru_cache(maxsize=len(HALVES))
def buildings_of(key: str) -> tuple[Building, ...]:
    """Give the buildings of one half (by its key), sorted by id."""
    return tuple(building for building in area().buildings if building.half == key)


def bbox_of(buildings: Iterable[Building]) -> tuple[float, float, float, float]:
    """Give west, south, east, north in degrees around all footprints."""
    positions = [position for building in buildings for position in building.footprint[0]]
    longitudes = [longitude for longitude, _ in positions]
    latitudes = [latitude for _, latitude in positions]
    return min(longitudes), min(latitudes), max(longitudes), max(latitudes)


def middle_of(building: Building) -> Position:
    """Give the mean of the shell's corners: near enough to place a building at a street."""
    corners = building.footprint[0][:-1]
    return (
        sum(longitude for longitude, _ in corners) / len(corners),
        sum(latitude for _, latitude in corners) / len(corners),
    )


def distance_m(position: Position, line: tuple[Position, ...]) -> float:
    """Give the distance from a position to a line of at least two positions."""
    return min(_distance_to_segment_m(position, start, end) for start, end in pairwise(line))


def _distance_to_segment_m(position: Position, start: Position, end: Position) -> float:
    along_x, along_y = (end[0] - start[0]) * _LON_M, (end[1] - start[1]) * _LAT_M
    to_x, to_y = (position[0] - start[0]) * _LON_M, (position[1] - start[1]) * _LAT_M
    length_squared = along_x * along_x + along_y * along_y
    share = (to_x * along_x + to_y * along_y) / length_squared if length_squared else 0.0
    share = min(1.0, max(0.0, share))
    return math.hypot(to_x - share * along_x, to_y - share * along_y)
