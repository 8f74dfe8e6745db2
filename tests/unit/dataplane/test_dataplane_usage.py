"""Usage is counted exactly, in blocks, whoever counts at the same time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from dataplane_world import Plane, bearer, caller

from hansa.dataplane import TransferUsage, UsageLedger
from hansa.kernel import Code, FixedClock, HansaError


def figures(usage: TransferUsage) -> tuple[int, int, int]:
    return usage.requests, usage.entities, usage.bytes


async def written(kept: UsageLedger, transfer_id: str) -> tuple[int, int, int]:
    """Wait until something of a transfer is in the store; give it."""
    async with asyncio.timeout(60):
        while not (await kept.usage(transfer_id)).requests:  # noqa: ASYNC110 - it is in the store
            await asyncio.sleep(0.005)
    return figures(await kept.usage(transfer_id))


async def test_answers_are_counted_against_transfer_and_agreement(plane: Plane) -> None:
    plane.agreements.add("a1")
    token = (await plane.grants.start("t1", "a1", caller())).authorization
    enforcement = await plane.grants.authorise(bearer(token))
    enforcement.record(20, 4_000)
    plane.clock.move(5)
    enforcement.record(1, 100)
    usage = await plane.usage.usage("t1")
    assert figures(usage) == (2, 21, 4_100)
    assert usage.last_at == plane.clock.now()
    assert (usage.transfer_id, usage.agreement_id) == ("t1", "a1")
    assert figures(await plane.usage.usage("unknown")) == (0, 0, 0)


async def test_nothing_is_lost_between_many_counters_and_the_writer(plane: Plane) -> None:
    await plane.usage.start()

    async def count(transfer_id: str) -> None:
        for number in range(300):
            plane.usage.count(transfer_id, "a1", entities=1, bytes=10)
            if number % 20 == 0:
                await asyncio.sleep(0.001)
            if number % 100 == 0:
                assert (await plane.usage.usage(transfer_id)).requests >= number

    await asyncio.gather(*(count(f"t{n % 3}") for n in range(9)))
    for number in range(3):
        assert figures(await plane.usage.usage(f"t{number}")) == (900, 900, 9_000)
    await plane.usage.stop()
    plane.usage = UsageLedger(plane.store, plane.clock)
    kept = [await plane.usage.usage(f"t{number}") for number in range(3)]
    assert sum(usage.requests for usage in kept) == 2_700


async def test_a_block_is_written_by_size_and_by_time(plane: Plane) -> None:
    kept = UsageLedger(plane.store, plane.clock)
    plane.usage.count("t1", "a1", entities=1, bytes=1)
    assert figures(await kept.usage("t1")) == (0, 0, 0)
    await plane.usage.start()
    assert await written(kept, "t1") == (1, 1, 1)
    slow = UsageLedger(plane.store, plane.clock, block_calls=10, block_s=60)
    await slow.start()
    for _ in range(10):
        slow.count("t2", "a1", entities=0, bytes=0)
    assert await written(kept, "t2") == (10, 0, 0)
    await slow.stop()


async def test_the_stop_writes_the_last_block(plane: Plane) -> None:
    await plane.usage.start()
    plane.usage.count("t1", "a1", entities=3, bytes=1)
    await plane.usage.stop()
    await plane.restart()
    assert figures(await plane.usage.usage("t1")) == (1, 3, 1)


class _Failing:
    participant = "north"

    def __init__(self, store: Any) -> None:
        self.store = store
        self.fails = True

    async def read(self, job: Any, *, slow: bool = False) -> Any:
        return await self.store.read(job)

    async def write(self, job: Any) -> Any:
        if self.fails:
            raise HansaError(Code.unavailable, "The disk is full.")
        return await self.store.write(job)


async def test_what_cannot_be_written_is_kept_for_the_next_block(plane: Plane) -> None:
    store = _Failing(plane.store)
    ledger = UsageLedger(store, FixedClock(), block_s=0.01)
    await ledger.start()
    ledger.count("t1", "a1", entities=1, bytes=1)
    await asyncio.sleep(0.05)
    ledger.count("t1", "a1", entities=1, bytes=1)
    with pytest.raises(HansaError) as refused:
        await ledger.flush()
    assert refused.value.code is Code.unavailable
    assert figures(await ledger.usage("t1")) == (2, 2, 2)
    store.fails = False
    await ledger.stop()
    assert figures(await UsageLedger(plane.store, FixedClock()).usage("t1")) == (2, 2, 2)
