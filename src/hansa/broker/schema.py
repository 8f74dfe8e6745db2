"""The broker's schema, step by step, for both adapters."""

from __future__ import annotations

from hansa.broker import store_postgres, store_sqlite
from hansa.broker.ports import Dialect
from hansa.kernel.store import Migration

MIGRATIONS = (
    Migration("broker", 1, sqlite=store_sqlite.SCHEMA, postgres=store_postgres.SCHEMA),
    Migration("broker", 2, sqlite=store_sqlite.CHANGES, postgres=store_postgres.CHANGES),
)


def dialect_of(backend: str) -> Dialect:
    """Give what speaks to the database of this backend (`Database.backend`)."""
    if backend == "postgres":
        return store_postgres.PostgresDialect()
    assert backend == "sqlite", f"no broker on {backend}"
    return store_sqlite.SqliteDialect()
