"""Who may signal: nobody unknown, nobody about another's flow, and tokens with a signature only."""

from __future__ import annotations

import secrets
import time
import uuid
from typing import Any

import pytest
from tests.conformance.dps.dataplane_case import DataPlaneCase, refused
from tests.conformance.dps.schemas import validate
from tests.conformance.dps.world import Answer, Call, ControlPlane, Peer, call
from tests.conformance.profile import Profile

from hansa.kernel.crypto import SigningKey, jose

ENDPOINTS = [
    ("POST", "dataflows/prepare"),
    ("POST", "dataflows/start"),
    ("POST", "dataflows/some/started"),
    ("POST", "dataflows/some/suspend"),
    ("POST", "dataflows/some/resume"),
    ("POST", "dataflows/some/terminate"),
    ("POST", "dataflows/some/completed"),
    ("GET", "dataflows/some/status"),
    ("POST", "prepare"),
    ("PUT", "controlplanes"),
    ("DELETE", "controlplanes/scripted-control"),
    ("PUT", "dataplanes"),
    ("DELETE", "dataplanes/scripted-plane"),
    ("GET", "transfers/some/agreement"),
    ("POST", "nothing/here"),
]


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_every_path_refuses_who_is_unknown(plane: DataPlaneCase, method: str, path: str) -> None:
    for token in (None, "Bearer ", "Bearer wrong", "Basic d3Jvbmc6d3Jvbmc=", "{}"):
        answer = call(method, f"{plane.base}/{path}", authorization=token)
        assert answer.status == 401, (method, path, token, answer.raw)


@pytest.mark.parametrize("verb", ["prepared", "started", "completed", "errored"])
def test_callbacks_refuse_who_is_unknown(plane: DataPlaneCase, verb: str) -> None:
    url = f"{plane.base}/transfers/some/dataflow/{verb}"
    assert call("POST", url, {}, authorization="Bearer wrong").status == 401


def test_a_control_plane_is_no_data_plane(plane: DataPlaneCase) -> None:
    url = f"{plane.base}/transfers/some/dataflow/completed"
    assert call("POST", url, {}, authorization=plane.control.authorization).status == 401


@pytest.fixture
def second(profile: Profile) -> Any:
    """Give another control plane with its own secret."""
    secret = secrets.token_urlsafe(32)
    control = ControlPlane(f"Bearer {secret}")
    case = DataPlaneCase(profile, control)
    case.register(secret, "second-control")
    yield case
    control.close()


def test_another_control_planes_flow_does_not_exist(
    plane: DataPlaneCase, second: DataPlaneCase
) -> None:
    opening = plane.opening("DP_P_PULL_01_01_DATASETID")
    plane.accepted(plane.say("start", opening), "STARTED")
    second.process = plane.process
    for verb in ("suspend", "terminate", "completed", "resume", "started"):
        answer = second.tell(verb)
        assert (answer.status, answer.body["code"]) == (404, "not_found"), verb
    assert (
        call(
            "GET",
            f"{second.base}/dataflows/{plane.process}/status",
            authorization=second.control.authorization,
        ).status
        == 404
    )
    refused(second.say("start", opening), "conflict", "processId")
    refused(second.say("prepare", opening), "conflict", "processId")
    assert plane.state() == "STARTED"


def test_an_agreement_of_one_control_plane_serves_no_other(
    plane: DataPlaneCase, second: DataPlaneCase
) -> None:
    opening = plane.opening("DP_P_PULL_01_01_DATASETID")
    plane.accepted(plane.say("start", opening), "STARTED")
    other = second.opening("DP_P_PULL_01_01_DATASETID", agreementId=opening["agreementId"])
    refused(second.say("start", other), "conflict", "agreementId")


# -- registration --------------------------------------------------------------------------------


def operator(case: DataPlaneCase) -> str:
    return f"Bearer {case.profile._operator}"


def registration(**members: Any) -> dict[str, Any]:
    return {
        "dataplaneId": f"plane-{uuid.uuid4()}",
        "endpoint": "http://localhost:9/plane",
        "profiles": ["Some-PULL"],
        "authorization": {"type": "bearer_secret", "secret": secrets.token_urlsafe(32)},
        **members,
    }


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"endpoint": "http://plane.example/"}, "endpoint"),
        ({"endpoint": "https://user:pass@plane.example/"}, "endpoint"),
        ({"endpoint": "file:///etc/passwd"}, "endpoint"),
        ({"profiles": []}, "profiles"),
        ({"authorization": {}}, "authorization.type"),
        ({"authorization": {"type": "none"}}, "authorization.type"),
        ({"authorization": {"type": "bearer_secret", "secret": "short"}}, "authorization.secret"),
        (
            {"authorization": {"type": "bearer_secret", "secret": "with\nnewline" * 9}},
            "authorization.secret",
        ),
    ],
)
def test_what_is_no_sound_registration_is_refused(
    plane: DataPlaneCase, members: dict[str, Any], field: str
) -> None:
    url = f"{plane.base}/dataplanes"
    answer = call("PUT", url, registration(**members), authorization=operator(plane))
    refused(answer, "invalid_field", field)


def test_a_registration_replaces_and_is_deleted(plane: DataPlaneCase) -> None:
    body = registration()
    validate("DataPlaneRegistrationMessage", body)
    url = f"{plane.base}/dataplanes"
    own = f"Bearer {body['authorization']['secret']}"
    assert call("PUT", url, body, authorization=operator(plane)).status == 200
    assert call("PUT", url, body | {"profiles": ["Other-PULL"]}, authorization=own).status == 200
    refused(call("PUT", url, registration(), authorization=own), "forbidden")
    refused(call("DELETE", f"{url}/scripted-plane", authorization=own), "forbidden")
    again = registration(authorization=body["authorization"])
    refused(call("PUT", url, again, authorization=operator(plane)), "conflict", "authorization")
    assert call("DELETE", f"{url}/{body['dataplaneId']}", authorization=own).status == 204
    assert call("DELETE", f"{url}/{body['dataplaneId']}", authorization=own).status == 401


def test_the_operator_sees_what_is_registered_without_secrets(plane: DataPlaneCase) -> None:
    url = f"{plane.base}/controlplanes"
    answer = call("GET", url, authorization=operator(plane))
    assert answer.status == 200
    found = {each["id"]: each for each in answer.body["controlplanes"]}
    assert found["scripted-control"]["authorization"] == {"type": "bearer_secret"}
    assert plane.control.authorization.removeprefix("Bearer ").encode() not in answer.raw
    assert call("GET", url, authorization=plane.control.authorization).status == 401


# -- oauth2_client_credentials -------------------------------------------------------------------


class TokenServer(Peer):
    """Gives tokens to clients with the right secret, and serves its keys."""

    def __init__(self) -> None:
        super().__init__()
        self.key = SigningKey.generate()
        self.issued = 0

    def answer(self, got: Call) -> tuple[int, Any]:
        if got.path == "/keys":
            return 200, {"keys": [{**self.key.public.jwk, "kid": "k1"}, {"kty": "RSA", "n": "x"}]}
        if "client_secret=s3cr3t" not in str(got.body):
            return 401, {"error": "invalid_client"}
        self.issued += 1
        return 200, {"access_token": f"issued-{self.issued}", "expires_in": 3600}

    def token(self, case: DataPlaneCase, name: str, **claims: Any) -> str:
        now = int(time.time())
        content = {"iss": self.url, "sub": name, "aud": case.base, "iat": now, "exp": now + 60}
        headers = {"kid": "k1", "typ": "JWT"}
        return f"Bearer {jose.sign({**content, **claims}, self.key, headers)}"


@pytest.fixture
def server() -> Any:
    server = TokenServer()
    yield server
    server.close()


def register_oauth(
    plane: DataPlaneCase, server: TokenServer, control: ControlPlane, **keys: Any
) -> tuple[str, Answer]:
    name = f"oauth-{uuid.uuid4()}"
    body = {
        "controlplaneId": name,
        "endpoint": control.endpoint,
        "authorization": {
            "type": "oauth2_client_credentials",
            "tokenEndpoint": f"{server.url}/token",
            "clientId": "hansa",
            "clientSecret": "s3cr3t",
            **keys,
        },
    }
    validate("ControlPlaneRegistrationMessage", body)
    url = f"{plane.base}/controlplanes"
    return name, call("PUT", url, body, authorization=operator(plane))


def test_oauth_tokens_are_fetched_for_our_calls_and_verified_for_theirs(
    profile: Profile, plane: DataPlaneCase, server: TokenServer
) -> None:
    control = ControlPlane("Bearer issued-1")
    case = DataPlaneCase(profile, control)
    name, registered = register_oauth(plane, server, control, jwksUri=f"{server.url}/keys")
    assert registered.status == 200, registered.raw
    control.authorization = server.token(plane, name)
    opening = case.opening("DP_C_PULL_04_01_DATASETID")
    case.accepted(case.say("prepare", opening), "PREPARING", 202)
    control.authorization = "Bearer issued-1"
    assert case.told("prepared").body["state"] == "PREPARED"
    assert control.faults == []
    control.close()


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"aud": "https://else.example"}, "token_audience"),
        ({"exp": 1, "iat": 0}, "token_expired"),
        ({"iat": int(time.time()) + 3600}, "token_expired"),
        ({"exp": int(time.time()) + 400 * 24 * 3600}, "token_expired"),
        ({"exp": None}, "token_malformed"),
        ({"sub": "somebody"}, "token_unknown"),
        ({"sub": "scripted-control"}, "token_unknown"),
    ],
)
def test_oauth_tokens_that_do_not_fit_are_refused(
    plane: DataPlaneCase, server: TokenServer, claims: dict[str, Any], code: str
) -> None:
    name, _ = register_oauth(plane, server, plane.control, jwksUri=f"{server.url}/keys")
    url = f"{plane.base}/dataflows/some/status"
    sound = call("GET", url, authorization=server.token(plane, name))
    assert sound.status == 404, "the token itself is accepted"
    answer = call("GET", url, authorization=server.token(plane, name, **claims))
    assert (answer.status, answer.body["code"]) == (401, code)


def test_oauth_tokens_of_another_key_are_refused(plane: DataPlaneCase, server: TokenServer) -> None:
    keys = {"keys": [{**SigningKey.generate().public.jwk, "kid": "k1"}]}
    name, registered = register_oauth(plane, server, plane.control, jwks=keys)
    assert registered.status == 200
    url = f"{plane.base}/dataflows/some/status"
    answer = call("GET", url, authorization=server.token(plane, name))
    assert (answer.status, answer.body["code"]) == (401, "token_signature")


def test_oauth_without_keys_is_no_registration(plane: DataPlaneCase, server: TokenServer) -> None:
    _, answer = register_oauth(plane, server, plane.control)
    refused(answer, "invalid_field", "authorization.jwks")
    _, answer = register_oauth(plane, server, plane.control, jwks={"keys": []})
    refused(answer, "invalid_field", "authorization.jwks")
    _, answer = register_oauth(
        plane, server, plane.control, jwksUri="http://keys.example/", jwks={"keys": []}
    )
    refused(answer, "invalid_field", "authorization.jwks")


def test_the_secrets_of_planes_are_encrypted_at_rest(
    profile: Profile, plane: DataPlaneCase
) -> None:
    body = registration()
    url = f"{plane.base}/dataplanes"
    assert call("PUT", url, body, authorization=operator(plane)).status == 200
    kept = b"".join(path.read_bytes() for path in profile.folder.glob("hansa.sqlite*"))
    assert body["dataplaneId"].encode() in kept
    assert body["authorization"]["secret"].encode() not in kept
