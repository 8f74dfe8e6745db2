"""What the pages read by themselves uses up nothing of an agreed number of uses."""

from __future__ import annotations

from typing import Any

from node_world import OPERATOR, World, until

EAST = "/participants/east"


async def test_only_what_somebody_asks_for_is_a_use(world: World) -> None:
    dataset = await world.publish(template="count", parameters={"count": 2})
    agreed = await world.agree(dataset)
    flow = await world.flow(agreed["agreement_id"])
    look = world.management

    async def uses() -> int:
        return (await world.east.usage.usage(flow["id"])).requests

    (layer,) = [
        one
        for one in (await look.map_layers(OPERATOR, "east"))["layers"]
        if one["kind"] == "received"
    ]
    assert layer["stopped"].startswith("Each reading is one of the uses")
    unread: dict[str, Any] = await look.sample(OPERATOR, "east", dataset["id"])
    assert (unread["rows"], unread["counted"]) == ([], True)
    assert unread["reason"] == layer["stopped"]
    assert await uses() == 0
    read = await look.sample(OPERATOR, "east", dataset["id"], read=True)
    assert read["reason"] is None

    async def counted() -> bool:
        return await uses() == 1

    await until(counted, "the reading to be counted")
    status, _, _ = await world.api("GET", f"{EAST}/transfers/{flow['id']}/data/entities?type=Mark")
    assert status == 200
    status, found, _ = await world.api(
        "GET", f"{EAST}/transfers/{flow['id']}/data/entities?type=Mark"
    )
    assert status >= 400, found
