"""Reading what the exchange holds, for pages and the management API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from hansa.exchange.errors import not_found
from hansa.exchange.kinds import AGREEMENTS, MESSAGES, NEGOTIATIONS, TRANSFERS
from hansa.exchange.model import (
    Agreement,
    ContractNegotiation,
    LogEntry,
    Sending,
    TransferProcess,
)
from hansa.exchange.service.core import Core
from hansa.kernel.store import Kind, ReadTx

D = TypeVar("D", bound=msgspec.Struct)


class Queries(Core):
    """Get one (HansaError not_found) or list, newest first, with filters by equality."""

    async def negotiation(self, negotiation_id: str) -> ContractNegotiation:
        """Give one negotiation by our own pid."""
        return await self._one(NEGOTIATIONS, negotiation_id, "negotiation")

    async def agreement(self, agreement_id: str) -> Agreement:
        """Give one agreement."""
        return await self._one(AGREEMENTS, agreement_id, "agreement")

    async def transfer(self, transfer_id: str) -> TransferProcess:
        """Give one transfer by our own pid."""
        return await self._one(TRANSFERS, transfer_id, "transfer")

    async def negotiations(
        self, *, after: str | None = None, limit: int = 100, **where: str | None
    ) -> list[ContractNegotiation]:
        """List by `state`, `role`, `counterparty`, `dataset`, `agreement`, `waiting` (yes)."""
        return await self._list(NEGOTIATIONS, where, after, limit)

    async def agreements(
        self, *, after: str | None = None, limit: int = 100, **where: str | None
    ) -> list[Agreement]:
        """List by `state`, `role`, `counterparty`, `dataset`."""
        return await self._list(AGREEMENTS, where, after, limit)

    async def transfers(
        self, *, after: str | None = None, limit: int = 100, **where: str | None
    ) -> list[TransferProcess]:
        """List by `state`, `role`, `counterparty`, `dataset`, `agreement`, `waiting` (yes)."""
        return await self._list(TRANSFERS, where, after, limit)

    async def messages(
        self, process_id: str, *, after: str | None = None, limit: int = 200
    ) -> list[LogEntry]:
        """List the messages of a process in the order they were decided or received."""
        return await self.store.read(
            lambda tx: tx.find(MESSAGES, {"process": process_id}, after=after, limit=limit)
        )

    async def delivery_of(self, process_id: str) -> Sending | None:
        """Say how the message in flight fares; None when there is none."""

        def job(tx: ReadTx) -> Sending | None:
            process = tx.get(NEGOTIATIONS, process_id) or tx.get(TRANSFERS, process_id)
            if process is None:
                raise not_found("process")
            action = None if process.pending is None else tx.action(process.pending.action)
            return None if action is None else Sending(action.attempts, action.due, action.error)

        return await self.store.read(job)

    async def _one(self, kind: Kind[D], key: str, what: str) -> D:
        found = await self.store.read(lambda tx: tx.get(kind, key))
        if found is None:
            raise not_found(what)
        return found

    async def _list(
        self, kind: Kind[D], where: Mapping[str, str | None], after: str | None, limit: int
    ) -> list[D]:
        given = {name: value for name, value in where.items() if value is not None}
        return await self.store.read(
            lambda tx: tx.find(kind, given, after=after, limit=limit, newest_first=True)
        )
