# ruff: noqa: S608 - numbers and table names of our own stand in the text, values in parameters
"""Read what exists for a scope: pages, fragments, counts and lists of names.

Every function here gets a `World`, which is a scope turned into conditions: there is no road to the
tables without one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from hansa.broker.model import Slice
from hansa.broker.ports import Dialect
from hansa.broker.store.rendered import PAGES, RENDERED
from hansa.broker.store.selection import Selection, Selector
from hansa.broker.store.sql import FALSE, TRUE, Sql, all_of, sql
from hansa.broker.store.vocabulary import Vocabulary
from hansa.broker.store.world import World
from hansa.broker.wire_ngsi_ld_1_9.render import Found, Fragment, embed, render
from hansa.broker.wire_ngsi_ld_1_9.view import View
from hansa.kernel.store import ReadTx


@dataclass
class Reading:
    """One read: the transaction, the picture of the names, and what exists.

    `changes` is the number of the last change of an entity that the transaction sees.
    """

    tx: ReadTx
    dialect: Dialect
    vocabulary: Vocabulary
    changes: int
    selector: Selector
    now_s: float

    def run(self, statement: Sql) -> list[tuple[object, ...]]:
        """Run a statement."""
        return self.tx.execute(self.dialect.placeholders(statement.text), statement.parameters)

    def page(
        self, selection: Selection, part: Slice, after: int, view: View
    ) -> tuple[list[bytes], int | None]:
        """Give rendered entities, and the row behind which the next page starts if there is one.

        An offset beyond the end gives the last entity (6.3.10). A page that took decisions about
        single entities is kept until one changes.
        """
        if selection.plain:
            return self._page(selection, part, after, view)
        projection = selection.world.projection(view)
        key = (selection.number, projection, after, part.limit, part.offset)
        found = PAGES.get(key, self.changes)
        if found is not None:
            return list(found[0]), found[1]
        items, last = self._page(selection, part, after, view)
        PAGES.put(key, self.changes, (tuple(items), last), sum(map(len, items)))
        return items, last

    def _page(
        self, selection: Selection, part: Slice, after: int, view: View
    ) -> tuple[list[bytes], int | None]:
        whole = view.whole and selection.world.whole
        columns = "e.n, e.body" if whole else "e.n, e.version"
        rows = self.rows(selection, columns, after, part.limit + 1, part.offset)
        if not rows and part.offset and not after:
            size = self.count(selection)
            if size:
                rows = self.rows(selection, columns, after, 1, min(part.offset, size - 1))
        more = len(rows) > part.limit
        rows = rows[: part.limit]
        last = int(rows[-1][0]) if more and rows else None  # type: ignore[call-overload]
        if whole:
            bodies: list[bytes] = [row[1] for row in rows]  # type: ignore[misc]
            if view.embedded is not None:
                bodies = [embed(body, view) for body in bodies]
            return bodies, last
        return self._rendered(selection.world, rows, view), last

    def _rendered(
        self, world: World, rows: Sequence[tuple[object, ...]], view: View
    ) -> list[bytes]:
        """Give what exists of each entity for the reader, rendered before if it has not changed."""
        projection = world.projection(view)
        bodies: list[bytes | None] = [
            RENDERED.get((projection, row[0]), row[1])  # type: ignore[arg-type]
            for row in rows
        ]
        missing: list[int] = [
            row[0]  # type: ignore[misc]
            for row, body in zip(rows, bodies, strict=True)
            if body is None
        ]
        if missing:
            found = self._found(world, missing, view)
            for place, (n, version) in enumerate(rows):
                if bodies[place] is None:
                    bodies[place] = body = render(found[n], view)  # type: ignore[index]
                    RENDERED.put((projection, n), version, body, len(body))  # type: ignore
        return bodies  # type: ignore[return-value]

    def rows(
        self, selection: Selection, columns: str, after: int, limit: int, offset: int
    ) -> list[tuple[object, ...]]:
        """Give rows of a page; `after` says all that an offset could."""
        return self.selector.page(
            selection,
            columns,
            self.tx,
            after=after,
            limit=limit,
            offset=0 if after else offset,
            now_s=self.now_s,
        )

    def count(self, selection: Selection) -> int:
        """Give the number of all entities that match."""
        return self.selector.count(selection, self.tx, now_s=self.now_s)

    def _found(self, world: World, numbers: Sequence[int], view: View) -> dict[int, Found]:
        """Give of each entity what exists for the reader and is shown in the view."""
        rows = self.run(
            sql(
                "SELECT n, id, k, created, modified FROM broker_entity"
                f" WHERE p = {world.p} AND {{}}",
                self.dialect.one_of("n", numbers),
            )
        )
        parts = self._fragments(world, numbers, self._shown(view))
        times = self._times(world, numbers) if view.sys_attrs else {}
        found: dict[int, Found] = {}
        for n, identifier, k, created, modified in rows:
            types = self.vocabulary.kinds[abs(k)].types  # type: ignore[arg-type]
            created, modified = times.get(n, (created, modified))  # type: ignore[call-overload]
            found[n] = Found(identifier, types, created, modified, parts[n])  # type: ignore
        return found

    def _shown(self, view: View) -> Sql:
        """Give the condition that a view shows an attribute."""
        names = self.vocabulary.names
        conditions = []
        if view.only is not None:
            only = set(view.only)
            if view.geometry is not None:
                only.add(view.geometry)
            listed = sorted(names[name] for name in only if name in names)
            conditions.append(self.dialect.one_of("t.a", listed))
        without = sorted(names[name] for name in view.without if name in names)
        if without:
            conditions.append(Sql(f"t.a NOT IN ({', '.join(str(a) for a in without)})"))
        return all_of(conditions)

    def _fragments(
        self, world: World, numbers: Sequence[int], shown: Sql
    ) -> dict[int, list[Fragment]]:
        found: dict[int, list[Fragment]] = defaultdict(list)
        condition = all_of((world.instance("t"), shown))
        if not numbers or condition == FALSE:
            return found
        rows = self.run(
            sql(
                "SELECT t.n, t.a, t.body, t.created, t.modified"
                f" FROM broker_attribute t{also(condition)}"
                f" WHERE t.p = {world.p} AND {{}} AND {{}} ORDER BY t.n, t.a, t.d",
                self.dialect.one_of("t.n", numbers),
                condition,
            )
        )
        iris = self.vocabulary.iris
        for n, a, body, created, modified in rows:
            found[n].append(Fragment(iris[a], body, created, modified))  # type: ignore
        return found

    def _times(self, world: World, numbers: Sequence[int]) -> dict[int, tuple[int, int]]:
        """Give created and modified of entities of which only a part exists for the reader."""
        condition = world.instance("t")
        if condition in (TRUE, FALSE) or not numbers:
            return {}
        rows = self.run(
            sql(
                "SELECT t.n, min(t.created), max(t.modified)"
                f" FROM broker_attribute t{also(condition)}"
                f" WHERE t.p = {world.p} AND {{}} AND {{}} GROUP BY t.n",
                self.dialect.one_of("t.n", numbers),
                condition,
            )
        )
        return {n: (created, modified) for n, created, modified in rows}  # type: ignore[misc]


def also(condition: Sql) -> str:
    """Join the entity where a condition on an instance speaks of it."""
    return " JOIN broker_entity e ON e.n = t.n" if "e." in condition.text else ""
