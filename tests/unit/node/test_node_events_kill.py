"""A kill right after a step is durable: its event is durable too, with the webhook's delivery."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hansa.exchange.kinds import NEGOTIATIONS
from hansa.kernel import SystemClock
from hansa.kernel.store.sqlite import SqliteDatabase
from hansa.node import webhooks
from hansa.node.journal import EVENTS

ROOT = Path(__file__).parents[3]
PROGRAM = """
import asyncio, sys
from pathlib import Path
from hansa.kernel import fault
from node_world import running

async def main(folder, victim):
    async with running(Path(folder)) as world:
        dataset = await world.publish()
        for city in (world.west, world.east):
            await city.webhooks.add("http://localhost:1/nobody", ("negotiation.finalized",), None)
        def passed(change):
            if (change.kind, change.state) == ("negotiation", "FINALIZED") and not change.pending:
                fault.point("test.final")
        getattr(world, victim).exchange.on_change(passed)
        await world.agree(dataset)
        await asyncio.sleep(20)

asyncio.run(main(*sys.argv[1:]))
"""


def killed(folder: Path, victim: str) -> Path:
    """Let both cities agree until the victim's final commit ends the process; give the store."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), victim],
        env={
            **os.environ,
            "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT / 'tests'}",
            "HANSA_FAULT_KILL": "test.final:1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    return folder / "hansa.sqlite"


@pytest.mark.parametrize("victim", ["west", "east"])
async def test_no_event_of_a_committed_step_is_lost(tmp_path: Path, victim: str) -> None:
    path = await asyncio.to_thread(killed, tmp_path, victim)
    database = SqliteDatabase.open(path, clock=SystemClock())
    try:
        finals, told, deliveries = await database.store(victim).read(
            lambda tx: (
                [n.id for n in tx.find(NEGOTIATIONS) if n.state.value == "FINALIZED"],
                [e.subject for e in tx.find(EVENTS) if e.kind == "negotiation.finalized"],
                tx.actions(webhooks.MACHINE),
            )
        )
    finally:
        await database.close()
    assert len(finals) == 1
    assert told == finals
    assert len(deliveries) == 1
