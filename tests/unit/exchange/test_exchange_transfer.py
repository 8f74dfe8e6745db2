"""Transfers message by message, both sides worked by hand."""

from __future__ import annotations

import msgspec
import pytest

from exchange_world import DATASET, OFFER, Side, World, message
from hansa.exchange import (
    TRANSFERS,
    Agreement,
    DataAddress,
    TransferProcess,
    left_out,
    model,
)
from hansa.exchange.service import work
from hansa.kernel import Code, HansaError


def _sides(world: World, who: str) -> tuple[Side, Side]:
    return world.sides if who == "consumer" else (world.provider, world.consumer)


async def _pid(side: Side) -> str:
    (process,) = await side.exchange.transfers(limit=1)
    return process.id


@pytest.mark.parametrize("who", ["consumer", "provider"])
@pytest.mark.parametrize("state", ["REQUESTED", "STARTED", "SUSPENDED"])
async def test_either_side_terminates_in_every_state(world: World, state: str, who: str) -> None:
    if state == "REQUESTED":
        agreement = await world.negotiated()
        world.cut("/start")
        await world.consumer.exchange.request_transfer(agreement)
        await world.steps()
        assert await world.transfer_states() == ("REQUESTED", "REQUESTED")
    else:
        mine, _ = await world.transferring()
        if state == "SUSPENDED":
            await world.consumer.exchange.suspend_transfer(mine, "Pause.")
            await world.settle()
    side, _ = _sides(world, who)
    await side.exchange.terminate_transfer(await _pid(side), "Enough.", code="enough")
    assert side.plane.open == side.plane.addresses == {}
    world.heal()
    await world.settle()
    assert await world.transfer_states() == ("TERMINATED", "TERMINATED")
    for each in world.sides:
        (process,) = await each.exchange.transfers()
        assert (process.code, process.reason, process.pending) == ("enough", ("Enough.",), None)
        assert each.plane.open == each.plane.addresses == {}


@pytest.mark.parametrize("who", ["consumer", "provider"])
async def test_either_side_completes(world: World, who: str) -> None:
    await world.transferring()
    side, _ = _sides(world, who)
    await side.exchange.complete_transfer(await _pid(side))
    assert side.plane.open == side.plane.addresses == {}
    await world.settle()
    assert await world.transfer_states() == ("COMPLETED", "COMPLETED")
    assert world.provider.plane.open == world.consumer.plane.addresses == {}


async def test_a_log_keeps_the_first_messages_and_the_last_however_long_it_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (model, work):
        monkeypatch.setattr(module, "LOG_FIRST", 3)
    monkeypatch.setattr(model, "LOG_LAST", 4)
    mine, theirs = await world.transferring()
    first = [await _types(side) for side in world.sides]
    for number in range(6):
        await world.consumer.exchange.suspend_transfer(mine, f"Pause {number}.")
        await world.settle()
        await world.consumer.exchange.resume_transfer(mine)
        await world.settle()
    assert await world.transfer_states() == ("STARTED", "STARTED")
    for side, pid, begun in zip(world.sides, (mine, theirs), first, strict=True):
        process = await side.exchange.transfer(pid)
        kept = await side.exchange.messages(pid)
        assert len(kept) == 7
        assert [one.type for one in kept][: len(begun)] == begun, "how it began"
        assert kept[-1].type == "TransferStartMessage"
        reasons = [str(one.body.get("reason", "")) for one in kept]
        assert "Pause 5." in reasons[-2] + reasons[-3] + reasons[-4]
        assert not any("Pause 3." in reason for reason in reasons), "left out"
        assert process.logged == len(begun) + 6 * 3
        assert left_out(process) == process.logged - 7


async def _types(side: Side) -> list[str]:
    return [one.type for one in await side.exchange.messages(await _pid(side))]


@pytest.mark.parametrize("who", ["consumer", "provider"])
async def test_who_suspended_resumes_and_a_pull_gets_a_new_address(world: World, who: str) -> None:
    mine, theirs = await world.transferring()
    side, other = _sides(world, who)
    await side.exchange.suspend_transfer(await _pid(side), "Maintenance.")
    await world.settle()
    assert await world.transfer_states() == ("SUSPENDED", "SUSPENDED")
    assert world.provider.plane.open == world.consumer.plane.addresses == {}
    with pytest.raises(HansaError) as caught:
        await other.exchange.resume_transfer(await _pid(other))
    assert caught.value.code is Code.conflict
    await side.exchange.resume_transfer(await _pid(side))
    await world.settle()
    assert await world.transfer_states() == ("STARTED", "STARTED")
    token = world.provider.plane.open[theirs]
    assert token != "token-1"
    assert world.consumer.plane.addresses[mine].properties["authorization"] == token
    for each in world.sides:
        (process,) = await each.exchange.transfers()
        assert process.live
        assert process.suspended_by is None


async def test_a_resumption_by_the_other_side_is_refused(world: World) -> None:
    mine, theirs = await world.transferring()
    await world.consumer.exchange.suspend_transfer(mine, "Pause.")
    await world.settle()
    body = message("TransferStartMessage", consumerPid=mine, providerPid=theirs)
    status, error = await world.post(world.consumer, f"/transfers/{mine}/start", body)
    assert (status, error["@type"], error["code"]) == (400, "TransferError", "illegal_state")
    assert await world.transfer_states() == ("SUSPENDED", "SUSPENDED")


@pytest.mark.parametrize(
    ("state", "side", "tail"),
    [
        ("REQUESTED", "provider", "completion"),
        ("REQUESTED", "provider", "suspension"),
        ("REQUESTED", "consumer", "completion"),
        ("REQUESTED", "consumer", "suspension"),
        ("SUSPENDED", "consumer", "completion"),
        ("SUSPENDED", "provider", "completion"),
        ("TERMINATED", "consumer", "start"),
        ("TERMINATED", "provider", "start"),
        ("TERMINATED", "consumer", "suspension"),
        ("TERMINATED", "provider", "completion"),
        ("COMPLETED", "consumer", "termination"),
        ("COMPLETED", "provider", "termination"),
    ],
)
async def test_a_message_out_of_order_is_refused_and_changes_nothing(
    world: World, state: str, side: str, tail: str
) -> None:
    if state == "REQUESTED":
        agreement = await world.negotiated()
        world.provider.plane.refuse = HansaError(Code.unavailable, "The plane is not ready.")
        await world.consumer.exchange.request_transfer(agreement)
        await world.steps()
        await world.provider.store.write(
            lambda tx: [tx.complete(action.id) for action in tx.actions()]
        )
        await _forget_pending(world.provider)
    else:
        mine, theirs = await world.transferring()
        act = {
            "SUSPENDED": world.consumer.exchange.suspend_transfer(mine, "x"),
            "TERMINATED": world.consumer.exchange.terminate_transfer(mine, "x"),
            "COMPLETED": world.consumer.exchange.complete_transfer(mine),
        }
        await act.pop(state)
        for unused in act.values():
            unused.close()
        await world.settle()
    mine, theirs = await _pid(world.consumer), await _pid(world.provider)
    before = await world.transfer_states()
    receiver = world.consumer if side == "consumer" else world.provider
    name = f"Transfer{tail.capitalize()}Message"
    body = message(name, consumerPid=mine, providerPid=theirs)
    pid = mine if side == "consumer" else theirs
    status, error = await world.post(receiver, f"/transfers/{pid}/{tail}", body)
    assert (status, error["code"]) == (400, "illegal_state")
    assert name in error["reason"][0]
    assert state in error["reason"][0]
    assert await world.transfer_states() == before


async def _forget_pending(side: Side) -> None:
    """Take away what is in flight: a provider that waits for a decision."""
    (process,) = await side.exchange.transfers()
    free = msgspec.structs.replace(process, pending=None)
    await side.store.write(lambda tx: tx.put(TRANSFERS, free))


async def test_a_repeated_request_gives_the_same_transfer(world: World) -> None:
    agreement = await world.negotiated()
    body = message(
        "TransferRequestMessage", consumerPid="urn:uuid:t1", agreementId=agreement,
        format="HttpData-PULL", callbackAddress=world.consumer.base,
    )  # fmt: skip
    first = await world.post(world.provider, "/transfers/request", body)
    second = await world.post(world.provider, "/transfers/request", body)
    assert first == second
    assert (first[0], first[1]["state"]) == (201, "REQUESTED")
    assert len(await world.provider.exchange.transfers()) == 1


async def test_only_the_assignee_may_ask_for_a_transfer(world: World) -> None:
    agreement = await world.negotiated()
    body = message(
        "TransferRequestMessage", consumerPid="urn:uuid:t1", agreementId=agreement,
        format="HttpData-PULL", callbackAddress="http://stranger/x",
    )  # fmt: skip
    stranger = f"did:web:stranger->{world.provider.did}"
    foreign = await world.post(world.provider, "/transfers/request", body, token=stranger)
    body["agreementId"] = "urn:uuid:none"
    unknown = await world.post(world.provider, "/transfers/request", body, token=stranger)
    assert foreign == unknown
    assert (foreign[0], foreign[1]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("member", "value", "code"),
    [("format", "S3-PUSH", "invalid_field"), ("callbackAddress", "ftp://x", "invalid_field")],
)
async def test_a_request_that_cannot_be_served_is_refused(
    world: World, member: str, value: str, code: str
) -> None:
    agreement = await world.negotiated()
    body = message(
        "TransferRequestMessage", consumerPid="urn:uuid:t1", agreementId=agreement,
        format="HttpData-PULL", callbackAddress=world.consumer.base,
    )  # fmt: skip
    status, error = await world.post(world.provider, "/transfers/request", {**body, member: value})
    assert (status, error["code"]) == (400, code)
    assert not await world.provider.exchange.transfers()


@pytest.mark.parametrize("who", ["consumer", "provider"])
async def test_ending_an_agreement_ends_its_transfers_and_allows_no_new_one(
    world: World, who: str
) -> None:
    await world.transferring()
    side, other = _sides(world, who)
    (agreement,) = await side.exchange.agreements()
    ended = await side.exchange.end_agreement(agreement.id, "The year is over.")
    assert (ended.state, ended.ended_by, ended.ended_reason) == (
        "ended", side.did, "The year is over.",
    )  # fmt: skip
    assert side.plane.open == side.plane.addresses == {}
    await world.settle()
    assert await world.transfer_states() == ("TERMINATED", "TERMINATED")
    (theirs,) = await other.exchange.agreements()
    assert (theirs.state, theirs.ended_by) == ("ended", side.did)
    with pytest.raises(HansaError) as caught:
        await world.consumer.exchange.request_transfer(agreement.id)
    assert caught.value.code is Code.agreement_ended
    body = message(
        "TransferRequestMessage", consumerPid="urn:uuid:t9", agreementId=agreement.id,
        format="HttpData-PULL", callbackAddress=world.consumer.base,
    )  # fmt: skip
    status, error = await world.post(world.provider, "/transfers/request", body)
    assert (status, error["code"]) == (400, "agreement_ended")


async def test_a_consumer_learns_from_the_refusal_that_the_agreement_has_ended(
    world: World,
) -> None:
    agreement = await world.negotiated()
    await world.provider.exchange.end_agreement(agreement, "Over.")
    await world.settle()
    assert (await world.consumer.exchange.agreement(agreement)).state == "active"
    asked = await world.consumer.exchange.request_transfer(agreement)
    await world.settle()
    assert (await world.consumer.exchange.transfer(asked.id)).code == "agreement_ended"
    assert (await world.consumer.exchange.agreement(agreement)).state == "ended"


async def test_a_plane_that_refuses_terminates_the_transfer_with_its_reason(world: World) -> None:
    agreement = await world.negotiated()
    world.provider.plane.refuse = HansaError(
        Code.policy_denied, "The period of use is over.", "It ended on 2025-12-31."
    )
    asked = await world.consumer.exchange.request_transfer(agreement)
    await world.settle()
    mine = await world.consumer.exchange.transfer(asked.id)
    assert (mine.state, mine.code) == ("TERMINATED", "policy_denied")
    assert mine.reason == ("The period of use is over. It ended on 2025-12-31.",)


async def test_a_repeated_start_brings_a_newer_address(world: World) -> None:
    mine, theirs = await world.transferring()
    body = message(
        "TransferStartMessage", consumerPid=mine, providerPid=theirs,
        dataAddress={
            "@type": "DataAddress", "endpointType": "https://w3id.org/idsa/v4.1/HTTP",
            "endpoint": "http://provider/data", "endpointProperties": [
                {"@type": "EndpointProperty", "name": "authorization", "value": "token-9"}],
        },
    )  # fmt: skip
    status, process = await world.post(world.consumer, f"/transfers/{mine}/start", body)
    assert (status, process["state"]) == (200, "STARTED")
    assert world.consumer.plane.addresses[mine].properties["authorization"] == "token-9"
    stranger = f"did:web:stranger->{world.consumer.did}"
    body["dataAddress"]["endpoint"] = "http://evil/"
    status, _ = await world.post(world.consumer, f"/transfers/{mine}/start", body, token=stranger)
    assert status == 404
    address: DataAddress = world.consumer.plane.addresses[mine]
    assert address.endpoint == "http://provider/data"


async def test_no_token_is_kept_in_the_message_log(world: World) -> None:
    mine, theirs = await world.transferring()
    for side, pid in ((world.consumer, mine), (world.provider, theirs)):
        log = await side.exchange.messages(pid)
        assert [entry.type for entry in log] == ["TransferRequestMessage", "TransferStartMessage"]
        assert "token-1" not in str(log)


async def test_a_transfer_request_acknowledges_the_finalization(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(host: str, path: str, body: bytes) -> str | None:
        return "lose-answer" if b"FINALIZED" in body else None

    world.wire.fault = lose
    await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
    await world.steps()
    assert await world.states() == ("FINALIZED", "VERIFIED")
    (agreement,) = await world.consumer.exchange.agreements()
    assert not await world.provider.exchange.agreements()
    known: list[str] = []

    async def check(transfer: TransferProcess, _: Agreement) -> None:
        known.append((await world.provider.exchange.agreement(transfer.agreement_id)).id)

    monkeypatch.setattr(world.provider.plane, "check", check)
    await world.consumer.exchange.request_transfer(agreement.id)
    await world.settle()
    assert await world.states() == ("FINALIZED", "FINALIZED")
    assert await world.transfer_states() == ("STARTED", "STARTED")
    assert known == [agreement.id]  # the data plane asks for the agreement by its id


@pytest.mark.parametrize(
    ("consumer", "provider", "result"),
    [
        ("terminate_transfer", "complete_transfer", "TERMINATED"),
        ("complete_transfer", "terminate_transfer", "TERMINATED"),
        ("complete_transfer", "suspend_transfer", "COMPLETED"),
        ("suspend_transfer", "complete_transfer", "COMPLETED"),
        ("terminate_transfer", "terminate_transfer", "TERMINATED"),
        ("complete_transfer", "complete_transfer", "COMPLETED"),
        ("suspend_transfer", "suspend_transfer", "SUSPENDED"),
        ("suspend_transfer", "terminate_transfer", "TERMINATED"),
    ],
)
async def test_messages_that_cross_lead_both_sides_to_the_same_end(
    world: World, consumer: str, provider: str, result: str
) -> None:
    mine, theirs = await world.transferring()
    for side, pid, name in (
        (world.consumer, mine, consumer),
        (world.provider, theirs, provider),
    ):
        arguments = () if name == "complete_transfer" else ("Because.",)
        await getattr(side.exchange, name)(pid, *arguments)
    await world.settle()
    assert await world.transfer_states() == (result, result)
    assert world.provider.plane.open == world.consumer.plane.addresses == {}
