# ruff: noqa: S608 - numbers and table names of our own stand in the text, values in parameters
"""A scope turned into SQL: the part of a participant's data that exists for a reader.

An attribute instance exists iff some permit covers it and no deny does; an entity exists iff one of
its instances does (`policy.Scope`). The conditions are put into statements before count, order and
limit. Types are decided here, kind by kind, and cost nothing in the statement.

Statements name the entity `e`. A cut's restrictions on the entity (kind, id, area) are told apart
from those on the instance (attribute, window): when all that is permitted stands under the same
restrictions on the entity, instances need not repeat them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from hansa.broker.ports import Dialect
from hansa.broker.query import micros
from hansa.broker.store.rendered import numbers
from hansa.broker.store.sql import FALSE, TRUE, Sql, all_of, any_of, no, sql
from hansa.broker.store.vocabulary import Vocabulary
from hansa.broker.wire_ngsi_ld_1_9.view import View
from hansa.policy import Area, Cut, Scope

PROJECTIONS_MAX = 64


@dataclass(frozen=True)
class _Part:
    """One cut in numbers: what it asks of the entity and of the instance."""

    entity: Sql
    attributes: frozenset[int] | None
    start: int | None
    end: int | None

    @property
    def of_entities(self) -> bool:
        return self.attributes is None and self.start is None and self.end is None

    def covers(self, alias: str, attribute: int | None, *, past: bool) -> Sql:
        """Give the condition on an instance; `attribute` when the statement has fixed it."""
        conditions = []
        if self.attributes is not None:
            if attribute is not None:
                conditions.append(TRUE if attribute in self.attributes else FALSE)
            else:
                listed = ", ".join(str(a) for a in sorted(self.attributes))
                conditions.append(Sql(f"{alias}.a IN ({listed})") if listed else FALSE)
        conditions.append(self._observed(alias, past))
        return all_of(conditions)

    def _observed(self, alias: str, past: bool) -> Sql:
        column = f"{alias}.at" if past else f"{alias}.observed"
        within = []
        if self.start is not None:
            within.append(Sql(f"{column} >= ?", (self.start,)))
        if self.end is not None:
            within.append(Sql(f"{column} < ?", (self.end,)))
        if not within:
            return TRUE
        timeless = f"{alias}.o = 0" if past else f"{alias}.observed IS NULL"
        return any_of((Sql(timeless), all_of(within)))


@dataclass(frozen=True, eq=False)
class World:
    """What exists for a reader among the entities of some kinds.

    `kinds` are those that can hold anything; `everything` says that nothing at all is cut away,
    `whole` that entities are shown as a whole or not at all. `areas` narrow (all permits have
    one), else None.
    """

    p: int
    attributes: str
    kinds: tuple[int, ...]
    everything: bool
    whole: bool
    entity: Sql
    areas: tuple[Area, ...] | None
    permits: tuple[_Part, ...]
    denies: tuple[_Part, ...]
    projections: dict[View, int] = field(default_factory=dict)

    def projection(self, view: View) -> int:
        """Give the number of this world seen in this view."""
        found = self.projections.get(view)
        if found is None:
            if len(self.projections) >= PROJECTIONS_MAX:
                self.projections.clear()
            found = self.projections[view] = next(numbers)
        return found

    def instance(self, alias: str, attribute: int | None = None, *, past: bool = False) -> Sql:
        """Give the condition that an instance exists, for an entity that passes `entity`.

        `past` says that `alias` is a row of the history.
        """
        if self.whole:
            return TRUE
        shown, hidden = (
            any_of(
                all_of((part.entity, part.covers(alias, attribute, past=past))) for part in parts
            )
            for parts in (self.permits, self.denies)
        )
        return all_of((shown, no(hidden)))

    def exists(self) -> Sql:
        """Give the condition that the entity exists."""
        if self.whole:
            return self.entity
        inner = self.instance("t")
        found = sql(
            f"EXISTS (SELECT 1 FROM {self.attributes} WHERE t.p = {self.p} AND t.n = e.n AND {{}})",
            inner,
        )
        if inner == FALSE:
            return FALSE
        return all_of((self.entity, found))


def world_of(
    dialect: Dialect,
    vocabulary: Vocabulary,
    scope: Scope,
    kinds: Collection[int],
    *,
    deleted: bool = False,
) -> World:
    """Turn a scope into conditions on the entities of these kinds.

    `deleted` also counts entities that are gone and have only their history left: they carry the
    number of their kind with a minus.
    """
    everything = scope.unrestricted
    if not everything:
        kinds = [k for k in kinds if deleted or not vocabulary.kinds[k].bare]
    reader = _Reader(dialect, vocabulary, frozenset(kinds), deleted)
    if everything:
        permits: list[_Part] = [_Part(TRUE, None, None, None)]
        denies: list[_Part] = []
    else:
        permits = reader.parts(scope.permits)
        denies = reader.parts(scope.denies)
    shown = reader.shown(scope.permits)
    restricted = [d for d in denies if not d.of_entities]
    conditions = [any_of(part.entity for part in permits)]
    conditions.extend(no(part.entity) for part in denies if part.of_entities)
    alike = len({part.entity for part in permits}) == 1
    if alike:
        permits = [_Part(TRUE, p.attributes, p.start, p.end) for p in permits]
    areas = tuple(cut.area for cut in scope.permits if cut.area is not None)
    listed = sorted(shown)
    if deleted:
        listed += [-k for k in listed]
    return World(
        p=vocabulary.p,
        attributes=dialect.row("broker_attribute", "t"),
        kinds=tuple(listed),
        everything=everything,
        whole=(
            any(p.of_entities and p.entity == TRUE for p in permits)
            or all(p.of_entities for p in permits)
        )
        and not restricted,
        entity=all_of(conditions),
        areas=areas if areas and len(areas) == len(scope.permits) else None,
        permits=tuple(permits),
        denies=tuple(restricted),
    )


class _Reader:
    """Read cuts for the entities of some kinds."""

    def __init__(
        self, dialect: Dialect, vocabulary: Vocabulary, kinds: frozenset[int], deleted: bool
    ) -> None:
        self._dialect = dialect
        self._vocabulary = vocabulary
        self._kinds = kinds
        self._deleted = deleted

    def _kinds_of(self, cut: Cut) -> frozenset[int]:
        if cut.types is None:
            return self._kinds
        return self._kinds & self._vocabulary.of_types(cut.types)

    def shown(self, permits: Collection[Cut]) -> frozenset[int]:
        """Give the kinds of which a permit shows anything."""
        found: frozenset[int] = frozenset()
        return found.union(*(self._kinds_of(cut) for cut in permits))

    def parts(self, cuts: Collection[Cut]) -> list[_Part]:
        """Give those cuts that can cover anything here."""
        return [self._part(cut, kinds) for cut in cuts if (kinds := self._kinds_of(cut))]

    def _part(self, cut: Cut, kinds: frozenset[int]) -> _Part:
        conditions = []
        if kinds != self._kinds:
            listed = sorted(kinds)
            if self._deleted:
                listed += [-k for k in listed]
            conditions.append(self._dialect.one_of("e.k", listed))
        if cut.id_prefix:
            conditions.append(starts_with("e.id", cut.id_prefix))
        if cut.area is not None:
            conditions.append(self._dialect.covered(cut.area))
        names = self._vocabulary.names
        attributes = cut.attributes
        window = cut.observed
        return _Part(
            all_of(conditions),
            None if attributes is None else frozenset(names[a] for a in attributes if a in names),
            micros(window.start) if window and window.start else None,
            micros(window.end) if window and window.end else None,
        )


def starts_with(column: str, prefix: str) -> Sql:
    """Give the condition that a text starts with `prefix`, as a range that an index can serve."""
    end = list(prefix)
    while end:
        following = ord(end.pop()) + 1
        if following == 0xD800:
            following = 0xE000
        if following <= 0x10FFFF:
            above = "".join(end) + chr(following)
            return Sql(f"({column} >= ? AND {column} < ?)", (prefix, above))
    return Sql(f"{column} >= ?", (prefix,))
