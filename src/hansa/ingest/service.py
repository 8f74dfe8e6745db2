"""Apply a mapping to a source: entities, history, rejections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from hansa.ingest.assemble import Pass
from hansa.ingest.attributes import attribute_infos
from hansa.ingest.check import check_dataset, check_mapping
from hansa.ingest.errors import unreadable
from hansa.ingest.locations import Positions, read_places
from hansa.ingest.model import (
    AttributeInfo,
    Instance,
    Json,
    Mapping,
    OnProgress,
    Rejection,
    Summary,
)
from hansa.ingest.source import Source

TEMPORAL_INSTANCES_MAX = 1_000
HELD_INSTANCES_MAX = 100_000


class Result:
    """What a file gives under a mapping. Nothing is read before it is asked for.

    Drain `history()` first and `entities()` after it, and the file is read once. `rejections` and
    `summary` are complete then.
    """

    def __init__(
        self,
        mapping: Mapping,
        source: Source,
        *,
        dataset: str,
        positions: Positions,
        place_rejections: list[Rejection],
        progress: OnProgress | None,
        rows_max: int | None,
    ) -> None:
        self.mapping = mapping
        self.attributes: tuple[AttributeInfo, ...] = attribute_infos(mapping)
        self.place_rejections = tuple(place_rejections)
        self._source = source
        self._dataset = dataset
        self._positions = positions
        self._progress = progress
        self._rows_max = rows_max
        self._pass = self._fresh()
        self._done = False

    @property
    def id_prefix(self) -> str:
        """Give the start of each entity id, for the selection of a dataset."""
        return self._pass.summary().id_prefix

    def history(self) -> Iterator[Instance]:
        """Read the file and give each observed attribute instance, in the order of the file."""
        self._pass, self._done = self._fresh(), False
        yield from self._pass.run()
        self._done = True

    def temporal(self) -> Iterator[Json]:
        """Give the history as temporal entities of at most 1,000 instances each."""
        return as_temporal(self.history())

    def entities(self) -> Iterator[Json]:
        """Give each entity with its newest values; reads the file if it was not read to its end."""
        self._finish()
        return self._pass.entities()

    @property
    def rejections(self) -> tuple[Rejection, ...]:
        """Give the rows that were set aside, the first 1,000; reads the file if need be."""
        self._finish()
        return (*self.place_rejections, *self._pass.rejections)

    @property
    def summary(self) -> Summary:
        """Give the counts, box and period; reads the file if need be."""
        self._finish()
        return self._pass.summary()

    def _finish(self) -> None:
        if not self._done:
            for _ in self.history():
                pass

    def _fresh(self) -> Pass:
        return Pass(
            self.mapping,
            self._source,
            dataset=self._dataset,
            positions=self._positions,
            progress=self._progress,
            rows_max=self._rows_max,
        )


def apply(
    mapping: Mapping,
    source: Source,
    *,
    dataset: str,
    places: Source | None = None,
    progress: OnProgress | None = None,
    rows_max: int | None = None,
) -> Result:
    """Check a mapping against a source and give what comes of it, read when asked for.

    `dataset` is the dataset's name, part of each entity id: `urn:ngsi-ld:{type}:{dataset}:{id}`.
    `places` is the second file that the geometry may name; `rows_max` ends early, for a preview.
    HansaError invalid_field names the member of the mapping; rows that do not fit are no error.
    """
    check_dataset(dataset)
    check_mapping(mapping, source.layer(mapping.layer), places_given=places is not None)
    positions: Positions = {}
    rejections: list[Rejection] = []
    spec = mapping.geometry
    if spec.kind == "places" and spec.places is not None:
        positions = dict(spec.places.positions)
        if places is not None:
            found, rejections = read_places(spec, places)
            if not found:
                raise unreadable(
                    f"{places.name} gives no place.", "Check the columns under geometry.places."
                )
            positions.update(found)
    return Result(
        mapping,
        source,
        dataset=dataset,
        positions=positions,
        place_rejections=rejections,
        progress=progress,
        rows_max=rows_max,
    )


def inline_places(mapping: Mapping, places: Source) -> tuple[Mapping, tuple[Rejection, ...]]:
    """Put the positions of a second file into the mapping, for where only one file can be sent.

    Gives the mapping and the rows of the second file that were set aside.
    """
    spec = mapping.geometry
    if spec.kind != "places" or spec.places is None:
        return mapping, ()
    positions, rejections = read_places(spec, places)
    joined = msgspec.structs.replace(spec.places, positions=positions)
    geometry = msgspec.structs.replace(spec, places=joined)
    return msgspec.structs.replace(mapping, geometry=geometry), tuple(rejections)


def as_temporal(instances: Iterable[Instance]) -> Iterator[Json]:
    """Group instances by entity as EntityTemporal (NGSI-LD 1.9.1 5.2.20), 1,000 at most in each.

    Holds at most 100,000 instances back, so that a file in any order is grouped well enough.
    """
    waiting: dict[str, Json] = {}
    counts: Counter[str] = Counter()
    held = 0
    for instance in instances:
        entity_id = instance.entity_id
        entity = waiting.get(entity_id)
        if entity is None:
            entity = waiting[entity_id] = {"id": entity_id, "type": instance.entity_type}
        entity.setdefault(instance.attribute, []).append(instance.body)
        counts[entity_id] += 1
        held += 1
        if counts[entity_id] >= TEMPORAL_INSTANCES_MAX:
            held -= counts.pop(entity_id)
            yield waiting.pop(entity_id)
        elif held >= HELD_INSTANCES_MAX:
            yield from waiting.values()
            waiting.clear()
            counts.clear()
            held = 0
    yield from waiting.values()
