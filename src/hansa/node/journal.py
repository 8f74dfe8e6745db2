"""What happened at a participant, in order, for people and for programs that follow along."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime

import msgspec
import structlog

from hansa.kernel import Clock, HansaError, Ids
from hansa.kernel.store import Kind, Store, Tx

_log = structlog.get_logger("hansa.journal")
_KEPT = 2_000
_TRIM_EVERY = 200
_FOLLOWERS_MAX = 100
_QUEUE_MAX = 256


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened. `kind` is `<noun>.<what>`, `subject` the id of the noun."""

    id: str
    at: datetime
    kind: str
    text: str
    subject: str | None = None


EVENTS = Kind("node_event", Event, key=lambda event: event.id)


class Journal:
    """Note events durably and hand them to whoever follows. Keeps the last 2,000."""

    def __init__(self, store: Store, *, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._followers: set[asyncio.Queue[Event]] = set()
        self._noted = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def note(self, kind: str, text: str, subject: str | None = None) -> None:
        """Note an event soon; the caller does not wait for it."""
        event = Event(
            id=self._ids.new(), at=self._clock.now(), kind=kind, text=text, subject=subject
        )
        for queue in self._followers:
            if not queue.full():
                queue.put_nowait(event)
        task = asyncio.ensure_future(self._write(event))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _write(self, event: Event) -> None:
        try:
            await self._store.write(lambda tx: tx.put(EVENTS, event))
            self._noted += 1
            if self._noted % _TRIM_EVERY == 0:
                await self._trim()
        except HansaError as error:
            _log.warning("event not kept", kind=event.kind, code=error.code.value)

    async def _trim(self) -> None:
        kept = await self._store.read(
            lambda tx: tx.find(EVENTS, limit=_KEPT + 1, newest_first=True)
        )
        if len(kept) <= _KEPT:
            return
        oldest = kept[-1].id

        def trim(tx: Tx) -> None:
            for event in tx.find(EVENTS, limit=_TRIM_EVERY * 2):
                if event.id <= oldest:
                    tx.delete(EVENTS, event.id)

        await self._store.write(trim)

    async def latest(self, *, before: str | None = None, limit: int = 50) -> list[Event]:
        """List events, newest first, older than the event `before`."""
        return await self._store.read(
            lambda tx: tx.find(EVENTS, after=before, limit=limit, newest_first=True)
        )

    async def follow(self) -> AsyncIterator[Event | None]:
        """Give events as they come; None every 15 s, so that a dead connection is noticed."""
        if len(self._followers) >= _FOLLOWERS_MAX:
            return
        queue: asyncio.Queue[Event] = asyncio.Queue(_QUEUE_MAX)
        self._followers.add(queue)
        try:
            while True:
                try:
                    yield await asyncio.wait_for(queue.get(), 15)
                except TimeoutError:
                    yield None
        finally:
            self._followers.discard(queue)

    async def close(self) -> None:
        """Wait until what was noted is kept."""
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
