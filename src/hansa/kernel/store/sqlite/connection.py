"""How a SQLite connection of ours is opened: settings, limits and what a full disk is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import apsw

from hansa.kernel.errors import Code, HansaError
from hansa.kernel.store import schema
from hansa.kernel.store.ports import Migration

Functions = Callable[[apsw.Connection], None]
"""Registers a room's SQL functions and modules on a connection."""

BUSY_TIMEOUT_MS = 5000
STATEMENTS_CACHED = 256
PAGES_PER_CHECKPOINT = 2000
WAL_BYTES_KEPT = 64 * 1024 * 1024

_WORLD = (
    apsw.FullError,
    apsw.IOError,
    apsw.BusyError,
    apsw.LockedError,
    apsw.NoMemError,
    apsw.CantOpenError,
    apsw.ReadOnlyError,
    apsw.CorruptError,
    apsw.NotADBError,
)


def translated(error: BaseException) -> BaseException:
    """Turn what the disk did to us into HansaError unavailable; leave other errors as they are."""
    if not isinstance(error, _WORLD):
        return error
    return HansaError(
        Code.unavailable,
        "The store can't be used at the moment.",
        f"SQLite says: {error}. Check the free space and the permissions of the state folder.",
    )


def connect(path: Path, functions: Functions | None, *, cache_kib: int) -> apsw.Connection:
    """Open a connection with durable settings; creates the file, readable by its owner only.

    Nothing is mapped into memory: measured, that made no read faster and counted 16 MB twice.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.touch(mode=0o600)
    try:
        connection = apsw.Connection(str(path), statementcachesize=STATEMENTS_CACHED)
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            f"cache_size = -{cache_kib}",
            "mmap_size = 0",
            f"wal_autocheckpoint = {PAGES_PER_CHECKPOINT}",
            f"journal_size_limit = {WAL_BYTES_KEPT}",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()
    except apsw.Error as error:
        raise translated(error) from error
    if functions is not None:
        functions(connection)
    return connection


def migrate(connection: apsw.Connection, migrations: Sequence[Migration]) -> None:
    """Bring all tables to the version of this program, in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(schema.VERSIONS)
        found: list[tuple[Any, ...]] = list(
            connection.execute("SELECT room, version FROM schema_version")
        )
        for step in schema.steps(dict(found), migrations):
            for statement in step.sqlite:
                connection.execute(statement)
            connection.execute(
                "INSERT INTO schema_version (room, version) VALUES (?, ?)"
                " ON CONFLICT (room) DO UPDATE SET version = excluded.version",
                (step.room, step.version),
            )
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
