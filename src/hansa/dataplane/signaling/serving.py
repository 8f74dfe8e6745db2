"""Our data planes at the service of foreign control planes (Data Plane Signaling 1.0, 9.1)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

import msgspec
import structlog

from hansa.dataplane.flow import DataFlow, FlowRole, FlowState, Opened
from hansa.dataplane.flows import Flows
from hansa.dataplane.model import DataAddress
from hansa.dataplane.ports import Client
from hansa.dataplane.signaling import wire_dps_1_0_rc3 as wire
from hansa.dataplane.signaling.model import ASKED, VOUCHED, Asked, Peer, PeerKind, Vouched
from hansa.dataplane.signaling.peers import Peers
from hansa.kernel import Clock, Code, HansaError, Ids
from hansa.kernel.store import Store, Tx

_log = structlog.get_logger("hansa.signaling")
_TIMEOUT_S = 10.0
_AGREEMENT_BYTES_MAX = 256 * 1024
_FROM: dict[str, frozenset[FlowState]] = {
    "started": frozenset({FlowState.PREPARED, FlowState.STARTED, FlowState.SUSPENDED}),
    "suspend": frozenset({FlowState.STARTED, FlowState.SUSPENDED}),
    "resume": frozenset({FlowState.SUSPENDED, FlowState.STARTED}),
    "completed": frozenset({FlowState.STARTED, FlowState.COMPLETED}),
    "terminate": frozenset(FlowState) - {FlowState.COMPLETED},
}
"""In which states a later call is allowed; in the last one it was done already."""


class Answer(msgspec.Struct, frozen=True):
    """What to answer: status, body, and for a 202 where to ask."""

    status: int
    body: dict[str, Any] | None = None
    location: str | None = None


class Serving:
    """The data plane that foreign control planes of this participant ask for flows.

    The control plane decides who the counterparty is and under which agreement; we fetch that
    agreement, refuse what we can't enforce, and enforce it for every request and item.
    """

    def __init__(
        self,
        store: Store,
        *,
        flows: Flows,
        peers: Peers,
        client: Client,
        is_own_agreement: Callable[[str], Awaitable[bool]],
        agreement_changed: Callable[[str], Awaitable[None]],
        clock: Clock,
        ids: Ids,
    ) -> None:
        """`is_own_agreement` says whether our own exchange has an agreement with an id.

        `agreement_changed` is told when a control plane gives an agreement with other terms.
        """
        self._store = store
        self._flows = flows
        self._peers = peers
        self._client = client
        self._is_own_agreement = is_own_agreement
        self._agreement_changed = agreement_changed
        self._clock = clock
        self._ids = ids

    # -- asked by a control plane ----------------------------------------------------------------

    async def prepare(self, peer: Peer, document: Mapping[str, Any]) -> Answer:
        """Take a DataFlowPrepareMessage: we are the consumer's plane."""
        asked = wire.read_opening(document)
        if asked.address is not None:
            raise _bad("dataAddress", "A prepare carries none.")
        flow = self._flow(peer, asked, FlowRole.consumer)
        await self._begin(peer, asked)
        opened = await self._flows.prepare(flow)
        return await self._opened(peer, asked, opened, FlowState.PREPARING, FlowState.PREPARED)

    async def start(self, peer: Peer, document: Mapping[str, Any]) -> Answer:
        """Take a DataFlowStartMessage: we are the provider's plane."""
        asked = wire.read_opening(document)
        flow = self._flow(peer, asked, FlowRole.provider)
        if asked.address is not None and not flow.push:
            raise _bad("dataAddress", "A pull carries none: we give the address.")
        if asked.address is None and flow.push:
            raise _bad("dataAddress", "A push needs one.")
        await self._flows.plane_for(flow)
        await self._begin(peer, asked)
        await self._vouch(peer, asked)  # a plane's own check may ask for the agreement
        await self._flows.check(flow, asked.address)
        opened = await self._flows.start(flow, asked.address)
        return await self._opened(peer, asked, opened, FlowState.STARTING, FlowState.STARTED)

    async def notify(
        self, peer: Peer, flow_id: str, verb: str, document: Mapping[str, Any]
    ) -> Answer:
        """Take a later call: started, suspend, resume, completed, terminate.

        HansaError not_found (unknown or another control plane's), illegal_state, invalid_field.
        """
        flow = await self._own(peer, flow_id)
        if flow.state not in _FROM[verb]:
            raise _illegal(flow, verb)
        address = wire.read_address(document)
        if verb == "started":
            if flow.role is not FlowRole.consumer:
                raise _illegal(flow, verb)
            if flow.push and address is not None:
                raise _bad("dataAddress", "The consumer of a push gave it.")
            await self._flows.started(flow, address)
        elif verb == "resume":
            return await self._resume(flow, address)
        elif verb == "suspend":
            await self._flows.suspend(flow_id, wire.read_reason(document))
        elif verb == "completed":
            await self._flows.complete(flow_id)
        else:
            await self._flows.terminate(flow_id, wire.read_reason(document))
        return Answer(200)

    async def status(self, peer: Peer, flow_id: str) -> Answer:
        """Give the state of a flow."""
        return Answer(200, dict(wire.status_response(await self._own(peer, flow_id))))

    async def _resume(self, flow: DataFlow, address: DataAddress | None) -> Answer:
        given: DataAddress | None = None
        if flow.role is FlowRole.provider:
            if address is not None and not flow.push:
                raise _bad("dataAddress", "A pull carries none: we give the address.")
            given = (await self._flows.start(flow, address)).address
        elif flow.push:
            given = (await self._flows.prepare(flow)).address
        else:
            await self._flows.started(flow, address)
        now = await self._flows.get(flow.id)
        return Answer(200, wire.status_message(self._ids.uuid(), flow.id, now.state, given))

    # -- told to the control plane ---------------------------------------------------------------

    async def ready(self, flow: DataFlow) -> None:
        """Say `prepared` or `started`, with the address."""
        await self._tell(flow, "prepared" if flow.state is FlowState.PREPARED else "started")

    async def completed(self, flow: DataFlow) -> None:
        """Say `completed`."""
        await self._tell(flow, "completed")

    async def errored(self, flow: DataFlow, reason: str) -> None:
        """Say `errored`; the control plane decides what follows."""
        await self._tell(flow, "errored", reason)

    async def _tell(self, flow: DataFlow, verb: str, error: str | None = None) -> None:
        asked = await self._store.read(lambda tx: tx.get(ASKED, flow.id))
        peer = await self._peers.find(PeerKind.control_plane, flow.control)
        if asked is None or peer is None:
            _log.warning("control_plane_gone", flow=flow.id, control=flow.control)
            return
        address = await self._flows.given(flow.id) if verb in ("prepared", "started") else None
        body = wire.status_message(self._ids.uuid(), flow.id, flow.state, address, error)
        answer = await self._client.request(
            "POST",
            wire.transfer_url(asked.callback, flow.id, "dataflow", verb),
            headers={"Authorization": await self._peers.header(peer)},
            json=body,
            timeout_s=_TIMEOUT_S,
            body_bytes_max=_AGREEMENT_BYTES_MAX,
        )
        if answer.status == 401:
            self._peers.refused(peer)
        if not answer.ok:
            raise HansaError(
                Code.counterparty_refused, f"The control plane answered {answer.status}."
            )

    # -- within ----------------------------------------------------------------------------------

    def _flow(self, peer: Peer, asked: wire.Opening, role: FlowRole) -> DataFlow:
        now = self._clock.now()
        return DataFlow(
            id=asked.process_id,
            role=role,
            profile=asked.profile,
            agreement_id=asked.agreement_id,
            dataset_id=asked.dataset_id,
            counterparty=asked.counterparty,
            control=peer.id,
            created=now,
            modified=now,
        )

    async def _begin(self, peer: Peer, asked: wire.Opening) -> None:
        """Note who asked; HansaError conflict for a second prepare or start of a process."""
        callback = asked.callback or peer.endpoint
        if not wire.same_origin(callback, peer.endpoint):
            raise _bad("callbackAddress", "It must have the origin of the registered endpoint.")

        def job(tx: Tx) -> None:
            known = tx.get(ASKED, asked.process_id)
            if known is None:
                tx.put(
                    ASKED,
                    Asked(
                        flow_id=asked.process_id, control=peer.id, callback=callback, message_id=""
                    ),
                )
            elif known.control != peer.id or known.message_id not in ("", asked.message_id):
                raise HansaError(
                    Code.conflict,
                    "There is a data flow for this process already.",
                    "Ask for its status.",
                    field="processId",
                )

        known = await self._flows.find(asked.process_id)
        if known is not None and known.control != peer.id:
            raise HansaError(
                Code.conflict, "There is a data flow for this process already.", field="processId"
            )
        await self._store.write(job)

    async def _opened(
        self, peer: Peer, asked: wire.Opening, opened: Opened, waiting: FlowState, done: FlowState
    ) -> Answer:
        callback = asked.callback or peer.endpoint
        kept = Asked(
            flow_id=asked.process_id,
            control=peer.id,
            callback=callback,
            message_id=asked.message_id,
        )

        def job(tx: Tx) -> None:
            tx.put(ASKED, kept)

        await self._store.write(job)
        state = done if opened.ready else waiting
        body = wire.status_message(self._ids.uuid(), asked.process_id, state, opened.address)
        if opened.ready:
            return Answer(200, body)
        location = f"/dataflows/{quote(asked.process_id, safe='')}/status"
        return Answer(202, body, location)

    async def _own(self, peer: Peer, flow_id: str) -> DataFlow:
        flow = await self._flows.find(flow_id)
        if flow is None or flow.control != peer.id:
            raise HansaError(Code.not_found, "There is no such data flow.")
        return flow

    async def _vouch(self, peer: Peer, asked: wire.Opening) -> None:
        """Fetch the agreement from the control plane and keep it; HansaError says what is wrong."""
        if await self._is_own_agreement(asked.agreement_id):
            raise _foreign_agreement()
        answer = await self._client.request(
            "GET",
            wire.transfer_url(asked.callback or peer.endpoint, asked.process_id, "agreement"),
            headers={"Authorization": await self._peers.header(peer)},
            timeout_s=_TIMEOUT_S,
            body_bytes_max=_AGREEMENT_BYTES_MAX,
        )
        policy = answer.json() if answer.ok else None
        if not isinstance(policy, dict):
            raise HansaError(
                Code.unavailable,
                "The control plane did not give the agreement.",
                f"GET /transfers/{{id}}/agreement answered {answer.status}; nothing is moved "
                "without terms.",
                status=400,
            )
        wanted = {
            "@id": asked.agreement_id,
            "target": asked.dataset_id,
            "assignee": asked.counterparty,
            "assigner": asked.participant,
        }
        for name, value in wanted.items():
            if policy.get(name) != value:
                raise _bad("agreementId", f"The agreement's `{name}` does not fit the message.")
        vouched = Vouched(id=asked.agreement_id, control=peer.id, policy=policy)

        def job(tx: Tx) -> bool:
            known = tx.get(VOUCHED, vouched.id)
            if known is not None and known.control != peer.id:
                raise _foreign_agreement()
            tx.put(VOUCHED, vouched)
            return known is not None and known.policy != policy

        if await self._store.write(job):
            await self._agreement_changed(vouched.id)

    async def agreement(self, agreement_id: str) -> dict[str, Any] | None:
        """Give an agreement that a control plane told, or None."""
        vouched = await self._store.read(lambda tx: tx.get(VOUCHED, agreement_id))
        return None if vouched is None else vouched.policy


def _foreign_agreement() -> HansaError:
    return HansaError(
        Code.conflict, "This agreement is of another control plane.", field="agreementId"
    )


def _illegal(flow: DataFlow, verb: str) -> HansaError:
    return HansaError(
        Code.illegal_state,
        f"A {flow.role} flow that is {flow.state} takes no {verb}.",
        state=flow.state.value,
    )


def _bad(field: str, detail: str) -> HansaError:
    return HansaError(Code.invalid_field, f"`{field}` is not right.", detail, field=field)
