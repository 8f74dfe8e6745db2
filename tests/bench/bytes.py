"""Measure the plane of bytes: large bodies against a bare relay, small ones against direct.

`python -m tests.bench.bytes [GB]` prints the figures; `make bench-connector` takes `measure()`. The
bare relay is the same server and the same client library in a process of its own, started the same
way, with no policy, no token and no catalogue: what is left is what a contract costs. Runs take
turns, so that a busy machine is busy for both.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
from tests.bench.results import figure
from tests.e2e.space import CONSUMER, PROVIDER, Space, wait_for
from tests.ports import free_port

GB = 1_000_000_000
ROUNDS = 5
SMALL = 1_000
_SMALL_READS = 600
_WARM = 100
_READ_BYTES = 1024 * 1024
_FILE_BLOCK_BYTES = 256 * 1024


# -- what is compared with -------------------------------------------------------------------------


def bare(kind: str, where: str, size: int) -> Any:
    """Give an ASGI application: `upstream` gives zeros, `relay` passes on, `file` reads a file."""
    block = bytes(_FILE_BLOCK_BYTES)
    state: dict[str, Any] = {}

    async def parts() -> AsyncIterator[bytes]:
        if kind == "upstream":
            for at in range(0, size, len(block)):
                yield block[: size - at]
        elif kind == "file":
            with open(where, "rb", buffering=0) as file:  # noqa: ASYNC230 - as a file server does
                while found := await asyncio.to_thread(file.read, _FILE_BLOCK_BYTES):
                    yield found
        else:
            import aiohttp

            if "session" not in state:
                state["session"] = aiohttp.ClientSession(auto_decompress=False)
            answer = await state["session"].get(where, read_bufsize=_FILE_BLOCK_BYTES)
            async for found in answer.content.iter_any():
                yield found

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-length", b"%d" % size)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["method"] != "HEAD":
            async for found in parts():
                await send({"type": "http.response.body", "body": found, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app


def serve(kind: str, where: str, size: int, port: int) -> None:
    """Serve one of the applications as a node is served."""
    import uvicorn

    from hansa.node.protocol import BoundedHttp

    uvicorn.run(
        bare(kind, where, size),
        host="127.0.0.1",
        port=port,
        loop="auto",
        http=BoundedHttp,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
    )


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@asynccontextmanager
async def started(kind: str, where: str, size: int) -> AsyncIterator[tuple[str, int]]:
    """Run one of the applications in a process of its own; give its URL and process id."""
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.bytes", "serve", kind, where, str(size)]
    process = subprocess.Popen([*command, str(port)])  # noqa: ASYNC220 - nothing else runs
    try:
        wait_for(lambda: _listens(port), f"{kind} to listen")
        yield f"http://127.0.0.1:{port}/", process.pid
    finally:
        process.terminate()
        process.wait(10)


# -- reading ---------------------------------------------------------------------------------------


def read_all(url: str, headers: dict[str, str]) -> tuple[float, int]:
    """Read a body with as little as a client can do; give seconds and bytes."""
    host, _, path = url.removeprefix("http://").partition("/")
    name, _, port = host.partition(":")
    head = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
    request = f"GET /{path} HTTP/1.1\r\nHost: {host}\r\n{head}Connection: close\r\n\r\n"
    buffer = bytearray(_READ_BYTES)
    with socket.create_connection((name, int(port)), timeout=60) as wire:
        begin = time.perf_counter()
        wire.sendall(request.encode())
        got = wire.recv_into(buffer)
        status = bytes(buffer[:got]).split(b"\r\n", 1)[0]
        assert b" 200 " in status, bytes(buffer[:got])
        end = bytes(buffer[:got]).index(b"\r\n\r\n") + 4
        size = got - end
        while got := wire.recv_into(buffer):
            size += got
        return time.perf_counter() - begin, size


class Memory:
    """The most memory that a process held while it was looked at, in MB."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self.most = 0.0

    async def watch(self) -> None:
        """Look every 50 ms until cancelled."""
        while True:
            self.most = max(self.most, self._process.memory_info().rss / 1e6)
            await asyncio.sleep(0.05)


async def _rate(url: str, headers: dict[str, str], size: int) -> float:
    taken, got = await asyncio.to_thread(read_all, url, headers)
    assert got == size, (got, size)
    return got / taken / 1e6


async def compared(
    mine: Callable[[], Awaitable[float]], other: Callable[[], Awaitable[float]]
) -> tuple[float, float, float]:
    """Take turns; give both medians in MB/s and the median of the shares."""
    pairs = []
    for turn in range(ROUNDS):
        first, second = (mine, other) if turn % 2 else (other, mine)
        one, two = await first(), await second()
        pairs.append((one, two) if turn % 2 else (two, one))
    rates = [statistics.median(pair[side] for pair in pairs) for side in (0, 1)]
    return rates[0], rates[1], statistics.median(pair[0] / pair[1] for pair in pairs)


# -- what is measured ------------------------------------------------------------------------------


class Trade:
    """A space in which one dataset of bytes after the other is published and fetched."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.provider, self.consumer = space.client(PROVIDER), space.client(CONSUMER)

    def files(self) -> Path:
        """Give the folder that the provider publishes files from."""
        folder = self.space.node(PROVIDER).path / "files" / PROVIDER
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def pid(self) -> int:
        """Give the process of the provider's node."""
        status = json.loads(self.space.hansa("status", "--json").stdout)
        return int(next(n["pid"] for n in status["nodes"] if n["name"] == PROVIDER))

    def access(self, title: str, resource: dict[str, Any]) -> tuple[str, dict[str, str]]:
        """Publish, agree and start; give the address and the header that opens it."""
        body = {"title": title, "template": "members", "parameters": {}, "resource": resource}
        made = self.provider.post(f"/participants/{PROVIDER}/datasets", body)["dataset"]
        base = f"/participants/{CONSUMER}"
        asked = {
            "provider_did": made["publisher"]["did"],
            "dataset_id": made["id"],
            "offer_id": made["offers"][0]["id"],
        }
        talk = self.consumer.post(f"{base}/negotiations", asked)["id"]
        path = f"{base}/negotiations/{talk}"

        def agreed() -> str | None:
            found = self.consumer.get(path)
            return found["agreement_id"] if found["state"] == "FINALIZED" else None

        agreement = wait_for(agreed, "the contract")
        flow = self.consumer.post(f"{base}/transfers", {"agreement_id": agreement})["id"]
        path = f"{base}/transfers/{flow}"
        wait_for(lambda: self.consumer.get(path)["state"] == "STARTED", "the transfer")
        given = self.consumer.get(f"{path}/access")
        return given["endpoint"], {"Authorization": given["authorization"]}


async def small_ms(url: str, headers: dict[str, str]) -> float:
    """Give the median time of a small body over a kept connection, in ms."""
    import aiohttp

    taken = []
    async with aiohttp.ClientSession() as session:
        for number in range(_WARM + _SMALL_READS):
            begin = time.perf_counter()
            async with session.get(url, headers=headers) as answer:
                assert len(await answer.read()) == SMALL, answer.status
            if number >= _WARM:
                taken.append((time.perf_counter() - begin) * 1_000)
    return statistics.median(taken)


async def measure(total: int = 10 * GB) -> list[dict[str, Any]]:
    """Take all figures; `total` bytes go through each way that is compared."""
    size = total // ROUNDS
    figures: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="hansa-bytes-") as folder:
        space = Space(Path(folder) / "space")
        try:
            space.up("--fresh")
            trade = Trade(space)
            memory = Memory(trade.pid())
            watching = asyncio.create_task(memory.watch())
            figures += await _relayed(trade, size)
            figures += await _from_disk(trade, size)
            figures += await _small(trade)
            watching.cancel()
            figures.append(figure("bytes_rss_mb", memory.most, "MB", 200))
        finally:
            space.close()
    return figures


async def _relayed(trade: Trade, size: int) -> list[dict[str, Any]]:
    async with started("upstream", "-", size) as (upstream, _):
        url, headers = await asyncio.to_thread(trade.access, "Relayed", {"url": upstream})
        async with started("relay", upstream, size) as (direct, _):
            mine, other, share = await compared(
                lambda: _rate(url, headers, size), lambda: _rate(direct, {}, size)
            )
    return [
        figure("bytes_relay_share", share, "ratio", 0.8, f"bare relay: {other:.0f} MB/s"),
        figure("bytes_relay_mb_s", mine, "MB/s"),
    ]


async def _from_disk(trade: Trade, size: int) -> list[dict[str, Any]]:
    path = trade.files() / "large.bin"
    with path.open("wb") as file:
        file.truncate(size)
    url, headers = await asyncio.to_thread(trade.access, "Large", {"location": path.name})
    async with started("file", str(path), size) as (direct, _):
        mine, other, share = await compared(
            lambda: _rate(url, headers, size), lambda: _rate(direct, {}, size)
        )
    return [
        figure("bytes_file_share", share, "ratio", 0.8, f"bare file server: {other:.0f} MB/s"),
        figure("bytes_file_mb_s", mine, "MB/s"),
    ]


async def _small(trade: Trade) -> list[dict[str, Any]]:
    path = trade.files() / "small.bin"
    path.write_bytes(os.urandom(SMALL))
    url, headers = await asyncio.to_thread(trade.access, "Small", {"location": path.name})
    async with started("file", str(path), SMALL) as (direct, _):
        mine, other = await small_ms(url, headers), await small_ms(direct, {})
    return [
        figure("bytes_1kb_p50_ms", mine, "ms", 0.7, f"bare file server: {other:.3f} ms"),
        figure("bytes_1kb_ratio", mine / other, "ratio"),
    ]


def main() -> None:
    """Serve one of the applications, or measure and print."""
    if len(sys.argv) > 1 and sys.argv[1] == "serve":
        serve(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
        return
    total = int(float(sys.argv[1]) * GB) if len(sys.argv) > 1 else 10 * GB
    for found in asyncio.run(measure(total)):
        print(json.dumps(found))


if __name__ == "__main__":
    main()
