"""Whatever crashes at whatever point: no use is counted twice, and none beyond the limit."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hansa.dataplane.counting import BLOCK_MAX, Counts, block_size

AGREEMENT = "urn:uuid:a"


class CrashError(Exception):
    """The power went; nobody who waits is ever answered."""


class Disk:
    """A store with one document; each write is told how it ends: done, lost, or done and lost.

    `lost`: the power goes before the commit. `unanswered`: it goes between commit and answer.
    """

    participant = "north"

    def __init__(self) -> None:
        self.kept: Any = None
        self.endings: list[str] = []
        self.written = 0

    def get(self, kind: Any, key: str) -> Any:
        return self.kept

    def put(self, kind: Any, document: Any) -> None:
        self.kept = document

    async def read(self, job: Any, *, slow: bool = False) -> Any:
        await asyncio.sleep(0)
        return job(self)

    async def write(self, job: Any, *, slow: bool = False) -> Any:
        await asyncio.sleep(0)
        ending = self.endings.pop(0) if self.endings else "done"
        if ending == "lost":
            raise CrashError
        self.written += 1
        result = job(self)
        await asyncio.sleep(0)
        if ending == "unanswered":
            raise CrashError
        return result


async def life(disk: Disk, limit: int, callers: int, uses: int, orderly: bool) -> list[int]:
    """Run a node until it stops or crashes; give the numbers that were given out."""
    counts = Counts(disk)  # type: ignore[arg-type]
    given_out: list[int] = []

    async def caller() -> None:
        for _ in range(uses):
            number = await counts.take(AGREEMENT, limit)
            given_out.append(number)
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(caller()) for _ in range(callers)]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    crashed = any(task.exception() for task in done)
    if crashed:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    elif orderly:
        with suppress(CrashError):
            await counts.give_back()
    return given_out


lives = st.lists(
    st.tuples(
        st.integers(1, 6),  # callers at once
        st.integers(0, 60),  # uses of each
        st.lists(st.sampled_from(("done", "done", "lost", "unanswered")), max_size=8),
        st.booleans(),  # does it stop in good order, if nothing crashed
    ),
    max_size=6,
)


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 400), lives)
def test_no_use_is_given_twice_or_beyond_the_limit(
    limit: int, course: list[tuple[int, int, list[str], bool]]
) -> None:
    disk = Disk()
    let_through: list[int] = []
    blocks_lost = 0
    for callers, uses, endings, orderly in course:
        disk.endings = list(endings)
        numbers = asyncio.run(life(disk, limit, callers, uses, orderly))
        permitted = [number for number in numbers if number <= limit]
        let_through += permitted
        # what is on the disk is never behind what was given out
        assert not permitted or disk.kept.used >= max(permitted)
        blocks_lost += 1 + len(endings)
    assert len(let_through) == len(set(let_through))
    assert set(let_through) <= set(range(1, limit + 1))
    # what was lost is bounded by the blocks that were under way when something went wrong
    used = 0 if disk.kept is None else disk.kept.used
    assert used - len(let_through) <= blocks_lost * min(BLOCK_MAX, limit // 10 + 1)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 2_000), st.integers(1, 5))
def test_without_crashes_exactly_the_limit_is_let_through(limit: int, lives_: int) -> None:
    disk = Disk()
    numbers: list[int] = []
    for _ in range(lives_):
        numbers += asyncio.run(life(disk, limit, 3, limit // (3 * lives_), True))
    while len(numbers) < limit:
        numbers += asyncio.run(life(disk, limit, 1, 1, True))
    assert sorted(numbers) == list(range(1, limit + 1))
    assert asyncio.run(life(disk, limit, 2, 2, True)) == [limit + 1] * 4


@given(st.integers(1, 1_000_000))
def test_a_block_never_holds_more_than_is_left(left: int) -> None:
    assert 1 <= block_size(left) <= min(left, BLOCK_MAX)
    assert block_size(0) == 0


def test_counting_costs_few_writes() -> None:
    disk = Disk()
    numbers = asyncio.run(life(disk, 100_000, 10, 500, False))
    assert len(set(numbers)) == 5_000
    assert disk.written == 50
