"""Only verified credentials about ourselves come into the wallet."""

from __future__ import annotations

from typing import Any

import pytest

from hansa.kernel import Code, HansaError
from hansa.kernel.crypto import jose
from trust_world import Node, World


async def held_jwt(node: Node) -> str:
    return (await node.identity.wallet.credentials())[0].jwt


async def refusal(node: Node, jwt: str) -> HansaError:
    with pytest.raises(HansaError) as caught:
        await node.identity.wallet.store(jwt)
    return caught.value


async def test_a_member_holds_its_credential(delft: Node, authority: Node) -> None:
    (held,) = await delft.identity.wallet.credentials()
    assert (held.types, held.issuer, held.state) == (
        ("MembershipCredential",),
        authority.did,
        "held",
    )
    assert held.id.startswith("urn:uuid:")


async def test_the_same_credential_again_changes_nothing(delft: Node) -> None:
    before = await delft.identity.wallet.credentials()
    await delft.identity.wallet.store(before[0].jwt)
    assert await delft.identity.wallet.credentials() == before


async def test_a_newer_credential_replaces_the_older(delft: Node, authority: Node) -> None:
    first = (await delft.identity.wallet.credentials())[0]
    claims = jose.read(first.jwt).claims | {"id": "urn:uuid:newer"}
    await delft.identity.wallet.store(authority.keys.sign(claims, "vc+jwt"))
    states = {each.id: each.state for each in await delft.identity.wallet.credentials()}
    assert states == {first.id: "replaced", "urn:uuid:newer": "held"}
    (shown,) = await delft.identity.wallet.memberships()
    assert shown.id == "urn:uuid:newer"


async def test_an_expired_credential_is_not_shown(delft: Node, world: World) -> None:
    (held,) = await delft.identity.wallet.memberships()
    world.clock.move(366 * 86_400)
    assert not await delft.identity.wallet.memberships()
    assert held.state_at(world.clock.now()) == "expired"
    token = jose.read(await delft.identity.token_for("did:web:x.example"))
    assert "presentation" not in token.claims


async def test_the_wallet_survives_a_restart(world: World, delft: Node) -> None:
    before = await delft.identity.wallet.credentials()
    await world.stop(delft)
    again = await world.city("delft", 7711)
    assert await again.identity.wallet.credentials() == before


async def test_what_does_not_verify_does_not_come_in(
    delft: Node, rijswijk: Node, authority: Node
) -> None:
    good = await held_jwt(delft)
    claims: dict[str, Any] = jose.read(good).claims
    own = claims | {"issuer": delft.did, "iss": delft.did}
    other = await held_jwt(rijswijk)
    stated = {k: v for k, v in claims.items() if k != "credentialStatus"}
    tries = [
        ("not a token", Code.token_malformed),
        (authority.keys.sign(claims, "JWT"), Code.token_malformed),
        (delft.keys.sign(own, "vc+jwt"), Code.issuer_untrusted),
        (other, Code.membership_missing),
        (authority.keys.sign(stated, "vc+jwt"), Code.membership_missing),
        (good[:-6] + "AAAAAA", Code.token_signature),
        (
            authority.keys.sign(claims | {"type": ["VerifiableCredential"]}, "vc+jwt"),
            Code.issuer_untrusted,
        ),
        (
            authority.keys.sign(claims | {"type": ["VerifiableCredential", "Mayor"]}, "vc+jwt"),
            Code.issuer_untrusted,
        ),
    ]
    for jwt, code in tries:
        assert (await refusal(delft, jwt)).code is code
    assert len(await delft.identity.wallet.credentials()) == 1


async def test_a_full_wallet_takes_no_more(
    delft: Node, authority: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hansa.identity.wallet.CREDENTIALS_MAX", 1)
    claims = jose.read(await held_jwt(delft)).claims | {"id": "urn:uuid:another"}
    error = await refusal(delft, authority.keys.sign(claims, "vc+jwt"))
    assert error.code is Code.conflict
