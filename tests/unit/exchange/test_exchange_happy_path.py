"""The road from a request to data, with real reconcilers."""

from __future__ import annotations

from exchange_world import DATASET, OFFER, World, until


async def test_a_negotiation_ends_finalized_with_the_same_agreement_on_both_sides(
    running: World,
) -> None:
    consumer, provider = running.consumer.exchange, running.provider.exchange
    began = await consumer.negotiate(running.provider.did, DATASET, OFFER)
    assert (began.state, began.pending and began.pending.message) == (
        "START", "ContractRequestMessage",
    )  # fmt: skip

    async def final() -> bool:
        mine = await consumer.negotiation(began.id)
        theirs = await provider.negotiations()
        return (
            mine.state == "FINALIZED" and bool(theirs) and theirs[0].state == "FINALIZED"
            and theirs[0].pending is None
        )  # fmt: skip

    await until(final)
    (ours,) = await consumer.agreements()
    (theirs,) = await provider.agreements()
    assert ours.id == theirs.id
    assert ours.policy == theirs.policy
    assert (ours.role, theirs.role) == ("consumer", "provider")
    assert ours.assigner == running.provider.did
    assert ours.assignee == running.consumer.did
    assert ours.policy["permission"] == OFFER["permission"]
    log = [(entry.direction, entry.type) for entry in await consumer.messages(began.id)]
    assert log == [
        ("sent", "ContractRequestMessage"),
        ("received", "ContractAgreementMessage"),
        ("sent", "ContractAgreementVerificationMessage"),
        ("received", "ContractNegotiationEventMessage"),
    ]
    for side in running.sides:
        await until(lambda side=side: _empty(side))


async def _empty(side: object) -> bool:
    return not await side.actions()  # type: ignore[attr-defined]


async def test_a_transfer_brings_the_address_and_a_termination_cuts_it(running: World) -> None:
    consumer, provider = running.consumer.exchange, running.provider.exchange
    began = await consumer.negotiate(running.provider.did, DATASET, OFFER)

    async def signed() -> bool:
        return bool(await consumer.agreements())

    await until(signed)
    (agreement,) = await consumer.agreements()
    asked = await consumer.request_transfer(agreement.id)

    async def started() -> bool:
        theirs = await provider.transfers()
        return bool(theirs) and theirs[0].live and (await consumer.transfer(asked.id)).live

    await until(started)
    assert running.consumer.plane.addresses[asked.id].properties["authorization"] == "token-1"
    (theirs,) = await provider.transfers()
    assert running.provider.plane.open == {theirs.id: "token-1"}
    assert (await provider.negotiations())[0].state == "FINALIZED"

    seen: list[bool] = []
    provider.on_transfer_changed(lambda transfer: seen.append(transfer.live))
    ended: list[str] = []
    provider.on_agreement_ended(lambda item: ended.append(item.id))
    await provider.end_agreement(agreement.id, "The pilot is over.")
    assert running.provider.plane.open == {}
    assert set(seen) == {False}  # the acknowledgement may be noted by now, too
    assert ended == [agreement.id]

    async def over() -> bool:
        ended = (await consumer.transfer(asked.id)).state == "TERMINATED"
        return ended and not running.consumer.plane.addresses  # cut right after the commit

    await until(over)
    mine = await consumer.transfer(asked.id)
    assert (mine.code, mine.reason) == ("agreement_ended", ("The pilot is over.",))
    (ours,) = await consumer.agreements()
    assert (ours.state, ours.ended_by) == ("ended", running.provider.did)
    assert began.id != asked.id
