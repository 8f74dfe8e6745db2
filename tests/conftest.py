"""Fixtures that every suite may use."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

import postgres_server

ROOT = Path(__file__).resolve().parent.parent


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put browser tests last: their driver keeps an event loop running in this thread."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """Leave the log as it was: a node that runs in a test's process sets it for all."""
    given, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.configure(**given)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Give the folder with official vectors and open data, or skip with the reason."""
    folder = Path(os.environ.get("HANSA_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no official vectors and open data at {folder} (set HANSA_SHARED)")
    return folder


def absent(reason: str) -> None:
    """Skip what this machine can't run; fail instead where everything must run."""
    if os.environ.get("HANSA_REQUIRE_ALL") == "1":
        pytest.fail(f"{reason} (HANSA_REQUIRE_ALL=1 allows no skip)")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def postgres_dsn() -> Iterator[Callable[[], str]]:
    """Give what makes an empty PostgreSQL database and gives its connection string, or skip."""
    try:
        import psycopg  # noqa: F401
    except ImportError:
        absent("psycopg not found: pip install 'hansa[postgres]'")
    programs = postgres_server.find_programs()
    if programs is None:
        absent(postgres_server.MISSING)
        return
    server = postgres_server.PostgresServer(programs)
    try:
        yield server.fresh_dsn
    finally:
        server.stop()
