"""Our catalogue messages against the official schemas, the official examples against our reader."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft201909Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT201909

from hansa.catalogue import (
    Attribute,
    Dataset,
    Offer,
    Selection,
    Temporal,
    read_catalog,
)
from hansa.catalogue.wire_dsp_2025_1 import (
    catalog_document,
    catalog_error,
    dataset_document,
    read_dataset,
    version_document,
)
from hansa.kernel import Code, HansaError

DID = "did:web:localhost%3A7711:north"
DSP_URL = "http://localhost:7711/north/dsp/2025-1"
AT = datetime(2026, 1, 1, tzinfo=UTC)
BARE = Dataset(
    id="urn:uuid:00000000-0000-4000-8000-000000000001",
    name="bare",
    title="Bare",
    publisher=DID,
    created=AT,
    modified=AT,
    offers=(
        Offer(
            id="urn:uuid:00000000-0000-4000-8000-000000000002",
            odrl={
                "@id": "urn:uuid:00000000-0000-4000-8000-000000000002",
                "@type": "Offer",
                "target": "left out on the wire",
                "permission": [
                    {
                        "action": "use",
                        "constraint": [
                            {
                                "leftOperand": "dateTime",
                                "operator": "lt",
                                "rightOperand": "2030-01-01T00:00:00Z",
                            }
                        ],
                    }
                ],
            },
        ),
    ),
)
FULL = Dataset(
    **{name: getattr(BARE, name) for name in BARE.__struct_fields__}
    | {
        "description": "All members",
        "publisher_name": "Delft North",
        "selection": Selection(types=("https://example.org/Building",)),
        "attributes": (Attribute(name="energy", unit_code="KWH", unit="kWh", title="Energy"),),
        "bbox": (4.3, 52.0, 4.4, 52.1),
        "temporal": Temporal(start=AT, end=AT),
        "licence": "https://creativecommons.org/licenses/by/4.0/",
        "attribution": "© 3DBAG",
        "labels": ("derived", "synthetic"),
        "keywords": ("retail",),
        "themes": ("https://example.org/theme", "free text"),
    }
)


@pytest.fixture(scope="session")
def vectors(shared: Path) -> Path:
    return shared / "vectors" / "dsp-2025-1"


@pytest.fixture(scope="session")
def registry(vectors: Path) -> Registry[Any]:
    resources = []
    for path in sorted((vectors / "schemas").rglob("*.json")):
        # known defect of three schemas: the slash after `#` is missing
        text = path.read_text().replace("json#definitions", "json#/definitions")
        schema = json.loads(text)
        resources.append((schema["$id"], Resource(schema, DRAFT201909)))
    return Registry().with_resources(resources)


def check(registry: Registry[Any], schema: str, document: Any) -> None:
    uri = f"https://w3id.org/dspace/2025/1/{schema}-schema.json"
    validator = Draft201909Validator({"$ref": uri}, registry=registry)
    errors = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]
    assert not errors


@pytest.mark.parametrize("datasets", [(), (BARE,), (BARE, FULL)])
def test_our_catalog_is_valid(registry: Registry[Any], datasets: tuple[Dataset, ...]) -> None:
    document = catalog_document(datasets, did=DID, title="Delft North", dsp_url=DSP_URL)
    check(registry, "catalog/catalog", json.loads(json.dumps(document)))
    assert ("dataset" in document) == bool(datasets)


@pytest.mark.parametrize("dataset", [BARE, FULL])
def test_our_dataset_is_valid_and_offers_carry_no_target(
    registry: Registry[Any], dataset: Dataset
) -> None:
    document = dataset_document(dataset, did=DID, dsp_url=DSP_URL)
    check(registry, "catalog/dataset", json.loads(json.dumps(document)))
    assert all("target" not in offer for offer in document["hasPolicy"])


def test_our_error_is_valid(registry: Registry[Any]) -> None:
    error = HansaError(Code.not_found, "No.", "Look elsewhere.", field="id", next="Ask.")
    check(registry, "catalog/catalog-error", catalog_error(error))


def test_our_version_document_is_valid(registry: Registry[Any]) -> None:
    check(registry, "common/protocol-version", version_document())


def test_the_schema_check_can_fail(registry: Registry[Any]) -> None:
    document = catalog_document((BARE,), did=DID, title="", dsp_url=DSP_URL)
    document["dataset"][0].pop("distribution")
    with pytest.raises(AssertionError, match="distribution"):
        check(registry, "catalog/catalog", document)


def test_official_examples_are_read(vectors: Path) -> None:
    examples = vectors / "examples" / "catalog"
    (dataset,) = read_catalog(json.loads((examples / "catalog.json").read_text()))
    assert dataset.publisher == "urn:example:DataProviderA"
    assert dataset.endpoint_url == "https://provider-a.com/connector"
    assert dataset.formats == ("HttpData-PULL",)
    assert dataset.offers[0].odrl["permission"][0]["action"] == "use"
    assert read_catalog(json.loads((examples / "nested-catalog.json").read_text())) == []
    single = read_dataset(json.loads((examples / "dataset.json").read_text()), participant=DID)
    assert (single.publisher, single.endpoint_url) == (DID, "https://provider-a.com/connector")


def test_a_real_edc_catalogue_is_read(shared: Path) -> None:
    wire = shared / "peers" / "edc" / "wire"
    captured = json.loads((wire / "03-catalog-request-message-to-provider.json").read_text())
    (dataset,) = read_catalog(captured["response"]["body"])
    assert (dataset.id, dataset.title, dataset.publisher) == ("river", "river", "provider")
    assert dataset.formats == ("HttpData-PULL", "HttpData-PUSH")
    assert dataset.endpoint_url == "http://localhost:19395/provider/2025-1"
    assert len(dataset.offers) == 1
    path = "04-get-2025-1-catalog-datasets-river-to-provider.json"
    one = json.loads((wire / path).read_text())["response"]["body"]
    assert read_dataset(one, participant="provider").title == "river"


def test_both_roads_through_json_ld_read_the_same(vectors: Path) -> None:
    document = catalog_document((BARE, FULL), did=DID, title="Delft North", dsp_url=DSP_URL)
    fast = read_catalog(document)
    slow = read_catalog({**document, "@context": document["@context"][0]})
    assert fast == slow
