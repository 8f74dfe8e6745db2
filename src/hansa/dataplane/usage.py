"""Count what transfers use: in memory at once, in the store by blocks.

Counting costs no commit per request: changes gather and are written together after
`block_calls` calls or `block_s` seconds, whichever comes first, and at the stop. A machine that
loses its power loses at most the last block; the refusal of a request never depends on it. What
an agreement limits is counted apart, before it is used: see `counting`.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime

import structlog

from hansa.dataplane.counting import Counts
from hansa.dataplane.model import USAGE, TransferUsage
from hansa.kernel import Clock, HansaError
from hansa.kernel.store import Store, Tx

_log = structlog.get_logger("hansa.dataplane")
BLOCK_CALLS = 1_000
BLOCK_S = 1.0


class _Pending:
    __slots__ = ("agreement_id", "bytes", "entities", "last_at", "requests")

    def __init__(self, agreement_id: str) -> None:
        self.agreement_id = agreement_id
        self.requests = 0
        self.entities = 0
        self.bytes = 0
        self.last_at: datetime | None = None


def _sum(transfer_id: str, kept: TransferUsage | None, more: _Pending | None) -> TransferUsage:
    if more is None:
        return kept or TransferUsage(transfer_id=transfer_id, agreement_id="")
    kept = kept or TransferUsage(transfer_id=transfer_id, agreement_id=more.agreement_id)
    return TransferUsage(
        transfer_id=transfer_id,
        agreement_id=kept.agreement_id,
        requests=kept.requests + more.requests,
        entities=kept.entities + more.entities,
        bytes=kept.bytes + more.bytes,
        last_at=max(filter(None, (kept.last_at, more.last_at)), default=None),
    )


class UsageLedger:
    """The counters of one participant's transfers. Call `start` and `stop` with the node."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        block_calls: int = BLOCK_CALLS,
        block_s: float = BLOCK_S,
    ) -> None:
        self._store = store
        self._clock = clock
        self._block_calls = block_calls
        self._block_s = block_s
        self._pending: dict[str, _Pending] = {}
        self._calls = 0
        self._writing = asyncio.Lock()
        self._begun = asyncio.Event()
        self._full = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.counts = Counts(store)

    def count(
        self, transfer_id: str, agreement_id: str, *, entities: int, bytes: int, requests: int = 1
    ) -> None:
        """Add one answer with its entities and body bytes; 0 `requests`: more of one that is added.

        Costs no I/O.
        """
        pending = self._pending.get(transfer_id)
        if pending is None:
            pending = self._pending[transfer_id] = _Pending(agreement_id)
        if self._calls == 0:
            self._begun.set()
        pending.requests += requests
        pending.entities += entities
        pending.bytes += bytes
        pending.last_at = self._clock.now()
        self._calls += 1
        if self._calls >= self._block_calls:
            self._full.set()

    async def usage(self, transfer_id: str) -> TransferUsage:
        """Give what a transfer has used, what is not yet written included."""
        async with self._writing:
            kept = await self._store.read(lambda tx: tx.get(USAGE, transfer_id))
            return _sum(transfer_id, kept, self._pending.get(transfer_id))

    async def flush(self) -> None:
        """Write what has gathered, in one transaction. What fails to be written is kept."""
        async with self._writing:
            block, self._pending, self._calls = self._pending, {}, 0
            self._begun.clear()
            self._full.clear()
            if not block:
                return

            def job(tx: Tx) -> None:
                for transfer_id, pending in block.items():
                    tx.put(USAGE, _sum(transfer_id, tx.get(USAGE, transfer_id), pending))

            try:
                await self._store.write(job)
            except Exception:
                self._take_back(block)
                raise

    def _take_back(self, block: dict[str, _Pending]) -> None:
        for transfer_id, pending in block.items():
            newer = self._pending.get(transfer_id)
            if newer is not None:
                pending.requests += newer.requests
                pending.entities += newer.entities
                pending.bytes += newer.bytes
                pending.last_at = newer.last_at
            self._pending[transfer_id] = pending
        self._calls = sum(pending.requests for pending in self._pending.values())
        self._begun.set()

    async def start(self) -> None:
        """Begin to write blocks in the background."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop, and write the last block."""
        if self._task is not None:
            async with self._writing:
                self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self.flush()
        await self.counts.give_back()

    async def _run(self) -> None:
        while True:
            await self._begun.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._block_s):
                    await self._full.wait()
            try:
                await self.flush()
            except HansaError as error:
                _log.warning("usage_not_written", code=error.code.value)
                await asyncio.sleep(self._block_s)
