"""The order of changes, and what followers were told of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from shops import shop, urn

from hansa.broker import MIGRATIONS, Broker, sqlite_functions
from hansa.kernel import CountingIds, FixedClock
from hansa.kernel.jsonld import ContextRegistry
from hansa.kernel.store import Database
from hansa.kernel.store.sqlite import SqliteDatabase

Open = Callable[[Database, str], Broker]


async def listed(broker: Broker, after: int = 0, limit: int = 1_000) -> list[tuple[str, bool]]:
    return [(one.id, one.deleted) for one in await broker.changes.after(after, limit)]


async def test_nothing_was_ever_written(broker: Broker) -> None:
    assert await broker.changes.position() == 0
    assert await broker.changes.after(0) == []
    assert await broker.changes.follower("f").told([urn(1)]) == []


async def test_changes_come_in_the_order_of_the_last_change(broker: Broker) -> None:
    await broker.create([shop(n) for n in (1, 2, 3)])
    assert await listed(broker) == [(urn(1), False), (urn(2), False), (urn(3), False)]
    position = await broker.changes.position()
    assert await listed(broker, position) == []
    await broker.upsert([shop(2, power=1)])
    await broker.delete([urn(1), urn(9)])
    assert await listed(broker, position) == [(urn(2), False), (urn(1), True)]
    assert await listed(broker) == [(urn(3), False), (urn(2), False), (urn(1), True)]
    await broker.create([shop(1)])
    assert await listed(broker, position) == [(urn(2), False), (urn(1), False)]


async def test_every_change_can_be_reached_in_small_steps(broker: Broker) -> None:
    await broker.create([shop(n) for n in range(7)])
    seen: list[str] = []
    position = 0
    while found := await broker.changes.after(position, 2):
        seen += [one.id for one in found]
        position = found[-1].position
    assert seen == [urn(n) for n in range(7)]
    assert position == await broker.changes.position()


async def test_a_write_that_changes_no_byte_is_a_change(broker: Broker) -> None:
    await broker.create([shop(1, power=1)])
    position = await broker.changes.position()
    await broker.upsert([shop(1, power=1)])
    assert await listed(broker, position) == [(urn(1), False)]


async def test_what_is_added_to_the_history_alone_is_none(broker: Broker) -> None:
    await broker.create([shop(1)])
    position = await broker.changes.position()
    at = {"observedAt": "2026-01-01T00:00:00Z"}
    instances = [{"type": "Property", "value": 1, **at}]
    await broker.append_history([{"id": urn(1), "type": "Shop", "power": instances}])
    assert await listed(broker, position) == []


async def test_writers_at_the_same_time_leave_no_gap(broker: Broker) -> None:
    await asyncio.gather(*(broker.upsert([shop(n)]) for n in range(20)))
    found = await broker.changes.after(0)
    assert sorted(one.id for one in found) == sorted(urn(n) for n in range(20))
    assert [one.position for one in found] == list(range(1, 21))


async def test_participants_count_for_themselves(database: Database, open_broker: Open) -> None:
    mine, other = open_broker(database, "delft-east"), open_broker(database, "delft-west")
    await mine.create([shop(n) for n in range(3)])
    await other.create([shop(1)])
    await other.changes.follower("f").tell([(urn(1), b'"Shop"')], 1)
    assert await mine.changes.position() == 3
    assert await listed(other) == [(urn(1), False)]
    assert await mine.changes.follower("f").told([urn(1)]) == []


async def test_a_follower_knows_what_it_was_told(broker: Broker) -> None:
    await broker.create([shop(n) for n in range(4)])
    follower = broker.changes.follower("f")
    await follower.tell([(urn(1), b'"Shop"'), (urn(2), b'["A","B"]')], 1)
    await follower.tell([(urn(9), b'"Nothing"')], 1)
    assert sorted(await follower.told([urn(n) for n in range(10)])) == [
        (urn(1), b'"Shop"'),
        (urn(2), b'["A","B"]'),
    ]
    assert await follower.round() == 1
    await follower.tell([(urn(2), b'"Shop"'), (urn(3), b'"Shop"')], 2)
    assert await follower.round() == 2
    assert await follower.told_before(2) == [(urn(1), b'"Shop"')]
    await broker.delete([urn(1)])
    assert await follower.told([urn(1)]) == [(urn(1), b'"Shop"')], "it is still to be told"
    await follower.forget([urn(1)])
    assert await follower.told_before(2) == []
    assert await broker.changes.follower("g").told([urn(2)]) == []
    await follower.end()
    assert await follower.told([urn(2)]) == []


async def test_what_was_observed_in_a_span_is_found(broker: Broker) -> None:
    assert await broker.changes.observed([(0, 2**60)]) == []
    assert await broker.changes.next_observed(0) is None

    def at(second: int) -> dict[str, object]:
        when = f"1970-01-01T00:00:{second:02d}Z"
        return {"type": "Property", "value": 1, "observedAt": when}

    await broker.create([shop(1, power=at(1)), shop(2, power=at(2), name=at(9)), shop(3, power=1)])
    s = 1_000_000
    assert await broker.changes.observed([(1 * s, 2 * s)]) == [urn(1)]
    assert sorted(await broker.changes.observed([(0, 2 * s), (9 * s, 9 * s + 1)])) == [
        urn(1),
        urn(2),
    ]
    assert await broker.changes.observed([(3 * s, 9 * s)]) == []
    assert await broker.changes.next_observed(1 * s) == 1 * s
    assert await broker.changes.next_observed(2 * s + 1) == 9 * s
    await broker.delete([urn(2)])
    assert await broker.changes.next_observed(1 * s + 1) is None


@pytest.mark.parametrize("again", [False, True])
async def test_a_database_from_before_is_taken_up(tmp_path: Path, again: bool) -> None:
    clock, path = FixedClock(), tmp_path / "state.sqlite"
    old = SqliteDatabase.open(path, MIGRATIONS[:1], clock=clock, functions=sqlite_functions)
    await old.store("delft").write(
        lambda tx: tx.execute(
            "INSERT INTO broker_participant (participant, generation, secret) VALUES (?, 0, ?)",
            ("delft", b"0" * 16),
        )
    )
    await old.store("delft").write(
        lambda tx: tx.execute(
            "INSERT INTO broker_kind (k, p, types, bare, entities) VALUES (1, 1, 'a', 1, 1)"
        )
    )
    await old.store("delft").write(
        lambda tx: tx.execute(
            "INSERT INTO broker_entity (n, p, k, id, created, modified, version, shapes, body)"
            " VALUES (1, 1, 1, ?, 0, 0, 1, 0, ?)",
            (urn(1), b'{"id":"x","type":"a"}'),
        )
    )
    await old.close()
    for _ in range(1 + again):
        new = SqliteDatabase.open(path, MIGRATIONS, clock=clock, functions=sqlite_functions)
        broker = Broker(
            new.store("delft"), clock=clock, ids=CountingIds(), contexts=ContextRegistry()
        )
        position = await broker.changes.position()
        await broker.upsert([shop(1), shop(2)])
        assert await listed(broker, position) == [(urn(1), False), (urn(2), False)]
        await new.close()
