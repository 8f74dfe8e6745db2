"""Negotiations between two nodes of ours, each a process with a durable store, and nothing else.

A negotiation is timed from the request at the consumer's management API until FINALIZED is seen
there; the wait is a long poll, so no polling tick is in the figure.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path
from typing import Any

import aiohttp
from tests.e2e.space import Space, wait_for

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

    def __enter__(self) -> Traders:
        space = self.space
        space.hansa("init", "authority", "--role", "authority", "--approve-automatically")
        for name in (PROVIDER, CONSUMER):
            space.hansa("init", name, "--authority", "authority")
        for name in ("authority", PROVIDER, CONSUMER):
            space.start(name)
            wait_for(lambda name=name: self._ready(name), f"{name} to be ready", 90)
        authority = f"{space.node('authority').url}/authority"
        for name in (PROVIDER, CONSUMER):
            space.hansa("join", authority, "--node", name)
        self._publish()
        return self

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
        self.wish = {
            "provider_did": did,
            "dataset_id": made["id"],
            "offer_id": made["offers"][0]["id"],
        }

    @property
    def url(self) -> str:
        """Give the address of the consumer's negotiations."""
        node = self.space.node(CONSUMER)
        return f"{node.url}/api/v1/participants/{CONSUMER}/negotiations"

    def session(self) -> aiohttp.ClientSession:
        """Open a client of the consumer's management API as its operator."""
        token = self.space.node(CONSUMER).operator_token
        return aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {token}"},
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=PATIENCE_S),
        )

    async def negotiate(self, session: aiohttp.ClientSession) -> float:
        """Negotiate to FINALIZED; give the milliseconds. AssertionError when it is lost."""
        begun = time.perf_counter()
        async with session.post(self.url, json=self.wish) as answer:
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


async def one_after_another(traders: Traders, runs: int, warm: int) -> list[float]:
    """Give the milliseconds of negotiations, one at a time."""
    async with traders.session() as session:
        for _ in range(warm):
            await traders.negotiate(session)
        return [await traders.negotiate(session) for _ in range(runs)]


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
    """Run all and give p50_ms, p95_ms, per_s, lost, and the memory of both nodes in MB."""
    with Traders(folder) as traders:
        taken = asyncio.run(one_after_another(traders, runs, warm))
        per_s, lost = asyncio.run(flood(traders, parallel, CALLERS))
        memory = {name: _rss_mb(traders.space.node(name).pid_file) for name in (PROVIDER, CONSUMER)}
    return {
        "p50_ms": statistics.median(taken),
        "p95_ms": statistics.quantiles(taken, n=20)[-1],
        "per_s": per_s,
        "lost": lost,
        "rss_mb": memory,
    }


def _rss_mb(pid_file: Path) -> float:
    pid = int(pid_file.read_text().split()[0])
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024
