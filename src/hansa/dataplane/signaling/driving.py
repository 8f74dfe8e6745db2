"""Foreign data planes as one more plane of ours: we are the control plane that drives them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import structlog

from hansa.dataplane.flow import (
    ENDED,
    NOT_READY,
    DataFlow,
    FlowState,
    PlaneAnswer,
)
from hansa.dataplane.flows import Flows
from hansa.dataplane.model import DataAddress
from hansa.dataplane.ports import Client, Sealer
from hansa.dataplane.signaling import wire_dps_1_0_rc3 as wire
from hansa.dataplane.signaling.model import DRIVEN, Driven, Peer, PeerKind
from hansa.dataplane.signaling.peers import Peers
from hansa.kernel import Code, HansaError, Ids
from hansa.kernel.outbound import OutboundResponse
from hansa.kernel.store import Store, Tx

_log = structlog.get_logger("hansa.signaling")
_TIMEOUT_S = 10.0
_ANSWER_BYTES_MAX = 256 * 1024
_S = FlowState
_REACHED = {_S.PREPARING: (_S.PREPARED,), _S.STARTING: (_S.STARTED, _S.COMPLETED)}
_POLLS_MAX = 2_880  # at half a minute: a day, for a plane that says that it is at it
_SILENT_MAX = 120  # an hour, for one that does not
_CALLBACKS: dict[str, tuple[frozenset[FlowState], FlowState]] = {
    "prepared": (frozenset({_S.INITIALIZED, _S.PREPARING}), _S.PREPARED),
    "started": (frozenset({_S.INITIALIZED, _S.PREPARED, _S.STARTING}), _S.STARTED),
    "completed": (frozenset({_S.STARTED}), _S.COMPLETED),
}


class ForeignPlanes:
    """Every registered data plane that is not ours, chosen by profile and labels.

    The labels of a registration name datasets: such a plane moves those and no others, and comes
    before our own planes. One without labels moves what none of ours does.
    """

    def __init__(
        self,
        store: Store,
        *,
        flows: Flows,
        peers: Peers,
        client: Client,
        sealer: Sealer,
        did: str,
        dataspace: Callable[[], str],
        claims: Callable[[str], Mapping[str, Any]],
        ids: Ids,
    ) -> None:
        """`dataspace` names the data space, `claims` gives what a counterparty showed us."""
        self._store = store
        self._flows = flows
        self._peers = peers
        self._client = client
        self._sealer = sealer
        self._did = did
        self._dataspace = dataspace
        self._claims = claims
        self._ids = ids
        self._known: list[Peer] = []

    async def load(self) -> None:
        """Read the registered planes; again after each registration."""
        found = await self._peers.list(PeerKind.data_plane)
        self._known = sorted(found, key=lambda peer: peer.id)

    @property
    def profiles(self) -> tuple[str, ...]:
        """Name every profile that some registered plane serves."""
        return tuple(dict.fromkeys(name for peer in self._known for name in peer.profiles))

    async def serves(self, flow: DataFlow) -> bool:
        """Say whether a plane is registered for the profile, and this dataset if it has labels."""
        return self._pick(flow) is not None

    async def names(self, flow: DataFlow) -> bool:
        """Say whether a plane is registered for the profile and this very dataset."""
        peer = self._pick(flow)
        return peer is not None and bool(peer.labels)

    def _pick(self, flow: DataFlow) -> Peer | None:
        fitting = [peer for peer in self._known if flow.profile in peer.profiles]
        named = [peer for peer in fitting if flow.dataset_id in peer.labels]
        return next(iter([*named, *(peer for peer in fitting if not peer.labels)]), None)

    async def check(self, flow: DataFlow, address: DataAddress | None) -> None:
        """Leave it to the plane."""

    # -- as a plane ------------------------------------------------------------------------------

    async def prepare(self, flow: DataFlow, address: DataAddress | None) -> PlaneAnswer:
        """Prepare; a suspended flow is resumed."""
        driven = await self._driven(flow.id)
        if driven is None or driven.state is _S.INITIALIZED:
            return await self._open(flow, "prepare", None)
        if driven.state is _S.SUSPENDED:
            return await self._resume(driven, None)
        return await self._ask(flow, driven)

    async def start(self, flow: DataFlow, address: DataAddress | None) -> PlaneAnswer:
        """Start; a suspended flow is resumed, a running one goes on by itself."""
        driven = await self._driven(flow.id)
        if driven is None or driven.state is _S.INITIALIZED:
            return await self._open(flow, "start", address if flow.push else None)
        if driven.state is _S.SUSPENDED:
            return await self._resume(driven, address if flow.push else None)
        return await self._ask(flow, driven)

    async def started(self, flow: DataFlow, address: DataAddress | None) -> None:
        """Tell the consumer's plane that the provider started."""
        driven = await self._expected(flow.id)
        given = None if flow.push else address
        if driven.state is _S.SUSPENDED:
            await self._resume(driven, given)
            return
        if driven.state is not _S.STARTED or given is not None:
            await self._call(driven, "started", wire.notice_message(self._ids.uuid(), given))
            await self._move(driven, _S.STARTED)

    async def suspend(self, flow: DataFlow, reason: str | None) -> None:
        """Suspend."""
        driven = await self._driven(flow.id)
        if driven is not None and driven.state is _S.STARTED:
            await self._call(driven, "suspend", wire.stop_message(self._ids.uuid(), reason))
            await self._move(driven, _S.SUSPENDED)

    async def complete(self, flow: DataFlow) -> None:
        """Say that the data were moved, unless the plane said so itself."""
        driven = await self._driven(flow.id)
        if driven is not None and driven.state not in ENDED:
            await self._call(driven, "completed", {}, last=True)
            await self._move(driven, _S.COMPLETED)

    async def terminate(self, flow: DataFlow, reason: str | None) -> None:
        """Terminate; a plane that refuses this has nothing to end any more."""
        driven = await self._driven(flow.id)
        if driven is None or driven.state in ENDED:
            return
        body = wire.stop_message(self._ids.uuid(), reason)
        await self._call(driven, "terminate", body, last=True)
        await self._move(driven, _S.TERMINATED)

    # -- told by a plane -------------------------------------------------------------------------

    async def take(
        self, peer: Peer, process_id: str, verb: str, document: Mapping[str, Any]
    ) -> None:
        """Take prepared, started, completed or errored of a plane about its own flow.

        HansaError not_found (unknown or another plane's), illegal_state. A repeat changes nothing.
        """
        driven = await self._driven(process_id)
        if driven is None or driven.plane != peer.id:
            raise HansaError(Code.not_found, "There is no such transfer.")
        status = wire.read_status(document)
        if verb == "errored":
            if driven.state not in ENDED:
                await self._flows.on_error(process_id, status.error or "The data plane failed.")
            return
        sources, target = _CALLBACKS[verb]
        if driven.state is target:
            return
        if driven.state not in sources:
            raise HansaError(
                Code.illegal_state,
                f"A data flow that is {driven.state} can't be {verb}.",
                state=driven.state.value,
            )
        early = driven.state is _S.INITIALIZED
        remote_id = status.flow_id or driven.remote_id
        await self._move(driven, target, remote_id=remote_id, address=status.address)
        if verb == "completed":
            await self._flows.on_done(process_id)
        elif not early:
            await self._flows.ready(process_id, status.address)

    async def owns(self, peer: Peer, process_id: str) -> bool:
        """Say whether a plane moves a transfer."""
        driven = await self._driven(process_id)
        return driven is not None and driven.plane == peer.id

    # -- within ----------------------------------------------------------------------------------

    async def _open(self, flow: DataFlow, verb: str, address: DataAddress | None) -> PlaneAnswer:
        peer = self._pick(flow)
        if peer is None:
            raise _refused("No data plane is registered for this format any more.")
        driven = Driven(
            flow_id=flow.id, plane=peer.id, remote_id=flow.id, state=_S.INITIALIZED, opened=None
        )
        await self._store.write(lambda tx: tx.put(DRIVEN, driven))
        body = wire.opening_message(
            flow,
            f"{flow.id}:{verb}",  # a repeat after a lost answer is known as one
            participant=self._did,
            dataspace=self._dataspace(),
            claims=self._claims(flow.counterparty),
            address=address,
        )
        answer = await self._send(peer, "POST", wire.flow_url(peer.endpoint, verb), body)
        waiting = _S.PREPARING if verb == "prepare" else _S.STARTING
        done = _S.PREPARED if verb == "prepare" else _S.STARTED
        status = wire.read_status(_document(answer))
        state = waiting if answer.status == 202 or status.state is waiting else done
        remote_id = status.flow_id or flow.id
        kept = await self._answered(driven, state, remote_id, status.address)
        if kept.state is waiting:
            return NOT_READY
        given = self._opened(kept)
        if verb == "start" and not flow.push and given is None:
            raise _refused("The data plane started a pull without an address.")
        return given

    async def _ask(self, flow: DataFlow, driven: Driven) -> PlaneAnswer:
        """Ask a plane that answered 202 for its state; it may never call back.

        The state comes without an address: one that we need comes by the callback alone.
        HansaError when it was asked too often.
        """
        if driven.state not in _REACHED:
            return self._opened(driven)
        peer = await self._peers.find(PeerKind.data_plane, driven.plane)
        if peer is None:
            raise _refused("The data plane is not registered any more.")
        url = wire.flow_url(peer.endpoint, driven.remote_id, "status")
        answer = await self._send(peer, "GET", url, None, last=True)
        state = wire.read_status(_document(answer)).state if answer.ok else None
        if state is _S.TERMINATED:
            raise _refused("The data plane has terminated the flow.")
        preparing = driven.state is _S.PREPARING
        addressed = flow.push is preparing  # who is sent to, or fetched from, gives the address
        if state in _REACHED[driven.state] and not addressed:
            done = _S.PREPARED if preparing else _S.STARTED
            return self._opened(await self._changed(driven, state=done))
        silent = driven.silent + (state is not driven.state)
        if driven.polls >= _POLLS_MAX or silent > _SILENT_MAX:
            told = f"shows {state}" if state else "shows no state"
            raise _refused(f"The data plane answered 202, {told} and has not called back.")
        kept = await self._changed(driven, polls=driven.polls + 1, silent=silent)
        return NOT_READY if kept.state in _REACHED else self._opened(kept)

    async def _changed(self, driven: Driven, **changes: Any) -> Driven:
        """Note what asking came to; a callback that came meanwhile wins. Give what holds."""

        def job(tx: Tx) -> Driven:
            known = tx.get(DRIVEN, driven.flow_id)
            if known is not None and known.state is not driven.state:
                return known
            wanted: Driven = msgspec.structs.replace(known or driven, **changes)
            tx.put(DRIVEN, wanted)
            return wanted

        return await self._store.write(job)

    async def _answered(
        self, driven: Driven, state: FlowState, remote_id: str, address: DataAddress | None
    ) -> Driven:
        """Keep what an opening was answered; a callback that came before the answer wins."""
        wanted = self._with(driven, state, remote_id, address)

        def job(tx: Tx) -> Driven:
            known = tx.get(DRIVEN, driven.flow_id)
            if known is not None and known.state is not _S.INITIALIZED:
                return known
            tx.put(DRIVEN, wanted)
            return wanted

        return await self._store.write(job)

    async def _resume(self, driven: Driven, address: DataAddress | None) -> PlaneAnswer:
        body = wire.notice_message(self._ids.uuid(), address)
        answer = await self._call(driven, "resume", body)
        given = wire.read_status(_document(answer)).address
        await self._move(driven, _S.STARTED, address=given)
        return given

    async def _call(
        self, driven: Driven, verb: str, body: dict[str, Any], *, last: bool = False
    ) -> OutboundResponse:
        """Tell a plane something about a flow; the `last` word can't be refused."""
        peer = await self._peers.find(PeerKind.data_plane, driven.plane)
        if peer is None:
            if last or verb == "suspend":
                return OutboundResponse(204, {}, b"")
            raise _refused("The data plane is not registered any more.")
        url = wire.flow_url(peer.endpoint, driven.remote_id, verb)
        return await self._send(peer, "POST", url, body, last=last)

    async def _send(
        self,
        peer: Peer,
        method: str,
        url: str,
        body: dict[str, Any] | None,
        *,
        last: bool = False,
    ) -> OutboundResponse:
        """Call a plane. A refusal (4xx) is final: status 400; all else may be tried again."""
        answer = await self._client.request(
            method,
            url,
            headers={"Authorization": await self._peers.header(peer)},
            json=body,
            timeout_s=_TIMEOUT_S,
            body_bytes_max=_ANSWER_BYTES_MAX,
        )
        again = answer.status >= 500 or answer.status in (401, 408, 425, 429)
        if answer.ok or (last and answer.status >= 400 and not again):
            return answer
        if answer.status == 401:
            self._peers.refused(peer)
        _log.warning("plane_refused", plane=peer.id, status=answer.status)
        title = f"The data plane answered {answer.status}."
        if again:
            raise HansaError(Code.counterparty_refused, title)
        raise _refused(title)

    async def _driven(self, flow_id: str) -> Driven | None:
        return await self._store.read(lambda tx: tx.get(DRIVEN, flow_id))

    async def _expected(self, flow_id: str) -> Driven:
        driven = await self._driven(flow_id)
        if driven is None:
            raise _refused("No data plane was prepared for this transfer.")
        return driven

    async def _move(
        self,
        driven: Driven,
        state: FlowState,
        *,
        remote_id: str | None = None,
        address: DataAddress | None = None,
    ) -> None:
        changed = self._with(driven, state, remote_id or driven.remote_id, address)
        await self._store.write(lambda tx: tx.put(DRIVEN, changed))

    def _with(
        self, driven: Driven, state: FlowState, remote_id: str, address: DataAddress | None
    ) -> Driven:
        opened = None
        if address is not None and state not in ENDED:
            opened = self._sealer.seal(msgspec.json.encode(address), self._context(driven))
        return msgspec.structs.replace(driven, state=state, remote_id=remote_id, opened=opened)

    def _opened(self, driven: Driven) -> DataAddress | None:
        if driven.opened is None:
            return None
        plain = self._sealer.open(driven.opened, self._context(driven))
        return msgspec.json.decode(plain, type=DataAddress)

    def _context(self, driven: Driven) -> bytes:
        return f"signaling/driven/{self._store.participant}/{driven.flow_id}".encode()


AgreementOf = Callable[[str], Awaitable[dict[str, Any] | None]]
"""Gives the agreement of a transfer of our exchange, by the transfer's id, or None."""


def _document(answer: OutboundResponse) -> dict[str, Any]:
    try:
        return wire.read_document(answer.body)
    except HansaError as error:
        raise HansaError(
            Code.counterparty_refused, "The data plane's answer can't be read."
        ) from error


def _refused(title: str) -> HansaError:
    return HansaError(Code.counterparty_refused, title, status=400)
