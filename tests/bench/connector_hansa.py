"""Negotiations between two nodes of ours, each a process with a durable store, and nothing else.

A negotiation is timed from the request at the consumer's management API until FINALIZED is seen
there; the wait is a long poll, so no polling tick is in the figure.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from tests.e2e.space import Space, wait_for
from tests.ports import free_ports

from hansa.kernel import HansaError

PROVIDER, CONSUMER = "bench-provider", "bench-consumer"
WARM = 100
RUNS = 200
PARALLEL = 1_000
CALLERS = 16
PATIENCE_S = 120
Json = dict[str, Any]


class Traders:
    """An authority and two members of a space; one of them offers a dataset to all members."""

    def __init__(self, folder: Path) -> None:
        self.space = Space(folder)
        self.pids: dict[str, int] = {}

    def __enter__(self) -> Traders:
        try:
            self._begin()
        except BaseException:
            self.space.close()
            raise
        return self

    def _begin(self) -> None:
        space = self.space
        ports = free_ports(3)
        kinds = {"authority": ("--role", "authority", "--approve-automatically")}
        for name, port in zip(("authority", PROVIDER, CONSUMER), ports, strict=True):
            kind = kinds.get(name, ("--authority", "authority"))
            space.hansa("init", name, "--port", str(port), *kind)
            self.pids[name] = space.start(name).pid
        for name in ("authority", PROVIDER, CONSUMER):
            wait_for(lambda name=name: self._ready(name), f"{name} to be ready", 60)
        authority = f"{space.node('authority').url}/authority"
        for name in (PROVIDER, CONSUMER):
            space.hansa("join", authority, "--node", name)
        self._publish()

    def __exit__(self, *_: object) -> None:
        self.space.close()

    def _ready(self, name: str) -> bool:
        try:
            return bool(self.space.client(name).get(f"/participants/{name}/overview"))
        except HansaError:  # it does not listen yet
            return False

    def _publish(self) -> None:
        client = self.space.client(PROVIDER)
        body = {"title": "Bench", "template": "members", "types": ["Mark"]}
        made = client.post(f"/participants/{PROVIDER}/datasets", body)["dataset"]
        did = client.get(f"/participants/{PROVIDER}/overview")["participant"]["did"]
        shown = self.space.client(CONSUMER).get(
            f"/participants/{CONSUMER}/datasets/{quote(made['id'], safe='')}"
        )
        offer = next(iter(shown["offers"]))
        self.wish = {
            "provider_did": did,
            "dataset_id": made["id"],
            "offer": offer["odrl"],
            "counterparty_url": f"{self.space.node(PROVIDER).url}/{PROVIDER}/dsp/2025-1",
        }
        self.wish_to_read = {
            "provider_did": did,
            "dataset_id": made["id"],
            "offer_id": offer["id"],
        }

    @property
    def url(self) -> str:
        """Give the address of the consumer's negotiations."""
        node = self.space.node(CONSUMER)
        return f"{node.url}/api/v1/participants/{CONSUMER}/negotiations"

    def cpu_s(self) -> float:
        """Give the processor time that both nodes have used."""
        return sum(_cpu_s(self.pids[name]) for name in (PROVIDER, CONSUMER))

    def session(self) -> aiohttp.ClientSession:
        """Open a client of the consumer's management API as its operator."""
        token = self.space.node(CONSUMER).operator_token
        return aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {token}"},
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=PATIENCE_S),
        )

    async def negotiate(self, session: aiohttp.ClientSession, wish: Json) -> float:
        """Negotiate to FINALIZED; give the milliseconds. AssertionError when it is lost."""
        begun = time.perf_counter()
        async with session.post(self.url, json=wish) as answer:
            made = await answer.json()
            assert answer.status < 300, made
        await self.finalized(session, made["id"])
        return (time.perf_counter() - begun) * 1000

    async def finalized(self, session: aiohttp.ClientSession, negotiation_id: str) -> None:
        """Wait until a negotiation is FINALIZED. AssertionError when it ends or hangs."""
        url = f"{self.url}/{negotiation_id}"
        ends = time.monotonic() + PATIENCE_S
        state = ""
        while state not in ("FINALIZED", "TERMINATED") and time.monotonic() < ends:
            wait = {"wait": "FINALIZED,TERMINATED", "timeout_s": "30"}
            async with session.get(url, params=wait) as answer:
                state = (await answer.json()).get("state", "")
        assert state == "FINALIZED", state


async def one_after_another(traders: Traders, runs: int, warm: int, wish: Json) -> list[float]:
    """Give the milliseconds of negotiations, one at a time."""
    async with traders.session() as session:
        for _ in range(warm):
            await traders.negotiate(session, wish)
        return [await traders.negotiate(session, wish) for _ in range(runs)]


async def flood(traders: Traders, number: int, callers: int) -> tuple[float, int]:
    """Start many negotiations at once; give those FINALIZED per second, and how many were lost.

    They are asked for by `callers` side by side, as fast as they are answered, and only then
    waited for: all of them are under way together.
    """
    begun = time.perf_counter()
    turns = asyncio.Semaphore(callers)

    async with traders.session() as session:

        async def ask() -> str:
            async with turns, session.post(traders.url, json=traders.wish) as answer:
                made: Json = await answer.json()
                assert answer.status < 300, made
                return str(made["id"])

        ids = await asyncio.gather(*(ask() for _ in range(number)))
        seen: list[float] = []

        async def see(negotiation_id: str) -> None:
            async with turns:
                await traders.finalized(session, negotiation_id)
            seen.append(time.perf_counter() - begun)

        ended = await asyncio.gather(*(see(found) for found in ids), return_exceptions=True)
    lost = sum(isinstance(end, BaseException) for end in ended)
    return len(seen) / max(seen, default=1.0), lost


def measure(folder: Path, *, runs: int = RUNS, warm: int = WARM, parallel: int = PARALLEL) -> Json:
    """Run all: p50_ms, p95_ms, read_p50_ms (with a look into the catalogue), per_s, lost, cpu_ms.

    `cpu_ms` is what one of many negotiations costs both nodes; `rss_mb` their memory at the end.
    """
    with Traders(folder) as traders:
        taken = asyncio.run(one_after_another(traders, runs, warm, traders.wish))
        read = asyncio.run(one_after_another(traders, runs // 4, 5, traders.wish_to_read))
        before_s = traders.cpu_s()
        per_s, lost = asyncio.run(flood(traders, parallel, CALLERS))
        cpu_s = traders.cpu_s() - before_s
        memory = [_rss_mb(traders.pids[name]) for name in (PROVIDER, CONSUMER)]
    return {
        "p50_ms": statistics.median(taken),
        "p95_ms": statistics.quantiles(taken, n=20)[-1],
        "read_p50_ms": statistics.median(read),
        "cpu_ms": cpu_s * 1000 / parallel,
        "per_s": per_s,
        "lost": lost,
        "rss_mb": memory,
    }


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024
