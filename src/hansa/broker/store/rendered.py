"""Entities as they were rendered last, for one reader's part of them and one representation.

What is shown of an entity follows from its stored state alone, and that has a version; so bytes
are found by (projection, row, version) and never have to be thrown away, only forgotten. A
projection is a world together with a view.
"""

from __future__ import annotations

import threading
from itertools import count

RENDERED_BYTES_MAX = 16 * 1024 * 1024
"""For all brokers of the process together."""
ENTRY_BYTES = 200
"""What an entry costs beside its bytes."""

projections = count(1)


class Rendered:
    """Rendered bytes, the oldest forgotten first. Reading needs no lock, writing has one."""

    def __init__(self, bytes_max: int = RENDERED_BYTES_MAX) -> None:
        self._entries: dict[tuple[int, int], tuple[int, bytes]] = {}
        self._bytes_max = bytes_max
        self._size_bytes = 0
        self._lock = threading.Lock()

    def get(self, projection: int, n: int, version: int) -> bytes | None:
        """Give the bytes of this very version, or None."""
        found = self._entries.get((projection, n))
        return found[1] if found is not None and found[0] == version else None

    def put(self, projection: int, n: int, version: int, body: bytes) -> None:
        """Keep the bytes of a version in place of those of another."""
        key = (projection, n)
        with self._lock:
            old = self._entries.pop(key, None)
            if old is not None:
                self._size_bytes -= len(old[1]) + ENTRY_BYTES
            self._entries[key] = (version, body)
            self._size_bytes += len(body) + ENTRY_BYTES
            while self._size_bytes > self._bytes_max and self._entries:
                _, forgotten = self._entries.pop(next(iter(self._entries)))
                self._size_bytes -= len(forgotten) + ENTRY_BYTES


RENDERED = Rendered()
