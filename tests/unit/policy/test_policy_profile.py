"""The published profile says what the compiler does."""

from __future__ import annotations

from pathlib import Path

from hansa.policy import PROFILE_IRI, profile_document
from hansa.policy.vocabulary import HANSA, OPERANDS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "odrl-profile.md"


def test_the_document_defines_every_hansa_operand() -> None:
    document = profile_document()
    by_id = {node["@id"]: node for node in document["@graph"]}
    assert document["@context"]["hansa"] == HANSA
    assert by_id[PROFILE_IRI]["@type"] == ["owl:Ontology", "odrl:Profile"]
    ours = [operand for operand in OPERANDS.values() if operand.iri.startswith(HANSA)]
    assert len(ours) == 7
    for operand in ours:
        node = by_id[operand.name]
        assert ("hansa:DataScopingOperand" in node["@type"]) is operand.scoping
        assert node["operator"] == [f"odrl:{name}" for name in operand.operators]
        assert node["definition"]
        assert node["scopeNote"]


def test_the_document_is_json_ld() -> None:
    from pyld import jsonld

    expanded = jsonld.expand(profile_document())
    terms = {node["@id"] for node in expanded}
    assert {HANSA + "area", HANSA + "observationTime", PROFILE_IRI} <= terms


def test_the_page_shows_every_operand_with_its_operators() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert PROFILE_IRI in page
    for operand in OPERANDS.values():
        rows = [line for line in page.splitlines() if line.startswith(f"| `{operand.name}`")]
        assert len(rows) == 1, operand.name
        assert f"| {', '.join(operand.operators)} |" in rows[0], operand.name
