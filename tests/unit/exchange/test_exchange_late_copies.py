"""Copies of messages that come late, and things that happen in between."""

from __future__ import annotations

from typing import Any

from exchange_world import World
from hansa.exchange import DataAddress, TransferProcess


def _record(world: World) -> list[tuple[str, str, bytes]]:
    mail: list[tuple[str, str, bytes]] = []
    world.wire.fault = lambda host, path, body: mail.append((host, path, body))
    return mail


async def _again(world: World, mail: tuple[str, str, bytes]) -> tuple[int, Any]:
    host, path, body = mail
    side = world.consumer if host == "consumer" else world.provider
    return await world.post(side, path.split("2025-1", 1)[1], body)


async def test_a_late_copy_of_a_suspension_does_not_suspend_again(world: World) -> None:
    mail = _record(world)
    mine, _ = await world.transferring()
    await world.consumer.exchange.suspend_transfer(mine, "Pause.")
    await world.settle()
    (suspension,) = [item for item in mail if item[1].endswith("/suspension")]
    await world.consumer.exchange.resume_transfer(mine)
    await world.settle()
    status, process = await _again(world, suspension)
    assert (status, process["state"]) == (200, "STARTED")
    assert await world.transfer_states() == ("STARTED", "STARTED")
    assert world.provider.plane.open


async def test_a_late_copy_of_a_start_does_not_bring_back_the_old_token(world: World) -> None:
    mail = _record(world)
    mine, _ = await world.transferring()
    (start,) = [item for item in mail if item[1].endswith("/start")]
    await world.consumer.exchange.suspend_transfer(mine, "Pause.")
    await world.settle()
    await world.consumer.exchange.resume_transfer(mine)
    await world.settle()
    new = world.consumer.plane.addresses[mine]
    assert new.properties["authorization"] != "token-1"
    status, process = await _again(world, start)
    assert (status, process["state"]) == (200, "STARTED")
    assert world.consumer.plane.addresses[mine] == new


async def test_each_try_of_a_start_sends_the_same_token(world: World) -> None:
    agreement = await world.negotiated()
    lost: list[str] = []

    def lose(host: str, path: str, body: bytes) -> str | None:
        if path.endswith("/start") and len(lost) < 3:
            lost.append(path)
            return "lose-answer"
        return None

    world.wire.fault = lose
    await world.consumer.exchange.request_transfer(agreement)
    await world.settle()
    assert len(lost) == 3
    assert world.provider.plane.starts == 1
    assert await world.transfer_states() == ("STARTED", "STARTED")


async def test_a_stop_that_is_worked_while_we_resume_does_not_cut(world: World) -> None:
    _, theirs = await world.transferring()
    await world.provider.exchange.suspend_transfer(theirs, "Pause.")
    (late,) = [action for action in await world.provider.actions() if action.name == "stop"]
    for action in await world.provider.actions():
        if action.name == "send":
            await world.provider.work(action)
    await world.provider.exchange.resume_transfer(theirs)
    world.cut("/start")
    for action in await world.provider.actions():
        if action.name == "send":
            await world.provider.work(action)
    assert theirs in world.provider.plane.open
    await world.provider.work(late)
    assert theirs in world.provider.plane.open
    world.heal()
    await world.settle()
    assert await world.transfer_states() == ("STARTED", "STARTED")
    assert theirs in world.provider.plane.open


async def test_an_address_is_not_kept_when_the_transfer_ends_meanwhile(world: World) -> None:
    agreement = await world.negotiated()
    plane = world.consumer.plane
    keep = plane.received

    async def end_first(transfer: TransferProcess, address: DataAddress) -> None:
        await world.consumer.exchange.terminate_transfer(transfer.id, "Stop.")
        for action in await world.consumer.actions():
            if action.name == "stop":
                await world.consumer.work(action)
        await keep(transfer, address)

    plane.received = end_first  # type: ignore[method-assign]
    await world.consumer.exchange.request_transfer(agreement)
    await world.consumer.work_all()
    await world.provider.work_all()
    assert plane.addresses == {}
    await world.settle()
    assert await world.transfer_states() == ("TERMINATED", "TERMINATED")
    assert plane.addresses == {}
    assert world.provider.plane.open == {}


async def test_messages_without_an_id_are_judged_by_the_state(world: World) -> None:
    mine, theirs = await world.transferring()
    pids = {"consumerPid": mine, "providerPid": theirs}
    context = ["https://w3id.org/dspace/2025/1/context.jsonld"]
    body = {"@context": context, "@type": "TransferSuspensionMessage", **pids, "@id": mine}
    for _ in range(2):  # the process's own id is not the id of a message
        status, process = await world.post(world.provider, f"/transfers/{theirs}/suspension", body)
        assert (status, process["state"]) == (200, "SUSPENDED")
        start = {"@context": context, "@type": "TransferStartMessage", **pids}
        status, process = await world.post(world.provider, f"/transfers/{theirs}/start", start)
        assert (status, process["state"]) == (200, "STARTED")
        await world.steps(2)
