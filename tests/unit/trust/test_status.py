"""The list that a member holds: verified, monotonic, aging, and back after a restart."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from hansa.identity import Membership
from hansa.kernel import Code, HansaError, iso
from hansa.kernel.crypto import jose
from hansa.kernel.outbound import OutboundResponse
from hansa.trust import StatusHolder
from hansa.trust import wire_bitstring_1_0 as bitstring
from hansa.trust.status import KEPT
from trust_world import Node, World, joined, settle

LIST = "http://localhost:7710/authority/trust/status/1"


@pytest.fixture
def holder(delft: Node) -> StatusHolder:
    assert delft.status is not None
    return delft.status


def membership(issuer: Node, **changes: Any) -> Membership:
    found = Membership(
        authority=issuer.did,
        credential_id="urn:uuid:1",
        status_list=LIST,
        status_index=7,
        valid_until=datetime.fromisoformat("2027-01-01T00:00:00Z"),
    )
    return msgspec.structs.replace(found, **changes)


def signed(authority: Node, at: datetime, *suspended: int, **changes: Any) -> bytes:
    """Give a list signed by the authority; changes with None leave a member out."""
    bits = bytearray(bitstring.BITS_MIN // 8)
    for index in suspended:
        bitstring.put(bits, index, True)
    payload = bitstring.payload(LIST, authority.did, bitstring.encode(bytes(bits)), at) | changes
    claims = {name: value for name, value in payload.items() if value is not None}
    return authority.keys.sign(claims, "vc+jwt").encode()


def refusal(holder: StatusHolder, shown: Membership) -> HansaError:
    with pytest.raises(HansaError) as caught:
        holder.check(shown)
    assert caught.value.status == 401
    return caught.value


async def rejection(holder: StatusHolder, body: bytes, url: str | None = None) -> HansaError:
    with pytest.raises(HansaError) as caught:
        await holder.receive(body, url)
    return caught.value


async def test_an_older_list_never_replaces_a_newer(
    world: World, authority: Node, holder: StatusHolder
) -> None:
    now = world.clock.now() + timedelta(seconds=1)
    assert await holder.receive(signed(authority, now, 7))
    assert refusal(holder, membership(authority)).code is Code.membership_suspended
    assert not await holder.receive(signed(authority, now))
    assert not await holder.receive(signed(authority, now - timedelta(milliseconds=1)))
    assert refusal(holder, membership(authority)).code is Code.membership_suspended
    assert await holder.receive(signed(authority, now + timedelta(microseconds=1)))
    holder.check(membership(authority))


async def test_replaying_a_list_does_not_keep_it_young(
    world: World, authority: Node, holder: StatusHolder
) -> None:
    body = signed(authority, world.clock.now() + timedelta(seconds=1))
    await holder.receive(body)
    world.clock.move(61)
    await holder.receive(body)
    holder.check(membership(authority))
    world.clock.move(0.5)
    await holder.receive(body)
    error = refusal(holder, membership(authority))
    assert (error.code, error.facts["reason"]) == (Code.status_unavailable, "stale")
    assert holder.age_s() == 60.5


async def test_a_list_of_another_age_setting(world: World, authority: Node, delft: Node) -> None:
    assert delft.anchors is not None
    holder = StatusHolder(
        delft.store, world.wire, delft.identity.signatures, delft.anchors,
        clock=world.clock, age_max_s=5,
    )  # fmt: skip
    assert holder.age_s() is None
    await holder.receive(signed(authority, world.clock.now()))
    world.clock.move(6)
    assert refusal(holder, membership(authority)).facts["reason"] == "stale"


async def test_an_entry_outside_the_list_is_unavailable(
    authority: Node, holder: StatusHolder
) -> None:
    error = refusal(holder, membership(authority, status_index=bitstring.BITS_MIN))
    assert (error.code, error.facts["reason"]) == (Code.status_unavailable, "range")


async def test_a_list_that_is_not_held_is_unavailable_until_it_is_fetched(
    world: World, authority: Node, holder: StatusHolder
) -> None:
    other = LIST.replace("/1", "/2")
    shown = membership(authority, status_list=other)
    assert refusal(holder, shown).facts["reason"] == "unknown"
    body = signed(authority, world.clock.now(), id=other)
    world.wire.answers[other] = OutboundResponse(status=200, headers={}, body=body)
    await holder.refresh()
    holder.check(shown)


async def test_a_list_of_another_authority_does_not_count(
    authority: Node, holder: StatusHolder
) -> None:
    error = refusal(holder, membership(authority, authority="did:web:x.example"))
    assert (error.code, error.facts["reason"]) == (Code.status_unavailable, "unknown")


async def test_lists_that_are_followed_are_bounded(authority: Node, holder: StatusHolder) -> None:
    for number in range(100):
        refusal(holder, membership(authority, status_list=f"{LIST}{number}"))
    assert len(holder._wanted) == 16


async def test_a_list_that_does_not_verify_is_refused(
    world: World, authority: Node, delft: Node, holder: StatusHolder
) -> None:
    now = world.clock.now()
    good = signed(authority, now)
    forged = jose.read(good.decode()).claims
    kid = {"kid": f"{authority.did}#{authority.keys.kid}"}
    subject = dict(forged["credentialSubject"])
    cases: list[tuple[bytes, Code]] = [
        (b"", Code.token_malformed),
        (b"\xff", Code.token_malformed),
        (b"a.b.c", Code.token_malformed),
        (b"x" * 300_000, Code.token_malformed),
        (authority.keys.sign(forged, "JWT").encode(), Code.token_malformed),
        (delft.keys.sign(forged, "vc+jwt", kid).encode(), Code.token_signature),
        (good[:-8] + b"AAAAAAAA", Code.token_signature),
        (signed(authority, now, issuer=delft.did, iss=delft.did), Code.issuer_untrusted),
        (signed(authority, now, type=["VerifiableCredential"]), Code.token_malformed),
        (signed(authority, now, type=["VerifiableCredential", "X"]), Code.token_malformed),
        (signed(authority, now, credentialSubject={}), Code.token_malformed),
        (
            signed(authority, now, credentialSubject=subject | {"statusPurpose": "revocation"}),
            Code.token_malformed,
        ),
        (signed(authority, now + timedelta(seconds=31)), Code.token_expired),
        (signed(authority, now - timedelta(hours=1)), Code.token_expired),
        (signed(authority, now, validFrom=None), Code.token_malformed),
    ]
    for number, (body, code) in enumerate(cases):
        assert (await rejection(holder, body)).code is code, number
    other = await rejection(holder, good, f"{LIST}0")
    assert other.code is Code.token_malformed
    assert await holder.receive(signed(authority, now + timedelta(seconds=30)))


async def test_a_push_needs_no_token_but_the_authoritys_signature(
    world: World, authority: Node, delft: Node, holder: StatusHolder
) -> None:
    url = f"{delft.url}/trust/status"
    now = world.clock.now() + timedelta(seconds=1)
    answer = await world.wire.request("POST", url, body=signed(authority, now, 7))
    assert answer.status == 204
    assert refusal(holder, membership(authority)).code is Code.membership_suspended
    again = await world.wire.request("POST", url, body=signed(authority, now, 7))
    assert again.status == 204
    claims = jose.read(signed(authority, now).decode()).claims
    forged = delft.keys.sign(claims | {"validFrom": iso(now + timedelta(seconds=1))}, "vc+jwt")
    answer = await world.wire.request("POST", url, body=forged.encode())
    assert (answer.status, answer.json()["code"]) == (401, "token_signature")
    answer = await world.wire.request("POST", url, body=b"x" * 300_000)
    assert (answer.status, answer.json()["code"]) == (413, "body_too_large")


async def test_listeners_hear_of_changes_and_of_age_only(
    world: World, authority: Node, holder: StatusHolder
) -> None:
    heard: list[float] = []
    holder.on_change(lambda: heard.append(world.clock.monotonic_s()))
    for _ in range(3):
        world.clock.move(1)
        await holder.refresh()
    assert heard == []
    await holder.receive(signed(authority, world.clock.now() + timedelta(microseconds=5), 7))
    assert heard == [3]
    world.wire.cut.add("localhost:7710")
    world.clock.move(61)
    await holder.refresh()
    await holder.refresh()
    assert heard == [3, 64]
    assert not holder.reachable
    world.wire.cut.clear()
    world.clock.move(2)
    await holder.refresh()
    assert holder.reachable
    assert heard[:2] == [3, 64]
    assert set(heard[2:]) == {66}


async def test_a_restart_takes_up_the_last_list_at_its_age(
    world: World, authority: Node, delft: Node, holder: StatusHolder
) -> None:
    await holder.receive(signed(authority, world.clock.now() + timedelta(microseconds=9), 7))
    world.wire.cut.add("localhost:7710")
    await world.stop(delft)
    world.clock.move(50)
    again = await world.city("delft", 7711)
    assert again.status is not None
    assert refusal(again.status, membership(authority)).code is Code.membership_suspended
    again.status.check(membership(authority, status_index=8))
    world.clock.move(11)
    error = refusal(again.status, membership(authority, status_index=8))
    assert (error.code, error.facts["reason"]) == (Code.status_unavailable, "stale")


async def test_after_a_restart_an_older_list_does_not_come_in(
    world: World, authority: Node, delft: Node, holder: StatusHolder
) -> None:
    now = world.clock.now() + timedelta(seconds=1)
    await holder.receive(signed(authority, now, 7))
    await world.stop(delft)
    again = await world.city("delft", 7711)
    assert again.status is not None
    assert not await again.status.receive(signed(authority, now - timedelta(seconds=1)))


async def test_signatures_are_checked_after_a_restart_without_the_authority(
    world: World, authority: Node, delft: Node
) -> None:
    rijswijk = await joined(world, authority, "rijswijk", 7712)
    world.wire.cut.add("localhost:7710")
    await world.stop(delft)
    again = await world.city("delft", 7711)
    token = await rijswijk.identity.token_for(again.did)
    caller = await again.identity.authenticate({"authorization": f"Bearer {token}"})
    assert caller.did == rijswijk.did


async def test_the_newest_document_of_the_authority_is_kept(
    world: World, authority: Node, delft: Node, holder: StatusHolder
) -> None:
    await authority.keys.rotate(publish_until=world.clock.now() + timedelta(days=400))
    world.clock.move(61)
    await holder.refresh()
    world.wire.cut.add("localhost:7710")
    await world.stop(delft)
    again = await world.city("delft", 7711)
    assert again.status is not None
    world.clock.move(5)
    assert await again.status.receive(signed(authority, world.clock.now()))


async def test_the_list_is_written_when_it_changes_and_every_ten_seconds(
    world: World, authority: Node, delft: Node, holder: StatusHolder
) -> None:
    async def version() -> int | None:
        return await delft.store.read(lambda tx: tx.version(KEPT, LIST))

    first = await version()
    assert first is not None
    for _ in range(9):
        world.clock.move(1)
        await holder.refresh()
    assert await version() == first
    world.clock.move(1)
    await holder.refresh()
    assert await version() == first + 1
    await holder.receive(signed(authority, world.clock.now() + timedelta(microseconds=5), 7))
    assert await version() == first + 2


async def test_it_fetches_by_itself_until_it_is_stopped(
    world: World, authority: Node, delft: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert delft.anchors is not None
    holder = StatusHolder(
        delft.store, world.wire, delft.identity.signatures, delft.anchors,
        clock=world.clock, refresh_s=0.01,
    )  # fmt: skip
    calls = 0
    original = holder.refresh

    async def refresh() -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise RuntimeError("a defect")
        await original()

    monkeypatch.setattr(holder, "refresh", refresh)
    await holder.load()
    await holder.start()
    await settle(lambda: calls >= 4)
    await holder.stop()
    before = calls
    await asyncio.sleep(0.05)
    assert calls == before


async def test_what_is_wanted_is_fetched_at_once(
    world: World, authority: Node, delft: Node
) -> None:
    assert delft.anchors is not None
    holder = StatusHolder(
        delft.store, world.wire, delft.identity.signatures, delft.anchors,
        clock=world.clock, refresh_s=100,
    )  # fmt: skip
    await holder.start()
    refusal(holder, membership(authority))

    async def held() -> bool:
        try:
            holder.check(membership(authority))
        except HansaError:
            return False
        return True

    await settle(held)
    await holder.stop()
