"""`oauth2_token_exchange` (Data Plane Signaling 1.0, Authorization Profiles), with RS256 keys.

A scripted broker mints tokens for both directions. The names of the tests are the profile's steps.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from tests.conformance.dps.dataplane_case import DataPlaneCase, refused
from tests.conformance.dps.schemas import validate
from tests.conformance.dps.world import Answer, Call, Peer, call
from tests.conformance.profile import Profile

from hansa.dataplane import PeerKind, Workload
from hansa.kernel import Code, HansaError
from hansa.kernel.crypto import PublicKey, jose
from hansa.kernel.crypto.keys import b64url
from hansa.kernel.settings import ParticipantSettings, Settings
from hansa.node import signaling

PRINCIPAL = "urn:example:city"
Json = dict[str, Any]


class RsaKey:
    """A key that signs with RS256, as brokers do."""

    def __init__(self, bits: int = 2048) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
        numbers = self._key.public_key().public_numbers()
        size = (bits + 7) // 8
        self.jwk = {
            "kty": "RSA",
            "n": b64url(numbers.n.to_bytes(size)),
            "e": b64url(numbers.e.to_bytes(3)),
        }

    def sign(self, claims: Json, kid: str | None = "b1") -> str:
        header = {"alg": "RS256", "typ": "JWT"} | ({"kid": kid} if kid else {})
        signed = ".".join(b64url(_json(part)) for part in (header, claims))
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{b64url(signature)}"


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


class Broker(Peer):
    """Exchanges workload credentials for tokens, and serves its keys."""

    def __init__(self) -> None:
        super().__init__()
        self.key = RsaKey()
        self.forms: list[dict[str, str]] = []

    def answer(self, got: Call) -> tuple[int, Any]:
        if got.path == "/keys":
            return 200, {"keys": [None, 7, {**self.key.jwk, "kid": "b1"}]}
        form = {name: values[0] for name, values in parse_qs(str(got.body)).items()}
        self.forms.append(form)
        if not form.get("subject_token", "").startswith("workload-"):
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        expires = now + 10**400  # no float holds it
        claims = {"iss": self.url, "aud": form["audience"], "iat": now, "exp": expires}
        token = self.key.sign({**claims, "jti": str(len(self.forms))})
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": 300}

    def token(self, case: DataPlaneCase, name: str, kid: str | None = "b1", **claims: Any) -> str:
        """Give a token as it mints for a plane that calls us."""
        now = int(time.time())
        content = {
            "iss": self.url,
            "sub": name,
            "aud": case.base,
            "scope": "signaling:dataflow",
            "participant_context": "city",
            "iat": now,
            "exp": now + 60,
        }
        return f"Bearer {self.key.sign({**content, **claims}, kid)}"


@pytest.fixture
def broker() -> Iterator[Broker]:
    broker = Broker()
    yield broker
    broker.close()


def authorization(broker: Broker, **members: Any) -> Json:
    return {
        "type": "oauth2_token_exchange",
        "tokenExchangeEndpoint": f"{broker.url}/token",
        "issuer": broker.url,
        "jwksUri": f"{broker.url}/keys",
    } | members


def register(case: DataPlaneCase, given: Json, endpoint: str) -> tuple[str, Answer]:
    name = f"urn:example:plane:{uuid.uuid4()}"
    body = {"controlplaneId": name, "endpoint": endpoint, "authorization": given}
    validate("ControlPlaneRegistrationMessage", body)
    operator = f"Bearer {case.profile._operator}"
    return name, call("PUT", f"{case.base}/controlplanes", body, authorization=operator)


def status(case: DataPlaneCase, token: str) -> Answer:
    return call("GET", f"{case.base}/dataflows/some/status", authorization=token)


# -- receiver validation -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "code", "number"),
    [
        ({"iss": "https://other.example"}, "token_unknown", 401),
        ({"iss": None}, "token_unknown", 401),
        ({"aud": "https://else.example"}, "token_audience", 401),
        ({"exp": 1, "iat": 0}, "token_expired", 401),
        ({"sub": "urn:example:nobody"}, "token_unknown", 401),
        ({"participant_context": "another"}, "token_audience", 401),
        ({"participant_context": None}, "token_audience", 401),
        ({"participant_context": ["city"]}, "token_audience", 401),
        ({"scope": ""}, "forbidden", 403),
        ({"scope": "signaling:other"}, "forbidden", 403),
        ({"scope": "signaling:other", "act": {"sub": "signaling:dataflow"}}, "forbidden", 403),
    ],
)
def test_receiver_validation(
    plane: DataPlaneCase, broker: Broker, claims: Json, code: str, number: int
) -> None:
    name, registered = register(plane, authorization(broker), plane.control.endpoint)
    assert registered.status == 200, registered.raw
    assert status(plane, broker.token(plane, name)).status == 404, "the token itself is accepted"
    answer = status(plane, broker.token(plane, name, **claims))
    assert (answer.status, answer.body["code"]) == (number, code)


def test_receiver_validation_of_the_signature(plane: DataPlaneCase, broker: Broker) -> None:
    name, _ = register(plane, authorization(broker), plane.control.endpoint)
    assert status(plane, broker.token(plane, name, None)).status == 404, "the only key, unnamed"
    answer = status(plane, broker.token(plane, name, "b2"))
    assert (answer.status, answer.body["code"]) == (401, "token_signature")
    broker.key = RsaKey()  # another one under the same name; the keys are held for a while
    answer = status(plane, broker.token(plane, name))
    assert (answer.status, answer.body["code"]) == (401, "token_signature")


def test_a_brokers_scope_of_flows_changes_no_registration(
    plane: DataPlaneCase, broker: Broker
) -> None:
    name, _ = register(plane, authorization(broker), plane.control.endpoint)
    url = f"{plane.base}/controlplanes/{name}"
    assert call("DELETE", url, authorization=broker.token(plane, name)).status == 401
    token = broker.token(plane, name, scope="signaling:dataflow signaling:registration")
    assert call("DELETE", url, authorization=token).status == 204


@pytest.mark.parametrize("missing", ["tokenExchangeEndpoint", "issuer", "jwksUri"])
def test_authorization_object_requires(plane: DataPlaneCase, broker: Broker, missing: str) -> None:
    given = {name: each for name, each in authorization(broker).items() if name != missing}
    _, answer = register(plane, given, plane.control.endpoint)
    refused(answer, "invalid_field", f"authorization.{missing}")


def test_authorization_object_permits_no_inline_keys(plane: DataPlaneCase, broker: Broker) -> None:
    given = authorization(broker, jwks={"keys": [broker.key.jwk]})
    _, answer = register(plane, given, plane.control.endpoint)
    refused(answer, "invalid_field", "authorization.jwks")


# -- exchange request ----------------------------------------------------------------------------


@pytest.fixture
def workload(
    profile: Profile, broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Let our participant exchange what stands in a file, at this broker."""
    file = tmp_path / "token"
    file.write_text("workload-1")

    async def credential() -> str:
        return file.read_text()

    given = Workload(
        broker=f"{broker.url}/token",
        resource=PRINCIPAL,
        credential=credential,
        scope="signaling:dataflow",
    )
    peers = profile.participant.signaling.peers
    monkeypatch.setattr(peers._tokens, "_workload", given)
    return file


def test_exchange_request_and_token_rotation(
    profile: Profile, plane: DataPlaneCase, broker: Broker, workload: Path
) -> None:
    name, _ = register(plane, authorization(broker), plane.control.endpoint)
    peers = profile.participant.signaling.peers

    async def header() -> str:
        found = [peer for peer in await peers.list(PeerKind.control_plane) if peer.id == name]
        return await peers.header(found[0])

    first = profile.call(header())
    assert jose.read(first.removeprefix("Bearer "), algorithms=_RS256).claims["aud"] == name
    assert broker.forms == [
        {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": "workload-1",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "resource": PRINCIPAL,
            "audience": name,
            "scope": "signaling:dataflow",
            "requested_token_type": "urn:ietf:params:oauth:token-type:jwt",
        }
    ], "and no client authentication"
    assert profile.call(header()) == first, "kept while it lives"
    workload.write_text("workload-2")
    peers._tokens._kept.clear()
    assert profile.call(header()) != first
    assert broker.forms[-1]["subject_token"] == "workload-2", "read anew"


def test_the_credential_goes_to_our_own_broker_only(
    profile: Profile, plane: DataPlaneCase, broker: Broker, workload: Path
) -> None:
    thief = Broker()
    name, registered = register(plane, authorization(thief), plane.control.endpoint)
    assert registered.status == 200
    peers = profile.participant.signaling.peers

    async def header() -> str:
        found = [peer for peer in await peers.list(PeerKind.control_plane) if peer.id == name]
        return await peers.header(found[0])

    with pytest.raises(HansaError) as caught:
        profile.call(header())
    thief.close()
    assert caught.value.code is Code.unavailable
    assert "not the one of this participant" in caught.value.detail
    assert thief.forms == []


# -- RS256 ---------------------------------------------------------------------------------------

_RS256 = frozenset({"RS256"})


def test_rs256_is_read_where_it_is_asked_for_only(broker: Broker) -> None:
    token = broker.key.sign({"sub": "x"})
    key = PublicKey.of_jwk(broker.key.jwk, with_rsa=True)
    assert jose.read(token, algorithms=_RS256).verify(key) == {"sub": "x"}
    with pytest.raises(HansaError) as caught:
        jose.read(token)
    assert caught.value.facts["reason"] == "alg_not_allowed"
    with pytest.raises(HansaError):
        PublicKey.of_jwk(broker.key.jwk)


@pytest.mark.parametrize(
    "members",
    [
        {"n": b64url(b"\xff" * 128)},
        {"n": b64url(b"\xff" * 1025)},
        {"e": b64url(b"\xff" * 9)},
        {"e": b64url(b"\x01")},
        {"alg": "PS256"},
        {"use": "enc"},
        {"d": "AQAB"},
        {"n": 7},
    ],
)
def test_unsound_rsa_keys_are_refused(broker: Broker, members: Json) -> None:
    with pytest.raises(HansaError) as caught:
        PublicKey.of_jwk({**broker.key.jwk, **members}, with_rsa=True)
    assert caught.value.code is Code.invalid_field


# -- the setting ---------------------------------------------------------------------------------


def shared(folder: Path, workload: str) -> Any:
    """Give what a node shares, as far as the setting needs it."""
    participant = ParticipantSettings(id="city", role="city", workload=workload)
    return SimpleNamespace(folder=folder, settings=Settings(participants=(participant,)))


async def test_the_setting_names_broker_principal_and_credential(tmp_path: Path) -> None:
    given = {"broker": "https://b.example", "resource": PRINCIPAL, "credential": "token"}
    (tmp_path / "workload.json").write_bytes(_json(given))
    found = signaling._workload("city", shared(tmp_path, "workload.json"))
    assert found is not None
    assert (found.broker, found.resource, found.scope) == ("https://b.example", PRINCIPAL, "")
    with pytest.raises(HansaError) as caught:
        await found.credential()
    assert caught.value.code is Code.unavailable
    (tmp_path / "token").write_text("workload-1\n")
    assert await found.credential() == "workload-1"
    assert signaling._workload("city", shared(tmp_path, "")) is None


@pytest.mark.parametrize("content", [b"", b"{}", b'{"broker": "x", "jwks": 1}'])
def test_a_setting_that_says_nothing_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "workload.json").write_bytes(content)
    with pytest.raises(HansaError) as caught:
        signaling._workload("city", shared(tmp_path, "workload.json"))
    assert caught.value.code is Code.settings_invalid
    assert caught.value.facts["field"] == "participants.workload"
