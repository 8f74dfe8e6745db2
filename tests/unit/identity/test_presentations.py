"""What a presentation must be, to prove a membership."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from hansa.identity import vcdm
from hansa.kernel import Code, HansaError
from hansa.kernel.crypto import SigningKey, jose
from hansa.kernel.outbound import OutboundResponse
from trust_world import Node, World, bearer

Claims = dict[str, Any]


def claims_of(token: str) -> Claims:
    return dict(jose.read(token).claims)


async def shown(sender: Node, receiver: Node) -> str:
    """Give the presentation that the sender would show."""
    return str(claims_of(await sender.identity.token_for(receiver.did))["presentation"])


def credential_in(presentation: str) -> str:
    envelope = claims_of(presentation)["verifiableCredential"][0]
    assert envelope["type"] == "EnvelopedVerifiableCredential"
    return str(envelope["id"]).removeprefix("data:application/vc+jwt,")


async def refusal(sender: Node, receiver: Node, presentation: str | None) -> HansaError:
    """Show a presentation and give the refusal."""
    with pytest.raises(HansaError) as caught:
        await receiver.identity.authenticate(await showing(sender, receiver, presentation))
    assert caught.value.status == 401
    return caught.value


async def showing(sender: Node, receiver: Node, presentation: str | None) -> dict[str, str]:
    claims = claims_of(await sender.identity.token_for(receiver.did, presentation=False))
    if presentation is not None:
        claims["presentation"] = presentation
    return bearer(sender.keys.sign(claims, "JWT"))


def presented(sender: Node, receiver: Node, world: World, *credentials: str) -> str:
    claims = vcdm.presentation(
        sender.did, credentials, audience=receiver.did, at=world.clock.now(), life_s=600
    )
    return sender.keys.sign(claims, "vp+jwt")


async def test_a_presentation_has_the_shape_of_vcdm_2(delft: Node, rijswijk: Node) -> None:
    text = await shown(delft, rijswijk)
    token, claims = jose.read(text), claims_of(text)
    assert token.header["typ"] == "vp+jwt"
    assert token.header["cty"] == "vp"
    assert claims["@context"] == ["https://www.w3.org/ns/credentials/v2"]
    assert claims["type"] == ["VerifiablePresentation"]
    assert claims["holder"] == claims["iss"] == delft.did
    assert "vp" not in claims
    credential = jose.read(credential_in(text))
    assert (credential.header["typ"], credential.header["cty"]) == ("vc+jwt", "vc")
    body = credential.claims
    assert body["@context"][0] == "https://www.w3.org/ns/credentials/v2"
    assert body["type"] == ["VerifiableCredential", "MembershipCredential"]
    assert body["issuer"] == body["iss"] == "did:web:localhost%3A7710:authority"
    assert body["credentialSubject"]["id"] == delft.did
    assert body["credentialSubject"]["memberOf"] == body["issuer"]
    assert body["credentialStatus"]["type"] == "BitstringStatusListEntry"
    assert body["credentialStatus"]["statusPurpose"] == "suspension"
    assert isinstance(body["credentialStatus"]["statusListIndex"], str)
    assert body["credentialStatus"]["id"] != body["credentialStatus"]["statusListCredential"]
    assert "vc" not in body


async def test_one_presentation_serves_several_messages(
    world: World, delft: Node, rijswijk: Node, authority: Node
) -> None:
    first = await shown(delft, rijswijk)
    assert await shown(delft, rijswijk) == first
    assert await shown(delft, authority) != first
    world.clock.move(300)
    second = await shown(delft, rijswijk)
    assert second != first
    await delft.keys.rotate(publish_until=world.clock.now() + timedelta(days=1))
    assert await shown(delft, rijswijk) != second


async def test_no_presentation(delft: Node, rijswijk: Node) -> None:
    assert (await refusal(delft, rijswijk, None)).code is Code.membership_missing


async def test_a_presentation_that_is_no_token(delft: Node, rijswijk: Node) -> None:
    for text in ("", "x", "a.b.c"):
        assert (await refusal(delft, rijswijk, text)).code is Code.token_malformed


CHANGES: list[tuple[str, Callable[[Claims], Any]]] = [
    ("@context", lambda c: c.pop("@context")),
    ("@context", lambda c: c.update({"@context": ["https://www.w3.org/2018/credentials/v1"]})),
    ("type", lambda c: c.update(type="VerifiableCredential")),
    ("type", lambda c: c.update(type=[1])),
    ("vp", lambda c: c.update(vp={})),
    ("holder", lambda c: c.pop("holder")),
    ("iss", lambda c: c.update(iss="did:web:someone.example")),
    ("aud", lambda c: c.update(aud=["a", "b"])),
    ("exp", lambda c: c.update(exp="never")),
    ("verifiableCredential", lambda c: c.update(verifiableCredential="a.b.c")),
    ("verifiableCredential", lambda c: c.update(verifiableCredential=None)),
    (
        "verifiableCredential",
        lambda c: c.update(verifiableCredential=c["verifiableCredential"] * 9),
    ),
    ("verifiableCredential", lambda c: c["verifiableCredential"][0].update(type="X")),
    (
        "verifiableCredential",
        lambda c: c["verifiableCredential"][0].update(id="data:application/vp+jwt,x"),
    ),
]


async def test_a_presentation_with_a_wrong_member(delft: Node, rijswijk: Node) -> None:
    for number, (field, change) in enumerate(CHANGES):
        claims = claims_of(await shown(delft, rijswijk))
        change(claims)
        error = await refusal(delft, rijswijk, delft.keys.sign(claims, "vp+jwt"))
        assert (error.code, error.facts["field"]) == (Code.token_malformed, field), number


async def test_a_presentation_of_another_media_type(delft: Node, rijswijk: Node) -> None:
    claims = claims_of(await shown(delft, rijswijk))
    error = await refusal(delft, rijswijk, delft.keys.sign(claims, "JWT"))
    assert (error.code, error.facts["reason"]) == (Code.token_malformed, "typ")


async def test_a_presentation_of_someone_else(
    world: World, authority: Node, delft: Node, rijswijk: Node
) -> None:
    stranger = await world.city("stranger", 7713)
    error = await refusal(stranger, rijswijk, await shown(delft, rijswijk))
    assert (error.code, error.facts["reason"]) == (Code.membership_missing, "holder_mismatch")


async def test_a_credential_about_someone_else(
    world: World, authority: Node, delft: Node, rijswijk: Node
) -> None:
    stranger = await world.city("stranger", 7713)
    stolen = credential_in(await shown(delft, rijswijk))
    error = await refusal(stranger, rijswijk, presented(stranger, rijswijk, world, stolen))
    assert (error.code, error.facts["reason"]) == (Code.membership_missing, "subject_mismatch")


async def test_a_presentation_for_someone_else(
    delft: Node, rijswijk: Node, authority: Node
) -> None:
    error = await refusal(delft, rijswijk, await shown(delft, authority))
    assert error.code is Code.token_audience


async def test_an_expired_presentation(delft: Node, rijswijk: Node, world: World) -> None:
    old = await shown(delft, rijswijk)
    world.clock.move(631)
    assert (await refusal(delft, rijswijk, old)).code is Code.token_expired


async def test_a_presentation_that_its_holder_did_not_sign(
    delft: Node, rijswijk: Node, authority: Node
) -> None:
    claims = claims_of(await shown(delft, rijswijk))
    forged = authority.keys.sign(claims, "vp+jwt", {"kid": f"{delft.did}#{delft.keys.kid}"})
    error = await refusal(delft, rijswijk, forged)
    assert (error.code, error.facts["reason"]) == (Code.token_signature, "bad_signature")


async def reissued(authority: Node, delft: Node, rijswijk: Node, **changes: Any) -> str:
    """Give delft's credential with changed members (None: left out), signed by the authority."""
    claims = claims_of(credential_in(await shown(delft, rijswijk))) | changes
    return authority.keys.sign({k: v for k, v in claims.items() if v is not None}, "vc+jwt")


WRONG_MEMBERS: list[tuple[Claims, str]] = [
    ({"@context": None}, "@context"),
    ({"@context": "https://www.w3.org/ns/credentials/v2"}, "@context"),
    ({"type": ["MembershipCredential"]}, "type"),
    ({"vc": {}}, "vc"),
    ({"issuer": None}, "issuer"),
    ({"iss": "did:web:someone.example"}, "iss"),
    ({"id": None}, "id"),
    ({"jti": "another"}, "id"),
    ({"credentialSubject": None}, "credentialSubject"),
    ({"credentialSubject": [{}, {}]}, "credentialSubject"),
    ({"validFrom": None}, "validFrom"),
    ({"validFrom": "2026-01-01T12:00:00"}, "validFrom"),
    ({"validUntil": "2020-01-01T12:00:00Z"}, "validUntil"),
    ({"credentialStatus": "x"}, "credentialStatus"),
]


async def test_a_credential_with_a_wrong_member(
    world: World, authority: Node, delft: Node, rijswijk: Node
) -> None:
    for changes, field in WRONG_MEMBERS:
        credential = await reissued(authority, delft, rijswijk, **changes)
        error = await refusal(delft, rijswijk, presented(delft, rijswijk, world, credential))
        assert (error.code, error.facts["field"]) == (Code.token_malformed, field), changes


async def test_a_credential_with_a_wrong_status_index(
    world: World, authority: Node, delft: Node, rijswijk: Node
) -> None:
    status: Claims = {
        "type": "BitstringStatusListEntry",
        "statusPurpose": "suspension",
        "statusListCredential": "http://localhost:7710/authority/trust/status/1",
    }
    indices: list[Any] = [1, "-1", "1.0", "x", "", "9" * 11, "²", None]
    for index in indices:
        entry = status | {"statusListIndex": index}
        credential = await reissued(authority, delft, rijswijk, credentialStatus=entry)
        error = await refusal(delft, rijswijk, presented(delft, rijswijk, world, credential))
        assert error.code is Code.token_malformed
        assert error.facts["field"] == "credentialStatus.statusListIndex", index


async def test_a_credential_whose_suspension_cannot_be_checked(
    world: World, authority: Node, delft: Node, rijswijk: Node
) -> None:
    wrong: list[Any] = [None, {"type": "StatusList2021Entry"}, {"type": "BitstringStatusListEntry"}]
    for status in wrong:
        credential = await reissued(authority, delft, rijswijk, credentialStatus=status)
        error = await refusal(delft, rijswijk, presented(delft, rijswijk, world, credential))
        assert error.code is Code.membership_missing, status


async def test_a_credential_of_an_issuer_that_is_not_trusted(
    world: World, authority: Node, delft: Node, rijswijk: Node
) -> None:
    other = await world.authority("other", 7720)
    changes = {"issuer": other.did, "iss": other.did}
    claims = claims_of(credential_in(await shown(delft, rijswijk))) | changes
    credential = other.keys.sign(claims, "vc+jwt")
    world.wire.calls.clear()
    error = await refusal(delft, rijswijk, presented(delft, rijswijk, world, credential))
    assert error.code is Code.issuer_untrusted
    assert not [url for _, url in world.wire.calls if ":7720/" in url]  # it is not even asked


async def test_a_self_made_credential(delft: Node, rijswijk: Node, world: World) -> None:
    changes = {"issuer": delft.did, "iss": delft.did}
    claims = claims_of(credential_in(await shown(delft, rijswijk))) | changes
    credential = delft.keys.sign(claims, "vc+jwt")
    error = await refusal(delft, rijswijk, presented(delft, rijswijk, world, credential))
    assert error.code is Code.issuer_untrusted


async def test_an_untrusted_credential_beside_a_good_one_counts_for_nothing(
    delft: Node, rijswijk: Node, world: World
) -> None:
    good = credential_in(await shown(delft, rijswijk))
    claims = claims_of(good) | {"issuer": delft.did, "iss": delft.did}
    claims["credentialSubject"] = claims["credentialSubject"] | {"roles": ["mayor"]}
    bad = delft.keys.sign(claims, "vc+jwt")
    both = presented(delft, rijswijk, world, bad, good)
    caller = await rijswijk.identity.authenticate(await showing(delft, rijswijk, both))
    assert caller.roles == frozenset()


async def test_a_credential_with_a_forged_signature(
    delft: Node, rijswijk: Node, authority: Node, world: World
) -> None:
    claims = claims_of(credential_in(await shown(delft, rijswijk)))
    kid = f"{authority.did}#{authority.keys.kid}"
    forged = delft.keys.sign(claims, "vc+jwt", {"kid": kid})
    error = await refusal(delft, rijswijk, presented(delft, rijswijk, world, forged))
    assert (error.code, error.facts["reason"]) == (Code.token_signature, "bad_signature")


async def test_an_expired_membership(
    world: World, authority: Node, delft: Node, rijswijk: Node
) -> None:
    credential = await reissued(
        authority, delft, rijswijk, validUntil="2026-01-01T12:00:50Z", exp=None
    )
    text = presented(delft, rijswijk, world, credential)
    await rijswijk.identity.authenticate(await showing(delft, rijswijk, text))
    world.clock.move(50)  # it was verified before: its end counts all the same
    error = await refusal(delft, rijswijk, text)
    assert (error.code, error.facts["reason"]) == (Code.membership_expired, "expired")


async def test_a_membership_that_has_not_begun(
    world: World, authority: Node, delft: Node, rijswijk: Node
) -> None:
    credential = await reissued(authority, delft, rijswijk, validFrom="2026-01-01T12:00:31Z")
    error = await refusal(delft, rijswijk, presented(delft, rijswijk, world, credential))
    assert (error.code, error.facts["reason"]) == (Code.membership_expired, "not_yet_valid")


async def test_a_credential_signed_with_a_banned_key(
    world: World, authority: Node, delft: Node, rijswijk: Node
) -> None:
    text = await shown(delft, rijswijk)
    await rijswijk.identity.authenticate(await showing(delft, rijswijk, text))
    await rijswijk.keys.ban(authority.keys.kid)
    error = await refusal(delft, rijswijk, text)  # it was verified before
    assert error.code is Code.key_banned


async def test_a_credential_whose_key_left_the_document(
    world: World, authority: Node, delft: Node, rijswijk: Node
) -> None:
    assert rijswijk.status is not None
    await rijswijk.identity.authenticate(
        await showing(delft, rijswijk, await shown(delft, rijswijk))
    )
    await authority.keys.ban(authority.keys.kid)
    world.clock.move(61)
    await rijswijk.status.refresh()
    error = await refusal(delft, rijswijk, await shown(delft, rijswijk))
    assert (error.code, error.facts["reason"]) == (Code.token_signature, "key_unknown")


async def test_roles_come_from_the_credential_but_never_that_of_the_authority(
    world: World, authority: Node, delft: Node, rijswijk: Node
) -> None:
    subject = claims_of(credential_in(await shown(delft, rijswijk)))["credentialSubject"]
    subject = subject | {"roles": ["city", "authority", 1], "title": "x" * 500}
    credential = await reissued(authority, delft, rijswijk, credentialSubject=subject)
    text = presented(delft, rijswijk, world, credential)
    caller = await rijswijk.identity.authenticate(await showing(delft, rijswijk, text))
    assert caller.roles == frozenset({"city"})
    assert len(caller.name) == 200


async def test_a_banned_key_is_known_by_its_thumbprint_under_any_name(
    world: World, authority: Node, delft: Node, rijswijk: Node
) -> None:
    document = await delft.identity.document()
    method = document["verificationMethod"][0] | {"id": f"{delft.did}#renamed"}
    purposes = {
        purpose: [method["id"]]
        for purpose in ("authentication", "assertionMethod", "capabilityInvocation")
    }
    body = msgspec.json.encode(document | {"verificationMethod": [method]} | purposes)
    answer = OutboundResponse(status=200, headers={}, body=body)
    world.wire.answers[f"{delft.url}/did.json"] = answer
    await rijswijk.keys.ban(delft.keys.kid, "it leaked")
    claims = claims_of(await delft.identity.token_for(rijswijk.did, presentation=False))
    token = delft.keys.sign(claims, "JWT", {"kid": f"{delft.did}#renamed"})
    with pytest.raises(HansaError) as caught:
        await rijswijk.identity.authenticate(bearer(token), membership=False)
    assert caught.value.code is Code.key_banned


async def test_what_one_key_signed_is_not_taken_for_another_under_its_name(
    world: World, authority: Node, delft: Node, rijswijk: Node
) -> None:
    text = await shown(delft, rijswijk)
    await rijswijk.identity.authenticate(await showing(delft, rijswijk, text))
    document = await delft.identity.document()
    old = document["verificationMethod"][0]
    other = SigningKey.generate()
    new = old | {"publicKeyJwk": other.public.jwk}
    body = msgspec.json.encode(document | {"verificationMethod": [new]})
    answer = OutboundResponse(status=200, headers={}, body=body)
    world.wire.answers[f"{delft.url}/did.json"] = answer
    world.clock.move(61)
    assert rijswijk.status is not None
    await rijswijk.status.refresh()
    claims = claims_of(await delft.identity.token_for(rijswijk.did, presentation=False))
    claims["presentation"] = text
    token = jose.sign(claims, other, {"kid": old["id"]})
    with pytest.raises(HansaError) as caught:
        await rijswijk.identity.authenticate(bearer(token))
    assert (caught.value.code, caught.value.facts["reason"]) == (
        Code.token_signature,
        "bad_signature",
    )


async def test_signatures_that_were_verified_are_not_verified_again(
    delft: Node, rijswijk: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = await shown(delft, rijswijk)
    await rijswijk.identity.authenticate(await showing(delft, rijswijk, text))
    count = 0
    verify = jose.Unverified.verify

    def counted(self: jose.Unverified, key: Any) -> Claims:
        nonlocal count
        count += 1
        return verify(self, key)

    monkeypatch.setattr(jose.Unverified, "verify", counted)
    await rijswijk.identity.authenticate(await showing(delft, rijswijk, text))
    assert count == 1  # only that of the token itself


async def test_the_memory_of_signatures_is_bounded(
    delft: Node, rijswijk: Node, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hansa.identity.signatures._CACHED_MAX", 4)
    credential = credential_in(await shown(delft, rijswijk))
    for _ in range(10):
        world.clock.move(1)
        text = presented(delft, rijswijk, world, credential)
        await rijswijk.identity.authenticate(await showing(delft, rijswijk, text))
    assert len(rijswijk.identity.signatures._seen) == 4
