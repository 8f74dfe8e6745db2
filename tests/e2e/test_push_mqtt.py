"""Entities of one city pushed to another one's MQTT broker: a real one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from tests.e2e.push_world import Cities, lamp, until

from hansa.exchange import DataAddress
from hansa.kernel import HansaError
from mosquitto import PASSWORD, USER, Listener, Mosquitto

NAME = "Mqtt-PUSH"
TOPIC = "city/lamps"


@pytest.fixture
async def listener(broker: Mosquitto) -> AsyncIterator[Listener]:
    listener = Listener(broker.port, "city/#")
    await listener.ready()
    yield listener
    listener.close()


def address(port: int, **changes: str) -> DataAddress:
    told = {"topic": TOPIC, "username": USER, "password": PASSWORD, **changes}
    return DataAddress(endpoint_type="MQTT", endpoint=f"mqtt://localhost:{port}", properties=told)


async def knows(listener: Listener, **powers: int) -> None:
    wanted = {f"urn:ngsi-ld:Lamp:{name[1:]}": value for name, value in powers.items()}

    async def same() -> bool:
        return {k: e["power"]["value"] for k, e in listener.state().items()} == wanted

    await until(same, f"{wanted} at the listener")


async def refused(cities: Cities, agreement: str, where: DataAddress, reason: str) -> None:
    """Ask for a transfer and wait until its push says that it does not go on, and why."""
    _, theirs = await cities.ask_for(agreement, NAME, where)

    async def told() -> bool:
        return reason in ((await cities.flow(theirs)).progress.error or "")

    await until(told, reason)

    async def over() -> bool:
        return not cities.provider.pushing.pushes.running(theirs)

    await until(over, "the push to end")
    transfer = await cities.provider.exchange.transfer(theirs)
    assert str(transfer.state) == "STARTED", "an error changes no state"


async def test_changes_come_as_notifications(
    cities: Cities, broker: Mosquitto, listener: Listener
) -> None:
    await cities.write(lamp(1, power=1), lamp(2, power=2))
    agreement = await cities.agree(await cities.publish())
    mine, theirs = await cities.ask_for(agreement, NAME, address(broker.port))
    await knows(listener, n1=1, n2=2)
    await cities.write(lamp(2, power=20))
    await cities.provider.broker.delete(["urn:ngsi-ld:Lamp:1"])
    await knows(listener, n2=20)
    message = json.loads(listener.payloads[0])
    assert message["metadata"]["Content-Type"] == "application/json"
    assert "json-ld#context" in message["metadata"]["Link"]
    assert message["body"]["type"] == "Notification"
    assert message["body"]["subscriptionId"] == theirs
    assert listener.kinds[0] == "application/json"

    async def counted() -> bool:
        progress = (await cities.flow(theirs)).progress
        return (progress.items, progress.error) == (4, None)

    await until(counted, "four entities counted")
    assert mine != theirs


@pytest.mark.parametrize("side", ["consumer", "provider"])
async def test_suspended_by_either_side_and_resumed(
    cities: Cities, broker: Mosquitto, listener: Listener, side: str
) -> None:
    await cities.write(lamp(1, power=1))
    agreement = await cities.agree(await cities.publish())
    mine, theirs = await cities.ask_for(agreement, NAME, address(broker.port))
    await knows(listener, n1=1)
    by, own = (cities.consumer, mine) if side == "consumer" else (cities.provider, theirs)
    await by.exchange.suspend_transfer(own, "a break")
    for transfer in (mine, theirs):
        await cities.state(transfer, "SUSPENDED")
    came = len(listener.payloads)
    await cities.write(lamp(2, power=2))
    assert not cities.provider.pushing.pushes.running(theirs)
    assert len(listener.payloads) == came
    await by.exchange.resume_transfer(own)
    await knows(listener, n1=1, n2=2)
    await by.exchange.terminate_transfer(own, "enough")
    for transfer in (mine, theirs):
        await cities.state(transfer, "TERMINATED")
    assert not cities.provider.pushing.pushes.running(theirs)


async def test_a_restart_of_the_broker_in_the_middle_loses_nothing(
    cities: Cities, broker: Mosquitto, listener: Listener
) -> None:
    agreement = await cities.agree(await cities.publish())
    _, theirs = await cities.ask_for(agreement, NAME, address(broker.port))

    async def write_all() -> None:
        for n in range(60):
            await cities.write(lamp(n, power=n))
            await asyncio.sleep(0.005)

    writing = asyncio.create_task(write_all())

    async def some() -> bool:
        return len(listener.state()) > 10

    await until(some, "the first ten")
    broker.stop()
    await writing

    async def noticed() -> bool:
        return (await cities.flow(theirs)).progress.error is not None

    await until(noticed, "the failure")
    await broker.start()
    await knows(listener, **{f"n{n}": n for n in range(60)})

    async def well() -> bool:
        return (await cities.flow(theirs)).progress.error is None

    await until(well, "the error to be gone")


async def test_it_goes_on_after_the_node_restarted(
    cities: Cities, broker: Mosquitto, listener: Listener
) -> None:
    await cities.write(lamp(1, power=1))
    agreement = await cities.agree(await cities.publish())
    _, theirs = await cities.ask_for(agreement, NAME, address(broker.port))
    await knows(listener, n1=1)

    async def noted() -> bool:
        return (await cities.flow(theirs)).progress.items == 1

    await until(noted, "the first to be noted as delivered")
    await cities.restart()
    await cities.write(lamp(2, power=2))
    await knows(listener, n1=1, n2=2)
    first = json.loads(listener.payloads[-1])["body"]["data"]
    assert [entity["id"] for entity in first] == ["urn:ngsi-ld:Lamp:2"], "not all over again"


async def test_a_wrong_password_and_a_forbidden_topic_are_told(
    cities: Cities, broker: Mosquitto
) -> None:
    await cities.write(lamp(1, power=1))
    dataset = await cities.publish()
    wrong = address(broker.port, password="wrong")
    await refused(cities, await cities.agree(dataset), wrong, "refused the connection")
    elsewhere = address(broker.port, topic="other/lamps")
    await refused(cities, await cities.agree(dataset), elsewhere, "refused the message")


async def test_without_an_address_it_is_said_that_one_is_needed(cities: Cities) -> None:
    agreement = await cities.agree(await cities.publish())
    transfer = await cities.consumer.exchange.request_transfer(agreement, NAME)

    async def ended() -> bool:
        now = await cities.consumer.exchange.transfer(transfer.id)
        return str(now.state) == "TERMINATED" or now.error is not None

    await until(ended, "the reason")
    now = await cities.consumer.exchange.transfer(transfer.id)
    assert "needs a data address" in f"{now.error} {now.reason}", now


async def test_an_address_that_cannot_be_used_is_refused_at_once(cities: Cities) -> None:
    agreement = await cities.agree(await cities.publish())
    for changes, field in (({"topic": "city/#"}, "topic"), ({"qos": "7"}, "qos")):
        with pytest.raises(HansaError) as caught:
            await cities.consumer.exchange.request_transfer(
                agreement, NAME, address=address(1883, **changes)
            )
        assert caught.value.facts["field"] == field
