"""One participant's catalogue on a store of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from catalogue_world import DSP_URL, NORTH, Doorkeeper
from starlette.applications import Starlette
from starlette.requests import Request

from hansa.catalogue import Catalogue, Served, routes
from hansa.kernel import Code, FixedClock, HansaError, SystemIds
from hansa.kernel.store import Store
from hansa.kernel.store.sqlite import SqliteDatabase


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
async def store(tmp_path: Path, clock: FixedClock) -> AsyncIterator[Store]:
    database = SqliteDatabase.open(tmp_path / "hansa.db", clock=clock)
    yield database.store("north")
    await database.close()


@pytest.fixture
def catalogue(store: Store, clock: FixedClock) -> Catalogue:
    return Catalogue(store, did=NORTH, name="Delft North", ids=SystemIds(), clock=clock)


@pytest.fixture
def app(catalogue: Catalogue) -> Starlette:
    async def resolve(request: Request) -> Served:
        if request.path_params["participant"] != "north":
            raise HansaError(Code.not_found, "There is no such participant.")
        return Served(catalogue, Doorkeeper(), DSP_URL)

    return Starlette(routes=routes("/{participant}", resolve))
