"""Put rendered pieces together: an entity is its head and its attributes' fragments."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import orjson

from hansa.kernel.jsonld import compact_ngsi_ld_name


def head(identifier: str, types: Iterable[str]) -> bytes:
    """Write `{"id":...,"type":...` of an entity; one type is a string, several are a list."""
    return b'{"id":%b,"type":%b' % (orjson.dumps(identifier), type_value(frozenset(types)))


@lru_cache(maxsize=4096)
def type_value(types: frozenset[str]) -> bytes:
    """Write the value of `type`."""
    names = sorted(compact_ngsi_ld_name(one) for one in types)
    return orjson.dumps(names[0] if len(names) == 1 else names)


@lru_cache(maxsize=65_536)
def member(iri: str) -> bytes:
    """Write `,"name":` of an attribute."""
    return b",%b:" % orjson.dumps(compact_ngsi_ld_name(iri))


def joined(start: bytes, fragments: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Write an entity from its head and (member, body) pairs, those of one member in a row.

    A member with several bodies (instances with a datasetId, 4.5.5) becomes a list.
    """
    parts = [start]
    last = b""
    opened = 0
    several = False
    for name, body in fragments:
        if name == last:
            if not several:
                parts[opened] = b"[" + parts[opened]
                several = True
            parts.append(b",")
        else:
            if several:
                parts.append(b"]")
            several = False
            parts.append(name)
            opened = len(parts)
            last = name
        parts.append(body)
    parts.append(b"]}" if several else b"}")
    return b"".join(parts)
