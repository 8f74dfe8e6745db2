"""An operator takes over the counterparty's state over the management API."""

from __future__ import annotations

from typing import Any

import msgspec

from hansa.exchange import TRANSFERS, TransferState
from node_world import World

EAST = "/participants/east"


async def test_a_disagreement_is_resolved_by_taking_over_the_other_state(world: World) -> None:
    final = await world.agree(await world.publish())
    transfer = await world.flow(final["agreement_id"])

    def forget(tx: Any) -> None:  # as a restored backup does
        (theirs,) = tx.find(TRANSFERS)
        tx.put(TRANSFERS, msgspec.structs.replace(theirs, state=TransferState.SUSPENDED))

    await world.west.store.write(forget)
    adopted = await world.done("POST", f"{EAST}/transfers/{transfer['id']}/adopt")
    assert (adopted["state"], adopted["their_state"]) == ("SUSPENDED", None)


async def test_what_is_settled_is_not_taken_over(world: World) -> None:
    final = await world.agree(await world.publish())
    status, problem, _ = await world.api("POST", f"{EAST}/negotiations/{final['id']}/adopt")
    assert (status, problem["code"]) == (400, "illegal_state")
    status, problem, _ = await world.api("POST", f"{EAST}/transfers/{final['id']}/adopt")
    assert (status, problem["code"]) == (404, "not_found")


async def test_a_disagreement_at_the_end_is_among_the_actions(world: World) -> None:
    final = await world.agree(await world.publish())
    transfer = await world.flow(final["agreement_id"])
    path = f"{EAST}/transfers/{transfer['id']}"

    def differ(theirs: str) -> Any:
        def job(tx: Any) -> None:
            (ours,) = tx.find(TRANSFERS)
            over = TransferState.TERMINATED
            tx.put(TRANSFERS, msgspec.structs.replace(ours, state=over, their_state=theirs))

        return job

    await world.east.store.write(differ("SUSPENDED"))
    found = await world.done("GET", path)
    assert found["actions"] == ["adopt"]
    assert found["refusal"]["next"].endswith(f"hansa transfer adopt {transfer['id']}")
    await world.east.store.write(differ("STARTED"))  # an access that was cut is not opened again
    assert (await world.done("GET", path))["actions"] == []
