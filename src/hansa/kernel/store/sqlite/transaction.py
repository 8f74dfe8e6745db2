"""Transactions on a SQLite connection."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import apsw

from hansa.kernel.clock import Clock
from hansa.kernel.store.documents import Documents, ReadDocuments


class SqliteReadTx(ReadDocuments):
    """A read transaction; `connection` is for rooms that read tables of their own."""

    def __init__(self, connection: apsw.Connection, participant: str, clock: Clock) -> None:
        super().__init__(participant, clock)
        self.connection = connection

    def _run(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql, parameters).fetchall()

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a room's own statement and give all rows."""
        return self.connection.execute(sql, parameters).fetchall()


class SqliteTx(SqliteReadTx, Documents):
    """A write transaction; `connection` is for rooms that write tables of their own."""

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a room's own statement once per row."""
        self.connection.executemany(sql, rows).fetchall()
