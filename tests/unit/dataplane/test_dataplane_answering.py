"""Answers in blocks: what a misbehaving server may do to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

from hansa.dataplane.answering import send_blocks

PART = {"type": "http.request", "body": b"x", "more_body": True}


class Right:
    """It never ends."""

    def check(self) -> None:
        """Return."""

    def record(self, entities: int, bytes: int, requests: int = 1) -> None:
        """Count nothing."""


async def test_a_request_that_has_no_end_holds_up_nothing() -> None:
    received, sent = 0, []

    async def receive() -> MutableMapping[str, Any]:
        nonlocal received
        received += 1
        assert received < 100_000, "it is read for ever"
        return dict(PART)

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message["type"])
        await asyncio.sleep(0)  # the watcher of the reader has its turn

    async def blocks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"block"

    await send_blocks(receive, send, Right(), 200, [], blocks())
    assert sent == ["http.response.start"] + ["http.response.body"] * 4
    assert received < 100
