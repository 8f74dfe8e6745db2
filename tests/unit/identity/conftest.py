"""A small world: an authority and two cities that joined it."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from trust_world import Node, World, joined

MEMORY = Path("/dev/shm")
IN_MEMORY = MEMORY.is_dir()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Give a folder in memory where there is such a place: a commit costs no disk then."""
    place = MEMORY if IN_MEMORY else tmp_path
    with tempfile.TemporaryDirectory(dir=place, prefix="hansa-") as name:
        yield Path(name)


@pytest.fixture
async def world(folder: Path) -> AsyncIterator[World]:
    made = World(folder)
    yield made
    await made.close()


@pytest.fixture
async def authority(world: World) -> Node:
    return await world.authority(automatic=True)


@pytest.fixture
async def delft(world: World, authority: Node) -> Node:
    return await joined(world, authority, "delft", 7711)


@pytest.fixture
async def rijswijk(world: World, authority: Node) -> Node:
    return await joined(world, authority, "rijswijk", 7712)
