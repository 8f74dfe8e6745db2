"""Agreements: what an operator sees and does, and one ordered list of all that happened."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

from hansa.dataplane import TransferUsage
from hansa.exchange import Agreement, Role, TransferProcess, TransferProgress
from hansa.identity import Caller
from hansa.kernel import Code, HansaError, iso, parse_instant
from hansa.node.management import views
from hansa.node.management.access import Json
from hansa.node.management.pages import LIMIT_MAX, page_of
from hansa.node.management.refusals import refusal
from hansa.node.management.trade import Trade
from hansa.node.participant import Participant

_TRANSFERS_MAX = 200
_TERMINATION = "TransferTerminationMessage"
_ASKED_MAX = 8


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
        view = partial(self._agreement, p)
        return await page_of(p.exchange.agreements, view, limit=limit, after=after, **where)

    async def agreement(self, caller: Caller, participant: str, agreement_id: str) -> Json:
        """Give one agreement with its transfers, its use and what it cuts away."""
        p = self.participant(caller, participant)
        return await self._agreement(p, await p.exchange.agreement(agreement_id), with_cut=True)

    async def import_agreement(
        self,
        caller: Caller,
        participant: str,
        *,
        agreement: Json,
        role: str,
        counterparty: str,
        dataset_id: str,
        counterparty_url: str | None = None,
    ) -> Json:
        """Take in an agreement that was concluded elsewhere; the same one twice is one."""
        p = self.participant(caller, participant)
        kept = await p.exchange.import_agreement(
            agreement,
            role=Role(role),
            counterparty=counterparty,
            dataset_id=dataset_id,
            callback=counterparty_url,
        )
        p.journal.note("agreement.imported", f"Took in an agreement on {dataset_id}", kept.id)
        return await self._agreement(p, kept)

    async def end_agreement(
        self, caller: Caller, participant: str, agreement_id: str, *, reason: str
    ) -> Json:
        """End an agreement: its transfers stop with the next request."""
        p = self.participant(caller, participant)
        agreement = await p.exchange.end_agreement(agreement_id, reason)
        return await self._agreement(p, agreement)

    async def timeline(self, caller: Caller, participant: str, agreement_id: str) -> Json:
        """Give all that happened under an agreement in order, oldest first.

        Items are `{id, at, kind, process, summary}`; `kind` is `negotiation` or `transfer` (a
        message of that process, with its members), `refused` (a transfer that ended without a
        message), `signed`, `usage` (with `requests`, `entities`, `bytes`), `told` (what the
        provider says of a push that passes us by, with `entities` and `bytes`) or `ended` (with
        `by`, a party or None, and `reason`).
        """
        p = self.participant(caller, participant)
        agreement = await p.exchange.agreement(agreement_id)
        items = await self._negotiated(p, agreement)
        transfers = await p.exchange.transfers(agreement=agreement.id, limit=_TRANSFERS_MAX)
        told = await self._told_of(p, transfers)
        for transfer in transfers:
            items += await self._moved(p, transfer)
        items += told
        items += self._stood(p, agreement)
        return {"items": in_order(items)}

    async def _negotiated(self, p: Participant, agreement: Agreement) -> list[Json]:
        try:
            process = await p.exchange.negotiation(agreement.negotiation_id)
        except HansaError as error:
            if error.code is not Code.not_found:
                raise
            return []  # an agreement that was imported has no negotiation here
        messages = await self._messages(p, process)
        return [{**message, "kind": "negotiation", "process": process.id} for message in messages]

    async def _moved(self, p: Participant, transfer: TransferProcess) -> list[Json]:
        messages = await self._messages(p, transfer)
        items = [{**message, "kind": "transfer", "process": transfer.id} for message in messages]
        refused = refusal(transfer, p.title_of)
        if refused is not None and all(m["type"] != _TERMINATION for m in messages):
            items.append(
                {
                    "id": f"{transfer.id}/refused",
                    "at": iso(transfer.modified),
                    "kind": "refused",
                    "process": transfer.id,
                    "summary": refused["sentence"],
                }
            )
        usage = await p.usage.usage(transfer.id)
        if usage.last_at is not None:
            reader = p.did if transfer.role is Role.consumer else transfer.counterparty
            items.append(
                {
                    "id": f"{transfer.id}/usage",
                    "at": iso(usage.last_at),
                    "kind": "usage",
                    "process": transfer.id,
                    "summary": _used(p.title_of(reader), usage),
                    "requests": usage.requests,
                    "entities": usage.entities,
                    "bytes": usage.bytes,
                }
            )
        return items

    async def _told_of(self, p: Participant, transfers: Sequence[TransferProcess]) -> list[Json]:
        """Ask the providers of the newest pushes that pass us by how far they are."""
        flows = await asyncio.gather(*(p.flows.find(transfer.id) for transfer in transfers))
        passing = [
            transfer
            for transfer, flow in zip(transfers, flows, strict=True)
            if flow is not None and flow.passes_by
        ][:_ASKED_MAX]
        answers = await asyncio.gather(*(p.asking.progress(transfer) for transfer in passing))
        return [
            {
                "id": f"{transfer.id}/told",
                "at": iso(said.last_item or transfer.modified),
                "kind": "told",
                "process": transfer.id,
                "summary": _said(p.title_of(transfer.counterparty), said),
                "entities": said.items,
                "bytes": said.bytes,
            }
            for transfer, said in zip(passing, answers, strict=True)
            if said is not None and (said.items or said.bytes or said.error)
        ]

    def _stood(self, p: Participant, agreement: Agreement) -> list[Json]:
        signed = {
            "id": f"{agreement.id}/signed",
            "at": iso(agreement.signed_at),
            "kind": "signed",
            "process": None,
            "summary": f"The contract with {p.title_of(agreement.counterparty)} is in force.",
        }
        if agreement.ended_at is None:
            return [signed]
        by = views.party(agreement.ended_by, p.title_of) if agreement.ended_by else None
        reason = f": {agreement.ended_reason}" if agreement.ended_reason else "."
        ended = {
            "id": f"{agreement.id}/ended",
            "at": iso(agreement.ended_at),
            "kind": "ended",
            "process": None,
            "summary": f"{by['title'] if by else 'The contract'} ended the agreement{reason}",
            "by": by,
            "reason": agreement.ended_reason,
        }
        return [signed, ended]


def in_order(items: list[Json]) -> list[Json]:
    """Sort items by their instants, oldest first; as text, 00.5Z would come before 00Z."""
    return sorted(items, key=lambda item: (parse_instant(item["at"]), item["id"]))


def _used(who: str, usage: TransferUsage) -> str:
    times = "once" if usage.requests == 1 else f"{usage.requests} times"
    parts: list[Any] = [f"{usage.entities} entities"] if usage.entities else []
    parts.append(f"{usage.bytes} bytes")
    return f"{who} has read {times} so far: {', '.join(parts)}."


def _said(who: str, said: TransferProgress) -> str:
    if said.error:
        return f"{who} says: {said.error}"
    items = "1 item, " if said.items == 1 else f"{said.items} items, " if said.items else ""
    return f"{who} says that it has sent {items}{said.bytes} bytes so far."
