"""A real space for tests: three node processes on loopback, in a folder of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import psutil
from tests.ports import PATIENCE_S

from hansa.client import Client
from hansa.node.home import Home, NodeFolder
from hansa.node.processes import find, wait_ready

T = TypeVar("T")
AUTHORITY = "authority"
PROVIDER = "delft-west"
CONSUMER = "delft-east"


class Space:
    """Run `hansa` commands in one HANSA_HOME and talk to its nodes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._latest: dict[str, subprocess.Popen[bytes]] = {}
        self._processes: list[subprocess.Popen[bytes]] = []
        self._clients: dict[tuple[str, int], Client] = {}
        self.environment = {
            **os.environ,
            "HANSA_HOME": str(folder),
            "PYTHONWARNINGS": "default",
        }

    def hansa(
        self, *arguments: str, check: bool = True, timeout_s: float = 300, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command; its standard output and error are text."""
        done = subprocess.run(
            [sys.executable, "-m", "hansa", *arguments],
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(
                f"hansa {' '.join(arguments)} ended with {done.returncode}\n"
                f"{done.stdout}\n{done.stderr}\n{self.logs()}"
            )
        return done

    def up(self, *arguments: str, **environment: str) -> list[dict[str, Any]]:
        """Run `hansa up --json` and give its steps."""
        done = self.hansa("up", "--json", *arguments, **environment)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def start_up(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin `hansa up --json` and give the process, whose output is its steps."""
        return subprocess.Popen(
            [sys.executable, "-m", "hansa", "up", "--json", *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
        )

    def down(self) -> None:
        """Stop all nodes."""
        self.hansa("down", check=False)

    def node(self, name: str) -> NodeFolder:
        """Give a node's folder."""
        return Home(self.folder).node(name)

    def client(self, name: str) -> Client:
        """Give this thread's client of a node as its operator."""
        key = (name, threading.get_ident())
        if key not in self._clients:
            node = self.node(name)
            self._clients[key] = Client(node.url, node.operator_token)
        return self._clients[key]

    def close(self) -> None:
        """Stop all nodes and close what is open."""
        try:
            self.down()
        finally:
            for client in self._clients.values():
                client.close()
            for process in self._processes:
                if process.poll() is None:  # it did not answer, or was not asked, to stop
                    process.terminate()
                process.wait(PATIENCE_S)

    def start(self, name: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start one node's process, as `hansa up` does, with more in its environment."""
        folder = self.node(name)
        with folder.log_file.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "hansa", "serve", str(folder.path)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**self.environment, **environment},
                start_new_session=True,
            )
        self._processes.append(process)
        self._latest[name] = process
        return process

    def restart(self, name: str) -> None:
        """Start one node again, as `hansa up` does, and wait until it is ready."""
        wait_ready([(self.node(name), self.start(name))], 2 * PATIENCE_S)

    def ended(self, name: str) -> bool:
        """Say whether the last process that `start` made for a node is gone."""
        process = self._latest.get(name)
        return process is None or process.poll() is not None

    def kill(self, name: str) -> None:
        """End a node's process as `kill -9` does, and wait until it is gone."""
        pid = wait_for(lambda: find(self.node(name)).pid, f"{name} to answer")
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: _gone(pid), f"the process of {name} to be gone")

    def logs(self) -> str:
        """Give the end of each log."""
        found = []
        for file in sorted(self.folder.glob("*/node.log")):
            tail = file.read_text(errors="replace").splitlines()[-8:]
            found.append(f"--- {file.parent.name}\n" + "\n".join(tail))
        return "\n".join(found)


def _gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_for(look: Callable[[], T | None], what: str, timeout_s: float = PATIENCE_S) -> T:
    """Wait until `look` gives something true, and give it."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"waited {timeout_s} s for {what}"
        time.sleep(0.02)
