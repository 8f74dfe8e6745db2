"""Write lists of types and attributes (NGSI-LD 1.9.1 5.2.24-5.2.28)."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from hansa.broker.model import AttributeFacts, EntityTypeFacts
from hansa.kernel.jsonld import TermMap


def _list_id(kind: str, names: Sequence[str]) -> str:
    """Give a URI for a list: the same names give the same one."""
    mark = blake2b("\n".join(names).encode(), digest_size=12).hexdigest()
    return f"urn:ngsi-ld:{kind}:{mark}"


def type_list(found: Sequence[EntityTypeFacts], terms: TermMap) -> dict[str, Any]:
    """Write an EntityTypeList (5.2.24)."""
    names = [terms.compact(one.iri) for one in found]
    return {"id": _list_id("EntityTypeList", names), "type": "EntityTypeList", "typeList": names}


def type_details(found: Sequence[EntityTypeFacts], terms: TermMap) -> list[dict[str, Any]]:
    """Write each EntityType (5.2.25)."""
    return [
        {
            "id": one.iri,
            "type": "EntityType",
            "typeName": terms.compact(one.iri),
            "attributeNames": [terms.compact(name) for name in one.attributes],
        }
        for one in found
    ]


def type_info(one: EntityTypeFacts, terms: TermMap) -> dict[str, Any]:
    """Write an EntityTypeInfo (5.2.26)."""
    return {
        "id": one.iri,
        "type": "EntityTypeInfo",
        "typeName": terms.compact(one.iri),
        "entityCount": one.entities,
        "attributeDetails": [
            {
                "id": name,
                "type": "Attribute",
                "attributeName": terms.compact(name),
                "attributeTypes": [kind.name for kind in kinds],
            }
            for name, kinds in one.attributes.items()
        ],
    }


def attribute_list(found: Sequence[AttributeFacts], terms: TermMap) -> dict[str, Any]:
    """Write an AttributeList (5.2.27)."""
    names = [terms.compact(one.iri) for one in found]
    mark = _list_id("AttributeList", names)
    return {"id": mark, "type": "AttributeList", "attributeList": names}


def attribute_details(found: Sequence[AttributeFacts], terms: TermMap) -> list[dict[str, Any]]:
    """Write each Attribute without counts (5.2.28, 5.7.9)."""
    return [
        {
            "id": one.iri,
            "type": "Attribute",
            "attributeName": terms.compact(one.iri),
            "typeNames": [terms.compact(name) for name in one.types],
        }
        for one in found
    ]


def attribute_info(one: AttributeFacts, terms: TermMap) -> dict[str, Any]:
    """Write one Attribute with all that is known of it (5.2.28, 5.7.10)."""
    return {
        "id": one.iri,
        "type": "Attribute",
        "attributeName": terms.compact(one.iri),
        "attributeCount": one.instances,
        "attributeTypes": [kind.name for kind in one.kinds],
        "typeNames": [terms.compact(name) for name in one.types],
    }
