"""The version of the tables: brought up to date, kept with the state, refused when newer."""

from __future__ import annotations

import pytest
from store_notes import NOTE, Note, Open

from hansa.kernel import Code, HansaError
from hansa.kernel.store import Database, Migration

ONE = ("CREATE TABLE thing (participant TEXT, n INTEGER)",)
TWO = ("ALTER TABLE thing ADD COLUMN title TEXT", "UPDATE thing SET title = 'old'")
FIRST = Migration("room", 1, sqlite=ONE, postgres=ONE)
SECOND = Migration("room", 2, sqlite=TWO, postgres=TWO)
OTHER = Migration(
    "another", 1, sqlite=("CREATE TABLE x (n INT)",), postgres=("CREATE TABLE x (n INT)",)
)
VERSIONS = "SELECT room, version FROM schema_version ORDER BY room"
THINGS = "SELECT n, title FROM thing"


async def _versions(database: Database) -> list[tuple[object, ...]]:
    return await database.store("north").read(lambda tx: tx.execute(VERSIONS))


async def test_an_older_state_is_brought_up_to_date(reopen: Open) -> None:
    old = reopen([FIRST])
    assert await _versions(old) == [("kernel", 1), ("room", 1)]
    await old.store("north").write(lambda tx: tx.put(NOTE, Note("a")))
    await old.store("north").write(
        lambda tx: tx.execute("INSERT INTO thing (participant, n) VALUES ('north', 7)")
    )
    await old.close()
    new = reopen([SECOND, OTHER, FIRST])
    assert await _versions(new) == [("another", 1), ("kernel", 1), ("room", 2)]
    assert await new.store("north").read(lambda tx: tx.execute(THINGS)) == [(7, "old")]
    assert await new.store("north").read(lambda tx: tx.get(NOTE, "a")) == Note("a")
    await new.close()
    same = reopen([FIRST, SECOND, OTHER])
    assert await same.store("north").read(lambda tx: tx.execute(THINGS)) == [(7, "old")]
    await same.close()


async def test_a_newer_state_is_refused_and_left_alone(reopen: Open) -> None:
    new = reopen([FIRST, SECOND])
    await new.close()
    with pytest.raises(HansaError) as refused:
        reopen([FIRST])
    assert refused.value.code is Code.state_version
    assert refused.value.facts["room"] == "room"
    assert (refused.value.facts["found"], refused.value.facts["known"]) == (2, 1)
    assert "hansa" in refused.value.facts["next"]
    again = reopen([FIRST, SECOND])
    assert await _versions(again) == [("kernel", 1), ("room", 2)]
    await again.close()


async def test_a_migration_that_fails_leaves_the_old_state(reopen: Open) -> None:
    old = reopen([FIRST])
    await old.close()
    broken_two = (*TWO, "UPDATE nowhere SET x = 1")
    with pytest.raises(Exception, match="nowhere"):
        reopen([FIRST, Migration("room", 2, sqlite=broken_two, postgres=broken_two)])
    again = reopen([FIRST, SECOND])
    assert await _versions(again) == [("kernel", 1), ("room", 2)]
    await again.close()


async def test_migrations_without_a_gap_are_a_rule(reopen: Open) -> None:
    with pytest.raises(AssertionError, match="gap in migrations of 'room'"):
        reopen([SECOND])
    with pytest.raises(AssertionError, match="gap in migrations of 'room'"):
        reopen([FIRST, FIRST])
