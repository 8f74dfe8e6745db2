"""The one writer of a SQLite file: group commit.

Jobs queue up. All that wait are run in one transaction, each in a savepoint, and committed once
(one fsync); only then are their callers answered. A job that fails takes back its own changes only.
A commit that fails fails every job of its group.

Short jobs run on the event loop and only the commit runs in the writer's thread; a job that takes
long (`slow`) runs there whole. Statements in a thread would each wait for the interpreter's lock:
beside a busy event loop that cost 3 to 6 times the throughput.
"""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import apsw

from hansa.kernel import fault
from hansa.kernel.errors import Code, HansaError
from hansa.kernel.store.ports import Action
from hansa.kernel.store.sqlite.connection import translated

QUEUE_MAX = 10_000
"""Most jobs that wait; the next one is refused as unavailable."""
GROUP_MAX = 1_000
"""Most jobs of one commit."""
GROUP_S = 0.01
"""A group that has run for so long takes no further jobs, so that the event loop goes on."""
SWITCH_INTERVAL_S = 0.0001
"""How soon the writer's thread gets the interpreter's lock from a busy event loop (default: 5 ms,
and later still when the loop gives it up for a moment more often than that)."""


class After(NamedTuple):
    """What a commit sets going: work to look for, work handed over, work that has its result."""

    outbox_changed: bool = False
    handed: Sequence[tuple[str, Action]] = ()
    settled: Sequence[tuple[str, str]] = ()


NOTHING = After()
Run = Callable[[apsw.Connection], tuple[Any, After]]
"""Does a job's work; gives its result, and what its commit sets going."""


@dataclass(slots=True, eq=False)
class Work:
    """One queued job and where its answer goes."""

    run: Run
    durable: bool
    slow: bool
    future: asyncio.Future[Any]
    value: Any = None
    error: BaseException | None = None
    after: After = NOTHING

    def answer(self) -> None:
        """Tell the caller, unless it stopped waiting."""
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.value)
        elif isinstance(self.error, StopIteration):  # no future can carry it
            self.future.set_exception(RuntimeError("a job raised StopIteration"))
        else:
            self.future.set_exception(self.error)


class Writer:
    """Owns the writing connection and its thread. Serves one event loop at a time."""

    def __init__(
        self,
        connection: apsw.Connection,
        wake: Callable[[], None],
        tell: Callable[[After], None],
    ) -> None:
        self._connection = connection
        self._wake = wake
        self._tell = tell
        self._queue: deque[Work] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._busy = False
        self._idle: asyncio.Future[None] | None = None
        self._closing = False
        self._durable = True
        sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_INTERVAL_S))
        self._orders: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="hansa-writer", daemon=True)
        self._thread.start()

    def submit(self, run: Run, *, durable: bool = True, slow: bool = False) -> asyncio.Future[Any]:
        """Queue a job; its future is done after the commit. HansaError unavailable when full.

        A job that needs no durability (a lease: it is only taken again) does not wait for the disk
        unless one that does is in its group.
        """
        loop = asyncio.get_running_loop()
        if self._closing:
            raise HansaError(Code.unavailable, "The store is closed.", "Start the node again.")
        if len(self._queue) >= QUEUE_MAX:
            raise HansaError(
                Code.unavailable,
                "Too many changes are waiting.",
                f"{QUEUE_MAX} changes wait for the disk: try again in a moment.",
            )
        work = Work(run, durable, slow, loop.create_future())
        self._queue.append(work)
        if not self._busy:
            self._loop = loop
            self._busy = True
            loop.call_soon(self._next)
        assert self._loop is loop, "a database serves one event loop"
        return work.future

    async def close(self) -> None:
        """Finish what is queued, end the thread, close the connection."""
        self._closing = True
        if self._busy:
            self._idle = asyncio.get_running_loop().create_future()
            await self._idle
        self._orders.put(None)
        await asyncio.to_thread(self._thread.join)
        self._connection.close()

    def _next(self) -> None:
        """Begin the next group, on the event loop."""
        while self._queue and self._queue[0].future.cancelled():
            self._queue.popleft()
        if not self._queue:
            self._busy = False
            if self._idle is not None and not self._idle.done():
                self._idle.set_result(None)
        elif self._queue[0].slow:
            group = [self._queue.popleft()]
            self._orders.put(lambda: self._in_thread(group, whole=True))
        else:
            self._begin()

    def _begin(self) -> None:
        """Run what waits, up to the next slow job, and have it committed in the thread."""
        group: list[Work] = []
        durable = any(work.durable for work in self._queue)
        ends_s = time.perf_counter() + GROUP_S
        try:
            self._open(durable)
            while self._queue and not self._queue[0].slow and len(group) < GROUP_MAX:
                work = self._queue.popleft()
                if work.future.cancelled():
                    continue
                group.append(work)
                self._attempt(work, first=len(group) == 1)
                if time.perf_counter() > ends_s:
                    break
        except apsw.Error as error:
            self._fail(group, error)
            self._finish(group)
        else:
            self._orders.put(lambda: self._in_thread(group, whole=False))

    def _serve(self) -> None:
        """Do what is ordered, in the thread."""
        while (order := self._orders.get()) is not None:
            order()

    def _in_thread(self, group: list[Work], *, whole: bool) -> None:
        """Commit a group, or run and commit a slow one; then go back to the event loop."""
        assert self._loop is not None
        try:
            if whole:
                self._open(group[0].durable)
                self._attempt(group[0], first=True)
            fault.point("commit.before")
            self._connection.execute("COMMIT")
            fault.point("commit.after")
        except BaseException as error:  # noqa: BLE001 - nothing of the group is kept: say so to each
            self._fail(group, error)
        try:
            self._loop.call_soon_threadsafe(self._finish, group)
        except RuntimeError:  # the loop is closed: nobody waits for the answer any more
            self._busy = False

    def _open(self, durable: bool) -> None:
        if durable != self._durable:
            level = "FULL" if durable else "NORMAL"
            self._connection.execute(f"PRAGMA synchronous = {level}").fetchall()
            self._durable = durable
        self._connection.execute("BEGIN IMMEDIATE")

    def _attempt(self, work: Work, *, first: bool) -> None:
        """Run one job in its savepoint; raise only when the whole transaction is lost.

        The first of a group needs none: when it fails, there is nothing else to take back.
        """
        connection = self._connection
        if not first:
            connection.execute("SAVEPOINT job")
        try:
            work.value, work.after = work.run(connection)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to the caller
            work.error = translated(error)
            if first:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                connection.execute("BEGIN IMMEDIATE")
            else:
                connection.execute("ROLLBACK TO job")
        if not first:
            connection.execute("RELEASE job")

    def _fail(self, group: list[Work], error: BaseException) -> None:
        """Take back a group, and leave an error for each of its jobs that has none of its own."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        for work in group:
            work.error = work.error or _failed(error)
            work.after = NOTHING

    def _finish(self, group: list[Work]) -> None:
        """Answer a group, on the event loop; those who were answered may join the next one."""
        assert self._loop is not None
        for work in group:
            work.answer()
            if work.after is not NOTHING:
                self._tell(work.after)
        self._loop.call_soon(self._next)
        if any(work.after.outbox_changed for work in group):
            self._wake()


def _failed(error: BaseException) -> HansaError:
    """Give one error for one job of a group whose commit failed."""
    known = translated(error)
    if isinstance(known, HansaError):
        return HansaError(known.code, known.title, known.detail)
    return HansaError(
        Code.unavailable,
        "The change could not be committed.",
        "Nothing of it was kept: try again.",
    )
