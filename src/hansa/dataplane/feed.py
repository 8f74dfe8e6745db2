"""Entities as notifications: first all that the contract shows, then each change.

A feed goes in rounds. A round lists all entities in the scope, tells those gone that an earlier
round told and this one did not, and then follows the changes. When the terms show something else
than before (not when only their window of time moved on), a new round begins. Where a feed stands
is a `Place`, written into the flow's position; from there it goes on after a crash.

What an entity shows is rendered by the store under the scope of that instant. An entity that
leaves the scope is told as gone to a flow that was told of it, in the same words as a deleted one;
one that the flow was never told of is not mentioned. That a flow is told of an entity is noted
before it is sent: a crash in between can't make it forget to tell that it is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from hashlib import sha256
from typing import Protocol

import msgspec

from hansa.dataplane.push import Allowance, Item
from hansa.dataplane.wire_ngsi_ld_1_9 import head_of, write_gone, write_notification
from hansa.kernel import Clock
from hansa.policy import Scope

NOTIFIED_MAX = 200
"""Entities in one notification."""
NOTIFICATION_BYTES_MAX = 1024 * 1024
"""Size of one notification; a single larger entity goes alone."""


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

    `change` is the last change that was told, `terms` a digest of what the scope shows.
    """

    round: int = 0
    terms: str = ""
    change: int = 0
    page: str | None = None
    leaving: bool = False


def terms_of(scope: Scope) -> str:
    """Digest a scope without its windows of time, which move with the clock."""

    def bare(cuts: Sequence[object]) -> list[object]:
        return [msgspec.structs.replace(cut, observed=None) for cut in cuts]  # type: ignore

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

    def bytes_before(self, position: str) -> int | None:
        """Leave it to the count: notifications have no size of their own."""
        return None

    async def items(self, position: str, allowance: Allowance) -> AsyncGenerator[Item, None]:
        """Give the notifications after a position, and wait for more at the end."""
        changed = asyncio.Event()
        undo = self._entities.on_change(changed.set)
        place = _read_place(position) if position else Place()
        try:
            while True:
                changed.clear()
                scope = await allowance.scope()
                if place.terms != terms_of(scope):
                    place = await self._new_round(place, scope)
                step = await self._step(place, scope)
                if step is None:
                    await changed.wait()
                    continue
                following, _, gone = step
                yield await self._item(place, *step)
                if gone:
                    await self._followed.forget([identifier for identifier, _ in gone])
                place = following
        finally:
            undo()

    async def _new_round(self, place: Place, scope: Scope) -> Place:
        position = await self._entities.position()
        return Place(place.round + 1, terms_of(scope), position, page="")

    async def _step(self, place: Place, scope: Scope) -> _Step | None:
        if place.page is not None:
            return await self._listing(place, place.page, scope)
        if place.leaving:
            return await self._leaving(place)
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
        ids = [change.id for change in changes]
        shown = {head_of(body).id: body for body in await self._entities.shown(scope, ids)}
        hidden = [identifier for identifier in ids if identifier not in shown]
        gone = dict(await self._followed.told(hidden)) if hidden else {}
        taken: list[str] = []
        size, last = 0, place.change
        for change in changes:
            size += len(shown.get(change.id, b""))
            if taken and size > NOTIFICATION_BYTES_MAX:
                break
            taken.append(change.id)
            last = change.position
        return (
            msgspec.structs.replace(place, change=last),
            [shown[identifier] for identifier in taken if identifier in shown],
            [(identifier, gone[identifier]) for identifier in taken if identifier in gone],
        )

    async def _item(
        self, place: Place, following: Place, shown: list[bytes], gone: list[tuple[str, bytes]]
    ) -> Item:
        position = msgspec.json.encode(following).decode()
        if not shown and not gone:
            return Item(position=position)
        await self._note(shown, following.round, listing=place.page is not None)
        now = self._clock.now()
        bodies = [*shown, *(write_gone(identifier, kind, now) for identifier, kind in gone)]
        between = msgspec.json.encode([self._flow_id, place, following, [key for key, _ in gone]])
        identifier = f"urn:ngsi-ld:Notification:{sha256(between).hexdigest()[:32]}"
        return Item(
            position=position,
            body=write_notification(identifier, self._flow_id, now, bodies),
            id=identifier,
            entities=len(bodies),
        )

    async def _note(self, shown: Sequence[bytes], round_: int, *, listing: bool) -> None:
        """Note of what the flow is about to be told; costs no write when it knows all of it."""
        heads = [head_of(body) for body in shown]
        told = [(head.id, bytes(head.type)) for head in heads]
        if not listing and told:
            known = set(await self._followed.told([identifier for identifier, _ in told]))
            told = [one for one in told if one not in known]
        if told:
            await self._followed.tell(told, round_)
