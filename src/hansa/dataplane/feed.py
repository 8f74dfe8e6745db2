"""Entities as notifications: first all that the contract shows, then each change.

A feed goes in rounds. A round lists all entities in the scope, tells those gone that an earlier
round told and this one did not, and then follows the changes. When the terms show something else
than before (not when only their window of time moved on), a new round begins. Where a feed stands
is a `Place`, written into the flow's position; from there it goes on after a crash.

What an entity shows is rendered by the store under the scope of that instant. An entity that
leaves the scope is told as gone to a flow that was told of it, in the same words as a deleted one;
one that the flow was never told of is not mentioned. That a flow is told of an entity is noted
before it is sent: a crash in between can't make it forget to tell that it is gone.

Where the terms speak of the age of data, their window moves with the clock, and what it shows
changes though nothing was written: the feed looks again at what was observed in between the bounds
of then and now, at the instant at which the next observation crosses one of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Protocol

import msgspec

from hansa.dataplane.push import Allowance, Item
from hansa.dataplane.wire_ngsi_ld_1_9 import head_of, write_gone, write_notification
from hansa.kernel import Clock
from hansa.policy import Cut, Scope

NOTIFIED_MAX = 200
"""Entities in one notification."""
NOTIFICATION_BYTES_MAX = 1024 * 1024
"""Size of one notification; a single larger entity goes alone."""
IDLE_S_MAX = 60.0
"""How long a feed waits for changes before it looks at its right again."""
LOOK_S_MIN = 1.0
"""How often it looks, at most, at what crossed a bound of a window that moves."""


class Changed(Protocol):
    """An entity that changed."""

    @property
    def position(self) -> int:
        """Give the number of its last change."""
        ...

    @property
    def id(self) -> str:
        """Give its id."""
        ...


class Followed(Protocol):
    """What a flow was told of: (id, JSON of its type)."""

    async def told(self, ids: Sequence[str]) -> list[tuple[str, bytes]]:
        """Give those of the entities that it was told of."""
        ...

    async def round(self) -> int:
        """Give the latest round in which it was told of anything, 0 before any."""
        ...

    async def told_before(self, round_: int, limit: int) -> list[tuple[str, bytes]]:
        """List what it was told of in earlier rounds only."""
        ...

    async def tell(self, told: Sequence[tuple[str, bytes]], round_: int) -> None:
        """Note that it is about to be told."""
        ...

    async def forget(self, ids: Sequence[str]) -> None:
        """Note that it was told that they are gone."""
        ...

    async def end(self) -> None:
        """Forget it all."""
        ...


class Entities(Protocol):
    """The entities of a participant, as a feed reads them."""

    async def position(self) -> int:
        """Give the number of the latest change."""
        ...

    async def changes(self, after: int, limit: int) -> Sequence[Changed]:
        """List what changed after a number, in order; what was deleted too."""
        ...

    async def page(
        self, scope: Scope, after: str | None, limit: int
    ) -> tuple[list[bytes], str | None]:
        """Give rendered entities of the scope, and where the next page starts."""
        ...

    async def observed(self, spans: Sequence[tuple[int, int]]) -> list[str]:
        """List entities with an attribute observed in a span, [start, end) in microseconds."""
        ...

    async def next_observed(self, start: int) -> int | None:
        """Give the first instant from `start` on at which anything was observed."""
        ...

    async def shown(self, scope: Scope, ids: Sequence[str]) -> list[bytes]:
        """Give those of the entities that the scope shows, rendered within it."""
        ...

    def followed(self, flow_id: str) -> Followed:
        """Give what a flow was told of."""
        ...

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call the listener after each commit of changes; give the undo."""
        ...


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a feed stands. `page` is where the listing goes on, None behind it.

    `change` is the last change that was told, `terms` a digest of what the scope shows, `edges` the
    bounds of its windows in microseconds, as of the last look at what they cut.
    """

    round: int = 0
    terms: str = ""
    change: int = 0
    page: str | None = None
    leaving: bool = False
    edges: tuple[int | None, ...] = ()


def edges_of(scope: Scope) -> tuple[int | None, ...]:
    """Give the bounds of all windows of a scope, in microseconds, in their order."""
    windows = [cut.observed for cut in (*scope.permits, *scope.denies)]
    bounds = [bound for one in windows for bound in ((one.start, one.end) if one else (None, None))]
    return tuple(None if bound is None else int(bound.timestamp() * 1_000_000) for bound in bounds)


def spans_between(
    then: tuple[int | None, ...], now: tuple[int | None, ...]
) -> list[tuple[int, int]]:
    """Give the spans over which bounds have moved."""
    return [
        (min(one, other), max(one, other))
        for one, other in zip(then, now, strict=False)
        if one is not None and other is not None and one != other
    ]


def terms_of(scope: Scope) -> str:
    """Digest a scope without where its windows begin and end, which moves with the clock."""

    def bare(cuts: Sequence[Cut]) -> list[object]:
        return [
            (
                msgspec.structs.replace(cut, observed=None),
                cut.observed is not None and cut.observed.start is not None,
                cut.observed is not None and cut.observed.end is not None,
            )
            for cut in cuts
        ]

    shown = [bare(scope.permits), bare(scope.denies)]
    return sha256(msgspec.json.encode(shown, order="deterministic")).hexdigest()[:16]


_read_place = msgspec.json.Decoder(Place).decode
_Step = tuple[Place, list[bytes], list[tuple[str, bytes]]]
"""The next place, what is shown, and what is told as gone: (id, JSON of its type)."""


class Feed:
    """The source of notifications of one flow. It has no end."""

    total_bytes = None
    digest = None

    def __init__(self, flow_id: str, entities: Entities, clock: Clock) -> None:
        self._flow_id = flow_id
        self._entities = entities
        self._clock = clock
        self._followed = entities.followed(flow_id)
        self._aged: list[str] = []
        self._aged_to: tuple[int | None, ...] = ()
        self._look_s = 0.0

    def bytes_before(self, position: str) -> int | None:
        """Leave it to the count: notifications have no size of their own."""
        return None

    async def items(self, position: str, allowance: Allowance) -> AsyncGenerator[Item, None]:
        """Give the notifications after a position, and wait for more at the end."""
        changed = asyncio.Event()
        undo = self._entities.on_change(changed.set)
        place = _read_place(position) if position else Place()
        try:
            # A round that was begun and then forgotten in a crash has told what is not known here.
            latest = await self._followed.round()
            while True:
                changed.clear()
                scope = await allowance.scope()
                if place.terms != terms_of(scope) or latest > place.round:
                    latest = max(place.round, latest) + 1
                    place = await self._new_round(latest, scope)
                step = await self._step(place, scope)
                if step is None:
                    await self._wait(changed, place)
                    continue
                following, _, gone = step
                yield await self._item(place, *step)
                if gone:
                    await self._followed.forget([identifier for identifier, _ in gone])
                place = following
        finally:
            undo()

    async def _new_round(self, number: int, scope: Scope) -> Place:
        position = await self._entities.position()
        self._aged = []
        edges = edges_of(scope)
        return Place(number, terms_of(scope), position, page="", edges=edges)

    async def _wait(self, changed: asyncio.Event, place: Place) -> None:
        """Wait for a change, for the next look at the windows, or to look at the right again."""
        wait_s = IDLE_S_MAX
        if any(place.edges):
            wait_s = min(wait_s, max(0.0, self._look_s - self._clock.monotonic_s()))
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await changed.wait()

    async def _step(self, place: Place, scope: Scope) -> _Step | None:
        if place.page is not None:
            return await self._listing(place, place.page, scope)
        if place.leaving:
            return await self._leaving(place)
        if self._aged or (any(place.edges) and self._clock.monotonic_s() >= self._look_s):
            return await self._ageing(place, scope)
        return await self._following(place, scope)

    async def _listing(self, place: Place, page: str, scope: Scope) -> _Step:
        """Give the next page of the entities that the scope shows."""
        limit, after = NOTIFIED_MAX, page or None
        shown, following = await self._entities.page(scope, after, limit)
        while limit > 1 and sum(map(len, shown)) > NOTIFICATION_BYTES_MAX:
            limit = max(1, min(limit, len(shown)) // 2)
            shown, following = await self._entities.page(scope, after, limit)
        done = msgspec.structs.replace(place, page=following, leaving=following is None)
        return done, shown, []

    async def _leaving(self, place: Place) -> _Step:
        """Tell as gone what only an earlier round told of."""
        gone = await self._followed.told_before(place.round, NOTIFIED_MAX)
        return msgspec.structs.replace(place, leaving=bool(gone)), [], gone

    async def _following(self, place: Place, scope: Scope) -> _Step | None:
        """Tell what changed since: what the scope shows of it, or that it is gone."""
        changes = await self._entities.changes(place.change, NOTIFIED_MAX)
        if not changes:
            return None
        self._look_s = min(self._look_s, self._clock.monotonic_s() + LOOK_S_MIN)
        positions = {change.id: change.position for change in changes}
        taken, shown, gone = await self._now(list(positions), scope)
        return msgspec.structs.replace(place, change=positions[taken[-1]]), shown, gone

    async def _ageing(self, place: Place, scope: Scope) -> _Step:
        """Tell what the windows show or cut by now, though it did not change."""
        if not self._aged:
            self._aged_to = edges_of(scope)
            spans = spans_between(place.edges, self._aged_to)
            self._aged = await self._entities.observed(spans) if spans else []
            await self._look_again(place)
        taken, shown, gone = await self._now(self._aged[:NOTIFIED_MAX], scope)
        self._aged = self._aged[len(taken) :]
        edges = place.edges if self._aged else self._aged_to
        return msgspec.structs.replace(place, edges=edges), shown, gone

    async def _look_again(self, place: Place) -> None:
        """Set when the next observation crosses a bound that moves; bounds move with the clock."""
        wait_s = IDLE_S_MAX
        for one, other in zip(place.edges, self._aged_to, strict=False):
            if other is not None and one != other:
                first = await self._entities.next_observed(other)
                if first is not None:
                    wait_s = min(wait_s, (first - other) / 1_000_000)
        self._look_s = self._clock.monotonic_s() + max(LOOK_S_MIN, wait_s)

    async def _now(
        self, ids: list[str], scope: Scope
    ) -> tuple[list[str], list[bytes], list[tuple[str, bytes]]]:
        """Give of the first of these what the scope shows, and which of the told are gone.

        As many are taken as one notification holds; at least one.
        """
        if not ids:
            return [], [], []
        shown = {head_of(body).id: body for body in await self._entities.shown(scope, ids)}
        hidden = [identifier for identifier in ids if identifier not in shown]
        gone = dict(await self._followed.told(hidden)) if hidden else {}
        taken: list[str] = []
        size = 0
        for identifier in ids:
            size += len(shown.get(identifier, b""))
            if taken and size > NOTIFICATION_BYTES_MAX:
                break
            taken.append(identifier)
        return (
            taken,
            [shown[identifier] for identifier in taken if identifier in shown],
            [(identifier, gone[identifier]) for identifier in taken if identifier in gone],
        )

    async def _item(
        self, place: Place, following: Place, shown: list[bytes], gone: list[tuple[str, bytes]]
    ) -> Item:
        position = msgspec.json.encode(following).decode()
        if not shown and not gone:
            return Item(position=position)
        heads = [head_of(body) for body in shown]
        told = [(head.id, bytes(head.type)) for head in heads]
        await self._note(told, following.round, listing=place.page is not None)
        now = self._clock.now()
        bodies = [*shown, *(write_gone(identifier, kind, now) for identifier, kind in gone)]
        ids = [identifier for identifier, _ in (*told, *gone)]
        between = msgspec.json.encode([self._flow_id, place, following, ids])
        identifier = f"urn:ngsi-ld:Notification:{sha256(between).hexdigest()[:32]}"
        return Item(
            position=position,
            body=write_notification(identifier, self._flow_id, now, bodies),
            id=identifier,
            entities=len(bodies),
            mark=sha256(b"\0".join([*shown, *(key.encode() for key, _ in gone)])).digest(),
        )

    async def _note(self, told: list[tuple[str, bytes]], round_: int, *, listing: bool) -> None:
        """Note of what the flow is about to be told; costs no write when it knows all of it."""
        if not listing and told:
            known = set(await self._followed.told([identifier for identifier, _ in told]))
            told = [one for one in told if one not in known]
        if told:
            await self._followed.tell(told, round_)
