"""Signaling of one participant, put together: its peers, and both sides of the protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hansa.dataplane.flow import DataFlow
from hansa.dataplane.ports import ControlPlane
from hansa.dataplane.signaling.driving import AgreementOf, ForeignPlanes
from hansa.dataplane.signaling.model import Peer, PeerKind
from hansa.dataplane.signaling.peers import Peers
from hansa.dataplane.signaling.serving import Serving
from hansa.dataplane.signaling.wire_dps_1_0_rc3 import Registration, read_registration
from hansa.kernel import Code, HansaError

DSP_CONTEXT = "https://w3id.org/dspace/2025/1/context.jsonld"


class Signaling:
    """Data Plane Signaling 1.0: our planes for others (`serving`), others' for us (`foreign`)."""

    def __init__(
        self,
        peers: Peers,
        serving: Serving,
        foreign: ForeignPlanes,
        agreement_of: AgreementOf,
        configured: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """`configured` are registrations as documents, taken over at each `load`."""
        self.peers = peers
        self.serving = serving
        self.foreign = foreign
        self._agreement_of = agreement_of
        self._configured = configured

    async def load(self) -> None:
        """Register what is configured, and read what is registered; HansaError invalid_field."""
        for document in self._configured:
            plane = "dataplaneId" in document
            kind = PeerKind.data_plane if plane else PeerKind.control_plane
            member = "dataplaneId" if plane else "controlplaneId"
            await self.peers.register(kind, read_registration(document, member))
        await self.foreign.load()

    async def registered(self, kind: PeerKind) -> list[dict[str, Any]]:
        """List the planes of a kind, without their secrets."""
        return [
            {
                "id": peer.id,
                "endpoint": peer.endpoint,
                "profiles": list(peer.profiles),
                "labels": list(peer.labels),
                "authorization": {"type": peer.authorization},
            }
            for peer in await self.peers.list(kind)
        ]

    async def register(self, kind: PeerKind, given: Registration) -> Peer:
        """Add or replace a plane; HansaError invalid_field, conflict, too_many_requests."""
        peer = await self.peers.register(kind, given)
        await self.foreign.load()
        return peer

    async def remove(self, kind: PeerKind, peer_id: str) -> bool:
        """Forget a plane; False when it was not there."""
        removed = await self.peers.remove(kind, peer_id)
        await self.foreign.load()
        return removed

    async def agreement_for(self, peer: Peer, process_id: str) -> dict[str, Any]:
        """Give the agreement of a transfer to the plane that moves it; HansaError not_found."""
        policy = None
        if await self.foreign.owns(peer, process_id):
            policy = await self._agreement_of(process_id)
        if policy is None:
            raise HansaError(Code.not_found, "There is no such transfer.")
        return {"@context": [DSP_CONTEXT], **policy}


class Controls:
    """Who is told what a flow came to: our own exchange, or the control plane that asked."""

    def __init__(self, own: ControlPlane) -> None:
        self._own = own
        self.foreign: ControlPlane | None = None

    def _of(self, flow: DataFlow) -> ControlPlane:
        if not flow.control:
            return self._own
        assert self.foreign is not None, "signaling is wired after the flows"
        return self.foreign

    async def ready(self, flow: DataFlow) -> None:
        """Pass it on."""
        await self._of(flow).ready(flow)

    async def completed(self, flow: DataFlow) -> None:
        """Pass it on."""
        await self._of(flow).completed(flow)

    async def errored(self, flow: DataFlow, reason: str) -> None:
        """Pass it on."""
        await self._of(flow).errored(flow, reason)
