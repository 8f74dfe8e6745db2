"""DID documents: what we publish, and what we make of others'."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any

import pytest

from hansa.identity import Service, wire_did_1_0
from hansa.kernel import Code, HansaError
from hansa.kernel.crypto import SigningKey
from trust_world import World, call

DID = "did:web:x.example:a"
JWK = SigningKey.generate().public.jwk


def raw(**changes: Any) -> dict[str, Any]:
    return {
        "id": DID,
        "verificationMethod": [
            {"id": f"{DID}#k", "type": "JsonWebKey2020", "controller": DID, "publicKeyJwk": JWK}
        ],
        "authentication": ["#k"],
        "assertionMethod": [f"{DID}#k"],
        "capabilityInvocation": [],
        **changes,
    }


async def test_our_document_is_published_with_keys_and_services(world: World) -> None:
    city = await world.city("delft", 7711)
    answer = await call(world.wire.apps["localhost:7711"], "GET", "/delft/did.json", "", {}, b"")
    body = answer.json()
    did = "did:web:localhost%3A7711:delft"
    method = f"{did}#{city.keys.kid}"
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert body["id"] == did == city.did
    assert [each["type"] for each in body["verificationMethod"]] == ["JsonWebKey2020"]
    assert body["verificationMethod"][0]["id"] == method
    assert body["verificationMethod"][0]["controller"] == did
    assert "d" not in body["verificationMethod"][0]["publicKeyJwk"]
    for purpose in ("authentication", "assertionMethod", "capabilityInvocation"):
        assert body[purpose] == [method]
    assert body["service"] == [
        {
            "id": f"{did}#dsp",
            "type": "DataService",
            "serviceEndpoint": "http://localhost:7711/delft/x",
        }
    ]
    assert wire_did_1_0.read(did, body) == city.identity.described()


def test_the_id_of_a_service_may_be_given_whole() -> None:
    for name in ("dsp", "#dsp", f"{DID}#dsp"):
        service = Service(id=name, type="DataService", endpoint="https://x.example")
        written = wire_did_1_0.write(wire_did_1_0.describe(DID, [], [service]))
        assert written["service"][0]["id"] == f"{DID}#dsp"


async def test_an_unknown_participant_has_no_document(world: World) -> None:
    await world.city("delft", 7711)
    answer = await call(world.wire.apps["localhost:7711"], "GET", "/x/did.json", "", {}, b"")
    assert (answer.status, answer.json()["code"]) == (404, "not_found")


async def test_rotation_and_ban_show_in_the_document(world: World) -> None:
    city = await world.city("delft", 7711)
    first = city.keys.kid
    second = await city.keys.rotate(publish_until=world.clock.now() + timedelta(days=1))

    async def kids() -> list[str]:
        document = await city.identity.document()
        return [each["id"].partition("#")[2] for each in document["verificationMethod"]]

    assert await kids() == [second, first]
    await city.keys.ban(first)
    assert await kids() == [second]


def test_relationships_decide_what_a_key_may_do() -> None:
    document = wire_did_1_0.read(DID, raw())
    assert document.key(document.method("#k"), "assertionMethod").jwk == JWK
    with pytest.raises(HansaError) as caught:
        document.key(document.method("k"), "capabilityInvocation")
    assert (caught.value.code, caught.value.facts["reason"]) == (
        Code.token_signature,
        "key_purpose",
    )


def test_a_key_embedded_in_a_relationship_has_only_that_purpose() -> None:
    embedded = {"id": f"{DID}#e", "type": "JsonWebKey", "publicKeyJwk": JWK}
    document = wire_did_1_0.read(DID, raw(authentication=[embedded]))
    assert document.key(f"{DID}#e", "authentication").jwk == JWK
    with pytest.raises(HansaError):
        document.key(f"{DID}#e", "assertionMethod")
    assert wire_did_1_0.write(document)["authentication"] == [f"{DID}#e"]


@pytest.mark.parametrize("kid", [None, DID])
def test_a_missing_kid_is_fine_only_with_one_key(kid: str | None) -> None:
    assert wire_did_1_0.read(DID, raw()).method(kid) == f"{DID}#k"
    two = raw()
    second = copy.deepcopy(two["verificationMethod"][0])
    second["id"] = "#k2"
    two["verificationMethod"].append(second)
    with pytest.raises(HansaError) as caught:
        wire_did_1_0.read(DID, two).method(kid)
    assert caught.value.facts["reason"] == "key_ambiguous"


def test_a_kid_of_another_did_is_refused() -> None:
    with pytest.raises(HansaError) as caught:
        wire_did_1_0.read(DID, raw()).method("did:web:y.example#k")
    assert caught.value.facts["reason"] == "key_foreign"


def test_keys_of_other_types_are_left_out() -> None:
    multikey = {"id": "#m", "type": "Multikey", "publicKeyMultibase": "z6Mk"}
    rsa = {"id": "#r", "type": "JsonWebKey2020", "publicKeyJwk": {"kty": "RSA"}}
    foreign = {"id": "did:web:y.example#k", "type": "JsonWebKey2020", "publicKeyJwk": JWK}
    document = wire_did_1_0.read(DID, raw(verificationMethod=[multikey, rsa, foreign]))
    assert not document.methods
    with pytest.raises(HansaError) as caught:
        document.key(f"{DID}#m", "authentication")
    assert caught.value.facts["reason"] == "key_unknown"


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        raw(id="did:web:y.example"),
        raw(id=None),
        raw(verificationMethod={}),
        raw(verificationMethod=[1]),
        raw(verificationMethod=[{"id": 1}]),
        raw(verificationMethod=[raw()["verificationMethod"][0]] * 2),
        raw(verificationMethod=[{"id": f"#{n}"} for n in range(65)]),
        raw(authentication="x"),
        raw(service=[1]),
    ],
)
def test_a_document_that_is_not_usable_is_refused(document: Any) -> None:
    with pytest.raises(HansaError) as caught:
        wire_did_1_0.read(DID, document)
    assert caught.value.code is Code.did_unresolvable
