"""A clock that stands, the fake space, and a client that is signed in."""

from __future__ import annotations

from datetime import UTC, datetime

import pages_serve
import pytest
from pages_client import Client

from hansa.kernel import FixedClock

NOON = datetime(2026, 11, 20, 13, 20, tzinfo=UTC)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest.fixture
async def client(clock: FixedClock) -> Client:
    made = Client(pages_serve.app("full", clock))
    await made.get("/signin?token=let-me-in")
    return made
