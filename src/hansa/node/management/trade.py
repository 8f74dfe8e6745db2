"""What negotiations, agreements and transfers look like to an operator."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from hansa.catalogue import Dataset, RemoteDataset
from hansa.dataplane import DataFlow, FlowState, TransferUsage
from hansa.exchange import (
    NEGOTIATION,
    TRANSFER,
    Agreement,
    ContractNegotiation,
    LogEntry,
    Role,
    TransferProcess,
)
from hansa.kernel import Code, HansaError, iso
from hansa.node.management import progress, views
from hansa.node.management.access import Access, Json
from hansa.node.management.messages import Conversation, message_view
from hansa.node.participant import Participant
from hansa.node.questions import attribute_infos
from hansa.policy import count_limit, explain, read_template

Process = ContractNegotiation | TransferProcess
_TRANSFERS_MAX = 200


class Trade(Access):
    """The views that all parts of the trading side share."""

    async def _negotiation(
        self, p: Participant, process: ContractNegotiation, *, with_messages: bool = False
    ) -> Json:
        await p.directory.meet(process.counterparty)
        known = await p.known_dataset(process.dataset_id)
        delivery = await self._delivery(p, process)
        entries = await p.exchange.messages(process.id) if with_messages else ()
        view = views.negotiation_view(
            process,
            title_of=p.title_of,
            dataset_title=known.title if known else process.dataset_id,
            slip=p.slip_of(policy_of(p, process), process.dataset_id, known),
            delivery=delivery,
            messages=_told(process, entries, _talk(p, process, known), delivery),
        )
        if with_messages:
            form = read_template(process.offer)
            view["filled"] = msgspec.to_builtins(form) if form is not None else None
        return {**view, **views.described(known)}

    async def _messages(self, p: Participant, process: Process) -> list[Json]:
        """Give the messages of a process; one that is on its way with its tries."""
        entries = await p.exchange.messages(process.id)
        known = await p.known_dataset(process.dataset_id)
        delivery = await self._delivery(p, process)
        return _told(process, entries, _talk(p, process, known), delivery)

    async def _progress(
        self, p: Participant, process: TransferProcess, usage: TransferUsage, *, ask: bool
    ) -> Json | None:
        """Give how far the data flow is; with `ask` the provider is asked where only it counts."""
        flow = await p.flows.find(process.id)
        if flow is None:
            return None
        if flow.passes_by:
            said = await p.asking.progress(process) if ask else p.asking.last(process.id)
            found = progress.told(flow, said)
        else:
            found = progress.own(flow, usage)
        return {**found, "rate_bytes_s": self._rate(p, process, flow, found)}

    def _rate(
        self, p: Participant, process: TransferProcess, flow: DataFlow, found: Json
    ) -> float | None:
        if flow.state is not FlowState.STARTED or found["bytes"] is None:
            return None
        age_s = (p.clock.now() - flow.created).total_seconds()
        name = f"{p.id} {process.id}"
        return round(self.rates.rate(name, found["items"], found["bytes"], age_s=age_s).bytes, 1)

    async def _delivery(self, p: Participant, process: Process) -> Json | None:
        if process.pending is None:
            return None
        sending = await p.exchange.delivery_of(process.id)
        if sending is None:
            return None
        due = views.moment(sending.due)
        return {"attempts": sending.attempts, "due": due, "error": sending.error}

    async def _send_now(self, p: Participant, process: Process) -> None:
        if not await p.exchange.send_now(process.id):
            raise HansaError(
                Code.illegal_state,
                "No message is on its way.",
                "Look at what is possible now: `actions`.",
            )

    async def _agreement(
        self, p: Participant, agreement: Agreement, *, with_cut: bool = False
    ) -> Json:
        known = await p.known_dataset(agreement.dataset_id)
        transfers = await p.exchange.transfers(agreement=agreement.id, limit=_TRANSFERS_MAX)
        usages = await asyncio.gather(*(p.usage.usage(t.id) for t in transfers))
        limit = count_limit(agreement.policy)
        counted = None if limit is None else sum(usage.requests for usage in usages)
        if limit is not None and agreement.role is Role.provider:
            counted = await p.usage.counts.used(agreement.id)
        view = views.agreement_view(
            agreement,
            title_of=p.title_of,
            dataset_title=known.title if known else agreement.dataset_id,
            slip=await p.slip(agreement.policy, agreement.dataset_id),
            transfers=[await self._transfer(p, item) for item in transfers],
            usage=views.usage_view(usages, limit=limit, counted=counted),
            cut=await p.cut_of(agreement) if with_cut else None,
        )
        view["formats"] = list(known.formats) if known is not None else []
        return {**view, **views.described(known)}

    async def _transfer(
        self, p: Participant, process: TransferProcess, *, with_messages: bool = False
    ) -> Json:
        known = await p.known_dataset(process.dataset_id)
        usage = await p.usage.usage(process.id)
        view = views.transfer_view(
            process,
            title_of=p.title_of,
            dataset_title=known.title if known else process.dataset_id,
            usage=usage,
            progress=await self._progress(p, process, usage, ask=with_messages),
            endpoint=await p.endpoint_of(process),
            delivery=await self._delivery(p, process),
            messages=await self._messages(p, process) if with_messages else (),
        )
        if view["progress"] is not None and view["progress"]["source"] == "provider":
            view["actions"] = [name for name in view["actions"] if name != "forget"]  # none came
        return view


def _told(
    process: Process, entries: Sequence[LogEntry], talk: Conversation, delivery: Json | None
) -> list[Json]:
    waiting = f"urn:uuid:{process.pending.action}" if process.pending else None
    return [
        message_view(
            entry,
            talk,
            first=number == 0,
            delivery=delivery if entry.body.get("@id") == waiting and waiting else None,
        )
        for number, entry in enumerate(entries)
    ]


def _talk(p: Participant, process: Process, known: Dataset | RemoteDataset | None) -> Conversation:
    names = {process.dataset_id: known.title} if known else {}
    infos = attribute_infos(known.attributes) if known else ()

    def terms_of(offer: Mapping[str, Any]) -> str:
        odrl = {**offer, "target": process.dataset_id}
        try:
            return explain(odrl, attributes=infos, names=names).summary
        except HansaError as error:  # what a counterparty sent need not make sense
            return error.title

    return Conversation(
        own=views.party(p.did, p.title_of),
        other=views.party(process.counterparty, p.title_of),
        dataset_title=known.title if known else process.dataset_id,
        terms_of=terms_of,
        consumer=p.did if process.role is Role.consumer else process.counterparty,
    )


def policy_of(p: Participant, process: ContractNegotiation) -> Mapping[str, Any]:
    """Give the agreement, or the offer with its two sides named as they will be."""
    if process.agreement is not None:
        return process.agreement
    return {**process.offer, **sides_of(p, process)}


def sides_of(p: Participant, process: ContractNegotiation) -> Json:
    """Give assigner and assignee as they will be."""
    sides = (p.did, process.counterparty)
    assigner, assignee = sides if process.role is Role.provider else sides[::-1]
    return {"assigner": assigner, "assignee": assignee}


def reached(process: Process, states: frozenset[str], since: str | None) -> bool:
    """Say whether what a caller waits for has come: a state or the end, or any change."""
    if not states and since is None:
        return True
    if since is not None and iso(process.modified) != since:
        return True
    machine = NEGOTIATION if isinstance(process, ContractNegotiation) else TRANSFER
    return process.state.value in states or process.state in machine.terminal


def reached_at(counterparty_url: str | None) -> Json:
    """Give the address of a counterparty that the directory does not know, as the exchange asks."""
    return {} if counterparty_url is None else {"callback": counterparty_url}
