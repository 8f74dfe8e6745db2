"""The scenarios DP_*_HTTP_PULL: renewable access, and the token endpoint that renews it."""

from __future__ import annotations

import time
import uuid
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.conformance.dps.dataplane_case import DataPlaneCase, refused
from tests.conformance.dps.schemas import HTTP_PROFILE, validate
from tests.conformance.dps.world import Answer, call

from hansa.kernel.crypto import SigningKey, jose

HTTP_PULL = "https://w3id.org/dspace-sig/profile/http-pull"
RENEWAL = {"refreshToken": "r", "expiresIn": "60", "refreshEndpoint": "https://provider.example/t"}


def address(**more: str) -> dict[str, Any]:
    properties = {"authorization": "opaque", "authType": "bearer", **more}
    return {
        "@type": "DataAddress",
        "endpointType": HTTP_PULL,
        "endpoint": "https://provider.example/data",
        "endpointProperties": [{"name": key, "value": val} for key, val in properties.items()],
    }


class RenewingConsumer:
    """A counterparty with a DID of its own, whose document the scripted control plane serves."""

    def __init__(self, plane: DataPlaneCase) -> None:
        self.plane = plane
        self.key = SigningKey.generate()
        name = uuid.uuid4().hex
        self.did = f"did:web:localhost%3A{plane.control.port}:{name}"
        kid = f"{self.did}#key-1"
        plane.control.documents[f"/{name}/did.json"] = {
            "@context": ["https://www.w3.org/ns/did/v1"],
            "id": self.did,
            "verificationMethod": [
                {
                    "id": kid,
                    "type": "JsonWebKey2020",
                    "controller": self.did,
                    "publicKeyJwk": self.key.public.jwk,
                }
            ],
            "authentication": [kid],
        }
        self.properties: dict[str, str] = {}
        self.endpoint = ""

    def start(self) -> dict[str, Any]:
        opening = self.plane.opening("urn:uuid:renewed", HTTP_PULL, counterPartyId=self.did)
        given = self.plane.accepted(self.plane.say("start", opening), "STARTED")
        found: dict[str, Any] = given["dataAddress"]
        self.endpoint = found["endpoint"]
        self.properties = {each["name"]: each["value"] for each in found["endpointProperties"]}
        return found

    def renew(self, *, key: SigningKey | None = None, refresh: str = "", **claims: Any) -> Answer:
        now = int(time.time())
        content = {
            "iss": self.did,
            "sub": self.did,
            "aud": self.plane.profile.did,
            "iat": now,
            "exp": now + 60,
            "token": self.properties["authorization"],
            **claims,
        }
        proof = jose.sign(content, key or self.key, {"kid": f"{self.did}#key-1", "typ": "JWT"})
        form = {
            "grant_type": "refresh_token",
            "refresh_token": refresh or self.properties["refreshToken"],
        }
        return call(
            "POST",
            self.properties["refreshEndpoint"],
            raw=urlencode(form).encode(),
            authorization=f"Bearer {proof}",
        )

    def fetch(self, token: str) -> Answer:
        url = f"{self.endpoint}/entities?type=Anything"
        return call("GET", url, authorization=f"Bearer {token}")


@pytest.fixture
def consumer(plane: DataPlaneCase) -> RenewingConsumer:
    return RenewingConsumer(plane)


def test_dp_c_http_pull_01_01(plane: DataPlaneCase) -> None:
    opening = plane.opening("urn:uuid:any", HTTP_PULL)
    plane.accepted(plane.say("prepare", opening), "PREPARED")
    assert plane.tell("started", dataAddress=address(**RENEWAL)).status == 200
    assert plane.state() == "STARTED"


def test_dp_c_http_pull_02_01(plane: DataPlaneCase) -> None:
    plane.accepted(plane.say("prepare", plane.opening("urn:uuid:any", HTTP_PULL)), "PREPARED")
    refused(plane.tell("started", dataAddress=address()), "invalid_field", "refreshToken")
    no_life = {name: value for name, value in RENEWAL.items() if name != "expiresIn"}
    refused(plane.tell("started", dataAddress=address(**no_life)), "invalid_field", "expiresIn")
    plain = address(**RENEWAL) | {"endpoint": "http://provider.example/data"}
    refused(plane.tell("started", dataAddress=plain), "invalid_field", "endpoint")
    assert plane.state() == "PREPARED"


def test_dp_p_http_pull_01_01(plane: DataPlaneCase, consumer: RenewingConsumer) -> None:
    found = consumer.start()
    named = {"authorization", "authType", "contentType"}
    listed = [each for each in found["endpointProperties"] if each["name"] in named]
    # The profile's schema knows no renewal properties, and our node of the test has no TLS.
    secure = found["endpoint"].replace("http://", "https://")
    validate(HTTP_PROFILE, found | {"endpointProperties": listed, "endpoint": secure})
    assert found["endpointType"] == HTTP_PULL
    assert int(consumer.properties["expiresIn"]) > 0
    first = consumer.properties["authorization"]
    assert consumer.fetch(first).status == 200
    answer = consumer.renew()
    assert answer.status == 200, answer.raw
    assert answer.headers["cache-control"] == "no-store"
    assert answer.body["token_type"] == "Bearer"
    assert answer.body["access_token"] not in ("", first)
    assert consumer.fetch(answer.body["access_token"]).status == 200


def test_dp_p_http_pull_02_01(consumer: RenewingConsumer) -> None:
    consumer.start()
    answer = consumer.renew(refresh=str(uuid.uuid4()))
    assert (answer.status, answer.body["error"]) == (400, "invalid_grant")
    assert answer.body["code"] == "token_unknown"


def test_dp_p_http_pull_02_02(consumer: RenewingConsumer) -> None:
    consumer.start()
    answer = consumer.renew(aud="did:web:else.example")
    assert (answer.status, answer.body["error"]) == (401, "invalid_client")
    assert answer.body["code"] == "token_audience"


# -- more of the token endpoint ------------------------------------------------------------------


def test_a_refresh_token_of_another_consumer_is_worth_nothing(
    plane: DataPlaneCase, consumer: RenewingConsumer
) -> None:
    consumer.start()
    answer = consumer.renew(key=SigningKey.generate())
    assert (answer.status, answer.body["code"]) == (401, "token_signature")
    thief = RenewingConsumer(plane)
    thief.properties = dict(consumer.properties)
    answer = thief.renew()
    assert (answer.status, answer.body["code"]) == (400, "token_unknown")


def test_a_proof_without_the_access_token_or_out_of_time_is_refused(
    consumer: RenewingConsumer,
) -> None:
    consumer.start()
    assert consumer.renew(token="another").body["code"] == "token_unknown"
    assert consumer.renew(token="").body["code"] == "token_malformed"
    assert consumer.renew(exp=int(time.time()) - 3600).body["code"] == "token_expired"
    assert consumer.renew(iat=int(time.time()) + 3600).body["code"] == "token_expired"
    assert consumer.renew(sub="did:web:else.example").body["code"] == "token_malformed"


def test_a_lost_answer_can_be_asked_for_again_until_the_new_token_was_used(
    consumer: RenewingConsumer,
) -> None:
    consumer.start()
    lost = consumer.renew().body["access_token"]
    again = consumer.renew()
    assert again.status == 200, "the answer with the first may be lost"
    assert consumer.fetch(again.body["access_token"]).status == 200
    refusal = consumer.renew()
    assert (refusal.status, refusal.body["code"]) == (400, "token_unknown")
    assert consumer.renew(
        refresh=again.body["refresh_token"], token=again.body["access_token"]
    ).body["access_token"] not in (lost, again.body["access_token"])


def test_a_transfer_that_was_stopped_is_not_renewed(
    plane: DataPlaneCase, consumer: RenewingConsumer
) -> None:
    consumer.start()
    assert plane.tell("suspend").status == 200
    answer = consumer.renew()
    assert (answer.status, answer.body["code"]) == (400, "transfer_ended")
    assert plane.tell("terminate").status == 200
    answer = consumer.renew()
    assert (answer.status, answer.body["code"]) == (400, "transfer_ended")


def test_what_is_no_refresh_request_is_refused(consumer: RenewingConsumer) -> None:
    consumer.start()
    url = consumer.properties["refreshEndpoint"]
    answer = call("POST", url, raw=b"grant_type=password")
    assert (answer.status, answer.body["error"]) == (400, "invalid_request")
    answer = call("POST", url, raw=b"grant_type=refresh_token&refresh_token=x")
    assert (answer.status, answer.body["code"]) == (401, "token_missing")


def test_other_terms_of_an_agreement_count_for_running_flows_too(
    plane: DataPlaneCase, consumer: RenewingConsumer
) -> None:
    consumer.start()
    token = consumer.properties["authorization"]
    assert consumer.fetch(token).status == 200
    agreement = plane.control.agreements[plane.process]
    second = DataPlaneCase(plane.profile, plane.control)
    opening = second.opening(
        agreement["target"],
        HTTP_PULL,
        counterPartyId=consumer.did,
        agreementId=agreement["@id"],
    )
    over = {"leftOperand": "dateTime", "operator": "lt", "rightOperand": "2020-01-01T00:00:00Z"}
    second.control.agreements[second.process]["permission"][0]["constraint"] = [over]
    second.say("start", opening)
    answer = consumer.fetch(token)
    assert answer.status == 403, answer.raw
