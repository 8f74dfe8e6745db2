"""Once-only keys: noted once until they expire, and forgotten after."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from hansa.kernel import Code, FixedClock, HansaError
from hansa.kernel.store import Database, Tx

COUNT = "SELECT count(*) FROM remembered"


async def test_a_key_is_noted_once(database: Database, clock: FixedClock) -> None:
    store, expires = database.store("north"), clock.now() + timedelta(minutes=5)
    assert await store.write(lambda tx: tx.remember("jti", "1", expires)) is True
    assert await store.write(lambda tx: tx.remember("jti", "1", expires)) is False
    assert await store.write(lambda tx: tx.remember("other", "1", expires)) is True
    assert await store.write(lambda tx: tx.remember("jti", "2", expires)) is True


async def test_a_key_is_free_again_after_it_expired(database: Database, clock: FixedClock) -> None:
    store = database.store("north")
    for _ in range(3):
        expires = clock.now() + timedelta(seconds=60)
        assert await store.write(lambda tx, at=expires: tx.remember("jti", "1", at)) is True  # type: ignore[misc]
        clock.move(59)
        assert await store.write(lambda tx, at=expires: tx.remember("jti", "1", at)) is False  # type: ignore[misc]
        clock.move(1)


async def test_what_is_rolled_back_was_not_noted(database: Database, clock: FixedClock) -> None:
    store, expires = database.store("north"), clock.now() + timedelta(minutes=5)

    def note_and_fail(tx: Tx) -> None:
        assert tx.remember("jti", "1", expires)
        raise LookupError("after the note")

    with pytest.raises(LookupError, match="after the note"):
        await store.write(note_and_fail)
    assert await store.write(lambda tx: tx.remember("jti", "1", expires)) is True


async def test_of_many_at_once_one_is_the_first(database: Database, clock: FixedClock) -> None:
    store, expires = database.store("north"), clock.now() + timedelta(minutes=5)
    answers = await asyncio.gather(
        *(store.write(lambda tx: tx.remember("jti", "1", expires)) for _ in range(16))
    )
    assert sorted(answers) == [False] * 15 + [True]


async def test_expired_keys_are_forgotten_a_few_at_a_time(
    database: Database, clock: FixedClock
) -> None:
    store, expires = database.store("north"), clock.now() + timedelta(seconds=60)
    for number in range(20):
        await store.write(lambda tx, n=number: tx.remember("jti", str(n), expires))  # type: ignore[misc]
    clock.move(61)
    later = clock.now() + timedelta(hours=1)
    for number in range(6):
        await store.write(lambda tx, n=number: tx.remember("new", str(n), later))  # type: ignore[misc]
    assert await store.read(lambda tx: tx.execute(COUNT)) == [(6,)]


@pytest.mark.parametrize(("scope", "key"), [("", "1"), ("jti", ""), ("jti", "x" * 513)])
async def test_names_have_limits(
    database: Database, clock: FixedClock, scope: str, key: str
) -> None:
    with pytest.raises(HansaError) as refused:
        await database.store("north").write(lambda tx: tx.remember(scope, key, clock.now()))
    assert refused.value.code is Code.invalid_field


async def test_what_is_remembered_can_be_asked_for(database: Database, clock: FixedClock) -> None:
    store = database.store("north")
    expires = clock.now() + timedelta(seconds=60)
    assert not await store.read(lambda tx: tx.remembered("s", "k"))
    await store.write(lambda tx: tx.remember("s", "k", expires))
    assert await store.read(lambda tx: tx.remembered("s", "k"))
    assert not await store.read(lambda tx: tx.remembered("t", "k"))
    clock.move(61)
    assert not await store.read(lambda tx: tx.remembered("s", "k"))


async def test_what_is_written_ahead_is_there_before_a_later_write_returns(
    database: Database, clock: FixedClock
) -> None:
    store = database.store("north")
    expires = clock.now() + timedelta(seconds=60)
    for number in range(20):
        ahead = await store.write_ahead(
            lambda tx, key=str(number): tx.remember("s", key, expires)  # type: ignore[misc]
        )
        seen = await store.write(
            lambda tx, key=str(number): tx.remembered("s", key)  # type: ignore[misc]
        )
        assert seen
        assert ahead.done()
        assert ahead.result()
