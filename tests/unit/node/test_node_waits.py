"""Waiting for a process: looked at when it may have come, and not more often."""

from __future__ import annotations

import asyncio

from hansa.exchange import Change
from hansa.node.waits import Waits

END = frozenset({"FINALIZED", "TERMINATED"})


async def _waiting(waits: Waits, states: list[str], wakes: frozenset[str] | None) -> list[str]:
    """Wait for FINALIZED while the process goes through `states`; give what was looked at."""
    current, seen = "REQUESTED", list[str]()

    async def look() -> str:
        seen.append(current)
        return current

    until = waits.until("n", look, lambda state: state in END, 30.0, wakes)
    waiter = asyncio.create_task(until)
    await asyncio.sleep(0)
    for current in states:
        waits.changed(Change("negotiation", "n", current))
        for _ in range(5):
            await asyncio.sleep(0)
    assert await waiter == "FINALIZED"
    return seen


async def test_who_waits_for_a_state_looks_once_it_is_entered() -> None:
    states = ["AGREED", "VERIFIED", "FINALIZED"]
    assert await _waiting(Waits(), states, END) == ["REQUESTED", "FINALIZED"]


async def test_who_waits_for_any_change_looks_after_each() -> None:
    states = ["AGREED", "VERIFIED", "FINALIZED"]
    assert await _waiting(Waits(), states, None) == ["REQUESTED", *states]


async def test_what_changes_between_asking_and_looking_is_not_missed() -> None:
    waits, entered = Waits(), list[str]()

    async def look() -> str:
        if entered:
            return "FINALIZED"
        entered.append("FINALIZED")
        waits.changed(Change("negotiation", "n", "FINALIZED"))
        return "VERIFIED"

    until = waits.until("n", look, lambda state: state in END, 30.0, END)
    assert await asyncio.wait_for(until, 60) == "FINALIZED"
