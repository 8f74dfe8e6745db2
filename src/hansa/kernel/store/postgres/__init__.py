"""The scale-out store adapter: PostgreSQL through psycopg 3 (extra `postgres`)."""

from hansa.kernel.store.postgres.database import PostgresDatabase, PostgresStore
from hansa.kernel.store.postgres.transaction import PostgresReadTx, PostgresTx

__all__ = ["PostgresDatabase", "PostgresReadTx", "PostgresStore", "PostgresTx"]
