"""Connections to PostgreSQL, and transactions on them that are tried again when they collide.

Jobs are written for one writer at a time, so transactions are SERIALIZABLE: PostgreSQL refuses one
of two that could not have run one after the other. That one is tried again; after a few collisions
it waits for its participant's turn (an advisory lock), so that contention ends.
"""

from __future__ import annotations

import random
import time
import zlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool, PoolTimeout

from hansa.kernel import fault
from hansa.kernel.errors import Code, HansaError
from hansa.kernel.store import schema
from hansa.kernel.store.ports import Migration

R = TypeVar("R")

Connection = psycopg.Connection[tuple[Any, ...]]

CONNECT_TIMEOUT_S = 10.0
STATEMENT_TIMEOUT_MS = 60_000
"""Longest statement of a write."""
OPTIMISTIC_TRIES = 3
TRIES_MAX = 12
"""Most runs of one job that collides with others."""
_PAUSE_S = 0.005
_LOCK_MIGRATE, _LOCK_LEASE, _LOCK_TURN = 0x48414E53, 0x48414E54, 0x48414E55
_WRITE = f"BEGIN ISOLATION LEVEL SERIALIZABLE; SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}"
_LEASE = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit = off"
_COLLISIONS = (errors.SerializationFailure, errors.DeadlockDetected)


class _StaleError(Exception):
    """A pooled connection was dead before anything was done on it, as after a server's restart."""


class Sessions:
    """The pool of one database."""

    def __init__(self, pool: ConnectionPool[Connection], read_limit_s: float) -> None:
        self._pool = pool
        self._read_limit_s = read_limit_s
        self._begin_read = (
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
            f" SET LOCAL statement_timeout = {round(read_limit_s * 1000)}"
        )

    @classmethod
    def open(cls, dsn: str, connections_max: int, read_limit_s: float) -> Sessions:
        """Connect; HansaError unavailable when the server does not answer."""
        pool: ConnectionPool[Connection] = ConnectionPool(
            dsn,
            min_size=1,
            max_size=connections_max,
            open=False,
            timeout=CONNECT_TIMEOUT_S,
            kwargs={"autocommit": True, "client_encoding": "UTF8"},
            name="hansa",
        )
        try:
            pool.open(wait=True, timeout=CONNECT_TIMEOUT_S)
        except (PoolTimeout, psycopg.Error) as error:
            pool.close()
            raise HansaError(
                Code.unavailable,
                "PostgreSQL does not answer.",
                "Check that the server runs and that the address in the settings is right.",
            ) from error
        return cls(pool, read_limit_s)

    def close(self) -> None:
        """Close all connections (blocks)."""
        self._pool.close()

    def migrate(self, migrations: Sequence[Migration]) -> None:
        """Bring all tables to the version of this program, in one transaction."""
        with self._pool.connection() as connection, connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK_MIGRATE,))
            connection.execute(schema.VERSIONS)
            found = connection.execute("SELECT room, version FROM schema_version").fetchall()
            for step in schema.steps(dict(found), migrations):
                for statement in step.postgres:
                    connection.execute(statement)
                connection.execute(
                    "INSERT INTO schema_version (room, version) VALUES (%s, %s)"
                    " ON CONFLICT (room) DO UPDATE SET version = excluded.version",
                    (step.room, step.version),
                )

    def read(self, job: Callable[[Connection], R]) -> R:
        """Run `job` on one snapshot; HansaError too_complex when a statement takes too long."""
        try:
            return self._repeat(lambda connection, _: self._once(connection, self._begin_read, job))
        except errors.QueryCanceled as error:
            raise HansaError(
                Code.too_complex,
                "This query takes too long.",
                f"It was stopped after {self._read_limit_s:g} s: narrow it down.",
            ) from error

    def write(self, participant: str, job: Callable[[Connection], R]) -> R:
        """Run `job` as if alone, and commit durably."""

        def attempt(connection: Connection, tried: int) -> R:
            if tried < OPTIMISTIC_TRIES:
                return self._once(connection, _WRITE, job)
            turn = (_LOCK_TURN, zlib.crc32(participant.encode()) - 2**31)
            _first(connection, "SELECT pg_advisory_lock(%s, %s)", turn)
            try:
                return self._once(connection, _WRITE, job)
            finally:
                if not connection.broken:
                    connection.execute("SELECT pg_advisory_unlock(%s, %s)", turn)

        return self._repeat(attempt)

    def lease(self, job: Callable[[Connection], R]) -> R:
        """Run `job` when no other process leases; not durable, a lost lease is taken again."""

        def alone(connection: Connection) -> R:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK_LEASE,))
            return job(connection)

        return self._repeat(lambda connection, _: self._once(connection, _LEASE, alone))

    def _once(self, connection: Connection, begin: str, job: Callable[[Connection], R]) -> R:
        """Run one transaction."""
        _first(connection, begin)
        try:
            result = job(connection)
            status = connection.info.transaction_status
            assert status == TransactionStatus.INTRANS, "a job went on after a failed statement"
            fault.point("commit.before")
            connection.commit()
            fault.point("commit.after")
        except BaseException:
            if not connection.broken:
                connection.rollback()
            raise
        return result

    def _repeat(self, attempt: Callable[[Connection, int], R]) -> R:
        """Try again what collided with others or lost its connection before the commit."""
        for tried in range(TRIES_MAX):
            try:
                with self._pool.connection() as connection:
                    return attempt(connection, tried)
            except _StaleError:
                continue
            except _COLLISIONS:
                time.sleep(_PAUSE_S * (1 + tried) * random.random())  # noqa: S311
            except (PoolTimeout, psycopg.OperationalError) as error:
                if isinstance(error, errors.QueryCanceled):
                    raise
                raise HansaError(
                    Code.unavailable,
                    "The store can't be used at the moment.",
                    "PostgreSQL did not answer: try again, and check the server.",
                ) from error
        raise HansaError(
            Code.unavailable,
            "Too many changes collide.",
            f"The change was tried {TRIES_MAX} times: try again in a moment.",
        )


def _first(connection: Connection, sql: str, parameters: Sequence[Any] | None = None) -> None:
    """Run the first statement on a connection taken from the pool."""
    try:
        connection.execute(sql, parameters)
    except psycopg.OperationalError as error:
        raise _StaleError from error
