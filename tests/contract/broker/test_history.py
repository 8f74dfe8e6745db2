"""The temporal evolution of entities (NGSI-LD 1.9.1 4.5.6-4.5.9, 4.11, 5.7.3, 5.7.4)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from shops import EVERYTHING, box, near, one, point, shop, types, urn

from hansa.broker import NORMALIZED, SIMPLIFIED, Broker, Page, Query, Slice, TemporalQuery, View
from hansa.broker.query import micros, parse_q
from hansa.kernel import Code, FixedClock, HansaError, iso
from hansa.kernel.jsonld import expand_ngsi_ld_name as expand
from hansa.kernel.store import Database

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(hour: float) -> str:
    """Give an instant of the day as text."""
    return iso(START + timedelta(hours=hour))


def us(hour: float) -> int:
    """Give an instant of the day in microseconds."""
    return micros(START + timedelta(hours=hour))


def measured(hour: float, value: Any) -> dict[str, Any]:
    """Give one instance."""
    return {"type": "Property", "value": value, "observedAt": at(hour)}


def shown(page: Page) -> list[dict[str, Any]]:
    """Give the entities of a page."""
    return [orjson.loads(item) for item in page.items]


@pytest.fixture
async def street(broker: Broker) -> Broker:
    """Give two shops with a power per hour, of which one has the hours 0 to 4, one 0 and 1."""
    await broker.upsert([shop(n, power=measured(0, n), name="x") for n in (1, 2)])
    for hour in range(1, 5):
        await broker.upsert([shop(1, power=measured(hour, 10 * hour))], replace=False)
    await broker.upsert([shop(2, power=measured(1, 7))], replace=False)
    return broker


async def test_each_change_is_in_the_history(street: Broker) -> None:
    page = await street.evolution(EVERYTHING, urn(1), TemporalQuery())
    (found,) = shown(page)
    assert found["power"] == [measured(h, 10 * h if h else 1) for h in range(5)]
    assert found["name"] == [{"type": "Property", "value": "x"}]
    assert found["type"] == "Shop"
    assert page.cut is None


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [(None, 2, [0, 1]), (2, None, [2, 3, 4]), (1, 3, [1, 2]), (1, 1.5, [1]), (9, None, [])],
)
async def test_intervals_are_half_open(
    street: Broker, start: float | None, end: float | None, hours: list[int]
) -> None:
    asked = TemporalQuery(
        start=None if start is None else us(start), end=None if end is None else us(end)
    )
    page = await street.evolution(EVERYTHING, urn(1), asked, values=True)
    (found,) = shown(page)
    values = found.get("power", {"values": []})["values"]
    assert values == [[10 * h if h else 1, at(h)] for h in hours]
    assert "name" not in found


async def test_the_last_instances_are_those_of_each_attribute(street: Broker) -> None:
    asked = TemporalQuery(start=us(0), end=us(4), last=2)
    found = shown(await street.temporal(EVERYTHING, Query(), asked, values=True))
    assert [e["power"]["values"] for e in found] == [
        [[20, at(2)], [30, at(3)]],
        [[2, at(0)], [7, at(1)]],
    ]


async def test_only_entities_with_an_instance_in_the_interval_are_listed(street: Broker) -> None:
    async def ids(query: Query, asked: TemporalQuery) -> list[str]:
        return [e["id"] for e in shown(await street.temporal(EVERYTHING, query, asked))]

    assert await ids(Query(), TemporalQuery(start=us(2))) == [urn(1)]
    assert await ids(Query(), TemporalQuery(end=us(2))) == [urn(1), urn(2)]
    assert await ids(Query(types=types("Cafe")), TemporalQuery(end=us(2))) == []
    assert await ids(Query(ids=(urn(2),)), TemporalQuery(end=us(2))) == [urn(2)]
    names = TemporalQuery(start=us(0), attributes=(expand("name"),))
    assert await ids(Query(), names) == []


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("power>30", [1]),
        ("power==7", [2]),
        ("power!=7", [1, 2]),
        ("power==2..9", [2]),
        ('power=="7"', []),
        ("power>30|power==7", [1, 2]),
        ("power>30;power==7", []),
        ("name", []),
        ("never", []),
    ],
)
async def test_values_are_compared_inside_the_interval(
    street: Broker, q: str, expected: list[int]
) -> None:
    query = Query(q=parse_q(q, expand))
    page = await street.temporal(EVERYTHING, query, TemporalQuery(start=us(0)), Slice(count=True))
    assert [e["id"] for e in shown(page)] == [urn(n) for n in expected]
    assert page.count == len(expected)
    early = await street.temporal(EVERYTHING, query, TemporalQuery(end=us(-1)))
    assert early.items == []


async def test_geometry_narrows_the_entities(street: Broker) -> None:
    await street.upsert([shop(1, location=point(1, 1))], replace=False)
    query = Query(geo=near("within", box(0, 0, 2, 2)))
    page = await street.temporal(EVERYTHING, query, TemporalQuery(start=us(0)))
    assert [e["id"] for e in shown(page)] == [urn(1)]


async def test_the_same_instant_takes_the_place_of_the_old_instance(street: Broker) -> None:
    await street.upsert([shop(1, power=measured(4, 99))], replace=False)
    await street.append_history([{"id": urn(1), "power": [measured(3, 77)]}])
    asked = TemporalQuery(start=us(3))
    (found,) = shown(await street.evolution(EVERYTHING, urn(1), asked, values=True))
    assert found["power"]["values"] == [[77, at(3)], [99, at(4)]]


async def test_bulk_history_leaves_the_present_alone(street: Broker) -> None:
    many = [measured(100 + n, n) for n in range(50)]
    written = await street.append_history([{"id": urn(1), "power": many, "voltage": many[:1]}])
    assert written.changed == [urn(1)]
    now = await one(street, 1, SIMPLIFIED)
    assert (now["power"], "voltage" in now) == (40, False)
    asked = TemporalQuery(start=us(100), attributes=(expand("power"),))
    (found,) = shown(await street.evolution(EVERYTHING, urn(1), asked))
    assert len(found["power"]) == 50


async def test_a_history_without_a_present(broker: Broker) -> None:
    unknown = {"id": urn(9), "power": [measured(0, 1)]}
    written = await broker.append_history([unknown])
    assert [(i, e.code) for i, e in written.failed] == [(urn(9), Code.not_found)]
    await broker.append_history([{**unknown, "type": "Shop"}])
    with pytest.raises(HansaError):
        await one(broker, 9)
    (found,) = shown(await broker.evolution(EVERYTHING, urn(9), TemporalQuery(), values=True))
    assert found["power"]["values"] == [[1, at(0)]]
    await broker.create([shop(9, power=measured(1, 2))])
    (found,) = shown(await broker.evolution(EVERYTHING, urn(9), TemporalQuery(), values=True))
    assert found["power"]["values"] == [[1, at(0)], [2, at(1)]]


async def test_the_history_outlives_the_entity(street: Broker) -> None:
    await street.delete([urn(1)])
    page = await street.temporal(EVERYTHING, Query(), TemporalQuery(start=us(4)))
    assert [e["id"] for e in shown(page)] == [urn(1)]
    await street.upsert([shop(1, power=measured(6, 60))])
    (found,) = shown(await street.evolution(EVERYTHING, urn(1), TemporalQuery(start=us(4))))
    assert [one["value"] for one in found["power"]] == [40, 60]


async def test_unknown_entities_have_no_history(street: Broker) -> None:
    with pytest.raises(HansaError) as caught:
        await street.evolution(EVERYTHING, urn(99), TemporalQuery())
    assert caught.value.code == Code.not_found


async def test_times_of_change_can_be_asked_for(street: Broker, clock: FixedClock) -> None:
    clock.move(3600)
    changed = micros(clock.now())
    await street.upsert([shop(2, name="y")], replace=False)
    asked = TemporalQuery(start=changed, property="modifiedAt")
    (found,) = shown(await street.temporal(EVERYTHING, Query(), asked, values=True))
    assert found["id"] == urn(2)
    assert found["name"]["values"] == [["y", "2026-01-01T13:00:00Z"]]
    assert "power" not in found


async def test_several_kinds_and_datasets_stand_apart_in_values(broker: Broker) -> None:
    both = [measured(0, 1), {**measured(0, 2), "datasetId": "urn:d:2"}]
    await broker.upsert([shop(1, power=both, near={"object": "urn:x:1", "observedAt": at(0)})])
    (found,) = shown(await broker.evolution(EVERYTHING, urn(1), TemporalQuery(), values=True))
    assert found["power"] == [
        {"type": "Property", "values": [[1, at(0)]]},
        {"type": "Property", "values": [[2, at(0)]], "datasetId": "urn:d:2"},
    ]
    assert found["near"] == {"type": "Relationship", "objects": [["urn:x:1", at(0)]]}


async def test_too_many_instances_are_cut_on_the_time_axis(
    database: Database, broker: Broker
) -> None:
    broker._instances_max = 6
    await broker.append_history(
        [
            {
                "id": urn(1),
                "type": "Shop",
                "power": [measured(h, h) for h in range(10)],
                "voltage": [measured(h, h) for h in range(8, 10)],
            }
        ]
    )
    page = await broker.evolution(EVERYTHING, urn(1), TemporalQuery(start=us(0)), values=True)
    (found,) = shown(page)
    assert [v for v, _ in found["power"]["values"]] == [0, 1, 2, 3, 4, 5]
    assert found["voltage"]["values"] == []
    assert page.cut == (us(0), us(5))
    newest = TemporalQuery(start=us(0), last=8)
    page = await broker.evolution(EVERYTHING, urn(1), newest, values=True)
    (found,) = shown(page)
    assert [v for v, _ in found["power"]["values"]] == [6, 7, 8, 9]
    assert [v for v, _ in found["voltage"]["values"]] == [8, 9]
    assert page.cut == (us(6), us(9))


async def test_a_page_ends_early_when_it_is_full(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hansa.broker.store.evolution.PAGE_INSTANCES_MAX", 25)
    await broker.append_history(
        [
            {"id": urn(n), "type": "Shop", "power": [measured(h, h) for h in range(10)]}
            for n in range(7)
        ]
    )
    pages: list[list[str]] = []
    part: Slice | None = Slice(limit=100)
    while part:
        page = await broker.temporal(EVERYTHING, Query(), TemporalQuery(start=us(0)), part)
        pages.append([e["id"] for e in shown(page)])
        part = Slice(limit=100, after=page.next) if page.next else None
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [i for page in pages for i in page] == [urn(n) for n in range(7)]


async def test_views_apply_to_the_evolution(street: Broker) -> None:
    asked = TemporalQuery(start=us(4), attributes=(expand("power"),))
    for view, expected in (
        (NORMALIZED, measured(4, 40)),
        (View(form="concise"), {"value": 40, "observedAt": at(4)}),
    ):
        (found,) = shown(await street.evolution(EVERYTHING, urn(1), asked, view))
        assert found["power"] == [expected]


async def test_what_is_forgotten_leaves_no_history(street: Broker) -> None:
    await street.delete([urn(2)])
    assert await street.forget(1) == 1
    assert await street.forget() == 1
    assert await street.forget() == 0
    assert (await street.query(EVERYTHING, Query(), Slice(count=True))).items == []
    assert await street.types(EVERYTHING) == []
    for n in (1, 2):
        with pytest.raises(HansaError) as caught:
            await street.evolution(EVERYTHING, urn(n), TemporalQuery())
        assert caught.value.code is Code.not_found
    await street.upsert([shop(1, power=measured(5, 3), location=point(4.3, 52.0))])
    (found,) = shown(await street.evolution(EVERYTHING, urn(1), TemporalQuery()))
    assert found["power"] == [measured(5, 3)], "it begins anew"


async def test_no_name_keeps_an_entity_from_being_forgotten(street: Broker) -> None:
    names = ["urn:hansa:forgotten:1", "urn:hansa:forgotten:2", "urn:hansa:forgotten:99"]
    written = await street.upsert([{**shop(3), "id": name} for name in [*names, "forgotten 1"]])
    assert [name for name, _ in written.failed] == ["forgotten 1"], "the mark is no URI"
    count = 0
    while forgotten := await street.forget():
        count += forgotten
    assert count >= len(names)
    assert (await street.query(EVERYTHING, Query(), Slice(count=True))).items == []
