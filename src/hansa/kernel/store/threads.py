"""A bounded queue before a few threads: for jobs that may block."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from hansa.kernel.errors import Code, HansaError

R = TypeVar("R")


class Threads:
    """Runs jobs in at most `count` threads, while at most `queue_max` callers wait."""

    def __init__(self, count: int, name: str, queue_max: int) -> None:
        self._executor = ThreadPoolExecutor(count, thread_name_prefix=name)
        self._queue_max = queue_max
        self._waiting = 0
        self._closed = False

    async def run(self, job: Callable[[], R]) -> R:
        """Run `job` in one of the threads; HansaError unavailable when too many wait."""
        if self._closed:
            raise HansaError(Code.unavailable, "The store is closed.", "Start the node again.")
        if self._waiting >= self._queue_max:
            raise HansaError(
                Code.unavailable,
                "Too many requests wait for the store.",
                f"{self._queue_max} are waiting already: try again in a moment.",
            )
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, _call, job)
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """Finish what is queued."""
        self._closed = True
        await asyncio.to_thread(self._executor.shutdown)


def _call(job: Callable[[], R]) -> R:
    try:
        return job()
    except StopIteration as error:  # no future can carry it: its caller would wait for ever
        raise RuntimeError("a job raised StopIteration") from error
