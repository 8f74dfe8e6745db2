"""Durable state: one port, two adapters (SQLite, PostgreSQL)."""

from hansa.kernel.store.ports import (
    NODE,
    Action,
    Condition,
    Database,
    Found,
    Kind,
    Migration,
    ReadTx,
    Store,
    Taker,
    Tx,
)

__all__ = [
    "NODE",
    "Action",
    "Condition",
    "Database",
    "Found",
    "Kind",
    "Migration",
    "ReadTx",
    "Store",
    "Taker",
    "Tx",
]
