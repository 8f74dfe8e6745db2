"""What was rendered last, for one reader's part of the data and one representation.

What is shown of an entity follows from its stored state alone, and that has a version; which
entities a page shows follows from the state of all, and that has the number of the last change. So
bytes are found by what they were rendered for and that number, and never have to be thrown away,
only forgotten. What they were rendered for is a projection (a world together with a view), or a
page of a selection; neither depends on the clock.
"""

from __future__ import annotations

import threading
from itertools import count
from typing import Generic, TypeVar

RENDERED_BYTES_MAX = 12 * 1024 * 1024
"""For the entities of all brokers of the process together."""
PAGES_BYTES_MAX = 4 * 1024 * 1024
"""For their pages."""
ENTRY_BYTES = 200
"""What an entry costs beside its bytes."""
SHARE_MAX = 8
"""An entry larger than this part of the whole is not kept."""

T = TypeVar("T")
Key = tuple[int, ...]
RenderedPage = tuple[tuple[bytes, ...], int | None]
"""The entities of a page, and the row behind which the next one starts."""

numbers = count(1)
"""Name worlds in a view, and selections."""


class Rendered(Generic[T]):
    """Values by key and version, the oldest forgotten first. Only writing takes a lock."""

    def __init__(self, bytes_max: int) -> None:
        self._entries: dict[Key, tuple[int, T, int]] = {}
        self._bytes_max = bytes_max
        self._size_bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Key, version: int) -> T | None:
        """Give the value of this very version, or None."""
        found = self._entries.get(key)
        return found[1] if found is not None and found[0] == version else None

    def put(self, key: Key, version: int, value: T, size_bytes: int) -> None:
        """Keep the value of a version in place of that of another."""
        size_bytes += ENTRY_BYTES
        with self._lock:
            old = self._entries.pop(key, None)
            if old is not None:
                self._size_bytes -= old[2]
            if size_bytes * SHARE_MAX > self._bytes_max:
                return
            self._entries[key] = (version, value, size_bytes)
            self._size_bytes += size_bytes
            while self._size_bytes > self._bytes_max:
                self._size_bytes -= self._entries.pop(next(iter(self._entries)))[2]


RENDERED: Rendered[bytes] = Rendered(RENDERED_BYTES_MAX)
PAGES: Rendered[RenderedPage] = Rendered(PAGES_BYTES_MAX)
