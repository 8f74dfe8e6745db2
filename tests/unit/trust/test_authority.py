"""The authority's decisions, and what its routes answer."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hansa.identity import Caller, Membership
from hansa.kernel import Code, HansaError
from hansa.kernel.outbound import OutboundResponse
from hansa.trust import Authority, Member, RequestState
from hansa.trust.register import MEMBER
from hansa.trust.wire_join_1 import RequestBody
from trust_world import Node, World, bearer, joined, settle

CITY = Caller(did="did:web:localhost%3A7799:city", kind="participant")
BODY = RequestBody(title="City", url="http://localhost:7799/city")


@pytest.fixture
async def node(world: World) -> Node:
    return await world.authority()


@pytest.fixture
def authority(node: Node) -> Authority:
    assert node.authority is not None
    return node.authority


def someone(number: int) -> tuple[Caller, RequestBody]:
    did = f"did:web:localhost%3A7799:c{number}"
    body = RequestBody(title=f"C {number}", url=f"http://localhost:7799/c{number}")
    return Caller(did=did, kind="participant"), body


async def member(authority: Authority, caller: Caller = CITY, body: RequestBody = BODY) -> Member:
    request = await authority.request(caller, body)
    await authority.approve(request.id)
    return next(each for each in await authority.members() if each.did == caller.did)


async def test_a_request_waits_and_a_repeat_is_the_same(authority: Authority) -> None:
    first = await authority.request(CITY, BODY)
    again = await authority.request(CITY, RequestBody(title="Other", url=BODY.url))
    assert again == first
    assert (first.state, first.title) == (RequestState.pending, "City")
    assert len(await authority.requests()) == 1


async def test_approval_makes_a_member_once(authority: Authority) -> None:
    request = await authority.request(CITY, BODY)
    approved = await authority.approve(request.id)
    assert await authority.approve(request.id) == approved
    (found,) = await authority.members()
    assert (found.did, found.state.value) == (CITY.did, "active")
    assert (found.valid_until - found.since).days == 365
    assert await authority.request(CITY, BODY) == approved


async def test_members_get_different_bits_by_chance(authority: Authority) -> None:
    found = [(await member(authority, *someone(number))).status_index for number in range(5)]
    assert len(set(found)) == 5
    assert found != sorted(found) or found[-1] > 100


async def test_a_bit_is_never_given_twice(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hansa.trust.wire_bitstring_1_0.BITS_MIN", 2)
    indices = {(await member(authority, *someone(number))).status_index for number in range(2)}
    assert indices == {0, 1}
    request = await authority.request(*someone(3))
    with pytest.raises(HansaError) as caught:
        await authority.approve(request.id)
    assert caught.value.code is Code.conflict


async def refusal(awaitable: Any) -> HansaError:
    with pytest.raises(HansaError) as caught:
        await awaitable
    return caught.value


async def test_decisions_that_contradict_each_other_are_refused(authority: Authority) -> None:
    first = await authority.request(CITY, BODY)
    await authority.refuse(first.id, "No")
    error = await refusal(authority.approve(first.id))
    assert (error.code, error.status) == (Code.illegal_state, 409)
    second = await authority.request(CITY, BODY)
    assert second.id != first.id
    await authority.approve(second.id)
    assert (await refusal(authority.refuse(second.id, "No"))).code is Code.illegal_state
    assert (await refusal(authority.approve(first.id))).code is Code.not_found
    assert (await refusal(authority.refuse("x", "No"))).code is Code.not_found


async def test_a_reason_is_needed(authority: Authority) -> None:
    found = await member(authority)
    other = await authority.request(*someone(1))
    for reason in ("", "  ", "x" * 501):
        for decision in (
            authority.suspend(found.did, reason),
            authority.refuse(other.id, reason),
        ):
            error = await refusal(decision)
            assert (error.code, error.facts["field"]) == (Code.invalid_field, "reason")


async def test_who_is_no_member_cannot_be_suspended(authority: Authority) -> None:
    assert (await refusal(authority.suspend(CITY.did, "x"))).code is Code.not_found
    assert (await refusal(authority.reinstate(CITY.did))).code is Code.not_found


async def test_a_suspended_member_cannot_ask_again(authority: Authority) -> None:
    found = await member(authority)
    suspended = await authority.suspend(found.did, "It leaks")
    assert (suspended.state.value, suspended.reason) == ("suspended", "It leaks")
    assert (await refusal(authority.request(CITY, BODY))).code is Code.membership_suspended
    assert (await authority.reinstate(found.did)).reason is None
    await authority.request(CITY, BODY)


async def test_the_url_must_be_that_of_the_did(authority: Authority) -> None:
    for url in ("http://localhost:7799/other", "http://localhost:7798/city", "nonsense"):
        error = await refusal(authority.request(CITY, RequestBody(title="City", url=url)))
        assert (error.code, error.facts["field"]) == (Code.invalid_field, "url")


async def test_pending_requests_are_bounded(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hansa.trust.authority.PENDING_MAX", 2)
    for number in range(2):
        await authority.request(*someone(number))
    assert (await refusal(authority.request(*someone(2)))).code is Code.too_many_requests
    await authority.request(*someone(1))


async def test_a_members_own_membership_is_judged_by_the_register(
    node: Node, authority: Authority, world: World
) -> None:
    found = await member(authority)
    assert node.register is not None
    heard: list[int] = []
    node.register.on_change(lambda: heard.append(1))
    shown = Membership(
        authority=node.did,
        credential_id=found.credential_id,
        status_list=node.register.status_list,
        status_index=found.status_index,
        valid_until=found.valid_until,
    )
    node.identity.check_standing(found.did, shown)
    await authority.suspend(found.did, "x")
    assert heard == [1]
    with pytest.raises(HansaError) as caught:
        node.identity.check_standing(found.did, shown)
    assert caught.value.code is Code.membership_suspended
    await world.stop(node)
    again = await world.authority()
    with pytest.raises(HansaError) as caught:
        again.identity.check_standing(found.did, shown)
    assert caught.value.code is Code.membership_suspended
    for other in (
        msgspec.structs.replace(shown, status_list="http://x/1"),
        msgspec.structs.replace(shown, status_index=10**6),
    ):
        with pytest.raises(HansaError) as caught:
            again.identity.check_standing(found.did, other)
        assert caught.value.code is Code.status_unavailable


async def test_pushes_to_a_member_that_is_away_do_not_pile_up(
    world: World, node: Node, authority: Authority
) -> None:
    found = await member(authority, *someone(1))
    for _ in range(10):
        await authority.suspend(found.did, "x")
        await authority.reinstate(found.did)
    waiting = await node.store.read(lambda tx: tx.actions("membership"))
    assert len([each for each in waiting if each.name == "push_status"]) <= 2

    async def given_up() -> bool:
        world.clock.move(5)
        node.reconciler.wake()
        left = await node.store.read(lambda tx: tx.actions("membership"))
        return not [each for each in left if each.name == "push_status"]

    await settle(given_up)


async def test_a_credential_that_the_member_refuses_is_not_sent_for_ever(
    world: World, node: Node, authority: Authority
) -> None:
    url = "http://localhost:7799/city/trust/credentials"
    world.wire.answers[url] = OutboundResponse(status=422, headers={}, body=b"")
    await member(authority)

    async def dead() -> bool:
        left = await node.store.read(lambda tx: tx.actions("membership"))
        return [each.dead for each in left] == [True]

    await settle(dead)


# the routes


async def post(world: World, node: Node, path: str, token: str | None, **sent: Any) -> Any:
    headers = bearer(token) if token else {}
    return await world.wire.request("POST", f"{node.url}/trust/{path}", headers=headers, **sent)


async def get(world: World, url: str, token: str | None = None, **headers: str) -> Any:
    return await world.wire.request(
        "GET", url, headers={**headers, **(bearer(token) if token else {})}
    )


async def test_a_request_over_the_wire(world: World, node: Node) -> None:
    city = await world.city("delft", 7711)
    body = {"title": "Delft", "url": city.url, "message": "Hello"}
    ids = set()
    for _ in range(2):
        token = await city.identity.token_for(node.did)
        answer = await post(world, node, "requests", token, json=body)
        assert (answer.status, answer.json()["state"]) == (202, "pending")
        ids.add(answer.json()["id"])
    (request_id,) = ids
    state = await get(
        world, f"{node.url}/trust/requests/{request_id}", await city.identity.token_for(node.did)
    )
    assert state.json() == {"id": request_id, "state": "pending"}


async def test_a_request_of_someone_else_is_not_there(world: World, node: Node) -> None:
    delft, other = await world.city("delft", 7711), await world.city("other", 7712)
    token = await delft.identity.token_for(node.did)
    body = {"title": "Delft", "url": delft.url}
    answer = await post(world, node, "requests", token, json=body)
    token = await other.identity.token_for(node.did)
    url = f"{node.url}/trust/requests/{answer.json()['id']}"
    state = await get(world, url, token)
    assert (state.status, state.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        (b"{", 400, "invalid_json", None),
        (b"\xff", 400, "invalid_json", None),
        (b'{"message":' + b"[" * 30_000, 400, "invalid_field", "message"),
        (b"[]", 400, "invalid_field", "body"),
        (b"{}", 400, "invalid_field", "title"),
        (b'{"title":"","url":"x"}', 400, "invalid_field", "title"),
        (b'{"title":1,"url":"x"}', 400, "invalid_field", "title"),
        (b'{"title":"t","url":"x","role":"mayor"}', 400, "unknown_field", "role"),
        (b'{"title":"t","url":"http://localhost:1/x"}', 400, "invalid_field", "url"),
        (b" " * 70_000, 413, "body_too_large", None),
    ],
)
async def test_a_wrong_body_is_refused_with_its_field(
    world: World, node: Node, body: bytes, status: int, code: str, field: str | None
) -> None:
    city = await world.city("delft", 7711)
    token = await city.identity.token_for(node.did)
    answer = await post(world, node, "requests", token, body=body)
    found = answer.json()
    assert (answer.status, found["code"], found.get("field")) == (status, code, field)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_without_a_token_nothing_is_answered(world: World, node: Node) -> None:
    for method, path in (("POST", "requests"), ("GET", "requests/1"), ("GET", "members")):
        answer = await world.wire.request(method, f"{node.url}/trust/{path}", body=b"{")
        assert (answer.status, answer.json()["code"]) == (401, "token_missing")


async def test_the_directory_is_for_members(world: World) -> None:
    node = await world.authority(automatic=True)
    assert node.authority is not None
    stranger = await world.city("stranger", 7713)
    url = f"{node.url}/trust/members"
    answer = await get(world, url, await stranger.identity.token_for(node.did))
    assert (answer.status, answer.json()["code"]) == (401, "membership_missing")
    delft = await joined(world, node, "delft", 7711)
    await joined(world, node, "rijswijk", 7712)
    answer = await get(world, url, await delft.identity.token_for(node.did))
    assert [each["title"] for each in answer.json()["items"]] == ["Delft", "Rijswijk"]
    first = await get(world, f"{url}?limit=1", await delft.identity.token_for(node.did))
    assert [each["title"] for each in first.json()["items"]] == ["Delft"]
    path = first.json()["next"]
    second = await get(
        world, f"http://localhost:7710{path}", await delft.identity.token_for(node.did)
    )
    assert [each["title"] for each in second.json()["items"]] == ["Rijswijk"]
    for limit in ("0", "1001", "x", "-1"):
        wrong = await get(world, f"{url}?limit={limit}", await delft.identity.token_for(node.did))
        assert (wrong.status, wrong.json()["field"]) == (400, "limit")
    await node.authority.suspend(delft.did, "x")
    answer = await get(world, url, await delft.identity.token_for(node.did))
    assert (answer.status, answer.json()["code"]) == (401, "membership_suspended")


async def test_the_status_list_is_public_and_signed_anew_each_second(
    world: World, node: Node
) -> None:
    url = f"{node.url}/trust/status/1"
    first = await get(world, url)
    assert (first.status, first.headers["content-type"]) == (200, "application/vc+jwt")
    world.clock.move(0.9)
    assert (await get(world, url)).body == first.body
    etag = {"if-none-match": first.headers["etag"]}
    assert (await get(world, url, **etag)).status == 304
    world.clock.move(0.1)
    assert (await get(world, url, **etag)).status == 200
    missing = await get(world, f"{node.url}/trust/status/2")
    assert (missing.status, missing.json()["code"]) == (404, "not_found")


async def test_who_is_no_authority_has_no_such_routes(world: World, node: Node) -> None:
    await world.city("delft", 7711)
    answer = await get(world, "http://localhost:7711/delft/trust/members")
    assert answer.status == 404


async def test_many_members_can_be_suspended_and_read_back(
    world: World, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hansa.trust.register._PAGE", 2)
    assert node.authority is not None
    assert node.register is not None
    suspended = []
    for number in range(5):
        found = await member(node.authority, *someone(number))
        if number != 2:
            suspended.append((await node.authority.suspend(found.did, "x")).status_index)
    before = bytes(node.register.bits)
    assert sum(byte.bit_count() for byte in before) == 4
    await world.stop(node)
    again = await world.authority()
    assert again.register is not None
    assert bytes(again.register.bits) == before
    assert await again.store.read(lambda tx: tx.count(MEMBER)) == 5
