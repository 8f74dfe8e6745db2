"""Take in notifications: entities that a provider pushes, kept apart from our own.

Each flow has a mirror of its own, an entity store in which nobody else writes, so that no provider
can change what another one sent, and nothing received is published by accident. A notification
that comes twice is taken once; its id is noted after it was kept, and keeping it twice does
no harm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from hansa.dataplane.flow import DataFlow
from hansa.dataplane.inbox import Inboxes
from hansa.dataplane.quota import reason, told
from hansa.dataplane.turns import Turns
from hansa.dataplane.wire_ngsi_ld_1_9 import read_notification
from hansa.kernel import Code, HansaError
from hansa.kernel.problem import read_body
from hansa.kernel.store import Kind, Store, Tx

BODY_BYTES_MAX = 16 * 1024 * 1024
RECENT_MAX = 128
"""How many ids are remembered: a sender has one notification under way at a time."""
_MEDIA_TYPES = frozenset({"application/json", "application/ld+json"})


class Taken(msgspec.Struct, frozen=True):
    """The ids of the notifications that a flow took last."""

    flow_id: str
    recent: tuple[str, ...]


TAKEN: Kind[Taken] = Kind(name="dataplane_taken", type=Taken, key=lambda taken: taken.flow_id)


class Mirrors(Protocol):
    """The entities that were received, by flow."""

    async def apply(
        self, flow_id: str, entities: Sequence[dict[str, Any]], gone: Sequence[str]
    ) -> list[str]:
        """Replace entities and take away those gone; give what was wrong with the rest."""
        ...


class Notifications:
    """Receives the notifications of all flows of one participant."""

    profiles = ("NgsiLd-PUSH",)

    def __init__(self, store: Store, inboxes: Inboxes, mirrors: Mirrors) -> None:
        self._store = store
        self._inboxes = inboxes
        self._mirrors = mirrors
        self._turns = Turns()

    async def receive(self, flow: DataFlow, request: Request) -> Response:
        """Take a notification; 204 also for one that was taken before."""
        if request.method != "POST":
            raise HansaError(Code.method_not_allowed, "Notifications are sent with POST.")
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type not in _MEDIA_TYPES:
            raise HansaError(
                Code.unsupported_media_type,
                "The body must be JSON.",
                f"Send one of {', '.join(sorted(_MEDIA_TYPES))}.",
            )
        await self.take(flow, await read_body(request, BODY_BYTES_MAX))
        return Response(status_code=204)

    async def take(self, flow: DataFlow, body: bytes) -> bool:
        """Keep what a notification tells, unless it was taken before; say whether it was new.

        HansaError storage_full: nothing of it was kept, it may come again.
        """
        notification = read_notification(body)
        async with self._turns.of(flow.id):
            known = await self._store.read(lambda tx: tx.get(TAKEN, flow.id))
            recent = () if known is None else known.recent
            if notification.id in recent:
                return False
            try:
                wrong = await self._mirrors.apply(flow.id, notification.entities, notification.gone)
            except HansaError as error:
                self._inboxes.received(flow, size_bytes=0, items=0, error=reason(error))
                raise told(error) from None
            taken = Taken(flow.id, (*recent, notification.id)[-RECENT_MAX:])

            def job(tx: Tx) -> None:
                tx.put(TAKEN, taken)

            await self._store.write(job)
        self._inboxes.received(
            flow,
            size_bytes=len(body),
            items=len(notification.entities) + len(notification.gone) - len(wrong),
            error=wrong[0] if wrong else None,
        )
        return True
