"""The broker as the pushes need it: what to tell, and where to keep what was told to us."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from typing import Any

from hansa.broker import Broker, Change, Follower, Query, Slice
from hansa.dataplane import (
    EntityExports,
    Flows,
    Inboxes,
    MqttPush,
    NgsiLdPush,
    Notifications,
    Pushes,
    Quota,
)
from hansa.kernel import Clock, Ids
from hansa.kernel.outbound import OutboundClient
from hansa.kernel.store import Store
from hansa.policy import Scope

INBOX_PATH = "inbox"
RECEIVED_PATH = "received"
_MIRRORS_MAX = 1_000


class BrokerEntities:
    """A participant's own entities, read within a scope."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def position(self) -> int:
        """Give the number of the latest change."""
        return await self._broker.changes.position()

    async def changes(self, after: int, limit: int) -> Sequence[Change]:
        """List what changed after a number, in order; what was deleted too."""
        return await self._broker.changes.after(after, limit)

    async def page(
        self, scope: Scope, after: str | None, limit: int
    ) -> tuple[list[bytes], str | None]:
        """Give rendered entities of the scope, and where the next page starts."""
        page = await self._broker.query(scope, Query(), Slice(limit=limit, after=after))
        return page.items, page.next

    async def shown(self, scope: Scope, ids: Sequence[str]) -> list[bytes]:
        """Give those of the entities that the scope shows, rendered within it."""
        page = await self._broker.query(scope, Query(ids=tuple(ids)), Slice(limit=len(ids)))
        return page.items

    async def observed(self, spans: Sequence[tuple[int, int]]) -> list[str]:
        """List entities with an attribute observed in one of the spans (microseconds)."""
        return await self._broker.changes.observed(spans)

    async def next_observed(self, start: int) -> int | None:
        """Give the first instant from `start` on at which anything was observed."""
        return await self._broker.changes.next_observed(start)

    def followed(self, flow_id: str) -> Follower:
        """Give what a flow was told of."""
        return self._broker.changes.follower(flow_id)

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call the listener after each commit of changes; give the undo."""
        return self._broker.on_change(lambda _: listener())


class Mirrors:
    """What was pushed to a participant: a broker of its own for each flow.

    `open_broker` makes the broker over a store; the stores' names can be no participant's.
    """

    def __init__(
        self,
        participant: str,
        store_of: Callable[[str], Store],
        open_broker: Callable[[Store], Broker],
        quota: Quota,
    ) -> None:
        self._participant = participant
        self._quota = quota
        self._store_of = store_of
        self._open_broker = open_broker
        self._brokers: dict[str, Broker] = {}
        self._counts: dict[str, int] = {}

    def broker(self, flow_id: str) -> Broker:
        """Give the broker with what a flow received; empty when it received nothing."""
        found = self._brokers.get(flow_id)
        if found is None:
            mark = sha256(f"{self._participant} {flow_id}".encode()).hexdigest()[:40]
            found = self._open_broker(self._store_of(f"_received-{mark}"))
            if len(self._brokers) >= _MIRRORS_MAX:
                oldest = next(iter(self._brokers))
                self._brokers.pop(oldest)
                self._counts.pop(oldest, None)
            self._brokers[flow_id] = found
        return found

    async def apply(
        self, flow_id: str, entities: Sequence[dict[str, Any]], gone: Sequence[str]
    ) -> list[str]:
        """Replace entities and take away those gone; give what was wrong with the rest.

        All or nothing for want of room: HansaError storage_full. What only takes away needs none.
        """
        broker = self.broker(flow_id)
        wrong: list[str] = []
        if entities:
            await self._check_room(flow_id, entities)
            written = await broker.upsert(entities)
            wrong = [f"{error.code.value}: {error.title}" for _, error in written.failed]
            self._add(flow_id, len(written.created))
        if gone:
            self._add(flow_id, -len(await broker.delete(gone)))
        return wrong

    async def _check_room(self, flow_id: str, entities: Sequence[dict[str, Any]]) -> None:
        await self._quota.check_free()
        count = self._counts.get(flow_id)
        if count is None:
            count = self._counts[flow_id] = await _count(self.broker(flow_id), Query())
        if count + len(entities) > self._quota.entities_max:
            ids = {one for entity in entities if isinstance(one := entity.get("id"), str)}
            known = await _count(self.broker(flow_id), Query(ids=tuple(sorted(ids))))
            self._quota.check_entities(count + len(ids) - known)

    def _add(self, flow_id: str, more: int) -> None:
        if flow_id in self._counts:
            self._counts[flow_id] += more

    async def forget(self, flow_id: str) -> int:
        """Erase what a flow received, history too; give how many entities those were."""
        broker, count = self.broker(flow_id), 0
        self._counts.pop(flow_id, None)
        while erased := await broker.forget():
            count += erased
        return count


async def _count(broker: Broker, query: Query) -> int:
    page = await broker.query(Scope.everything(), query, Slice(limit=0, count=True))
    return page.count or 0


class Pushing:
    """What one participant sends by itself, and where it takes what others send."""

    def __init__(
        self,
        store: Store,
        flows: Flows,
        broker: Broker,
        mirrors: Mirrors,
        quota: Quota,
        *,
        url: str,
        client: OutboundClient,
        has_entities: Callable[[str], Awaitable[bool]],
        clock: Clock,
        ids: Ids,
    ) -> None:
        """`url` is the participant's; `has_entities` says of a dataset whether it is entities."""
        self.mirrors = mirrors
        self.quota = quota
        self.pushes = Pushes(flows, clock)
        self.inboxes = Inboxes(
            store, endpoint=f"{url}/{INBOX_PATH}", flows=flows, clock=clock, ids=ids
        )
        self.inboxes.register(Notifications(store, self.inboxes, mirrors))
        entities = BrokerEntities(broker)
        self.exports = EntityExports(entities)
        flows.register(
            NgsiLdPush(
                self.pushes,
                entities,
                clock,
                has_entities=has_entities,
                client=client,
                inboxes=self.inboxes,
            ),
            MqttPush(self.pushes, entities, clock, has_entities=has_entities, resolver=client),
        )
