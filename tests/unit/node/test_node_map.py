"""Which transfer the map reads a received dataset by."""

from __future__ import annotations

from node_world import World

EAST = "/participants/east"


async def test_the_map_reads_by_an_access_and_not_by_a_push(world: World) -> None:
    agreed = await world.agree(await world.publish())
    pull = await world.flow(agreed["agreement_id"])
    for name, over in (("NgsiLd-PUSH", False), ("HttpData-PULL", True)):
        body = {"agreement_id": agreed["agreement_id"], "format": name}
        newer = (await world.done("POST", f"{EAST}/transfers", body))["id"]
        await world.done("GET", f"{EAST}/transfers/{newer}?wait=STARTED&timeout_s=20")
        if over:
            await world.done("POST", f"{EAST}/transfers/{newer}/terminate", {"reason": "Over."})
            await world.done("GET", f"{EAST}/transfers/{newer}?wait=TERMINATED&timeout_s=20")
    (layer,) = (await world.done("GET", f"{EAST}/map/layers"))["layers"]
    assert (layer["transfer_id"], layer["stopped"]) == (pull["id"], None)
