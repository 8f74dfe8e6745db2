"""What the broker speaks about: queries, what is stored of an entity, and answers. No I/O.

Names of types and attributes are expanded IRIs; instants are microseconds since 1970 (UTC).
"""

from __future__ import annotations

from enum import IntEnum
from typing import TypeAlias

import msgspec

LIMIT_DEFAULT = 20
LIMIT_MAX = 1000
BATCH_MAX = 1000


class AttributeType(IntEnum):
    """The kinds of attribute (NGSI-LD 1.9.1 4.5.2 and following)."""

    Property = 1
    GeoProperty = 2
    Relationship = 3
    LanguageProperty = 4
    VocabProperty = 5
    JsonProperty = 6
    ListProperty = 7
    ListRelationship = 8


class ValueClass(IntEnum):
    """What a stored scalar can be compared with (4.9: unlike types never match)."""

    number = 1
    boolean = 2
    instant = 3
    text = 4
    uri = 5
    structure = 6


class IndexedValue(msgspec.Struct, frozen=True):
    """One scalar of an attribute instance that `q` can find.

    `path` is empty for the value itself, `.IRI` for a sub-attribute, `[a.b]` for a member of a
    compound value. Exactly one of `number` (also instants and booleans) and `text` is set.
    """

    path: str
    kind: ValueClass
    number: float | None = None
    text: str | None = None


class Geometry(msgspec.Struct, frozen=True):
    """A geometry in WGS84 lon/lat degrees: WKB, its box (west, south, east, north)."""

    wkb: bytes
    box: tuple[float, float, float, float]
    point: bool


class AttributeInstance(msgspec.Struct, frozen=True):
    """One instance of an attribute: `body` is its core-context normalized JSON."""

    name: str
    type: AttributeType
    body: bytes
    dataset: str | None = None
    observed: int | None = None
    values: tuple[IndexedValue, ...] = ()
    geometry: Geometry | None = None


class EntityDraft(msgspec.Struct, frozen=True):
    """An entity as a client sent it, checked and rendered. `types` are sorted IRIs."""

    id: str
    types: tuple[str, ...]
    attributes: tuple[AttributeInstance, ...]


# -- the query language (4.9) ---------------------------------------------------------------------


class Literal(msgspec.Struct, frozen=True):
    """A value in a query: `number` for numbers, instants and booleans, else `text`."""

    kind: ValueClass
    number: float | None = None
    text: str | None = None


class Range(msgspec.Struct, frozen=True):
    """A closed range of values of one class."""

    low: Literal
    high: Literal


class Term(msgspec.Struct, frozen=True):
    """One comparison: attribute, path below it (see `IndexedValue.path`), operator, values.

    `operator` is `exists`, `==`, `!=`, `>`, `>=`, `<` or `<=`. `path` can also be `@observedAt`,
    `@createdAt` or `@modifiedAt`.
    """

    attribute: str
    path: str
    operator: str
    values: tuple[Literal | Range, ...] = ()


class AllOf(msgspec.Struct, frozen=True):
    """Every part holds."""

    parts: tuple[Node, ...]


class AnyOf(msgspec.Struct, frozen=True):
    """At least one part holds."""

    parts: tuple[Node, ...]


Node: TypeAlias = Term | AllOf | AnyOf


class TypeSelection(msgspec.Struct, frozen=True):
    """A selector of entity types (4.17): any of these sets, of which all types must be there."""

    alternatives: tuple[frozenset[str], ...]

    def matches(self, types: frozenset[str]) -> bool:
        """Say whether an entity of these types is selected."""
        return any(needed <= types for needed in self.alternatives)


class GeoQuery(msgspec.Struct, frozen=True):
    """A geographic restriction (4.10): `distance_m` stands with near, `farther` is minDistance."""

    relation: str
    reference: Geometry
    attribute: str
    distance_m: float | None = None
    farther: bool = False


class Order(msgspec.Struct, frozen=True):
    """One key of an order; `attribute` None is the id of the entity."""

    attribute: str | None
    descending: bool = False


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Which entities are asked for (5.7.2); one of the attributes in `existing` must be there."""

    ids: tuple[str, ...] = ()
    types: TypeSelection | None = None
    q: Node | None = None
    geo: GeoQuery | None = None
    existing: tuple[str, ...] = ()
    order: tuple[Order, ...] = ()


class TemporalQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which instances of the evolution are asked for (4.11): `start` inclusive, `end` exclusive."""

    start: int | None = None
    end: int | None = None
    property: str = "observedAt"
    last: int | None = None
    attributes: tuple[str, ...] | None = None
    without: frozenset[str] = frozenset()


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of the answer: `after` continues behind the page that gave it."""

    limit: int = LIMIT_DEFAULT
    offset: int = 0
    after: str | None = None
    count: bool = False


class Page(msgspec.Struct, frozen=True):
    """Rendered entities, the number of all that match if it was asked, and where to go on.

    `next` is None at the end, empty when only an offset leads on (an order was asked for).
    """

    items: list[bytes]
    count: int | None = None
    next: str | None = None
    cut: tuple[int, int] | None = None
    """Of a temporal answer: the span of instants that it was cut to."""


class EntityTypeFacts(msgspec.Struct, frozen=True):
    """A type that exists for a reader: how many entities, and its attributes with their kinds."""

    iri: str
    entities: int
    attributes: dict[str, tuple[AttributeType, ...]]


class AttributeFacts(msgspec.Struct, frozen=True):
    """An attribute that exists for a reader: its kinds, the types that have it, how often."""

    iri: str
    kinds: tuple[AttributeType, ...]
    types: tuple[str, ...]
    instances: int


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a scope shows of a selection, and what it cuts away. Names are IRIs."""

    entities_visible: int
    entities_total: int
    attributes_visible: tuple[str, ...]
    attributes_withheld: tuple[str, ...]


class Change(msgspec.Struct, frozen=True):
    """An entity that changed: the number of its last change, and whether it was deleted."""

    position: int
    id: str
    deleted: bool
