"""What the outbox does when the counterparty, the wire or we ourselves fail."""

from __future__ import annotations

from datetime import timedelta

import pytest

from exchange_world import DATASET, OFFER, World, until
from hansa.exchange import Decide
from hansa.kernel import Code, HansaError, SystemClock


async def test_a_peer_that_is_down_gets_everything_when_it_is_up_again(running: World) -> None:
    running.wire.fault = lambda host, path, body: "down" if host == "provider" else None
    began = await running.consumer.exchange.negotiate(running.provider.did, DATASET, OFFER)

    async def shown() -> bool:
        return (await running.consumer.exchange.negotiation(began.id)).error is not None

    await until(shown)
    process = await running.consumer.exchange.negotiation(began.id)
    assert "outbound_failed" in str(process.error)
    assert process.state == "START"
    running.heal()

    async def final() -> bool:
        return await running.states() == ("FINALIZED", "FINALIZED")

    await until(final)
    assert (await running.consumer.exchange.negotiation(began.id)).error is None


@pytest.mark.parametrize("answer", ["500", "503", "429", "408"])
async def test_an_answer_that_means_not_now_is_tried_again_for_ever(
    world: World, answer: str
) -> None:
    world.wire.fault = lambda host, path, body: answer
    began = await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
    await world.steps(12)
    process = await world.consumer.exchange.negotiation(began.id)
    assert process.state == "START"
    assert answer in str(process.error)
    world.heal()
    await world.settle()
    assert await world.states() == ("FINALIZED", "FINALIZED")


@pytest.mark.parametrize("status", ["429", "503"])
async def test_who_asks_for_time_gets_it(world: World, status: str) -> None:
    world.wire.fault = lambda host, path, body: f"{status} 40"
    await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
    before = SystemClock().now()
    await world.consumer.work_all()
    (action,) = await world.consumer.actions()
    assert action.due is not None
    assert action.due - before >= timedelta(seconds=40)
    assert action.error is not None
    assert status in action.error


@pytest.mark.parametrize("answer", ["500", "503 600", "429 600"])
@pytest.mark.parametrize("who", ["consumer", "provider"])
async def test_an_opening_that_fails_for_long_can_be_ended(
    world: World, who: str, answer: str
) -> None:
    """EDC answers an opening offer with 500, each time: there is no pid to send an end to."""
    tries: list[str] = []

    def fail(host: str, path: str, body: bytes) -> str:
        tries.append(path)
        return answer

    world.wire.fault = fail
    side, other = world.sides if who == "consumer" else world.sides[::-1]
    begin = side.exchange.negotiate if who == "consumer" else side.exchange.offer
    began = await begin(other.did, DATASET, OFFER)
    await world.steps(2)
    await side.exchange.terminate_negotiation(began.id, "Changed our mind.", code="mind")
    assert (await side.exchange.negotiation(began.id)).state == "START"  # it may only be slow
    dues = [action.due for action in await side.actions()]
    assert max(due for due in dues if due) <= SystemClock().now(), "nobody's wait is waited for"
    await world.settle()
    ended = await side.exchange.negotiation(began.id)
    assert (ended.state, ended.code, ended.reason) == ("TERMINATED", "mind", ("Changed our mind.",))
    assert answer.partition(" ")[0] in str(ended.error)
    assert len(tries) == side.exchange.limits.attempts_shown


@pytest.mark.parametrize(
    "ending",
    ["/negotiations/request", "/agreement", "/agreement/verification", "/events"],
)
async def test_a_lost_answer_is_made_good_by_sending_again(world: World, ending: str) -> None:
    lost: list[str] = []

    def lose(host: str, path: str, body: bytes) -> str | None:
        if path.endswith(ending) and len(lost) < 3:
            lost.append(path)
            return "lose-answer"
        return None

    world.wire.fault = lose
    await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
    await world.settle()
    assert lost
    assert await world.states() == ("FINALIZED", "FINALIZED")
    assert len(await world.provider.exchange.negotiations()) == 1
    (ours,), (theirs,) = [await side.exchange.agreements() for side in world.sides]
    assert ours.policy == theirs.policy


@pytest.mark.parametrize("side", [0, 1], ids=["consumer", "provider"])
@pytest.mark.parametrize("rounds", [0, 1, 2, 3])
async def test_a_crash_between_commit_and_send_loses_nothing(
    world: World, side: int, rounds: int
) -> None:
    began = await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
    for _ in range(rounds):
        await world.consumer.work_all()
        await world.provider.work_all()
    await world.sides[side].crash()
    await world.start()

    async def final() -> bool:
        mine = await world.consumer.exchange.negotiation(began.id)
        return mine.state == "FINALIZED" and await world.states() == ("FINALIZED", "FINALIZED")

    await until(final)


async def test_a_crash_after_the_cut_was_decided_still_cuts(world: World) -> None:
    _, theirs = await world.transferring()
    plane = world.provider.plane

    async def fail(transfer: object) -> None:
        raise HansaError(Code.unavailable, "The plane does not answer.")

    working, plane.stop = plane.stop, fail  # type: ignore[method-assign]
    await world.provider.exchange.terminate_transfer(theirs, "Stop.")
    assert plane.open
    plane.stop = working  # type: ignore[method-assign]
    await world.provider.crash()
    await world.provider.start()

    async def cut() -> bool:
        return not plane.open

    await until(cut)


async def test_a_late_stop_does_not_cut_a_resumed_transfer(world: World) -> None:
    mine, theirs = await world.transferring()
    await world.provider.exchange.suspend_transfer(theirs, "Pause.")
    late = [action for action in await world.provider.actions() if action.name == "stop"]
    assert late
    for action in await world.provider.actions():
        if action.name == "send":
            await world.provider.work(action)
    await world.provider.exchange.resume_transfer(theirs)
    for action in await world.provider.actions():
        if action.name == "send":
            await world.provider.work(action)
    for action in late:
        await world.provider.work(action)
    assert theirs in world.provider.plane.open
    assert (await world.consumer.exchange.transfer(mine)).live


async def test_a_lasting_refusal_terminates_and_says_why(world: World) -> None:
    world.wire.fault = lambda host, path, body: (
        "400" if path.endswith("/agreement/verification") or not body else None
    )
    began = await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
    await world.settle()
    mine = await world.consumer.exchange.negotiation(began.id)
    assert (mine.state, mine.code) == ("TERMINATED", "counterparty_refused")
    assert "ContractAgreementVerificationMessage was refused" in mine.reason[0]
    assert await world.states() == ("TERMINATED", "TERMINATED")


async def test_a_refusal_is_settled_by_reading_the_counterpartys_state(world: World) -> None:
    first = True

    def refuse(host: str, path: str, body: bytes) -> str | None:
        nonlocal first
        if not path.endswith("/agreement/verification"):
            return None
        if first:
            first = False
            return "lose-answer"
        return "400"

    world.wire.fault = lambda host, path, body: (
        "down" if path.endswith("/events") else refuse(host, path, body)
    )
    await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
    await world.steps()
    assert await world.states() == ("VERIFIED", "VERIFIED")
    world.heal()
    await world.settle()
    assert await world.states() == ("FINALIZED", "FINALIZED")


async def test_a_termination_that_the_other_side_does_not_know_ends_here(world: World) -> None:
    mine, _ = await world.transferring()
    world.wire.fault = lambda host, path, body: "404"
    await world.consumer.exchange.terminate_transfer(mine, "Stop.")
    await world.settle()
    process = await world.consumer.exchange.transfer(mine)
    assert (process.state, process.pending) == ("TERMINATED", None)
    assert "404" in str(process.error)


async def test_a_termination_is_sent_however_long_the_peer_is_away(world: World) -> None:
    mine, _ = await world.transferring()
    world.wire.fault = lambda host, path, body: "down"
    await world.consumer.exchange.terminate_transfer(mine, "Stop.")
    await world.steps(30)
    process = await world.consumer.exchange.transfer(mine)
    assert (process.state, process.live) == ("STARTED", False)
    assert process.pending is not None
    await world.consumer.crash()
    world.heal()
    await world.settle()
    assert await world.transfer_states() == ("TERMINATED", "TERMINATED")


async def test_a_termination_is_not_held_up_by_what_it_overtakes(world: World) -> None:
    world.cut("/agreement/verification")
    began = await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
    await world.steps()
    assert len(await world.consumer.actions()) == 1
    await world.consumer.exchange.terminate_negotiation(began.id, "Stop.")
    (action,) = await world.consumer.actions()
    assert action.attempts == 0
    assert action.body == {"message": "ContractNegotiationTerminationMessage"}


async def test_a_suspended_member_is_refused_and_served_again_when_it_is_back(
    world: World,
) -> None:
    world.provider.decision = Decide.wait()
    began = await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
    await world.settle()
    world.provider.identity.suspended.add(world.consumer.did)
    await world.consumer.exchange.terminate_negotiation(began.id, "Stop.")
    await world.steps(12)
    process = await world.consumer.exchange.negotiation(began.id)
    assert "membership_suspended" in str(process.error)
    assert process.pending is not None
    world.provider.identity.suspended.clear()
    await world.settle()
    assert await world.states() == ("TERMINATED", "TERMINATED")


async def test_a_suspended_member_cannot_begin(world: World) -> None:
    world.provider.identity.suspended.add(world.consumer.did)
    began = await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
    await world.settle()
    process = await world.consumer.exchange.negotiation(began.id)
    assert (process.state, process.code) == ("TERMINATED", "membership_suspended")


async def test_a_listener_that_fails_disturbs_nobody(world: World) -> None:
    seen: list[str] = []

    def bad(change: object) -> None:
        raise RuntimeError("listener")

    world.consumer.exchange.on_change(bad)
    world.consumer.exchange.on_change(lambda change: seen.append(change.state))
    await world.negotiated()
    assert seen[-1] == "active"
    assert "FINALIZED" in seen
