"""An agreement that limits the number of uses: every one is counted, none goes beyond."""

from __future__ import annotations

import asyncio

import pytest
from dataplane_world import UNTIL_SIX, Plane, bearer, caller, constraint

from hansa.dataplane import UsageLedger
from hansa.kernel import Code, HansaError

THREE = constraint("odrl:count", "lteq", "3")
HUNDRED = constraint("odrl:count", "lteq", "100")


async def token(plane: Plane, *terms: dict[str, str], transfer: str = "t1") -> dict[str, str]:
    if "a1" not in plane.agreements.known:
        plane.agreements.add("a1", *terms)
    address = await plane.grants.start(transfer, "a1", caller())
    return bearer(address.authorization)


async def test_the_fourth_of_three_is_refused_with_the_numbers(plane: Plane) -> None:
    headers = await token(plane, THREE)
    for _ in range(3):
        enforcement = await plane.grants.authorise(headers)
        enforcement.check()  # a running answer goes on, also the last one
    error = await plane.refusal(headers)
    assert (error.code, error.status) == (Code.policy_denied, 403)
    facts = {name: error.facts[name] for name in ("reason", "limit", "used")}
    assert facts == {"reason": "count_exhausted", "limit": 3, "used": 3}
    assert error.facts["reasons"][0]["code"] == "count_exhausted"
    enforcement.check()
    assert await plane.usage.counts.used("a1") == 3


async def test_transfers_of_one_agreement_count_together(plane: Plane) -> None:
    first = await token(plane, THREE)
    second = await token(plane, transfer="t2")
    for headers in (first, second, first):
        await plane.grants.authorise(headers)
    assert (await plane.refusal(second)).facts["used"] == 3


async def test_a_push_counts_as_a_request_does(plane: Plane) -> None:
    headers = await token(plane, THREE)
    await plane.grants.enforce("t1")
    await plane.grants.enforce("t1")
    await plane.grants.authorise(headers)
    with pytest.raises(HansaError) as refused:
        await plane.grants.enforce("t1")
    assert refused.value.facts["reason"] == "count_exhausted"


async def test_what_another_term_refuses_is_not_counted(plane: Plane) -> None:
    headers = await token(plane, THREE, UNTIL_SIX)
    await plane.grants.authorise(headers)
    plane.clock.move(24 * 3600)
    for _ in range(5):
        assert "reason" not in (await plane.refusal(headers)).facts
    assert await plane.usage.counts.used("a1") == 1


async def test_requests_at_once_get_no_more_than_the_limit(plane: Plane) -> None:
    headers = await token(plane, HUNDRED)

    async def ask() -> bool:
        try:
            await plane.grants.authorise(headers)
        except HansaError as error:
            return error.facts["reason"] != "count_exhausted"
        return True

    answers = await asyncio.gather(*(ask() for _ in range(300)))
    assert answers.count(True) == 100


async def test_a_stop_in_good_order_loses_no_use(plane: Plane) -> None:
    headers = await token(plane, HUNDRED)
    for _ in range(7):
        await plane.grants.authorise(headers)
    await plane.usage.stop()
    await plane.restart()
    assert await plane.usage.counts.used("a1") == 7
    for _ in range(93):
        await plane.grants.authorise(headers)
    assert (await plane.refusal(headers)).facts["used"] == 100


async def test_a_crash_loses_a_block_and_grants_none_more(plane: Plane) -> None:
    headers = await token(plane, HUNDRED)
    for _ in range(7):
        await plane.grants.authorise(headers)
    plane.usage = UsageLedger(plane.store, plane.clock)  # nothing is given back
    await plane.restart()
    used = await plane.usage.counts.used("a1")
    assert used == 11
    let_through = 7
    while True:
        try:
            await plane.grants.authorise(headers)
        except HansaError as error:
            reason = error.facts["reason"]
            break
        let_through += 1
    assert (let_through, reason) == (96, "count_exhausted")


async def test_an_agreement_without_a_number_is_not_counted(plane: Plane) -> None:
    headers = await token(plane, UNTIL_SIX)
    await plane.grants.authorise(headers)
    assert await plane.usage.counts.used("a1") == 0


async def test_when_the_block_can_not_be_written_nobody_is_let_through(
    plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = await token(plane, THREE)

    async def full(*_: object, **__: object) -> None:
        raise HansaError(Code.unavailable, "The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(plane.usage.counts, "_reserve", full)
        assert (await plane.refusal(headers)).code is Code.unavailable
    await plane.grants.authorise(headers)
    assert await plane.usage.counts.used("a1") == 1
