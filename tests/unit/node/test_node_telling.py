"""What is told as an event: a step, once; not every change of what is known of it."""

from __future__ import annotations

from node_world import World

WEST = "/participants/west"


async def test_an_error_of_a_running_transfer_does_not_tell_again_that_it_runs(
    world: World,
) -> None:
    transfer = await world.flow((await world.agree(await world.publish()))["agreement_id"])
    provider = transfer["pids"]["provider"]

    async def told(kind: str) -> int:
        items = (await world.done("GET", f"{WEST}/events"))["items"]
        return sum(item["kind"] == kind for item in items)

    await world.done("GET", f"{WEST}/transfers/{provider}?wait=STARTED&timeout_s=20")
    assert await told("transfer.started") == 1
    for _ in range(2):
        await world.west.exchange.plane_errored(provider, "The broker is away.")
    assert await told("transfer.started") == 1
    for verb, kind in (("suspend", "transfer.suspended"), ("resume", "transfer.started")):
        body = {"reason": "A pause."} if verb == "suspend" else None
        await world.done("POST", f"{WEST}/transfers/{provider}/{verb}", body)
        state = {"suspend": "SUSPENDED", "resume": "STARTED"}[verb]
        await world.done("GET", f"{WEST}/transfers/{provider}?wait={state}&timeout_s=20")
        assert await told(kind) == (1 if verb == "suspend" else 2)
    await world.done("POST", f"{WEST}/agreements/{transfer['agreement_id']}/end", {"reason": "So."})
    await world.done("GET", f"{WEST}/transfers/{provider}?wait=TERMINATED&timeout_s=20")
    told_once = ("negotiation.finalized", "transfer.terminated", "agreement.ended")
    assert [await told(kind) for kind in told_once] == [1, 1, 1]
