"""The one function from headers to caller: who comes in, and why anyone else does not."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hansa.kernel import Code, HansaError
from hansa.kernel.crypto import SigningKey, jose
from trust_world import Node, World, bearer


async def refusal(node: Node, headers: dict[str, str], *, membership: bool = True) -> HansaError:
    with pytest.raises(HansaError) as caught:
        await node.identity.authenticate(headers, membership=membership)
    assert caught.value.status == 401
    return caught.value


def claims_of(token: str) -> dict[str, Any]:
    return dict(jose.read(token).claims)


async def resigned(sender: Node, receiver: Node, **changes: Any) -> dict[str, str]:
    """Give headers with a token of the sender in which claims are changed (None: left out)."""
    claims = claims_of(await sender.identity.token_for(receiver.did)) | changes
    return bearer(sender.keys.sign({k: v for k, v in claims.items() if v is not None}, "JWT"))


async def test_a_member_is_known_by_its_token(world: World, delft: Node, rijswijk: Node) -> None:
    token = await delft.identity.token_for(rijswijk.did)
    claims = claims_of(token)
    assert claims["iss"] == claims["sub"] == delft.did
    assert claims["aud"] == rijswijk.did
    assert 60 <= claims["exp"] - claims["iat"] <= 300
    caller = await rijswijk.identity.authenticate({"Authorization": f"bearer {token}"})
    assert (caller.did, caller.kind, caller.name) == (delft.did, "participant", "Delft")
    assert caller.roles == frozenset()
    assert caller.membership is not None
    assert caller.membership.authority == "did:web:localhost%3A7710:authority"
    assert caller.membership.valid_until == world.clock.now() + timedelta(days=365)


async def test_the_authority_needs_no_membership(delft: Node, authority: Node) -> None:
    token = await authority.identity.token_for(delft.did)
    caller = await delft.identity.authenticate(bearer(token))
    assert (caller.did, caller.roles) == (authority.did, frozenset({"authority"}))
    assert caller.membership is None


async def test_a_member_is_known_by_its_authority(delft: Node, authority: Node) -> None:
    token = await delft.identity.token_for(authority.did)
    assert (await authority.identity.authenticate(bearer(token))).did == delft.did


async def test_no_token(world: World) -> None:
    city = await world.city("delft", 7711)
    for headers in ({}, {"authorization": ""}, {"authorization": "Bearer "}, {"cookie": "x"}):
        assert (await refusal(city, headers)).code is Code.token_missing


async def test_not_a_token(world: World) -> None:
    city = await world.city("delft", 7711)
    for value in ("Basic eDp5", "x", "Bearer x", "Bearer a.b.c", "Bearer a b"):
        assert (await refusal(city, {"authorization": value})).code is Code.token_malformed


WRONG_CLAIMS: list[tuple[dict[str, Any], str]] = [
    ({"iss": None}, "iss"),
    ({"iss": 1}, "iss"),
    ({"iss": "did:web:" + "x" * 2000}, "iss"),
    ({"sub": None}, "sub"),
    ({"sub": "did:web:someone.example"}, "sub"),
    ({"jti": None}, "jti"),
    ({"jti": ""}, "jti"),
    ({"jti": "x" * 2000}, "jti"),
    ({"exp": None}, "exp"),
    ({"exp": "soon"}, "exp"),
    ({"exp": True}, "exp"),
    ({"exp": -1}, "exp"),
    ({"iat": None}, "iat"),
    ({"nbf": "now"}, "nbf"),
    ({"presentation": {}}, "presentation"),
]


async def test_a_token_with_a_wrong_claim(delft: Node, rijswijk: Node) -> None:
    for changes, field in WRONG_CLAIMS:
        error = await refusal(rijswijk, await resigned(delft, rijswijk, **changes))
        assert (error.code, error.facts["field"]) == (Code.token_malformed, field), changes


async def test_a_token_of_another_media_type(delft: Node, rijswijk: Node) -> None:
    claims = claims_of(await delft.identity.token_for(rijswijk.did))
    error = await refusal(rijswijk, bearer(delft.keys.sign(claims, "vc+jwt")))
    assert (error.code, error.facts["reason"]) == (Code.token_malformed, "typ")


async def test_a_token_that_lives_too_long(delft: Node, rijswijk: Node, world: World) -> None:
    now = int(world.clock.now().timestamp())
    error = await refusal(rijswijk, await resigned(delft, rijswijk, exp=now + 301))
    assert (error.code, error.facts["reason"]) == (Code.token_malformed, "life")
    await rijswijk.identity.authenticate(await resigned(delft, rijswijk, exp=now + 300))


async def test_a_token_for_someone_else(delft: Node, rijswijk: Node) -> None:
    other = "did:web:someone.example"
    audiences: list[Any] = [None, other, [], [other], {"a": 1}, f"{rijswijk.did}:x"]
    for audience in audiences:
        error = await refusal(rijswijk, await resigned(delft, rijswijk, aud=audience))
        assert error.code is Code.token_audience, audience


async def test_a_token_for_several(delft: Node, rijswijk: Node) -> None:
    several = await resigned(delft, rijswijk, aud=[rijswijk.did, "did:web:someone.example"])
    assert (await refusal(rijswijk, several)).code is Code.token_audience
    one = await resigned(delft, rijswijk, aud=[rijswijk.did])
    assert (await rijswijk.identity.authenticate(one)).did == delft.did


async def test_an_expired_token(delft: Node, rijswijk: Node, world: World) -> None:
    old, older = await resigned(delft, rijswijk), await resigned(delft, rijswijk)
    await fresh_status(world, rijswijk, 149)
    await rijswijk.identity.authenticate(old)  # 120 s of life and 30 s for clocks that differ
    await fresh_status(world, rijswijk, 1)
    error = await refusal(rijswijk, older)
    assert (error.code, error.facts["reason"]) == (Code.token_expired, "expired")


async def fresh_status(world: World, node: Node, seconds: float) -> None:
    world.clock.move(seconds)
    assert node.status is not None
    await node.status.refresh()


async def test_a_token_from_the_future(delft: Node, rijswijk: Node, world: World) -> None:
    now = int(world.clock.now().timestamp())
    near = await resigned(delft, rijswijk, iat=now + 30, exp=now + 100)
    await rijswijk.identity.authenticate(near)
    far = await resigned(delft, rijswijk, iat=now + 31, exp=now + 100)
    error = await refusal(rijswijk, far)
    assert (error.code, error.facts["reason"]) == (Code.token_expired, "not_yet_valid")
    not_before = await resigned(delft, rijswijk, nbf=now + 31)
    assert (await refusal(rijswijk, not_before)).facts["reason"] == "not_yet_valid"


async def test_a_token_counts_once(delft: Node, rijswijk: Node) -> None:
    headers = bearer(await delft.identity.token_for(rijswijk.did))
    await rijswijk.identity.authenticate(headers)
    assert (await refusal(rijswijk, headers)).code is Code.token_replayed
    again = await resigned(delft, rijswijk, jti=claims_of(headers["authorization"][7:])["jti"])
    assert (await refusal(rijswijk, again)).code is Code.token_replayed


async def test_a_token_counts_once_also_across_a_restart(
    world: World, authority: Node, delft: Node, rijswijk: Node, tmp_path: Path
) -> None:
    headers = bearer(await delft.identity.token_for(rijswijk.did))
    await rijswijk.identity.authenticate(headers)
    await world.stop(rijswijk)
    again = await world.city("rijswijk", 7712)
    assert (await refusal(again, headers)).code is Code.token_replayed
    caller = await again.identity.authenticate(await resigned(delft, again))
    assert caller.did == delft.did


async def test_two_senders_may_use_the_same_jti(
    delft: Node, rijswijk: Node, authority: Node
) -> None:
    await rijswijk.identity.authenticate(await resigned(delft, rijswijk, jti="1"))
    await rijswijk.identity.authenticate(await resigned(authority, rijswijk, jti="1"))


async def test_a_forged_signature(delft: Node, rijswijk: Node) -> None:
    claims = claims_of(await delft.identity.token_for(rijswijk.did))
    thief = SigningKey.generate()
    for kid in (f"{delft.did}#{delft.keys.kid}", delft.keys.kid, delft.did):
        error = await refusal(rijswijk, bearer(jose.sign(claims, thief, {"kid": kid})))
        assert (error.code, error.facts["reason"]) == (Code.token_signature, "bad_signature")


@pytest.mark.parametrize(
    ("kid", "reason"), [("{did}#other", "key_unknown"), ("{authority}#x", "key_foreign")]
)
async def test_a_key_that_is_not_the_senders(
    delft: Node, rijswijk: Node, authority: Node, kid: str, reason: str
) -> None:
    claims = claims_of(await delft.identity.token_for(rijswijk.did))
    named = kid.format(did=delft.did, authority=authority.did)
    token = delft.keys.sign(claims, "JWT", {"kid": named})
    error = await refusal(rijswijk, bearer(token))
    assert (error.code, error.facts["reason"]) == (Code.token_signature, reason)


@pytest.mark.parametrize("kid", ["#{kid}", "{kid}", "{did}"])
async def test_the_usual_ways_to_name_a_key_are_understood(
    delft: Node, rijswijk: Node, kid: str
) -> None:
    claims = claims_of(await delft.identity.token_for(rijswijk.did))
    named = kid.format(did=delft.did, kid=delft.keys.kid)
    token = delft.keys.sign(claims, "JWT", {"kid": named})
    assert (await rijswijk.identity.authenticate(bearer(token))).did == delft.did


async def test_a_sender_whose_document_cannot_be_had(
    world: World, delft: Node, rijswijk: Node
) -> None:
    headers = bearer(await delft.identity.token_for(rijswijk.did))
    world.wire.cut.add("localhost:7711")
    error = await refusal(rijswijk, headers)
    assert error.code is Code.did_unresolvable
    foreign = await resigned(delft, rijswijk, iss="did:key:z6Mk", sub="did:key:z6Mk")
    assert (await refusal(rijswijk, foreign)).code is Code.did_unresolvable


async def test_a_key_that_was_banned_here(delft: Node, rijswijk: Node) -> None:
    await rijswijk.identity.authenticate(await resigned(delft, rijswijk))
    await rijswijk.keys.ban(f"{delft.did}#{delft.keys.kid}")
    assert (await refusal(rijswijk, await resigned(delft, rijswijk))).code is Code.key_banned


async def test_a_key_that_its_owner_banned(delft: Node, rijswijk: Node, world: World) -> None:
    old = delft.keys
    claims = claims_of(await delft.identity.token_for(rijswijk.did))
    token = old.sign(claims, "JWT")
    await delft.keys.ban(delft.keys.kid)
    world.clock.move(61)  # the document that the other side remembers is gone by then
    claims |= {"iat": int(world.clock.now().timestamp()), "jti": "other"}
    error = await refusal(rijswijk, bearer(token))
    assert (error.code, error.facts["reason"]) == (Code.token_signature, "key_unknown")


async def test_after_a_rotation_both_keys_are_known(
    delft: Node, rijswijk: Node, world: World
) -> None:
    before = await resigned(delft, rijswijk)
    await rijswijk.identity.authenticate(await resigned(delft, rijswijk))
    await delft.keys.rotate(publish_until=world.clock.now() + timedelta(days=1))
    world.clock.move(3)
    await rijswijk.identity.authenticate(await resigned(delft, rijswijk))
    await rijswijk.identity.authenticate(before)


async def test_who_asks_to_join_needs_no_membership(
    world: World, authority: Node, delft: Node
) -> None:
    stranger = await world.city("stranger", 7713)
    headers = bearer(await stranger.identity.token_for(delft.did))
    caller = await delft.identity.authenticate(headers, membership=False)
    assert (caller.did, caller.membership) == (stranger.did, None)
    headers = bearer(await stranger.identity.token_for(delft.did))
    assert (await refusal(delft, headers)).code is Code.membership_missing


async def test_a_refused_token_is_not_remembered(
    world: World, authority: Node, delft: Node
) -> None:
    stranger = await world.city("stranger", 7713)
    headers = bearer(await stranger.identity.token_for(delft.did))
    for _ in range(2):
        assert (await refusal(delft, headers)).code is Code.membership_missing


async def test_no_refusal_logs_or_shows_the_token(
    delft: Node, rijswijk: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    token = await delft.identity.token_for(rijswijk.did)
    await rijswijk.identity.authenticate(bearer(token))
    error = await refusal(rijswijk, bearer(token))
    written = "".join(capsys.readouterr()) + repr(error) + repr(error.facts) + error.detail
    assert token not in written
    assert token.rsplit(".", 1)[1] not in written
