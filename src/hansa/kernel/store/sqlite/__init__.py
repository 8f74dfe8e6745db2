"""The embedded store adapter: SQLite through apsw, in WAL mode, fsync before each answer."""

from hansa.kernel.store.sqlite.database import SqliteDatabase, SqliteStore
from hansa.kernel.store.sqlite.transaction import SqliteReadTx, SqliteTx

__all__ = ["SqliteDatabase", "SqliteReadTx", "SqliteStore", "SqliteTx"]
