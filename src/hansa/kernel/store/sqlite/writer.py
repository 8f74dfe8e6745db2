"""The one writer of a SQLite file: group commit.

Jobs queue up; the thread takes all that are there, runs each in a savepoint of one transaction,
commits once (one fsync), and only then are the callers answered. A job that fails takes back its
own changes only. A commit that fails fails every job of its group.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import apsw

from hansa.kernel import fault
from hansa.kernel.errors import Code, HansaError
from hansa.kernel.store.sqlite.connection import translated

QUEUE_MAX = 10_000
"""Most jobs that wait; the next one is refused as unavailable."""
GROUP_MAX = 1_000
"""Most jobs of one commit."""

Run = Callable[[apsw.Connection], tuple[Any, bool]]
"""Does a job's work; gives its result, and whether the outbox changed."""


@dataclass(slots=True, eq=False)
class Work:
    """One queued job and where its answer goes."""

    run: Run
    durable: bool
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    value: Any = None
    error: BaseException | None = None
    outbox_changed: bool = field(default=False)

    def answer(self) -> None:
        """Tell the caller, on its event loop, unless it stopped waiting."""
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.value)
        elif isinstance(self.error, StopIteration):
            self.future.set_exception(RuntimeError("a job raised StopIteration"))
        else:
            self.future.set_exception(self.error)


class Writer:
    """Owns the writing connection and its thread."""

    def __init__(self, connection: apsw.Connection, wake: Callable[[], None]) -> None:
        self._connection = connection
        self._wake = wake
        self._queue: deque[Work] = deque()
        self._arrived = threading.Condition()
        self._closing = False
        self._durable = True
        self._thread = threading.Thread(target=self._serve, name="hansa-writer", daemon=True)
        self._thread.start()

    def submit(self, run: Run, *, durable: bool = True) -> asyncio.Future[Any]:
        """Queue a job; its future is done after the commit. HansaError unavailable when full.

        A job that needs no durability (a lease: it is only taken again) does not wait for the disk
        unless one that does is in its group.
        """
        loop = asyncio.get_running_loop()
        work = Work(run, durable, loop, loop.create_future())
        with self._arrived:
            if self._closing:
                raise HansaError(Code.unavailable, "The store is closed.", "Start the node again.")
            if len(self._queue) >= QUEUE_MAX:
                raise HansaError(
                    Code.unavailable,
                    "Too many changes are waiting.",
                    f"{QUEUE_MAX} changes wait for the disk: try again in a moment.",
                )
            self._queue.append(work)
            self._arrived.notify()
        return work.future

    def close(self) -> None:
        """Finish what is queued and end the thread (blocks)."""
        with self._arrived:
            self._closing = True
            self._arrived.notify()
        self._thread.join()
        self._connection.close()

    def _serve(self) -> None:
        while True:
            with self._arrived:
                while not self._queue and not self._closing:
                    self._arrived.wait()
                group = [self._queue.popleft() for _ in range(min(len(self._queue), GROUP_MAX))]
            if not group:
                return
            wanted = [work for work in group if not work.future.cancelled()]
            if wanted:
                self._commit(wanted)

    def _commit(self, group: list[Work]) -> None:
        """Run a group in one transaction, and answer."""
        try:
            self._set_durable(any(work.durable for work in group))
            self._connection.execute("BEGIN IMMEDIATE")
            for work in group:
                self._attempt(work)
            fault.point("commit.before")
            self._connection.execute("COMMIT")
            fault.point("commit.after")
        except BaseException as error:  # noqa: BLE001 - nothing of the group is kept: say so to each
            self._undo()
            for work in group:
                work.error = work.error or _failed(error)
                work.outbox_changed = False
        _answer(group, self._wake)

    def _attempt(self, work: Work) -> None:
        """Run one job in its savepoint; raise only when the whole transaction is lost."""
        self._connection.execute("SAVEPOINT job")
        try:
            work.value, work.outbox_changed = work.run(self._connection)
        except BaseException as error:
            work.error = translated(error)
            if not self._connection.in_transaction:
                raise
            self._connection.execute("ROLLBACK TO job")
        self._connection.execute("RELEASE job")

    def _set_durable(self, durable: bool) -> None:
        if durable != self._durable:
            level = "FULL" if durable else "NORMAL"
            self._connection.execute(f"PRAGMA synchronous = {level}").fetchall()
            self._durable = durable

    def _undo(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def _failed(error: BaseException) -> BaseException:
    """Give one error for one job of a group whose commit failed."""
    known = translated(error)
    if isinstance(known, HansaError):
        return HansaError(known.code, known.title, known.detail)
    return HansaError(
        Code.unavailable,
        "The change could not be committed.",
        "Nothing of it was kept: try again.",
    )


def _answer(group: Iterable[Work], wake: Callable[[], None]) -> None:
    """Resolve the futures of a group, with one call into each event loop."""
    loops: dict[asyncio.AbstractEventLoop, list[Work]] = {}
    for work in group:
        loops.setdefault(work.loop, []).append(work)
    for loop, works in loops.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_deliver, works, wake)


def _deliver(works: list[Work], wake: Callable[[], None]) -> None:
    for work in works:
        work.answer()
    if any(work.outbox_changed for work in works):
        wake()
