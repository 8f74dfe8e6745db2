"""Spaces for the tests: one that all read-mostly tests share, and fresh ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.space import Space

from postgis import postgis_dsn  # noqa: F401 - a fixture


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
