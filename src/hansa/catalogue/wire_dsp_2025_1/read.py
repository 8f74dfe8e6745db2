"""Read another participant's catalogue, ours or a foreign one, leniently.

Demanded is only what negotiation needs: a dataset id and an offer with an id. Whatever else is
missing, foreign or of an unexpected shape is left out, never a reason to lose the dataset.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from hansa.catalogue.model import (
    Attribute,
    Bbox,
    RemoteDataset,
    RemoteOffer,
    RemoteResource,
    Temporal,
)
from hansa.catalogue.wire_dsp_2025_1 import terms
from hansa.dialect import recognise
from hansa.kernel import Code, HansaError
from hansa.kernel.jsonld import to_dsp_compact

_DEPTH_MAX = 4
_TEXT_MAX = 20_000
_ITEMS_MAX = 1_000
_NAMES = ("name", "edc:name", "https://w3id.org/edc/v0.0.1/ns/name")
_DESCRIPTIONS = ("description", "edc:description", "https://w3id.org/edc/v0.0.1/ns/description")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


class CatalogueDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One page of another participant's catalogue, and the dialect that it is written in."""

    participant: str
    title: str
    datasets: tuple[RemoteDataset, ...]
    dialect: str | None = None


def read_catalog(document: Any) -> list[RemoteDataset]:
    """Give the datasets of a Catalog message; those of catalogues inside it too.

    HansaError invalid_request when it is no Catalog.
    """
    return list(read_catalog_document(document).datasets)


def read_catalog_document(document: Any) -> CatalogueDocument:
    """Give one page with the participant that it names. HansaError invalid_request otherwise."""
    catalogue = _message(document, "Catalog")
    participant = _text(catalogue.get("participantId"))
    return CatalogueDocument(
        participant=participant,
        title=_member_text(catalogue, terms.TITLE),
        datasets=tuple(_datasets(catalogue, participant, {}, 0)),
        dialect=recognise(document),
    )


def read_dataset(document: Any, *, participant: str) -> RemoteDataset:
    """Read a Dataset message; HansaError invalid_request when it holds no offer."""
    read = _dataset(_message(document, "Dataset"), participant, {})
    if read is None:
        raise HansaError(Code.invalid_request, "The dataset has no id or no offer.")
    return read


def _message(document: Any, kind: str) -> dict[str, Any]:
    if not isinstance(document, Mapping):
        raise HansaError(Code.invalid_request, f"The answer is no {kind} object.")
    message = to_dsp_compact(document)
    if message.get("@type") != kind:
        raise HansaError(Code.invalid_request, f"The answer is no {kind}.", field="@type")
    return message


def _datasets(
    catalogue: Mapping[str, Any], participant: str, services: Mapping[str, str], depth: int
) -> Iterator[RemoteDataset]:
    known = {**services, **_services(catalogue)}
    for node in _nodes(catalogue.get("dataset")):
        dataset = _dataset(node, participant, known)
        if dataset is not None:
            yield dataset
    if depth < _DEPTH_MAX:
        for inner in _nodes(catalogue.get("catalog")):
            owner = _text(inner.get("participantId")) or participant
            yield from _datasets(inner, owner, known, depth + 1)


def _services(node: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for service in _nodes(node.get("service")):
        url = _text(service.get("endpointURL"))
        if url:
            found[_text(service.get("@id"))] = url
    return found


def _dataset(
    node: Mapping[str, Any], participant: str, services: Mapping[str, str]
) -> RemoteDataset | None:
    dataset_id = _text(node.get("@id"))
    offers = tuple(_offers(node))
    if not dataset_id or not offers:
        return None
    distributions = list(_nodes(node.get("distribution")))
    publisher = next(_nodes(_member(node, terms.PUBLISHER)), {})
    return RemoteDataset(
        id=dataset_id,
        title=_member_text(node, terms.TITLE, *_NAMES) or dataset_id,
        description=_member_text(node, terms.DESCRIPTION, *_DESCRIPTIONS),
        publisher=participant or _text(publisher),
        publisher_name=_member_text(publisher, terms.PUBLISHER_NAME),
        offers=offers,
        endpoint_url=_endpoint(distributions, services),
        formats=tuple(dict.fromkeys(filter(None, (_text(d.get("format")) for d in distributions)))),
        types=_member_texts(node, terms.ENTITY_TYPE),
        attributes=tuple(_attributes(node)),
        bbox=_bbox(node),
        temporal=_temporal(node),
        licence=_member_text(node, terms.LICENCE) or None,
        attribution=_member_text(node, terms.ATTRIBUTION) or None,
        labels=_member_texts(node, terms.LABEL),
        keywords=_member_texts(node, terms.KEYWORD),
        themes=_member_texts(node, terms.THEME),
        modified=_instant(_member_text(node, terms.MODIFIED)),
        resource=next(filter(None, map(_resource, distributions)), None),
    )


def _resource(distribution: Mapping[str, Any]) -> RemoteResource | None:
    """Give what a distribution says about its bytes; None when it names no media type."""
    media_type = _member_text(distribution, terms.MEDIA_TYPE).removeprefix(terms.MEDIA_TYPES)
    if not media_type:
        return None
    size = _member_text(distribution, terms.BYTE_SIZE)
    checksum = next(_nodes(_member(distribution, terms.CHECKSUM)), {})
    value = _member_text(checksum, terms.CHECKSUM_VALUE).lower()
    by_sha_256 = _member_text(checksum, terms.ALGORITHM) == terms.SHA_256
    return RemoteResource(
        media_type=media_type,
        name=_member_text(distribution, terms.TITLE),
        size=int(size) if size.isascii() and size.isdigit() and len(size) < 19 else None,
        digest=value if by_sha_256 and re.fullmatch("[0-9a-f]{64}", value) else None,
    )


def _offers(node: Mapping[str, Any]) -> Iterator[RemoteOffer]:
    for policy in _nodes(node.get("hasPolicy")):
        offer_id = _text(policy.get("@id"))
        if offer_id:
            yield RemoteOffer(id=offer_id, odrl=dict(policy))


def _endpoint(
    distributions: Iterable[Mapping[str, Any]], services: Mapping[str, str]
) -> str | None:
    for distribution in distributions:
        for service in _list(distribution.get("accessService")):
            url = _text(service.get("endpointURL")) if isinstance(service, Mapping) else ""
            found = url or services.get(_text(service))
            if found:
                return found
    return next(iter(services.values()), None)


def _attributes(node: Mapping[str, Any]) -> Iterator[Attribute]:
    for variable in list(_nodes(_member(node, terms.VARIABLE)))[:_ITEMS_MAX]:
        name = _member_text(variable, terms.VARIABLE_NAME)
        if name:
            yield Attribute(
                name=name,
                kind=_member_text(variable, terms.ATTRIBUTE_KIND) or "Property",
                title=_member_text(variable, terms.VARIABLE_TITLE),
                unit_code=_member_text(variable, terms.UNIT_CODE) or None,
                unit=_member_text(variable, terms.UNIT_TEXT) or None,
            )


def _bbox(node: Mapping[str, Any]) -> Bbox | None:
    location = next(_nodes(_member(node, terms.SPATIAL)), {})
    wkt = _member_text(location, terms.BBOX)
    if not wkt.lstrip().upper().startswith("POLYGON"):
        return None
    numbers = [float(number) for number in _NUMBER.findall(wkt[:2_000])]
    xs, ys = numbers[::2], numbers[1::2]
    if len(xs) < 4 or len(xs) != len(ys) or not all(math.isfinite(n) for n in numbers):
        return None
    return (min(xs), min(ys), max(xs), max(ys))


def _temporal(node: Mapping[str, Any]) -> Temporal | None:
    period = next(_nodes(_member(node, terms.TEMPORAL)), {})
    start = _instant(_member_text(period, terms.START))
    end = _instant(_member_text(period, terms.END))
    return Temporal(start=start, end=end) if start or end else None


def _instant(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _nodes(value: Any) -> Iterator[Mapping[str, Any]]:
    return (item for item in _list(value) if isinstance(item, Mapping))


def _text(value: Any) -> str:
    """Give the text of a string, a typed literal or a reference; else the empty string."""
    if isinstance(value, Mapping):
        value = value.get("@value", value.get("@id"))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = str(value)
    return value[:_TEXT_MAX] if isinstance(value, str) else ""


def _member(node: Mapping[str, Any], iri: str) -> Any:
    """Give a member by its IRI, written in full or with a prefix of the protocol's context."""
    if iri in node:
        return node[iri]
    for start, prefix in terms.PREFIXES.items():
        if iri.startswith(start):
            return node.get(f"{prefix}:{iri[len(start) :]}")
    return None


def _member_texts(node: Mapping[str, Any], iri: str) -> tuple[str, ...]:
    texts = (_text(item) for item in _list(_member(node, iri))[:_ITEMS_MAX])
    return tuple(dict.fromkeys(text for text in texts if text))


def _member_text(node: Mapping[str, Any], iri: str, *others: str) -> str:
    found = _member_texts(node, iri)
    if found:
        return found[0]
    return next((text for name in others if (text := _text(node.get(name)))), "")
