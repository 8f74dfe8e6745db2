"""Places where a test may kill the process, to prove that nothing acknowledged is lost.

`HANSA_FAULT_KILL=<point>:<n>` ends the process (as `kill -9` does) the n-th time it passes
the named point. Without the variable a point costs one comparison.
"""

from __future__ import annotations

import os
import signal


def _read() -> tuple[str, int]:
    name, _, count = os.environ.get("HANSA_FAULT_KILL", "").partition(":")
    return name, int(count) if count.isdigit() else 1


_armed, _left = _read()


def point(name: str) -> None:
    """Pass a point by name: `commit.` or `send.` `before` or `after`, `renewal.answered`."""
    global _left
    if _armed and _armed == name:
        _left -= 1
        if _left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
