"""Querying entities: language, geometry, order, pages (NGSI-LD 1.9.1 4.9, 4.10, 5.7.2)."""

from __future__ import annotations

import orjson
import pytest
from shops import EVERYTHING, box, count, near, numbers, one, point, shop, types, urn

from hansa.broker import Broker, Order, Query, Slice, View
from hansa.kernel import Code, HansaError
from hansa.kernel.jsonld import TermMap
from hansa.kernel.jsonld import expand_ngsi_ld_name as expand


@pytest.fixture
async def street(broker: Broker) -> Broker:
    """Give a broker with five shops."""
    at = "2026-01-01T08:00:00Z"
    await broker.upsert(
        [
            shop(1, power={"value": 10.5, "observedAt": at, "quality": "good"}, name="Bakery"),
            shop(2, power=20, name="Smith", tags=["old", "loud"], open=True),
            shop(3, power="20", address={"value": {"city": "Delft", "house": {"number": 7}}}),
            shop(4, partOf={"object": "urn:ngsi-ld:Block:1"}, since="2026-01-01T00:00:00Z"),
            shop(
                5,
                name={"languageMap": {"nl": "Bakkerij", "en": "Bakery"}},
                kind={"vocab": "Retail"},
            ),
        ]
    )
    return broker


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("power", [1, 2, 3]),
        ("power==20", [2]),
        ('power=="20"', [3]),
        ("power!=20", [1, 3]),
        ("power>10", [1, 2]),
        ("power>=10.5", [1, 2]),
        ("power<20", [1]),
        ("power<=20", [1, 2]),
        ("power==10..20", [1, 2]),
        ("power!=10..15", [2, 3]),
        ("power==10.5,20", [1, 2]),
        ('name=="Bakery"', [1, 5]),
        ('name[nl]=="Bakkerij"', [5]),
        ('name[*]=="Bakkerij"', [5]),
        ('name!="Bakery"', [2]),
        ('name>"C"', [2]),
        ('tags=="loud"', [2]),
        ('tags!="loud"', []),
        ('tags!="new"', [2]),
        ("open==true", [2]),
        ("open==false", []),
        ('address[city]=="Delft"', [3]),
        ("address[house.number]==7", [3]),
        ("address[house]", [3]),
        ("address[street]", []),
        ('partOf=="urn:ngsi-ld:Block:1"', [4]),
        ("partOf==urn:ngsi-ld:Block:1", [4]),
        ('partOf!="urn:ngsi-ld:Block:2"', [4]),
        ('partOf>"a"', []),
        ("since>=2026-01-01T00:00:00Z", [4]),
        ("since<2026-01-01T01:00:00+01:00", []),
        ("power.observedAt>=2026-01-01T08:00:00Z", [1]),
        ("power.observedAt<2026-01-01T08:00:00Z", []),
        ("power.observedAt", [1]),
        ("power.createdAt>2020-01-01T00:00:00Z", [1, 2, 3]),
        ('power.quality=="good"', [1]),
        ("power.quality", [1]),
        ('kind=="Retail"', [5]),
        ("power;name", [1, 2]),
        ("address|open==true", [2, 3]),
        ('power>15|partOf;name=="none"', [2]),
        ('(power>15|partOf);name=="Smith"', [2]),
        ("never", []),
        ("never!=1", []),
    ],
)
async def test_the_query_language(street: Broker, q: str, expected: list[int]) -> None:
    assert await numbers(street, q) == expected
    assert await count(street, types=types("Shop")) == 5


async def test_types_and_ids_select(street: Broker) -> None:
    await street.upsert([{"id": urn(6), "type": ["Shop", "Cafe"], "power": 1}])
    await street.upsert([{"id": urn(7), "type": "Cafe", "power": 1}])
    assert await numbers(street, types=types("Cafe")) == [6, 7]
    assert await numbers(street, types=types("Shop;Cafe")) == [6]
    assert await numbers(street, types=types("Shop,Cafe")) == [1, 2, 3, 4, 5, 6, 7]
    assert await numbers(street, types=types("(Shop;Cafe)|Never")) == [6]
    assert await numbers(street, types=types("Never")) == []
    assert await numbers(street, ids=(urn(2), urn(1), urn(99))) == [1, 2]
    assert await numbers(street, "power==1", ids=(urn(6),)) == [6]
    assert await count(street, types=types("Cafe")) == 2


@pytest.fixture
async def places(broker: Broker) -> Broker:
    """Give a broker with shops around (4.36, 52.01) and a polygon."""
    await broker.upsert(
        [
            shop(1, location=point(4.36, 52.01)),
            shop(2, location=point(4.37, 52.01)),  # 685 m east
            shop(3, location=point(4.36, 52.02)),  # 1112 m north
            shop(4, location=box(4.359, 52.009, 4.361, 52.011), entrance=point(4.5, 52.5)),
            shop(5, power=1),
        ]
    )
    return broker


@pytest.mark.parametrize(
    ("georel", "geometry", "expected"),
    [
        ("near;maxDistance==680", point(4.36, 52.01), [1, 4]),
        ("near;maxDistance==690", point(4.36, 52.01), [1, 2, 4]),
        ("near;maxDistance==1115", point(4.36, 52.01), [1, 2, 3, 4]),
        ("near;minDistance==690", point(4.36, 52.01), [3]),
        ("near;maxDistance==620", point(4.37, 52.01), [2, 4]),
        ("near;maxDistance==600", point(4.37, 52.01), [2]),
        ("near;maxDistance==5", box(4.365, 52.0, 4.375, 52.02), [2]),
        ("within", box(4.35, 52.0, 4.365, 52.015), [1, 4]),
        ("within", box(4.36, 52.0, 4.38, 52.015), [2]),
        ("contains", point(4.36, 52.01), [1, 4]),
        ("intersects", box(4.3605, 52.005, 4.38, 52.015), [2, 4]),
        ("disjoint", box(4.3605, 52.005, 4.38, 52.015), [1, 3]),
        ("equals", point(4.37, 52.01), [2]),
        ("overlaps", box(4.36, 52.01, 4.40, 52.05), [4]),
    ],
)
async def test_geographic_queries(
    places: Broker, georel: str, geometry: dict[str, object], expected: list[int]
) -> None:
    assert await numbers(places, geo=near(georel, geometry)) == expected
    assert await count(places, geo=near(georel, geometry)) == len(expected)


async def test_another_geometry_can_be_asked_for(places: Broker) -> None:
    assert await numbers(places, geo=near("within", box(4, 52, 5, 53), "entrance")) == [4]
    assert await numbers(places, geo=near("within", box(4, 52, 5, 53), "never")) == []


async def test_a_moved_entity_is_found_where_it_is(places: Broker) -> None:
    there = near("within", box(10, 10, 11, 11))
    assert await numbers(places, geo=there) == []
    await places.upsert([shop(1, location=point(10.5, 10.5))], replace=False)
    assert await numbers(places, geo=there) == [1]
    assert await numbers(places, geo=near("within", box(4.35, 52.0, 4.365, 52.015))) == [4]


async def test_a_polygon_that_crosses_itself_is_kept_and_can_be_asked_for(broker: Broker) -> None:
    bow = {"type": "Polygon", "coordinates": [[[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]]}
    await broker.upsert([shop(1, location=bow)])
    assert (await one(broker, 1))["location"]["value"] == bow
    assert await numbers(broker, geo=near("within", box(-1, -1, 3, 3))) == [1]
    assert await numbers(broker, geo=near("near;maxDistance==10", point(1, 1))) == [1]


async def test_orders(broker: Broker) -> None:
    await broker.upsert(
        [
            shop(1, power=5),
            shop(2, power=9),
            shop(3, name="x"),
            shop(4, power="a"),
            shop(5, power=5),
        ]
    )
    power, by_id = Order(expand("power")), Order(None, True)
    assert await numbers(broker, order=(power,)) == [1, 5, 2, 4, 3]
    assert await numbers(broker, order=(Order(expand("power"), True),)) == [2, 1, 5, 4, 3]
    assert await numbers(broker, order=(power, by_id)) == [5, 1, 2, 4, 3]
    assert await numbers(broker, order=(by_id,)) == [5, 4, 3, 2, 1]
    assert await numbers(broker, order=(Order(expand("never")),)) == [1, 2, 3, 4, 5]


async def test_pages_go_on_where_they_ended_whatever_changes(broker: Broker) -> None:
    await broker.upsert([shop(n, power=n) for n in range(10)])
    first = await broker.query(EVERYTHING, Query(), Slice(limit=4, count=True))
    assert first.count == 10
    await broker.delete([urn(3), urn(1)])
    await broker.upsert([shop(n, power=77) for n in range(4, 12)])
    second = await broker.query(EVERYTHING, Query(), Slice(limit=4, after=first.next))
    third = await broker.query(EVERYTHING, Query(), Slice(limit=4, after=second.next))
    found = [orjson.loads(item)["id"] for item in second.items + third.items]
    assert found == [urn(n) for n in range(4, 12)]
    assert third.next is None


async def test_a_place_in_a_list_is_not_to_be_made_up(broker: Broker) -> None:
    await broker.upsert([shop(n) for n in range(3)])
    token = (await broker.query(EVERYTHING, Query(), Slice(limit=1))).next
    assert token is not None
    for false in ("x", "1", token[:-2] + "AA", "é"):
        with pytest.raises(HansaError) as caught:
            await broker.query(EVERYTHING, Query(), Slice(after=false))
        assert (caught.value.code, caught.value.facts["field"]) == (Code.invalid_request, "after")


async def test_an_offset_beyond_the_end_gives_the_last(broker: Broker) -> None:
    await broker.upsert([shop(n) for n in range(3)])
    page = await broker.query(EVERYTHING, Query(), Slice(offset=50))
    assert [orjson.loads(item)["id"] for item in page.items] == [urn(2)]


async def test_the_road_taken_never_changes_the_answer(broker: Broker) -> None:
    """Enough entities that an index is counted and taken, or not, and pages cross both."""
    await broker.upsert([shop(n, power=n % 100, location=point(n / 100, 1)) for n in range(900)])
    for q, expected in (
        ("power>=98", [n for n in range(900) if n % 100 >= 98]),
        ("power>=2", [n for n in range(900) if n % 100 >= 2]),
        ("power==5;power<6", [n for n in range(900) if n % 100 == 5]),
    ):
        assert await numbers(broker, q) == expected[:1000]
        assert await numbers(broker, q, types=types("Shop")) == expected[:1000]
    inside = near("within", box(0.995, 0, 1.205, 2))
    assert await numbers(broker, geo=inside) == list(range(100, 121))
    assert await numbers(broker, "power<3", geo=inside) == [100, 101, 102]


async def test_projections(street: Broker) -> None:
    shown = View(only=frozenset({expand("power"), expand("never")}))
    assert set(await one(street, 2, shown)) == {"id", "type", "power"}
    hidden = View(without=frozenset({expand("power")}), with_type=False)
    assert set(await one(street, 2, hidden)) == {"id", "name", "tags", "open"}
    assert set(await one(street, 2, View(only=frozenset()))) == {"id", "type"}


async def test_representations(street: Broker) -> None:
    assert (await one(street, 5, View(form="simplified"))) == {
        "id": urn(5),
        "type": "Shop",
        "name": {"languageMap": {"nl": "Bakkerij", "en": "Bakery"}},
        "kind": {"vocab": "Retail"},
    }
    assert (await one(street, 1, View(form="concise"))) == {
        "id": urn(1),
        "type": "Shop",
        "power": {"value": 10.5, "observedAt": "2026-01-01T08:00:00Z", "quality": "good"},
        "name": "Bakery",
    }
    feature = await one(street, 4, View(geometry=expand("location")))
    assert feature["type"] == "Feature"
    assert feature["geometry"] is None
    assert feature["properties"]["type"] == "Shop"
    assert "id" not in feature["properties"]


async def test_names_follow_the_context(broker: Broker) -> None:
    terms = TermMap({"Winkel": "https://example.org/Shop", "vermogen": "https://example.org/power"})
    await broker.upsert([{"id": urn(1), "type": "Winkel", "vermogen": 5}], terms=terms)
    assert await one(broker, 1) == {
        "id": urn(1),
        "type": "https://example.org/Shop",
        "https://example.org/power": {"type": "Property", "value": 5},
    }
    assert await one(broker, 1, View(terms=terms)) == {
        "id": urn(1),
        "type": "Winkel",
        "vermogen": {"type": "Property", "value": 5},
    }
