"""A running node for the tests of this room."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from node_world import World, running


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Give one node with an authority and two cities that are members."""
    async with running(tmp_path) as found:
        yield found
