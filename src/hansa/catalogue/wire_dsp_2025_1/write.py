"""Write Catalog, Dataset, CatalogError and the version document.

Empty arrays are left out (catalog-schema: `minItems` 1). An offer in a catalogue has no `target`:
it follows from the dataset around it (DSP 2025-1 6.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from hansa.catalogue.model import Attribute, Bbox, Dataset, Resource, Temporal
from hansa.catalogue.wire_dsp_2025_1 import terms
from hansa.kernel import HansaError, iso
from hansa.kernel.jsonld import DSP_CONTEXT_URL

DSP_PATH = "/dsp/2025-1"


def version_document() -> dict[str, Any]:
    """Give the version document (DSP 2025-1 4.3), `path` relative to the participant's root.

    `auth` is left out: Decentralized Claims is not offered in full yet, and nothing is claimed
    that does not hold.
    """
    entry = {
        "version": "2025-1",
        "path": DSP_PATH,
        "binding": "HTTPS",
        "identifierType": "did:web",
    }
    return {"protocolVersions": [entry]}


def catalog_error(error: HansaError) -> dict[str, Any]:
    """Give the CatalogError of an error; `reason` says what, which member, and what next."""
    reason = [f"{error.title} {error.detail}".strip()]
    for fact in ("field", "next"):
        if fact in error.facts:
            reason.append(f"{fact}: {error.facts[fact]}")
    return {
        "@context": [DSP_CONTEXT_URL],
        "@type": "CatalogError",
        "code": error.code.value,
        "reason": reason,
    }


def catalog_document(
    datasets: Sequence[Dataset], *, did: str, title: str, dsp_url: str
) -> dict[str, Any]:
    """Give one page of the catalogue (DSP 2025-1 5.2, RootCatalog)."""
    document: dict[str, Any] = {
        "@context": [DSP_CONTEXT_URL],
        "@id": f"{did}#catalog",
        "@type": "Catalog",
        "participantId": did,
        "service": [_service(did, dsp_url)],
    }
    if title:
        document[terms.TITLE] = title
    if datasets:
        document["dataset"] = [_dataset(dataset, did, dsp_url) for dataset in datasets]
    return document


def dataset_document(dataset: Dataset, *, did: str, dsp_url: str) -> dict[str, Any]:
    """Give one dataset as the root of a message (DSP 2025-1 5.3, RootDataset)."""
    return {"@context": [DSP_CONTEXT_URL], **_dataset(dataset, did, dsp_url)}


def _service(did: str, dsp_url: str) -> dict[str, Any]:
    return {"@id": f"{did}#dsp", "@type": "DataService", "endpointURL": dsp_url}


def _dataset(dataset: Dataset, did: str, dsp_url: str) -> dict[str, Any]:
    service = _service(did, dsp_url)
    bytes_are = {} if dataset.resource is None else _bytes(dataset.resource)
    return {
        "@id": dataset.id,
        "@type": "Dataset",
        "hasPolicy": [
            {name: value for name, value in offer.odrl.items() if name != "target"}
            for offer in dataset.offers
        ],
        "distribution": [
            {"@type": "Distribution", "format": name, "accessService": service, **bytes_are}
            for name in dataset.formats
        ],
        **_description(dataset),
    }


def _bytes(resource: Resource) -> dict[str, Any]:
    """Give what is told of the bytes (DCAT 3 6.8): never where they come from."""
    members: dict[str, Any] = {
        terms.TITLE: resource.name,
        terms.MEDIA_TYPE: {"@id": f"{terms.MEDIA_TYPES}{resource.media_type.partition(';')[0]}"},
        terms.BYTE_SIZE: resource.size,
    }
    if resource.digest is not None:
        members[terms.CHECKSUM] = {
            "@type": terms.CHECKSUM_TYPE,
            terms.ALGORITHM: {"@id": terms.SHA_256},
            terms.CHECKSUM_VALUE: resource.digest,
        }
    return {name: value for name, value in members.items() if value is not None}


def _description(dataset: Dataset) -> dict[str, Any]:
    publisher: dict[str, Any] = {"@id": dataset.publisher}
    if dataset.publisher_name:
        publisher[terms.PUBLISHER_NAME] = dataset.publisher_name
    members: dict[str, Any] = {
        terms.TITLE: dataset.title,
        terms.DESCRIPTION: dataset.description,
        terms.PUBLISHER: publisher,
        terms.LICENCE: _reference(dataset.licence) if dataset.licence else None,
        terms.ATTRIBUTION: dataset.attribution,
        terms.ISSUED: _instant(dataset.created),
        terms.MODIFIED: _instant(dataset.modified),
        terms.KEYWORD: list(dataset.keywords),
        terms.THEME: [_reference(theme) for theme in dataset.themes],
        terms.ENTITY_TYPE: [{"@id": iri} for iri in dataset.types],
        terms.VARIABLE: [_attribute(attribute) for attribute in dataset.attributes],
        terms.LABEL: list(dataset.labels),
        terms.SPATIAL: _spatial(dataset.bbox) if dataset.bbox else None,
        terms.TEMPORAL: _temporal(dataset.temporal) if dataset.temporal else None,
    }
    return {name: value for name, value in members.items() if value}


def _reference(text: str) -> str | dict[str, str]:
    """Give an IRI as a node, any other text as itself."""
    return {"@id": text} if text.startswith(("http://", "https://", "urn:")) else text


def _instant(at: datetime) -> dict[str, str]:
    return {"@value": iso(at), "@type": terms.DATE_TIME}


def _attribute(attribute: Attribute) -> dict[str, Any]:
    members: dict[str, Any] = {
        "@type": terms.PROPERTY_VALUE,
        terms.VARIABLE_NAME: attribute.name,
        terms.VARIABLE_TITLE: attribute.title,
        terms.UNIT_CODE: attribute.unit_code,
        terms.UNIT_TEXT: attribute.unit,
        terms.ATTRIBUTE_KIND: attribute.kind,
    }
    return {name: value for name, value in members.items() if value}


def _spatial(bbox: Bbox) -> dict[str, Any]:
    west, south, east, north = bbox
    ring = ((west, south), (east, south), (east, north), (west, north), (west, south))
    wkt = f"POLYGON(({','.join(f'{x} {y}' for x, y in ring)}))"
    return {
        "@type": terms.LOCATION,
        terms.BBOX: {"@value": wkt, "@type": terms.WKT_LITERAL},
    }


def _temporal(span: Temporal) -> dict[str, Any]:
    period: dict[str, Any] = {"@type": terms.PERIOD}
    if span.start is not None:
        period[terms.START] = _instant(span.start)
    if span.end is not None:
        period[terms.END] = _instant(span.end)
    return period if len(period) > 1 else {}
