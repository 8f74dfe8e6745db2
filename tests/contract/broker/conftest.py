"""The adapters that the broker's contract suite runs on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path

import pytest

from hansa.broker import MIGRATIONS, Broker, dialect_of, sqlite_functions
from hansa.kernel import CountingIds, FixedClock
from hansa.kernel.jsonld import ContextRegistry
from hansa.kernel.store import Database
from hansa.kernel.store.postgres import PostgresDatabase
from hansa.kernel.store.sqlite import SqliteDatabase
from postgis import postgis_dsn  # noqa: F401 - a fixture


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


_tests = count()


@pytest.fixture(scope="session")
def one_dsn(postgis_dsn: Callable[[], str]) -> str:  # noqa: F811
    """Give one database for the whole suite: tests differ by their participants."""
    return postgis_dsn()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def reopen(
    request: pytest.FixtureRequest, tmp_path: Path, clock: FixedClock
) -> Callable[[], Database]:
    """Give what opens the same database; the caller closes it."""
    if request.param == "sqlite":
        path = tmp_path / "state.sqlite"
        return lambda: SqliteDatabase.open(
            path, MIGRATIONS, clock=clock, functions=sqlite_functions
        )
    dsn = request.getfixturevalue("one_dsn")
    return lambda: PostgresDatabase.open(dsn, MIGRATIONS, clock=clock)


@pytest.fixture
async def database(reopen: Callable[[], Database]) -> AsyncIterator[Database]:
    opened = reopen()
    yield opened
    await opened.close()


@pytest.fixture
def open_broker(clock: FixedClock) -> Callable[[Database, str], Broker]:
    """Give what makes a broker of a participant that no other test has."""
    mark = next(_tests)

    def make(database: Database, participant: str) -> Broker:
        return Broker(
            database.store(f"{participant}-{mark}"),
            clock=clock,
            ids=CountingIds(),
            contexts=ContextRegistry(),
            dialect=dialect_of(database.backend),
        )

    return make


@pytest.fixture
def broker(database: Database, open_broker: Callable[[Database, str], Broker]) -> Broker:
    return open_broker(database, "delft-north")
