"""The adapters that the store's contract suite runs on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from store_notes import Open

from hansa.kernel import Clock, FixedClock
from hansa.kernel.store import Database, Migration
from hansa.kernel.store.postgres import PostgresDatabase
from hansa.kernel.store.sqlite import SqliteDatabase


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def reopen(backend: str, request: pytest.FixtureRequest, tmp_path: Path, clock: FixedClock) -> Open:
    """Give what opens the same database, empty at first; the caller closes it."""
    if backend == "sqlite":
        path = tmp_path / "state" / "hansa.sqlite"

        def open_sqlite(
            migrations: Sequence[Migration] = (), clock: Clock = clock, **more: Any
        ) -> Database:
            return SqliteDatabase.open(path, migrations, clock=clock, **more)

        return open_sqlite
    dsn = request.getfixturevalue("postgres_dsn")()

    def open_postgres(
        migrations: Sequence[Migration] = (), clock: Clock = clock, **more: Any
    ) -> Database:
        return PostgresDatabase.open(dsn, migrations, clock=clock, **more)

    return open_postgres


@pytest.fixture
async def database(reopen: Open) -> AsyncIterator[Database]:
    opened = reopen()
    yield opened
    await opened.close()
