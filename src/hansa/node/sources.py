"""Live data: built-in sources that fill the broker and then write as time goes on."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog

from hansa import story
from hansa.broker import Broker
from hansa.kernel import Clock, Code, HansaError
from hansa.kernel.store import Kind, Store
from hansa.node.journal import Journal
from hansa.policy import Cut, Scope

_log = structlog.get_logger("hansa.sources")
_BATCH = 100
_FIRST_HISTORY = timedelta(hours=24)
_BACK_STEP = timedelta(hours=6)
_BACK_PAUSE_S = 1.0
_HISTORY_BATCH = 4
_MISSED_MAX = timedelta(days=30)
DELFT_ENERGY = "delft-energy"


class SourceState(msgspec.Struct, frozen=True, kw_only=True):
    """A source that was switched on, the last quarter-hour it wrote, and how far back it filled."""

    kind: str
    half: str
    last: datetime
    filled_from: datetime | None = None


SOURCES = Kind("node_source", SourceState, key=lambda source: source.kind)


class Sources:
    """The sources of one participant. `start` takes up those that were on."""

    def __init__(self, store: Store, broker: Broker, journal: Journal, clock: Clock) -> None:
        self._store = store
        self._broker = broker
        self._journal = journal
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Go on with the sources that were on."""
        for source in await self._store.read(lambda tx: tx.find(SOURCES)):
            self._run(source)

    async def stop(self) -> None:
        """Stop writing; the sources stay on."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._tasks.clear()

    async def add(self, kind: str, half: str) -> dict[str, Any]:
        """Fill the broker from a source and keep it writing; the same again changes nothing.

        Gives how many entities and quarter-hours are there. HansaError invalid_field.
        """
        if kind != DELFT_ENERGY:
            raise HansaError(
                Code.invalid_field,
                "There is no such source.",
                f"Known: {DELFT_ENERGY}.",
                field="kind",
            )
        city = story.half(half)
        known = await self._store.read(lambda tx: tx.get(SOURCES, kind))
        if known is None:
            source = await self._fill(kind, city.participant)
            await self._keep(source)
            self._journal.note("source.started", f"Live data of {city.title} began", kind)
            self._run(source)
        datasets = (
            story.buildings_dataset(city.participant),
            story.energy_dataset(city.participant),
        )
        entities = 0
        for dataset in datasets:
            entities += await self._count(dataset.id_prefix)
        shops = await self._count(datasets[1].id_prefix)
        quarters = int(_FIRST_HISTORY / timedelta(minutes=15))
        return {"entities": entities, "instances": shops * quarters, "already": known is not None}

    async def _count(self, id_prefix: str) -> int:
        cut = Cut(id_prefix=id_prefix)
        summary = await self._broker.summary(Scope(permits=(cut,)), cut)
        return summary.entities_visible

    async def _fill(self, kind: str, half: str) -> SourceState:
        now = self._clock.now()
        entities = [*story.building_entities(half), *story.energy_entities(half, now)]
        for first in range(0, len(entities), _BATCH):
            await self._write(entities[first : first + _BATCH])
        await self._append(half, now - _FIRST_HISTORY, now)
        return SourceState(kind=kind, half=half, last=now, filled_from=now - _FIRST_HISTORY)

    async def _append(self, half: str, start: datetime, end: datetime) -> None:
        history = list(story.energy_history(half, start, end))
        for first in range(0, len(history), _HISTORY_BATCH):
            await self._broker.append_history(history[first : first + _HISTORY_BATCH])
            await asyncio.sleep(0)

    async def _fill_back(self, source: SourceState) -> SourceState:
        """Write the older history, a part of a day at a time: a first answer need not wait."""
        begin = source.last - timedelta(days=story.HISTORY_DAYS)
        while source.filled_from is not None and source.filled_from > begin:
            start = max(begin, source.filled_from - _BACK_STEP)
            await self._append(source.half, start, source.filled_from)
            source = msgspec.structs.replace(source, filled_from=start)
            await self._keep(source)
            await asyncio.sleep(_BACK_PAUSE_S)
        return source

    async def _keep(self, source: SourceState) -> None:
        await self._store.write(lambda tx: tx.put(SOURCES, source))

    async def _write(self, entities: list[dict[str, Any]], *, replace: bool = True) -> None:
        written = await self._broker.upsert(entities, replace=replace)
        if written.failed:
            raise written.failed[0][1]

    def _run(self, source: SourceState) -> None:
        self._tasks[source.kind] = asyncio.create_task(self._replay(source), name=source.kind)

    async def _replay(self, source: SourceState) -> None:
        replay = story.Replay(source.half)
        while True:
            now = self._clock.now()
            try:
                source = await self._catch_up(replay, source, now)
                source = await self._fill_back(source)
            except HansaError as error:
                _log.warning("source failed", kind=source.kind, code=error.code.value)
            wait_s = (replay.next_boundary(now) - self._clock.now()).total_seconds()
            await asyncio.sleep(max(0.5, wait_s + 0.1))

    async def _catch_up(
        self, replay: story.Replay, source: SourceState, now: datetime
    ) -> SourceState:
        if replay.next_boundary(source.last) > now:
            return source
        last = max(source.last, now - _MISSED_MAX)
        missed = list(replay.missed(last, now))
        for first in range(0, len(missed), _HISTORY_BATCH):
            await self._broker.append_history(missed[first : first + _HISTORY_BATCH])
        await self._write(replay.upsert(now), replace=False)
        written = msgspec.structs.replace(source, last=now)
        await self._keep(written)
        _log.info("source wrote", kind=source.kind)
        return written
