"""A data plane on a store of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dataplane_world import Plane

from mosquitto import broker  # noqa: F401 - a fixture
from sshd import server  # noqa: F401 - a fixture


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    plane = Plane(tmp_path / "hansa.db")
    yield plane
    await plane.usage.stop()
    await plane.database.close()
