"""Send bytes over ASGI while the right lasts and the reader is there.

The right is looked at before each block and, while the reader is slow, every 0.2 s; when it has
ended the answer is left incomplete and the connection closed, so that nobody takes a piece for the
whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

import msgspec
from starlette.types import Receive, Send

from hansa.kernel import HansaError
from hansa.kernel.problem import problem

LOOK_EVERY_S = 0.2
_REQUEST_PARTS_MAX = 1_000
Headers = list[tuple[bytes, bytes]]


class Right(Protocol):
    """What lets an answer go on, and counts it: an `Enforcement`."""

    def check(self) -> None:
        """Return, or raise why the answer has to stop now."""
        ...

    def record(self, entities: int, bytes: int, requests: int = 1) -> None:
        """Count an answer; 0 `requests`: more of one that is counted."""
        ...


class BrokenOff(Exception):  # noqa: N818 - it says what happened to the answer
    """The answer was left incomplete: the right has ended, or the reader has gone."""


@contextmanager
def _watched(right: Right, receive: Receive) -> Iterator[asyncio.Task[None]]:
    """Cancel the body of the `with` when the right ends or the reader leaves: `BrokenOff`.

    Give the task that is done when the reader has left.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    leaving = asyncio.create_task(_left(receive))
    broken = False
    handle: asyncio.TimerHandle | None = None

    def look() -> None:
        nonlocal broken, handle
        try:
            right.check()
        except HansaError:
            broken = True
        if broken or leaving.done():
            broken = True
            task.cancel()
        else:
            handle = loop.call_later(LOOK_EVERY_S, look)

    handle = loop.call_later(LOOK_EVERY_S, look)
    try:
        yield leaving
    except asyncio.CancelledError:
        if not broken:
            raise
        task.uncancel()
        raise BrokenOff from None
    finally:
        if handle is not None:
            handle.cancel()
        leaving.cancel()


async def _left(receive: Receive) -> None:
    """Wait until the reader leaves; one who goes on sending a body that nobody asked for has."""
    for _ in range(_REQUEST_PARTS_MAX):
        if (await receive())["type"] == "http.disconnect":
            return
        await asyncio.sleep(0)  # a server that does not wait must not hold up the rest


async def send_whole(send: Send, right: Right, status: int, headers: Headers, body: bytes) -> None:
    """Send an answer that is at hand, and count it."""
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
    right.record(0, len(body))


async def send_blocks(
    receive: Receive,
    send: Send,
    right: Right,
    status: int,
    headers: Headers,
    blocks: AsyncIterator[bytes | bytearray],
) -> None:
    """Send an answer block by block, no faster than it is read; count what is handed over.

    An answer that is broken off ends without an error: the server closes its connection. What
    `blocks` raise before the first of them is raised; later it breaks the answer off.
    """
    begun = False
    try:
        with suppress(BrokenOff), _watched(right, receive) as leaving:
            async for block in blocks:
                right.check()
                if leaving.done():
                    raise BrokenOff
                if not begun:
                    begun = True
                    await send(
                        {"type": "http.response.start", "status": status, "headers": headers}
                    )
                await send({"type": "http.response.body", "body": block, "more_body": True})
                right.record(0, len(block), requests=0)
            if not begun:
                await send({"type": "http.response.start", "status": status, "headers": headers})
            begun = True
            await send({"type": "http.response.body", "body": b""})
    except HansaError:
        if not begun:
            raise
    finally:
        if begun:
            right.record(0, 0)


async def send_error(send: Send, error: HansaError, *, head: bool = False) -> None:
    """Send an error as problem+json."""
    body = msgspec.json.encode(problem(error))
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    if error.status == 401:
        headers.append((b"www-authenticate", b'Bearer, Basic realm="hansa"'))
    if "allow" in error.facts:
        headers.append((b"allow", str(error.facts["allow"]).encode()))
    if "content_range" in error.facts:
        headers.append((b"content-range", str(error.facts["content_range"]).encode()))
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else body})
