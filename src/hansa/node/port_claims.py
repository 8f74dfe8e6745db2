"""Which ports the nodes of this machine have: chosen once, one space at a time, and then claimed.

A port is part of a node's identity, so it stays the node's while its folder is there, whether it
runs or not. The claims of a user stand in one file, which is also the lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hansa.kernel.errors import Code, HansaError

_FIRST = 7710
_LAST = 7990
_CLAIMS_BYTES_MAX = 1_000_000


def port_is_free(port: int) -> bool:
    """Say whether a server may bind the port on loopback now."""
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
        except OSError as error:
            if family == socket.AF_INET6 and error.errno not in (98, 48, 13):
                continue
            return False
    return True


class Claims:
    """Who has which port; only within `claiming`."""

    def __init__(self, claims: dict[int, Path]) -> None:
        self.kept = {port: path for port, path in claims.items() if path.is_dir()}

    def choose(self, count: int, beside: Sequence[int] = ()) -> list[int]:
        """Give `count` neighbouring ports that nobody has, after those `beside` if there are some.

        When every port is claimed, one that nobody uses now will do; HansaError port_taken when
        there is none.
        """
        starts = range(max(beside) + 1, 65536 - count) if beside else range(_FIRST, _LAST, 10)
        for strict in (True, False):
            for first in starts:
                ports = range(first, first + count)
                if strict and not self.kept.keys().isdisjoint(ports):
                    continue
                if all(port_is_free(port) for port in ports):
                    return list(ports)
        raise HansaError(
            Code.port_taken,
            f"No {count} neighbouring ports are free between {_FIRST} and {_LAST}.",
            "Stop what uses them, or give `--port`.",
        )

    def keep(self, folders: Mapping[int, Path]) -> None:
        """Claim ports for the folders of nodes."""
        self.kept.update(folders)


@contextlib.contextmanager
def claiming() -> Iterator[Claims]:
    """Let one space of this user at a time choose ports and claim them.

    HansaError unavailable when the file is a link, no file, or another user's.
    """
    file = Path(tempfile.gettempdir()) / f"hansa-ports-{os.getuid()}.lock"
    descriptor = _opened(file)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        claims = Claims(_read(descriptor))
        yield claims
        text = json.dumps({str(port): str(path) for port, path in claims.kept.items()})
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(), 0)
    finally:
        os.close(descriptor)


def _opened(file: Path) -> int:
    """Open the claims; others may write into the folder of temporary files, too."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(file, flags, 0o600)
    except OSError as error:
        raise _not_ours(file) from error
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid():
        os.close(descriptor)
        raise _not_ours(file)
    return descriptor


def _not_ours(file: Path) -> HansaError:
    return HansaError(
        Code.unavailable,
        "The list of claimed ports can't be used.",
        f"{file} is no file of this user: delete it, or set TMPDIR to a folder of your own.",
    )


def _read(descriptor: int) -> dict[int, Path]:
    try:
        found = json.loads(os.pread(descriptor, _CLAIMS_BYTES_MAX, 0) or b"{}")
        return {int(port): Path(path) for port, path in found.items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        return {}  # cut short when the machine stopped: what runs is seen by its socket
