# ruff: noqa: S608 - numbers and table names of our own stand in the text, values in parameters
"""Read the temporal evolution of entities (NGSI-LD 1.9.1 5.7.3, 5.7.4) inside a world.

History lies clustered by (participant, entity, attribute, instant), so the instances of one
attribute in an interval, or the last n of them, are one range of one table. Entities are read one
after the other until the answer is full; the page then ends early and the next one goes on there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hansa.broker.errors import not_implemented
from hansa.broker.model import AllOf, AnyOf, Node, Query, Slice, TemporalQuery, Term
from hansa.broker.store.predicates import Predicates, compared
from hansa.broker.store.reading import Reading
from hansa.broker.store.selection import Selection
from hansa.broker.store.sql import FALSE, TRUE, Sql, all_of, any_of, sql
from hansa.broker.store.world import World
from hansa.broker.wire_ngsi_ld_1_9.evolution import Evolution, Moment, render_evolution
from hansa.broker.wire_ngsi_ld_1_9.view import View

PAGE_INSTANCES_MAX = 50_000
_COLUMN = {"observedAt": "at", "createdAt": "modified", "modifiedAt": "modified"}


@dataclass(frozen=True)
class Cutoff:
    """The part of the time that one entity's answer was cut to (6.3.10): microseconds."""

    start: int
    end: int


class Past:
    """Temporal queries in one read; `entity_instances_max` bounds what one entity brings."""

    def __init__(
        self, reading: Reading, world: World, asked: TemporalQuery, entity_instances_max: int
    ) -> None:
        self._reading = reading
        self._world = world
        self._asked = asked
        self._most = entity_instances_max
        self._column = _COLUMN[asked.property]
        self._timed = asked.start is not None or asked.end is not None
        self._attributes = self._candidates()

    def _candidates(self) -> list[int]:
        """Give the attributes that can be in the answer: those asked for, or all ever seen."""
        names = self._reading.vocabulary.names
        without = {names.get(name) for name in self._asked.without}
        if self._asked.attributes is not None:
            found = {names[name] for name in self._asked.attributes if name in names}
        else:
            rows = self._reading.run(
                Sql(f"SELECT DISTINCT a FROM broker_kind_attribute WHERE p = {self._world.p}")
            )
            found = {int(row[0]) for row in rows}  # type: ignore[call-overload]
        return sorted(found - without)

    def _when(self, alias: str) -> Sql:
        """Give the temporal restriction on a row of the history (4.11)."""
        column = f"{alias}.{self._column}"
        conditions = []
        if self._column == "at" and self._timed:
            conditions.append(Sql(f"{alias}.o = 1"))
        if self._asked.start is not None:
            conditions.append(Sql(f"{column} >= ?", (self._asked.start,)))
        if self._asked.end is not None:
            conditions.append(Sql(f"{column} < ?", (self._asked.end,)))
        return all_of(conditions)

    # -- which entities ---------------------------------------------------------------------------

    def selection(self, query: Query) -> Selection:
        """Compile which entities have an instance that matches (5.7.4.4, S1 to S3)."""
        listed = self._reading.dialect.one_of("h.a", self._attributes)
        conditions = [self._world.entity, self._some("h", listed)]
        if query.q is not None:
            conditions.append(self._node(query.q))
        if query.geo is not None:
            reading = self._reading
            found = Predicates(reading.dialect, reading.vocabulary, self._world)
            conditions.append(found.geo(query.geo))
        if query.ids:
            conditions.append(self._reading.dialect.one_of("e.id", query.ids))
        return Selection(
            world=self._world,
            condition=all_of(conditions),
            drivers=(),
            order=(),
            ids=query.ids,
            plain=False,
        )

    def _some(self, alias: str, condition: Sql, attribute: int | None = None) -> Sql:
        """Give the condition that an instance in the interval exists and fulfils one more."""
        exists = self._world.instance(alias, attribute, past=True)
        if FALSE in (condition, exists):
            return FALSE
        return sql(
            f"EXISTS (SELECT 1 FROM broker_history {alias} WHERE {alias}.p = {self._world.p}"
            f" AND {alias}.n = e.n AND {{}} AND {{}} AND {{}})",
            condition,
            self._when(alias),
            exists,
        )

    def _node(self, node: Node) -> Sql:
        if isinstance(node, AllOf):
            return all_of(self._node(part) for part in node.parts)
        if isinstance(node, AnyOf):
            return any_of(self._node(part) for part in node.parts)
        return self._term(node)

    def _term(self, term: Term) -> Sql:
        """A comparison holds if any instance in the interval fulfils it."""
        if term.path:
            raise not_implemented(
                "A path below an attribute in `q` of a temporal query",
                "Compare the attribute's own value.",
            )
        a = self._reading.vocabulary.names.get(term.attribute)
        if a is None:
            return FALSE
        condition = TRUE
        if term.operator != "exists":
            condition = any_of(
                Sql(
                    found.text.replace("h.v", f"h.{table.removeprefix('broker_')}"),
                    found.parameters,
                )
                for table, found in compared("h", term)
            )
        if term.operator == "!=":
            condition = sql("NOT coalesce({}, FALSE)", condition)
        return self._some("h", all_of((Sql(f"h.a = {a}"), condition)), a)

    # -- which instances --------------------------------------------------------------------------

    def page(
        self, selection: Selection, part: Slice, after: int, view: View, *, values: bool
    ) -> tuple[list[bytes], int | None, Cutoff | None]:
        """Give rendered entities, where the next page starts, and how the time was cut."""
        rows = self._reading.rows(
            selection, "e.n, e.id, e.k, e.created, e.modified", after, part.limit + 1, part.offset
        )
        more = len(rows) > part.limit
        items: list[bytes] = []
        last: int | None = None
        cutoff: Cutoff | None = None
        budget = PAGE_INSTANCES_MAX
        for n, identifier, k, created, modified in rows[: part.limit]:
            if budget <= 0:
                more = True
                break
            moments, cut = self._moments(int(n))  # type: ignore[call-overload]
            cutoff = cutoff or cut
            budget -= sum(len(group) for _, group in moments)
            last = int(n)  # type: ignore[call-overload]
            types = self._reading.vocabulary.kinds[abs(k)].types  # type: ignore[arg-type]
            found = Evolution(identifier, types, created, modified, moments)  # type: ignore[arg-type]
            items.append(render_evolution(found, view, self._asked.property, values=values))
        return items, last if more else None, cutoff

    def shell(self, selection: Selection, view: View) -> list[bytes]:
        """Give the first entity without any attribute, to say that it is there."""
        rows = self._reading.rows(selection, "e.id, e.k, e.created, e.modified", 0, 1, 0)
        return [
            render_evolution(
                Evolution(
                    identifier,  # type: ignore[arg-type]
                    self._reading.vocabulary.kinds[abs(k)].types,  # type: ignore[arg-type]
                    created,  # type: ignore[arg-type]
                    modified,  # type: ignore[arg-type]
                    (),
                ),
                view,
                self._asked.property,
                values=False,
            )
            for identifier, k, created, modified in rows
        ]

    def _moments(self, n: int) -> tuple[list[tuple[str, Sequence[Moment]]], Cutoff | None]:
        """Give the instances of one entity by attribute, in order of time.

        When there are more than the bound, all attributes are cut at one instant: the newest part
        is kept with lastN, else the oldest (6.3.10). An attribute without any left stays, empty.
        """
        rows = self._last(n) if self._asked.last else self._first(n)
        cutoff = None
        groups: dict[int, list[Moment]] = {}
        if len(rows) > self._most:
            groups = {a: [] for a in self._attributes if self._instances(n, a, 1)}
            edge = rows[self._most][1].at
            kept = [row for row in rows[: self._most] if row[1].at != edge]
            rows = kept or rows[: self._most]
            times = [moment.at for _, moment in rows]
            cutoff = Cutoff(min(times), max(times))
        for a, moment in reversed(rows) if self._asked.last else rows:
            groups.setdefault(a, []).append(moment)
        iris = self._reading.vocabulary.iris
        return [(iris[a], groups[a]) for a in sorted(groups)], cutoff

    def _first(self, n: int) -> list[tuple[int, Moment]]:
        """Give the instances of an entity, the oldest first, one more than the bound."""
        listed = self._reading.dialect.one_of("h.a", self._attributes)
        exists = self._world.instance("h", past=True)
        return self._rows(
            n, listed, exists, f"h.{self._column}, h.a, h.o, h.at, h.d", self._most + 1
        )

    def _last(self, n: int) -> list[tuple[int, Moment]]:
        """Give the last instances of each attribute, the newest first."""
        last = min(self._asked.last or 1, self._most + 1)
        rows = [row for a in self._attributes for row in self._instances(n, a, last)]
        return sorted(rows, key=lambda row: row[1].at, reverse=True)

    def _instances(self, n: int, a: int, most: int) -> list[tuple[int, Moment]]:
        order = "h.o DESC, h.at DESC, h.d" if self._column == "at" else "h.modified DESC, h.d"
        exists = self._world.instance("h", a, past=True)
        return self._rows(n, Sql(f"h.a = {a}"), exists, order, most)

    def _rows(
        self, n: int, attributes: Sql, exists: Sql, order: str, most: int
    ) -> list[tuple[int, Moment]]:
        if FALSE in (attributes, exists):
            return []
        joined = " JOIN broker_entity e ON e.n = h.n" if "e." in exists.text else ""
        rows = self._reading.run(
            sql(
                f"SELECT h.a, h.{self._column}, h.o, h.modified, h.body"
                f" FROM broker_history h{joined} WHERE h.p = {self._world.p} AND h.n = {n}"
                f" AND {{}} AND {{}} AND {{}} ORDER BY {order} LIMIT ?",
                attributes,
                self._when("h"),
                exists,
            ).with_last(most)
        )
        return [
            (a, Moment(at, bool(observed), modified, body))  # type: ignore[misc, arg-type]
            for a, at, observed, modified, body in rows
        ]
