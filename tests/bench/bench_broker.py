"""Measure the broker over a real socket: pages, values, places, a governed page, at two sizes.

Run: python -m tests.bench.bench_broker [entities ...]. The server is a process of its own; the
client keeps 16 connections busy.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import uvloop

TYPE = "AirQualityObserved"
CENTRE = (4.36, 52.01)
CONNECTIONS = 16
SECONDS = 3.0
ROOT = "/city/ngsi-ld/v1"
GOVERNED = "/city/data/ngsi-ld/v1"
PAGE = f"{ROOT}/entities?type={TYPE}&limit=20"
NEAR = f"{PAGE}&georel=near;maxDistance==1000&geometry=Point&coordinates=[{CENTRE[0]},{CENTRE[1]}]"


def entity(number: int) -> dict[str, Any]:
    """Make an entity of six attributes and about 580 bytes, the same one for the same number."""
    chance = random.Random(number)
    at = "2026-01-01T00:00:00Z"

    def measured(most: float) -> dict[str, Any]:
        value = round(chance.uniform(0, most), 1)
        return {"type": "Property", "value": value, "unitCode": "GQ", "observedAt": at}

    place = [CENTRE[0] + chance.uniform(-0.146, 0.146), CENTRE[1] + chance.uniform(-0.09, 0.09)]
    return {
        "id": f"urn:ngsi-ld:{TYPE}:{number:06d}",
        "type": TYPE,
        "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": place}},
        "pm10": measured(80),
        "pm25": measured(50),
        "no2": measured(200),
        "temperature": {"type": "Property", "value": round(chance.uniform(-5, 35), 1)},
        "refDevice": {"type": "Relationship", "object": f"urn:ngsi-ld:Device:{number % 500:04d}"},
    }


@dataclass
class Served:
    """A broker with entities in a process of its own."""

    port: int
    process: psutil.Process
    entities_per_s: float
    entities_per_cpu_s: float

    @property
    def rss_mb(self) -> float:
        return float(self.process.memory_info().rss) / 1e6


@contextmanager
def served(n_entities: int) -> Iterator[Served]:
    """Start a broker, fill it, and stop it in the end."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", __name__ if __name__ != "__main__" else _NAME]
        running = subprocess.Popen(
            [*command, "serve", folder, str(n_entities)], stdout=subprocess.PIPE, text=True
        )
        try:
            assert running.stdout is not None
            said = json.loads(running.stdout.readline())
            server = psutil.Process(running.pid)
            yield Served(said["port"], server, said["per_s"], said["per_cpu_s"])
        finally:
            running.terminate()
            running.wait(timeout=20)


_NAME = "tests.bench.bench_broker"


class _Asking(asyncio.Protocol):
    """Ask the same again as soon as the answer is there; answers of one request are alike."""

    def __init__(self, requests: list[bytes], first: int) -> None:
        self._requests = requests
        self._next = first
        self._head = b""
        self._missing = 0
        self.answers = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._next = (self._next + 7919) % len(self._requests)
        self._transport.write(self._requests[self._next])  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        if self._missing:
            self._missing -= len(data)
        else:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._head[:end].lower()
            assert head.startswith(b"http/1.1 200"), head
            length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
            self._missing = length - (len(self._head) - end - 4)
            self._head = b""
        if not self._missing:
            self.answers += 1
            self._ask()


@dataclass
class Rate:
    """Answers per second, and per second of the server's processor time.

    The second is the one to compare when other work disturbs the machine.
    """

    per_s: float
    per_cpu_s: float


def measure(broker: Served, targets: list[str], seconds: float = SECONDS) -> Rate:
    """Give how many requests the server answers, targets in turn."""

    def cpu_s() -> float:
        times = broker.process.cpu_times()
        return float(times.user + times.system)

    requests = [f"GET {one} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() for one in targets]

    async def run() -> Rate:
        loop = asyncio.get_running_loop()
        asking = [
            (
                await loop.create_connection(
                    lambda n=n: _Asking(requests, n), "127.0.0.1", broker.port
                )
            )[1]
            for n in range(CONNECTIONS)
        ]
        await asyncio.sleep(0.5)
        before, used = sum(one.answers for one in asking), cpu_s()
        began = time.perf_counter()
        await asyncio.sleep(seconds)
        answers = sum(one.answers for one in asking) - before
        return Rate(answers / (time.perf_counter() - began), answers / max(1e-9, cpu_s() - used))

    return uvloop.run(run())


def page_rps(n_entities: int) -> float:
    """Give the pages of 20 per second, as the owner, with so many entities in the broker."""
    with served(n_entities) as broker:
        return measure(broker, [PAGE]).per_s


def cases(n_entities: int) -> dict[str, list[str]]:
    """Give all that is measured: name and targets."""
    return {
        "page of 20": [PAGE],
        "page of 20, offset 50": [f"{PAGE}&offset=50"],
        "page of 20, simplified": [f"{PAGE}&options=keyValues"],
        "page of 20, two attributes": [f"{PAGE}&attrs=pm10,no2"],
        "retrieve by id": [
            f"{ROOT}/entities/{entity(n)['id']}"
            for n in random.Random(1).sample(range(n_entities), 50)
        ],
        "q, half match": [f"{PAGE}&q=pm10%3E40"],
        "q, 0.6 % match": [f"{PAGE}&q=pm10%3E79.5"],
        "near 1 km": [NEAR],
        "count by type": [f"{ROOT}/entities?type={TYPE}&limit=0&count=true"],
        "governed page": [f"{GOVERNED}/entities?type={TYPE}&limit=20"],
        "governed q, half match": [f"{GOVERNED}/entities?type={TYPE}&limit=20&q=pm10%3E40"],
        "temporal, lastN=5": [
            f"{ROOT}/temporal/entities?type={TYPE}&timerel=after&timeAt=2025-01-01T00:00:00Z"
            "&attrs=pm10&lastN=5"
        ],
    }


async def serve(folder: str, n_entities: int) -> None:
    """Fill a broker and serve it: whole, and under a scope of an area and three attributes."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.routing import Mount

    from hansa.broker import MIGRATIONS, Access, Broker, routes, sqlite_functions
    from hansa.kernel import SystemClock, SystemIds
    from hansa.kernel.jsonld import ContextRegistry
    from hansa.kernel.jsonld import expand_ngsi_ld_name as expand
    from hansa.kernel.store.sqlite import SqliteDatabase
    from hansa.policy import Area, Cut, Scope

    clock = SystemClock()
    path = Path(folder) / "broker.sqlite"
    database = SqliteDatabase.open(path, MIGRATIONS, clock=clock, functions=sqlite_functions)
    broker = Broker(
        database.store("city"), clock=clock, ids=SystemIds(), contexts=ContextRegistry()
    )
    began, used = time.perf_counter(), time.process_time()
    for start in range(0, n_entities, 1000):
        await broker.upsert(map(entity, range(start, min(n_entities, start + 1000))))
    taken, used = time.perf_counter() - began, time.process_time() - used
    x, y = CENTRE
    ring = [(x - 0.2, y - 0.1), (x + 0.1, y - 0.1), (x + 0.05, y + 0.1), (x - 0.2, y + 0.05)]
    wkt = f"POLYGON(({', '.join(f'{a} {b}' for a, b in [*ring, ring[0]])}))"
    cut = Cut(
        types=frozenset({expand(TYPE)}),
        attributes=frozenset({expand("pm10"), expand("no2"), expand("location")}),
        area=Area(wkt, (x - 0.2, y - 0.1, x + 0.1, y + 0.1)),
    )

    async def owner(_: Request) -> Access:
        return Access(broker, Scope.everything(), may_write=True)

    async def governed(_: Request) -> Access:
        return Access(broker, Scope(permits=(cut,)))

    application = Starlette(
        routes=[
            Mount("/{participant}/data/ngsi-ld/v1", routes=routes(governed)),
            Mount("/{participant}/ngsi-ld/v1", routes=routes(owner)),
        ]
    )
    config = uvicorn.Config(
        application, port=0, log_level="warning", loop="uvloop", access_log=False
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    rates = {"per_s": n_entities / taken, "per_cpu_s": n_entities / used}
    print(json.dumps({"port": port, **rates}), flush=True)
    await serving
    await database.close()


def main() -> None:
    """Print a table: one line a case, one column a size."""
    sizes = [int(one) for one in sys.argv[1:]] or [100, 100_000]
    columns: list[dict[str, Rate]] = []
    for size in sizes:
        with served(size) as broker:
            fill = broker.entities_per_s
            column = {"fill, entities": Rate(fill, broker.entities_per_cpu_s)}
            column |= {name: measure(broker, targets) for name, targets in cases(size).items()}
            column["memory, MB"] = Rate(broker.rss_mb, broker.rss_mb)
            columns.append(column)
    print(f"{'per s / per CPU s, at entities':<32}" + "".join(f"{size:>20,}" for size in sizes))
    for name in columns[0]:
        rates = [column[name] for column in columns]
        print(f"{name:<32}" + "".join(f"{r.per_s:>10,.0f}{r.per_cpu_s:>10,.0f}" for r in rates))


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        uvloop.run(serve(sys.argv[2], int(sys.argv[3])))
    else:
        main()
