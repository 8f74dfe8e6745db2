"""Negotiations message by message, both sides worked by hand."""

from __future__ import annotations

from typing import Any

import pytest

from exchange_world import DATASET, OFFER, World, message
from hansa.exchange import Decide
from hansa.kernel import Code, HansaError

COUNTER = {**OFFER, "@id": "urn:uuid:offer-2", "permission": [{"action": "read"}]}


async def _at(world: World, state: str) -> str:
    """Bring a negotiation to a state on the consumer's side and hold it there."""
    if state in ("OFFERED", "ACCEPTED"):
        world.provider.decision = Decide.offer(COUNTER)
    world.cut(
        {
            "START": "/negotiations/request",
            "REQUESTED": "/agreement",
            "OFFERED": "/nothing",
            "ACCEPTED": "/agreement",
            "AGREED": "/agreement/verification",
            "VERIFIED": "/events",
        }[state]
    )
    began = await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
    await world.steps()
    if state == "ACCEPTED":
        await world.consumer.exchange.accept(began.id)
        await world.steps()
    assert (await world.consumer.exchange.negotiation(began.id)).state == state
    return began.id


STATES = ["START", "REQUESTED", "OFFERED", "ACCEPTED", "AGREED", "VERIFIED"]


@pytest.mark.parametrize(
    ("state", "who"),
    [(state, "consumer") for state in STATES] + [(state, "provider") for state in STATES[1:]],
)
async def test_either_side_terminates_in_every_state(world: World, state: str, who: str) -> None:
    await _at(world, state)
    side = world.consumer if who == "consumer" else world.provider
    (process,) = await side.exchange.negotiations()
    await side.exchange.terminate_negotiation(process.id, "Changed our mind.", code="mind")
    world.heal()
    await world.settle()
    assert await world.states() == ("TERMINATED", "TERMINATED")
    for other in world.sides:
        (process,) = await other.exchange.negotiations()
        assert (process.code, process.reason) == ("mind", ("Changed our mind.",))
        assert process.pending is None
        assert not await other.exchange.agreements()


async def test_a_final_negotiation_is_not_terminated(world: World) -> None:
    await world.negotiated()
    for side in world.sides:
        (process,) = await side.exchange.negotiations()
        with pytest.raises(HansaError) as caught:
            await side.exchange.terminate_negotiation(process.id, "too late")
        assert caught.value.code is Code.illegal_state
    pids = await world.pids()
    body = {**pids, "@type": "ContractNegotiationTerminationMessage"}
    for side, pid in (
        (world.provider, pids["providerPid"]),
        (world.consumer, pids["consumerPid"]),
    ):
        status, error = await world.post(side, f"/negotiations/{pid}/termination", body)
        assert (status, error["@type"], error["code"]) == (
            400, "ContractNegotiationError", "illegal_state",
        )  # fmt: skip
        assert "FINALIZED" in error["reason"][0]
        assert "ContractNegotiationTerminationMessage" in error["reason"][0]
    assert await world.states() == ("FINALIZED", "FINALIZED")


async def test_a_repeated_request_gives_the_same_negotiation(world: World) -> None:
    body = message(
        "ContractRequestMessage", consumerPid="urn:uuid:c1", callbackAddress="http://consumer/x",
        offer={**OFFER, "@type": "Offer", "target": DATASET},
    )  # fmt: skip
    first = await world.post(world.provider, "/negotiations/request", body)
    second = await world.post(world.provider, "/negotiations/request", body)
    assert first == second
    assert first[0] == 201
    assert first[1]["state"] == "REQUESTED"
    assert len(await world.provider.exchange.negotiations()) == 1
    assert len(world.provider.asked) == 1
    stranger = await world.post(
        world.provider, "/negotiations/request", body, token=f"did:web:x->{world.provider.did}"
    )
    assert stranger[1]["providerPid"] != first[1]["providerPid"]


async def test_messages_that_took_effect_are_answered_again_and_change_nothing(
    world: World,
) -> None:
    bodies: list[tuple[str, str, bytes]] = []
    world.wire.fault = lambda host, path, body: bodies.append((host, path, body))
    await world.negotiated()
    world.heal()
    before = [await side.exchange.negotiations() for side in world.sides]
    assert len(bodies) == 4
    for host, path, body in bodies:
        side = world.consumer if host == "consumer" else world.provider
        status, process = await world.post(side, path.split("2025-1", 1)[1], body)
        assert status in (200, 201)
        assert process["state"] == "FINALIZED"
    assert [await side.exchange.negotiations() for side in world.sides] == before
    assert not await world.consumer.actions() + await world.provider.actions()


@pytest.mark.parametrize(
    ("state", "side", "tail", "body"),
    [
        ("REQUESTED", "provider", "agreement/verification", "ContractAgreementVerificationMessage"),
        ("OFFERED", "provider", "agreement/verification", "ContractAgreementVerificationMessage"),
        ("VERIFIED", "provider", "events", "ACCEPTED"),
        ("AGREED", "provider", "events", "ACCEPTED"),
        ("REQUESTED", "consumer", "events", "FINALIZED"),
        ("OFFERED", "consumer", "events", "FINALIZED"),
        ("ACCEPTED", "consumer", "events", "FINALIZED"),
        ("REQUESTED", "provider", "request", "ContractRequestMessage"),
        ("ACCEPTED", "provider", "request", "ContractRequestMessage"),
        ("OFFERED", "consumer", "agreement", "ContractAgreementMessage"),
        ("ACCEPTED", "consumer", "offers", "ContractOfferMessage"),
    ],
)
async def test_a_message_out_of_order_is_refused_and_changes_nothing(
    world: World, state: str, side: str, tail: str, body: str
) -> None:
    world.provider.decision = Decide.wait()
    if state == "REQUESTED":
        await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
        await world.steps()
    else:
        if state not in ("OFFERED", "ACCEPTED"):
            world.provider.decision = Decide.agree()
        await _at(world, state)
    before = await world.states()
    pids = await world.pids()
    offer = {"offer": {**OFFER, "@type": "Offer", "target": DATASET}}
    agreement = {
        **OFFER, "@type": "Agreement", "target": DATASET, "assigner": "a", "assignee": "b",
    }  # fmt: skip
    members: dict[str, Any] = {
        "ACCEPTED": {"@type": "ContractNegotiationEventMessage", "eventType": "ACCEPTED"},
        "FINALIZED": {"@type": "ContractNegotiationEventMessage", "eventType": "FINALIZED"},
        "ContractRequestMessage": offer,
        "ContractOfferMessage": offer,
        "ContractAgreementMessage": {"agreement": agreement},
    }.get(body, {})
    receiver = world.consumer if side == "consumer" else world.provider
    pid = pids["consumerPid" if side == "consumer" else "providerPid"]
    status, error = await world.post(
        receiver, f"/negotiations/{pid}/{tail}", {**pids, "@type": body, **members}
    )
    assert (status, error["code"]) == (400, "illegal_state")
    assert before[0 if side == "consumer" else 1] in error["reason"][0]
    assert await world.states() == before


async def test_a_consumer_may_not_accept_its_own_offer(world: World) -> None:
    world.provider.decision = Decide.wait()
    began = await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
    await world.settle()
    with pytest.raises(HansaError) as caught:
        await world.consumer.exchange.accept(began.id)
    assert caught.value.code is Code.illegal_state


async def test_counter_offers_go_back_and_forth_until_one_is_accepted(world: World) -> None:
    world.provider.decision = Decide.offer(COUNTER)
    began = await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
    await world.settle()
    assert await world.states() == ("OFFERED", "OFFERED")
    assert (await world.consumer.exchange.negotiation(began.id)).offer_id == "urn:uuid:offer-2"
    third = {**OFFER, "@id": "urn:uuid:offer-3", "permission": [{"action": "display"}]}
    world.provider.decision = Decide.offer(COUNTER)
    await world.consumer.exchange.counter(began.id, third)
    await world.settle()
    answered = [step for step in world.provider.asked if step.published is not None]
    assert [step.altered for step in answered] == [False, True]
    assert answered[-1].process.offer["@id"] == "urn:uuid:offer-3"  # type: ignore[union-attr]
    await world.consumer.exchange.accept(began.id)
    await world.settle()
    assert await world.states() == ("FINALIZED", "FINALIZED")
    (agreement,) = await world.consumer.exchange.agreements()
    assert agreement.policy["permission"] == COUNTER["permission"]


async def test_a_provider_opens_with_an_offer(world: World) -> None:
    made = await world.provider.exchange.offer(world.consumer.did, DATASET, OFFER)
    await world.settle()
    assert await world.states() == ("OFFERED", "OFFERED")
    (mine,) = await world.consumer.exchange.negotiations()
    assert mine.provider_pid == made.id
    await world.consumer.exchange.accept(mine.id)
    await world.settle()
    assert await world.states() == ("FINALIZED", "FINALIZED")


async def test_the_operator_decides_when_the_negotiator_waits(world: World) -> None:
    world.provider.decision = Decide.wait()
    await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
    await world.settle()
    assert await world.states() == ("REQUESTED", "REQUESTED")
    (theirs,) = await world.provider.exchange.negotiations()
    await world.provider.exchange.agree(theirs.id)
    await world.settle()
    assert await world.states() == ("FINALIZED", "FINALIZED")


async def test_a_refusal_reaches_the_consumer_with_code_and_reason(world: World) -> None:
    world.provider.decision = Decide.refuse("not_a_member", "Only members may have this.")
    began = await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
    await world.settle()
    process = await world.consumer.exchange.negotiation(began.id)
    assert (process.state, process.code, process.reason) == (
        "TERMINATED", "not_a_member", ("Only members may have this.",),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("offer", "target", "code"),
    [
        ({**OFFER, "@id": "urn:uuid:nope"}, DATASET, "not_found"),
        (OFFER, "urn:uuid:somebody-elses", "not_found"),
        ({**OFFER, "permission": [{"action": "use"}]}, DATASET, "policy_conflict"),
    ],
    ids=["unknown offer", "foreign target", "altered terms"],
)
async def test_an_offer_that_is_not_ours_as_published_is_refused(
    world: World, offer: dict[str, Any], target: str, code: str
) -> None:
    began = await world.consumer.exchange.negotiate(world.provider.did, target, offer)
    await world.settle()
    process = await world.consumer.exchange.negotiation(began.id)
    assert (process.state, process.code) == ("TERMINATED", code)
    assert process.error is not None
    assert code in process.error
    assert not await world.provider.exchange.negotiations()


async def test_an_offer_that_the_caller_may_not_see_does_not_exist(world: World) -> None:
    world.provider.hidden_from.add(world.consumer.did)
    began = await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
    await world.settle()
    assert (await world.consumer.exchange.negotiation(began.id)).code == "not_found"


@pytest.mark.parametrize(
    ("member", "value", "word"),
    [
        ("assigner", "did:web:other", "assigner"),
        ("assignee", "did:web:other", "assignee"),
        ("target", "urn:uuid:other", "target"),
        ("permission", [{"action": "use"}], "terms"),
    ],
)
async def test_an_agreement_that_is_not_what_was_asked_for_is_not_verified(
    world: World, member: str, value: Any, word: str
) -> None:
    await _at(world, "REQUESTED")
    pids = await world.pids()
    (theirs,) = await world.provider.exchange.negotiations()
    assert theirs.agreement is not None
    wrong = {**theirs.agreement, member: value}
    status, process = await world.post(
        world.consumer,
        f"/negotiations/{pids['consumerPid']}/agreement",
        {**pids, "@type": "ContractAgreementMessage", "agreement": wrong},
    )
    assert (status, process["state"]) == (200, "AGREED")
    await world.steps()
    (mine,) = await world.consumer.exchange.negotiations()
    assert mine.code == "agreement_mismatch"
    assert word in mine.reason[0]
    world.heal()
    await world.settle()
    assert await world.states() == ("TERMINATED", "TERMINATED")


async def test_an_agreement_may_not_take_the_id_of_another_one(world: World) -> None:
    taken = await world.negotiated()
    await _at(world, "REQUESTED")
    pids = await world.pids()
    (theirs,) = await world.provider.exchange.negotiations(limit=1)
    assert theirs.agreement is not None
    await world.post(
        world.consumer,
        f"/negotiations/{pids['consumerPid']}/agreement",
        {**pids, "@type": "ContractAgreementMessage",
         "agreement": {**theirs.agreement, "@id": taken}},
    )  # fmt: skip
    (mine,) = await world.consumer.exchange.negotiations(limit=1)
    assert mine.code == "agreement_mismatch"
    assert "another agreement" in mine.reason[0]


async def test_foreign_and_unknown_negotiations_look_alike(world: World) -> None:
    await _at(world, "REQUESTED")
    pids = await world.pids()
    stranger = f"did:web:stranger->{world.provider.did}"
    body = {**pids, "@type": "ContractNegotiationTerminationMessage"}
    pid = pids["providerPid"]
    answers = [
        await world.get(world.provider, f"/negotiations/{pid}", token=stranger),
        await world.get(world.provider, "/negotiations/urn:uuid:no", token=stranger),
        await world.post(world.provider, f"/negotiations/{pid}/termination", body, token=stranger),
        await world.post(world.provider, "/negotiations/x/termination", body, token=stranger),
    ]
    assert {status for status, _ in answers} == {404}
    assert len({str(error) for _, error in answers}) == 1
    assert (await world.get(world.provider, f"/negotiations/{pid}"))[1]["state"] == "REQUESTED"


@pytest.mark.parametrize("member", ["consumerPid", "providerPid"])
async def test_pids_in_the_body_must_be_those_of_the_path(world: World, member: str) -> None:
    await _at(world, "REQUESTED")
    pids = await world.pids()
    body = {**pids, "@type": "ContractNegotiationTerminationMessage", member: "urn:uuid:other"}
    status, error = await world.post(
        world.provider, f"/negotiations/{pids['providerPid']}/termination", body
    )
    assert (status, error["code"]) == (400, "invalid_field")
    assert member in error["reason"][0]
    assert (await world.states())[1] == "REQUESTED"


async def test_a_pid_is_not_reused_for_another_dataset(world: World) -> None:
    body = message(
        "ContractRequestMessage", consumerPid="urn:uuid:c1", callbackAddress="http://consumer/x",
        offer={**OFFER, "@type": "Offer", "target": DATASET},
    )  # fmt: skip
    await world.post(world.provider, "/negotiations/request", body)
    body["offer"]["target"] = "urn:uuid:other"
    status, error = await world.post(world.provider, "/negotiations/request", body)
    assert (status, error["code"]) == (400, "conflict")
