"""Writing entities: what is kept, replaced, added, removed (NGSI-LD 1.9.1 5.6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from shops import EVERYTHING, box, count, near, numbers, one, point, shop, types, urn

from hansa.broker import SIMPLIFIED, Broker, Query, Slice, View
from hansa.broker.store import Mode
from hansa.kernel import Code, FixedClock, HansaError
from hansa.kernel.jsonld import expand_ngsi_ld_name as expand
from hansa.kernel.store import Database

Open = Callable[[Database, str], Broker]


async def test_an_entity_comes_back_normalized(broker: Broker) -> None:
    written = await broker.create([shop(1, power=5, name="Bakery", location=point(4.3, 52))])
    assert written.created == [urn(1)]
    assert await one(broker, 1) == {
        "id": urn(1),
        "type": "Shop",
        "power": {"type": "Property", "value": 5},
        "name": {"type": "Property", "value": "Bakery"},
        "location": {"type": "GeoProperty", "value": point(4.3, 52)},
    }


async def test_the_same_id_twice_is_refused(broker: Broker) -> None:
    await broker.create([shop(1, power=5)])
    written = await broker.create([shop(1, power=6), shop(2)])
    assert [(i, error.code) for i, error in written.failed] == [(urn(1), Code.already_exists)]
    assert written.created == [urn(2)]
    assert (await one(broker, 1, SIMPLIFIED))["power"] == 5


async def test_replacing_removes_what_is_left_out(broker: Broker) -> None:
    await broker.upsert([shop(1, power=5, name="Bakery", location=point(1, 1))])
    written = await broker.upsert([shop(1, power=6)])
    assert written.changed == [urn(1)]
    assert await one(broker, 1, SIMPLIFIED) == {"id": urn(1), "type": "Shop", "power": 6}
    assert await numbers(broker, "name") == []
    assert await numbers(broker, geo=near("within", box(0, 0, 2, 2))) == []
    assert await numbers(broker, "power==5") == []
    assert await numbers(broker, "power==6") == [1]


async def test_updating_keeps_what_is_left_out_and_adds_types(broker: Broker) -> None:
    await broker.upsert([shop(1, power=5, name="Bakery")])
    await broker.upsert([{"id": urn(1), "type": "Cafe", "power": 6}], replace=False)
    assert await one(broker, 1, SIMPLIFIED) == {
        "id": urn(1),
        "type": ["Cafe", "Shop"],
        "power": 6,
        "name": "Bakery",
    }
    assert await numbers(broker, "name", types=types("Cafe")) == [1]
    assert await count(broker, types=types("Shop;Cafe")) == 1
    assert await count(broker) == 1


async def test_only_attributes_that_are_there_are_updated(broker: Broker) -> None:
    await broker.upsert([shop(1, power=5)])
    written = await broker.write([{"id": urn(1), "power": 6, "name": "x"}], Mode.update)
    assert written.ignored == {urn(1): [expand("name")]}
    assert await one(broker, 1, SIMPLIFIED) == {"id": urn(1), "type": "Shop", "power": 6}
    missing = await broker.write([{"id": urn(2), "power": 6}], Mode.update)
    assert missing.failed[0][1].code == Code.not_found


async def test_instances_with_a_dataset_stand_side_by_side(broker: Broker) -> None:
    both = [{"value": 1}, {"value": 2, "datasetId": "urn:d:2"}]
    await broker.upsert([shop(1, power=both)])
    assert await one(broker, 1) == {
        "id": urn(1),
        "type": "Shop",
        "power": [
            {"type": "Property", "value": 1},
            {"type": "Property", "value": 2, "datasetId": "urn:d:2"},
        ],
    }
    await broker.upsert([shop(1, power={"value": 3})], replace=False)
    assert (await one(broker, 1, SIMPLIFIED))["power"] == {"dataset": {"@none": 3, "urn:d:2": 2}}
    assert await numbers(broker, "power==2") == [1]


async def test_a_deleted_entity_is_gone_from_every_answer(broker: Broker) -> None:
    await broker.upsert([shop(n, power=n, location=point(n, n)) for n in (1, 2)])
    assert await broker.delete([urn(1), urn(7)]) == [urn(1)]
    with pytest.raises(HansaError) as caught:
        await one(broker, 1)
    assert caught.value.code == Code.not_found
    assert await numbers(broker) == [2]
    assert await numbers(broker, "power>0") == [2]
    assert await numbers(broker, geo=near("within", box(0, 0, 9, 9))) == [2]
    assert await count(broker) == 1
    assert [one.entities for one in await broker.types(EVERYTHING)] == [1]
    assert [one.instances for one in await broker.attributes(EVERYTHING)] == [1, 1]


async def test_a_deleted_entity_can_be_created_again(broker: Broker) -> None:
    await broker.upsert([shop(1, power=1, location=point(1, 1))])
    await broker.delete([urn(1)])
    assert (await broker.create([shop(1, location=point(5, 5))])).created == [urn(1)]
    assert await one(broker, 1, SIMPLIFIED) == {
        "id": urn(1),
        "type": "Shop",
        "location": point(5, 5),
    }
    assert await numbers(broker, geo=near("within", box(4, 4, 6, 6))) == [1]
    assert await numbers(broker, geo=near("within", box(0, 0, 2, 2))) == []


async def test_the_later_of_two_in_a_batch_wins(broker: Broker) -> None:
    written = await broker.upsert([shop(1, power=1), shop(2), shop(1, name="x")])
    assert written.created == [urn(1), urn(2)]
    assert written.changed == []
    assert await one(broker, 1, SIMPLIFIED) == {"id": urn(1), "type": "Shop", "name": "x"}


async def test_a_bad_entity_fails_alone(broker: Broker) -> None:
    written = await broker.upsert([shop(1), {"id": "no uri", "type": "Shop"}, shop(2, power=None)])
    assert written.created == [urn(1)]
    assert [(i, e.code, e.facts["field"]) for i, e in written.failed] == [
        ("no uri", Code.invalid_field, "id"),
        (urn(2), Code.invalid_field, "power.value"),
    ]


async def test_an_entity_without_attributes_is_there_for_its_owner(broker: Broker) -> None:
    await broker.upsert([shop(1)])
    assert await one(broker, 1) == {"id": urn(1), "type": "Shop"}
    await broker.upsert([shop(1, power=1)])
    await broker.upsert([shop(1)])
    assert await count(broker) == 1
    assert await broker.attributes(EVERYTHING) == []


async def test_system_times_tell_creation_from_change(broker: Broker, clock: FixedClock) -> None:
    await broker.upsert([shop(1, power=1, name="x")])
    clock.move(60)
    await broker.upsert([shop(1, power=2)], replace=False)
    found = await one(broker, 1, View(sys_attrs=True))
    assert found["createdAt"] == "2026-01-01T12:00:00Z"
    assert found["modifiedAt"] == "2026-01-01T12:01:00Z"
    assert found["power"]["createdAt"] == "2026-01-01T12:00:00Z"
    assert found["power"]["modifiedAt"] == "2026-01-01T12:01:00Z"
    assert found["name"]["modifiedAt"] == "2026-01-01T12:00:00Z"


async def test_listeners_hear_ids_after_the_commit(broker: Broker) -> None:
    heard: list[frozenset[str]] = []
    stop = broker.on_change(heard.append)
    await broker.upsert([shop(1), shop(2)])
    await broker.delete([urn(1)])
    stop()
    await broker.upsert([shop(3)])
    assert heard == [frozenset({urn(1), urn(2)}), frozenset({urn(1)})]


async def test_participants_never_see_each_other(database: Database, open_broker: Open) -> None:
    north, south = open_broker(database, "north"), open_broker(database, "south")
    await north.upsert([shop(1, power=1, location=point(1, 1)), shop(2, power=2)])
    await south.upsert([shop(1, power=9, name="x", location=point(1, 1))])
    await south.append_history([{"id": urn(2), "type": "Shop", "power": [{"value": 3}]}])
    inside = near("within", box(0, 0, 2, 2))
    for broker, power in ((north, 1), (south, 9)):
        assert (await one(broker, 1, SIMPLIFIED))["power"] == power
        assert await numbers(broker, geo=inside) == [1]
        assert await numbers(broker, f"power=={power}") == [1]
        assert await numbers(broker, f"power=={10 - power}") == []
    assert (await count(north), await count(south)) == (2, 1)
    assert len(await north.attributes(EVERYTHING)) == 2
    assert len(await south.attributes(EVERYTHING)) == 3
    await north.delete([urn(1)])
    assert await numbers(south, geo=inside) == [1]
    assert await open_broker(database, "west").types(EVERYTHING) == []


async def test_a_second_broker_of_the_participant_sees_new_names(
    database: Database, open_broker: Open
) -> None:
    first, second = open_broker(database, "north"), open_broker(database, "north")
    await first.upsert([shop(1, power=1)])
    assert await numbers(second, "power==1") == [1]
    await second.upsert([shop(2, voltage=2, name="x")])
    await first.upsert([shop(3, current=3)])
    assert await numbers(first, "voltage==2|current==3") == [2, 3]
    assert await numbers(second, "voltage==2|current==3") == [2, 3]


async def test_what_was_written_is_there_after_a_restart(
    reopen: Callable[[], Database], open_broker: Open
) -> None:
    first = reopen()
    broker = open_broker(first, "north")
    await broker.upsert([shop(n, power=n) for n in range(4)])
    page = await broker.query(EVERYTHING, Query(), Slice(limit=2))
    await first.close()
    again = reopen()
    rest = await open_broker(again, "north").query(EVERYTHING, Query(), Slice(after=page.next))
    assert [
        b'"id":"%b"' % urn(n).encode() in item for n, item in zip((2, 3), rest.items, strict=True)
    ]
    await again.close()


async def test_a_failed_write_leaves_no_name_behind(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await broker.upsert([shop(1, power=1)])

    def fail(*_: Any) -> None:
        raise RuntimeError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr("hansa.broker.store.writing.Writing._flush", fail)
        with pytest.raises(RuntimeError):
            await broker.upsert([shop(2, voltage=1)])
    assert await numbers(broker, "voltage") == []
    await broker.upsert([shop(3, current=1)])
    await broker.upsert([shop(4, voltage=1)])
    assert await numbers(broker, "voltage") == [4]
    assert await numbers(broker, "current") == [3]
