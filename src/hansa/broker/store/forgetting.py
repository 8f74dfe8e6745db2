"""Erase entities with their history: what nobody may keep any more, unlike a deletion (5.6.6)."""

from __future__ import annotations

from collections.abc import Sequence

from hansa.broker.ports import Dialect
from hansa.kernel.store import Tx

_MARK = "forgotten "
"""Begins the id of what is erased. It is no URI, so no entity that comes from others has it."""
_NOT_YET = "SELECT n, id, k FROM broker_entity WHERE p = ? AND id NOT LIKE ? ORDER BY n LIMIT ?"
_GEOMETRIES = "SELECT g FROM broker_geometry WHERE p = ? AND n = ?"
_HISTORY = "DELETE FROM broker_history WHERE p = ? AND n = ?"
_ENTITY = (
    "UPDATE broker_entity SET id = ?, body = ?, g = NULL,"
    " west = NULL, south = NULL, east = NULL, north = NULL WHERE p = ? AND n = ?"
)


def remembered(tx: Tx, dialect: Dialect, p: int, limit: int) -> list[tuple[int, str, int]]:
    """Give (number, id, kind) of entities that are not erased yet, deleted ones too."""
    rows = tx.execute(dialect.placeholders(_NOT_YET), (p, f"{_MARK}%", limit))
    return [(row[0], row[1], row[2]) for row in rows]


def erase(tx: Tx, dialect: Dialect, p: int, numbers: Sequence[int]) -> None:
    """Erase what is left of deleted entities: history, geometries, ids. Numbers are not reused."""
    asked = dialect.placeholders(_GEOMETRIES)
    shapes = [row[0] for n in numbers for row in tx.execute(asked, (p, n))]
    dialect.drop_geometries(tx, p, shapes, keep=False)
    tx.executemany(dialect.placeholders(_HISTORY), [(p, n) for n in numbers])
    buried = [(f"{_MARK}{n}", b"", p, n) for n in numbers]
    tx.executemany(dialect.placeholders(_ENTITY), buried)
