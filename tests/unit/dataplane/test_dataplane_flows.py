"""Data flows: states, crashes, what the control plane is told, and enforcement of a push."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from glob import glob
from pathlib import Path

import msgspec
import pytest
from dataplane_world import SOUTH, caller, membership
from flow_world import INBOX, PULL, PUSH, FlowWorld, ScriptedPlane

from hansa.dataplane import NOT_READY, DataAddress, DataFlow, FlowState, Progress
from hansa.dataplane.flow import FLOW_TRANSITIONS, flow_states_markdown, may_move
from hansa.kernel import Code, HansaError


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[FlowWorld]:
    world = FlowWorld(tmp_path / "hansa.db")
    await world.begin()
    yield world
    await world.close()


async def told(world: FlowWorld, *what: str) -> None:
    async with asyncio.timeout(60):
        while what not in world.control.told:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def test_the_table_is_the_specifications() -> None:
    arrows = {(a.value, b.value) for a, _, b in FLOW_TRANSITIONS}
    assert ("SUSPENDED", "STARTED") in arrows
    assert ("SUSPENDED", "COMPLETED") not in arrows
    assert not {a for a, _ in arrows} & {"COMPLETED", "TERMINATED"}
    assert {a for a, b in arrows if b == "TERMINATED"} == {state.value for state in FlowState} - {
        "COMPLETED",
        "TERMINATED",
    }
    assert may_move(FlowState.STARTED, FlowState.SUSPENDED)
    assert not may_move(FlowState.PREPARED, FlowState.SUSPENDED)
    assert "| STARTED | suspend | SUSPENDED |" in flow_states_markdown()


async def test_a_push_as_provider_from_request_to_done(world: FlowWorld) -> None:
    flow = world.flow()
    await world.flows.check(flow)
    await world.flows.requested(flow, INBOX)
    assert (await world.flows.start(flow)).ready
    assert world.scripted.calls[-1] == ("start", flow.id, INBOX)
    assert (await world.flows.get(flow.id)).state is FlowState.STARTED
    world.flows.progress(flow.id, Progress(bytes=10, items=1, position="1"))
    await world.flows.on_done(flow.id)
    await told(world, "completed", flow.id)
    kept = await world.flows.get(flow.id)
    assert (kept.state, kept.progress.bytes, kept.sealed) == (FlowState.COMPLETED, 10, None)
    with pytest.raises(HansaError) as caught:
        await world.flows.enforcement(flow.id)
    assert caught.value.code is Code.transfer_ended


async def test_the_address_is_sealed_at_rest_and_in_words(world: FlowWorld, tmp_path: Path) -> None:
    await world.flows.requested(world.flow(), INBOX)
    assert await world.flows.address("urn:uuid:transfer") == INBOX
    await world.crash()
    kept = b"".join(Path(name).read_bytes() for name in glob(f"{tmp_path}/*"))  # noqa: ASYNC240
    assert b"urn:uuid:transfer" in kept
    assert b"secret-of-the-inbox" not in kept
    assert "secret-of-the-inbox" not in repr(INBOX)


async def test_a_running_push_goes_on_after_a_crash_where_it_was(world: FlowWorld) -> None:
    flow = world.flow()
    await world.flows.requested(flow, INBOX)
    await world.flows.start(flow)
    world.flows.progress(flow.id, Progress(bytes=7, items=2, position="item-2"))
    await world.progress.flush()
    world.scripted.calls.clear()
    assert await world.crash() == 1
    assert world.scripted.calls == [("start", flow.id, INBOX)]
    assert (await world.flows.get(flow.id)).progress.position == "item-2"
    await world.flows.suspend(flow.id, "enough for today")
    world.scripted.calls.clear()
    assert await world.crash() == 0
    assert world.scripted.calls == []


async def test_a_push_that_cannot_go_on_after_a_crash_is_told(world: FlowWorld) -> None:
    flow = world.flow()
    await world.flows.start(flow)
    world.scripted.answers["start"] = HansaError(Code.outbound_failed, "The inbox is away.")
    assert await world.crash() == 0
    await told(world, "errored", flow.id, "outbound_failed: The inbox is away.")
    kept = await world.flows.get(flow.id)
    assert kept.state is FlowState.STARTED, "an error changes no state"
    assert kept.progress.error == "outbound_failed: The inbox is away."


async def test_what_a_flow_came_to_is_told_until_it_was_heard(world: FlowWorld) -> None:
    flow = world.flow()
    await world.flows.start(flow)
    world.control.failures = 1
    await world.flows.on_done(flow.id)
    await world.reconciler.stop()
    world.plane.clock.move(60)
    await world.crash()
    await told(world, "completed", flow.id)


async def test_an_asynchronous_start_is_asked_again_when_ready(world: FlowWorld) -> None:
    flow = world.flow(profile=PULL)
    world.scripted.answers["start"] = NOT_READY
    assert not (await world.flows.start(flow)).ready
    assert (await world.flows.get(flow.id)).state is FlowState.STARTING
    await world.flows.ready(flow.id, INBOX)
    await told(world, "ready", flow.id)
    assert (await world.flows.start(flow)).address == INBOX
    assert world.scripted.names == ["start"], "a second start is no call to the plane"


async def test_an_asynchronous_prepare_is_asked_again_when_ready(world: FlowWorld) -> None:
    flow = world.flow(role="consumer")
    world.scripted.answers["prepare"] = NOT_READY
    assert not (await world.flows.prepare(flow)).ready
    await world.flows.ready(flow.id, INBOX)
    await told(world, "ready", flow.id)
    assert (await world.flows.prepare(flow)).address == INBOX
    assert (await world.flows.get(flow.id)).state is FlowState.PREPARED


async def test_a_consumer_of_a_push_says_where_to_send_and_says_it_again(world: FlowWorld) -> None:
    flow = world.flow(role="consumer")
    world.scripted.answers["prepare"] = INBOX
    assert (await world.flows.prepare(flow)).address == INBOX
    await world.crash()
    assert (await world.flows.prepare(flow)).address == INBOX
    assert world.scripted.names == ["prepare"]
    await world.flows.started(flow)
    await world.flows.suspend(flow.id)
    fresh = DataAddress(endpoint="https://south.example/inbox", authorization="another")
    world.scripted.answers["prepare"] = fresh
    assert (await world.flows.prepare(flow)).address == fresh
    assert (await world.flows.get(flow.id)).state is FlowState.STARTED


async def test_of_two_planes_with_one_profile_the_one_that_serves_is_taken(
    world: FlowWorld,
) -> None:
    files = ScriptedPlane()
    files.datasets = {"urn:uuid:file"}
    world.scripted.datasets = {"urn:uuid:dataset"}
    world.flows.register(files)
    await world.flows.start(world.flow("urn:uuid:1", dataset_id="urn:uuid:file", profile=PULL))
    assert (files.names, world.scripted.names) == (["start"], [])
    with pytest.raises(HansaError) as caught:
        await world.flows.check(world.flow(dataset_id="urn:uuid:neither"))
    assert caught.value.facts["field"] == "format"
    with pytest.raises(HansaError) as caught:
        await world.flows.check(world.flow(profile="Pigeon-PUSH"))
    assert "'Pigeon-PUSH'" in caught.value.title


async def test_another_transfer_cannot_take_over_a_flow(world: FlowWorld) -> None:
    await world.flows.start(world.flow())
    with pytest.raises(HansaError) as caught:
        await world.flows.start(world.flow(counterparty="did:web:east.example"))
    assert caught.value.code is Code.conflict


async def test_a_flow_that_ended_stays_so(world: FlowWorld) -> None:
    flow = world.flow()
    await world.flows.start(flow)
    await world.flows.terminate(flow.id, "The agreement ended.")
    with pytest.raises(HansaError) as caught:
        await world.flows.start(flow)
    assert (caught.value.code, caught.value.detail) == (
        Code.transfer_ended,
        "The agreement ended.",
    )
    await world.flows.on_done(flow.id)
    await world.flows.suspend(flow.id)
    assert (await world.flows.get(flow.id)).state is FlowState.TERMINATED


async def test_every_item_of_a_push_is_decided_anew(world: FlowWorld) -> None:
    flow = world.flow()
    await world.flows.start(flow)
    enforcement = await world.flows.enforcement(flow.id)
    enforcement.check()
    enforcement.record(3, 300)
    world.plane.roll.suspended.add(SOUTH)
    assert _refusal(enforcement) is Code.membership_suspended
    world.plane.roll.suspended.clear()
    expired = membership(until=world.plane.clock.now())
    await world.plane.grants.seen(caller(membership=expired))
    assert _refusal(enforcement) is Code.membership_expired
    await world.plane.grants.seen(caller())
    enforcement.check()
    await world.flows.suspend(flow.id, "pause")
    assert _refusal(enforcement) is Code.transfer_ended
    await world.flows.start(flow)
    enforcement.check()
    world.plane.agreements.end("urn:uuid:agreement", "over")
    await world.plane.grants.agreement_changed("urn:uuid:agreement")
    assert _refusal(enforcement) is Code.agreement_ended
    assert (await world.plane.usage.usage(flow.id)).entities == 3


async def test_a_push_is_refused_for_a_consumer_that_the_agreement_does_not_name(
    world: FlowWorld,
) -> None:
    with pytest.raises(HansaError) as caught:
        await world.flows.start(world.flow(counterparty="did:web:east.example"))
    assert caught.value.code is Code.not_found
    assert world.scripted.names == []


async def test_fetches_show_as_progress_too(world: FlowWorld) -> None:
    flow = world.flow(profile=PULL)
    await world.flows.start(flow)
    world.plane.usage.count(flow.id, flow.agreement_id, entities=5, bytes=500)
    progress = (await world.flows.get(flow.id)).progress
    assert (progress.items, progress.bytes) == (5, 500)
    assert progress.last_at == world.plane.clock.now()


async def test_a_restarted_push_keeps_what_was_written_last(world: FlowWorld) -> None:
    flow = world.flow(profile=PUSH)
    await world.flows.start(flow)
    for items in range(1, 50):
        world.flows.progress(flow.id, Progress(items=items, bytes=items * 10))
    await world.flows.suspend(flow.id)
    await world.flows.start(flow)
    kept = await world.flows.get(flow.id)
    assert kept.progress.items == 49
    assert msgspec.structs.replace(kept.progress, last_at=None).bytes == 490


def _refusal(enforcement: object) -> Code:
    with pytest.raises(HansaError) as caught:
        enforcement.check()  # type: ignore[attr-defined]
    return caught.value.code


async def test_a_push_that_was_done_before_its_start_was_heard_is_no_failure(
    world: FlowWorld,
) -> None:
    flow = world.flow()
    await world.flows.start(flow)
    await world.flows.on_done(flow.id)
    assert (await world.flows.start(flow)).ready
    assert world.scripted.names == ["start"]


async def test_access_from_before_there_were_flows_is_cut_too(world: FlowWorld) -> None:
    await world.plane.grants.start("old", "urn:uuid:agreement", caller())
    await world.flows.suspend("old", "pause")
    assert await state_of(world, "old") == "suspended"
    await world.flows.terminate("old", "over")
    assert await state_of(world, "old") == "ended"


async def test_a_push_whose_plane_breaks_after_a_crash_keeps_no_node_down(
    world: FlowWorld,
) -> None:
    flow = world.flow()
    await world.flows.start(flow)
    world.scripted.answers["start"] = ZeroDivisionError()
    assert await world.crash() == 0
    await told(world, "errored", flow.id, "The data could not be sent on after a restart.")


async def test_a_flow_that_the_control_plane_does_not_know_is_told_once(world: FlowWorld) -> None:
    flow = world.flow()
    await world.flows.start(flow)

    async def unknown(flow: DataFlow) -> None:
        raise HansaError(Code.not_found, "There is no such transfer.")

    world.control.completed = unknown  # type: ignore[method-assign]
    await world.flows.on_done(flow.id)
    async with asyncio.timeout(60):
        while await world.plane.store.read(lambda tx: tx.actions()):  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_a_suspended_flow_can_be_completed_by_both_sides_word(world: FlowWorld) -> None:
    flow = world.flow()
    await world.flows.start(flow)
    await world.flows.suspend(flow.id)
    await world.flows.complete(flow.id)
    assert (await world.flows.get(flow.id)).state is FlowState.COMPLETED


async def state_of(world: FlowWorld, transfer_id: str) -> str:
    grant = await world.plane.grants.get(transfer_id)
    assert grant is not None
    return grant.state.value
