"""Kill -9 around a commit: what was acknowledged is there, and every job whole or not at all."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from store_notes import NOTE

from hansa.kernel import FixedClock
from hansa.kernel.store import Database
from hansa.kernel.store.postgres import PostgresDatabase
from hansa.kernel.store.sqlite import SqliteDatabase

SCRIPT = Path(__file__).with_name("crash_writer.py")


def _run_until_killed(backend: str, place: str, point: str, count: int) -> set[str]:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), backend, place],
        env={**os.environ, "HANSA_FAULT_KILL": f"{point}:{count}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("point", "count"),
    [("commit.before", 1), ("commit.after", 1), ("commit.before", 40), ("commit.after", 41)],
)
async def test_what_was_acknowledged_is_there_after_kill_9(
    backend: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    clock: FixedClock,
    point: str,
    count: int,
) -> None:
    if backend == "sqlite":
        place = str(tmp_path / "hansa.sqlite")
    else:
        place = request.getfixturevalue("postgres_dsn")()
    acknowledged = await asyncio.to_thread(_run_until_killed, backend, place, point, count)
    database: Database
    if backend == "sqlite":
        database = SqliteDatabase.open(Path(place), clock=clock)
    else:
        database = PostgresDatabase.open(place, clock=clock)
    try:
        kept, indexed, actions = await database.store("north").read(
            lambda tx: (
                {note.id for note in tx.find(NOTE, limit=10_000)},
                {note.id for note in tx.find(NOTE, {"tag": "x"}, limit=10_000)},
                {action.id for action in tx.actions()},
            )
        )
        assert acknowledged <= kept
        assert kept == indexed == actions
        assert len(kept) >= count - 1 if point == "commit.before" else len(kept) >= count
        assert len(kept - acknowledged) <= 8, "at most one job of each caller, and one group more"
    finally:
        await database.close()
