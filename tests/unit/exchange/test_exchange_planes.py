"""What the exchange and the data plane tell each other, for pushes above all."""

from __future__ import annotations

from typing import Any

import pytest

from exchange_world import DATASET, Side, World, message
from hansa.exchange import DataAddress, Opened, Role, TransferProcess
from hansa.kernel import Code, HansaError

PUSH = "HttpData-PUSH"
SECRET = "s3cr3t-of-the-consumer"
PLACE = DataAddress(
    endpoint_type="https://w3id.org/idsa/v4.1/HTTP",
    endpoint=f"https://user:{SECRET}@in.example/box?sig={SECRET}",
    properties={"authorization": SECRET, "authType": "bearer"},
)


async def pushing(world: World, address: DataAddress | None = PLACE) -> tuple[str, str]:
    """Start a push by hand; give the consumer's and the provider's pid."""
    agreement = await world.negotiated()
    began = await world.consumer.exchange.request_transfer(agreement, PUSH, address=address)
    await world.settle()
    running = await world.consumer.exchange.transfer(began.id)
    assert running.state == "STARTED", running
    assert running.provider_pid is not None
    return running.id, running.provider_pid


def _record(world: World) -> list[tuple[str, bytes]]:
    mail: list[tuple[str, bytes]] = []
    world.wire.fault = lambda host, path, body: mail.append((path, body))
    return mail


async def test_a_push_sends_its_address_in_the_request_and_none_in_the_start(
    world: World,
) -> None:
    mail = _record(world)
    mine, theirs = await pushing(world)
    bodies = {path.rsplit("/", 1)[1]: body for path, body in mail if "/transfers/" in path}
    assert b'"dataAddress"' in bodies["request"]
    assert b'"dataAddress"' not in bodies["start"]
    assert world.provider.plane.destinations[theirs] == PLACE
    assert world.provider.plane.open == {theirs: PLACE.endpoint}
    assert world.consumer.plane.addresses == {mine: PLACE}


async def test_a_push_without_a_wish_goes_where_the_data_plane_says(world: World) -> None:
    mine, theirs = await pushing(world, None)
    assert world.provider.plane.destinations[theirs].endpoint == f"http://in/{mine}"


async def test_the_exchange_keeps_no_secret_of_an_address(world: World) -> None:
    mine, theirs = await pushing(world)
    await world.consumer.exchange.suspend_transfer(mine, "Pause.")
    await world.settle()
    await world.consumer.exchange.resume_transfer(mine)
    await world.settle()
    log = await world.provider.exchange.messages(theirs)
    assert any("dataAddress" in entry.body for entry in log)
    for side in world.sides:
        kept = b"".join(path.read_bytes() for path in side.path.parent.glob(f"{side.name}.db*"))
        assert mine.encode() in kept
        assert SECRET.encode() not in kept


async def test_a_push_that_the_consumer_resumes_has_one_start_with_the_address(
    world: World,
) -> None:
    mine, theirs = await pushing(world)
    await world.consumer.exchange.suspend_transfer(mine, "Pause.")
    await world.settle()
    assert world.provider.plane.open == {}
    world.consumer.plane.inboxes[mine] = moved = DataAddress(
        endpoint_type="urn:inbox", endpoint="http://in/2"
    )
    mail = _record(world)
    await world.consumer.exchange.resume_transfer(mine)
    await world.settle()
    starts = [path for path, _ in mail if path.endswith("/start")]
    assert starts == [f"/provider/dsp/2025-1/transfers/{theirs}/start"]
    assert world.provider.plane.destinations[theirs] == moved
    assert world.provider.plane.open == {theirs: "http://in/2"}
    assert await world.transfer_states() == ("STARTED", "STARTED")


async def test_a_push_that_the_provider_resumes_goes_on_to_the_same_address(
    world: World,
) -> None:
    mine, theirs = await pushing(world)
    await world.provider.exchange.suspend_transfer(theirs, "Pause.")
    await world.settle()
    await world.provider.exchange.resume_transfer(theirs)
    await world.settle()
    assert world.provider.plane.open == {theirs: PLACE.endpoint}
    assert world.consumer.plane.addresses == {mine: PLACE}


async def test_a_consumer_may_answer_a_resumption_with_a_new_address(world: World) -> None:
    mine, theirs = await pushing(world)
    body = message(
        "TransferStartMessage", consumerPid=mine, providerPid=theirs, **{
            "@id": "urn:uuid:again",
            "dataAddress": {"@type": "DataAddress", "endpointType": "x", "endpoint": "http://2"},
        },
    )  # fmt: skip
    status, process = await world.post(world.provider, f"/transfers/{theirs}/start", body)
    assert (status, process["state"]) == (200, "STARTED")
    await world.settle()
    assert world.provider.plane.open == {theirs: "http://2"}
    del body["dataAddress"]
    body["@id"] = "urn:uuid:third"
    pulled, other = await world.transferring()
    body |= {"consumerPid": pulled, "providerPid": other}
    status, error = await world.post(world.provider, f"/transfers/{other}/start", body)
    assert (status, error["code"]) == (400, "illegal_state")


def _request(world: World, agreement: str, **members: Any) -> dict[str, Any]:
    return message(
        "TransferRequestMessage", consumerPid="urn:uuid:t1", agreementId=agreement,
        callbackAddress=world.consumer.base, **{"format": PUSH, **members},
    )  # fmt: skip


async def test_a_push_without_an_address_is_refused(world: World) -> None:
    agreement = await world.negotiated()
    status, error = await world.post(
        world.provider, "/transfers/request", _request(world, agreement)
    )
    assert (status, error["@type"], error["code"]) == (400, "TransferError", "invalid_field")
    assert "address" in error["reason"][0]
    assert not await world.provider.exchange.transfers()


async def test_a_pull_has_no_address_of_the_consumer(world: World) -> None:
    agreement = await world.negotiated()
    with pytest.raises(HansaError) as caught:
        await world.consumer.exchange.request_transfer(agreement, address=PLACE)
    assert caught.value.facts["field"] == "dataAddress"
    with pytest.raises(HansaError) as caught:
        await world.consumer.exchange.request_transfer(agreement, "S3-PUSH")
    assert caught.value.facts["field"] == "format"
    assert not await world.consumer.exchange.transfers()


async def test_an_address_that_the_data_plane_refuses_begins_nothing(world: World) -> None:
    agreement = await world.negotiated()
    world.consumer.plane.refuse = HansaError(Code.invalid_field, "Not there.", field="dataAddress")
    with pytest.raises(HansaError) as caught:
        await world.consumer.exchange.request_transfer(agreement, PUSH, address=PLACE)
    assert caught.value.facts["field"] == "dataAddress"
    assert not await world.consumer.exchange.transfers()


async def test_what_cannot_be_prepared_ends_before_it_begins(world: World) -> None:
    agreement = await world.negotiated()
    asked = await world.consumer.exchange.request_transfer(agreement, PUSH)
    world.consumer.plane.refuse = HansaError(Code.policy_denied, "No room left.")
    await world.settle()
    mine = await world.consumer.exchange.transfer(asked.id)
    assert (mine.state, mine.code) == ("TERMINATED", "policy_denied")
    assert not await world.provider.exchange.transfers()


async def test_a_copy_that_loses_the_race_leaves_no_address_behind(world: World) -> None:
    agreement = await world.negotiated()
    side = world.provider
    keep = side.plane.requested

    async def twice(transfer: TransferProcess, address: DataAddress) -> None:
        side.plane.requested = keep  # type: ignore[method-assign]
        await world.post(side, "/transfers/request", body)
        await keep(transfer, address)

    side.plane.requested = twice  # type: ignore[method-assign]
    body = _request(world, agreement, dataAddress={"endpointType": "x", "endpoint": "http://1"})
    status, process = await world.post(side, "/transfers/request", body)
    assert status == 201
    (theirs,) = await side.exchange.transfers()
    assert process["providerPid"] == theirs.id
    assert set(side.plane.destinations) - set(side.plane.stops) == {theirs.id}


@pytest.mark.parametrize("who", ["consumer", "provider"])
async def test_a_data_plane_that_is_not_ready_says_when_it_is(world: World, who: str) -> None:
    agreement = await world.negotiated()
    side = world.consumer if who == "consumer" else world.provider
    side.plane.ready = False
    asked = await world.consumer.exchange.request_transfer(agreement)
    await world.steps(3)
    state = "START" if who == "consumer" else "REQUESTED"
    assert (await world.consumer.exchange.transfer(asked.id)).state == state
    (process,) = await side.exchange.transfers()
    delivery = await side.exchange.delivery_of(process.id)
    assert delivery is not None
    assert delivery.due is not None
    assert "not ready" in str(delivery.error)
    side.plane.ready = True
    await side.exchange.plane_ready(process.id)
    sooner = await side.exchange.delivery_of(process.id)
    assert sooner is not None
    assert sooner.due is not None
    assert sooner.due < delivery.due
    await world.settle()
    assert await world.transfer_states() == ("STARTED", "STARTED")


async def test_a_data_plane_may_be_ready_before_we_wait_for_it(world: World) -> None:
    agreement = await world.negotiated()
    side = world.provider
    start = side.plane.start

    async def soon(transfer: TransferProcess, agreement: Any) -> Opened:
        side.plane.start = start  # type: ignore[method-assign]
        await side.exchange.plane_ready(transfer.id)
        return Opened(ready=False)

    side.plane.start = soon  # type: ignore[method-assign]
    await world.consumer.exchange.request_transfer(agreement)
    await world.consumer.work_all()
    await side.work_all()
    (action,) = await side.actions()
    assert action.due is not None
    assert action.due <= side.exchange.clock.now()
    await world.settle()
    assert await world.transfer_states() == ("STARTED", "STARTED")


@pytest.mark.parametrize("who", ["consumer", "provider"])
async def test_what_was_moved_is_completed(world: World, who: str) -> None:
    mine, theirs = await world.transferring()
    side, pid = (world.consumer, mine) if who == "consumer" else (world.provider, theirs)
    for _ in range(2):
        await side.exchange.plane_completed(pid)
    await world.settle()
    assert await world.transfer_states() == ("COMPLETED", "COMPLETED")
    log = [entry.type for entry in await side.exchange.messages(pid)]
    assert log.count("TransferCompletionMessage") == 1


async def test_a_push_that_is_done_before_its_start_was_acknowledged(world: World) -> None:
    agreement = await world.negotiated()
    side = world.provider
    start = side.plane.start

    async def fast(transfer: TransferProcess, agreement: Any) -> Opened:
        opened = await start(transfer, agreement)
        await side.exchange.plane_completed(transfer.id)
        return opened

    side.plane.start = fast  # type: ignore[method-assign]
    await world.consumer.exchange.request_transfer(agreement, PUSH)
    await world.settle()
    assert await world.transfer_states() == ("COMPLETED", "COMPLETED")


async def test_what_was_moved_while_suspended_is_completed_when_it_goes_on(world: World) -> None:
    mine, theirs = await world.transferring()
    await world.consumer.exchange.suspend_transfer(mine, "Pause.")
    await world.settle()
    await world.provider.exchange.plane_completed(theirs)
    await world.settle()
    assert await world.transfer_states() == ("SUSPENDED", "SUSPENDED")
    await world.consumer.exchange.resume_transfer(mine)
    await world.settle()
    assert await world.transfer_states() == ("COMPLETED", "COMPLETED")


async def test_an_error_of_the_data_plane_is_shown_and_changes_no_state(world: World) -> None:
    mine, theirs = await world.transferring()
    await world.provider.exchange.plane_errored(theirs, "The disk is full.")
    await world.settle()
    process = await world.provider.exchange.transfer(theirs)
    assert (process.state, process.error) == ("STARTED", "The disk is full.")
    assert world.provider.asked[-1].error == "The disk is full."
    await world.consumer.exchange.terminate_transfer(mine, "Stop.")
    await world.settle()
    await world.provider.exchange.plane_errored(theirs, "Late.")
    assert (await world.provider.exchange.transfer(theirs)).error is None
    for job in (world.provider.exchange.plane_errored, world.provider.exchange.plane_ready):
        with pytest.raises(HansaError) as caught:
            await job(*("urn:none", "x")[: 2 if "error" in job.__name__ else 1])
        assert caught.value.code is Code.not_found


async def test_a_resumed_push_that_cannot_start_is_terminated(world: World) -> None:
    mine, theirs = await pushing(world)
    await world.consumer.exchange.suspend_transfer(mine, "Pause.")
    await world.settle()
    world.provider.plane.refuse = HansaError(Code.policy_denied, "The year is over.")
    await world.consumer.exchange.resume_transfer(mine)
    await world.settle()
    ended = await world.consumer.exchange.transfer(mine)
    assert (ended.state, ended.code) == ("TERMINATED", "policy_denied")
    assert theirs not in world.provider.plane.open


@pytest.mark.parametrize("format", ["HttpData-PULL", PUSH])
async def test_a_crash_between_start_and_acknowledgement_loses_no_address(
    world: World, format: str
) -> None:
    agreement = await world.negotiated()
    world.wire.fault = lambda host, path, body: "lose-answer" if path.endswith("/start") else None
    began = await world.consumer.exchange.request_transfer(agreement, format)
    await world.steps(2)
    assert await world.transfer_states() == ("STARTED", "REQUESTED")
    for side in world.sides:
        await side.crash()
    world.heal()
    await world.settle()
    assert await world.transfer_states() == ("STARTED", "STARTED")
    (theirs,) = await world.provider.exchange.transfers()
    address = world.consumer.plane.addresses[began.id]
    secret = address.endpoint if format == PUSH else address.properties["authorization"]
    assert world.provider.plane.open == {theirs.id: secret}


async def test_a_crash_between_the_address_and_the_commit_is_made_good(world: World) -> None:
    """The address was kept, the state was not: the start comes again."""
    agreement = await world.negotiated()
    side = world.consumer
    keep = side.plane.received

    async def die(transfer: TransferProcess, address: DataAddress | None) -> None:
        await keep(transfer, address)
        raise HansaError(Code.unavailable, "The process dies here.")

    side.plane.received = die  # type: ignore[method-assign]
    began = await side.exchange.request_transfer(agreement)
    await world.steps(2)
    assert (await side.exchange.transfer(began.id)).state == "REQUESTED"
    side.plane.received = keep  # type: ignore[method-assign]
    await side.crash()
    await world.settle()
    (theirs,) = await world.provider.exchange.transfers()
    token = side.plane.addresses[began.id].properties["authorization"]
    assert world.provider.plane.open == {theirs.id: token}


async def test_a_repeated_request_of_a_running_transfer_sends_the_start_again(
    world: World,
) -> None:
    mine, theirs = await world.transferring()
    body = _request(world, "", format="HttpData-PULL")
    transfer = await world.provider.exchange.transfer(theirs)
    body |= {"consumerPid": mine, "agreementId": transfer.agreement_id}
    status, process = await world.post(world.provider, "/transfers/request", body)
    assert (status, process["state"], process["providerPid"]) == (201, "STARTED", theirs)
    mail = _record(world)
    await world.settle()
    assert [path.rsplit("/", 1)[1] for path, _ in mail] == ["start"]
    assert await world.transfer_states() == ("STARTED", "STARTED")
    token = world.consumer.plane.addresses[mine].properties["authorization"]
    assert world.provider.plane.open[theirs] == token
    assert await _roles(world.sides) == [Role.consumer, Role.provider]


async def _roles(sides: tuple[Side, Side]) -> list[Role]:
    found = [await side.exchange.transfers() for side in sides]
    return [item.role for (item,) in found]


async def test_the_dataset_is_that_of_the_agreement(world: World) -> None:
    _, theirs = await pushing(world)
    assert (await world.provider.exchange.transfer(theirs)).dataset_id == DATASET
