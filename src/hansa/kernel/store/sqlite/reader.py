"""Readers of a SQLite file: one on the event loop for short reads, a few threads for long ones."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import apsw

from hansa.kernel.clock import Clock
from hansa.kernel.errors import Code, HansaError
from hansa.kernel.store.sqlite.connection import translated
from hansa.kernel.store.threads import Threads

R = TypeVar("R")
V = TypeVar("V")

STEPS_PER_CHECK = 20_000
"""SQLite instructions between two looks at the clock (about a millisecond)."""
SLOW_THREADS = 3
SLOW_QUEUE_MAX = 256
"""Most long reads that wait; the next one is refused as unavailable."""


class Reader:
    """One read-only connection, used by one thread at a time, with a time limit for each job."""

    def __init__(self, connection: apsw.Connection, clock: Clock, limit_s: float) -> None:
        self.connection = connection
        self._clock = clock
        self._limit_s = limit_s
        self._ends_s = 0.0
        self._closed = False
        connection.execute("PRAGMA query_only = ON").fetchall()
        connection.set_progress_handler(self._is_late, STEPS_PER_CHECK)

    def run(self, job: Callable[[V], R], view: V) -> R:
        """Run `job` on a view of ours in a transaction; HansaError too_complex past the limit."""
        connection = self.connection
        if self._closed:
            raise HansaError(Code.unavailable, "The store is closed.", "Start the node again.")
        self._ends_s = self._clock.monotonic_s() + self._limit_s
        try:
            connection.execute("BEGIN")
            return job(view)
        except apsw.InterruptError as error:
            raise HansaError(
                Code.too_complex,
                "This query takes too long.",
                f"It was stopped after {self._limit_s:g} s: narrow it down.",
            ) from error
        except apsw.Error as error:
            raise translated(error) from error
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close the connection."""
        self._closed = True
        self.connection.close()

    def _is_late(self) -> bool:
        return self._clock.monotonic_s() > self._ends_s


class SlowReaders:
    """A small pool of threads, each with a connection of its own, opened when first needed."""

    def __init__(self, connect: Callable[[], Reader]) -> None:
        self._connect = connect
        self._threads = Threads(SLOW_THREADS, "hansa-reader", SLOW_QUEUE_MAX)
        self._own = threading.local()
        self._opened: list[Reader] = []

    async def run(self, job: Callable[[apsw.Connection], R]) -> R:
        """Run `job` in one of the threads."""
        return await self._threads.run(lambda: self._read(job))

    async def close(self) -> None:
        """Wait for queued reads and close."""
        await self._threads.close()
        for reader in self._opened:
            reader.close()

    def _read(self, job: Callable[[apsw.Connection], R]) -> R:
        reader: Reader | None = getattr(self._own, "reader", None)
        if reader is None:
            reader = self._own.reader = self._connect()
            self._opened.append(reader)
        return reader.run(job, reader.connection)
