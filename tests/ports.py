"""Ports for programs that tests start."""

from __future__ import annotations

import asyncio
import socket


def free_ports(count: int) -> list[int]:
    """Choose ports that nobody listens on now; the system gives others than last time."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def free_port() -> int:
    """Choose one port that nobody listens on now."""
    return free_ports(1)[0]


async def answers(port: int, timeout_s: float = 10) -> None:
    """Wait until a server listens on a port of this machine."""
    async with asyncio.timeout(timeout_s):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            return
