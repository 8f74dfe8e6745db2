# ruff: noqa: S608 - numbers and table names of our own stand in the text, values in parameters
"""Conditions of a query turned into SQL inside a world (NGSI-LD 1.9.1 4.9, 4.10).

A condition decides; a driver only narrows: it lists, from an index, a superset of the entities for
which the condition can hold.
"""

from __future__ import annotations

from hansa.broker.errors import bad_data
from hansa.broker.model import AllOf, AnyOf, GeoQuery, Literal, Node, Range, Term, ValueClass
from hansa.broker.ports import Dialect
from hansa.broker.store.geometry import around
from hansa.broker.store.reference import check_reference
from hansa.broker.store.sql import FALSE, TRUE, Sql, all_of, any_of, no, sql
from hansa.broker.store.vocabulary import Vocabulary
from hansa.broker.store.world import World

_TEXTS = (ValueClass.text, ValueClass.uri)
_COLUMNS = {"@observedAt": "observed", "@createdAt": "created", "@modifiedAt": "modified"}


class Predicates:
    """Compile conditions for one world."""

    def __init__(self, dialect: Dialect, vocabulary: Vocabulary, world: World) -> None:
        self._dialect = dialect
        self._names = vocabulary.names
        self._world = world
        self._p = vocabulary.p
        self._row = dialect.row

    def node(self, node: Node) -> Sql:
        """Give the condition that a query holds for entity `e`."""
        if isinstance(node, AllOf):
            return all_of(self.node(part) for part in node.parts)
        if isinstance(node, AnyOf):
            return any_of(self.node(part) for part in node.parts)
        return self._term(node)

    def has_one_of(self, attributes: tuple[str, ...]) -> Sql:
        """Give the condition that entity `e` has one of these attributes."""
        return any_of(self._term(Term(name, "", "exists")) for name in attributes)

    def geo(self, query: GeoQuery) -> Sql:
        """Give the condition that a geometry of entity `e` stands in the relation (4.10)."""
        check_reference(query)
        a = self._names.get(query.attribute)
        if a is None:
            return FALSE
        exists = self._world.instance("m", a)
        if exists == FALSE:
            return FALSE
        return sql(
            f"EXISTS (SELECT 1 FROM broker_geometry m WHERE m.p = {self._p} AND m.n = e.n"
            f" AND m.a = {a} AND {{}} AND {{}})",
            exists,
            self._dialect.related(query),
        )

    def _term(self, term: Term) -> Sql:
        a = self._names.get(term.attribute)
        exists = FALSE if a is None else self._world.instance("v", a)
        if a is None or exists == FALSE:
            return FALSE
        if term.path in _COLUMNS:
            return self._system(term, a, exists)
        if term.operator == "exists":
            return self._has(a, term.path, exists)
        if term.operator == "!=":
            return self._unequal(term, a, exists)
        return any_of(
            sql(
                f"EXISTS (SELECT 1 FROM {self._row(table, 'v')} WHERE v.p = {self._p} AND v.n = e.n"
                f" AND v.a = {a} AND v.path = {{}} AND {{}} AND {{}})",
                Sql("?", (term.path,)),
                condition,
                exists,
            )
            for table, condition in compared("v", term)
        )

    def _has(self, a: int, path: str, exists: Sql) -> Sql:
        if not path:
            return self._of_attribute(a, exists)
        return any_of(
            sql(
                f"EXISTS (SELECT 1 FROM {self._row(table, 'v')} WHERE v.p = {self._p} AND v.n = e.n"
                f" AND v.a = {a} AND v.path = {{}} AND {{}})",
                Sql("?", (path,)),
                exists,
            )
            for table in ("broker_number", "broker_text")
        )

    def _of_attribute(self, a: int, condition: Sql) -> Sql:
        return sql(
            f"EXISTS (SELECT 1 FROM {self._row('broker_attribute', 'v')} WHERE v.p = {self._p}"
            f" AND v.n = e.n"
            f" AND v.a = {a} AND {{}})",
            condition,
        )

    def _unequal(self, term: Term, a: int, exists: Sql) -> Sql:
        """An instance has the target and none of its values equals; unlike types are unequal."""
        same = "w.p = v.p AND w.n = v.n AND w.a = v.a AND w.d = v.d AND w.path = ?"
        path = (term.path,)
        present: Sql = TRUE
        if term.path:
            present = any_of(
                Sql(f"EXISTS (SELECT 1 FROM {self._row(table, 'w')} WHERE {same})", path)
                for table in ("broker_number", "broker_text")
            )
        equal = any_of(
            sql(
                f"EXISTS (SELECT 1 FROM {self._row(table, 'w')} WHERE {{}} AND {{}})",
                Sql(same, path),
                condition,
            )
            for table, condition in compared("w", term)
        )
        return self._of_attribute(a, all_of((exists, present, no(equal))))

    def _system(self, term: Term, a: int, exists: Sql) -> Sql:
        column = f"v.{_COLUMNS[term.path]}"
        if term.operator == "exists":
            return self._of_attribute(a, all_of((exists, Sql(f"{column} IS NOT NULL"))))
        instants = []
        for value in term.values:
            low = value.low if isinstance(value, Range) else value
            if low.kind is not ValueClass.instant:
                raise bad_data(
                    f"{term.path[1:]} can only be compared with a DateTime.",
                    "Write it without quotes, like 2026-01-31T08:00:00Z.",
                    field="q",
                )
            instants.append(_compare(column, term.operator, value))
        found = any_of(instants)
        if term.operator == "!=":
            found = all_of((Sql(f"{column} IS NOT NULL"), no(found)))
        return self._of_attribute(a, all_of((exists, found)))

    # -- drivers ----------------------------------------------------------------------------------

    def drivers(self, node: Node) -> list[Sql]:
        """Give statements that list `n` of a superset of the entities for which a query holds."""
        if isinstance(node, AllOf):
            return [driver for part in node.parts for driver in self.drivers(part)]
        if isinstance(node, AnyOf) or node.operator in ("exists", "!="):
            return []
        a = self._names.get(node.attribute)
        if a is None:
            return []
        if node.path == "@observedAt":
            table, column = "broker_attribute", "v.observed"
            found = [(table, any_of(_compare(column, node.operator, v) for v in node.values))]
            where = f"v.p = {self._p} AND v.a = {a}"
        elif node.path in _COLUMNS:
            return []
        else:
            found = compared("v", node)
            kinds = ", ".join(str(k) for k in self._world.kinds)
            where = f"v.p = {self._p} AND v.a = {a} AND v.path = ? AND v.k IN ({kinds})"
        if len(found) != 1:
            return []
        table, condition = found[0]
        path = (node.path,) if "?" in where else ()
        return [sql(f"SELECT v.n FROM {table} v WHERE {{}} AND {{}}", Sql(where, path), condition)]

    def geo_driver(self, query: GeoQuery) -> list[Sql]:
        """Give the statement that lists the entities near a geographic query, from the index."""
        a, box = self._names.get(query.attribute), around(query)
        return [] if a is None or box is None else [self._dialect.boxed(self._p, a, box)]


def compared(alias: str, term: Term) -> list[tuple[str, Sql]]:
    """Give (table, condition) pairs of which one has to hold; for `!=` those of equality."""
    operator = "==" if term.operator == "!=" else term.operator
    found: list[tuple[str, Sql]] = []
    numbers: dict[ValueClass, list[Sql]] = {}
    texts: list[Sql] = []
    for value in term.values:
        low = value.low if isinstance(value, Range) else value
        condition = _compare(f"{alias}.v", operator, value)
        if low.kind in _TEXTS:
            texts.append(condition)
        else:
            numbers.setdefault(low.kind, []).append(condition)
    for kind, conditions in numbers.items():
        found.append(
            ("broker_number", all_of((Sql(f"{alias}.c = {int(kind)}"), any_of(conditions))))
        )
    if texts:
        ranged = any(isinstance(value, Range) for value in term.values)
        kinds = "= 4" if operator != "==" or ranged else "IN (4, 5)"
        found.append(("broker_text", all_of((Sql(f"{alias}.c {kinds}"), any_of(texts)))))
    return found


def _compare(column: str, operator: str, value: Literal | Range) -> Sql:
    if isinstance(value, Range):
        return Sql(f"({column} >= ? AND {column} <= ?)", (_bare(value.low), _bare(value.high)))
    sign = "=" if operator in ("==", "!=") else operator
    return Sql(f"{column} {sign} ?", (_bare(value),))


def _bare(value: Literal) -> float | str:
    found = value.text if value.number is None else value.number
    assert found is not None
    return found
