"""Which buildings the story marks as shops and workshops, and what is assumed of them.

3DBAG does not say what a building is used for. Everything here is made up, is the same on every
machine (drawn from the building's id), and is labelled derived and synthetic wherever it is seen.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from functools import lru_cache

from hansa.story.buildings import entity_id as building_entity_id
from hansa.story.delft import area, buildings_of, distance_m, half, middle_of
from hansa.story.model import Building, Half, Shop, Trade

ENTITY_TYPE = "EnergyUse"
SHOPS_PER_HALF = 120
FLOOR_MIN_M2, FLOOR_MAX_M2 = 30.0, 1_500.0
_HEIGHT_MIN_M = 2.5
_STREET_REACH_M = 14.0
_EVERYWHERE = 0.004
_LARGE_M2, _LARGE = 200.0, 0.15

# Electricity per m² of sales or working floor and year: round figures of the order found for such
# trades, chosen so that the examples look plausible. Assumptions, not measurements.
TRADES = (
    Trade(
        category="shop",
        title="Shop",
        profile="g4",
        specific_kwh_m2=80.0,
        floor_m2=(30.0, 700.0),
        share=0.40,
    ),
    Trade(
        category="hairdresser",
        title="Hairdresser",
        profile="g4",
        specific_kwh_m2=90.0,
        floor_m2=(30.0, 90.0),
        share=0.12,
    ),
    Trade(
        category="bakery",
        title="Bakery",
        profile="g5",
        specific_kwh_m2=250.0,
        floor_m2=(40.0, 200.0),
        share=0.12,
    ),
    Trade(
        category="cafe",
        title="Café",
        profile="g2",
        specific_kwh_m2=180.0,
        floor_m2=(40.0, 250.0),
        share=0.14,
    ),
    Trade(
        category="workshop",
        title="Workshop",
        profile="g1",
        specific_kwh_m2=55.0,
        floor_m2=(50.0, FLOOR_MAX_M2),
        share=0.30,
    ),
    Trade(
        category="coldStore",
        title="Cold store",
        profile="g3",
        specific_kwh_m2=140.0,
        floor_m2=(150.0, FLOOR_MAX_M2),
        share=0.10,
    ),
)


def draw(name: str, purpose: str) -> float:
    """Give a number in (0, 1) that depends on nothing but the two texts."""
    digest = hashlib.sha256(f"{purpose}:{name}".encode()).digest()
    return (int.from_bytes(digest[:8]) + 0.5) / 2.0**64


@lru_cache(maxsize=2)
def shops(name: str) -> tuple[Shop, ...]:
    """Give the 120 shops and workshops of a half, sorted by building id.

    A weighted draw without replacement: buildings near a street of the half or the border street
    are likely, large ones somewhat (workshops stand apart), any other hardly, so that shops stand
    in rows with a few among homes.
    """
    city = half(name)
    lines = (*city.streets, area().border[:2])
    drawn = sorted(
        (building for building in buildings_of(city.key) if _may_be_shop(building)),
        key=lambda building: -math.log(draw(building.id, "place")) / _weight(building, lines),
    )
    chosen = sorted(drawn[:SHOPS_PER_HALF], key=lambda building: building.id)
    numbers: Counter[str] = Counter()
    result = []
    for building in chosen:
        trade = _trade_of(building)
        numbers[trade.category] += 1
        result.append(_shop(city, building, trade, numbers[trade.category]))
    return tuple(result)


def _may_be_shop(building: Building) -> bool:
    return (
        building.status.startswith("in use")
        and FLOOR_MIN_M2 <= building.area_m2 <= FLOOR_MAX_M2
        and building.height_m >= _HEIGHT_MIN_M
    )


def _weight(building: Building, lines: tuple[tuple[tuple[float, float], ...], ...]) -> float:
    middle = middle_of(building)
    nearest_m = min(distance_m(middle, line) for line in lines)
    weight = _EVERYWHERE + math.exp(-((nearest_m / _STREET_REACH_M) ** 2) / 2)
    return weight + (_LARGE if building.area_m2 >= _LARGE_M2 else 0.0)


def _trade_of(building: Building) -> Trade:
    """Draw a trade among those that fit the ground floor."""
    floor = building.area_m2
    fitting = [trade for trade in TRADES if trade.floor_m2[0] <= floor <= trade.floor_m2[1]]
    point = draw(building.id, "trade") * sum(trade.share for trade in fitting)
    for trade in fitting:
        point -= trade.share
        if point <= 0:
            return trade
    return fitting[-1]


def _shop(city: Half, building: Building, trade: Trade, number: int) -> Shop:
    """Give a shop on the ground floor: floor area = ground area less walls (assumed 10 %)."""
    floor_area_m2 = round(max(FLOOR_MIN_M2, building.area_m2 * 0.9), 1)
    variation = 0.8 + 0.4 * draw(building.id, "use")
    return Shop(
        entity_id=f"urn:ngsi-ld:{ENTITY_TYPE}:{city.participant}-energy:{building.id}",
        building=building,
        building_entity_id=building_entity_id(city, building),
        name=f"{trade.title} {number}",
        trade=trade,
        floor_area_m2=floor_area_m2,
        annual_kwh=float(round(floor_area_m2 * trade.specific_kwh_m2 * variation)),
    )
