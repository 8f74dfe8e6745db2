# ruff: noqa: ASYNC110 - the tests look from outside, as a client does
"""Long answers over a real socket: they arrive whole, and end when the right to them ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import orjson
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount

from hansa.broker import Access, Broker, routes
from hansa.broker.http import respond
from hansa.kernel import Code, HansaError
from hansa.policy import Scope

TARGET = "/delft/ngsi-ld/v1/entities?type=Shop&limit=1000"


class Right:
    """A right that can end, and what left while it lasted."""

    def __init__(self) -> None:
        self.ended = False
        self.sent: list[tuple[int, int]] = []

    def check(self) -> None:
        if self.ended:
            raise HansaError(Code.agreement_ended, "The agreement has ended.")


@pytest.fixture
def right() -> Right:
    return Right()


@pytest.fixture
async def port(broker: Broker, right: Right) -> AsyncIterator[int]:
    """Serve a thousand entities of 10 KB; gives the port."""

    async def resolve(_: Request) -> Access:
        right.check()
        return Access(
            broker,
            Scope.everything(),
            still_valid=right.check,
            on_sent=lambda *one: right.sent.append(one),
        )

    for start in range(0, 1000, 250):
        await broker.upsert(
            {"id": f"urn:x:{n}", "type": "Shop", "text": "x" * 10_000}
            for n in range(start, start + 250)
        )
    application = Starlette(routes=[Mount("/{participant}/ngsi-ld/v1", routes=routes(resolve))])
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32_768)
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(application, log_level="critical", lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        await serving


async def ask(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send the request with a small receive buffer."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32_768)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=raw, limit=16_384)
    writer.write(f"GET {TARGET} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return reader, writer


async def head(reader: asyncio.StreamReader) -> tuple[str, int]:
    """Give the status line and the announced length."""
    text = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(text.split("content-length: ")[1].split("\r\n")[0])
    return text.split("\r\n")[0], length


async def test_a_long_answer_arrives_whole(port: int, right: Right) -> None:
    reader, writer = await ask(port)
    status, length = await head(reader)
    body = await reader.readexactly(length)
    writer.close()
    assert status == "http/1.1 200 ok"
    assert [entity["id"] for entity in orjson.loads(body)] == [f"urn:x:{n}" for n in range(1000)]
    assert right.sent == [(1000, length)]


async def test_a_blocked_answer_ends_although_nobody_reads(port: int, right: Right) -> None:
    reader, writer = await ask(port)
    _, length = await head(reader)
    await asyncio.sleep(0.3)
    assert right.sent == []
    right.ended = True
    assert respond.LOOK_EVERY_S < 1
    while not right.sent:
        await asyncio.sleep(0.02)
    received = 0
    while part := await reader.read(65_536):
        received += len(part)
    writer.close()
    assert received < length / 2
    ((entities, size),) = right.sent
    assert entities < 500
    assert size < length / 2


async def test_the_next_request_is_refused(port: int, right: Right) -> None:
    right.ended = True
    reader, writer = await ask(port)
    status, _ = await head(reader)
    writer.close()
    assert status.startswith("http/1.1 403")


async def test_a_reader_that_goes_away_costs_nothing_more(port: int, right: Right) -> None:
    reader, writer = await ask(port)
    await head(reader)
    writer.transport.abort()
    while not right.sent:
        await asyncio.sleep(0.02)
    assert right.sent[0][1] > 0
