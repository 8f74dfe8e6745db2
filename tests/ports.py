"""Ports for programs that tests start, and for servers in the test's own process."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn

PATIENCE_S = 60.0
"""How long a test waits for what must come: a safety net on a busy machine, never a measure."""


def free_ports(count: int) -> list[int]:
    """Choose ports that nobody listens on now; the system gives others than last time."""
    sockets = [listening() for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def free_port() -> int:
    """Choose one port that nobody listens on now."""
    return free_ports(1)[0]


def listening(port: int = 0, host: str = "127.0.0.1") -> socket.socket:
    """Listen on a port, by default on one that the system chooses: nobody else can take it."""
    return socket.create_server((host, port))


@asynccontextmanager
async def served(config: uvicorn.Config, on: socket.socket) -> AsyncIterator[uvicorn.Server]:
    """Serve on a socket that listens already; stop and close it afterwards, whatever happened."""
    server = uvicorn.Server(config)
    with on:
        serving = asyncio.create_task(server.serve([on]))
        try:
            while not server.started and not serving.done():  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.01)
            yield server
        finally:
            server.should_exit = True
            await serving


async def answers(
    port: int, process: subprocess.Popen[bytes], timeout_s: float = PATIENCE_S
) -> None:
    """Wait until a program that a test started listens on its port of this machine."""
    async with asyncio.timeout(timeout_s):
        while True:
            assert process.poll() is None, f"{process.args!r} ended with {process.returncode}"
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            return
