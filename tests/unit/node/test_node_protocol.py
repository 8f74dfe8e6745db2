"""What a stranger can make a node keep in memory before anybody knows who calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from tests.ports import listening, served

from hansa.node.protocol import WAITING_BYTES_MAX, BoundedHttp, Joining

LINE = b"POST /x HTTP/1.1\r\nHost: localhost\r\n"


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the size of the body."""
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d" % size})


@asynccontextmanager
async def serving() -> AsyncIterator[int]:
    """Serve the application; give its port."""
    on = listening()
    config = uvicorn.Config(application, http=BoundedHttp, lifespan="off", log_config=None)
    async with served(config, on):
        yield on.getsockname()[1]


async def told(port: int, *parts: bytes) -> tuple[bytes, int]:
    """Send parts until the node hangs up; give its answer and how many bytes it took."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = 0
    answer = asyncio.create_task(reader.read(65_536))
    try:
        for part in parts:
            if answer.done():
                break
            writer.write(part)
            await writer.drain()
            sent += len(part)
            await asyncio.sleep(0.001)
    except ConnectionError:
        pass  # it hung up; what it said before may still be read
    try:
        return await asyncio.wait_for(answer, 60), sent
    except ConnectionError:
        return b"", sent
    finally:
        writer.close()


@pytest.mark.parametrize(
    "beginning",
    [
        LINE + b"X-Long: ",
        b"POST /",
        LINE + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Trailer: ",
    ],
    ids=["header", "request line", "trailer"],
)
async def test_a_head_without_end_is_not_kept(beginning: bytes) -> None:
    async with serving() as port:
        answer, sent = await told(port, beginning, *[b"a" * 16_384] * 400)
    assert sent < 20 * WAITING_BYTES_MAX
    assert answer == b"" or answer.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))


async def test_many_small_header_fields_are_not_kept_either() -> None:
    async with serving() as port:
        answer, sent = await told(port, LINE, *[b"X-A: b\r\n" * 2_000] * 400)
    assert sent < 20 * WAITING_BYTES_MAX
    assert b"At most 65536 bytes" in answer


async def test_bodies_are_not_bounded_here() -> None:
    size = 20 * WAITING_BYTES_MAX
    head = LINE + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % size
    chunks = [b"1\r\na\r\n" * 10_000] * 4
    chunked = LINE + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    async with serving() as port:
        whole, _ = await told(port, head, *[b"a" * 65_536] * (size // 65_536))
        pieces, _ = await told(port, chunked, *chunks, b"0\r\n\r\n")
    assert whole.endswith(b"%d\r\n0\r\n\r\n" % size) or whole.endswith(b"%d" % size)
    assert b"40000" in pieces


class Wire:
    """A transport that keeps what it was given."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Keep a piece."""
        self.sent.append(data)

    def close(self) -> None:
        """Keep that it was closed."""
        self.sent.append(b"closed")


HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


async def test_a_head_goes_with_the_body_that_follows_at_once() -> None:
    wire = Wire()
    joining = Joining(wire)
    joining.write(HEAD)
    joining.write(b"ok")
    joining.write(b"more")
    await asyncio.sleep(0)
    assert wire.sent == [HEAD + b"ok", b"more"]


async def test_a_head_does_not_wait_for_a_body_that_comes_later() -> None:
    wire = Wire()
    joining = Joining(wire)
    joining.write(HEAD)
    await asyncio.sleep(0)
    assert wire.sent == [HEAD]
    joining.write(b"event")
    assert wire.sent == [HEAD, b"event"]


async def test_a_head_is_sent_before_the_connection_closes() -> None:
    wire = Wire()
    joining = Joining(wire)
    joining.write(HEAD)
    joining.close()
    await asyncio.sleep(0)
    assert wire.sent == [HEAD, b"closed"]
