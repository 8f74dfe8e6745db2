"""Both roads through JSON-LD, and names under a context."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hansa.kernel import Code, HansaError
from hansa.kernel.jsonld import (
    CORE,
    CORE_TERMS,
    DSP_CONTEXT_URL,
    NGSI_LD,
    ContextRegistry,
    TermMap,
    compact_ngsi_ld_name,
    expand_ngsi_ld_name,
    to_dsp_compact,
)

GEOJSON = "https://purl.org/geojson/vocab#"


def test_core_terms_are_those_of_the_published_context(shared: Path) -> None:
    document = json.loads(
        (shared / "vectors/ngsi-ld/contexts/ngsi-ld-core-context-v1.9.jsonld").read_text()
    )
    published: dict[str, str] = {}
    for name, definition in document["@context"].items():
        if name.startswith("@") or name in ("ngsi-ld", "geojson"):
            continue
        iri = definition if isinstance(definition, str) else definition["@id"]
        head, _, tail = iri.partition(":")
        prefix = {"ngsi-ld": NGSI_LD, "geojson": GEOJSON}.get(head)
        published[name] = prefix + tail if prefix else iri
    assert published == dict(CORE_TERMS)


@pytest.mark.parametrize(
    ("name", "iri"),
    [
        ("location", "https://uri.etsi.org/ngsi-ld/location"),
        ("power", "https://uri.etsi.org/ngsi-ld/default-context/power"),
        ("https://example.org/x", "https://example.org/x"),
        ("ngsi-ld:location", "https://uri.etsi.org/ngsi-ld/location"),
        ("value", "https://uri.etsi.org/ngsi-ld/hasValue"),
        ("urn:x:y", "urn:x:y"),
    ],
)
def test_names_expand_under_the_core_context(name: str, iri: str) -> None:
    assert expand_ngsi_ld_name(name) == iri


def test_compact_gives_back_the_name() -> None:
    assert compact_ngsi_ld_name(expand_ngsi_ld_name("power")) == "power"
    assert compact_ngsi_ld_name(expand_ngsi_ld_name("location")) == "location"


def test_a_user_context_never_overrides_a_core_term() -> None:
    terms = TermMap({"location": "https://evil.example/location", "ex": "https://example.org/"})
    assert terms.expand("location") == "https://uri.etsi.org/ngsi-ld/location"
    assert terms.expand("ex:speed") == "https://example.org/speed"
    assert terms.compact("https://example.org/speed") == "ex:speed"


def test_a_default_context_name_that_a_context_maps_elsewhere_is_not_shortened() -> None:
    terms = TermMap({"speed": "https://example.org/speed"})
    iri = "https://uri.etsi.org/ngsi-ld/default-context/speed"
    assert terms.compact(iri) != "speed"


def test_scoped_contexts_are_refused() -> None:
    with pytest.raises(HansaError) as caught:
        TermMap({"a": {"@id": "https://example.org/a", "@context": {}}})
    assert caught.value.code is Code.invalid_field


async def test_an_unknown_context_is_unavailable_and_a_pinned_one_is_exact() -> None:
    registry = ContextRegistry({"https://example.org/c.jsonld": {"@context": {"a": "urn:x:a"}}})
    assert (await registry.term_map("https://example.org/c.jsonld")).expand("a") == "urn:x:a"
    with pytest.raises(HansaError) as caught:
        await registry.term_map("https://example.org/c.jsonld2")
    assert caught.value.code is Code.context_unavailable
    assert await registry.term_map([]) is CORE


def test_both_roads_agree_on_the_official_examples(shared: Path) -> None:
    seen = 0
    for path in sorted((shared / "vectors/dsp-2025-1/examples").glob("*/*.json")):
        if "catalog" in path.parent.name:
            continue
        document = json.loads(path.read_text())
        if DSP_CONTEXT_URL not in document.get("@context", []) or len(document["@context"]) > 1:
            continue
        fast = to_dsp_compact(document)
        full = to_dsp_compact({**document, "@context": [DSP_CONTEXT_URL, {"x": "http://x/"}]})
        assert full == fast, path.name
        seen += 1
    assert seen >= 15


def test_a_prefixed_message_reads_like_the_plain_one() -> None:
    message = {
        "@context": {"dspace": "https://w3id.org/dspace/2025/1/"},
        "@type": "dspace:TransferCompletionMessage",
        "dspace:providerPid": {"@id": "urn:uuid:1"},
        "dspace:consumerPid": {"@id": "urn:uuid:2"},
    }
    assert to_dsp_compact(message) == {
        "@context": [DSP_CONTEXT_URL],
        "@type": "TransferCompletionMessage",
        "providerPid": "urn:uuid:1",
        "consumerPid": "urn:uuid:2",
    }


def test_a_message_with_an_unknown_context_is_refused_with_its_name() -> None:
    with pytest.raises(HansaError) as caught:
        to_dsp_compact({"@context": "https://example.org/unknown.jsonld", "@type": "x:Y"})
    assert caught.value.code is Code.context_unavailable
    assert caught.value.status == 400


def _nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {"@id": "urn:x"}
    for _ in range(levels):
        value = {"http://x/a": value}
    return {"@context": {"@vocab": "http://x/"}, **value}


@pytest.mark.parametrize(
    "costly",
    [
        _nested(400),
        {"@context": {}, "http://x/a": [[[[1] * 20_000]]]},
        {"@context": {}, "http://x/a": [{"@context": {"z": "http://x/z"}} for _ in range(9)]},
        {"@context": {f"t{i}": {"@id": "http://x/t", "@context": {}} for i in range(9)}},
    ],
    ids=["levels", "members", "contexts of nodes", "contexts of terms"],
)
def test_what_expansion_would_work_on_for_too_long_is_refused(costly: dict[str, Any]) -> None:
    with pytest.raises(HansaError) as caught:
        to_dsp_compact(costly)
    assert (caught.value.code, caught.value.status) == (Code.too_complex, 400)
    with pytest.raises(HansaError) as caught:  # it is JSON-LD all the same, only not readable
        to_dsp_compact(_nested(20) | {"@context": "https://example.org/unknown.jsonld"})
    assert caught.value.code is Code.context_unavailable
