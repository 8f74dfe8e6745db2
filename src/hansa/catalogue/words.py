"""From text to the words that a dataset is found by."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Protocol

from hansa.catalogue.model import Attribute
from hansa.kernel.jsonld import compact_ngsi_ld_name

WORDS_MAX = 256
_WORD_LENGTH_MAX = 40
_RUNS = re.compile(r"[^\W_]+")
_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class Described(Protocol):
    """What our own datasets and those of others have in common."""

    @property
    def title(self) -> str: ...  # noqa: D102
    @property
    def description(self) -> str: ...  # noqa: D102
    @property
    def publisher(self) -> str: ...  # noqa: D102
    @property
    def keywords(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def types(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def themes(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def attributes(self) -> tuple[Attribute, ...]: ...  # noqa: D102


def _fold(word: str) -> str:
    plain = "".join(
        letter
        for letter in unicodedata.normalize("NFKD", word.casefold())
        if not unicodedata.combining(letter)
    )
    if len(plain) > 3 and plain.endswith("s") and not plain.endswith("ss"):
        plain = plain[:-1]
    return plain[:_WORD_LENGTH_MAX]


def words_of(text: str) -> tuple[str, ...]:
    """Give the words of a text in order, each once: folded case, no accents, no plural `s`.

    A compound name (`energyConsumption`) gives its parts and itself.
    """
    found: dict[str, None] = {}
    for run in _RUNS.findall(text):
        parts = _HUMPS.split(run)
        for part in (*parts, run) if len(parts) > 1 else parts:
            if len(part) > 1:
                found[_fold(part)] = None
    return tuple(found)


def _texts(dataset: Described) -> Iterable[str]:
    yield dataset.title
    yield from dataset.keywords
    for iri in (*dataset.types, *dataset.themes):
        yield last_segment(iri)
    for attribute in dataset.attributes:
        yield last_segment(attribute.name)
        yield attribute.title
    yield dataset.description


def last_segment(iri: str) -> str:
    """Give the last part of an IRI, or a short name as it is."""
    short = compact_ngsi_ld_name(iri)
    return re.split(r"[/#:]", short)[-1]


def words_of_dataset(dataset: Described) -> tuple[str, ...]:
    """Give the words a dataset is found by, those of the title first; at most `WORDS_MAX`."""
    found: dict[str, None] = {}
    for text in _texts(dataset):
        for word in words_of(text):
            found[word] = None
            if len(found) == WORDS_MAX:
                return tuple(found)
    return tuple(found)


def matches(
    dataset: Described,
    query: str = "",
    *,
    publisher: str | None = None,
    type: str | None = None,
    theme: str | None = None,
) -> bool:
    """Say whether a dataset has every word of the query and the wanted facets."""
    if publisher is not None and dataset.publisher != publisher:
        return False
    if type is not None and type not in dataset.types:
        return False
    if theme is not None and theme not in dataset.themes:
        return False
    wanted = words_of(query)
    return not wanted or set(wanted) <= set(words_of_dataset(dataset))
