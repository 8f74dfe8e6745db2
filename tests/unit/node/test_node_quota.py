"""A provider pushes more entities than a consumer keeps of one transfer."""

from __future__ import annotations

from typing import Any

import pytest

from hansa.broker import Query
from hansa.kernel import HansaError
from hansa.policy import Scope
from node_world import World, until

EAST, WEST = "/participants/east", "/participants/west"


def mark(number: int, value: int = 1) -> dict[str, Any]:
    return {
        "id": f"urn:ngsi-ld:Mark:{number}",
        "type": "Mark",
        "of": {"type": "Property", "value": value},
    }


async def test_entities_beyond_the_limit_wait_until_there_is_room(world: World) -> None:
    quota = world.east.pushing.quota
    quota.entities_max = 2
    agreed = await world.agree(await world.publish())
    await world.west.broker.upsert([mark(1), mark(2)])
    body = {"agreement_id": agreed["agreement_id"], "format": "NgsiLd-PUSH"}
    mine = (await world.done("POST", f"{EAST}/transfers", body))["id"]
    mirror = world.east.pushing.mirrors.broker(mine)

    async def holds(*told: str) -> bool:
        page = await mirror.query(Scope.everything(), Query())
        whole = b" ".join(page.items).decode()
        return len(page.items) == len(told) and all(one in whole for one in told)

    async def says(path: str, words: str) -> bool:
        (found,) = (await world.done("GET", f"{path}/transfers"))["items"]
        return words in ((found["progress"] or {}).get("error") or "")

    await until(lambda: holds("Mark:1", "Mark:2"), "both entities")
    await world.west.broker.upsert([mark(1, 77)])
    await until(lambda: holds('"value":77', "Mark:2"), "a change, which needs no room")
    await world.west.broker.upsert([mark(3)])
    await until(lambda: says(EAST, "storage_full: The transfer brings more"), "the refusal")
    await until(lambda: says(EAST, "`received.entities_max`"), "the setting")
    await until(lambda: says(EAST, "hansa transfer forget"), "the next step")
    await until(lambda: says(WEST, "The receiver answered 507. It has no room"), "the answer")
    assert await holds('"value":77', "Mark:2"), "nothing of it was kept"
    quota.entities_max = 3
    await until(lambda: holds("Mark:1", "Mark:2", "Mark:3"), "the third, nothing lost")


async def test_what_was_taken_away_makes_room_and_a_restart_counts_anew(world: World) -> None:
    mirrors = world.east.pushing.mirrors
    world.east.pushing.quota.entities_max = 2
    assert await mirrors.apply("flow", [mark(1), mark(2)], []) == []
    assert await mirrors.apply("flow", [], ["urn:ngsi-ld:Mark:1", "urn:ngsi-ld:Mark:9"]) == []
    assert await mirrors.apply("flow", [mark(3)], []) == []
    mirrors._counts.clear()
    assert await mirrors.apply("flow", [mark(2), mark(3)], []) == []
    with pytest.raises(HansaError, match=r"storage_full: .* At most 2 are kept"):
        await mirrors.apply("flow", [mark(4)], [])
