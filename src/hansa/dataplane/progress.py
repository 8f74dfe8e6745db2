"""How far the flows are: noted in memory at once, written within a second, never per item."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import msgspec
import structlog

from hansa.dataplane.flow import DataFlow, Progress
from hansa.dataplane.usage import UsageLedger
from hansa.kernel import Clock, HansaError
from hansa.kernel.store import Kind, Store, Tx

_log = structlog.get_logger("hansa.dataplane")
WRITE_S = 1.0


class KeptProgress(msgspec.Struct, frozen=True):
    """The last written progress of a flow."""

    flow_id: str
    progress: Progress


PROGRESS: Kind[KeptProgress] = Kind(
    name="dataplane_progress", type=KeptProgress, key=lambda kept: kept.flow_id
)


class ProgressLedger:
    """The progress of one participant's flows; what fetches do is told by the usage."""

    def __init__(
        self, store: Store, usage: UsageLedger, clock: Clock, *, write_s: float = WRITE_S
    ) -> None:
        self._store = store
        self._usage = usage
        self._clock = clock
        self._write_s = write_s
        self._noted: dict[str, Progress] = {}
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def note(self, flow_id: str, progress: Progress) -> None:
        """Take the newest progress; what moved, moved now unless it says when. Costs no I/O."""
        if progress.last_at is None and (progress.bytes or progress.items):
            progress = msgspec.structs.replace(progress, last_at=self._clock.now())
        self._noted[flow_id] = progress
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._later(), name="hansa-progress")

    async def of(self, flow: DataFlow) -> DataFlow:
        """Give a flow with its newest progress; counts of a fetched one come from its usage.

        A download to disk counts itself: others may fetch with the same token meanwhile.
        """
        progress = self._noted.get(flow.id)
        if progress is None:
            kept = await self._store.read(lambda tx: tx.get(PROGRESS, flow.id))
            progress = Progress() if kept is None else kept.progress
        if not flow.push and progress.total_bytes is None:
            usage = await self._usage.usage(flow.id)
            if usage.bytes > progress.bytes or usage.entities > progress.items:
                progress = msgspec.structs.replace(
                    progress, bytes=usage.bytes, items=usage.entities, last_at=usage.last_at
                )
        return flow if progress == flow.progress else _with(flow, progress)

    async def error(self, flow: DataFlow, reason: str) -> None:
        """Note the last error of a flow, durably."""
        progress = (await self.of(flow)).progress
        self.note(flow.id, msgspec.structs.replace(progress, error=reason))
        await self.flush()

    async def flush(self) -> None:
        """Write what was noted, in one transaction. What fails to be written is kept."""
        async with self._writing:
            block = dict(self._noted)
            if not block:
                return

            def job(tx: Tx) -> None:
                for flow_id, progress in block.items():
                    tx.put(PROGRESS, KeptProgress(flow_id, progress))

            await self._store.write(job)
            for flow_id, progress in block.items():
                if self._noted.get(flow_id) is progress:
                    del self._noted[flow_id]

    async def stop(self) -> None:
        """Write the last block."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self.flush()

    async def _later(self) -> None:
        while self._noted:
            await asyncio.sleep(self._write_s)
            try:
                await self.flush()
            except HansaError as error:
                _log.warning("progress_not_written", code=error.code.value)


def _with(flow: DataFlow, progress: Progress) -> DataFlow:
    return msgspec.structs.replace(flow, progress=progress)
