"""An operator deletes what a transfer brought, once it is over."""

from __future__ import annotations

from hansa.policy import Scope
from node_world import World, until

EAST = "/participants/east"


async def test_received_entities_stay_until_they_are_forgotten(world: World) -> None:
    agreed = await world.agree(await world.publish())
    body = {"agreement_id": agreed["agreement_id"], "format": "NgsiLd-PUSH"}
    flow = (await world.done("POST", f"{EAST}/transfers", body))["id"]

    async def received() -> bool:
        summary = await world.east.pushing.mirrors.broker(flow).types(Scope.everything())
        return bool(summary)

    await until(received, "the entity")
    status, found, _ = await world.api("POST", f"{EAST}/transfers/{flow}/forget", {})
    assert (status, found["code"]) == (400, "illegal_state"), "it runs"
    await world.done("POST", f"{EAST}/transfers/{flow}/terminate", {"reason": "Enough."})
    await world.done("GET", f"{EAST}/transfers/{flow}?wait=TERMINATED&timeout_s=20")
    assert await received()
    assert (await world.done("GET", f"{EAST}/transfers/{flow}"))["actions"] == ["forget"]
    answer = await world.done("POST", f"{EAST}/transfers/{flow}/forget", {})
    assert answer == {"id": flow, "entities": 1, "file": False}
    assert not await received()
    again = await world.done("POST", f"{EAST}/transfers/{flow}/forget", {})
    assert again["entities"] == 0
