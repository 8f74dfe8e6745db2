"""Scripts, approval and policy decide: on real exchanges, both sides worked by hand."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from exchange_world import DATASET, OFFER, Side, World, memory_folder, world_in
from hansa.catalogue import Catalogue, DatasetDraft, OfferDraft
from hansa.kernel import Code, HansaError, SystemClock, SystemIds
from hansa.node.deciding import Deciding

COUNTER = {**OFFER, "@id": "urn:uuid:counter", "permission": [{"action": "read"}]}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Two sides that decide as a node does; the provider publishes one dataset."""
    with tempfile.TemporaryDirectory(prefix="deciding-", dir=memory_folder()) as folder:
        async with world_in(Path(folder)) as joined:
            for side in joined.sides:
                side.decider = await deciding(side)
            yield joined


async def deciding(side: Side) -> Deciding:
    catalogue = Catalogue(
        side.store, did=side.did, name=side.name, ids=SystemIds(), clock=SystemClock()
    )
    draft = DatasetDraft(title="Trees", id=DATASET, offers=(OfferDraft(odrl=OFFER),))
    if side.name == "provider":
        await catalogue.publish(draft)
    decider = Deciding(side.store, catalogue, side.did, SystemClock())
    await decider.load()
    return decider


def scripts(side: Side) -> Deciding:
    assert isinstance(side.decider, Deciding)
    return side.decider


async def ask(world: World) -> str:
    began = await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
    await world.settle()
    return began.id


async def test_without_a_script_the_policy_decides(world: World) -> None:
    await ask(world)
    assert await world.states() == ("FINALIZED", "FINALIZED")


async def test_altered_terms_are_refused_by_policy(world: World) -> None:
    await scripts(world.provider).put_script(
        DATASET, [{"on": "REQUESTED", "do": "offer", "terms": COUNTER}]
    )
    mine = await ask(world)
    assert await world.states() == ("OFFERED", "OFFERED")
    third = {**COUNTER, "@id": "urn:uuid:third", "permission": [{"action": "display"}]}
    await world.consumer.exchange.counter(mine, third)
    await world.settle()
    process = await world.consumer.exchange.negotiation(mine)
    assert (process.state, process.code) == ("TERMINATED", "terms_altered")


async def test_approval_by_the_operator_waits_for_a_yes(world: World) -> None:
    catalogue = Catalogue(
        world.provider.store,
        did=world.provider.did,
        name="provider",
        ids=SystemIds(),
        clock=SystemClock(),
    )
    draft = DatasetDraft(
        title="Trees", id=DATASET, offers=(OfferDraft(odrl=OFFER),), approval="operator"
    )
    await catalogue.update(DATASET, draft)
    await ask(world)
    (theirs,) = await world.provider.exchange.negotiations()
    assert (theirs.state, theirs.waiting) == ("REQUESTED", True)
    agreed = await world.provider.exchange.agree(theirs.id)
    assert not agreed.waiting
    await world.settle()
    assert await world.states() == ("FINALIZED", "FINALIZED")


async def test_a_script_says_what_each_state_comes_to(world: World) -> None:
    """The course of CN:02-06: an offer; when it is accepted, a termination."""
    await scripts(world.provider).put_script(
        DATASET,
        [
            {"on": "REQUESTED", "role": "provider", "do": "offer"},
            {"on": "ACCEPTED", "do": "refuse", "code": "rehearsed", "reason": "Enough."},
        ],
    )
    await scripts(world.consumer).put_script(
        DATASET,
        [
            {"on": "OFFERED", "role": "provider", "do": "refuse"},
            {"on": "OFFERED", "role": "consumer", "do": "accept", "after_s": 0.01},
        ],
    )
    mine = await ask(world)
    process = await world.consumer.exchange.negotiation(mine)
    assert (process.state, process.code, process.reason) == (
        "TERMINATED", "rehearsed", ("Enough.",),
    )  # fmt: skip


async def test_steps_on_one_state_are_used_up_in_order(world: World) -> None:
    """The course of TP:01-04: start, suspend, start, complete."""
    agreement = await world.negotiated()
    await scripts(world.provider).put_script(
        agreement,
        [
            {"on": "STARTED", "do": "suspend"},
            {"on": "SUSPENDED", "do": "resume"},
            {"on": "STARTED", "do": "complete"},
        ],
    )
    began = await world.consumer.exchange.request_transfer(agreement)
    await world.settle()
    assert await world.transfer_states() == ("COMPLETED", "COMPLETED")
    log = [entry.type for entry in await world.consumer.exchange.messages(began.id)]
    assert log == [
        "TransferRequestMessage", "TransferStartMessage", "TransferSuspensionMessage",
        "TransferStartMessage", "TransferCompletionMessage",
    ]  # fmt: skip


async def test_a_step_may_serve_several_times(world: World) -> None:
    script = [{"on": "REQUESTED", "do": "offer", "times": 2, "terms": COUNTER}]
    await scripts(world.provider).put_script(DATASET, script)
    mine = await ask(world)
    for _ in range(2):
        await world.consumer.exchange.counter(mine, COUNTER)
        await world.settle()
    assert await world.states() == ("FINALIZED", "FINALIZED")
    log = [entry.type for entry in await world.consumer.exchange.messages(mine)]
    assert log.count("ContractOfferMessage") == 2


async def test_an_error_of_the_data_plane_may_be_scripted(world: World) -> None:
    mine, theirs = await world.transferring()
    transfer = await world.provider.exchange.transfer(theirs)
    await scripts(world.provider).put_script(
        transfer.agreement_id, [{"on": "ERROR", "do": "refuse", "code": "broken"}]
    )
    await world.provider.exchange.plane_errored(theirs, "The disk is full.")
    await world.settle()
    assert (await world.consumer.exchange.transfer(mine)).code == "broken"


async def test_scripts_are_kept_listed_and_deleted(world: World) -> None:
    decider = scripts(world.provider)
    put = await decider.put_script("urn:b", [{"on": "OFFERED", "do": "wait"}])
    await decider.put_script("urn:a", [])
    assert [script.subject for script in await decider.scripts()] == ["urn:a", "urn:b"]
    again = await deciding_again(world.provider)
    assert await again.script("urn:b") == put
    await decider.delete_script("urn:b")
    for job in (decider.script("urn:b"), decider.delete_script("urn:b")):
        with pytest.raises(HansaError) as caught:
            await job
        assert caught.value.code is Code.not_found


async def deciding_again(side: Side) -> Deciding:
    catalogue = Catalogue(
        side.store, did=side.did, name=side.name, ids=SystemIds(), clock=SystemClock()
    )
    decider = Deciding(side.store, catalogue, side.did, SystemClock())
    await decider.load()
    return decider


@pytest.mark.parametrize(
    ("steps", "field"),
    [
        ([{"on": "AWAY", "do": "wait"}], "steps[0].on"),
        ([{"on": "START", "do": "wait"}], "steps[0].on"),
        ([{"on": "OFFERED", "do": "wait"}, {"on": "OFFERED", "do": "terminate"}], "steps[1].do"),
        ([{"on": "OFFERED", "do": "wait", "after_s": -1}], "steps[0].after_s"),
        ([{"on": "OFFERED", "do": "wait", "times": 0}], "steps[0].times"),
        ([{"on": "OFFERED", "do": "wait", "else": 1}], "steps[0]"),
        ([{"on": "OFFERED", "do": "wait"}] * 51, "steps"),
    ],
)
async def test_a_script_that_makes_no_sense_is_refused(
    world: World, steps: list[dict[str, Any]], field: str
) -> None:
    with pytest.raises(HansaError) as caught:
        await scripts(world.provider).put_script("urn:a", steps)
    assert (caught.value.code, caught.value.facts["field"]) == (Code.invalid_field, field)
