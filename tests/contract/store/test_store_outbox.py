"""The outbox: leases, order per process, another try, dead letters, when next."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import msgspec
import pytest
from store_notes import NOTE, Note, Open

from hansa.kernel import Code, FixedClock, HansaError
from hansa.kernel.store import Action, Database, Store, Tx


def _action(
    action_id: str, process: str = "p", machine: str = "m", due: datetime | None = None
) -> Action:
    body = {"to": "did:web:x", "n": [1, None, {"deep": 1.5}]}
    return Action(id=action_id, machine=machine, process=process, name="go", body=body, due=due)


async def _enqueue(store: Store, *actions: Action) -> None:
    def job(tx: Tx) -> None:
        for action in actions:
            tx.enqueue(action)

    await store.write(job)


async def _lease(
    database: Database, clock: FixedClock, owner: str = "me", lease_s: float = 30, limit: int = 100
) -> list[str]:
    leased = await database.lease(owner, now=clock.now(), lease_s=lease_s, limit=limit)
    return [action.id for _, action in leased]


@pytest.fixture
def store(database: Database) -> Store:
    return database.store("north")


async def test_an_action_is_leased_as_it_was_enqueued(
    database: Database, store: Store, clock: FixedClock
) -> None:
    await _enqueue(store, _action("1"))
    [(participant, leased)] = await database.lease("me", now=clock.now(), lease_s=30, limit=9)
    assert participant == "north"
    assert leased == _action("1", due=clock.now())
    assert await store.read(lambda tx: tx.action("1")) == leased
    await store.write(lambda tx: tx.complete("1"))
    assert await store.read(lambda tx: tx.actions()) == []


async def test_state_and_action_are_committed_together(database: Database, store: Store) -> None:
    def failing(tx: Tx) -> None:
        tx.put(NOTE, Note("a"))
        tx.enqueue(_action("1"))
        raise LookupError("late")

    with pytest.raises(LookupError, match="late"):
        await store.write(failing)
    assert await store.read(lambda tx: (tx.count(NOTE), tx.actions())) == (0, [])


async def test_an_id_is_enqueued_once(store: Store) -> None:
    await _enqueue(store, _action("1"))
    with pytest.raises(HansaError) as refused:
        await _enqueue(store, _action("1", "other"))
    assert refused.value.code is Code.already_exists


async def test_a_process_is_worked_in_order_and_processes_side_by_side(
    database: Database, store: Store, clock: FixedClock
) -> None:
    await _enqueue(store, _action("3", "p"), _action("1", "p"), _action("2", "q"))
    await _enqueue(store, _action("4", "p", machine="other"))
    assert sorted(await _lease(database, clock)) == ["1", "2", "4"]
    assert await _lease(database, clock) == []
    await store.write(lambda tx: tx.complete("1"))
    assert await _lease(database, clock) == ["3"]


async def test_a_lease_has_a_limit_and_takes_the_oldest(
    database: Database, store: Store, clock: FixedClock
) -> None:
    for number in range(6):
        await _enqueue(store, _action(f"{9 - number}", f"p{number}"))
        clock.move(1)
    assert await _lease(database, clock, limit=2) == ["9", "8"]
    assert await _lease(database, clock, limit=3) == ["7", "6", "5"]


async def test_what_a_dead_owner_held_is_free_after_its_lease(
    database: Database, store: Store, clock: FixedClock
) -> None:
    await _enqueue(store, _action("1"), _action("2"))
    assert await _lease(database, clock, "dead") == ["1"]
    clock.move(29.9)
    assert await _lease(database, clock, "me") == []
    assert await database.next_due(after=clock.now()) == clock.now() + timedelta(seconds=0.1)
    clock.move(0.1)
    assert await _lease(database, clock, "me") == ["1"]


async def test_an_owner_gives_back_what_it_held(
    database: Database, store: Store, clock: FixedClock
) -> None:
    await _enqueue(store, _action("1"), _action("2", "q"))
    assert await _lease(database, clock, "me", limit=1) == ["1"]
    assert await _lease(database, clock, "other") == ["2"]
    assert await database.release("me") == 1
    assert await database.release("me") == 0
    assert await _lease(database, clock, "me") == ["1"]


async def test_a_lease_is_extended_by_its_owner_only(
    database: Database, store: Store, clock: FixedClock
) -> None:
    await _enqueue(store, _action("1"), _action("2", "q"))
    assert await _lease(database, clock, "me", limit=1) == ["1"]
    assert await _lease(database, clock, "other") == ["2"]
    until = clock.now() + timedelta(seconds=100)
    await database.extend("me", [("north", "1"), ("north", "2"), ("north", "3")], until=until)
    clock.move(31)
    assert await _lease(database, clock, "me") == ["2"]
    clock.move(70)
    assert sorted(await _lease(database, clock, "other")) == ["1", "2"]


async def test_another_try_comes_when_it_is_due_and_holds_up_the_next(
    database: Database, store: Store, clock: FixedClock
) -> None:
    await _enqueue(store, _action("1"), _action("2"), _action("3", "q"))
    assert sorted(await _lease(database, clock)) == ["1", "3"]
    due = clock.now() + timedelta(seconds=8)
    await store.write(lambda tx: tx.reschedule("1", due=due, error="refused"))
    assert await _lease(database, clock) == []
    clock.move(8)
    [(_, action)] = await database.lease("me", now=clock.now(), lease_s=30, limit=9)
    assert (action.id, action.attempts, action.error, action.due) == ("1", 1, "refused", due)


async def test_a_timer_does_not_hold_up_what_comes_after_it(
    database: Database, store: Store, clock: FixedClock
) -> None:
    await _enqueue(store, _action("1", due=clock.now() + timedelta(seconds=60)), _action("2"))
    assert await _lease(database, clock, lease_s=90) == ["2"]
    clock.move(60)
    assert await _lease(database, clock) == [], "the process is being worked"
    await store.write(lambda tx: tx.complete("2"))
    assert await _lease(database, clock) == ["1"]


async def test_a_dead_letter_is_kept_and_holds_up_nothing(
    database: Database, store: Store, clock: FixedClock
) -> None:
    await _enqueue(store, _action("1"), _action("2"))
    assert await _lease(database, clock) == ["1"]
    await store.write(lambda tx: tx.reschedule("1", due=clock.now(), error="never", dead=True))
    assert await _lease(database, clock) == ["2"]
    dead = await store.read(lambda tx: [action for action in tx.actions() if action.dead])
    assert [(action.id, action.error, action.attempts) for action in dead] == [("1", "never", 1)]
    clock.move(3600)
    assert await _lease(database, clock) == ["2"]
    await store.write(lambda tx: tx.complete("2"))
    await store.write(lambda tx: tx.reschedule("1", due=clock.now(), error="", dead=False))
    assert await _lease(database, clock) == ["1"], "an operator asked for another try"


async def test_actions_are_listed_by_machine_and_process(store: Store) -> None:
    await _enqueue(store, _action("2"), _action("1", "q"), _action("3", machine="other"))

    async def listed(*names: str, limit: int = 10) -> list[str]:
        return await store.read(
            lambda tx: [action.id for action in tx.actions(*names, limit=limit)]
        )

    assert await listed() == ["1", "2", "3"]
    assert await listed(limit=2) == ["1", "2"]
    assert await listed("m") == ["1", "2"]
    assert await listed("m", "p") == ["2"]
    assert await listed("none") == []


async def test_next_due_tells_the_next_instant_only(
    database: Database, store: Store, clock: FixedClock
) -> None:
    start = clock.now()
    assert await database.next_due(after=start) is None
    later, latest = start + timedelta(seconds=50), start + timedelta(seconds=90)
    await _enqueue(store, _action("1"), _action("2", "q", due=latest), _action("3", "r", due=later))
    assert await database.next_due(after=start) == later
    assert await database.next_due(after=later) == latest
    await store.write(lambda tx: tx.reschedule("2", due=latest, error="x", dead=True))
    assert await database.next_due(after=later) is None
    assert await _lease(database, clock, lease_s=10) == ["1"]
    assert await database.next_due(after=start) == start + timedelta(seconds=10)


async def test_two_owners_never_hold_the_same_action(
    database: Database, store: Store, clock: FixedClock
) -> None:
    for number in range(40):
        await _enqueue(store, _action(f"{number:02d}", f"p{number % 20}"))
    taken = await asyncio.gather(
        *(_lease(database, clock, f"owner{number % 4}", limit=5) for number in range(8))
    )
    flat = sorted(one for each in taken for one in each)
    assert flat == [f"{number:02d}" for number in range(20)]


async def test_the_outbox_wakes_after_the_commit_and_only_then(
    database: Database, store: Store
) -> None:
    woken: list[int] = []
    database.on_enqueued(lambda: woken.append(1))
    await store.write(lambda tx: tx.put(NOTE, Note("a")))
    await asyncio.sleep(0.02)
    assert woken == []
    await _enqueue(store, _action("1"))
    await asyncio.sleep(0.02)
    assert woken == [1]

    def failing(tx: Tx) -> None:
        tx.enqueue(_action("2"))
        raise LookupError

    with pytest.raises(LookupError):
        await store.write(failing)
    await asyncio.sleep(0.02)
    assert woken == [1]


async def test_an_outbox_outlives_its_database_object(reopen: Open, clock: FixedClock) -> None:
    first = reopen()
    await _enqueue(first.store("north"), _action("1"), _action("2", "q"))
    await _lease(first, clock, "me", limit=1)
    await first.close()
    second = reopen()
    try:
        assert await _lease(second, clock, "me") == ["2"]
        assert await second.release("me") == 2
        assert await _lease(second, clock, "me") == ["1", "2"]
    finally:
        await second.close()


@pytest.mark.parametrize("field", ["id", "machine", "process"])
async def test_names_of_an_action_have_limits(store: Store, field: str) -> None:
    action = msgspec.structs.replace(_action("1"), **{field: "x" * 513})
    with pytest.raises(HansaError) as refused:
        await _enqueue(store, action)
    assert (refused.value.code, refused.value.facts["field"]) == (Code.invalid_field, field)
