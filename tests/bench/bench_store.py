"""Measure the store: group commit against one at a time, reads, finds. Run: python <this file>."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from hansa.kernel import CountingIds, SystemClock, SystemIds
from hansa.kernel.outbox import Reconciler
from hansa.kernel.store import Action, Database, Kind, Store, Tx
from hansa.kernel.store.sqlite import SqliteDatabase
from hansa.kernel.telemetry import configure_logging


class Process(msgspec.Struct, frozen=True):
    """A document of the size of a negotiation (about 1 kB)."""

    id: str
    state: str
    counterparty: str
    body: str = "x" * 900


PROCESS = Kind(
    "process",
    Process,
    lambda process: process.id,
    {"state": lambda process: process.state, "counterparty": lambda process: process.counterparty},
)
WRITES = 1000
WRITERS = 32


def _say(name: str, value: float, unit: str) -> None:
    sys.stdout.write(f"{name:<44}{value:>12,.1f} {unit}\n")


async def _rate(job: Callable[[], Awaitable[object]], count: int) -> float:
    began = time.perf_counter()
    await job()
    return count / (time.perf_counter() - began)


async def _write(store: Store, ids: SystemIds, count: int) -> None:
    for _ in range(count):
        process = Process(ids.new(), "REQUESTED", "did:web:x")

        def job(tx: Tx, process: Process = process) -> None:
            tx.put(PROCESS, process)
            tx.enqueue(Action(id=process.id, machine="m", process=process.id, name="go"))
            tx.complete(process.id)

        await store.write(job)


async def measure_writes(store: Store) -> None:
    """Compare one writer with 32 at once: each answer after its fsync."""
    ids = SystemIds()
    await _write(store, ids, 50)
    single = await _rate(lambda: _write(store, ids, WRITES), WRITES)
    each = WRITES * 4 // WRITERS
    grouped = await _rate(
        lambda: asyncio.gather(*(_write(store, ids, each) for _ in range(WRITERS))),
        each * WRITERS,
    )
    _say("durable writes, one at a time", single, "/s")
    _say(f"durable writes, {WRITERS} writers", grouped, "/s")
    _say("ratio of group commit", grouped / single, "x")


async def measure_reads(store: Store, documents: int) -> None:
    """Time a get, a page and a find by two indexes while the store holds `documents`."""
    ids = SystemIds()
    keys: list[str] = []

    def fill(tx: Tx, count: int) -> None:
        for number in range(count):
            keys.append(ids.new())
            tx.put(PROCESS, Process(keys[-1], f"S{number % 8}", f"did:web:{number % 50}"))

    for _ in range(documents // 1000):
        await store.write(lambda tx: fill(tx, 1000))
    middle, where = keys[len(keys) // 2], {"counterparty": "did:web:1", "state": "S1"}
    jobs: dict[str, Callable[[], Awaitable[object]]] = {
        "get": lambda: store.read(lambda tx: tx.get(PROCESS, middle)),
        "page of 20": lambda: store.read(lambda tx: tx.find(PROCESS, after=middle, limit=20)),
        "find of 20 by one": lambda: store.read(
            lambda tx: tx.find(PROCESS, {"state": "S1"}, after=middle, limit=20)
        ),
        "find of 20 by two": lambda: store.read(
            lambda tx: tx.find(PROCESS, where, after=middle, limit=20)
        ),
    }
    for name, job in jobs.items():
        began = time.perf_counter()
        for _ in range(500):
            await job()
        _say(f"{name}, {documents:,} documents", (time.perf_counter() - began) / 500 * 1e6, "us")


async def measure_outbox(database: Database, store: Store) -> None:
    """Time from an enqueue (durable) to its completion (durable), one after the other."""
    done = asyncio.Event()

    async def handler(own: Store, action: Action) -> None:
        await own.write(lambda tx: tx.complete(action.id))
        done.set()

    reconciler = Reconciler(database, SystemClock(), CountingIds(), owner="bench")
    reconciler.register("m", handler)
    await reconciler.start()
    ids, took_ms = SystemIds(), []
    for _ in range(300):
        action = Action(id=ids.new(), machine="m", process="p", name="go")
        began = time.perf_counter()
        await store.write(lambda tx, action=action: tx.enqueue(action))  # type: ignore[misc]
        await done.wait()
        done.clear()
        took_ms.append((time.perf_counter() - began) * 1e3)
    await reconciler.stop()
    _say("enqueue to completion, p50", sorted(took_ms)[150], "ms")
    _say("enqueue to completion, p95", sorted(took_ms)[285], "ms")


async def main() -> None:
    """Measure in a folder of its own on the disk of the current folder."""
    configure_logging("warning")
    for documents in (1_000, 100_000):
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            path = Path(folder) / "hansa.sqlite"
            database = SqliteDatabase.open(path, clock=SystemClock())
            store = database.store("north")
            if documents == 1_000:
                await measure_writes(store)
                await measure_outbox(database, store)
            await measure_reads(store, documents)
            await database.close()


if __name__ == "__main__":
    asyncio.run(main())
