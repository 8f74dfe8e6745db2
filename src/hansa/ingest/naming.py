"""Names: attributes, entity types and the local part of entity ids."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from urllib.parse import quote

from hansa.kernel.jsonld import CORE_TERMS

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,127}")
"""Attribute and entity type names (NGSI-LD 1.9.1 4.6.2), without prefix forms."""

_WELL_KNOWN = frozenset({"location", "observationSpace", "operationSpace", "title", "description"})
RESERVED = frozenset(CORE_TERMS) - _WELL_KNOWN
"""Terms of the core context: an attribute of such a name would mean something else."""

_RENAMED = {
    "id": "identifier",
    "type": "kind",
    "value": "measuredValue",
    "status": "state",
    "scope": "extent",
    "count": "number",
    "location": "place",
    "information": "info",
    "min": "minimum",
    "max": "maximum",
    "avg": "mean",
    "sum": "total",
}
LOCAL_ID_CHARACTERS_MAX = 200


def ascii_of(text: str) -> str:
    """Take accents off letters; what has no ASCII form stays."""
    apart = unicodedata.normalize("NFKD", text.replace("ß", "ss").replace("ø", "o"))
    return "".join(char for char in apart if not unicodedata.combining(char))


def words_of(text: str) -> list[str]:
    """Part a header into words: at blanks, marks and inner capitals."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", ascii_of(text))
    return re.findall(r"[A-Za-z0-9]+", spaced)


def attribute_name(header: str) -> str:
    """Give an attribute name in camel case, such as `waterFlow` for `Water flow`.

    Never a term of the core context: `value` becomes `measuredValue`.
    """
    words = words_of(header)
    if not words:
        return "column"
    first, *rest = words
    name = (first if len(words) == 1 and not first.isupper() else first.lower()) + "".join(
        word[:1].upper() + (word[1:].lower() if word.isupper() else word[1:]) for word in rest
    )
    name = name[:1].lower() + name[1:]
    if not name[0].isalpha():
        name = f"n{name}"
    name = name[:100]
    if name in RESERVED or name == "location":
        name = _RENAMED.get(name, f"{name}Value")
    return name


def distinct(name: str, taken: set[str]) -> str:
    """Give the name, or with a number when it is taken, and take it."""
    result, number = name, 2
    while result in taken:
        result, number = f"{name}{number}", number + 1
    taken.add(result)
    return result


def type_name(text: str) -> str:
    """Give an entity type in capitals, such as `WaterFlow` for `water-flow.csv`."""
    stem = re.sub(r"\.(csv|tsv|txt|json|geojson|gpkg|jsonl|city|gz)\b", "", text, flags=re.I)
    name = "".join(word[:1].upper() + word[1:] for word in words_of(stem)) or "Thing"
    name = name if name[0].isalpha() else f"Thing{name}"
    name = name[:100]
    if re.search(r"[^suiIUS]s$", name) and not name.endswith("ies"):
        name = name[:-1]  # an entity is one thing: Plot for a layer `plots`
    return f"{name}Entity" if name in CORE_TERMS else name


@lru_cache(maxsize=65_536)
def local_id(text: str) -> str:
    """Give the local part of an entity id: URI-safe, readable, the same for the same text.

    Blanks become hyphens; accents, and braces around it, go; anything else outside
    `A-Za-z0-9._~:-` is percent-encoded. Two texts can meet in one id: the pass sets the second
    aside.
    """
    plain = re.sub(r"\s+", "-", ascii_of(text.strip().strip("{}")))
    return quote(plain, safe=":")[:LOCAL_ID_CHARACTERS_MAX]
