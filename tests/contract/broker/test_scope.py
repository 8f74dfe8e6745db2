"""What a scope hides does not exist, in any answer (`policy.Scope`)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson
import pytest
from shops import EVERYTHING, box, count, near, numbers, one, point, shop, types, urn

from hansa.broker import SIMPLIFIED, Broker, Order, Query, Slice, TemporalQuery, View
from hansa.broker.query import micros
from hansa.kernel import Code, FixedClock, HansaError, iso
from hansa.kernel.jsonld import expand_ngsi_ld_name as expand
from hansa.policy import Area, Cut, Scope, Window

MORNING = datetime(2026, 1, 1, 8, tzinfo=UTC)
AREA = Area("POLYGON((0 0, 4 0, 0 4, 0 0))", (0.0, 0.0, 4.0, 4.0))


def only(*attributes: str, **cut: object) -> Scope:
    """Give a scope with one permit on these attributes."""
    names = frozenset(expand(name) for name in attributes) if attributes else None
    return Scope(permits=(Cut(attributes=names, **cut),))  # type: ignore[arg-type]


@pytest.fixture
async def town(broker: Broker) -> Broker:
    """Give four shops: inside the triangle, on its edge, in its box only, and without a place."""
    late = iso(MORNING + timedelta(hours=4))
    await broker.upsert(
        [
            shop(1, location=point(1, 1), power={"value": 1, "observedAt": iso(MORNING)}, name="a"),
            shop(2, location=point(2, 2), power={"value": 2, "observedAt": late}, name="b"),
            shop(3, location=point(3, 3), power={"value": 3, "observedAt": iso(MORNING)}),
            {"id": urn(4), "type": "Cafe", "name": "d", "secret": 7},
        ]
    )
    return broker


async def test_the_area_cuts_exactly_and_its_edge_is_inside(town: Broker) -> None:
    scope = only(area=AREA)
    assert await numbers(town, scope=scope) == [1, 2]
    assert await count(town, scope) == 2
    assert await numbers(town, "power>0", scope) == [1, 2]
    assert await numbers(town, scope=scope, geo=near("within", box(-1, -1, 9, 9))) == [1, 2]
    with pytest.raises(HansaError) as caught:
        await one(town, 3, scope=scope)
    assert caught.value.code == Code.not_found


async def test_a_polygon_is_inside_as_a_whole_or_not_at_all(broker: Broker) -> None:
    await broker.upsert(
        [shop(1, location=box(0, 0, 1, 1)), shop(2, location=box(1, 1, 3, 3))], replace=True
    )
    assert await numbers(broker, scope=only(area=AREA)) == [1]
    await broker.upsert([shop(1, location=box(3, 3, 4, 4)), shop(2, location=box(0, 0, 2, 2))])
    assert await numbers(broker, scope=only(area=AREA)) == [2]


async def test_the_area_filters_also_where_the_place_is_withheld(town: Broker) -> None:
    scope = only("power", area=AREA)
    assert await one(town, 1, SIMPLIFIED, scope) == {"id": urn(1), "type": "Shop", "power": 1}
    assert await numbers(town, scope=scope, geo=near("within", box(-1, -1, 9, 9))) == []
    feature = await one(town, 1, View(geometry=expand("location")), scope)
    assert feature["geometry"] is None


async def test_a_withheld_attribute_does_not_exist(town: Broker) -> None:
    scope = only("name")
    assert await numbers(town, scope=scope) == [1, 2, 4]
    assert await numbers(town, "power>0", scope) == []
    assert await numbers(town, "power!=5", scope) == []
    assert await numbers(town, "power|name", scope) == [1, 2, 4]
    assert await numbers(town, scope=scope, existing=(expand("power"),)) == []
    by_power = (Order(expand("power"), True),)
    assert await numbers(town, scope=scope, order=by_power) == [1, 2, 4]
    assert [a.iri for a in await town.attributes(scope)] == [expand("name")]
    assert [a.iri for a in await town.attributes(scope, expand("power"))] == []
    shown = View(only=frozenset({expand("power"), expand("secret")}))
    assert await one(town, 4, shown, scope) == {"id": urn(4), "type": "Cafe"}


async def test_a_page_that_was_shown_before_follows_every_change(town: Broker) -> None:
    scope = only("power", area=AREA)

    async def shown() -> dict[int, int]:
        page = await town.query(scope, Query(types=types("Shop")), Slice(limit=9), SIMPLIFIED)
        found = [orjson.loads(item) for item in page.items]
        return {int(item["id"].rpartition(":")[2]): item["power"] for item in found}

    assert await shown() == await shown() == {1: 1, 2: 2}
    await town.upsert([shop(3, location=point(1, 2))], replace=False)
    assert await shown() == {1: 1, 2: 2, 3: 3}
    await town.upsert([shop(1, power=5)], replace=False)
    assert await shown() == {1: 5, 2: 2, 3: 3}
    await town.upsert([shop(1, location=point(9, 9))], replace=False)
    assert await shown() == {2: 2, 3: 3}
    await town.upsert([shop(2, location=point(2, 2), name="without power")])
    assert await shown() == {3: 3}
    await town.create([shop(5, location=point(1, 1), power=4)])
    assert await shown() == {3: 3, 5: 4}
    await town.delete([urn(3)])
    assert await shown() == {5: 4}
    while await town.forget():
        pass
    assert await shown() == {}


async def test_an_instant_outside_the_window_does_not_exist(town: Broker) -> None:
    window = Window(start=MORNING, end=MORNING + timedelta(hours=1))
    scope = only("power", observed=window)
    assert await numbers(town, scope=scope) == [1, 3]
    assert await numbers(town, "power>=1", scope) == [1, 3]
    described = only("power", "name", observed=window)
    assert await one(town, 2, SIMPLIFIED, described) == {"id": urn(2), "type": "Shop", "name": "b"}
    just_before = only("power", observed=Window(end=MORNING))
    assert await numbers(town, scope=just_before) == []


async def test_the_current_value_outside_the_window_is_not_replaced_by_an_older_one(
    town: Broker,
) -> None:
    window = Window(end=MORNING + timedelta(hours=1))
    older = {"value": 9, "observedAt": iso(MORNING - timedelta(hours=1))}
    await town.append_history([{"id": urn(2), "power": [older]}])
    scope = only("power", observed=window)
    assert 2 not in await numbers(town, scope=scope)
    page = await town.evolution(scope, urn(2), TemporalQuery(), SIMPLIFIED, values=True)
    assert orjson.loads(page.items[0])["power"]["values"] == [[9, "2026-01-01T07:00:00Z"]]


async def test_types_and_ids_cut(town: Broker) -> None:
    cafes = only(types=frozenset({expand("Cafe")}))
    assert await numbers(town, scope=cafes) == [4]
    assert await count(town, cafes) == 1
    assert [t.iri for t in await town.types(cafes)] == [expand("Cafe")]
    assert await numbers(town, scope=cafes, types=types("Shop")) == []
    assert await numbers(town, scope=only(id_prefix="urn:ngsi-ld:Shop:4")) == [4]
    assert await numbers(town, scope=only(id_prefix="urn:ngsi-ld:Shop;")) == []
    assert await numbers(town, scope=Scope.nothing()) == []
    assert await town.types(Scope.nothing()) == []


async def test_permits_unite_and_denies_take_away(town: Broker) -> None:
    names = Cut(attributes=frozenset({expand("name")}))
    powers = Cut(attributes=frozenset({expand("power")}), area=AREA)
    both = Scope(permits=(names, powers))
    assert await one(town, 1, SIMPLIFIED, both) == {
        "id": urn(1),
        "type": "Shop",
        "power": 1,
        "name": "a",
    }
    assert await numbers(town, scope=both) == [1, 2, 4]
    assert await numbers(town, "power>0", both) == [1, 2]
    hidden = Scope(permits=(Cut(),), denies=(Cut(attributes=frozenset({expand("secret")})),))
    assert set(await one(town, 4, scope=hidden)) == {"id", "type", "name"}
    assert await numbers(town, "secret", hidden) == []
    outside = Scope(permits=(Cut(),), denies=(Cut(area=AREA),))
    assert await numbers(town, scope=outside) == [3, 4]


async def test_changes_follow_at_once(town: Broker) -> None:
    scope = only("power", area=AREA)
    assert await numbers(town, scope=scope) == [1, 2]
    await town.upsert([shop(3, location=point(0.5, 0.5))], replace=False)
    await town.upsert([shop(1, location=point(9, 9))], replace=False)
    assert await numbers(town, scope=scope) == [2, 3]
    assert await count(town, scope) == 2


async def test_system_times_tell_nothing_of_what_is_hidden(town: Broker, clock: FixedClock) -> None:
    clock.move(60)
    await town.upsert([{"id": urn(4), "type": "Cafe", "secret": 8}], replace=False)
    shown = await one(town, 4, View(sys_attrs=True), only("name"))
    assert shown["modifiedAt"] == "2026-01-01T12:00:00Z"
    assert (await one(town, 4, View(sys_attrs=True)))["modifiedAt"] == "2026-01-01T12:01:00Z"


async def test_a_place_in_a_list_tells_nothing_of_hidden_rows(town: Broker) -> None:
    page = await town.query(only(area=AREA), Query(), Slice(limit=1))
    assert page.next is not None
    assert len(page.next) == 22
    rest = await town.query(only(area=AREA), Query(), Slice(after=page.next))
    assert [orjson.loads(item)["id"] for item in rest.items] == [urn(2)]
    assert rest.next is None


async def test_an_entity_without_attributes_exists_for_nobody_else(broker: Broker) -> None:
    await broker.upsert([shop(1)])
    whole = Scope(permits=(Cut(types=frozenset({expand("Shop")})),))
    assert await numbers(broker, scope=whole) == []
    assert await count(broker, whole) == 0
    assert await broker.types(whole) == []
    assert await count(broker, EVERYTHING) == 1


async def test_the_history_of_what_is_hidden_is_hidden(town: Broker) -> None:
    asked = TemporalQuery(start=micros(MORNING), end=micros(MORNING + timedelta(days=1)))
    page = await town.temporal(only("power", area=AREA), Query(), asked, Slice(count=True))
    assert page.count == 2
    assert [set(orjson.loads(item)) for item in page.items] == [{"id", "type", "power"}] * 2
    assert (await town.temporal(only("name"), Query(), asked)).items == []
    with pytest.raises(HansaError) as caught:
        await town.evolution(only(area=AREA), urn(3), TemporalQuery())
    assert caught.value.code == Code.not_found


async def test_the_summary_says_what_is_cut_away(town: Broker) -> None:
    summary = await town.summary(only("power", area=AREA), Cut(types=frozenset({expand("Shop")})))
    assert (summary.entities_visible, summary.entities_total) == (2, 3)
    assert summary.attributes_visible == (expand("power"),)
    assert summary.attributes_withheld == (expand("name"), expand("location"))
