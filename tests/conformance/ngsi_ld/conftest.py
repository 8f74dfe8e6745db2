"""The NGSI-LD API of one participant, called without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ngsi_ld_client import Client
from starlette.requests import Request

from hansa.broker import MIGRATIONS, Access, Broker, app, sqlite_functions
from hansa.kernel import CountingIds, FixedClock
from hansa.kernel.jsonld import ContextRegistry
from hansa.kernel.store.sqlite import SqliteDatabase
from hansa.policy import Scope

PINNED = {
    "https://example.org/context.jsonld": {
        "@context": {"Winkel": "https://example.org/Shop", "vermogen": "https://example.org/power"}
    }
}


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    clock = FixedClock()
    database = SqliteDatabase.open(
        tmp_path / "x.sqlite", MIGRATIONS, clock=clock, functions=sqlite_functions
    )
    yield Broker(
        database.store("delft"), clock=clock, ids=CountingIds(), contexts=ContextRegistry(PINNED)
    )
    await database.close()


@pytest.fixture
def client(broker: Broker) -> Client:
    """Give the owner's view of the API."""

    async def resolve(_: Request) -> Access:
        return Access(broker, Scope.everything(), may_write=True)

    return Client(app(resolve, body_bytes_max=100_000))
