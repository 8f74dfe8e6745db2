"""Negotiations: what an operator sees, decides and approves."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from hansa.catalogue import RemoteDataset
from hansa.exchange import NEGOTIATION, ContractNegotiation, Role
from hansa.identity import Caller
from hansa.kernel import Code, HansaError
from hansa.node.management.access import Json, given
from hansa.node.management.pages import LIMIT_MAX, page_of
from hansa.node.management.trade import Trade, reached, reached_at, sides_of
from hansa.node.participant import Participant
from hansa.policy import offer_from_template

_WAITING_MAX = 200


class Negotiations(Trade):
    """Negotiations of both roles, and what waits for the operator."""

    async def negotiations(
        self,
        caller: Caller,
        participant: str,
        *,
        limit: int = LIMIT_MAX,
        after: str | None = None,
        **where: str | None,
    ) -> Json:
        """List negotiations of both roles, newest first; filters as `Exchange.negotiations`."""
        p = self.participant(caller, participant)
        view = partial(self._negotiation, p)
        return await page_of(p.exchange.negotiations, view, limit=limit, after=after, **where)

    async def negotiation(
        self,
        caller: Caller,
        participant: str,
        negotiation_id: str,
        *,
        wait: frozenset[str] = frozenset(),
        since: str | None = None,
        timeout_s: float = 0.0,
    ) -> Json:
        """Give one negotiation with its messages.

        With `wait` it is given once it is in one of these states or at its end, with `since` (its
        `modified`) once it changed, in any case after `timeout_s`.
        """
        p = self.participant(caller, participant)
        process = await p.waits.until(
            negotiation_id,
            lambda: p.exchange.negotiation(negotiation_id),
            lambda found: reached(found, wait, since),
            timeout_s,
            None if since is not None else wait | NEGOTIATION.terminal,
        )
        return await self._negotiation(p, process, with_messages=True)

    async def negotiate(
        self,
        caller: Caller,
        participant: str,
        *,
        provider_did: str,
        dataset_id: str,
        offer_id: str = "",
        offer: Json | None = None,
        counterparty_url: str | None = None,
    ) -> Json:
        """Ask a provider for a dataset under one of its offers, or under terms of our own.

        `counterparty_url` is the DSP base URL of a provider that the directory does not know: its
        catalogue is not read, so the `offer` must be given whole.
        """
        p = self.participant(caller, participant)
        _check_other(p, provider_did, "provider_did")
        if counterparty_url is not None:
            if offer is None:
                raise _missing("offer", "Give the provider's offer as ODRL.")
            title, asked = dataset_id, offer
        else:
            dataset = await self._published_by(p, provider_did, dataset_id)
            title, asked = dataset.title, _asked(dataset, offer_id, offer)
            await p.remember(dataset)
        with given("counterparty_url" if counterparty_url else "provider_did"):
            process = await p.exchange.negotiate(
                provider_did, dataset_id, asked, **reached_at(counterparty_url)
            )
        p.journal.note("negotiation.requested", f"Asked for “{title}”", process.id)
        return await self._negotiation(p, process)

    async def _published_by(self, p: Participant, did: str, dataset_id: str) -> RemoteDataset:
        try:
            with given("provider_did"):
                return await p.remote.dataset(did, dataset_id)
        except HansaError as error:
            if error.code is not Code.not_found:
                raise
            raise HansaError(
                Code.not_found,
                "The provider has no such dataset for us.",
                "It was withdrawn, or is not meant for us.",
                field="dataset_id",
                next="hansa catalogue",
            ) from error

    async def offer(
        self,
        caller: Caller,
        participant: str,
        *,
        consumer_did: str,
        dataset_id: str,
        offer_id: str,
        counterparty_url: str | None = None,
    ) -> Json:
        """Offer a dataset of our own to a participant that has not asked for it."""
        p = self.participant(caller, participant)
        _check_other(p, consumer_did, "consumer_did")
        dataset = await p.catalogue.get(dataset_id)
        offer = dataset.offer(offer_id)
        if offer is None:
            raise HansaError(
                Code.not_found,
                "You do not make this offer.",
                f"Offers of this dataset: {', '.join(o.id for o in dataset.offers)}.",
                field="offer_id",
            )
        with given("consumer_did"):
            process = await p.exchange.offer(
                consumer_did, dataset_id, offer.odrl, **reached_at(counterparty_url)
            )
        p.journal.note("negotiation.offered", f"Offered “{dataset.title}”", process.id)
        return await self._negotiation(p, process)

    async def counter(
        self,
        caller: Caller,
        participant: str,
        negotiation_id: str,
        *,
        offer: Json | None = None,
        template: str = "",
        parameters: Mapping[str, Any] | None = None,
    ) -> Json:
        """Answer with other terms: an ODRL offer, or a template with its parameters."""
        p = self.participant(caller, participant)
        process = await p.exchange.negotiation(negotiation_id)
        made = offer or self._from_template(p, template, parameters or {})
        made = {**made, "@id": made.get("@id") or process.offer_id}
        return await self._negotiation(p, await p.exchange.counter(negotiation_id, made))

    async def terms(
        self, caller: Caller, participant: str, *, template: str, parameters: Mapping[str, Any]
    ) -> Json:
        """Give `{terms, odrl}` of a filled template."""
        p = self.participant(caller, participant)
        odrl = self._from_template(p, template, parameters)
        return {"terms": await p.slip(odrl, "urn:uuid:any"), "odrl": odrl}

    async def draft_terms(
        self,
        caller: Caller,
        participant: str,
        negotiation_id: str,
        *,
        template: str,
        parameters: Mapping[str, Any],
    ) -> Json:
        """Give `{terms, odrl}` of other terms for a negotiation, without sending anything."""
        p = self.participant(caller, participant)
        process = await p.exchange.negotiation(negotiation_id)
        odrl = {**self._from_template(p, template, parameters), **sides_of(p, process)}
        return {"terms": await p.slip(odrl, process.dataset_id), "odrl": odrl}

    def _from_template(self, p: Participant, template: str, parameters: Mapping[str, Any]) -> Json:
        if not template:
            raise HansaError(
                Code.invalid_field,
                "There are no terms to propose.",
                "Give `offer` (ODRL), or `template` with `parameters`.",
                field="offer",
            )
        offer_id = f"urn:uuid:{p.ids.uuid()}"
        made: dict[str, Any] = offer_from_template(template, parameters, offer_id=offer_id)
        return made

    async def accept(self, caller: Caller, participant: str, negotiation_id: str) -> Json:
        """Accept the provider's offer, as its consumer."""
        p = self.participant(caller, participant)
        return await self._negotiation(p, await p.exchange.accept(negotiation_id))

    async def agree(self, caller: Caller, participant: str, negotiation_id: str) -> Json:
        """Agree to the terms on the table, as provider: the operator's yes."""
        p = self.participant(caller, participant)
        return await self._negotiation(p, await p.exchange.agree(negotiation_id))

    async def verify(self, caller: Caller, participant: str, negotiation_id: str) -> Json:
        """Confirm the provider's agreement, as its consumer."""
        p = self.participant(caller, participant)
        return await self._negotiation(p, await p.exchange.verify(negotiation_id))

    async def finalize(self, caller: Caller, participant: str, negotiation_id: str) -> Json:
        """Conclude the contract, as its provider."""
        p = self.participant(caller, participant)
        return await self._negotiation(p, await p.exchange.finalize(negotiation_id))

    async def retry_negotiation(
        self, caller: Caller, participant: str, negotiation_id: str
    ) -> Json:
        """Send the message that is on its way now, instead of at its next try."""
        p = self.participant(caller, participant)
        process = await p.exchange.negotiation(negotiation_id)
        await self._send_now(p, process)
        return await self._negotiation(p, process)

    async def adopt_negotiation(
        self, caller: Caller, participant: str, negotiation_id: str
    ) -> Json:
        """Take over the state that the counterparty shows now."""
        p = self.participant(caller, participant)
        await p.exchange.negotiation(negotiation_id)
        await p.exchange.adopt_state(negotiation_id)
        return await self._negotiation(p, await p.exchange.negotiation(negotiation_id))

    async def terminate_negotiation(
        self, caller: Caller, participant: str, negotiation_id: str, *, reason: str
    ) -> Json:
        """End a negotiation that is not final."""
        p = self.participant(caller, participant)
        process = await p.exchange.terminate_negotiation(negotiation_id, reason=reason)
        return await self._negotiation(p, process)

    async def replay_negotiation(
        self, caller: Caller, participant: str, negotiation_id: str
    ) -> Json:
        """Begin a new negotiation on the same terms as one that is over."""
        p = self.participant(caller, participant)
        process = await p.exchange.negotiation(negotiation_id)
        if process.role is Role.consumer:
            again = await p.exchange.negotiate(
                process.counterparty, process.dataset_id, process.offer
            )
        else:
            again = await p.exchange.offer(process.counterparty, process.dataset_id, process.offer)
        return await self._negotiation(p, again)

    async def approvals(self, caller: Caller, participant: str) -> Json:
        """List what waits for the operator, newest first.

        An item is a negotiation or a transfer with its messages and terms, and `kind`
        (`negotiation` or `transfer`), `summary` (what is asked, in a sentence) and `changes`
        (sentences `added` to and `left_out` of the published terms; None when none is known).
        """
        p = self.participant(caller, participant)
        items: list[Json] = []
        for process in await p.exchange.negotiations(waiting="yes", limit=_WAITING_MAX):
            view = await self._negotiation(p, process, with_messages=True)
            changes = await self._changes(p, process, view)
            items.append(_waiting("negotiation", view, changes=changes))
        for transfer in await p.exchange.transfers(waiting="yes", limit=_WAITING_MAX):
            view = await self._transfer(p, transfer, with_messages=True)
            agreement = await p.exchange.agreement(transfer.agreement_id)
            terms = await p.slip(agreement.policy, agreement.dataset_id)
            items.append(_waiting("transfer", view, terms=terms, changes=None))
        return {"items": sorted(items, key=lambda item: str(item["modified"]), reverse=True)}

    async def _changes(
        self, p: Participant, process: ContractNegotiation, view: Json
    ) -> Json | None:
        """Compare the terms on the table with those published: sentences added and left out."""
        talked = [message["body"].get("offer") for message in view["messages"]]
        ids = {offer.get("@id") for offer in talked if isinstance(offer, dict)}
        published = await self._published(p, process, {process.offer_id, *ids})
        if published is None:
            return None
        before = (await p.slip(published, process.dataset_id))["sentences"]
        after = view["terms"]["sentences"]
        return {
            "added": [text for text in after if text not in before],
            "left_out": [text for text in before if text not in after],
        }

    async def _published(
        self, p: Participant, process: ContractNegotiation, ids: set[Any]
    ) -> Json | None:
        """Give the published offer that a negotiation is about: a counter-offer may rename it."""
        known = await p.known_dataset(process.dataset_id)
        for offer in known.offers if known is not None else ():
            if offer.id in ids:
                return {**offer.odrl, **sides_of(p, process)}
        return None


def _asked(dataset: RemoteDataset, offer_id: str, offer: Json | None) -> Json:
    """Give the offer to ask under: the provider's own, or ours with the id of one of its offers."""
    known = dataset.offer(offer_id or str((offer or {}).get("@id", "")))
    if known is None and offer is not None and not offer_id:
        known = dataset.offers[0] if dataset.offers else None
    if known is None:
        offers = ", ".join(each.id for each in dataset.offers) or "none"
        raise HansaError(
            Code.not_found,
            "The provider does not make this offer.",
            f"Its offers of this dataset: {offers}.",
            field="offer_id",
        )
    return known.odrl if offer is None else {**offer, "@id": known.id}


def _missing(field: str, step: str) -> HansaError:
    return HansaError(Code.invalid_field, f"`{field}` is missing.", step, field=field)


def _check_other(p: Participant, did: str, field: str) -> None:
    if did == p.did:
        raise HansaError(
            Code.invalid_field,
            "This is your own participant.",
            "Choose a dataset of another participant."
            if field == "provider_did"
            else "Name another participant.",
            field=field,
        )


def _waiting(kind: str, view: Json, **more: Json | None) -> Json:
    messages = view["messages"]
    return {**view, "kind": kind, "summary": messages[-1]["summary"] if messages else "", **more}
