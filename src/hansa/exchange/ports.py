"""What the exchange needs from outside; the node wires it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from hansa.exchange.model import (
    Agreement,
    ContractNegotiation,
    DataAddress,
    Decide,
    Step,
    TransferProcess,
    TransferProgress,
)
from hansa.identity import Caller
from hansa.kernel.outbound import Client
from hansa.kernel.store import Tx


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


class Decider(Protocol):
    """Who decides what comes next: policy, an operator, a script."""

    async def decide(self, step: Step) -> Decide:
        """Decide about a process that enters a state which is not its last.

        Asked before the state is committed, together with which the decision is. May be asked
        more than once about the same step, when the process moves meanwhile. HansaError: the
        process waits for an operator and shows the error.
        """
        ...


class Opened(msgspec.Struct, frozen=True):
    """What a data plane answers: an address to hand over, if any.

    `ready` False: it works on it and will call `Exchange.plane_ready`; then it is asked again.
    """

    address: DataAddress | None = None
    ready: bool = True


class DataPlane(Protocol):
    """Who moves the bytes. Every method is idempotent.

    It calls `Exchange.plane_ready`, `plane_completed` and `plane_errored`.
    """

    async def check(self, transfer: TransferProcess, agreement: Agreement) -> None:
        """Return when this format may be used for this dataset, in our role.

        HansaError invalid_field (field `format` or `dataAddress`), policy_unsupported.
        """
        ...

    async def prepare(
        self, transfer: TransferProcess, agreement: Agreement, address: DataAddress | None
    ) -> Opened:
        """Get ready to consume: before TransferRequestMessage, and before we resume a push.

        Gives the address to send for a push, none for a pull. `address` is the operator's own
        wish, given once, before the process is begun: kept, durably, for the later calls.
        """
        ...

    async def requested(self, transfer: TransferProcess, address: DataAddress) -> None:
        """Keep the consumer's address of a push, durably, before the consumer is answered."""
        ...

    async def start(self, transfer: TransferProcess, agreement: Agreement) -> Opened:
        """Open (or renew) the access, or begin to send: for a transfer that we provide.

        `transfer.pending.action` names this start: asked again for the same one (after a crash),
        give the same address if you can, because a copy of the first message may still arrive.
        A push that the consumer resumed has no start of ours: `pending` is None.
        """
        ...

    async def received(self, transfer: TransferProcess, address: DataAddress | None) -> None:
        """Note that a transfer that we consume starts; keep its address, durably, if there is one.

        Called before the provider is answered.
        """
        ...

    async def stop(self, transfer: TransferProcess) -> None:
        """Cut the access: the transfer is suspended, completed or terminated (see its state)."""
        ...

    async def progress(self, transfer: TransferProcess) -> TransferProgress | None:
        """Say how far a push that we provide is, for its consumer; None when it is not known."""
        ...


class Events(Protocol):
    """Who tells others what happens."""

    def note(
        self, tx: Tx, changed: ContractNegotiation | TransferProcess | Agreement
    ) -> Callable[[], None] | None:
        """Note a change in the transaction that keeps it; give what to do after the commit.

        Asked once for each process or agreement that a transaction changes, with what becomes of
        it. What is written is kept with the change or not at all; it must not raise.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Ports:
    """All of them together."""

    identity: Identity
    parties: Parties
    offers: Offers
    decider: Decider
    data_plane: DataPlane
    client: Client
    events: Events | None = None
