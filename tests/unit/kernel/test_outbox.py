"""The reconciler: what is put into the outbox is worked, in order, until it has a result."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hansa.kernel import Clock, Code, CountingIds, FixedClock, HansaError, SystemClock
from hansa.kernel import outbox as outbox_module
from hansa.kernel.outbox import Reconciler
from hansa.kernel.store import Action, Store, Tx
from hansa.kernel.store.sqlite import SqliteDatabase

Make = Callable[..., Reconciler]


def _action(action_id: str, process: str = "p", machine: str = "m", **more: object) -> Action:
    return Action(id=action_id, machine=machine, process=process, name="go", **more)  # type: ignore[arg-type]


async def _enqueue(store: Store, *actions: Action) -> None:
    def job(tx: Tx) -> None:
        for action in actions:
            tx.enqueue(action)

    await store.write(job)


async def _complete(store: Store, action: Action) -> None:
    await store.write(lambda tx: tx.complete(action.id))


async def _listed(store: Store) -> list[Action]:
    return await store.read(lambda tx: tx.actions())


async def _until(is_so: Callable[[], Awaitable[bool]] | Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while True:
            answer = is_so()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.005)


@pytest.fixture
def clock() -> Clock:
    return SystemClock()


@pytest.fixture
async def database(tmp_path: Path, clock: Clock) -> AsyncIterator[SqliteDatabase]:
    opened = SqliteDatabase.open(tmp_path / "hansa.sqlite", clock=clock)
    yield opened
    await opened.close()


@pytest.fixture
def store(database: SqliteDatabase) -> Store:
    return database.store("north")


@pytest.fixture
async def make(database: SqliteDatabase, clock: Clock) -> AsyncIterator[Make]:
    made: list[Reconciler] = []

    def reconciler(owner: str = "me", **more: object) -> Reconciler:
        made.append(
            Reconciler(database, clock, CountingIds(), owner=owner, chance=lambda: 1.0, **more)  # type: ignore[arg-type]
        )
        return made[-1]

    yield reconciler
    for each in made:
        await each.stop()


async def test_an_enqueued_action_is_worked_at_once(store: Store, make: Make) -> None:
    seen: list[tuple[str, str]] = []

    async def handler(own: Store, action: Action) -> None:
        seen.append((own.participant, action.id))
        await _complete(own, action)

    reconciler = make()
    reconciler.register("m", handler)
    await _enqueue(store, _action("1"))
    await reconciler.start()
    await _until(lambda: seen == [("north", "1")])
    await _enqueue(store, _action("2"))
    await _until(lambda: len(seen) == 2)
    assert seen[1] == ("north", "2")
    await _until(lambda: reconciler.running == 0)
    assert await _listed(store) == []


async def test_a_process_keeps_its_order_and_others_run_beside_it(store: Store, make: Make) -> None:
    began: list[str] = []
    go_on = asyncio.Event()

    async def handler(own: Store, action: Action) -> None:
        began.append(action.id)
        if action.id == "1":
            await go_on.wait()
        await _complete(own, action)

    reconciler = make()
    reconciler.register("m", handler)
    await reconciler.start()
    await _enqueue(store, *(_action(each) for each in "123"), _action("4", "q"), _action("5", "q"))
    await _until(lambda: began[-1:] == ["5"])
    assert sorted(began[:2]) == ["1", "4"]
    go_on.set()
    await _until(lambda: len(began) == 5)
    assert began[2:] == ["5", "2", "3"]


async def test_no_more_than_parallel_run_at_once(store: Store, make: Make) -> None:
    most = done = 0

    async def handler(own: Store, action: Action) -> None:
        nonlocal most, done
        most = max(most, reconciler.running)
        await asyncio.sleep(0.002)
        await _complete(own, action)
        done += 1

    reconciler = make(parallel=3)
    reconciler.register("m", handler)
    await _enqueue(store, *(_action(f"{number:02d}", f"p{number}") for number in range(20)))
    await reconciler.start()
    await _until(lambda: done == 20)
    assert most == 3


async def test_nothing_is_asked_of_the_store_while_nothing_happens(
    store: Store, make: Make, database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    lease = database.lease

    async def counted(*given: object, **more: object) -> object:
        nonlocal asked
        asked += 1
        return await lease(*given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(database, "lease", counted)
    reconciler = make()
    reconciler.register("m", _complete)
    await reconciler.start()
    await _enqueue(store, _action("1"))
    await _until(lambda: _empty(store))
    await _until(lambda: reconciler.running == 0)
    await asyncio.sleep(0.3)
    assert asked <= 3


async def test_a_timer_stands_for_what_is_due_later(store: Store, make: Make, clock: Clock) -> None:
    worked_at = []

    async def handler(own: Store, action: Action) -> None:
        worked_at.append(clock.now())
        await _complete(own, action)

    reconciler = make()
    reconciler.register("m", handler)
    await reconciler.start()
    due = clock.now() + timedelta(seconds=0.15)
    await _enqueue(store, _action("1", due=due))
    await _until(lambda: bool(worked_at))
    assert worked_at[0] >= due


class TestFailures:
    """With a clock that stands still, so that each wait can be read from the row."""

    @pytest.fixture
    def clock(self) -> FixedClock:
        return FixedClock()

    async def test_each_try_waits_twice_as_long(
        self, store: Store, make: Make, clock: FixedClock
    ) -> None:
        async def handler(own: Store, action: Action) -> None:
            raise HansaError(Code.outbound_failed, "The city does not answer.")

        reconciler = make()
        reconciler.register("m", handler, backoff_s=2, backoff_max_s=9)
        await reconciler.start()
        await _enqueue(store, _action("1"))
        waits = []
        for attempt in range(1, 6):
            await _until(lambda n=attempt: self._tried(store, n))
            [action] = await _listed(store)
            assert action.due is not None
            assert action.error == "outbound_failed: The city does not answer."
            waits.append((action.due - clock.now()).total_seconds())
            clock.move(waits[-1])
            reconciler.wake()
        assert waits == [2, 4, 8, 9, 9]

    @staticmethod
    async def _tried(store: Store, attempts: int) -> bool:
        return [action.attempts for action in await _listed(store)] == [attempts]

    async def test_a_permanent_failure_is_dead_at_once(self, store: Store, make: Make) -> None:
        ended = []

        async def handler(own: Store, action: Action) -> None:
            if action.id == "2":
                await _complete(own, action)
                return
            raise HansaError(Code.counterparty_refused, "It said no.", permanent=True)

        async def on_dead(own: Store, action: Action, error: Exception) -> None:
            assert isinstance(error, HansaError)
            ended.append((own.participant, action.id, error.code))

        reconciler = make()
        reconciler.register("m", handler, on_dead=on_dead)
        await reconciler.start()
        with capture_logs() as logs:
            await _enqueue(store, _action("1", body={"secret": "sesame"}), _action("2"))
            await _until(lambda: any(line["event"] == "outbox.failed" for line in logs))
        assert await self._dead(store, "1")
        assert ended == [("north", "1", Code.counterparty_refused)]
        [line] = [line for line in logs if line["event"] == "outbox.failed"]
        assert (line["dead"], line["action"], line["participant"]) == (True, "1", "north")
        assert line["reason"] == "counterparty_refused: It said no."
        assert "sesame" not in str(logs)
        await _until(lambda: self._only(store, "1"))

    @staticmethod
    async def _dead(store: Store, action_id: str) -> bool:
        action = await store.read(lambda tx: tx.action(action_id))
        return action is not None and action.dead

    @staticmethod
    async def _only(store: Store, action_id: str) -> bool:
        return [action.id for action in await _listed(store)] == [action_id]

    async def test_the_last_attempt_is_the_last(
        self, store: Store, make: Make, clock: FixedClock
    ) -> None:
        tries: list[int] = []
        ended: list[str] = []

        async def handler(own: Store, action: Action) -> None:
            tries.append(action.attempts)
            raise ValueError("no luck")

        async def on_dead(own: Store, action: Action, error: Exception) -> None:
            ended.append(str(error))

        reconciler = make()
        reconciler.register("m", handler, on_dead=on_dead, attempts=3, backoff_s=1)
        await reconciler.start()
        await _enqueue(store, _action("1"))
        for count in (1, 2, 3):
            await _until(lambda n=count: self._tried(store, n))
            clock.move(10)
            reconciler.wake()
        await asyncio.sleep(0.02)
        assert tries == [0, 1, 2]
        assert ended == ["no luck"]
        assert await self._dead(store, "1")

    async def test_an_end_that_fails_is_tried_again(
        self, store: Store, make: Make, clock: FixedClock
    ) -> None:
        ends = 0

        async def handler(own: Store, action: Action) -> None:
            raise HansaError(Code.not_found, "It is gone.", permanent=True)

        async def on_dead(own: Store, action: Action, error: Exception) -> None:
            nonlocal ends
            ends += 1
            if ends == 1:
                raise LookupError("not yet")

        reconciler = make()
        reconciler.register("m", handler, on_dead=on_dead)
        await reconciler.start()
        await _enqueue(store, _action("1"))
        await _until(lambda: self._tried(store, 1))
        assert not await self._dead(store, "1")
        clock.move(10)
        reconciler.wake()
        await _until(lambda: self._dead(store, "1"))
        assert ends == 2

    async def test_an_end_may_mark_its_action_itself(
        self, store: Store, make: Make, clock: FixedClock
    ) -> None:
        async def handler(own: Store, action: Action) -> None:
            raise HansaError(Code.not_found, "It is gone.", permanent=True)

        async def on_dead(own: Store, action: Action, error: Exception) -> None:
            due = clock.now()
            await own.write(lambda tx: tx.reschedule(action.id, due=due, error="mine", dead=True))

        reconciler = make()
        reconciler.register("m", handler, on_dead=on_dead)
        await reconciler.start()
        await _enqueue(store, _action("1"))
        await _until(lambda: self._dead(store, "1"))
        await _until(lambda: reconciler.running == 0)
        [action] = await _listed(store)
        assert (action.attempts, action.error) == (1, "mine")

    async def test_a_handler_without_a_result_is_reported_and_tried_again(
        self, store: Store, make: Make
    ) -> None:
        async def handler(own: Store, action: Action) -> None:
            return

        reconciler = make()
        reconciler.register("m", handler)
        await reconciler.start()
        with capture_logs() as logs:
            await _enqueue(store, _action("1"))
            await _until(lambda: any(line["event"] == "outbox.failed" for line in logs))
        [action] = await _listed(store)
        assert action.error == "internal: The handler ended without a result."
        assert [line["log_level"] for line in logs if line["event"] == "outbox.failed"] == ["error"]

    async def test_a_handler_may_put_its_action_off(
        self, store: Store, make: Make, clock: FixedClock
    ) -> None:
        later = clock.now() + timedelta(seconds=5)

        async def handler(own: Store, action: Action) -> None:
            await own.write(lambda tx: tx.reschedule(action.id, due=later, error="busy"))

        reconciler = make()
        reconciler.register("m", handler)
        await reconciler.start()
        await _enqueue(store, _action("1"))
        await _until(lambda: self._tried(store, 1))
        await asyncio.sleep(0.02)
        [action] = await _listed(store)
        assert (action.attempts, action.error, action.due) == (1, "busy", later)

    async def test_an_error_after_the_result_changes_nothing(
        self, store: Store, make: Make
    ) -> None:
        ended: list[str] = []

        async def handler(own: Store, action: Action) -> None:
            await _complete(own, action)
            raise HansaError(Code.internal, "Too late.", permanent=True)

        async def on_dead(own: Store, action: Action, error: Exception) -> None:
            ended.append(action.id)

        reconciler = make()
        reconciler.register("m", handler, on_dead=on_dead)
        await reconciler.start()
        with capture_logs() as logs:
            await _enqueue(store, _action("1"))
            await _until(
                lambda: any(line["event"] == "outbox.failed_after_result" for line in logs)
            )
        assert ended == []
        assert await _listed(store) == []

    async def test_an_action_that_nobody_works_waits(self, store: Store, make: Make) -> None:
        reconciler = make()
        await reconciler.start()
        await _enqueue(store, _action("1", machine="unknown"))
        await _until(lambda: self._tried(store, 1))
        [action] = await _listed(store)
        assert action.error == "internal: Nobody works this kind of action."


async def test_what_a_former_self_held_is_taken_over_at_once(
    store: Store, make: Make, database: SqliteDatabase, clock: Clock
) -> None:
    await _enqueue(store, _action("1"), _action("2", "q"))
    await database.lease("me", now=clock.now(), lease_s=3600, limit=1)
    await database.lease("other", now=clock.now(), lease_s=3600, limit=1)
    reconciler = make("me")
    reconciler.register("m", _complete)
    await reconciler.start()
    await _until(lambda: TestFailures._only(store, "2"))


async def test_what_a_dead_owner_held_is_taken_when_its_lease_ends(
    store: Store, make: Make, database: SqliteDatabase, clock: Clock
) -> None:
    worked_at = []

    async def handler(own: Store, action: Action) -> None:
        worked_at.append(clock.now())
        await _complete(own, action)

    await _enqueue(store, _action("1"))
    ends = clock.now() + timedelta(seconds=0.5)
    await database.lease("dead", now=clock.now(), lease_s=0.5, limit=1)
    reconciler = make("me")
    reconciler.register("m", handler)
    await reconciler.start()
    await _until(lambda: _empty(store))
    assert len(worked_at) == 1
    assert worked_at[0] >= ends


async def _empty(store: Store) -> bool:
    return await _listed(store) == []


async def test_long_work_keeps_its_lease(store: Store, make: Make) -> None:
    runs: list[str] = []

    def slow(owner: str) -> Callable[[Store, Action], Awaitable[None]]:
        async def handler(own: Store, action: Action) -> None:
            runs.append(owner)
            await asyncio.sleep(0.9)
            await _complete(own, action)

        return handler

    for owner in ("first", "second"):
        reconciler = make(owner, lease_s=0.5)
        reconciler.register("m", slow(owner))
        await reconciler.start()
    await _enqueue(store, _action("1"))
    await _until(lambda: _empty(store))
    assert len(runs) == 1


async def test_work_whose_lease_ended_is_not_begun_a_second_time(
    store: Store, make: Make, database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(*given: object, **more: object) -> None:
        raise HansaError(Code.unavailable, "The disk is away.")

    monkeypatch.setattr(database, "extend", failing)
    runs: list[str] = []

    async def handler(own: Store, action: Action) -> None:
        runs.append(action.id)
        await asyncio.sleep(0.4)
        await _complete(own, action)

    reconciler = make(lease_s=0.1)
    reconciler.register("m", handler)
    await reconciler.start()
    await _enqueue(store, _action("1"))
    await _until(lambda: _empty(store))
    assert runs == ["1"]


async def test_stop_lets_running_work_end(store: Store, make: Make) -> None:
    began, done = asyncio.Event(), []

    async def handler(own: Store, action: Action) -> None:
        began.set()
        await asyncio.sleep(0.05)
        await _complete(own, action)
        done.append(action.id)

    reconciler = make()
    reconciler.register("m", handler)
    await reconciler.start()
    await _enqueue(store, _action("1"), _action("2"))
    await began.wait()
    await reconciler.stop()
    assert done == ["1"]
    assert [action.id for action in await _listed(store)] == ["2"]


async def test_stop_does_not_wait_for_ever_and_gives_back(
    store: Store,
    make: Make,
    database: SqliteDatabase,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outbox_module, "STOP_S_MAX", 0.05)
    began = asyncio.Event()

    async def handler(own: Store, action: Action) -> None:
        began.set()
        await asyncio.sleep(3600)

    reconciler = make()
    reconciler.register("m", handler)
    await reconciler.start()
    await _enqueue(store, _action("1"))
    await began.wait()
    await reconciler.stop()
    [(_, action)] = await database.lease("other", now=clock.now(), lease_s=1, limit=5)
    assert (action.id, action.attempts) == ("1", 0)


async def test_a_store_that_fails_for_a_moment_is_asked_again(
    store: Store, make: Make, database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_module, "LEASE_RETRY_S", 0.02)
    lease, failures = database.lease, 2

    async def flaky(*given: object, **more: object) -> object:
        nonlocal failures
        if failures:
            failures -= 1
            raise OSError("disk")
        return await lease(*given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(database, "lease", flaky)
    reconciler = make()
    reconciler.register("m", _complete)
    with capture_logs() as logs:
        await _enqueue(store, _action("1"))
        await reconciler.start()
        await _until(lambda: _empty(store))
    assert [line["event"] for line in logs].count("outbox.lease_failed") == 2


async def test_a_machine_has_one_handler(make: Make) -> None:
    reconciler = make()
    reconciler.register("m", _complete)
    with pytest.raises(AssertionError, match="has a handler already"):
        reconciler.register("m", _complete)
