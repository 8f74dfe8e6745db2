"""New work is handed over by the commit that puts it in: no search, no lease of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hansa.kernel import CountingIds, SystemClock
from hansa.kernel.outbox import Reconciler
from hansa.kernel.store import Action, Store, Tx
from hansa.kernel.store.sqlite import SqliteDatabase


class World:
    """A reconciler on a store, with what it began and how often it leased."""

    def __init__(self, path: Path) -> None:
        self.clock = SystemClock()
        self.database = SqliteDatabase.open(path, clock=self.clock)
        self.store: Store = self.database.store("north")
        self.began: list[str] = []
        self.began_at: list[datetime] = []
        self.leased: list[str] = []
        self.most = 0
        self.go_on = asyncio.Event()
        self.go_on.set()
        lease = self.database.lease

        async def counted(*arguments: Any, **more: Any) -> Any:
            found = await lease(*arguments, **more)
            self.leased += [action.id for _, action in found]
            return found

        self.database.lease = counted  # type: ignore[method-assign]

    def reconciler(self, **more: Any) -> Reconciler:
        made = Reconciler(
            self.database, self.clock, CountingIds(), owner="me", chance=lambda: 1.0, **more
        )

        async def handler(own: Store, action: Action) -> None:
            self.began.append(action.id)
            self.began_at.append(self.clock.now())
            self.most = max(self.most, made.running)
            await self.go_on.wait()
            await own.write(lambda tx: tx.complete(action.id))

        made.register("m", handler)
        return made

    async def put(self, *names: str, fail: bool = False, **more: Any) -> None:
        def job(tx: Tx) -> None:
            for name in names:
                process = name.partition("/")[0]
                tx.enqueue(Action(id=name, machine="m", process=process, name="go", **more))
            if fail:
                raise ValueError("the job fails")

        await self.store.write(job)

    async def left(self) -> list[Action]:
        return await self.store.read(lambda tx: tx.actions())

    async def empty(self) -> None:
        async with asyncio.timeout(60):
            while await self.left():  # noqa: ASYNC110 - what is awaited is in the store
                await asyncio.sleep(0.002)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path / "hansa.sqlite")
    yield made
    await made.database.close()


async def test_work_that_is_put_in_is_not_looked_for(world: World) -> None:
    reconciler = world.reconciler()
    await reconciler.start()
    await world.put("a", "b")
    await world.put("c")
    await world.empty()
    assert (sorted(world.began), world.leased) == (["a", "b", "c"], [])
    await reconciler.stop()


async def test_a_later_action_of_a_process_waits_for_the_earlier(world: World) -> None:
    reconciler = world.reconciler()
    await reconciler.start()
    world.go_on.clear()
    await world.put("a/1", "a/2")
    await world.put("a/3")
    await asyncio.sleep(0.02)
    assert world.began == ["a/1"]
    world.go_on.set()
    await world.empty()
    assert (world.began, world.leased) == (["a/1", "a/2", "a/3"], ["a/2", "a/3"])
    await reconciler.stop()


async def test_what_is_taken_out_in_the_same_commit_lets_the_next_begin(world: World) -> None:
    reconciler = world.reconciler()
    await reconciler.start()
    world.go_on.clear()
    await world.put("a/1")

    def overtake(tx: Tx) -> None:
        tx.complete("a/1")
        tx.enqueue(Action(id="a/2", machine="m", process="a", name="go"))

    await world.store.write(overtake)
    await asyncio.sleep(0.01)
    assert (world.began, world.leased) == (["a/1", "a/2"], [])
    world.go_on.set()
    await world.empty()
    await reconciler.stop()


async def test_nothing_is_begun_for_a_commit_that_was_not(world: World) -> None:
    reconciler = world.reconciler()
    await reconciler.start()
    with pytest.raises(ValueError, match="the job fails"):
        await world.put("a", fail=True)
    await asyncio.sleep(0.01)
    assert (world.began, await world.left()) == ([], [])
    await world.put("a")
    await world.empty()
    assert world.began == ["a"]
    await reconciler.stop()


async def test_an_action_put_in_and_taken_out_at_once_is_not_begun(world: World) -> None:
    reconciler = world.reconciler()
    await reconciler.start()

    def both(tx: Tx) -> None:
        tx.enqueue(Action(id="a", machine="m", process="a", name="go"))
        tx.complete("a")

    await world.store.write(both)
    await asyncio.sleep(0.01)
    assert world.began == []
    await reconciler.stop()


async def test_a_timer_is_not_handed_over(world: World) -> None:
    reconciler = world.reconciler()
    await reconciler.start()
    due = world.clock.now() + timedelta(seconds=0.05)
    await world.put("a", due=due)
    await world.empty()
    assert (world.began, world.leased) == (["a"], ["a"])
    assert world.began_at[0] >= due
    await reconciler.stop()


async def test_more_than_there_is_room_for_waits_its_turn(world: World) -> None:
    reconciler = world.reconciler(parallel=3)
    await reconciler.start()
    names = [f"p{number:02}" for number in range(20)]
    await world.put(*names)
    await world.empty()
    assert (sorted(world.began), world.most) == (names, 3)
    await reconciler.stop()


async def test_what_was_handed_over_and_not_done_is_taken_up_after_a_restart(world: World) -> None:
    reconciler = world.reconciler(parallel=1)
    await reconciler.start()
    world.go_on.clear()
    await world.put("a", "b", "c")
    await asyncio.sleep(0.01)
    assert world.began == ["a"]
    stopping = asyncio.create_task(reconciler.stop())
    await asyncio.sleep(0.01)
    world.go_on.set()
    await stopping
    assert [action.id for action in await world.left()] == ["b", "c"]
    again = world.reconciler()
    await again.start()
    await world.empty()
    assert sorted(world.began) == ["a", "b", "c"]
    await again.stop()


async def test_without_a_reconciler_nothing_is_handed_over(world: World) -> None:
    await world.put("a")
    reconciler = world.reconciler()
    await reconciler.start()
    await world.empty()
    assert world.leased == ["a"]
    await reconciler.stop()


async def test_nothing_is_left_lying_when_more_comes_than_fits(world: World) -> None:
    """Some is handed over, some is not, some ends while the rest is looked for: all is done."""
    reconciler = world.reconciler(parallel=4)
    await reconciler.start()
    names = [f"p{number:03}" for number in range(400)]

    async def putting(some: list[str]) -> None:
        for name in some:
            await world.put(name)

    await asyncio.gather(*(putting(names[start::20]) for start in range(20)))
    await world.empty()
    assert sorted(world.began) == names
    assert world.leased
    assert world.most <= 4
    await reconciler.stop()
