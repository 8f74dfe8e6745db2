"""The data flows of one participant: durable, whichever plane moves them and whoever asks."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import structlog

from hansa.dataplane.enforcement import Enforcement
from hansa.dataplane.flow import (
    ENDED,
    NOT_READY,
    DataFlow,
    FlowRole,
    FlowState,
    Opened,
    PlaneAnswer,
    Progress,
)
from hansa.dataplane.flow_book import FlowBook, flow_ended
from hansa.dataplane.model import DataAddress
from hansa.dataplane.planes import ForeignPlane, Plane
from hansa.dataplane.planes.choice import Planes
from hansa.dataplane.ports import ControlPlane, Sealer
from hansa.dataplane.progress import ProgressLedger
from hansa.dataplane.service import Grants
from hansa.dataplane.telling import FLOW_MACHINE, TELLING_ATTEMPTS_MAX, Telling
from hansa.dataplane.turns import Turns
from hansa.kernel import Clock, Code, HansaError, Ids
from hansa.kernel.outbox import Reconciler
from hansa.kernel.store import Action, Store

_S = FlowState
_log = structlog.get_logger("hansa.dataplane")
_REASON_LENGTH_MAX = 1_000


class Flows:
    """The flows of one participant. Register the planes, then `load`; `stop` with the node.

    Calls of the control plane are idempotent and one after the other per flow. What a plane has to
    tell (`ready`, `on_done`, `on_error`) is committed with its action in the outbox.
    """

    def __init__(
        self,
        store: Store,
        *,
        grants: Grants,
        sealer: Sealer,
        progress: ProgressLedger,
        control: ControlPlane,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._grants = grants
        self._book = FlowBook(store, sealer=sealer, progress=progress, clock=clock)
        self._progress = progress
        self._telling = Telling(store, self._book, control, clock=clock, ids=ids)
        self._planes = Planes()
        self._turns = Turns()

    def register(self, *planes: Plane) -> None:
        """Add planes; of two with one profile the first that serves the dataset is taken."""
        self._planes.add(*planes)

    def register_foreign(self, plane: ForeignPlane) -> None:
        """Set the plane that stands for all that others operate."""
        self._planes.foreign = plane

    @property
    def profiles(self) -> tuple[str, ...]:
        """Name every profile that a registered plane serves."""
        return self._planes.profiles

    async def load(self) -> int:
        """Go on with the pushes that ran when the node stopped; give their number.

        One that can't go on is told to the control plane as an error.
        """
        running = 0
        after: str | None = None
        while page := await self._book.running(after):
            for flow in page:
                running += await self._rerun(flow)
            after = page[-1].id
        return running

    async def _rerun(self, flow: DataFlow) -> bool:
        async with self._turns.of(flow.id):
            try:
                plane = await self.plane_for(flow)
                await self._allow(flow)
                await plane.start(flow, self._book.opened(flow, flow.sealed))
            except HansaError as error:
                await self.on_error(flow.id, f"{error.code.value}: {error.title}")
            except Exception as error:  # noqa: BLE001 - one push must not keep the node down
                _log.error("push_not_resumed", flow=flow.id, exc_info=error)
                await self.on_error(flow.id, "The data could not be sent on after a restart.")
            else:
                return True
            return False

    async def stop(self) -> None:
        """Write down the progress that is not yet written."""
        await self._progress.stop()

    # -- asked by the control plane ----------------------------------------------------------

    async def check(self, asked: DataFlow, address: DataAddress | None = None) -> None:
        """Return when a plane of ours can do it; HansaError invalid_field, policy_unsupported."""
        flow = await self._planes.chosen(asked)
        await (await self.plane_for(flow)).check(flow, address)

    async def prepare(self, asked: DataFlow, address: DataAddress | None = None) -> Opened:
        """Get ready as consumer, before the request; for a suspended flow: before its resume.

        Give the address that the provider has to send to, if it is a push.
        """
        async with self._turns.of(asked.id):
            flow = await self._known(asked)
            if flow.opened is not None and flow.state is not FlowState.SUSPENDED:
                return Opened(self._book.opened(flow, flow.opened))
            if flow.state not in (_S.INITIALIZED, _S.PREPARING, _S.SUSPENDED):
                return Opened(ready=flow.state not in ENDED)
            plane = await self.plane_for(flow)
            if flow.push:  # where the operator wants it is said once, and holds for later calls
                kept = flow.sealed if address is None else self._book.sealed(flow, address)
                flow = await self._book.put(flow, sealed=kept, elsewhere=kept is not None)
                address = self._book.opened(flow, flow.sealed)
            answer = await plane.prepare(flow, address)
            if answer is None and not (flow.push or flow.plane or flow.control):
                return Opened()  # a pull of our own: nothing is there to be kept yet
            done = _S.STARTED if flow.state is _S.SUSPENDED else _S.PREPARED
            return await self._answered(flow, plane, answer, FlowState.PREPARING, done)

    async def requested(self, asked: DataFlow, address: DataAddress) -> None:
        """Keep the consumer's address of a push, durably; a newer one replaces it."""
        async with self._turns.of(asked.id):
            flow = await self._known(asked)
            plane = await self.plane_for(flow)
            await plane.check(flow, address)
            await self._book.put(flow, sealed=self._book.sealed(flow, address))

    async def start(self, asked: DataFlow, address: DataAddress | None = None) -> Opened:
        """Begin or go on as provider; for a pull give the access.

        HansaError agreement_ended, not_found, transfer_ended, policy_unsupported, invalid_field.
        """
        async with self._turns.of(asked.id):
            flow = await self._known(asked)
            if flow.push and flow.state is FlowState.COMPLETED:
                return Opened()  # all was sent before the counterparty heard of the start
            if flow.state in ENDED:
                raise flow_ended(flow)
            if flow.state is FlowState.STARTED and flow.opened is not None:
                return Opened(self._book.opened(flow, flow.opened))
            plane = await self.plane_for(flow)
            if address is not None:
                flow = await self._book.put(flow, sealed=self._book.sealed(flow, address))
            await plane.check(flow, self._book.opened(flow, flow.sealed))
            if flow.push or flow.control:
                await self._allow(flow)
            if flow.push:
                flow = await self._begin(flow)
            answer = await plane.start(flow, self._book.opened(flow, flow.sealed))
            return await self._answered(flow, plane, answer, FlowState.STARTING, FlowState.STARTED)

    async def _begin(self, flow: DataFlow) -> DataFlow:
        """Write that a push begins before it does."""
        if flow.state is FlowState.STARTED:
            return flow
        resumed = flow.state is FlowState.SUSPENDED
        return await self._book.put(flow, state=_S.STARTED if resumed else _S.STARTING)

    async def _allow(self, flow: DataFlow) -> None:
        await self._grants.allow(
            flow.id, flow.agreement_id, flow.counterparty, vouched=bool(flow.control)
        )

    async def started(self, asked: DataFlow, address: DataAddress | None = None) -> None:
        """Note as consumer that the provider started; an address is durable on return."""
        async with self._turns.of(asked.id):
            flow = await self._known(asked)
            if flow.state in ENDED:
                raise flow_ended(flow)
            plane = await self.plane_for(flow)
            if address is not None:
                await plane.check(flow, address)
                flow = msgspec.structs.replace(flow, sealed=self._book.sealed(flow, address))
            flow = await self._book.put(flow, state=FlowState.STARTED, reason=None)
            await plane.started(flow, address)

    async def suspend(self, flow_id: str, reason: str | None = None) -> None:
        """Stop for now. Idempotent; nothing happens to a flow that is not there or ended."""
        async with self._turns.of(flow_id):
            flow = await self._book.find(flow_id, counts=False)
            if flow is None or flow.role is FlowRole.provider:
                await self._grants.suspend(flow_id, reason)
            if flow is None or flow.state in ENDED:
                return
            if flow.state is FlowState.STARTED:
                state = FlowState.SUSPENDED
                flow = await self._book.put(flow, state=state, opened=None, reason=reason)
            await (await self.plane_for(flow)).suspend(flow, reason)

    async def complete(self, flow_id: str) -> None:
        """Close: the data were moved. Idempotent."""
        await self._end(flow_id, FlowState.COMPLETED, None)

    async def terminate(self, flow_id: str, reason: str | None = None) -> None:
        """Stop for good. Idempotent."""
        await self._end(flow_id, FlowState.TERMINATED, reason)

    async def _end(self, flow_id: str, state: FlowState, reason: str | None) -> None:
        async with self._turns.of(flow_id):
            flow = await self._book.find(flow_id, counts=False)
            if flow is None or flow.role is FlowRole.provider:
                await self._grants.terminate(flow_id, reason)
            if flow is None:
                return
            if flow.state not in ENDED:
                flow = await self._book.end(flow, state, reason)
            plane = await self.plane_for(flow)
            if flow.state is FlowState.COMPLETED:
                await plane.complete(flow)
            else:
                await plane.terminate(flow, reason)
            if flow.push:
                await self._progress.flush()

    # -- asked by the planes -----------------------------------------------------------------

    async def find(self, flow_id: str) -> DataFlow | None:
        """Give a flow as it stands with its newest progress, or None."""
        return await self._book.find(flow_id)

    async def get(self, flow_id: str) -> DataFlow:
        """Give a flow as it stands with its newest progress; HansaError not_found."""
        flow = await self.find(flow_id)
        if flow is None:
            raise HansaError(Code.not_found, "There is no such data flow.")
        return flow

    async def list(self, **where: str) -> list[DataFlow]:
        """List flows by `agreement`, `state`, `control` or `plane` (at most 1,000)."""
        return await self._book.list(**where)

    async def address(self, flow_id: str) -> DataAddress | None:
        """Give the counterparty's address with its secrets, or None."""
        flow = await self.get(flow_id)
        return self._book.opened(flow, flow.sealed)

    async def given(self, flow_id: str) -> DataAddress | None:
        """Give the address that we gave for a flow that was not ready at once, or None."""
        flow = await self.get(flow_id)
        return self._book.opened(flow, flow.opened)

    async def enforcement(self, flow_id: str) -> Enforcement:
        """Let a push send, with the scope that holds now, or raise why not.

        Member, agreement, transfer and policy are decided as for a request with a token (errors
        as `Grants.authorise`); `check` decides again before every item, `record` counts it.
        """
        return await self._grants.enforce(flow_id)

    def progress(self, flow_id: str, progress: Progress) -> None:
        """Note how far a flow is. Costs no I/O: it is written within a second."""
        self._progress.note(flow_id, progress)

    async def ready(self, flow_id: str, address: DataAddress | None = None) -> None:
        """Tell the control plane that a flow that was not ready at once is.

        Not to be awaited within the plane's own `prepare` or `start`.
        """
        targets = {_S.PREPARING: _S.PREPARED, _S.STARTING: _S.STARTED}

        def change(flow: DataFlow) -> DataFlow:
            if flow.state not in targets:
                return flow
            opened = None if address is None else self._book.sealed(flow, address)
            return msgspec.structs.replace(flow, state=targets[flow.state], opened=opened)

        async with self._turns.of(flow_id):
            await self._telling.tell(flow_id, "ready", change)

    async def on_done(self, flow_id: str) -> None:
        """Tell the control plane that all data were moved. The flow's own access is closed."""
        await self._progress.flush()

        def change(flow: DataFlow) -> DataFlow:
            if flow.state in ENDED:
                return flow
            return msgspec.structs.replace(
                flow, state=FlowState.COMPLETED, sealed=None, opened=None
            )

        await self._telling.tell(flow_id, "completed", change)
        await self._grants.terminate(flow_id)

    async def on_error(self, flow_id: str, reason: str) -> None:
        """Tell the control plane what went wrong; the state stays, it decides what follows."""
        flow = await self.find(flow_id)
        if flow is None:
            return
        await self._progress.error(flow, reason := reason[:_REASON_LENGTH_MAX])
        await self._telling.tell(flow_id, "errored", lambda flow: flow, reason=reason)

    async def work(self, action: Action) -> None:
        """Do an action of the outbox: tell the control plane."""
        await self._telling.work(action)

    # -- within ------------------------------------------------------------------------------

    async def plane_for(self, flow: DataFlow) -> Plane:
        """Give the plane that moves a flow; HansaError invalid_field when there is none."""
        return await self._planes.plane_for(flow)

    async def _known(self, asked: DataFlow) -> DataFlow:
        return await self._planes.chosen(await self._book.known(asked))

    async def _answered(
        self,
        flow: DataFlow,
        plane: Plane,
        answer: PlaneAnswer,
        waiting: FlowState,
        done: FlowState,
    ) -> Opened:
        """Keep what was answered. A plane of ours makes a pull's access anew at each start."""
        if answer is NOT_READY:
            await self._book.put(flow, state=waiting)
            return Opened(ready=False)
        assert answer is None or isinstance(answer, DataAddress)
        kept = flow.opened
        if answer is not None and (flow.push or flow.plane):
            kept = self._book.sealed(flow, answer)
        await self._book.put(flow, state=done, opened=kept, reason=None)
        return Opened(answer)


def register(reconciler: Reconciler, lookup: Callable[[str], Flows]) -> None:
    """Let the reconciler tell control planes; `lookup` gives a participant's flows."""

    async def tell(store: Store, action: Action) -> None:
        await lookup(store.participant).work(action)

    reconciler.register(FLOW_MACHINE, tell, attempts=TELLING_ATTEMPTS_MAX, backoff_max_s=30.0)
