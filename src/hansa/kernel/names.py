"""Look-ups of host names that hold up no known counterparty.

The system's resolver blocks a thread for as long as a name server keeps silent, and it can't be
stopped. So each look-up has a thread of its own, one for all who ask for the same name; who waits
gives up in time while the thread lives on. Threads are bounded: so many for names under one site
(the last two labels), so many for names that never answered, and others, kept apart, for names that
answered when last asked: silent name servers of a stranger can't shut out a known counterparty.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections import Counter, OrderedDict
from functools import partial
from typing import Any

_KNOWN_THREADS_MAX = 128
_NEW_THREADS_MAX = 256
_SITE_THREADS_MAX = 8
_SITE_PENDING_MAX = 256
_PENDING_MAX = 4_096
_KNOWN_MAX = 4_096
_FAILED_S = 2.0

Found = list[tuple[Any, ...]]
_Lane = tuple[bool, str]


class NoAnswerError(OSError):
    """A name that could not be looked up in time; nothing is known about it."""


class HostNames:
    """Ask the system for addresses. One per client; belongs to one event loop."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._flights: dict[tuple[str, int], asyncio.Task[Found | OSError]] = {}
        self._pending: Counter[_Lane] = Counter()
        self._sites: dict[_Lane, asyncio.Semaphore] = {}
        self._threads = {
            True: asyncio.Semaphore(_KNOWN_THREADS_MAX),
            False: asyncio.Semaphore(_NEW_THREADS_MAX),
        }
        self._known: OrderedDict[str, None] = OrderedDict()

    async def ask(self, host: str, family: int = socket.AF_UNSPEC) -> Found:
        """Give what `getaddrinfo` says, with port 0. A failure is remembered for 2 s.

        Raises NoAnswerError when the name was not answered in time, or when too many that do not
        answer are waited for; OSError when there is no such name.
        """
        flight = self._flights.get((host, family)) or self._start(host, family)
        done, _ = await asyncio.wait({flight}, timeout=self._timeout_s)
        if not done:
            self._known.pop(host, None)
            raise NoAnswerError(f"{host} was not looked up within {self._timeout_s:g} s.")
        found = flight.result()
        if isinstance(found, OSError):
            raise type(found)(*found.args)
        return found

    def close(self) -> None:
        """Wait for nothing any more."""
        for flight in list(self._flights.values()):
            flight.cancel()

    def _start(self, host: str, family: int) -> asyncio.Task[Found | OSError]:
        lane = (host in self._known, _site(host))
        new = not lane[0] and len(self._flights) >= _PENDING_MAX
        if new or self._pending[lane] >= _SITE_PENDING_MAX:
            raise NoAnswerError(f"{host} was not looked up: too many names are waited for.")
        flight = asyncio.create_task(self._fly(host, family, lane), name="host-name")
        self._flights[host, family] = flight
        self._pending[lane] += 1
        flight.add_done_callback(partial(self._landed, (host, family), lane))
        return flight

    async def _fly(self, host: str, family: int, lane: _Lane) -> Found | OSError:
        site = self._sites.setdefault(lane, asyncio.Semaphore(_SITE_THREADS_MAX))
        async with contextlib.AsyncExitStack() as held:
            try:
                async with asyncio.timeout(self._timeout_s):
                    await held.enter_async_context(site)
                    await held.enter_async_context(self._threads[lane[0]])
            except TimeoutError:
                return NoAnswerError(f"{host} was not looked up: too many names do not answer.")
            return await _in_thread(host, family)

    def _landed(
        self,
        key: tuple[str, int],
        lane: _Lane,
        flight: asyncio.Task[Found | OSError],
    ) -> None:
        self._pending[lane] -= 1
        if not self._pending[lane]:
            del self._pending[lane]
            self._sites.pop(lane, None)
        failed = flight.cancelled() or isinstance(flight.result(), OSError)
        if failed:
            self._known.pop(key[0], None)
        else:
            self._known[key[0]] = None
            self._known.move_to_end(key[0])
            if len(self._known) > _KNOWN_MAX:
                self._known.popitem(last=False)
        if failed and not flight.cancelled():
            flight.get_loop().call_later(_FAILED_S, self._flights.pop, key, None)
        else:
            self._flights.pop(key, None)


async def _in_thread(host: str, family: int) -> Found | OSError:
    """Ask in a thread that nobody waits for at the end of the process."""
    loop = asyncio.get_running_loop()
    landed: asyncio.Future[Found | OSError] = loop.create_future()

    def put(found: Found | OSError) -> None:
        if not landed.done():
            landed.set_result(found)

    def ask() -> None:
        found: Found | OSError
        try:
            found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM, family=family)
        except OSError as error:
            found = error
        except ValueError as error:
            found = socket.gaierror(socket.EAI_NONAME, str(error))
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(put, found)

    try:
        threading.Thread(target=ask, name="hansa-names", daemon=True).start()
    except RuntimeError:
        return NoAnswerError(f"{host} was not looked up: no thread could be started.")
    return await landed


def _site(host: str) -> str:
    return ".".join(host.rstrip(".").split(".")[-2:])
