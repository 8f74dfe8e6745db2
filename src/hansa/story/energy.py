"""Energy use of shops and workshops: NGSI-LD entities, their history, and a replay.

Derived and synthetic: BDEW standard load profiles on an assumed yearly use (see `trades`). Power is
the mean over a quarter-hour, stamped with its start; energy is what was used in it. Summed over a
civil year in Delft the quarter-hours give the yearly use.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from hansa.kernel import iso
from hansa.story.buildings import footprint_of, property_of
from hansa.story.delft import area, bbox_of, half
from hansa.story.model import Attribute, Json, Shop, StoryDataset
from hansa.story.profiles import QUARTER, load_factor, quarter_start, table
from hansa.story.trades import ENTITY_TYPE, TRADES, shops

LABELS = ("derived", "synthetic")
DATA_ORIGIN = ", ".join(LABELS)
HISTORY_DAYS_MAX = 400
_HOURS = 0.25

ATTRIBUTES = (
    Attribute(name="location", kind="GeoProperty", title="Footprint", origin="3DBAG LoD 0"),
    Attribute(name="name", title="Made-up name"),
    Attribute(name="category", title="Kind of shop or workshop"),
    Attribute(name="floorArea", title="Floor area in use", unit_code="MTK", unit="m²"),
    Attribute(name="annualEnergy", title="Electricity in a year", unit_code="KWH", unit="kWh"),
    Attribute(
        name="power",
        title="Electric power, mean of a quarter-hour",
        unit_code="KWT",
        unit="kW",
    ),
    Attribute(name="energy", title="Electricity in a quarter-hour", unit_code="KWH", unit="kWh"),
    Attribute(name="refBuilding", kind="Relationship", title="The building it is in"),
    Attribute(name="dataOrigin", title="How it was made"),
    Attribute(name="source", title="Where it comes from"),
)


def energy_entities(name: str, at: datetime) -> list[Json]:
    """Give the shops of a half as normalized entities with the quarter-hour that holds `at`."""
    start = quarter_start(at)
    stamp, factors = iso(start), _factors(start)
    entities = []
    for shop in shops(name):
        entity = _description(shop)
        entity.update(_reading(shop, factors[shop.trade.profile], stamp))
        entities.append(entity)
    return entities


def energy_readings(name: str, at: datetime) -> list[Json]:
    """Give only power and energy of the quarter-hour that holds `at`: partial entities.

    For a batch upsert with `options=update` (NGSI-LD 1.9.1 5.6.8), which leaves the rest alone.
    """
    start = quarter_start(at)
    stamp, factors = iso(start), _factors(start)
    return [
        {
            "id": shop.entity_id,
            "type": ENTITY_TYPE,
            **_reading(shop, factors[shop.trade.profile], stamp),
        }
        for shop in shops(name)
    ]


def energy_history(name: str, start: datetime, end: datetime) -> Iterator[Json]:
    """Give the quarter-hours that begin in [start, end) as temporal entities, one per shop.

    Shape: EntityTemporal (NGSI-LD 1.9.1 5.2.20), `power` and `energy` as arrays of instances,
    oldest first. At most 400 days.
    """
    assert (end - start).days <= HISTORY_DAYS_MAX, "ask for at most 400 days at once"
    at = quarter_start(start)
    if at < start:
        at += QUARTER
    stamps: list[str] = []
    factors: dict[str, list[float]] = {trade.profile: [] for trade in TRADES}
    while at < end:
        stamps.append(iso(at))
        for profile, factor in _factors(at).items():
            factors[profile].append(factor)
        at += QUARTER
    for shop in shops(name):
        yield _temporal(shop, stamps, factors[shop.trade.profile])


def _factors(at: datetime) -> dict[str, float]:
    return {trade.profile: load_factor(trade.profile, at) for trade in TRADES}


def _temporal(shop: Shop, stamps: list[str], factors: list[float]) -> Json:
    annual_kwh = shop.annual_kwh
    power, energy = [], []
    for stamp, factor in zip(stamps, factors, strict=True):
        power_kw = round(annual_kwh * factor, 4)
        power.append(
            {"type": "Property", "value": power_kw, "unitCode": "KWT", "observedAt": stamp}
        )
        energy.append(
            {
                "type": "Property",
                "value": round(power_kw * _HOURS, 6),
                "unitCode": "KWH",
                "observedAt": stamp,
            }
        )
    return {"id": shop.entity_id, "type": ENTITY_TYPE, "power": power, "energy": energy}


def _reading(shop: Shop, factor: float, stamp: str) -> Json:
    temporal = _temporal(shop, [stamp], [factor])
    return {"power": temporal["power"][0], "energy": temporal["energy"][0]}


def _description(shop: Shop) -> Json:
    return {
        "id": shop.entity_id,
        "type": ENTITY_TYPE,
        "location": footprint_of(shop.building),
        "name": property_of(shop.name),
        "category": property_of(shop.trade.category),
        "floorArea": property_of(shop.floor_area_m2, "MTK"),
        "annualEnergy": property_of(shop.annual_kwh, "KWH"),
        "refBuilding": {"type": "Relationship", "object": shop.building_entity_id},
        "dataOrigin": property_of(DATA_ORIGIN),
        "source": property_of(_source(shop.trade.profile)),
    }


def _source(profile: str) -> str:
    return f"{area().attribution}; BDEW standard load profile {profile.upper()}"


def energy_dataset(name: str) -> StoryDataset:
    """Say what the dataset of a half's energy use is."""
    city = half(name)
    return StoryDataset(
        name=f"{city.participant}-energy",
        title=f"Energy use of shops and workshops in {city.title}",
        description=(
            f"Electric power of {len(shops(name))} shops and workshops for each quarter-hour. "
            "Derived and synthetic: which building is a shop is made up, and its use follows a "
            "standard load profile. Footprints are real."
        ),
        entity_type=ENTITY_TYPE,
        id_prefix=f"urn:ngsi-ld:{ENTITY_TYPE}:{city.participant}-energy:",
        attributes=ATTRIBUTES,
        labels=LABELS,
        licence=area().licence,
        attribution=f"{area().attribution}. {table().attribution}",
        keywords=("energy", "shops", "craft", "Delft"),
        bbox=bbox_of(shop.building for shop in shops(name)),
    )


class Replay:
    """Live data by the clock: what to write now, and when to come again.

    Stateless but for the half: the same instant gives the same readings, so that a restart
    writes nothing twice, and what was missed is had from `energy_history`.
    """

    def __init__(self, name: str) -> None:
        self._name = half(name).participant

    def upsert(self, now: datetime) -> list[Json]:
        """Give the partial entities of the quarter-hour that holds `now`."""
        return energy_readings(self._name, now)

    def missed(self, last: datetime, now: datetime) -> Iterator[Json]:
        """Give the history after the quarter-hour that holds `last` up to that of `now`."""
        return energy_history(self._name, quarter_start(last) + QUARTER, quarter_start(now))

    def next_boundary(self, now: datetime) -> datetime:
        """Give the instant at which the next quarter-hour starts, always after `now`."""
        return quarter_start(now) + QUARTER
