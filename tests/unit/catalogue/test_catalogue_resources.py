"""Datasets that are bytes: what is told of them, what is not, which terms they may have."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from catalogue_world import DSP_URL, NORTH, UNTIL, USE, draft

from hansa.catalogue import (
    FORMATS_OF_A_RESOURCE,
    Catalogue,
    OfferDraft,
    RemoteResource,
    Resource,
    Selection,
    draft_of,
    read_catalog,
)
from hansa.catalogue.wire_dsp_2025_1 import catalog_document
from hansa.kernel import Code, HansaError
from hansa.policy import PROFILE_IRI

DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
FILE = Resource(
    id="01890000-0000-7000-8000-000000000000",
    kind="file",
    name="houses.gpkg",
    location="secret-folder/houses.gpkg",
    media_type="application/geopackage+sqlite3",
    size=10_000_000_000,
    digest=DIGEST,
    stamp=1,
    sealed=b"sealed-headers",
)


def constrained(left: str, operator: str, right: str) -> dict[str, Any]:
    """Give an offer with one constraint."""
    constraint = {"leftOperand": left, "operator": operator, "rightOperand": right}
    return {
        "profile": PROFILE_IRI,
        "permission": [{"action": "use", "constraint": [constraint]}],
    }


async def test_bytes_are_described_by_name_size_and_digest_and_never_by_their_place(
    catalogue: Catalogue,
) -> None:
    made = await catalogue.publish(draft(resource=FILE))
    assert made.formats == FORMATS_OF_A_RESOURCE
    assert (await catalogue.get(made.id)).resource == FILE
    document = catalog_document([made], did=NORTH, title="North", dsp_url=DSP_URL)
    text = msgspec.json.encode(document).decode()
    for private in ("secret-folder", "sealed", FILE.id):
        assert private not in text, private
    (read,) = read_catalog(document)
    assert read.formats == FORMATS_OF_A_RESOURCE
    assert read.resource == RemoteResource(
        name="houses.gpkg",
        media_type="application/geopackage+sqlite3",
        size=10_000_000_000,
        digest=DIGEST,
    )


async def test_entities_have_no_resource_on_the_wire(catalogue: Catalogue) -> None:
    made = await catalogue.publish(draft())
    (read,) = read_catalog(catalog_document([made], did=NORTH, title="North", dsp_url=DSP_URL))
    assert read.resource is None


@pytest.mark.parametrize(
    "offer",
    [
        constrained("hansa:attribute", "eq", "https://example.org/energy"),
        constrained("hansa:dataAge", "lteq", "P1D"),
        constrained("hansa:dataAge", "gteq", "PT1H"),
        constrained("hansa:entityType", "eq", "https://example.org/Building"),
    ],
    ids=lambda offer: "-".join(offer["permission"][0]["constraint"][0].values()),
)
async def test_terms_that_would_need_a_filter_are_refused_at_publishing(
    catalogue: Catalogue, offer: dict[str, Any]
) -> None:
    with pytest.raises(HansaError) as refused:
        await catalogue.publish(
            draft(resource=FILE, offers=(OfferDraft(odrl=USE), OfferDraft(odrl=offer)))
        )
    assert refused.value.code is Code.policy_unsupported
    assert refused.value.facts["path"].startswith("offers[1].permission[0].constraint[0]")
    assert "as a whole or not at all" in refused.value.detail
    assert await catalogue.count() == 0
    await catalogue.publish(draft(offers=(OfferDraft(odrl=offer),)))  # entities can be filtered


@pytest.mark.parametrize(
    "offer", [UNTIL, constrained("odrl:purpose", "eq", "https://example.org/research")]
)
async def test_terms_that_say_yes_or_no_are_good_for_bytes(
    catalogue: Catalogue, offer: dict[str, Any]
) -> None:
    made = await catalogue.publish(draft(resource=FILE, offers=(OfferDraft(odrl=offer),)))
    changed = await catalogue.update(made.id, draft_of(made, title="Renamed"))
    assert changed.resource == FILE
    assert changed.selection.cut().types == frozenset(), "its token must open no entity"


@pytest.mark.parametrize(
    ("changes", "draft_changes", "field"),
    [
        ({"media_type": "csv"}, {}, "resource.media_type"),
        ({"media_type": "text/csv\r\nX: y"}, {}, "resource.media_type"),
        ({"name": ""}, {}, "resource.name"),
        ({"name": "a\nb"}, {}, "resource.name"),
        ({"name": "n" * 256}, {}, "resource.name"),
        ({"digest": None}, {}, "resource"),
        ({"size": None}, {}, "resource"),
        ({}, {"selection": Selection(types=("https://example.org/Building",))}, "resource"),
    ],
)
async def test_a_resource_out_of_bounds_is_refused_by_member(
    catalogue: Catalogue, changes: dict[str, Any], draft_changes: dict[str, Any], field: str
) -> None:
    resource = msgspec.structs.replace(FILE, **changes)
    with pytest.raises(HansaError) as refused:
        await catalogue.publish(draft(resource=resource, **draft_changes))
    assert refused.value.code is Code.invalid_field
    assert refused.value.facts["field"] == field


@pytest.mark.parametrize(
    "distribution",
    [
        {"http://www.w3.org/ns/dcat#mediaType": {"@id": "text/csv"}, "dcat:byteSize": "-1"},
        {
            "dcat:mediaType": "text/csv",
            "http://spdx.org/rdf/terms#checksum": {
                "http://spdx.org/rdf/terms#algorithm": {"@id": "http://spdx.org/rdf/terms#md5"},
                "http://spdx.org/rdf/terms#checksumValue": "00",
            },
        },
    ],
)
def test_what_another_says_badly_about_its_bytes_is_left_out(
    distribution: dict[str, Any],
) -> None:
    dataset = {
        "@id": "urn:d",
        "hasPolicy": [{"@id": "urn:o"}],
        "distribution": [{"format": "HttpData-PULL", "accessService": "urn:s", **distribution}],
    }
    context = ["https://w3id.org/dspace/2025/1/context.jsonld"]
    (read,) = read_catalog(
        {"@context": context, "@id": "urn:c", "@type": "Catalog", "dataset": [dataset]}
    )
    assert read.resource == RemoteResource(media_type="text/csv")
