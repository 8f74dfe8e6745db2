"""What a flow came to, told to the control plane: durably, through the outbox."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import structlog

from hansa.dataplane.flow import FLOW, DataFlow
from hansa.dataplane.flow_book import FlowBook
from hansa.dataplane.ports import ControlPlane
from hansa.kernel import Clock, Code, HansaError, Ids
from hansa.kernel.store import Action, Store, Tx

FLOW_MACHINE = "dataplane_flow"
"""The outbox machine that tells the control plane what a flow came to."""
TELLING_ATTEMPTS_MAX = 2_000  # most of a day
_log = structlog.get_logger("hansa.dataplane")


class Telling:
    """Tells the control plane of one participant's flows: `ready`, `completed`, `errored`."""

    def __init__(
        self, store: Store, book: FlowBook, control: ControlPlane, *, clock: Clock, ids: Ids
    ) -> None:
        self._store = store
        self._book = book
        self._control = control
        self._clock = clock
        self._ids = ids

    async def tell(
        self, flow_id: str, name: str, change: Callable[[DataFlow], DataFlow], **body: str
    ) -> None:
        """Commit a change of a flow together with the action that tells it.

        Nothing happens when there is no such flow, or nothing changed (an error is told anyway).
        """
        action = self._ids.new()
        now = self._clock.now()

        def job(tx: Tx) -> None:
            flow = tx.get(FLOW, flow_id)
            if flow is None:
                return
            changed = change(flow)
            if changed == flow and name != "errored":
                return
            tx.put(FLOW, msgspec.structs.replace(changed, modified=now))
            tx.enqueue(
                Action(id=action, machine=FLOW_MACHINE, process=flow_id, name=name, body=body)
            )

        await self._store.write(job)
        _log.info("flow_told", flow=flow_id, what=name)

    async def work(self, action: Action) -> None:
        """Do an action of the outbox: tell it; what fails is raised, and so tried again."""
        flow = await self._book.find(action.process)
        if flow is not None:
            try:
                await self._say(flow, action)
            except HansaError as error:
                if error.code is not Code.not_found:
                    raise
                _log.warning("flow_unknown_to_control", flow=flow.id, what=action.name)
        await self._store.write(lambda tx: tx.complete(action.id))

    async def _say(self, flow: DataFlow, action: Action) -> None:
        if action.name == "ready":
            await self._control.ready(flow)
        elif action.name == "completed":
            await self._control.completed(flow)
        else:
            await self._control.errored(flow, str(action.body.get("reason", "")))
