"""Wait for a process to change, without asking again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from hansa.exchange import Change

T = TypeVar("T")
WAITING_MAX = 1_000
"""How many callers of one participant wait at once; further ones are answered as things stand."""


class Waits:
    """Callers that wait for negotiations and transfers of one participant."""

    def __init__(self) -> None:
        self._events: dict[str, set[asyncio.Event]] = {}
        self._count = 0

    def changed(self, change: Change) -> None:
        """Wake who waits for this process; registered with `Exchange.on_change`."""
        for event in self._events.get(change.id, ()):
            event.set()

    async def until(
        self,
        process_id: str,
        look: Callable[[], Awaitable[T]],
        done: Callable[[T], bool],
        timeout_s: float,
    ) -> T:
        """Look, and look again after each change, until it is `done` or the time is over."""
        found = await look()
        if done(found) or timeout_s <= 0 or self._count >= WAITING_MAX:
            return found
        event = asyncio.Event()
        self._events.setdefault(process_id, set()).add(event)
        self._count += 1
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    found = await look()
                    if done(found):
                        return found
                    await event.wait()
                    event.clear()
        except TimeoutError:
            return await look()
        finally:
            self._count -= 1
            waiting = self._events[process_id]
            waiting.discard(event)
            if not waiting:
                del self._events[process_id]
