# ruff: noqa: S608 - numbers and table names of our own stand in the text, values in parameters
"""Read what changed, in order, and keep what each follower was told.

Each written or deleted entity carries the number of its last change, so the list of changes never
grows beyond the entities, and one that changed twice stands in it once. Numbers are handed out
inside the transaction that writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hansa.broker.model import Change
from hansa.broker.ports import Dialect
from hansa.broker.store.vocabulary import Vocabulary
from hansa.kernel.store import ReadTx, Tx

Told = tuple[str, bytes]
"""An entity's id and the JSON of its type, as it was told."""


def last_change(tx: ReadTx, dialect: Dialect, p: int) -> int:
    """Give the number of the latest change."""
    text = dialect.placeholders("SELECT changes FROM broker_participant WHERE p = ?")
    found: int = tx.execute(text, (p,))[0][0]
    return found


def changes_after(tx: ReadTx, dialect: Dialect, p: int, after: int, limit: int) -> list[Change]:
    """List the entities that changed after a number, in the order of their last change."""
    text = (
        f"SELECT changed, id, k < 0 FROM broker_entity{dialect.index('broker_entity_changed')}"
        " WHERE p = ? AND changed > 0 AND changed > ? ORDER BY changed LIMIT ?"
    )
    rows = tx.execute(dialect.placeholders(text), (p, after, limit))
    return [Change(position, identifier, bool(gone)) for position, identifier, gone in rows]


def observed_in(
    tx: ReadTx, dialect: Dialect, p: int, spans: Sequence[tuple[int, int]]
) -> list[str]:
    """List the entities with an attribute observed in one of the spans, [start, end) in micros."""
    found: dict[str, None] = {}
    listed = dialect.one_of("t.a", _attributes(tx, dialect, p))
    for start, end in spans:
        text = (
            "SELECT DISTINCT e.id FROM broker_attribute t JOIN broker_entity e ON e.n = t.n"
            f" WHERE t.p = ? AND {listed.text} AND t.observed >= ? AND t.observed < ?"
        )
        rows = tx.execute(dialect.placeholders(text), (p, *listed.parameters, start, end))
        found.update((row[0], None) for row in rows)
    return list(found)


def next_observed(tx: ReadTx, dialect: Dialect, p: int, start: int) -> int | None:
    """Give the first instant from `start` on at which an attribute was observed."""
    text = dialect.placeholders(
        "SELECT observed FROM broker_attribute"
        " WHERE p = ? AND a = ? AND observed >= ? ORDER BY observed LIMIT 1"
    )
    firsts = [tx.execute(text, (p, a, start)) for a in _attributes(tx, dialect, p)]
    return min((rows[0][0] for rows in firsts if rows), default=None)


def _attributes(tx: ReadTx, dialect: Dialect, p: int) -> list[int]:
    text = dialect.placeholders("SELECT DISTINCT a FROM broker_kind_attribute WHERE p = ?")
    return [int(row[0]) for row in tx.execute(text, (p,))]


class Telling:
    """What one follower was told, in one transaction."""

    def __init__(self, tx: ReadTx, dialect: Dialect, vocabulary: Vocabulary, name: str) -> None:
        self._tx = tx
        self._dialect = dialect
        self._p = vocabulary.p
        self._name = name

    def _run(self, text: str, parameters: Sequence[object]) -> list[tuple[object, ...]]:
        return self._tx.execute(self._dialect.placeholders(text), parameters)

    def _number(self) -> int | None:
        found = self._run(
            "SELECT f FROM broker_follower WHERE p = ? AND name = ?", (self._p, self._name)
        )
        return None if not found else int(found[0][0])  # type: ignore[call-overload]

    def told(self, ids: Sequence[str]) -> list[Told]:
        """Give those of the entities that the follower knows."""
        f = self._number()
        if f is None or not ids:
            return []
        listed = self._dialect.one_of("e.id", ids)
        rows = self._run(
            "SELECT e.id, t.type FROM broker_entity e JOIN broker_told t ON t.n = e.n"
            f" WHERE e.p = ? AND t.f = ? AND {listed.text}",
            (self._p, f, *listed.parameters),
        )
        return [(identifier, bytes(kind)) for identifier, kind in rows]  # type: ignore

    def round(self) -> int:
        """Give the latest round in which it was told of anything, 0 before any."""
        f = self._number()
        if f is None:
            return 0
        found = self._run("SELECT coalesce(max(round), 0) FROM broker_told WHERE f = ?", (f,))
        latest: int = found[0][0]  # type: ignore[assignment]
        return latest

    def told_before(self, round_: int, limit: int) -> list[Told]:
        """List what the follower knows from earlier rounds, and was not told again since."""
        f = self._number()
        if f is None:
            return []
        rows = self._run(
            "SELECT e.id, t.type FROM broker_told t JOIN broker_entity e ON e.n = t.n"
            " WHERE t.f = ? AND t.round < ? ORDER BY t.n LIMIT ?",
            (f, round_, limit),
        )
        return [(identifier, bytes(kind)) for identifier, kind in rows]  # type: ignore


class Noting(Telling):
    """The same, to be changed."""

    def __init__(self, tx: Tx, dialect: Dialect, vocabulary: Vocabulary, name: str) -> None:
        super().__init__(tx, dialect, vocabulary, name)
        self._writing = tx

    def _many(self, text: str, parameters: Iterable[Sequence[object]]) -> None:
        self._writing.executemany(self._dialect.placeholders(text), parameters)

    def tell(self, told: Sequence[Told], round_: int) -> None:
        """Note that the follower is told of entities in this round."""
        self._run(
            "INSERT INTO broker_follower (p, name) VALUES (?, ?) ON CONFLICT DO NOTHING",
            (self._p, self._name),
        )
        f = self._number()
        self._many(
            "INSERT INTO broker_told (f, n, round, type)"
            f" SELECT {f}, n, {int(round_)}, ? FROM broker_entity WHERE p = ? AND id = ?"
            " ON CONFLICT (f, n) DO UPDATE SET round = excluded.round, type = excluded.type",
            [(kind, self._p, identifier) for identifier, kind in told],
        )

    def forget(self, ids: Sequence[str]) -> None:
        """Note that the follower was told that entities are gone."""
        f = self._number()
        if f is not None:
            self._many(
                f"DELETE FROM broker_told WHERE f = {f} AND n ="
                " (SELECT n FROM broker_entity WHERE p = ? AND id = ?)",
                [(self._p, identifier) for identifier in ids],
            )

    def end(self) -> None:
        """Forget the follower."""
        f = self._number()
        if f is not None:
            self._run("DELETE FROM broker_told WHERE f = ?", (f,))
            self._run("DELETE FROM broker_follower WHERE f = ?", (f,))
