"""A consumer that is killed between the answer to a renewal and its write goes on all the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
PROGRAM = """
import asyncio, sys
from pathlib import Path
from dataplane_world import Plane
from test_dataplane_renewal import World

async def main(path, first):
    world = World(Plane(Path(path)))
    await world.plane.grants.load()
    if first:
        await world.begin()
    world.plane.clock.move(3_700)
    print(await world.fetch(), world.wire.renewals)
    await world.plane.database.close()

asyncio.run(main(sys.argv[1], sys.argv[2] == "first"))
"""


def run(path: Path, turn: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path), turn],
        env={
            **os.environ,
            "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{Path(__file__).parent}",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_kill_between_answer_and_write_loses_no_access(tmp_path: Path) -> None:
    path = tmp_path / "hansa.db"
    killed = run(path, "first", HANSA_FAULT_KILL="renewal.answered:1")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    again = run(path, "again")
    assert again.returncode == 0, again.stderr
    assert again.stdout.splitlines()[-1] == "(200, '[]') 1"
