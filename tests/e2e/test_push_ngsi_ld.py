"""Entities of one city pushed to another as NGSI-LD notifications, over real sockets."""

from __future__ import annotations

import pytest
from tests.e2e.push_world import Cities, lamp, until

from hansa.kernel import iso

NAME = "NgsiLd-PUSH"
AREA = "POLYGON((0 0, 0 1, 1 1, 1 0, 0 0))"
POWER_INSIDE = (
    {"leftOperand": "hansa:attribute", "operator": "isAnyOf", "rightOperand": ["power"]},
    {"leftOperand": "hansa:area", "operator": "isPartOf", "rightOperand": AREA},
)


def point(x: float, y: float) -> dict[str, object]:
    return {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [x, y]}}


async def has(cities: Cities, transfer: str, **powers: int) -> None:
    """Wait until the consumer has exactly these lamps with these powers."""
    wanted = {f"urn:ngsi-ld:Lamp:{name[1:]}": value for name, value in powers.items()}

    async def same() -> bool:
        found = await cities.mirrored(transfer)
        return {key: one["power"]["value"] for key, one in found.items()} == wanted

    try:
        await until(same, f"{wanted} at the consumer")
    except AssertionError as error:
        flow = await cities.flow(transfer)
        raise AssertionError(f"{error}; there: {await cities.mirrored(transfer)}, {flow}") from None


async def counted(cities: Cities, transfer: str, items: int) -> None:
    """Wait until a side has counted so many entities, and no more."""

    async def same() -> bool:
        return (await cities.flow(transfer)).progress.items == items

    await until(same, f"{items} entities counted")


async def test_first_all_then_every_change_then_what_is_gone(cities: Cities) -> None:
    await cities.write(*(lamp(n, power=n) for n in range(1, 4)))
    agreement = await cities.agree(await cities.publish())
    mine, theirs = await cities.ask_for(agreement, NAME)
    await has(cities, mine, n1=1, n2=2, n3=3)
    await cities.write(lamp(2, power=20), lamp(4, power=4))
    await has(cities, mine, n1=1, n2=20, n3=3, n4=4)
    await cities.provider.broker.delete(["urn:ngsi-ld:Lamp:1"])
    await has(cities, mine, n2=20, n3=3, n4=4)
    for transfer in (mine, theirs):
        await counted(cities, transfer, 6)
        progress = (await cities.flow(transfer)).progress
        assert progress.error is None
        assert progress.bytes > 300
    usage = await cities.provider.usage.usage(theirs)
    assert usage.entities == 6


async def test_nothing_outside_the_contract_is_told_and_leaving_is_told_as_gone(
    cities: Cities,
) -> None:
    await cities.write(
        lamp(1, power=1, owner="Ann", location=point(0.5, 0.5)),
        lamp(2, power=2, owner="Bob", location=point(5, 5)),
    )
    agreement = await cities.agree(await cities.publish(), *POWER_INSIDE)
    mine, _ = await cities.ask_for(agreement, NAME)
    await has(cities, mine, n1=1)
    await cities.write(lamp(2, power=3, owner="Bob", location=point(6, 6)))
    await cities.provider.broker.delete(["urn:ngsi-ld:Lamp:2"])
    await cities.write(lamp(3, power=3, owner="Eve", location=point(0.1, 0.1)))
    await has(cities, mine, n1=1, n3=3)
    await cities.write(lamp(1, power=1, owner="Ann", location=point(7, 7)))
    await has(cities, mine, n3=3)
    found = await cities.mirrored(mine)
    assert set(found["urn:ngsi-ld:Lamp:3"]) == {"id", "type", "power"}
    past = cities.consumer.pushing.mirrors.broker(mine)
    told = {one.id for one in await past.changes.after(0)}
    assert told == {"urn:ngsi-ld:Lamp:1", "urn:ngsi-ld:Lamp:3"}, "the other one was never told of"


@pytest.mark.parametrize("side", ["consumer", "provider"])
async def test_suspended_by_either_side_and_resumed_nothing_is_lost(
    cities: Cities, side: str
) -> None:
    await cities.write(lamp(1, power=1), lamp(2, power=2))
    agreement = await cities.agree(await cities.publish())
    mine, theirs = await cities.ask_for(agreement, NAME)
    await has(cities, mine, n1=1, n2=2)
    by, own = (cities.consumer, mine) if side == "consumer" else (cities.provider, theirs)
    await by.exchange.suspend_transfer(own, "a break")
    for transfer in (mine, theirs):
        await cities.state(transfer, "SUSPENDED")
    assert not cities.provider.pushing.pushes.running(theirs)
    before = await cities.flow(theirs)
    await cities.write(lamp(2, power=20), lamp(3, power=3))
    await cities.provider.broker.delete(["urn:ngsi-ld:Lamp:1"])
    assert (await cities.flow(theirs)).progress == before.progress
    await by.exchange.resume_transfer(own)
    for transfer in (mine, theirs):
        await cities.state(transfer, "STARTED")
    await has(cities, mine, n2=20, n3=3)


async def test_it_goes_on_after_both_restarted(cities: Cities) -> None:
    await cities.write(lamp(1, power=1))
    agreement = await cities.agree(await cities.publish())
    mine, theirs = await cities.ask_for(agreement, NAME)
    await has(cities, mine, n1=1)
    await counted(cities, theirs, 1)
    await cities.restart()
    await cities.write(lamp(2, power=2))
    await has(cities, mine, n1=1, n2=2)
    await counted(cities, theirs, 2)


@pytest.mark.parametrize("side", ["consumer", "provider"])
async def test_terminated_by_either_side_nothing_more_comes(cities: Cities, side: str) -> None:
    await cities.write(lamp(1, power=1))
    agreement = await cities.agree(await cities.publish())
    mine, theirs = await cities.ask_for(agreement, NAME)
    await has(cities, mine, n1=1)
    by, own = (cities.consumer, mine) if side == "consumer" else (cities.provider, theirs)
    await by.exchange.terminate_transfer(own, "enough")
    for transfer in (mine, theirs):
        await cities.state(transfer, "TERMINATED")
    assert not cities.provider.pushing.pushes.running(theirs)
    await cities.write(lamp(2, power=2))
    await has(cities, mine, n1=1)
    follower = cities.provider.broker.changes.follower(theirs)
    assert await follower.told(["urn:ngsi-ld:Lamp:1"]) == []


async def test_what_becomes_old_enough_is_told_and_what_becomes_too_old_is_gone(
    cities: Cities,
) -> None:
    dataset = await cities.publish()
    old_enough = {"leftOperand": "hansa:dataAge", "operator": "gteq", "rightOperand": "PT2S"}
    fresh_enough = {**old_enough, "operator": "lteq", "rightOperand": "PT12S"}
    late, _ = await cities.ask_for(await cities.agree(dataset, old_enough), NAME)
    early, _ = await cities.ask_for(await cities.agree(dataset, fresh_enough), NAME)
    now = cities.provider.clock.now()
    await cities.write(
        lamp(1, power={"type": "Property", "value": 1, "observedAt": iso(now)}),
        lamp(2, power={"type": "Property", "value": 2, "observedAt": "2020-01-01T00:00:00Z"}),
    )
    await has(cities, early, n1=1)
    await has(cities, late, n1=1, n2=2)
    assert (cities.provider.clock.now() - now).total_seconds() >= 2
    await has(cities, early)


async def test_a_limited_number_of_uses_is_that_of_notifications(cities: Cities) -> None:
    await cities.write(lamp(1, power=1))
    limit = {"leftOperand": "odrl:count", "operator": "lteq", "rightOperand": "3"}
    agreement = await cities.agree(await cities.publish(), limit)
    mine, theirs = await cities.ask_for(agreement, NAME)
    await has(cities, mine, n1=1)
    for n in (2, 3):
        await cities.write(lamp(1, power=n))
        await has(cities, mine, n1=n)
    assert (await cities.flow(theirs)).progress.error is None
    await cities.write(lamp(1, power=4))

    async def told() -> bool:
        return "policy_denied" in ((await cities.flow(theirs)).progress.error or "")

    await until(told, "the refusal")
    await has(cities, mine, n1=3)


async def test_what_was_received_lies_apart_and_is_the_owners(cities: Cities) -> None:
    await cities.write(lamp(1, power=1))
    agreement = await cities.agree(await cities.publish())
    mine, _ = await cities.ask_for(agreement, NAME)
    await has(cities, mine, n1=1)
    assert await cities.consumer.count_entities() == 0, "nothing to publish by accident"
    url = f"{cities.url}/leiden/received/{mine}/ngsi-ld/v1/entities?type=Lamp"
    async with cities.http.get(url) as refused:
        assert refused.status == 401
    from tests.e2e.push_world import OPERATOR

    async with cities.http.get(url, headers={"Authorization": f"Bearer {OPERATOR}"}) as answer:
        assert [one["id"] for one in await answer.json()] == ["urn:ngsi-ld:Lamp:1"]


async def test_the_inbox_takes_only_what_its_token_opens(cities: Cities) -> None:
    await cities.write(lamp(1, power=1))
    agreement = await cities.agree(await cities.publish())
    mine, theirs = await cities.ask_for(agreement, NAME)
    await has(cities, mine, n1=1)
    address = await cities.provider.flows.address(theirs)
    assert address is not None
    body = {
        "id": "urn:ngsi-ld:Notification:x",
        "type": "Notification",
        "data": [lamp(9, power=9)],
    }

    async def post(token: str, **change: object) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with cities.http.post(
            address.endpoint, json={**body, **change}, headers=headers
        ) as answer:
            found = await answer.json() if answer.status != 204 else {}
            return answer.status, found.get("code", "")

    assert await post("") == (401, "token_missing")
    assert await post("wrong") == (401, "token_unknown")
    token = address.authorization
    assert await post(token, type="Subscription") == (400, "invalid_field")
    assert await post(token, data="x") == (400, "invalid_field")
    assert await post(token) == (204, "")
    await has(cities, mine, n1=1, n9=9)
    await cities.consumer.pushing.mirrors.broker(mine).delete(["urn:ngsi-ld:Lamp:9"])
    assert await post(token) == (204, ""), "a repeated one is acknowledged"
    await has(cities, mine, n1=1)
    await cities.consumer.exchange.suspend_transfer(mine, "a break")
    assert (await post(token))[0] == 503
    await cities.state(mine, "SUSPENDED")
    await cities.consumer.exchange.terminate_transfer(mine, "enough")
    await cities.state(mine, "TERMINATED")
    assert (await post(token))[0] == 401
