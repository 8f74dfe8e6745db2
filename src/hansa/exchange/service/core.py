"""What every part of the exchange shares: its participant, its ports, one way to commit."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

import structlog

from hansa.exchange.kinds import NEGOTIATIONS, TRANSFERS
from hansa.exchange.model import (
    Agreement,
    Change,
    ContractNegotiation,
    Decide,
    ExchangeLimits,
    Process,
    Step,
    TransferProcess,
)
from hansa.exchange.ports import Opened, Ports
from hansa.exchange.service.judging import machine_of
from hansa.exchange.service.work import Work
from hansa.exchange.state import Message
from hansa.kernel import Clock, Code, HansaError, Ids, SystemClock, SystemIds
from hansa.kernel.store import Action, ReadTx, Store, Tx

_log = structlog.get_logger("hansa.exchange")
R = TypeVar("R")
X = TypeVar("X")
Listener = Callable[[X], Awaitable[None] | None]
_MOVES_MAX = 20


class Stale(Exception):  # noqa: N818 - it is no failure: who asked asks again
    """The process moved on while its decider was asked."""


class Asked(NamedTuple):
    """A step and what the decider said; `error` when it failed."""

    step: Step
    decision: Decide
    error: str | None = None


class Core:
    """Hold what the parts share. `base_url` is our own DSP 2025-1 base, the callback address."""

    def __init__(
        self,
        *,
        did: str,
        base_url: str,
        store: Store,
        ports: Ports,
        clock: Clock | None = None,
        ids: Ids | None = None,
        limits: ExchangeLimits | None = None,
    ) -> None:
        self.did = did
        self.base_url = base_url.rstrip("/")
        self.store = store
        self.ports = ports
        self.clock = clock or SystemClock()
        self.ids = ids or SystemIds()
        self.limits = limits or ExchangeLimits()
        self._refusals: dict[str, int] = {}
        self._opened: dict[str, Opened] = {}
        self._ready: set[str] = set()
        self._on_change: list[Listener[Change]] = []
        self._on_transfer_changed: list[Listener[TransferProcess]] = []
        self._on_agreement_ended: list[Listener[Agreement]] = []

    def on_change(self, listener: Listener[Change]) -> None:
        """Call `listener` after each commit that changed a process or an agreement."""
        self._on_change.append(listener)

    def on_transfer_changed(self, listener: Listener[TransferProcess]) -> None:
        """Call `listener` with a transfer after each commit that changed it; see its `live`."""
        self._on_transfer_changed.append(listener)

    def on_agreement_ended(self, listener: Listener[Agreement]) -> None:
        """Call `listener` with an agreement after the commit that ended it."""
        self._on_agreement_ended.append(listener)

    def new_pid(self) -> str:
        """Make a pid: a fresh IRI that is never used again (DSP 2025-1 6.2)."""
        return f"urn:uuid:{self.ids.new()}"

    async def commit(self, job: Callable[[Work], R]) -> R:
        """Run a job in one durable transaction, then cut access and tell the listeners."""

        def run(tx: Tx) -> tuple[R, Work]:
            work = Work(self, tx)
            result = job(work)
            work.flush()
            return result, work

        result, work = await self.store.write(run)
        await self._publish(work)
        return result

    async def settle(
        self,
        foresee: Callable[[], Awaitable[Step | None]],
        job: Callable[[Work, Asked | None], R],
    ) -> R:
        """Commit a job in which a process may enter a state, with the decision about that state.

        `foresee` gives the step that the job is going to make; the decider is asked about it
        before the transaction. The job raises Stale when it makes another step: then again.
        """
        for _ in range(_MOVES_MAX):
            asked = await self._ask(await foresee())
            try:
                return await self.commit(lambda work: job(work, asked))  # noqa: B023
            except Stale:
                continue
        raise HansaError(Code.unavailable, "The process changes too fast.", "Try again.")

    async def _ask(self, step: Step | None) -> Asked | None:
        if step is None or step.process.state in machine_of(step.process).terminal:
            return None
        try:
            return Asked(step, await self.ports.decider.decide(step))
        except HansaError as error:
            _log.warning("decider_failed", process=step.process.id, code=error.code.value)
            return Asked(step, Decide.wait(), f"{error.code.value}: {error.title}")

    async def find_process(self, kind: type[Process], pid: str) -> Process | None:
        """Read a process by our own pid."""

        def job(tx: ReadTx) -> Process | None:
            if kind is ContractNegotiation:
                return tx.get(NEGOTIATIONS, pid)
            return tx.get(TRANSFERS, pid)

        return await self.store.read(job)

    async def stop_access(self, transfer_id: str) -> None:
        """Tell the data plane to cut a transfer, unless it is live (again)."""
        transfer = await self.find_process(TransferProcess, transfer_id)
        if not isinstance(transfer, TransferProcess) or transfer.live:
            return
        pending = transfer.pending
        if pending is None or pending.message != Message.transfer_start:
            await self.ports.data_plane.stop(transfer)

    def forget(self, action: Action) -> None:
        """Forget what is kept in memory of an action that is done."""
        self._refusals.pop(action.id, None)
        self._opened.pop(action.id, None)
        self._ready.discard(action.process)

    async def _publish(self, work: Work) -> None:
        for tell in work.told:
            tell()
        for transfer_id in work.stopped:
            try:
                await self.stop_access(transfer_id)
            except HansaError as error:  # the outbox repeats it
                _log.warning("stop_failed", transfer=transfer_id, code=error.code.value)
        for agreement in work.ended:
            await _tell(self._on_agreement_ended, agreement)
        for item in work.changed.values():
            await _tell(self._on_change, _change(item))
            if isinstance(item, TransferProcess):
                await _tell(self._on_transfer_changed, item)


def _change(item: Process | Agreement) -> Change:
    if isinstance(item, Agreement):
        return Change("agreement", item.id, item.state.value)
    kind = "negotiation" if isinstance(item, ContractNegotiation) else "transfer"
    pending = item.pending.message if item.pending else None
    return Change(kind, item.id, item.state.value, pending)


async def _tell(listeners: list[Listener[X]], item: X) -> None:
    for listener in listeners:
        try:
            answer = listener(item)
            if answer is not None and inspect.isawaitable(answer):
                await answer
        except Exception as error:  # noqa: BLE001 - a listener must not undo what is committed
            _log.error("listener_failed", error=type(error).__name__, exc_info=error)
