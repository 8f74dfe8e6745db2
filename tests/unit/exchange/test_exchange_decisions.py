"""A decider is asked at every state, and what it says is done: at once, later, or by a person."""

from __future__ import annotations

from typing import Any

import pytest

from exchange_world import DATASET, OFFER, Side, World, message
from hansa.exchange import Decide, Role, Step
from hansa.kernel import Code, HansaError

COUNTER = {**OFFER, "@id": "urn:uuid:offer-2", "permission": [{"action": "read"}]}


def _asked(side: Side) -> list[tuple[str, str | None]]:
    return [(step.process.state.value, step.message) for step in side.asked]


async def test_it_is_asked_once_at_every_state_of_both_roles(world: World) -> None:
    await world.transferring()
    assert _asked(world.consumer) == [
        ("REQUESTED", None),
        ("AGREED", "ContractAgreementMessage"),
        ("VERIFIED", None),
        ("REQUESTED", None),
        ("STARTED", "TransferStartMessage"),
    ]
    assert _asked(world.provider) == [
        ("REQUESTED", "ContractRequestMessage"),
        ("AGREED", None),
        ("VERIFIED", "ContractAgreementVerificationMessage"),
        ("REQUESTED", "TransferRequestMessage"),
        ("STARTED", None),
    ]
    first = world.provider.asked[0]
    assert first.published is not None
    assert (first.published["@id"], first.altered) == (OFFER["@id"], False)


async def test_state_and_decision_are_committed_together(world: World) -> None:
    began = await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
    seen: list[tuple[str, str | None]] = []
    world.provider.exchange.on_change(lambda change: seen.append((change.state, change.pending)))
    await world.settle()
    assert seen[0] == ("REQUESTED", "ContractAgreementMessage")
    assert seen[2] == ("VERIFIED", "ContractNegotiationEventMessage:FINALIZED")
    assert (await world.consumer.exchange.negotiation(began.id)).state == "FINALIZED"


async def test_a_process_that_moves_while_it_is_asked_about_is_asked_about_again(
    world: World,
) -> None:
    side = world.provider
    began = await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
    asked: list[str] = []

    class Slow:
        async def decide(self, step: Step) -> Decide:
            asked.append(step.process.state.value)
            if asked == ["REQUESTED", "AGREED"]:  # our agreement is being acknowledged
                await side.exchange.terminate_negotiation(step.process.id, "Stop.")
            return Decide.follow()

    side.decider = Slow()
    await world.settle()
    assert asked == ["REQUESTED", "AGREED"]
    assert (await world.consumer.exchange.negotiation(began.id)).state == "TERMINATED"
    assert await world.states() == ("TERMINATED", "TERMINATED")


async def test_a_decision_about_another_step_is_not_carried_out(world: World) -> None:
    mine, theirs = await world.transferring()
    side = world.provider

    class Meddling:
        steps = 0

        async def decide(self, step: Step) -> Decide:
            self.steps += 1
            if self.steps == 1:  # it was asked about SUSPENDED; the transfer ends meanwhile
                assert step.process.state == "SUSPENDED"
                await side.exchange.terminate_transfer(theirs, "Stop.")
            return Decide("complete")

    side.decider = Meddling()
    await side.exchange.suspend_transfer(theirs, "Pause.")
    await world.settle()
    assert await world.transfer_states() == ("TERMINATED", "TERMINATED")
    assert mine


async def test_a_state_that_is_entered_anew_meanwhile_is_decided_anew(world: World) -> None:
    """A suspension is being decided about; meanwhile the transfer is suspended and resumed."""
    mine, theirs = await world.transferring()
    pids = {"consumerPid": mine, "providerPid": theirs}

    async def send(tail: str, name: str) -> None:
        body = message(f"Transfer{name}Message", **pids, **{"@id": f"urn:{tail}:{len(asked)}"})
        status, _ = await world.post(world.provider, f"/transfers/{theirs}/{tail}", body)
        assert status == 200

    asked: list[int] = []

    class Meddling:
        async def decide(self, step: Step) -> Decide:
            asked.append(step.process.entered["SUSPENDED"])
            if len(asked) > 1:
                return Decide.follow()
            await send("suspension", "Suspension")
            await send("start", "Start")
            await world.provider.work_all()
            return Decide.refuse("wrong", "This was decided about another suspension.")

    world.provider.decider = Meddling()
    await send("suspension", "Suspension")
    assert [asked[0], asked[-1]] == [1, 2]
    assert (await world.provider.exchange.transfer(theirs)).state == "SUSPENDED"
    assert (await world.provider.exchange.transfer(theirs)).pending is None


@pytest.mark.parametrize(
    ("who", "state", "decision", "result"),
    [
        ("provider", "REQUESTED", Decide.agree(), "FINALIZED"),
        ("provider", "REQUESTED", Decide.refuse("no", "No."), "TERMINATED"),
        ("provider", "REQUESTED", Decide.offer(COUNTER), "OFFERED"),
        ("provider", "REQUESTED", Decide("offer"), "OFFERED"),
        ("provider", "REQUESTED", Decide.wait(), "REQUESTED"),
        ("consumer", "REQUESTED", Decide.refuse("no", "No."), "TERMINATED"),
        ("consumer", "AGREED", Decide.refuse("no", "No."), "TERMINATED"),
        ("consumer", "AGREED", Decide.wait(), "AGREED"),
        ("consumer", "AGREED", Decide("verify"), "FINALIZED"),
        ("provider", "VERIFIED", Decide.refuse("no", "No."), "TERMINATED"),
        ("provider", "VERIFIED", Decide.wait(), "VERIFIED"),
        ("provider", "VERIFIED", Decide("finalize"), "FINALIZED"),
        ("provider", "AGREED", Decide.wait(), "FINALIZED"),
    ],
)
async def test_every_kind_of_decision_about_a_request(
    world: World, who: str, state: str, decision: Decide, result: str
) -> None:
    side = world.consumer if who == "consumer" else world.provider
    side.decisions[state] = decision
    began = await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
    await world.settle()
    assert await world.states() == (result, result)
    (process,) = await side.exchange.negotiations()
    ours = (who, state) in (
        ("provider", "REQUESTED"), ("consumer", "AGREED"), ("provider", "VERIFIED"),
    )  # fmt: skip
    assert process.waiting is (decision.kind == "wait" and ours)
    if decision.kind == "refuse":
        mine = await world.consumer.exchange.negotiation(began.id)
        assert (mine.code, mine.reason) == ("no", ("No.",))


@pytest.mark.parametrize(
    ("decision", "result"),
    [
        (Decide("accept"), "FINALIZED"),
        (Decide("request", terms=COUNTER), "REQUESTED"),
        (Decide.refuse("no", "No."), "TERMINATED"),
        (Decide.follow(), "OFFERED"),
    ],
)
async def test_every_kind_of_decision_about_an_offer(
    world: World, decision: Decide, result: str
) -> None:
    world.consumer.decisions["OFFERED"] = decision
    world.provider.decision = Decide.wait()
    made = await world.provider.exchange.offer(world.consumer.did, DATASET, OFFER)
    await world.settle()
    assert await world.states() == (result, result)
    (mine,) = await world.consumer.exchange.negotiations()
    assert mine.waiting is (decision.kind == "follow")
    theirs = await world.provider.exchange.negotiation(made.id)
    assert theirs.waiting is (decision.kind == "request")
    if decision.kind == "request":
        assert world.provider.asked[-1].altered


@pytest.mark.parametrize(
    ("who", "state", "decision", "result"),
    [
        ("provider", "REQUESTED", Decide.refuse("no", "No."), "TERMINATED"),
        ("consumer", "REQUESTED", Decide.refuse("no", "No."), "TERMINATED"),
        ("consumer", "STARTED", Decide("complete"), "COMPLETED"),
        ("provider", "STARTED", Decide("complete"), "COMPLETED"),
        ("provider", "STARTED", Decide("suspend"), "SUSPENDED"),
        ("consumer", "STARTED", Decide("suspend", "hold", "Hold on."), "SUSPENDED"),
        ("consumer", "STARTED", Decide.refuse("no", "No."), "TERMINATED"),
    ],
)
async def test_every_kind_of_decision_about_a_transfer(
    world: World, who: str, state: str, decision: Decide, result: str
) -> None:
    agreement = await world.negotiated()
    side = world.consumer if who == "consumer" else world.provider
    side.decisions[state] = decision
    await world.consumer.exchange.request_transfer(agreement)
    await world.settle()
    assert await world.transfer_states() == (result, result)


async def test_a_later_decision_leaves_the_state_as_it_is_until_then(world: World) -> None:
    agreement = await world.negotiated()
    world.provider.decisions["STARTED"] = Decide("suspend", after_s=3600.0)
    began = await world.consumer.exchange.request_transfer(agreement)
    for _ in range(3):
        for side in world.sides:
            for action in await side.actions():
                if action.name != "decide":
                    await side.work(action)
    (theirs,) = await world.provider.exchange.transfers()
    assert theirs.live
    assert theirs.pending is None
    (timer,) = await world.provider.actions()
    assert (timer.name, timer.attempts) == ("decide", 0)
    await world.provider.crash()
    await world.provider.work(timer)
    await world.settle()
    mine = await world.consumer.exchange.transfer(began.id)
    assert (mine.state, mine.code) == ("SUSPENDED", "suspended")


async def test_a_later_decision_is_dropped_when_the_process_moved_on(world: World) -> None:
    world.provider.decisions["REQUESTED"] = Decide("agree", after_s=3600.0)
    began = await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
    await world.consumer.work_all()
    (timer,) = await world.provider.actions()
    (theirs,) = await world.provider.exchange.negotiations()
    await world.provider.exchange.counter(theirs.id, COUNTER)
    for action in await world.provider.actions():
        if action.id != timer.id:
            await world.provider.work(action)
    await world.provider.work(timer)
    assert await world.states() == ("OFFERED", "OFFERED")
    assert not await world.provider.actions()
    assert (await world.provider.exchange.negotiation(theirs.id)).error is None
    assert began.id


async def test_a_person_decides_where_the_decider_waits(world: World) -> None:
    consumer, provider = world.consumer.exchange, world.provider.exchange
    world.provider.decisions = {name: Decide.wait() for name in ("REQUESTED", "VERIFIED")}
    world.consumer.decisions = {"AGREED": Decide.wait()}
    began = await consumer.negotiate(world.provider.did, DATASET, OFFER)
    await world.settle()
    (theirs,) = await provider.negotiations(waiting="yes")
    assert theirs.waiting
    await provider.agree(theirs.id)
    await world.settle()
    assert (await consumer.negotiation(began.id)).waiting
    assert not (await provider.negotiation(theirs.id)).waiting
    await consumer.verify(began.id)
    await world.settle()
    assert (await provider.negotiation(theirs.id)).waiting
    await provider.finalize(theirs.id)
    await world.settle()
    assert await world.states() == ("FINALIZED", "FINALIZED")
    (agreement,) = await consumer.agreements()
    asked = await consumer.request_transfer(agreement.id)
    await world.settle()
    (transfer,) = await provider.transfers(waiting="yes")
    assert (transfer.state, transfer.waiting) == ("REQUESTED", True)
    await provider.start_transfer(transfer.id)
    await world.settle()
    assert (await consumer.transfer(asked.id)).live
    for job in (provider.start_transfer(transfer.id), provider.finalize(theirs.id)):
        with pytest.raises(HansaError) as caught:
            await job
        assert caught.value.code is Code.illegal_state


async def test_what_cannot_be_done_is_left_to_the_operator(world: World) -> None:
    world.provider.decisions["REQUESTED"] = Decide("accept")
    await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
    await world.settle()
    (theirs,) = await world.provider.exchange.negotiations()
    assert (theirs.state, theirs.waiting) == ("REQUESTED", True)
    assert "accept" in str(theirs.error)


async def test_a_decider_that_fails_leaves_it_to_the_operator(world: World) -> None:
    class Failing:
        async def decide(self, step: Step) -> Decide:
            raise HansaError(Code.unavailable, "The catalogue is away.")

    world.provider.decider = Failing()
    await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
    await world.settle()
    (theirs,) = await world.provider.exchange.negotiations()
    assert (theirs.state, theirs.waiting) == ("REQUESTED", True)
    assert "The catalogue is away." in str(theirs.error)


def _policy(world: World, **changes: Any) -> dict[str, Any]:
    return {
        "@id": "urn:uuid:imported", "@type": "Agreement", "target": DATASET,
        "assigner": world.provider.did, "assignee": world.consumer.did,
        "timestamp": "2026-01-02T03:04:05Z", "permission": [{"action": "use"}], **changes,
    }  # fmt: skip


async def _import(side: Side, world: World, **more: Any) -> Any:
    role = Role(side.name)
    other = world.provider if role is Role.consumer else world.consumer
    given = {"policy": _policy(world), "role": role, "counterparty": other.did}
    return await side.exchange.import_agreement(**{**given, "dataset_id": DATASET, **more})


async def test_an_agreement_that_was_imported_works_like_any_other(world: World) -> None:
    for side in world.sides:
        agreement = await _import(side, world)
        assert (agreement.id, agreement.negotiation_id) == ("urn:uuid:imported", "")
        assert agreement.signed_at.year == 2026
        assert await _import(side, world) == agreement
    began = await world.consumer.exchange.request_transfer("urn:uuid:imported")
    await world.settle()
    assert (await world.consumer.exchange.transfer(began.id)).live
    await world.provider.exchange.end_agreement("urn:uuid:imported", "Over.")
    await world.settle()
    assert await world.transfer_states() == ("TERMINATED", "TERMINATED")


async def test_an_import_may_name_where_the_counterparty_is(world: World) -> None:
    await _import(world.provider, world)
    await _import(world.consumer, world, callback=f"{world.provider.base}/")
    world.consumer.parties_known = False
    began = await world.consumer.exchange.request_transfer("urn:uuid:imported")
    assert began.callback == world.provider.base
    await world.settle()
    assert (await world.consumer.exchange.transfer(began.id)).live
    other = await world.consumer.exchange.negotiate(
        world.provider.did, DATASET, OFFER, callback=world.provider.base
    )
    await world.settle()
    assert (await world.consumer.exchange.negotiation(other.id)).state == "FINALIZED"
    with pytest.raises(HansaError) as caught:
        await world.consumer.exchange.negotiate(
            world.provider.did, DATASET, OFFER, callback="ftp://x"
        )
    assert caught.value.facts["field"] == "callback"


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"assigner": "did:web:x"}, Code.invalid_field, "policy.assigner"),
        ({"assignee": "did:web:x"}, Code.invalid_field, "policy.assignee"),
        ({"target": "urn:x"}, Code.invalid_field, "policy.target"),
        ({"@type": "Offer"}, Code.policy_invalid, "agreement.@type"),
        ({"permission": []}, Code.policy_invalid, "agreement.permission"),
    ],
)
async def test_an_import_that_does_not_fit_is_refused(
    world: World, changes: dict[str, Any], code: Code, field: str
) -> None:
    with pytest.raises(HansaError) as caught:
        await _import(world.consumer, world, policy=_policy(world, **changes))
    assert (caught.value.code, caught.value.facts["field"]) == (code, field)


async def test_an_import_may_not_change_an_agreement(world: World) -> None:
    await _import(world.consumer, world)
    other = _policy(world, permission=[{"action": "read"}])
    signed = await world.negotiated()
    for policy in (other, _policy(world, **{"@id": signed})):
        with pytest.raises(HansaError) as caught:
            await _import(world.consumer, world, policy=policy)
        assert caught.value.code is Code.conflict


async def test_the_operator_sees_how_a_message_fares_and_sends_it_now(world: World) -> None:
    began = await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
    fresh = await world.consumer.exchange.delivery_of(began.id)
    assert fresh is not None
    assert (fresh.attempts, fresh.error) == (0, None)
    world.wire.fault = lambda host, path, body: "down"
    await world.consumer.work_all()
    failed = await world.consumer.exchange.delivery_of(began.id)
    assert failed is not None
    assert failed.attempts == 1
    assert "outbound_failed" in str(failed.error)
    assert failed.due is not None
    assert await world.consumer.exchange.send_now(began.id)
    (action,) = await world.consumer.actions()
    assert action.due is not None
    assert action.due < failed.due
    assert action.attempts == 1
    world.heal()
    await world.settle()
    assert await world.consumer.exchange.delivery_of(began.id) is None
    assert not await world.consumer.exchange.send_now(began.id)
