"""Datasets, catalogue, publishing: what an operator sees and does with data."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
import structlog

from hansa.catalogue import (
    Approval,
    Attribute,
    Dataset,
    DatasetDraft,
    OfferDraft,
    RemoteCatalogue,
    RemoteDataset,
    Resource,
    Selection,
    Temporal,
    Wanted,
    about,
    wanted_of,
)
from hansa.identity import Caller
from hansa.kernel import Code, HansaError, parse_instant
from hansa.kernel.jsonld import expand_ngsi_ld_name
from hansa.node.management import views
from hansa.node.management.access import Access, Json
from hansa.node.participant import Participant
from hansa.policy import TEMPLATES, offer_from_template

_log = structlog.get_logger("hansa.node")
_LIST_MAX = 200


class DatasetBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST .../datasets`: entities that are in the broker already, with terms."""

    title: str
    template: str
    parameters: dict[str, Any] = {}
    name: str | None = None
    description: str = ""
    types: tuple[str, ...] = ()
    id_prefix: str | None = None
    attributes: tuple[Attribute, ...] = ()
    bbox: tuple[float, float, float, float] | None = None
    temporal: Temporal | None = None
    licence: str = ""
    attribution: str = ""
    labels: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    approval: Approval = "automatic"


class Data(Access):
    """The data side of the management API."""

    async def templates(self, caller: Caller) -> Json:
        """Give the policy templates in plain words."""
        self.operator(caller)
        return {"items": [msgspec.to_builtins(template) for template in TEMPLATES]}

    async def datasets(
        self, caller: Caller, participant: str, *, limit: int = _LIST_MAX, after: str | None = None
    ) -> Json:
        """List own datasets in order of their id; `next` is the cursor of the page that follows."""
        p = self.participant(caller, participant)
        page = await p.catalogue.datasets(limit=limit, cursor=after)
        items = [await self._own(p, dataset, {}) for dataset in page.items]
        return {"items": items, "next": page.next}

    async def dataset(self, caller: Caller, participant: str, dataset_id: str) -> Json:
        """Give one dataset, own or of another member."""
        p = self.participant(caller, participant)
        try:
            return await self._own(p, await p.catalogue.get(dataset_id), {})
        except HansaError as error:
            if error.code is not Code.not_found:
                raise
        agreed = await self._agreed(p)
        known = await self._located(p, dataset_id) or await p.known_dataset(dataset_id)
        if isinstance(known, RemoteDataset):
            return self._remote(p, known, agreed)
        if p.membership is not None and (await p.membership.view()).state != "member":
            raise HansaError(
                Code.not_found,
                "There is no such dataset here, and this city is in no data space.",
                "Members show their catalogues to members only.",
                next="hansa join URL",
            )
        raise HansaError(
            Code.not_found,
            "There is no such dataset in reach.",
            "Its publisher may be away, or may have withdrawn it.",
            next="hansa catalogue",
        )

    async def catalogue(
        self, caller: Caller, participant: str, *, q: str, publisher: str, theme: str
    ) -> Json:
        """Give what matches of own datasets and of all members that can be reached."""
        p = self.participant(caller, participant)
        wanted = wanted_of(q)
        if theme:
            wanted &= about(theme)
        page, reads, agreed = await asyncio.gather(
            p.catalogue.find(wanted, None, limit=_LIST_MAX),
            self._reads(p, wanted),
            self._agreed(p),
        )
        items = [await self._own(p, dataset, agreed) for dataset in page.items]
        for read in reads:
            items += [self._remote(p, dataset, agreed) for dataset in read.datasets[:_LIST_MAX]]
        chosen = [
            item
            for item in items
            if (not publisher or item["publisher"]["did"] == publisher)
            and (not theme or theme in item["themes"] or theme in item["keywords"])
        ]
        own = RemoteCatalogue(did=p.did, title=p.title, truncated=page.next is not None)
        publishers = [
            {
                "did": r.did,
                "title": r.title,
                "reachable": r.reachable,
                "error": r.error,
                "more": r.truncated or len(r.datasets) > _LIST_MAX,
            }
            for r in (own, *reads)
        ]
        return {"items": chosen, "publishers": publishers}

    async def publish_dataset(self, caller: Caller, participant: str, body: DatasetBody) -> Json:
        """Publish entities that are in the broker as a dataset with terms from a template."""
        p = self.participant(caller, participant)
        dataset = await self.offer_entities(p, body)
        return {"dataset": await self._own(p, dataset, {})}

    async def add_source(self, caller: Caller, participant: str, *, kind: str, half: str) -> Json:
        """Fill the broker from a built-in source and keep it writing."""
        p = self.participant(caller, participant)
        return await p.sources.add(kind, half)

    def check_terms(self, p: Participant, body: DatasetBody) -> Json:
        """Make the offer from its template; HansaError names the parameter at fault."""
        offer = offer_from_template(
            body.template, body.parameters, offer_id=f"urn:uuid:{p.ids.uuid()}"
        )
        _check_attributes(body)
        _check_end(offer, p.clock.now())
        return offer

    async def offer_entities(
        self, p: Participant, body: DatasetBody, *, resource: Resource | None = None
    ) -> Dataset:
        """Make the dataset and its offer, of entities or of the bytes of a resource.

        HansaError names the parameter or term at fault.
        """
        offer = self.check_terms(p, body)
        dataset = await p.catalogue.publish(
            DatasetDraft(
                title=body.title,
                name=body.name or None,
                description=body.description,
                selection=Selection(
                    types=tuple(expand_ngsi_ld_name(name) for name in body.types) or None,
                    id_prefix=body.id_prefix or None,
                ),
                attributes=body.attributes,
                offers=(
                    OfferDraft(
                        odrl=offer,
                        template=body.template,
                        parameters=body.parameters,
                        id=str(offer["@id"]),
                    ),
                ),
                bbox=body.bbox,
                temporal=body.temporal,
                licence=body.licence or None,
                attribution=body.attribution or None,
                labels=body.labels,
                keywords=body.keywords,
                approval=body.approval,
                resource=resource,
            )
        )
        p.journal.note("dataset.published", f"Published “{dataset.title}”", dataset.id)
        return dataset

    # -- views ---------------------------------------------------------------------------------

    async def _located(self, p: Participant, dataset_id: str) -> RemoteDataset | None:
        try:
            return await p.remote.locate(dataset_id)
        except HansaError as error:
            _log.info("members_unknown", code=error.code.value)
            return None

    async def _reads(self, p: Participant, wanted: Wanted) -> list[RemoteCatalogue]:
        try:
            return await p.remote.fetch_all(wanted=wanted)
        except HansaError as error:
            if error.code is Code.membership_missing:
                return []
            did = p.authority_did or ""
            return [RemoteCatalogue(did=did, title="the directory of members", error=error.title)]

    async def _agreed(self, p: Participant) -> dict[str, str]:
        agreements = await p.exchange.agreements(limit=_LIST_MAX, role="consumer", state="active")
        return {agreement.dataset_id: agreement.id for agreement in agreements}

    async def _own(self, p: Participant, dataset: Dataset, agreed: Mapping[str, str]) -> Json:
        return views.dataset_view(
            dataset,
            own=True,
            publisher_title=p.title,
            now=p.clock.now(),
            agreement_id=agreed.get(dataset.id),
            entities=await p.count_entities(dataset.selection.cut()),
        )

    def _remote(self, p: Participant, dataset: RemoteDataset, agreed: Mapping[str, str]) -> Json:
        return views.dataset_view(
            dataset,
            own=False,
            publisher_title=dataset.publisher_name or p.title_of(dataset.publisher),
            now=p.clock.now(),
            agreement_id=agreed.get(dataset.id),
        )


def _check_attributes(body: DatasetBody) -> None:
    """Refuse terms that name attributes which the data, as far as they are known, do not have."""
    asked = body.parameters.get("attributes") or ()
    names = [name.strip() for name in (asked.split(",") if isinstance(asked, str) else asked)]
    known = {expand_ngsi_ld_name(attribute.name) for attribute in body.attributes}
    strange = [name for name in names if name and expand_ngsi_ld_name(name) not in known]
    if known and strange:
        step = f"It has: {', '.join(attribute.name for attribute in body.attributes)}."
        raise HansaError(
            Code.invalid_field,
            f"The dataset has no attribute {' or '.join(strange)}.",
            step,
            field="parameters.attributes",
            next=step,
        )


def _check_end(offer: Json, now: datetime) -> None:
    """Refuse terms that have ended before anybody could agree to them."""
    for constraint in offer["permission"][0]["constraint"]:
        if constraint["leftOperand"] != "odrl:dateTime":
            continue
        if parse_instant(constraint["rightOperand"]) <= now:
            step = "Choose a later end, or leave it out."
            raise HansaError(
                Code.invalid_field,
                f"The end of the terms, {constraint['rightOperand']}, has passed.",
                step,
                field="parameters.until",
                next=step,
            )
