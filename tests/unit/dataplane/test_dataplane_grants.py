"""Grants: what is let through, what is refused with which code, and what survives a restart."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from dataplane_world import (
    DAY_OLD,
    EAST,
    ENDPOINT,
    FOR_RESEARCH,
    ONE_ATTRIBUTE,
    SOUTH,
    TARGET,
    TYPE,
    UNTIL_SIX,
    Plane,
    basic,
    bearer,
    caller,
    membership,
)

from hansa.dataplane import DataAddress, GrantState
from hansa.kernel import Code, HansaError


async def started(plane: Plane, *constraints: dict[str, str], **members: Any) -> DataAddress:
    plane.agreements.add("a1", *constraints, **members)
    return await plane.grants.start("t1", "a1", caller())


async def test_a_started_transfer_sees_what_the_agreement_lets_through(plane: Plane) -> None:
    address = await started(plane, ONE_ATTRIBUTE)
    assert (address.endpoint, address.auth_type) == (ENDPOINT, "bearer")
    enforcement = await plane.grants.authorise(bearer(address.authorization))
    (cut,) = enforcement.scope.permits
    assert cut.types == frozenset({TYPE})
    assert cut.attributes == frozenset({"https://example.org/energy"})
    assert enforcement.still_valid()
    grant = enforcement.grant
    assert (grant.transfer_id, grant.agreement_id, grant.dataset_id) == ("t1", "a1", TARGET)
    assert (grant.consumer, grant.state) == (SOUTH, GrantState.started)


async def test_the_token_may_come_as_password_for_programs_like_qgis(plane: Plane) -> None:
    token = (await started(plane)).authorization
    assert (await plane.grants.authorise(basic("anyone", token))).still_valid()
    assert (await plane.grants.authorise({"authorization": f"bearer  {token} "})).still_valid()


async def test_the_token_may_come_without_a_scheme_as_edc_sends_it(plane: Plane) -> None:
    token = (await started(plane)).authorization
    assert (await plane.grants.authorise({"authorization": token})).still_valid()


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, Code.token_missing),
        ({"authorization": ""}, Code.token_missing),
        (basic("user", ""), Code.token_missing),
        ({"authorization": "Basic ???"}, Code.token_malformed),
        ({"authorization": "Basic /w=="}, Code.token_malformed),
        ({"authorization": "Digest x"}, Code.token_malformed),
        ({"authorization": "Bearer " + "x" * 5_000}, Code.token_malformed),
        (bearer("x" * 43), Code.token_unknown),
        ({"authorization": "x" * 43}, Code.token_unknown),
        (bearer(""), Code.token_unknown),
        (bearer("é\udcff"), Code.token_unknown),
        (basic("x" * 43, "y"), Code.token_unknown),
    ],
)
async def test_without_a_known_token_nothing_is_let_through(
    plane: Plane, headers: dict[str, str], code: Code
) -> None:
    await started(plane)
    refusal = await plane.refusal(headers)
    assert (refusal.code, refusal.status) == (code, 401)
    assert not plane.roll.asked


async def test_a_token_of_another_participant_on_the_node_is_unknown(plane: Plane) -> None:
    token = (await started(plane)).authorization
    plane.wire("west")
    await plane.grants.load()
    assert (await plane.refusal(bearer(token))).code is Code.token_unknown


async def test_only_the_assignee_of_an_active_agreement_is_granted_access(plane: Plane) -> None:
    plane.agreements.add("a1", assignee=EAST)
    plane.agreements.add("a2")
    plane.agreements.end("a2", "Ended by the provider.")
    for agreement_id, code in (
        ("a1", Code.not_found),
        ("none", Code.not_found),
        ("a2", Code.agreement_ended),
    ):
        with pytest.raises(HansaError) as refused:
            await plane.grants.start("t1", agreement_id, caller())
        assert refused.value.code is code
    assert await plane.grants.get("t1") is None


async def test_ending_the_agreement_stops_the_next_request_and_the_running_answer(
    plane: Plane,
) -> None:
    token = (await started(plane)).authorization
    running = await plane.grants.authorise(bearer(token))
    plane.agreements.end("a1", "Ended by the provider.")
    await plane.grants.agreement_changed("a1")
    refusal = await plane.refusal(bearer(token))
    assert (refusal.code, refusal.status) == (Code.agreement_ended, 403)
    assert "Ended by the provider." in refusal.detail
    assert not running.still_valid()
    with pytest.raises(HansaError) as stopped:
        running.check()
    assert stopped.value.code is Code.agreement_ended
    await plane.grants.terminate("t1")
    assert (await plane.refusal(bearer(token))).code is Code.agreement_ended


async def test_an_agreement_that_vanished_lets_nothing_through(plane: Plane) -> None:
    token = (await started(plane)).authorization
    await plane.grants.authorise(bearer(token))
    plane.agreements.known.clear()
    await plane.grants.agreement_changed("a1")
    assert (await plane.refusal(bearer(token))).code is Code.agreement_ended
    await plane.restart()
    assert (await plane.refusal(bearer(token))).code is Code.agreement_ended


async def test_an_ended_transfer_is_told_so(plane: Plane) -> None:
    token = (await started(plane)).authorization
    running = await plane.grants.authorise(bearer(token))
    await plane.grants.terminate("t1", "The consumer has enough.")
    assert not running.still_valid()
    refusal = await plane.refusal(bearer(token))
    assert (refusal.code, refusal.status) == (Code.transfer_ended, 403)
    assert refusal.detail == "The consumer has enough."
    await plane.grants.terminate("t1", "another reason")
    await plane.grants.suspend("t1")
    await plane.grants.terminate("unknown")
    await plane.grants.suspend("unknown")
    with pytest.raises(HansaError) as refused:
        await plane.grants.start("t1", "a1", caller())
    assert refused.value.code is Code.transfer_ended
    assert (await plane.grants.of_agreement("a1"))[0].reason == "The consumer has enough."


async def test_a_suspended_transfer_resumes_with_a_fresh_token_only(plane: Plane) -> None:
    old = (await started(plane)).authorization
    running = await plane.grants.authorise(bearer(old))
    await plane.grants.suspend("t1", "Maintenance.")
    assert not running.still_valid()
    refusal = await plane.refusal(bearer(old))
    assert (refusal.code, refusal.facts["state"]) == (Code.transfer_ended, "suspended")
    new = (await started(plane)).authorization
    assert new != old
    assert (await plane.grants.authorise(bearer(new))).still_valid()
    assert (await plane.refusal(bearer(old))).code is Code.token_unknown


async def test_only_what_may_go_on_is_resumed(plane: Plane) -> None:
    await started(plane)
    await plane.grants.suspend("t1")
    plane.agreements.end("a1")
    await plane.grants.agreement_changed("a1")
    with pytest.raises(HansaError) as refused:
        await started(plane)
    assert refused.value.code is Code.agreement_ended


async def test_a_start_repeated_after_a_lost_answer_breaks_no_token(plane: Plane) -> None:
    first = await started(plane)
    more = [await plane.grants.start("t1", "a1", caller()) for _ in range(4)]
    for address in more:
        assert (await plane.grants.authorise(bearer(address.authorization))).still_valid()
    assert (await plane.refusal(bearer(first.authorization))).code is Code.token_unknown
    plane.agreements.add("a2")
    with pytest.raises(HansaError) as refused:
        await plane.grants.start("t1", "a2", caller())
    assert refused.value.code is Code.conflict


async def test_membership_is_checked_at_every_request_and_while_an_answer_runs(
    plane: Plane,
) -> None:
    token = (await started(plane)).authorization
    running = await plane.grants.authorise(bearer(token))
    plane.roll.suspended.add(SOUTH)
    assert not running.still_valid()
    refusal = await plane.refusal(bearer(token))
    assert (refusal.code, refusal.status) == (Code.membership_suspended, 401)
    plane.roll.suspended.clear()
    assert running.still_valid()
    plane.roll.reachable = False
    refusal = await plane.refusal(bearer(token))
    assert (refusal.code, refusal.status) == (Code.status_unavailable, 401)
    await plane.grants.terminate("t1")
    assert (await plane.refusal(bearer(token))).code is Code.status_unavailable


async def test_the_membership_is_the_one_that_was_shown_last(plane: Plane) -> None:
    plane.agreements.add("a1")
    soon = datetime(2026, 1, 1, 13, tzinfo=UTC)
    first = caller(membership=membership(7, soon))
    token = (await plane.grants.start("t1", "a1", first)).authorization
    plane.clock.move(3_600)
    assert (await plane.refusal(bearer(token))).code is Code.membership_expired
    await plane.grants.seen(caller(membership=membership(8)))
    await plane.grants.authorise(bearer(token))
    assert plane.roll.asked[-1] == (SOUTH, 8)
    await plane.restart()
    await plane.grants.start("t1", "a1", caller(membership=None))
    await plane.grants.authorise(bearer(token))
    assert plane.roll.asked[-1] == (SOUTH, 8)


async def test_the_end_date_stops_requests_and_running_answers_with_the_reason(
    plane: Plane,
) -> None:
    token = (await started(plane, UNTIL_SIX)).authorization
    running = await plane.grants.authorise(bearer(token))
    plane.clock.move(6 * 3_600 - 1)
    assert running.still_valid()
    plane.clock.move(1)
    assert not running.still_valid()
    refusal = await plane.refusal(bearer(token))
    assert (refusal.code, refusal.status) == (Code.policy_denied, 403)
    assert refusal.facts["reasons"][0]["path"].startswith("permission[0]")
    assert refusal.detail


async def test_the_purpose_comes_from_the_agreement(plane: Plane) -> None:
    token = (await started(plane, FOR_RESEARCH)).authorization
    assert (await plane.refusal(bearer(token))).code is Code.policy_denied
    plane.agreements.add("a1", FOR_RESEARCH, purpose="https://example.org/research")
    await plane.grants.agreement_changed("a1")
    assert (await plane.grants.authorise(bearer(token))).still_valid()


async def test_the_age_of_data_moves_the_scope_but_stops_no_running_answer(plane: Plane) -> None:
    token = (await started(plane, DAY_OLD)).authorization
    first = await plane.grants.authorise(bearer(token))
    plane.clock.move(60)
    second = await plane.grants.authorise(bearer(token))
    starts = [e.scope.permits[0].observed for e in (first, second)]
    assert starts[0] != starts[1]
    assert first.still_valid()


async def test_a_part_of_the_scope_that_falls_away_stops_the_answer_that_shows_it(
    plane: Plane,
) -> None:
    token = (await started(plane)).authorization
    running = await plane.grants.authorise(bearer(token))
    plane.agreements.add("a1", ONE_ATTRIBUTE)
    await plane.grants.agreement_changed("a1")
    with pytest.raises(HansaError) as stopped:
        running.check()
    assert stopped.value.code is Code.policy_denied
    assert (await plane.grants.authorise(bearer(token))).still_valid()


async def test_a_restart_keeps_grants_and_tokens(plane: Plane) -> None:
    running = (await started(plane)).authorization
    ended = (await plane.grants.start("t2", "a1", caller())).authorization
    paused = (await plane.grants.start("t3", "a1", caller())).authorization
    await plane.grants.terminate("t2")
    await plane.grants.suspend("t3")
    await plane.restart()
    assert (await plane.grants.authorise(bearer(running))).still_valid()
    assert (await plane.refusal(bearer(ended))).code is Code.transfer_ended
    assert (await plane.refusal(bearer(paused))).facts["state"] == "suspended"


async def test_many_grants_are_loaded(plane: Plane) -> None:
    plane.agreements.add("a1")
    await asyncio.gather(*(plane.grants.start(f"t{n:04}", "a1", caller()) for n in range(1_050)))
    plane.wire()
    assert await plane.grants.load() == 1_050
    assert plane.agreements.reads <= 1_050


async def test_the_agreement_is_read_once_not_per_request(plane: Plane) -> None:
    token = (await started(plane)).authorization
    await plane.grants.authorise(bearer(token))
    reads = plane.agreements.reads
    for _ in range(5):
        await plane.grants.authorise(bearer(token))
    assert plane.agreements.reads == reads


async def test_secrets_are_neither_stored_nor_logged(
    plane: Plane, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = structlog.wrap_logger(
        structlog.PrintLogger(),
        processors=[structlog.processors.KeyValueRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(0),
    )
    monkeypatch.setattr("hansa.dataplane.service._log", log)
    address = await started(plane)
    await plane.grants.authorise(bearer(address.authorization))
    await plane.grants.suspend("t1")
    resumed = await started(plane)
    await plane.grants.terminate("t1")
    await plane.refusal(bearer(resumed.authorization))
    printed = capsys.readouterr()
    files = b"".join(path.read_bytes() for path in plane.path.parent.iterdir())
    for token in (address.authorization, resumed.authorization):
        assert len(token) >= 43
        assert token not in printed.out + printed.err + repr(address) + str(resumed)
        assert token.encode() not in files
    assert "grant_started" in printed.out
