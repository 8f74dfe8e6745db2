"""The exchange of one participant: negotiations, agreements, transfers, both roles."""

from __future__ import annotations

from collections.abc import Callable

from hansa.exchange.service.delivery import Delivery
from hansa.exchange.service.judging import owned
from hansa.exchange.service.negotiating import Negotiations
from hansa.exchange.service.queries import Queries
from hansa.exchange.service.transferring import Transfers
from hansa.exchange.service.work import NEGOTIATION_MACHINE, PLANE_MACHINE, TRANSFER_MACHINE
from hansa.kernel import Code, HansaError
from hansa.kernel.outbox import Reconciler
from hansa.kernel.store import Action, Store

__all__ = ["Exchange", "Lookup", "owned", "register"]


class Exchange(Negotiations, Transfers, Delivery, Queries):
    """Contract negotiation and transfer of one participant (DSP 2025-1 6 and 8).

    Every decision is committed with its message in the outbox; `register` lets a reconciler send.
    """


_FOR_EVER = 1_000_000_000
Lookup = Callable[[str], Exchange | None]


def register(reconciler: Reconciler, lookup: Lookup) -> None:
    """Register the handlers of all participants; `lookup` gives a participant's exchange."""

    def find(store: Store) -> Exchange:
        exchange = lookup(store.participant)
        if exchange is None:
            raise HansaError(Code.unavailable, "This participant is not served now.")
        return exchange

    async def send(store: Store, action: Action) -> None:
        await find(store).work_action(action)

    async def plane(store: Store, action: Action) -> None:
        await find(store).work_plane(action)

    for machine, handler in (
        (NEGOTIATION_MACHINE, send),
        (TRANSFER_MACHINE, send),
        (PLANE_MACHINE, plane),
    ):
        # For ever: a decision that is durable, above all a termination, is never given up.
        reconciler.register(machine, handler, attempts=_FOR_EVER, backoff_max_s=30.0)
