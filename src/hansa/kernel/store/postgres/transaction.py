"""Transactions on a PostgreSQL connection."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from hansa.kernel.clock import Clock
from hansa.kernel.store.documents import Documents, ReadDocuments

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[Any, ...]]


@cache
def placed(sql: str) -> str:
    """Write one of our own statements with PostgreSQL's placeholders."""
    return sql.replace("?", "%s")


def fetch(connection: Connection, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Run a statement and give all rows; none when it gives none."""
    cursor = connection.execute(sql, parameters)
    return cursor.fetchall() if cursor.description else []


class PostgresReadTx(ReadDocuments):
    """A read transaction; `connection` is for rooms that read tables of their own."""

    def __init__(self, connection: Connection, participant: str, clock: Clock) -> None:
        super().__init__(participant, clock)
        self.connection = connection

    def _run(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        return fetch(self.connection, placed(sql), parameters)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a room's own statement and give all rows."""
        return fetch(self.connection, sql, parameters)


class PostgresTx(PostgresReadTx, Documents):
    """A write transaction; `connection` is for rooms that write tables of their own."""

    _forget_sql = (
        "DELETE FROM remembered WHERE participant = ? AND (scope, key) IN (SELECT scope, key"
        " FROM remembered WHERE participant = ? AND expires <= ? ORDER BY expires LIMIT ?"
        " FOR UPDATE SKIP LOCKED)"
    )

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a room's own statement once per row."""
        with self.connection.cursor() as cursor:
            cursor.executemany(sql, rows)
