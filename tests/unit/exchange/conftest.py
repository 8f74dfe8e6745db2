"""Fixtures of the exchange tests."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from exchange_world import World, memory_folder, world_in


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Two sides whose outboxes are worked by hand."""
    with tempfile.TemporaryDirectory(prefix="exchange-", dir=memory_folder()) as folder:
        async with world_in(Path(folder)) as joined:
            yield joined


@pytest.fixture
async def running(world: World) -> World:
    """Two sides whose reconcilers run."""
    await world.start()
    return world
