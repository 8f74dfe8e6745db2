# ruff: noqa: S608 - numbers and table names of our own stand in the text, values in parameters
"""Which entities, in which order, how many: statements for a query inside a world.

The order is that in which entities were first written, so that a page goes on where the last one
ended whatever has changed meanwhile. Entities are found on one of two roads. Along the order: look
at one entity after the other, which is cheap when many match. From an index: list what a value, a
box or an instant narrows the query to, which is cheap when few match. Which road is taken is
decided by counting the index, up to a bound that grows with the root of the number of entities; it
never changes the answer.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from math import isqrt

from hansa.broker.model import Query
from hansa.broker.ports import Dialect
from hansa.broker.store.predicates import Predicates
from hansa.broker.store.rendered import numbers
from hansa.broker.store.sql import TRUE, Sql, all_of, sql
from hansa.broker.store.stored import LOCATION
from hansa.broker.store.vocabulary import Vocabulary
from hansa.broker.store.world import World
from hansa.kernel.store import ReadTx

SCANNED_FREELY = 256
BRANCHES_MAX = 16
ESTIMATES_MAX = 512
ESTIMATE_AGE_S = 5.0


@dataclass(frozen=True, eq=False)
class Selection:
    """A query compiled for a world: what decides, what can narrow, and the order."""

    world: World
    condition: Sql
    drivers: tuple[Sql, ...]
    order: tuple[Sql, ...]
    ids: tuple[str, ...]
    plain: bool
    """Only kinds restrict: counters know the number."""
    number: int = field(default_factory=lambda: next(numbers))


def compile_query(
    dialect: Dialect, vocabulary: Vocabulary, world: World, query: Query
) -> Selection:
    """Turn a query into conditions and candidates for a driver."""
    predicates = Predicates(dialect, vocabulary, world)
    conditions = [world.exists()]
    drivers: list[Sql] = []
    if query.q is not None:
        conditions.append(predicates.node(query.q))
        drivers.extend(predicates.drivers(query.q))
    if query.geo is not None:
        conditions.append(predicates.geo(query.geo))
        drivers.extend(predicates.geo_driver(query.geo))
    if query.existing:
        conditions.append(predicates.has_one_of(query.existing))
    if query.ids:
        conditions.append(dialect.one_of("e.id", query.ids))
    location = vocabulary.names.get(LOCATION)
    if world.areas is not None and location is not None:
        boxes = [dialect.boxed(vocabulary.p, location, area.bbox) for area in world.areas]
        drivers.append(
            Sql(
                " UNION ".join(box.text for box in boxes),
                tuple(value for box in boxes for value in box.parameters),
            )
        )
    condition = all_of(conditions)
    return Selection(
        world=world,
        condition=condition,
        drivers=tuple(drivers),
        order=tuple(_order(dialect, vocabulary, world, query)),
        ids=query.ids,
        plain=condition == TRUE,
    )


def _order(dialect: Dialect, vocabulary: Vocabulary, world: World, query: Query) -> list[Sql]:
    """Give sort keys (4.23): numbers before texts, entities without the attribute last."""
    keys: list[Sql] = []
    for order in query.order:
        direction = "DESC" if order.descending else "ASC"
        if order.attribute is None:
            keys.append(Sql(f"e.id {direction}"))
            continue
        a = vocabulary.names.get(order.attribute)
        if a is None:
            continue
        for table, kinds in (("broker_number", "1, 2, 3"), ("broker_text", "4, 5")):
            least = "max" if order.descending else "min"
            keys.append(
                sql(
                    f"(SELECT {least}(v.v) FROM {dialect.row(table, 'v')}"
                    f" WHERE v.p = {world.p} AND v.n = e.n"
                    f" AND v.a = {a} AND v.path = '' AND v.c IN ({kinds}) AND {{}})"
                    f" {direction} NULLS LAST",
                    world.instance("v", a),
                )
            )
    return keys


class Selector:
    """Run selections; remembers for some seconds which road a query took."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._roads: OrderedDict[Selection, tuple[float, Sql | None]] = OrderedDict()

    def page(
        self,
        selection: Selection,
        columns: str,
        tx: ReadTx,
        *,
        after: int,
        limit: int,
        offset: int,
        now_s: float,
    ) -> list[tuple[object, ...]]:
        """Give `columns` of at most `limit` entities behind row `after`."""
        statement = self._page(selection, columns, tx, after, limit, offset, now_s)
        if statement is None:
            return []
        return tx.execute(self._dialect.placeholders(statement.text), statement.parameters)

    def count(self, selection: Selection, tx: ReadTx, *, now_s: float) -> int:
        """Give the number of all entities that match."""
        world = selection.world
        if not world.kinds:
            return 0
        if selection.plain:
            return counted(self._dialect, world, tx)
        driver = self._road(selection, tx, now_s)
        source = self._source(selection, driver, ordered=False)
        statement = sql("SELECT count(*) {}", source)
        found = tx.execute(self._dialect.placeholders(statement.text), statement.parameters)
        return int(found[0][0])

    def _page(
        self,
        selection: Selection,
        columns: str,
        tx: ReadTx,
        after: int,
        limit: int,
        offset: int,
        now_s: float,
    ) -> Sql | None:
        if not selection.world.kinds:
            return None
        end = Sql("LIMIT ? OFFSET ?", (limit, offset))
        if selection.order:
            driver = self._road(selection, tx, now_s)
            keys = Sql(
                ", ".join([*(key.text for key in selection.order), "e.n"]),
                tuple(value for key in selection.order for value in key.parameters),
            )
            source = self._source(selection, driver, ordered=False)
            return sql(f"SELECT {columns} {{}} ORDER BY {{}} {{}}", source, keys, end)
        driver = self._road(selection, tx, now_s)
        kinds = selection.world.kinds
        if driver is None and 1 < len(kinds) <= BRANCHES_MAX and not selection.ids:
            return self._merged(selection, columns, after, limit, offset)
        source = self._source(selection, driver, ordered=True)
        behind = Sql("AND e.n > ?", (after,)) if after else Sql("")
        return sql(f"SELECT {columns} {{}} {{}} ORDER BY e.n {{}}", source, behind, end)

    def _merged(
        self, selection: Selection, columns: str, after: int, limit: int, offset: int
    ) -> Sql:
        """Merge the first entities of each kind: each branch runs along its own index."""
        branches: list[Sql] = []
        hint = self._dialect.index("broker_entity_kind")
        for number, k in enumerate(selection.world.kinds):
            branches.append(
                sql(
                    f"SELECT n FROM (SELECT e.n FROM broker_entity e{hint}"
                    f" WHERE e.p = {selection.world.p} AND e.k = {k} AND e.n > {{}} AND {{}}"
                    f" ORDER BY e.n LIMIT {{}}) branch{number}",
                    Sql("?", (after,)),
                    selection.condition,
                    Sql("?", (limit + offset,)),
                )
            )
        union = Sql(
            " UNION ALL ".join(branch.text for branch in branches),
            tuple(value for branch in branches for value in branch.parameters),
        )
        return sql(
            f"SELECT {columns} FROM broker_entity e{self._dialect.index(None)}"
            " WHERE e.n IN ({}) ORDER BY e.n {}",
            union,
            Sql("LIMIT ? OFFSET ?", (limit, offset)),
        )

    def _source(self, selection: Selection, driver: Sql | None, *, ordered: bool) -> Sql:
        """Give FROM and WHERE of a selection on the chosen road."""
        world = selection.world
        where = f"WHERE e.p = {world.p} AND"
        kinds = self._dialect.one_of("e.k", world.kinds)
        if selection.ids:
            return sql(f"FROM broker_entity e {where} {{}} AND {{}}", kinds, selection.condition)
        if driver is not None:
            hint = self._dialect.index(None)
            return sql(
                f"FROM broker_entity e{hint} {where} e.n IN ({{}}) AND {{}} AND {{}}",
                driver,
                kinds,
                selection.condition,
            )
        along = ordered and len(world.kinds) > 1
        hint = self._dialect.index("broker_entity_order" if along else "broker_entity_kind")
        if along:
            kinds = all_of((Sql("e.k > 0"), kinds))
        return sql(f"FROM broker_entity e{hint} {where} {{}} AND {{}}", kinds, selection.condition)

    def _road(self, selection: Selection, tx: ReadTx, now_s: float) -> Sql | None:
        """Choose the driver that narrows most, or None for the road along the order."""
        if not selection.drivers or selection.ids:
            return None
        known = self._roads.get(selection)
        if known is not None and now_s - known[0] < ESTIMATE_AGE_S:
            return known[1]
        total = counted(self._dialect, selection.world, tx)
        best: Sql | None = None
        if total > SCANNED_FREELY:
            bound = 12 * isqrt(total)
            for driver in selection.drivers:
                probe = sql(
                    "SELECT count(*) FROM (SELECT 1 FROM ({}) narrowed LIMIT {}) bounded",
                    driver,
                    Sql("?", (bound,)),
                )
                found = tx.execute(self._dialect.placeholders(probe.text), probe.parameters)
                if found[0][0] < bound:
                    best, bound = driver, found[0][0]
        self._roads[selection] = (now_s, best)
        if len(self._roads) > ESTIMATES_MAX:
            self._roads.popitem(last=False)
        return best


def counted(dialect: Dialect, world: World, tx: ReadTx) -> int:
    """Give the number of entities of the world's kinds, from the counters."""
    kinds = dialect.one_of("k", world.kinds)
    found = tx.execute(
        dialect.placeholders(
            f"SELECT coalesce(sum(entities), 0) FROM broker_kind WHERE p = {world.p}"
            f" AND {kinds.text}"
        ),
        kinds.parameters,
    )
    return int(found[0][0])
