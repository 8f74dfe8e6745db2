"""What the trading pages need: negotiations, agreements, transfers, and what an operator decides.

Views are the objects of `/api/v1`; named here is what the pages read of them.

Message: `{"id", "at", "direction": "sent"|"received", "type", "from": {"did", "title"}, "to",
"summary": one plain sentence, "body", "delivered": bool, "attempts", "due", "error"}`.

Negotiation and Transfer carry `actions` (what our side may do now, by name), `waiting` (it is our
move), `pending` (the message on its way), `delivery` (its attempts, due, error), `messages`, and
`refusal` once it was ended: `{"by": "own"|"counterparty", "title", "code", "reasons", "sentence",
"next"}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from hansa.identity import Caller

Json = dict[str, Any]


class NegotiationSource(Protocol):
    """Negotiations, and the moves that the protocol allows our side."""

    async def approvals(self, caller: Caller, participant: str) -> Json:
        """Give what waits for the operator: `{"items": [...]}`, newest first.

        An item is a Negotiation or Transfer with its messages and terms, and `kind`, `summary`
        (what is asked) and `changes` against the published terms: `{"added": [sentence],
        "left_out": [sentence]}`, or None.
        """
        ...

    async def negotiations(self, caller: Caller, participant: str) -> Json:
        """Give `{"items": [Negotiation], "next"}`."""
        ...

    async def negotiation(self, caller: Caller, participant: str, negotiation_id: str) -> Json:
        """Give one Negotiation with its messages.

        `filled` is the template and parameters that give the terms on the table (`{"template",
        "parameters"}`), or None when no template says the same.
        """
        ...

    async def negotiate(
        self,
        caller: Caller,
        participant: str,
        *,
        provider_did: str,
        dataset_id: str,
        offer_id: str,
    ) -> Json:
        """Ask a provider for a contract under its offer."""
        ...

    async def draft_terms(
        self,
        caller: Caller,
        participant: str,
        negotiation_id: str,
        *,
        template: str,
        parameters: Mapping[str, Any],
    ) -> Json:
        """Give `{"terms", "odrl"}` of other terms for a negotiation, without sending anything."""
        ...

    async def counter(
        self,
        caller: Caller,
        participant: str,
        negotiation_id: str,
        *,
        template: str,
        parameters: Mapping[str, Any],
    ) -> Json:
        """Answer with other terms: the consumer's request or the provider's offer."""
        ...

    async def accept(self, caller: Caller, participant: str, negotiation_id: str) -> Json:
        """Accept the provider's offer, as consumer."""
        ...

    async def agree(self, caller: Caller, participant: str, negotiation_id: str) -> Json:
        """Send the agreement, as provider."""
        ...

    async def verify(self, caller: Caller, participant: str, negotiation_id: str) -> Json:
        """Verify the agreement, as consumer."""
        ...

    async def finalize(self, caller: Caller, participant: str, negotiation_id: str) -> Json:
        """Close the negotiation, as provider."""
        ...

    async def terminate_negotiation(
        self, caller: Caller, participant: str, negotiation_id: str, *, reason: str
    ) -> Json:
        """End a negotiation that is not final."""
        ...

    async def retry_negotiation(
        self, caller: Caller, participant: str, negotiation_id: str
    ) -> Json:
        """Send the message on its way again now."""
        ...

    async def adopt_negotiation(
        self, caller: Caller, participant: str, negotiation_id: str
    ) -> Json:
        """Take over the state that the counterparty shows."""
        ...

    async def replay_negotiation(
        self, caller: Caller, participant: str, negotiation_id: str
    ) -> Json:
        """Begin a new negotiation on the same terms and give it."""
        ...


class AgreementSource(Protocol):
    """Agreements and their course."""

    async def agreements(self, caller: Caller, participant: str) -> Json:
        """Give `{"items": [Agreement], "next"}`."""
        ...

    async def agreement(self, caller: Caller, participant: str, agreement_id: str) -> Json:
        """Give one Agreement with its transfers, use, and what it cuts away.

        `usage.limit` is how many requests the contract allows in all, when it limits them;
        `formats` are the ways in which the data can be had.
        """
        ...

    async def timeline(self, caller: Caller, participant: str, agreement_id: str) -> Json:
        """Give what happened under an agreement: `{"items": [...]}`, oldest first.

        Items are `{"id", "at", "kind", "process", "summary"}`: `negotiation` and `transfer` are
        messages of that process with their members, then `signed`, `usage` (with `requests`,
        `entities`, `bytes`), `told` (what the provider says of a push past this node, with
        `entities` and `bytes`) and `ended` (with `by`, a party or None, and `reason`).
        """
        ...

    async def end_agreement(
        self, caller: Caller, participant: str, agreement_id: str, *, reason: str
    ) -> Json:
        """End an agreement; its transfers stop."""
        ...


class TransferSource(Protocol):
    """Transfers, and the moves that the protocol allows our side."""

    async def transfers(self, caller: Caller, participant: str) -> Json:
        """Give `{"items": [Transfer], "next"}`."""
        ...

    async def transfer(self, caller: Caller, participant: str, transfer_id: str) -> Json:
        """Give one Transfer with its messages.

        `progress`: `{"source": "own"|"provider" (it says so), "state" of the data flow,
        "bytes"|None, "items"|None, "total_bytes"|None, "rate_bytes_s"|None, "last_at"|None,
        "digest"|None, "error"|None, "attempts", "due"|None}`, or None.
        """
        ...

    async def request_transfer(
        self,
        caller: Caller,
        participant: str,
        agreement_id: str,
        *,
        format: str,
        data_address: Mapping[str, Any] | None,
    ) -> Json:
        """Ask for a transfer in one of the agreement's formats; an address for a push."""
        ...

    async def start_transfer(self, caller: Caller, participant: str, transfer_id: str) -> Json:
        """Start a transfer that waits for the operator, as provider."""
        ...

    async def suspend_transfer(
        self, caller: Caller, participant: str, transfer_id: str, *, reason: str
    ) -> Json:
        """Suspend a running transfer."""
        ...

    async def resume_transfer(self, caller: Caller, participant: str, transfer_id: str) -> Json:
        """Resume a transfer that our side suspended."""
        ...

    async def complete_transfer(self, caller: Caller, participant: str, transfer_id: str) -> Json:
        """Say that all was delivered."""
        ...

    async def terminate_transfer(
        self, caller: Caller, participant: str, transfer_id: str, *, reason: str
    ) -> Json:
        """End a transfer; its token stops working at once."""
        ...

    async def retry_transfer(self, caller: Caller, participant: str, transfer_id: str) -> Json:
        """Send the message on its way again now."""
        ...

    async def adopt_transfer(self, caller: Caller, participant: str, transfer_id: str) -> Json:
        """Take over the state that the counterparty shows."""
        ...

    async def forget_transfer(self, caller: Caller, participant: str, transfer_id: str) -> Json:
        """Delete the data that a transfer brought here, once it is over."""
        ...

    async def transfer_access(
        self, caller: Caller, participant: str, transfer_id: str
    ) -> Json | None:
        """Give URL, token, curl line and QGIS settings; None on the provider's side.

        Of a resource `download` says where this node gives its bytes: `{"url", "name",
        "size_bytes"|None, "media_type"}`.
        """
        ...

    async def received(
        self, caller: Caller, participant: str, transfer_id: str
    ) -> tuple[Path, str, str, str] | None:
        """Give path, name, media type and SHA-256 of a file that came whole, or None."""
        ...

    async def probe_transfer(
        self, caller: Caller, participant: str, transfer_id: str
    ) -> Json | None:
        """Ask the provider now with the transfer's token and say what came.

        `{"status": int, "code": str|None, "title", "detail", "entities": int|None, "ms": int,
        "at"}`; None on the provider's side, which holds no token.
        """
        ...


class TradeSource(NegotiationSource, AgreementSource, TransferSource, Protocol):
    """All of trade, as the management API gives it."""
