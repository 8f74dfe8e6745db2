"""Where data flows are kept: documents, with the addresses encrypted and the newest progress."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from hansa.dataplane.flow import ENDED, FLOW, DataFlow, FlowState, Progress, may_move
from hansa.dataplane.model import DataAddress
from hansa.dataplane.ports import Sealer
from hansa.dataplane.progress import ProgressLedger
from hansa.kernel import Clock, Code, HansaError
from hansa.kernel.store import ReadTx, Store, Tx

_PAGE = 1_000
_encode = msgspec.json.Encoder().encode


class FlowBook:
    """The flows of one participant at rest."""

    def __init__(
        self, store: Store, *, sealer: Sealer, progress: ProgressLedger, clock: Clock
    ) -> None:
        self.store = store
        self.progress = progress
        self._sealer = sealer
        self._clock = clock

    async def find(self, flow_id: str, *, counts: bool = True) -> DataFlow | None:
        """Give a flow as it stands with its newest progress, or None.

        Without `counts` that of a pull is left out, which costs no look at the usage.
        """
        flow = await self.store.read(lambda tx: tx.get(FLOW, flow_id))
        if flow is None or not (counts or flow.push):
            return flow
        return await self.progress.of(flow)

    async def list(self, **where: str) -> list[DataFlow]:
        """List flows by `agreement`, `state`, `control` or `plane` (at most 1,000)."""
        found = await self.store.read(lambda tx: tx.find(FLOW, where, limit=_PAGE))
        return [await self.progress.of(flow) for flow in found]

    async def running(self, after: str | None) -> Sequence[DataFlow]:
        """Give a page of the pushes of ours that are started, by id, from `after` on."""
        page = await self.store.read(partial(_running, after=after))
        return [await self.progress.of(flow) for flow in page]

    async def known(self, asked: DataFlow) -> DataFlow:
        """Give the kept flow, or the asked one when it is new; HansaError conflict."""
        flow = await self.find(asked.id, counts=False)
        if flow is None:
            return asked
        same = ("role", "profile", "agreement_id", "counterparty", "control")
        if any(getattr(flow, name) != getattr(asked, name) for name in same):
            raise HansaError(Code.conflict, "This data flow belongs to another transfer.")
        return flow

    async def put(self, flow: DataFlow, **changes: object) -> DataFlow:
        """Write a flow as read with changes; where it moved on in the meantime, that stays.

        HansaError illegal_state when the table has no such arrow.
        """
        now = self._clock.now()
        wanted = msgspec.structs.replace(flow, **changes)

        def job(tx: Tx) -> DataFlow:
            known = tx.get(FLOW, flow.id)
            if known is not None and known.state is not flow.state:
                return known
            if wanted.state is not flow.state and not may_move(flow.state, wanted.state):
                raise HansaError(
                    Code.illegal_state,
                    f"A data flow that is {flow.state} can't become {wanted.state}.",
                    state=flow.state.value,
                )
            put = msgspec.structs.replace(wanted, modified=now, progress=Progress())
            tx.put(FLOW, put)
            return put

        return msgspec.structs.replace(await self.store.write(job), progress=flow.progress)

    async def end(self, flow: DataFlow, state: FlowState, reason: str | None) -> DataFlow:
        """Write that a flow is over, in whichever state it was: both sides said so."""
        now = self._clock.now()

        def job(tx: Tx) -> DataFlow:
            known = tx.get(FLOW, flow.id) or flow
            if known.state in ENDED:
                return known
            ended = msgspec.structs.replace(
                known, state=state, sealed=None, opened=None, reason=reason, modified=now
            )
            tx.put(FLOW, ended)
            return ended

        return msgspec.structs.replace(await self.store.write(job), progress=flow.progress)

    def sealed(self, flow: DataFlow, address: DataAddress) -> bytes:
        """Encrypt an address for its flow."""
        return self._sealer.seal(_encode(address), self._context(flow))

    def opened(self, flow: DataFlow, sealed: bytes | None) -> DataAddress | None:
        """Give an address of a flow with its secrets."""
        if sealed is None:
            return None
        plain = self._sealer.open(sealed, self._context(flow))
        return msgspec.json.decode(plain, type=DataAddress)

    def _context(self, flow: DataFlow) -> bytes:
        return f"dataplane/flow/{self.store.participant}/{flow.id}".encode()


def _running(tx: ReadTx, *, after: str | None) -> list[DataFlow]:
    return tx.find(FLOW, {"runs": "sends"}, after=after, limit=_PAGE)


def flow_ended(flow: DataFlow) -> HansaError:
    """Say that a flow has ended."""
    return HansaError(
        Code.transfer_ended,
        "The data flow has ended.",
        flow.reason or "Start a new transfer under the agreement.",
        status=400,
        state=flow.state.value,
    )
