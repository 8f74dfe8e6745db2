"""Agreements: what an operator sees and does, and one ordered list of all that happened."""

from __future__ import annotations

from typing import Any

from hansa.dataplane import TransferUsage
from hansa.exchange import Agreement, Role, TransferProcess
from hansa.identity import Caller
from hansa.kernel import Code, HansaError, iso
from hansa.node.management import views
from hansa.node.management.access import Json
from hansa.node.management.pages import LIMIT_MAX, checked_limit, page_of
from hansa.node.management.trade import Trade
from hansa.node.participant import Participant

_TRANSFERS_MAX = 200
_MESSAGES_MAX = 200


class Agreements(Trade):
    """Agreements of both roles."""

    async def agreements(
        self,
        caller: Caller,
        participant: str,
        *,
        limit: int = LIMIT_MAX,
        after: str | None = None,
        **where: str | None,
    ) -> Json:
        """List agreements of both roles, newest first; filters as `Exchange.agreements`."""
        p = self.participant(caller, participant)
        many = checked_limit(limit) + 1
        found = await p.exchange.agreements(limit=many, after=after, **where)
        return await page_of(found, limit, lambda a: a.id, lambda a: self._agreement(p, a))

    async def agreement(self, caller: Caller, participant: str, agreement_id: str) -> Json:
        """Give one agreement with its transfers, its use and what it cuts away."""
        p = self.participant(caller, participant)
        return await self._agreement(p, await p.exchange.agreement(agreement_id), with_cut=True)

    async def end_agreement(
        self, caller: Caller, participant: str, agreement_id: str, *, reason: str
    ) -> Json:
        """End an agreement: its transfers stop with the next request."""
        p = self.participant(caller, participant)
        agreement = await p.exchange.end_agreement(agreement_id, reason)
        return await self._agreement(p, agreement)

    async def timeline(self, caller: Caller, participant: str, agreement_id: str) -> Json:
        """Give all that happened under an agreement in order, oldest first.

        Items are `{id, at, kind, summary, subject, message}`; `kind` is `message`, `signed`, `use`
        or `ended`, `subject` the negotiation, agreement or transfer; `message` as in a negotiation.
        """
        p = self.participant(caller, participant)
        agreement = await p.exchange.agreement(agreement_id)
        items = await self._negotiated(p, agreement)
        for transfer in await p.exchange.transfers(agreement=agreement.id, limit=_TRANSFERS_MAX):
            items += await self._moved(p, transfer)
        items += self._stood(p, agreement)
        return {"items": sorted(items, key=lambda item: (item["at"], item["id"]))}

    async def _negotiated(self, p: Participant, agreement: Agreement) -> list[Json]:
        try:
            process = await p.exchange.negotiation(agreement.negotiation_id)
        except HansaError as error:
            if error.code is not Code.not_found:
                raise
            return []  # an agreement that was imported has no negotiation here
        messages = await self._messages(p, process)
        return [_message_item("negotiation", process.id, message) for message in messages]

    async def _moved(self, p: Participant, transfer: TransferProcess) -> list[Json]:
        messages = await self._messages(p, transfer)
        items = [_message_item("transfer", transfer.id, message) for message in messages]
        usage = await p.usage.usage(transfer.id)
        if usage.last_at is not None:
            reader = p.did if transfer.role is Role.consumer else transfer.counterparty
            items.append(
                {
                    "id": f"{transfer.id}/use",
                    "at": iso(usage.last_at),
                    "kind": "use",
                    "summary": _used(p.title_of(reader), usage),
                    "subject": {"kind": "transfer", "id": transfer.id},
                    "message": None,
                }
            )
        return items

    def _stood(self, p: Participant, agreement: Agreement) -> list[Json]:
        subject = {"kind": "agreement", "id": agreement.id}
        signed = {
            "id": f"{agreement.id}/signed",
            "at": iso(agreement.signed_at),
            "kind": "signed",
            "summary": f"The contract with {p.title_of(agreement.counterparty)} is in force.",
            "subject": subject,
            "message": None,
        }
        if agreement.ended_at is None:
            return [signed]
        by = p.title_of(agreement.ended_by) if agreement.ended_by else "The contract"
        reason = f": {agreement.ended_reason}" if agreement.ended_reason else "."
        ended = {
            **signed,
            "id": f"{agreement.id}/ended",
            "at": views.moment(agreement.ended_at),
            "kind": "ended",
            "summary": f"{by} ended the agreement{reason}",
        }
        return [signed, ended]


def _message_item(kind: str, process_id: str, message: Json) -> Json:
    return {
        "id": message["id"],
        "at": message["at"],
        "kind": "message",
        "summary": message["summary"],
        "subject": {"kind": kind, "id": process_id},
        "message": message,
    }


def _used(who: str, usage: TransferUsage) -> str:
    times = "once" if usage.requests == 1 else f"{usage.requests} times"
    parts: list[Any] = [f"{usage.entities} entities"] if usage.entities else []
    parts.append(f"{usage.bytes} bytes")
    return f"{who} has read {times} so far: {', '.join(parts)}."
