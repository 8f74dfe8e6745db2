"""The story on real data: two halves of a part of Delft play two cities.

Geodata and derivation only; who tells the story step by step is `hansa.story.tell`.
"""

from hansa.story.buildings import building_entities, buildings_dataset
from hansa.story.delft import EAST, HALVES, WEST, area, half
from hansa.story.energy import (
    Replay,
    energy_dataset,
    energy_entities,
    energy_history,
    energy_readings,
)
from hansa.story.model import (
    Area,
    Attribute,
    Building,
    Half,
    Shop,
    StoryDataset,
    Terms,
    Trade,
)
from hansa.story.terms import AREA_WKT, CONSUMER, GRANTED, HISTORY_DAYS, PROVIDER, contract
from hansa.story.trades import shops

__all__ = [
    "AREA_WKT",
    "CONSUMER",
    "EAST",
    "GRANTED",
    "HALVES",
    "HISTORY_DAYS",
    "PROVIDER",
    "WEST",
    "Area",
    "Attribute",
    "Building",
    "Half",
    "Replay",
    "Shop",
    "StoryDataset",
    "Terms",
    "Trade",
    "area",
    "building_entities",
    "buildings_dataset",
    "contract",
    "energy_dataset",
    "energy_entities",
    "energy_history",
    "energy_readings",
    "half",
    "shops",
]
