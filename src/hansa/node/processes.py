"""Start, find and stop the node processes of a space. There is no supervisor: a process is found by
its pid file and by what answers on its port.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass

from hansa.kernel.errors import Code, HansaError
from hansa.node.home import NodeFolder
from hansa.node.port_claims import port_is_free


@dataclass(frozen=True)
class NodeState:
    """What is known of a node's process now."""

    folder: NodeFolder
    pid: int | None
    ready: bool
    rss_mb: float | None

    def as_json(self) -> dict[str, object]:
        """Give the row of `hansa status --json`."""
        return {
            "name": self.folder.name,
            "role": self.folder.role,
            "url": self.folder.url,
            "ready": self.ready,
            "pid": self.pid,
            "rss_mb": self.rss_mb,
        }


def probe(folder: NodeFolder, path: str = "/livez", timeout_s: float = 5.0) -> dict[str, object]:
    """Ask a health page of a node; an empty dict when nothing answers."""
    connection = http.client.HTTPConnection("127.0.0.1", folder.port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read(65_536)
        answer = json.loads(body)
        return {**answer, "status_code": response.status} if isinstance(answer, dict) else {}
    except (OSError, ValueError, http.client.HTTPException):
        return {}
    finally:
        connection.close()


def find(folder: NodeFolder) -> NodeState:
    """Tell whether the node runs: what answers on its port must name itself as this node.

    A node of the same name in another space is not it: its mark differs.
    """
    live = probe(folder)
    if live.get("node") != folder.name or live.get("mark") != folder.mark:
        return NodeState(folder, None, ready=False, rss_mb=None)
    pid = live.get("pid")
    ready = probe(folder, "/readyz").get("status_code") == 200
    rss = live.get("rss_mb")
    return NodeState(
        folder,
        pid if isinstance(pid, int) else None,
        ready=ready,
        rss_mb=rss if isinstance(rss, float) else None,
    )


def start_missing(
    folders: Iterable[NodeFolder],
) -> list[tuple[NodeFolder, subprocess.Popen[bytes] | None]]:
    """Start the nodes that neither run nor start yet; give each with its new process, if any.

    HansaError port_taken before any is started, when something else has the port of one.
    """
    found = [(folder, find(folder).pid or _unanswering(folder)) for folder in folders]
    for folder, pid in found:
        if pid is None:
            _check_port(folder)
    return [(folder, start(folder) if pid is None else None) for folder, pid in found]


def _check_port(folder: NodeFolder) -> None:
    if not port_is_free(folder.port):
        raise HansaError(
            Code.port_taken,
            f"Port {folder.port} of node {folder.name} is taken by another program.",
            "The port is part of the node's identity. Stop that program, then run `hansa up`.",
            field="node.port",
        )


def start(folder: NodeFolder) -> subprocess.Popen[bytes]:
    """Start the process, detached; HansaError port_taken when something else has its port.

    Its threads share one pool of memory (glibc). They hardly ever allocate at the same time, and
    pools of their own kept 4 MB that nobody used.
    """
    _check_port(folder)
    environment = {"MALLOC_ARENA_MAX": "1", **os.environ, "PYTHONUNBUFFERED": "1"}
    with folder.log_file.open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "hansa", "serve", str(folder.path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
            cwd=folder.path,
        )
    folder.pid_file.write_text(f"{process.pid}\n", encoding="ascii")
    return process


def wait_ready(
    started: Iterable[tuple[NodeFolder, subprocess.Popen[bytes] | None]], timeout_s: float = 60.0
) -> None:
    """Wait until every node is ready; HansaError unavailable shows the end of the log.

    HansaError port_taken when another program took a node's port before the node could.
    """
    deadline = time.monotonic() + timeout_s
    waiting = list(started)
    while waiting:
        waiting = [(folder, process) for folder, process in waiting if not find(folder).ready]
        for folder, process in waiting:
            if process is not None and process.poll() is not None:
                _check_port(folder)
                raise _did_not_start(folder, f"it ended with status {process.returncode}")
            if time.monotonic() > deadline:
                raise _did_not_start(folder, f"it was not ready after {timeout_s:.0f} s")
        if waiting:
            time.sleep(0.02)


def _did_not_start(folder: NodeFolder, why: str) -> HansaError:
    tail = log_tail(folder, 5)
    return HansaError(
        Code.unavailable,
        f"Node {folder.name} did not start: {why}.",
        f"The end of its log:\n{tail}\nMore: hansa logs {folder.name}",
    )


def log_tail(folder: NodeFolder, lines: int) -> str:
    """Give the last lines of a node's log."""
    try:
        with folder.log_file.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 64 * 1024))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def stop(folders: Iterable[NodeFolder], timeout_s: float = 10.0) -> list[str]:
    """Stop the nodes that run or still start (SIGTERM, then SIGKILL); give their names."""
    running: list[tuple[NodeFolder, int]] = []
    for folder in folders:
        pid = find(folder).pid or _unanswering(folder)
        if pid is not None:
            running.append((folder, pid))
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout_s
    for _, pid in running:
        while _alive(pid):
            if time.monotonic() > deadline:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                break
            time.sleep(0.02)
    for folder, _ in running:
        folder.pid_file.unlink(missing_ok=True)
    return [folder.name for folder, _ in running]


def _unanswering(folder: NodeFolder) -> int | None:
    """Give the process of a node that does not answer: it starts, or it hangs."""
    try:
        pid = int(folder.pid_file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    import psutil

    try:
        command = psutil.Process(pid).cmdline()
    except psutil.Error:
        return None
    return pid if command[-2:] == ["serve", str(folder.path)] else None


def _alive(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return False
    import psutil

    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
