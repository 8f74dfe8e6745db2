"""From the first request to the last refusal: two participants and their authority."""

from __future__ import annotations

from typing import Any

import pytest

from hansa.identity import Caller
from hansa.kernel import Code, HansaError
from hansa.trust import RequestState
from hansa.trust.wire_join_1 import Delivery
from trust_world import Node, World, bearer, joined, settle


@pytest.fixture
async def authority(world: World) -> Node:
    return await world.authority()


async def state_of(node: Node) -> str:
    assert node.member is not None
    return (await node.member.view()).state


async def pending(authority: Node) -> list[Any]:
    assert authority.authority is not None
    return await authority.authority.requests(RequestState.pending)


async def call(sender: Node, receiver: Node) -> Caller:
    token = await sender.identity.token_for(receiver.did)
    return await receiver.identity.authenticate(bearer(token))


async def refused(sender: Node, receiver: Node) -> HansaError:
    with pytest.raises(HansaError) as caught:
        await call(sender, receiver)
    assert caught.value.status == 401
    return caught.value


async def later(world: World, seconds: float) -> None:
    """Let time pass, and have every node look at what is due."""
    world.clock.move(seconds)
    for node in world.nodes:
        node.reconciler.wake()
        if node.status is not None:
            await node.status.refresh()


async def test_the_whole_story(world: World, authority: Node) -> None:
    delft, rijswijk = await world.city("delft", 7711), await world.city("rijswijk", 7712)
    assert authority.authority is not None
    for city in (delft, rijswijk):
        assert city.member is not None
        assert (await city.member.view()).state == "none"
        view = await city.member.join(authority.url, "Let us in")
        assert (view.state, view.authority_did) == ("requested", authority.did)

    async def both_wait() -> bool:
        return len(await pending(authority)) == 2

    await settle(both_wait)
    assert (await refused(delft, rijswijk)).code is Code.membership_missing
    for request in await pending(authority):
        assert request.message == "Let us in"
        await authority.authority.approve(request.id)
    for city in (delft, rijswijk):
        await settle(lambda city=city: is_member(city))
    caller = await call(delft, rijswijk)
    assert (caller.did, caller.name) == (delft.did, "Delft")
    await call(rijswijk, delft)

    changes: list[str] = []
    assert rijswijk.status is not None
    rijswijk.status.on_change(lambda: changes.append("changed"))
    await authority.authority.suspend(delft.did, "It did not pay")
    await settle(lambda: changes)  # pushed, not fetched: nobody moved the clock
    assert (await refused(delft, rijswijk)).code is Code.membership_suspended
    await settle(lambda: has_state(delft, "suspended"))
    with pytest.raises(HansaError) as caught:
        rijswijk.identity.check_standing(delft.did, caller.membership)
    assert caught.value.code is Code.membership_suspended

    await authority.authority.reinstate(delft.did)
    await settle(lambda: has_state(delft, "member"))
    await settle(lambda: len(changes) == 2)
    await call(delft, rijswijk)

    world.wire.cut.add("localhost:7710")
    await later(world, 60)
    await call(delft, rijswijk)
    await later(world, 1)
    assert (await refused(delft, rijswijk)).code is Code.status_unavailable
    assert len(changes) == 3  # streams are cut, too
    await call(authority, rijswijk)

    world.wire.cut.clear()
    await later(world, 3)
    await call(delft, rijswijk)


async def has_state(node: Node, state: str) -> bool:
    return await state_of(node) == state


async def is_member(node: Node) -> bool:
    return await has_state(node, "member")


async def test_a_refusal_reaches_the_applicant_with_its_reason(
    world: World, authority: Node
) -> None:
    delft = await world.city("delft", 7711)
    assert delft.member is not None
    assert authority.authority is not None
    await delft.member.join(authority.url)
    await settle(lambda: pending(authority))
    (request,) = await pending(authority)
    await authority.authority.refuse(request.id, "Not a city")
    await settle_in_time(world, lambda: has_state(delft, "refused"))
    assert (await delft.member.view()).reason == "Not a city"
    await delft.member.join(authority.url, "We are one now")
    await settle(lambda: pending(authority))
    (again,) = await pending(authority)
    assert again.id != request.id
    await authority.authority.approve(again.id)
    await settle_in_time(world, lambda: is_member(delft))


async def settle_in_time(world: World, condition: Any) -> None:
    """Settle while the clock moves on, so that what waits becomes due."""

    async def reached() -> bool:
        if await condition():
            return True
        await later(world, 1)
        return False

    await settle(reached)


async def test_an_authority_that_is_away_is_asked_when_it_is_back(
    world: World, authority: Node
) -> None:
    delft = await world.city("delft", 7711)
    assert delft.member is not None
    assert authority.authority is not None
    await delft.resolver.resolve(authority.did)
    world.wire.cut.add("localhost:7710")
    await delft.member.join(authority.url)
    for _ in range(30):
        await later(world, 20)
    assert await state_of(delft) == "requested"
    world.wire.cut.clear()
    await settle_in_time(world, lambda: pending(authority))
    (request,) = await pending(authority)
    await authority.authority.approve(request.id)
    await settle_in_time(world, lambda: is_member(delft))


async def test_a_member_that_cannot_be_reached_fetches_its_credential(
    world: World, authority: Node
) -> None:
    delft = await world.city("delft", 7711)
    assert delft.member is not None
    assert authority.authority is not None
    delivered = "http://localhost:7711/delft/trust/credentials"
    world.wire.answers[delivered] = type(await world.wire.request("GET", f"{delft.url}/did.json"))(
        status=503, headers={}, body=b""
    )
    await delft.member.join(authority.url)
    await settle(lambda: pending(authority))
    (request,) = await pending(authority)
    await authority.authority.approve(request.id)
    await settle_in_time(world, lambda: is_member(delft))


async def test_joining_survives_a_restart_of_both_sides(world: World, authority: Node) -> None:
    delft = await world.city("delft", 7711)
    assert delft.member is not None
    await delft.member.join(authority.url)
    await settle(lambda: pending(authority))
    await world.stop(delft)
    await world.stop(authority)
    authority = await world.authority()
    delft = await world.city("delft", 7711)
    assert await state_of(delft) == "requested"
    assert authority.authority is not None
    (request,) = await pending(authority)
    await authority.authority.approve(request.id)
    await settle_in_time(world, lambda: is_member(delft))
    await world.stop(delft)
    delft = await world.city("delft", 7711)
    assert await state_of(delft) == "member"
    assert (await call(delft, authority)).did == delft.did


async def test_a_member_that_lost_everything_joins_again(world: World) -> None:
    authority = await world.authority(automatic=True)
    delft = await joined(world, authority, "delft", 7711)
    first = (await delft.identity.wallet.credentials())[0]
    await world.stop(delft)
    for path in world.folder.glob("delft.sqlite*"):
        path.unlink()
    world.clock.move(120)
    again = await joined(world, authority, "delft", 7711)
    assert (await again.identity.wallet.credentials())[0].id == first.id


async def test_asking_twice_is_asking_once(world: World, authority: Node) -> None:
    delft = await world.city("delft", 7711)
    assert delft.member is not None
    await delft.member.join(authority.url, "one")
    await settle(lambda: pending(authority))
    before = await pending(authority)
    assert (await delft.member.join(authority.url + "/", "two")).state == "requested"
    await later(world, 5)
    assert await pending(authority) == before


async def test_one_participant_belongs_to_one_data_space(world: World, authority: Node) -> None:
    other = await world.authority("other", 7720)
    delft = await world.city("delft", 7711)
    assert delft.member is not None
    await delft.member.join(authority.url)
    with pytest.raises(HansaError) as caught:
        await delft.member.join(other.url)
    assert caught.value.code is Code.conflict


@pytest.mark.parametrize(
    ("url", "message", "code", "field"),
    [
        ("http://127.0.0.1:7710/authority", "", Code.invalid_field, "url"),
        ("x", "", Code.invalid_field, "url"),
        ("http://localhost:7711/delft", "", Code.invalid_field, "authority_url"),
        ("http://localhost:7710/authority", "x" * 2001, Code.invalid_field, "message"),
        ("http://localhost:7710/nobody", "", Code.did_unresolvable, None),
        ("http://localhost:9999/authority", "", Code.did_unresolvable, None),
    ],
)
async def test_a_wrong_join_is_refused(
    world: World, authority: Node, url: str, message: str, code: Code, field: str | None
) -> None:
    delft = await world.city("delft", 7711)
    assert delft.member is not None
    with pytest.raises(HansaError) as caught:
        await delft.member.join(url, message)
    assert (caught.value.code, caught.value.facts.get("field")) == (code, field)
    assert await state_of(delft) == "none"


async def test_an_authority_whose_document_names_another_did_is_not_trusted(
    world: World, authority: Node
) -> None:
    delft = await world.city("delft", 7711)
    assert delft.member is not None
    document = await world.wire.request("GET", f"{delft.url}/did.json")
    world.wire.answers[f"{authority.url}/did.json"] = document
    with pytest.raises(HansaError) as caught:
        await delft.member.join(authority.url)
    assert caught.value.code is Code.did_unresolvable


async def test_only_the_own_authority_delivers_credentials(world: World) -> None:
    authority = await world.authority(automatic=True)
    other = await world.authority("other", 7720)
    delft = await joined(world, authority, "delft", 7711)
    rijswijk = await joined(world, authority, "rijswijk", 7712)
    assert delft.member is not None
    credential = (await delft.identity.wallet.credentials())[0].jwt
    for sender in (other, rijswijk):
        token = await sender.identity.token_for(delft.did, presentation=False)
        answer = await world.wire.request(
            "POST",
            f"{delft.url}/trust/credentials",
            headers=bearer(token),
            json={"request_id": "1", "credential": credential},
        )
        assert (answer.status, answer.json()["code"]) == (401, "issuer_untrusted")


async def test_a_credential_that_answers_no_request_is_refused(world: World) -> None:
    authority = await world.authority(automatic=True)
    delft = await joined(world, authority, "delft", 7711)
    stranger = await world.city("stranger", 7713)
    assert delft.member is not None
    assert stranger.member is not None
    caller = Caller(did=authority.did, kind="participant", roles=frozenset({"authority"}))
    jwt = (await delft.identity.wallet.credentials())[0].jwt
    for node, code in ((delft, Code.conflict), (stranger, Code.issuer_untrusted)):
        assert node.member is not None
        with pytest.raises(HansaError) as caught:
            await node.member.receive(caller, Delivery(request_id="another", credential=jwt))
        assert caught.value.code is code


async def test_members_see_each_other(world: World) -> None:
    authority = await world.authority(automatic=True)
    delft = await joined(world, authority, "delft", 7711)
    rijswijk = await joined(world, authority, "rijswijk", 7712)
    assert delft.member is not None
    found = {
        each.did: (each.title, each.url, each.state) for each in await delft.member.directory()
    }
    assert found == {
        delft.did: ("Delft", delft.url, "active"),
        rijswijk.did: ("Rijswijk", rijswijk.url, "active"),
    }
    stranger = await world.city("stranger", 7713)
    assert stranger.member is not None
    with pytest.raises(HansaError) as caught:
        await stranger.member.directory()
    assert caught.value.code is Code.membership_missing
