"""The Hansa profile of ODRL as a JSON-LD document, made from the table that the compiler uses."""

from __future__ import annotations

from typing import Any

from hansa.policy.vocabulary import HANSA, ODRL, OPERANDS, PROFILE_IRI, Operand, ValueKind

_VALUES = {
    ValueKind.instant: "An xsd:dateTime with a time zone.",
    ValueKind.words: "One string or IRI, or a list of them.",
    ValueKind.dids: "One DID or a list of them.",
    ValueKind.membership: "The word `active`.",
    ValueKind.names: "One NGSI-LD name, short or as an IRI, or a list of them.",
    ValueKind.area: "A polygon or multipolygon in WKT, longitude before latitude, WGS84.",
    ValueKind.number: "A whole number from 1, written as a string.",
    ValueKind.duration: "An ISO 8601 duration such as PT15M, P7D or P3M.",
}


def value_sentence(operand: Operand) -> str:
    """Say in one sentence what the right operand must be."""
    return _VALUES[operand.value]


def profile_document() -> dict[str, Any]:
    """Give the profile as JSON-LD: its left operands, their operators and values.

    Served at `/ns/odrl`; the IRI of the profile is `PROFILE_IRI` (ODRL 2.2 IM 4.1).
    """
    return {
        "@context": {
            "odrl": ODRL,
            "hansa": HANSA,
            "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
            "skos": "http://www.w3.org/2004/02/skos/core#",
            "owl": "http://www.w3.org/2002/07/owl#",
            "dct": "http://purl.org/dc/terms/",
            "label": "rdfs:label",
            "definition": "skos:definition",
            "note": "skos:note",
            "scopeNote": "skos:scopeNote",
            "isDefinedBy": {"@id": "rdfs:isDefinedBy", "@type": "@id"},
            "subClassOf": {"@id": "rdfs:subClassOf", "@type": "@id"},
            "operator": {"@id": "hansa:operator", "@type": "@id", "@container": "@set"},
        },
        "@graph": [
            {
                "@id": PROFILE_IRI,
                "@type": ["owl:Ontology", "odrl:Profile"],
                "label": "Hansa profile of ODRL",
                "owl:versionInfo": "1",
                "definition": "Left operands that cut data by observation time, area, attribute, "
                "entity type and age, and two that ask for membership and role.",
            },
            {
                "@id": "hansa:DataScopingOperand",
                "@type": "owl:Class",
                "subClassOf": "odrl:LeftOperand",
                "isDefinedBy": PROFILE_IRI,
                "label": "Data-scoping left operand",
                "definition": "A constraint with such an operand is satisfied whenever its rule "
                "is asked whether it is active. It restricts what the rule lets through: several "
                "permissions give the union, constraints within one the intersection, and a "
                "prohibition cuts its part out.",
            },
            *(_operand(operand) for operand in OPERANDS.values() if operand.iri.startswith(HANSA)),
        ],
    }


def _operand(operand: Operand) -> dict[str, Any]:
    return {
        "@id": operand.name,
        "@type": ["odrl:LeftOperand", *(["hansa:DataScopingOperand"] if operand.scoping else [])],
        "isDefinedBy": PROFILE_IRI,
        "label": operand.label,
        "definition": operand.definition,
        "scopeNote": value_sentence(operand),
        "operator": [f"odrl:{name}" for name in operand.operators],
    }
