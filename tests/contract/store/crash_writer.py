"""Write notes until killed; print each key after its write was acknowledged. Run by a test."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from store_notes import NOTE, Note

from hansa.kernel import SystemClock
from hansa.kernel.store import Action, Database, Tx
from hansa.kernel.store.postgres import PostgresDatabase
from hansa.kernel.store.sqlite import SqliteDatabase


async def main(backend: str, place: str) -> None:
    """Write from four callers at once."""
    clock = SystemClock()
    database: Database
    if backend == "sqlite":
        database = SqliteDatabase.open(Path(place), clock=clock)
    else:
        database = PostgresDatabase.open(place, clock=clock)
    store = database.store("north")

    async def writer(name: str) -> None:
        for number in range(1000):
            key = f"{name}-{number:04d}"

            def job(tx: Tx, key: str = key) -> None:
                tx.insert(NOTE, Note(key, "open", "ann", ("x",)))
                tx.enqueue(Action(id=key, machine="m", process=key, name="go"))

            await store.write(job)
            sys.stdout.write(f"{key}\n")
            sys.stdout.flush()

    await asyncio.gather(*(writer(name) for name in "abcd"))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
