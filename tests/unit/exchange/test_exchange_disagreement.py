"""What is shown, and what an operator can do, when both sides do not agree on the state."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from exchange_world import DATASET, OFFER, Side, World
from hansa.exchange import NEGOTIATIONS, TRANSFERS, Decide, NegotiationState, TransferState
from hansa.kernel import Code, HansaError


async def _force(side: Side, **changes: Any) -> str:
    """Put a process of a side into another state, as a defect or a restored backup does."""

    def job(tx: Any) -> str:
        kind = TRANSFERS if isinstance(changes["state"], TransferState) else NEGOTIATIONS
        (process,) = tx.find(kind)
        tx.put(kind, msgspec.structs.replace(process, pending=None, **changes))
        return str(process.id)

    return await side.store.write(job)


async def _disagreeing(world: World) -> str:
    """Terminate a transfer here that is completed there; give the consumer's pid."""
    mine, _ = await world.transferring()
    await _force(world.provider, state=TransferState.SUSPENDED)
    world.wire.fault = lambda host, path, body: (
        "409" if path.endswith("/termination") and host == "provider" else None
    )
    await world.consumer.exchange.terminate_transfer(mine, "Stop.")
    await world.settle()
    world.heal()
    return mine


async def test_an_end_that_the_other_side_refuses_shows_its_state(world: World) -> None:
    mine = await _disagreeing(world)
    process = await world.consumer.exchange.transfer(mine)
    assert (process.state, process.their_state) == ("TERMINATED", "SUSPENDED")
    assert "409" in str(process.error)


async def test_an_end_that_nobody_confirms_is_unknown(world: World) -> None:
    mine, _ = await world.transferring()
    world.wire.fault = lambda host, path, body: "400" if body else "down"
    await world.consumer.exchange.terminate_transfer(mine, "Stop.")
    await world.settle()
    process = await world.consumer.exchange.transfer(mine)
    assert (process.state, process.their_state) == ("TERMINATED", "unknown")


async def test_an_end_that_the_other_side_has_already_is_no_disagreement(world: World) -> None:
    mine, theirs = await world.transferring()
    await _force(world.provider, state=TransferState.TERMINATED)
    await world.consumer.exchange.suspend_transfer(mine, "Pause.")
    await world.settle()
    process = await world.consumer.exchange.transfer(mine)
    assert (process.state, process.their_state) == ("TERMINATED", None)
    assert (process.reason, process.code) == ((), None), "the pause was no reason to end"
    assert theirs


async def test_the_operator_takes_over_the_counterpartys_state(world: World) -> None:
    mine = await _disagreeing(world)
    adopted = await world.consumer.exchange.adopt_state(mine)
    assert (adopted.state, adopted.their_state) == ("SUSPENDED", None)
    await world.consumer.exchange.terminate_transfer(mine, "Again.")
    await world.settle()
    assert await world.transfer_states() == ("TERMINATED", "TERMINATED")
    with pytest.raises(HansaError) as caught:
        await world.consumer.exchange.adopt_state(mine)
    assert caught.value.code is Code.illegal_state
    assert "settled" in caught.value.detail


async def test_a_contract_that_is_final_there_becomes_final_here(world: World) -> None:
    world.provider.decisions["VERIFIED"] = Decide.wait()
    began = await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
    await world.settle()
    assert await world.states() == ("VERIFIED", "VERIFIED")
    await _force(world.provider, state=NegotiationState.FINALIZED)
    await world.consumer.exchange.terminate_negotiation(began.id, "Stop.")
    await world.settle()
    process = await world.consumer.exchange.negotiation(began.id)
    assert (process.state, process.their_state) == ("TERMINATED", "FINALIZED")
    assert not await world.consumer.exchange.agreements()
    await world.consumer.exchange.adopt_state(began.id)
    (agreement,) = await world.consumer.exchange.agreements()
    assert agreement.negotiation_id == began.id


async def test_a_state_without_what_it_needs_is_not_taken_over(world: World) -> None:
    world.provider.decision = Decide.wait()
    began = await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
    await world.settle()
    await _force(world.provider, state=NegotiationState.AGREED)
    with pytest.raises(HansaError) as caught:
        await world.consumer.exchange.adopt_state(began.id)
    assert (caught.value.code, "agreement" in caught.value.detail) == (Code.illegal_state, True)
    world.provider.decision = Decide.follow()
    mine, _ = await world.transferring()
    await _force(world.consumer, state=TransferState.SUSPENDED)
    with pytest.raises(HansaError) as caught:
        await world.consumer.exchange.adopt_state(mine)
    assert "request a new transfer" in caught.value.detail
    world.wire.fault = lambda host, path, body: "503"
    with pytest.raises(HansaError) as caught:
        await world.consumer.exchange.adopt_state(mine)
    assert caught.value.code is Code.unavailable
    with pytest.raises(HansaError) as caught:
        await world.consumer.exchange.adopt_state("urn:none")
    assert caught.value.code is Code.not_found


async def test_a_process_that_the_other_side_does_not_know_ends(world: World) -> None:
    mine, theirs = await world.transferring()
    await world.provider.store.write(lambda tx: tx.delete(TRANSFERS, theirs))
    adopted = await world.consumer.exchange.adopt_state(mine)
    assert adopted.state == "TERMINATED"
    await world.settle()
    assert world.consumer.plane.addresses == {}


async def test_who_listens_late_gets_the_message_all_the_same(world: World) -> None:
    """Test kits register their handlers after they have read our answer."""
    tries: dict[str, int] = {}

    def late(host: str, path: str, body: bytes) -> str | None:
        if not body or path.endswith("/request"):
            return None
        tries[path] = tries.get(path, 0) + 1
        return "404" if tries[path] <= 8 else None

    world.wire.fault = late
    await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
    await world.settle()
    assert await world.states() == ("FINALIZED", "FINALIZED")
    assert set(tries.values()) == {9}


async def test_who_listens_late_gets_the_first_message_too(world: World) -> None:
    tries: list[str] = []

    def late(host: str, path: str, body: bytes) -> str | None:
        tries.append(path)
        return "404" if len(tries) <= 5 else None

    world.wire.fault = late
    await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
    await world.settle()
    assert await world.states() == ("FINALIZED", "FINALIZED")


async def test_who_never_listens_is_given_up(world: World) -> None:
    world.wire.fault = lambda host, path, body: "404"
    began = await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
    await world.settle()
    process = await world.consumer.exchange.negotiation(began.id)
    assert (process.state, process.code) == ("TERMINATED", "counterparty_refused")
    assert "404" in process.reason[0]


async def test_two_negotiations_may_not_come_to_one_agreement(world: World) -> None:
    """The second is refused while the first is not even final."""
    world.cut("/agreement")
    first = await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
    second = await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
    await world.steps()
    theirs = {item.consumer_pid: item for item in await world.provider.exchange.negotiations()}
    agreement = theirs[first.id].agreement
    world.cut("/verification", "/events")
    for item in (first, second):
        body = {
            "@context": ["https://w3id.org/dspace/2025/1/context.jsonld"],
            "@type": "ContractAgreementMessage",
            "consumerPid": item.id,
            "providerPid": theirs[item.id].id,
            "agreement": agreement,
        }
        status, _ = await world.post(world.consumer, f"/negotiations/{item.id}/agreement", body)
        assert status == 200
    world.heal()
    await world.settle()
    mine = [await world.consumer.exchange.negotiation(item.id) for item in (first, second)]
    assert [item.state for item in mine] == ["FINALIZED", "TERMINATED"]
    assert mine[1].code == "agreement_mismatch"
    assert "another agreement" in mine[1].reason[0]
    assert len(await world.consumer.exchange.agreements()) == 1
    assert (await world.provider.exchange.negotiation(theirs[second.id].id)).state == "TERMINATED"
