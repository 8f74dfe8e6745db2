"""What the exchange needs from outside; the node wires it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from hansa.exchange.model import (
    Agreement,
    DataAddress,
    Decide,
    NegotiationRequest,
    TransferProcess,
)
from hansa.identity import Caller
from hansa.kernel.outbound import OutboundResponse


class Identity(Protocol):
    """Who calls, and who we are when we call."""

    async def authenticate(self, headers: Mapping[str, str]) -> Caller:
        """Give the caller; HansaError with status 401 when token or membership fail."""
        ...

    async def authorization_for(self, did: str) -> str:
        """Give the whole `Authorization` header value for a message to a counterparty."""
        ...


class Parties(Protocol):
    """Where participants live."""

    async def dsp_base(self, did: str) -> str:
        """Give the DSP 2025-1 base URL of a participant; HansaError did_unresolvable."""
        ...


class OfferedDataset(msgspec.Struct, frozen=True):
    """A dataset of ours and one of its published offers (ODRL)."""

    dataset_id: str
    offer: dict[str, Any]


class Offers(Protocol):
    """What we publish."""

    async def find(
        self, caller_did: str, dataset_id: str | None, offer_id: str
    ) -> OfferedDataset | None:
        """Give an offer that this caller may see, or None: unknown and hidden look alike."""
        ...


class Negotiator(Protocol):
    """Who answers an offer on the table: policy, an operator, a script."""

    async def decide(self, request: NegotiationRequest) -> Decide:
        """Agree, refuse with a reason, answer with another offer, or wait for a person."""
        ...


class DataPlane(Protocol):
    """Who moves the bytes. Every method is idempotent."""

    async def start(self, transfer: TransferProcess, agreement: Agreement) -> DataAddress:
        """Open (or renew) the access of a transfer that we provide; give where and with what.

        `transfer.pending.action` names this start: asked again for the same one (after a crash),
        give the same address if you can, because a copy of the first message may still arrive.
        """
        ...

    async def received(self, transfer: TransferProcess, address: DataAddress) -> None:
        """Keep the access to a transfer that we consume, durably, before the peer is answered."""
        ...

    async def stop(self, transfer: TransferProcess) -> None:
        """Cut the access: the transfer is suspended, completed or terminated (see its state)."""
        ...


class Client(Protocol):
    """The guarded outbound client."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        json: Any = None,
        timeout_s: float | None = None,
        body_bytes_max: int | None = None,
    ) -> OutboundResponse:
        """Send a request and read the answer whole; HansaError outbound_* when it fails."""
        ...


@dataclass(frozen=True, kw_only=True)
class Ports:
    """All of them together."""

    identity: Identity
    parties: Parties
    offers: Offers
    negotiator: Negotiator
    data_plane: DataPlane
    client: Client
