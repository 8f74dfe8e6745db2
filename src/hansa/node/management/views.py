"""From what the rooms keep to the JSON objects of the management API. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from hansa.catalogue import Attribute, Dataset, RemoteDataset, RemoteResource, Resource
from hansa.dataplane import TransferUsage
from hansa.exchange import Agreement, ContractNegotiation, TransferProcess, left_out
from hansa.kernel import iso
from hansa.kernel.jsonld import compact_ngsi_ld_name
from hansa.node.management.moves import negotiation_actions, transfer_actions
from hansa.node.management.refusals import refusal
from hansa.node.questions import attribute_infos
from hansa.policy import explain

Json = dict[str, Any]
TitleOf = Callable[[str], str]


def moment(at: datetime | None) -> str | None:
    """Write an instant, or None."""
    return None if at is None else iso(at)


def party(did: str, title_of: TitleOf) -> Json:
    """Give a participant by DID with its title."""
    return {"did": did, "title": title_of(did)}


def terms(
    odrl: Mapping[str, Any], attributes: Sequence[Attribute], names: Mapping[str, str]
) -> Json:
    """Give the contract slip of an offer or agreement; `names` gives titles for DIDs and ids."""
    slip: Json = msgspec.to_builtins(
        explain(odrl, attributes=attribute_infos(attributes), names=names)
    )
    return slip


def described(dataset: Dataset | RemoteDataset | None) -> Json:
    """Give what a slip draws besides its terms: the dataset's attributes and its surroundings."""
    if dataset is None:
        return {"attributes": [], "bbox": None}
    box = list(dataset.bbox) if dataset.bbox else None
    return {"attributes": _attributes(dataset.attributes), "bbox": box}


def _attributes(attributes: Sequence[Attribute]) -> list[Json]:
    return [
        {
            "name": a.name,
            "title": a.title or a.name,
            "unit_code": a.unit_code,
            "unit": a.unit,
            "kind": a.kind,
        }
        for a in attributes
    ]


def dataset_view(
    dataset: Dataset | RemoteDataset,
    *,
    own: bool,
    publisher_title: str,
    now: datetime,
    agreement_id: str | None,
    entities: int | None = None,
) -> Json:
    """Give one DatasetView."""
    temporal = dataset.temporal
    modified = dataset.modified
    newest = temporal.end if temporal is not None and temporal.end is not None else modified
    return {
        "id": dataset.id,
        "title": dataset.title,
        "description": dataset.description,
        "publisher": {"did": dataset.publisher, "title": publisher_title},
        "own": own,
        "types": [compact_ngsi_ld_name(name) for name in dataset.types],
        "attributes": _attributes(dataset.attributes),
        "bbox": list(dataset.bbox) if dataset.bbox else None,
        "temporal": None
        if temporal is None
        else {"start": moment(temporal.start), "end": moment(temporal.end)},
        "labels": list(dataset.labels),
        "keywords": list(dataset.keywords),
        "themes": list(dataset.themes),
        "licence": dataset.licence or "",
        "attribution": dataset.attribution or "",
        "modified": moment(modified),
        "freshness_s": None if newest is None else max(0, int((now - newest).total_seconds())),
        "entities": entities,
        "agreement_id": agreement_id,
        "formats": list(dataset.formats),
        "resource": _resource(dataset.resource),
        "approval": dataset.approval if isinstance(dataset, Dataset) else None,
        "offers": [
            {
                "id": offer.id,
                "odrl": offer.odrl,
                "terms": terms(
                    {**offer.odrl, "target": dataset.id, "assigner": dataset.publisher},
                    dataset.attributes,
                    {dataset.id: dataset.title, dataset.publisher: publisher_title},
                ),
            }
            for offer in dataset.offers
        ],
    }


def _resource(resource: Resource | RemoteResource | None) -> Json | None:
    if resource is None:
        return None
    return {
        "name": resource.name,
        "media_type": resource.media_type,
        "size": resource.size,
        "digest": resource.digest,
    }


def negotiation_view(
    process: ContractNegotiation,
    *,
    title_of: TitleOf,
    dataset_title: str,
    slip: Json,
    delivery: Json | None = None,
    messages: Sequence[Json] = (),
) -> Json:
    """Give one Negotiation; `delivery` is of the message that is on its way."""
    return {
        "id": process.id,
        "role": process.role.value,
        "state": process.state.value,
        "pending": process.pending.message if process.pending else None,
        "counterparty": party(process.counterparty, title_of),
        "dataset_id": process.dataset_id,
        "dataset_title": dataset_title,
        "terms": slip,
        "odrl": process.agreement or process.offer,
        "agreement_id": process.agreement_id,
        "error": process.error or "; ".join(process.reason) or None,
        "refusal": refusal(process, title_of),
        "their_state": process.their_state,
        "actions": negotiation_actions(process),
        "waiting": process.waiting,
        "delivery": delivery,
        "messages": list(messages),
        "messages_left_out": left_out(process),
        "created": iso(process.created),
        "modified": iso(process.modified),
        "pids": {"consumer": process.consumer_pid, "provider": process.provider_pid},
    }


def usage_view(
    usages: Sequence[TransferUsage], *, limit: int | None = None, counted: int | None = None
) -> Json:
    """Add up what transfers used; `counted` of `limit` uses are gone where the terms limit them."""
    last = max((u.last_at for u in usages if u.last_at is not None), default=None)
    return {
        "requests": sum(u.requests for u in usages),
        "entities": sum(u.entities for u in usages),
        "bytes": sum(u.bytes for u in usages),
        "last_at": moment(last),
        "limit": limit,
        "counted": counted,
    }


def transfer_view(
    process: TransferProcess,
    *,
    title_of: TitleOf,
    dataset_title: str,
    usage: TransferUsage | None,
    endpoint: str | None,
    delivery: Json | None = None,
    messages: Sequence[Json] = (),
    progress: Json | None = None,
) -> Json:
    """Give one Transfer.

    `progress` is that of its data flow (`management.progress`), None where there is none.
    """
    return {
        "id": process.id,
        "role": process.role.value,
        "agreement_id": process.agreement_id,
        "state": process.state.value,
        "pending": process.pending.message if process.pending else None,
        "format": process.format,
        "counterparty": party(process.counterparty, title_of),
        "dataset_id": process.dataset_id,
        "dataset_title": dataset_title,
        "created": iso(process.created),
        "modified": iso(process.modified),
        "last_item": moment(usage.last_at) if usage else None,
        "usage": usage_view([usage] if usage else []),
        "endpoint": endpoint,
        "error": process.error or "; ".join(process.reason) or None,
        "refusal": refusal(process, title_of),
        "their_state": process.their_state,
        "actions": transfer_actions(process),
        "waiting": process.waiting,
        "suspended_by": process.suspended_by.value if process.suspended_by else None,
        "progress": progress,
        "delivery": delivery,
        "messages": list(messages),
        "messages_left_out": left_out(process),
        "pids": {"consumer": process.consumer_pid, "provider": process.provider_pid},
    }


def agreement_view(
    agreement: Agreement,
    *,
    title_of: TitleOf,
    dataset_title: str,
    slip: Json,
    transfers: Sequence[Json],
    usage: Json,
    cut: Json | None,
) -> Json:
    """Give one Agreement."""
    return {
        "id": agreement.id,
        "role": agreement.role.value,
        "counterparty": party(agreement.counterparty, title_of),
        "dataset_id": agreement.dataset_id,
        "dataset_title": dataset_title,
        "terms": slip,
        "odrl": agreement.policy,
        "state": agreement.state.value,
        "ended_reason": agreement.ended_reason,
        "ended_at": moment(agreement.ended_at),
        "ended_by": agreement.ended_by,
        "signed_at": iso(agreement.signed_at),
        "until": slip.get("until"),
        "transfers": list(transfers),
        "usage": usage,
        "cut": cut,
    }
