"""Negotiations, agreements, transfers: what an operator sees and does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from hansa.dataplane import FetchedAnswer
from hansa.exchange import Agreement, ContractNegotiation, Role, TransferProcess
from hansa.identity import Caller
from hansa.kernel import Code, HansaError, iso
from hansa.node.management import views
from hansa.node.management.access import Access, Json, given
from hansa.node.participant import Participant

_LIST_MAX = 200


class Trade(Access):
    """The trading side of the management API."""

    async def negotiations(self, caller: Caller, participant: str) -> Json:
        """List negotiations of both roles, newest first."""
        p = self.participant(caller, participant)
        found = await p.exchange.negotiations(limit=_LIST_MAX)
        return {"items": [await self._negotiation(p, item) for item in found]}

    async def negotiation(self, caller: Caller, participant: str, negotiation_id: str) -> Json:
        """Give one negotiation with its messages."""
        p = self.participant(caller, participant)
        process = await p.exchange.negotiation(negotiation_id)
        return await self._negotiation(p, process, with_messages=True)

    async def negotiate(
        self,
        caller: Caller,
        participant: str,
        *,
        provider_did: str,
        dataset_id: str,
        offer_id: str,
    ) -> Json:
        """Ask a provider for a dataset under one of its offers."""
        p = self.participant(caller, participant)
        if provider_did == p.did:
            raise HansaError(
                Code.invalid_field,
                "This is your own dataset.",
                "Choose one of another participant.",
                field="provider_did",
            )
        with given("provider_did"):
            dataset = await p.remote.dataset(provider_did, dataset_id)
        offer = dataset.offer(offer_id)
        if offer is None:
            raise HansaError(
                Code.not_found,
                "The provider does not make this offer.",
                "Read the catalogue again: offers may have changed.",
                field="offer_id",
            )
        await p.remember(dataset)
        process = await p.exchange.negotiate(provider_did, dataset_id, offer.odrl)
        p.journal.note("negotiation.requested", f"Asked for “{dataset.title}”", process.id)
        return await self._negotiation(p, process)

    async def terminate_negotiation(
        self, caller: Caller, participant: str, negotiation_id: str, *, reason: str
    ) -> Json:
        """End a negotiation that is not final."""
        p = self.participant(caller, participant)
        process = await p.exchange.terminate_negotiation(negotiation_id, reason=reason)
        return await self._negotiation(p, process)

    async def agreements(self, caller: Caller, participant: str) -> Json:
        """List agreements of both roles, newest first."""
        p = self.participant(caller, participant)
        found = await p.exchange.agreements(limit=_LIST_MAX)
        return {"items": [await self._agreement(p, item) for item in found]}

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

    async def transfers(self, caller: Caller, participant: str) -> Json:
        """List transfers of both roles, newest first."""
        p = self.participant(caller, participant)
        found = await p.exchange.transfers(limit=_LIST_MAX)
        return {"items": [await self._transfer(p, item) for item in found]}

    async def transfer(self, caller: Caller, participant: str, transfer_id: str) -> Json:
        """Give one transfer; on the provider's side with what the contract cut away."""
        p = self.participant(caller, participant)
        process = await p.exchange.transfer(transfer_id)
        view = await self._transfer(p, process)
        agreement = await p.exchange.agreement(process.agreement_id)
        view["cut"] = await p.cut_of(agreement)
        view["terms"] = await p.slip(agreement.policy, agreement.dataset_id)
        view["agreement_state"] = agreement.state.value
        return view

    async def request_transfer(self, caller: Caller, participant: str, agreement_id: str) -> Json:
        """Start an HttpData-PULL transfer under an agreement, as its consumer."""
        p = self.participant(caller, participant)
        return await self._transfer(p, await p.exchange.request_transfer(agreement_id))

    async def terminate_transfer(
        self, caller: Caller, participant: str, transfer_id: str, *, reason: str
    ) -> Json:
        """End a transfer; its token stops working at once."""
        p = self.participant(caller, participant)
        process = await p.exchange.terminate_transfer(transfer_id, reason=reason)
        return await self._transfer(p, process)

    async def transfer_access(
        self, caller: Caller, participant: str, transfer_id: str
    ) -> Json | None:
        """Give URL, token, curl line and QGIS settings; None on the provider's side."""
        p = self.participant(caller, participant)
        process = await p.exchange.transfer(transfer_id)
        if process.role is not Role.consumer or not process.live:
            return None
        try:
            address = await p.access.get(transfer_id)
        except HansaError as error:
            if error.code in (Code.not_found, Code.transfer_ended):
                return None
            raise
        url = f"{address.endpoint}/entities?{await p.type_query(process.dataset_id)}limit=100"
        bearer = f"Bearer {address.authorization}"
        geojson = f"{url}&options=keyValues&format=geojson"
        return {
            "endpoint": address.endpoint,
            "authorization": bearer,
            "curl": f"curl -H 'Authorization: {bearer}' '{url}'",
            "qgis": {
                "url": geojson,
                "header": {"Authorization": bearer, "Accept": "application/geo+json"},
                "basic": {"user": "hansa", "password": address.authorization},
            },
        }

    async def fetch(
        self,
        caller: Caller,
        participant: str,
        transfer_id: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
    ) -> FetchedAnswer:
        """Read the provider's data through a transfer, as its consumer."""
        p = self.participant(caller, participant)
        return await p.consumer.fetch(transfer_id, path, query, headers)

    async def probe_transfer(
        self, caller: Caller, participant: str, transfer_id: str
    ) -> Json | None:
        """Ask the provider now with the transfer's last token and say what came."""
        p = self.participant(caller, participant)
        process = await p.exchange.transfer(transfer_id)
        if process.role is not Role.consumer:
            return None
        begin = time.perf_counter()
        result: Json = {"at": iso(self.host.clock.now()), "entities": None, "code": None}
        try:
            answer = await p.consumer.fetch(
                transfer_id,
                "entities",
                f"{await p.type_query(process.dataset_id)}limit=1&count=true",
            )
        except HansaError as error:
            result |= {
                "status": error.status,
                "code": error.code.value,
                "title": error.title,
                "detail": error.detail,
            }
        else:
            result |= _probed(answer)
        result["ms"] = round((time.perf_counter() - begin) * 1000)
        return result

    # -- views ---------------------------------------------------------------------------------

    async def _negotiation(
        self, p: Participant, process: ContractNegotiation, *, with_messages: bool = False
    ) -> Json:
        known = await p.known_dataset(process.dataset_id)
        view = views.negotiation_view(
            process,
            title_of=p.title_of,
            dataset_title=known.title if known else process.dataset_id,
            slip=await p.slip(_policy_of(p, process), process.dataset_id),
            messages=await p.exchange.messages(process.id) if with_messages else (),
        )
        return {**view, **views.described(known)}

    async def _agreement(
        self, p: Participant, agreement: Agreement, *, with_cut: bool = False
    ) -> Json:
        known = await p.known_dataset(agreement.dataset_id)
        transfers = await p.exchange.transfers(agreement=agreement.id, limit=_LIST_MAX)
        usages = await asyncio.gather(*(p.usage.usage(t.id) for t in transfers))
        view = views.agreement_view(
            agreement,
            title_of=p.title_of,
            dataset_title=known.title if known else agreement.dataset_id,
            slip=await p.slip(agreement.policy, agreement.dataset_id),
            transfers=[await self._transfer(p, item) for item in transfers],
            usage=views.usage_view(usages),
            cut=await p.cut_of(agreement) if with_cut else None,
        )
        return {**view, **views.described(known)}

    async def _transfer(self, p: Participant, process: TransferProcess) -> Json:
        known = await p.known_dataset(process.dataset_id)
        return views.transfer_view(
            process,
            title_of=p.title_of,
            dataset_title=known.title if known else process.dataset_id,
            usage=await p.usage.usage(process.id),
            endpoint=await p.endpoint_of(process),
        )


def _policy_of(p: Participant, process: ContractNegotiation) -> Mapping[str, Any]:
    """Give the agreement, or the offer with its two sides named as they will be."""
    if process.agreement is not None:
        return process.agreement
    sides = (p.did, process.counterparty)
    assigner, assignee = sides if process.role is Role.provider else sides[::-1]
    return {**process.offer, "assigner": assigner, "assignee": assignee}


def _probed(answer: FetchedAnswer) -> Json:
    import msgspec

    if answer.status == 200:
        count = answer.headers.get("ngsild-results-count", "")
        return {
            "status": 200,
            "title": "The provider answers.",
            "detail": "",
            "entities": int(count) if count.isdigit() else None,
        }
    try:
        body = msgspec.json.decode(answer.body, type=dict[str, Any])
    except msgspec.DecodeError:
        body = {}
    return {
        "status": answer.status,
        "code": body.get("code"),
        "title": str(body.get("title", "The provider refuses.")),
        "detail": str(body.get("detail", "")),
    }
