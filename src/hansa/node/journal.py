"""What happened at a participant, in order, for people and for programs that follow along."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec
import structlog

from hansa.kernel import Clock, HansaError, Ids
from hansa.kernel.store import Kind, Store, Tx

_log = structlog.get_logger("hansa.journal")
_KEPT = 2_000
_TRIM_EVERY = 200
_FOLLOWERS_MAX = 100
_QUEUE_MAX = 256
_PAGE = 100
_QUIET_S = 15.0


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened. `kind` is `<noun>.<what>`, `subject` the id of the noun."""

    id: str
    at: datetime
    kind: str
    text: str
    subject: str | None = None


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """A negotiation or transfer took a step that is no event of its own. Never kept or replayed."""

    kind: str
    id: str


EVENTS = Kind("node_event", Event, key=lambda event: event.id)


class _Follower:
    """Somebody who follows along: a bounded queue, and whether it ran over."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Event | Moved] = asyncio.Queue(_QUEUE_MAX)
        self.missed = False

    def tell(self, event: Event) -> None:
        """Hand over an event; one that is too many is read from the store later."""
        if self.queue.full():
            self.missed = True
        else:
            self.queue.put_nowait(event)

    def hint(self, moved: Moved) -> None:
        """Hand over a hint; a full queue needs none, for its events say the same: look again."""
        if not self.queue.full():
            self.queue.put_nowait(moved)


class Journal:
    """Note events durably and hand them to whoever follows. Keeps the last 2,000."""

    def __init__(self, store: Store, *, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._followers: set[_Follower] = set()
        self._noted = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.also: Callable[[Tx, Event], None] | None = None

    def note(self, kind: str, text: str, subject: str | None = None) -> None:
        """Note an event soon; the caller does not wait for it."""
        self._soon(self._write(kind, text, subject))

    def keep(self, tx: Tx, kind: str, text: str, subject: str | None = None) -> Event:
        """Note an event in a transaction, and put in its deliveries; `tell` it after the commit.

        Its id is made here, so that the events of a participant are kept in the order of ids.
        """
        event = Event(
            id=self._ids.new(), at=self._clock.now(), kind=kind, text=text, subject=subject
        )
        tx.insert(EVENTS, event)
        if self.also is not None:
            self.also(tx, event)
        return event

    def tell(self, event: Event) -> None:
        """Hand an event that is kept to who follows; forget the oldest from time to time."""
        for follower in self._followers:
            follower.tell(event)
        self._noted += 1
        if self._noted % _TRIM_EVERY == 0:
            self._soon(self._trim())

    def _soon(self, doing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(doing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def moved(self, kind: str, process_id: str) -> None:
        """Tell who follows that a process moved; nothing is kept of it."""
        for follower in self._followers:
            follower.hint(Moved(kind=kind, id=process_id))

    async def _write(self, kind: str, text: str, subject: str | None) -> None:
        try:
            self.tell(await self._store.write(lambda tx: self.keep(tx, kind, text, subject)))
        except HansaError as error:
            _log.warning("event not kept", kind=kind, code=error.code.value)

    async def _trim(self) -> None:
        with suppress(HansaError):  # the next one looks again
            await self._forget()

    async def _forget(self) -> None:
        def trim(tx: Tx) -> None:
            surplus = max(tx.count(EVENTS) - _KEPT, 0)
            for event in tx.find(EVENTS, limit=min(surplus, _TRIM_EVERY * 2)):
                tx.delete(EVENTS, event.id)

        await self._store.write(trim)

    async def latest(self, *, before: str | None = None, limit: int = 50) -> list[Event]:
        """List events, newest first, older than the event `before`."""
        return await self._store.read(
            lambda tx: tx.find(EVENTS, after=before, limit=limit, newest_first=True)
        )

    async def since(self, after: str, *, limit: int = 100) -> list[Event]:
        """List kept events, oldest first, that are younger than the event `after`."""
        await self.settled()
        return await self._store.read(lambda tx: tx.find(EVENTS, after=after, limit=limit))

    async def keeps(self, event_id: str) -> bool:
        """Say whether an event is still kept, so that all that followed it can be given."""
        return await self._store.read(lambda tx: tx.get(EVENTS, event_id)) is not None

    async def settled(self) -> None:
        """Wait until what was noted so far is kept."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def follow(self, after: str | None = None) -> AsyncGenerator[Event | Moved | None, None]:
        """Give events and hints as they come; None every 15 s, so a dead connection is noticed.

        With `after`, first those that came since that event, each once and in order, as far as they
        are kept. A follower that is slow loses nothing that is kept: what its queue can't hold is
        read from the store. Beyond 100 followers the stream ends at once.
        """
        if len(self._followers) >= _FOLLOWERS_MAX:
            return
        follower = _Follower()
        self._followers.add(follower)
        last = after
        replay = after is not None
        try:
            while True:
                if replay or (follower.missed and follower.queue.empty()):
                    replay = follower.missed = False
                    async for event in self._missed(last or ""):
                        last = event.id
                        yield event
                    continue
                try:
                    told = await asyncio.wait_for(follower.queue.get(), _QUIET_S)
                except TimeoutError:
                    yield None
                    continue
                if isinstance(told, Moved):
                    yield told
                elif last is None or told.id > last:
                    last = told.id
                    yield told
        finally:
            self._followers.discard(follower)

    async def _missed(self, last: str) -> AsyncGenerator[Event, None]:
        """Give what is kept and younger than `last`, in order."""
        while True:
            found = await self.since(last, limit=_PAGE)
            for event in found:
                last = event.id
                yield event
            if len(found) < _PAGE:
                return

    async def close(self) -> None:
        """Wait until what was noted is kept."""
        await self.settled()
