"""Participants are apart: each operation of one is tried against the rows of the other."""

from __future__ import annotations

from datetime import timedelta

import pytest
from store_notes import NOTE, Note

from hansa.kernel import Code, FixedClock, HansaError
from hansa.kernel.store import NODE, Action, Database


def _action(action_id: str, process: str = "p") -> Action:
    return Action(id=action_id, machine="m", process=process, name="go")


async def test_documents_of_one_do_not_exist_for_the_other(database: Database) -> None:
    north, south = database.store("north"), database.store("south")
    await north.write(lambda tx: tx.put(NOTE, Note("a", "open", "ann", ("x",))))
    assert await south.read(lambda tx: tx.get(NOTE, "a")) is None
    assert await south.read(lambda tx: tx.version(NOTE, "a")) is None
    assert await south.read(lambda tx: tx.find(NOTE)) == []
    assert await south.read(lambda tx: tx.find(NOTE, {"state": "open"})) == []
    assert await south.read(lambda tx: tx.find(NOTE, {"state": "open", "tag": "x"})) == []
    assert await south.read(lambda tx: tx.count(NOTE)) == 0
    assert await south.read(lambda tx: tx.count(NOTE, {"owner": "ann"})) == 0
    assert await south.write(lambda tx: tx.delete(NOTE, "a")) is False
    await south.write(lambda tx: tx.insert(NOTE, Note("a", "shut", "bob")))
    assert await south.write(lambda tx: tx.put(NOTE, Note("a", "shut"), expected_version=1)) == 2
    assert await north.read(lambda tx: tx.get(NOTE, "a")) == Note("a", "open", "ann", ("x",))
    assert await north.read(lambda tx: tx.version(NOTE, "a")) == 1
    assert await north.read(lambda tx: tx.find(NOTE, {"state": "shut"})) == []
    await south.write(lambda tx: [tx.put(NOTE, Note(key, tags=("x",))) for key in "bcd"])
    assert await south.read(lambda tx: tx.find(NOTE, {"state": "shut", "tag": "x"})) == []
    assert await south.read(lambda tx: tx.count(NOTE, {"state": "shut", "tag": "x"})) == 0
    assert await south.write(lambda tx: tx.delete(NOTE, "a")) is True
    assert await north.read(lambda tx: tx.count(NOTE, {"state": "open"})) == 1


async def test_once_only_keys_are_apart(database: Database, clock: FixedClock) -> None:
    expires = clock.now() + timedelta(minutes=5)
    assert await database.store("north").write(lambda tx: tx.remember("jti", "1", expires))
    assert await database.store("south").write(lambda tx: tx.remember("jti", "1", expires))
    clock.move(3600)
    later = clock.now() + timedelta(minutes=5)
    await database.store("south").write(lambda tx: tx.remember("jti", "2", later))
    assert not await database.store("south").write(lambda tx: tx.remember("jti", "2", later))


async def test_the_outbox_is_apart(database: Database, clock: FixedClock) -> None:
    north, south = database.store("north"), database.store("south")
    await north.write(lambda tx: tx.enqueue(_action("1")))
    assert await south.read(lambda tx: tx.action("1")) is None
    assert await south.read(lambda tx: tx.actions()) == []
    assert await south.read(lambda tx: tx.actions("m", "p")) == []
    await south.write(lambda tx: tx.complete("1"))
    await south.write(lambda tx: tx.reschedule("1", due=clock.now(), error="no", dead=True))
    untouched = await north.read(lambda tx: tx.action("1"))
    assert untouched is not None
    assert (untouched.attempts, untouched.dead, untouched.error) == (0, False, None)
    await south.write(lambda tx: tx.enqueue(_action("1")))
    await south.write(lambda tx: tx.complete("1"))
    assert [action.id for action in await north.read(lambda tx: tx.actions())] == ["1"]


async def test_processes_of_the_same_name_do_not_wait_for_each_other(
    database: Database, clock: FixedClock
) -> None:
    for number, participant in enumerate(("north", "south", NODE)):
        await database.store(participant).write(lambda tx, n=number: tx.enqueue(_action(str(n))))  # type: ignore[misc]
    leased = await database.lease("me", now=clock.now(), lease_s=30, limit=10)
    assert sorted(participant for participant, _ in leased) == [NODE, "north", "south"]
    await database.extend(
        "me", [("south", "1"), ("north", "1")], until=clock.now() + timedelta(seconds=90)
    )
    clock.move(31)
    again = await database.lease("me", now=clock.now(), lease_s=30, limit=10)
    assert sorted(participant for participant, _ in again) == [NODE, "north"]


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 65])
async def test_a_participant_needs_a_proper_name(database: Database, name: str) -> None:
    with pytest.raises(HansaError) as refused:
        database.store(name)
    assert refused.value.code is Code.invalid_field
    assert refused.value.facts["field"] == "participant"
