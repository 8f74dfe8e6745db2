"""What both store adapters share: names, worlds, predicates, reading and writing."""

from hansa.broker.store.changes import (
    Noting,
    Telling,
    Told,
    changes_after,
    last_change,
    next_observed,
    observed_in,
)
from hansa.broker.store.compiled import Compiled, takes_long
from hansa.broker.store.cursor import SECRET_BYTES, Cursor
from hansa.broker.store.evolution import Past
from hansa.broker.store.forgetting import erase, remembered
from hansa.broker.store.listing import attributes_in, attributes_present, kinds_present, types_in
from hansa.broker.store.reading import Reading
from hansa.broker.store.selection import Selection, Selector, compile_query
from hansa.broker.store.stored import LOCATION
from hansa.broker.store.vocabulary import Vocabulary, begin, load
from hansa.broker.store.world import World, world_of
from hansa.broker.store.writing import Mode, Outcome, Writing

__all__ = [
    "LOCATION",
    "SECRET_BYTES",
    "Compiled",
    "Cursor",
    "Mode",
    "Noting",
    "Outcome",
    "Past",
    "Reading",
    "Selection",
    "Selector",
    "Telling",
    "Told",
    "Vocabulary",
    "World",
    "Writing",
    "attributes_in",
    "attributes_present",
    "begin",
    "changes_after",
    "compile_query",
    "erase",
    "kinds_present",
    "last_change",
    "load",
    "next_observed",
    "observed_in",
    "remembered",
    "takes_long",
    "types_in",
    "world_of",
]
