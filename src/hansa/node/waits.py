"""Wait for a process to change, without asking again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

from hansa.exchange import Change

T = TypeVar("T")
WAITING_MAX = 1_000
"""How many callers of one participant wait at once; further ones are answered as things stand."""


class Waits:
    """Callers that wait for negotiations and transfers of one participant."""

    def __init__(self) -> None:
        self._events: dict[str, dict[asyncio.Event, Collection[str] | None]] = {}
        self._count = 0

    def changed(self, change: Change) -> None:
        """Wake who waits for this process; registered with `Exchange.on_change`."""
        for event, wakes in self._events.get(change.id, {}).items():
            if wakes is None or change.state in wakes:
                event.set()

    async def until(
        self,
        process_id: str,
        look: Callable[[], Awaitable[T]],
        done: Callable[[T], bool],
        timeout_s: float,
        wakes: Collection[str] | None = None,
    ) -> T:
        """Look, and look again after each change, until it is `done` or the time is over.

        With `wakes`, only after a change into one of these states.
        """
        if timeout_s <= 0 or self._count >= WAITING_MAX:
            return await look()
        event = asyncio.Event()
        self._events.setdefault(process_id, {})[event] = wakes
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
            del waiting[event]
            if not waiting:
                del self._events[process_id]
