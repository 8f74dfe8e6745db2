"""Spaces for the tests: one that all read-mostly tests share, and fresh ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.e2e.push_world import Cities
from tests.e2e.space import Space

from mosquitto import broker  # noqa: F401 - a fixture
from postgis import postgis_dsn  # noqa: F401 - a fixture
from sshd import server  # noqa: F401 - a fixture


@pytest.fixture(scope="session")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Space]:
    """Give a running space in which the story was told. Tests leave it as they found it."""
    running = Space(tmp_path_factory.mktemp("space"))
    running.up()
    yield running
    running.close()


@pytest.fixture
def fresh_space(tmp_path: Path) -> Iterator[Space]:
    """Give a folder for a space of one's own; it is stopped afterwards."""
    own = Space(tmp_path / "own")
    yield own
    own.close()


@pytest.fixture
async def cities(tmp_path: Path) -> AsyncIterator[Cities]:
    """Give two cities and their authority in one node, over real sockets."""
    folder = tmp_path / "node"
    folder.mkdir()
    async with Cities(folder) as cities:
        yield cities
