"""Fixtures of the exchange tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from exchange_world import World, world_in


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Two sides whose outboxes are worked by hand."""
    async with world_in(tmp_path) as joined:
        yield joined


@pytest.fixture
async def running(world: World) -> World:
    """Two sides whose reconcilers run."""
    await world.start()
    return world
