"""One scenario against our data plane: what the control plane says, and what must come back."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import quote

from tests.conformance.dps.schemas import validate
from tests.conformance.dps.world import PULL, Answer, Call, ControlPlane, call
from tests.conformance.profile import Profile

COUNTERPARTY = "did:web:counterparty.example"
ADDRESS = {  # without @type, as the scenarios of the kit send it
    "endpointType": "HttpPush",
    "endpoint": "https://consumer.example/inbox",
    "endpointProperties": [
        {"name": "authorization", "value": "secret"},
        {"name": "authType", "value": "bearer"},
    ],
}


class DataPlaneCase:
    """Our data plane at `/{p}/dps/1.0-rc3`, driven by the scripted control plane."""

    def __init__(self, profile: Profile, control: ControlPlane) -> None:
        self.profile = profile
        self.control = control
        self.base = f"{profile.url}/city/dps/1.0-rc3"
        self.process = f"urn:uuid:{uuid.uuid4()}"

    def register(self, secret: str, control_id: str = "scripted-control") -> Answer:
        """Register the control plane, as the operator."""
        body = {
            "controlplaneId": control_id,
            "endpoint": self.control.endpoint,
            "authorization": {"type": "bearer_secret", "secret": secret},
        }
        validate("ControlPlaneRegistrationMessage", body)
        operator = f"Bearer {self.profile._operator}"
        answer = call("PUT", f"{self.base}/controlplanes", body, authorization=operator)
        assert answer.status == 200, answer.raw
        return answer

    def opening(self, dataset: str, profile: str = PULL, **members: Any) -> dict[str, Any]:
        """Make a prepare or start message, valid by the schema, and the agreement behind it."""
        agreement = f"urn:uuid:{uuid.uuid4()}"
        body = {
            "messageId": str(uuid.uuid4()),
            "participantId": self.profile.did,
            "counterPartyId": COUNTERPARTY,
            "dataspaceContext": "test-dataspace",
            "processId": self.process,
            "agreementId": agreement,
            "datasetId": dataset,
            "profile": profile,
            "claims": {},
            **members,
        }
        self.control.agreements[self.process] = {
            "@context": ["https://w3id.org/dspace/2025/1/context.jsonld"],
            "@type": "Agreement",
            "@id": body["agreementId"],
            "target": body["datasetId"],
            "assigner": body["participantId"],
            "assignee": body["counterPartyId"],
            "timestamp": "2026-01-01T00:00:00Z",
            "permission": [{"action": "use", "constraint": []}],
        }
        return body

    def say(self, verb: str, body: Any = None) -> Answer:
        """Say `prepare` or `start`."""
        return self.post(f"dataflows/{verb}", body)

    def tell(self, verb: str, **members: Any) -> Answer:
        """Say a later word about the flow; `completed` has an empty body."""
        body = None if verb == "completed" else {"messageId": str(uuid.uuid4()), **members}
        return self.post(f"dataflows/{quote(self.process, safe='')}/{verb}", body)

    def post(self, path: str, body: Any = None) -> Answer:
        authorization = self.control.authorization
        return call("POST", f"{self.base}/{path}", body, authorization=authorization)

    def state(self) -> str:
        """Ask for the state."""
        url = f"{self.base}/dataflows/{quote(self.process, safe='')}/status"
        answer = call("GET", url, authorization=self.control.authorization)
        assert answer.status == 200, answer.raw
        validate("DataFlowStatusResponseMessage", answer.body)
        assert answer.body["dataFlowId"] == self.process
        return str(answer.body["state"])

    def accepted(self, answer: Answer, state: str, status: int = 200) -> dict[str, Any]:
        """Fail unless an answer is a status message with a state; give it."""
        assert answer.status == status, (answer.status, answer.raw)
        validate("DataFlowStatusMessage", answer.body)
        assert answer.body["state"] == state
        assert answer.body["dataFlowId"] == self.process
        if status == 202:
            assert answer.headers["location"] == (
                f"/dataflows/{quote(self.process, safe='')}/status"
            )
        found: dict[str, Any] = answer.body
        return found

    def told(self, verb: str) -> Call:
        """Wait until the control plane was told something about this process."""
        return self.control.wait(f"/signaling/transfers/{self.process}/dataflow/{verb}")


def refused(answer: Answer, code: str, field: str | None = None) -> None:
    """Fail unless an answer is a 4xx with this reason."""
    assert 400 <= answer.status < 500, (answer.status, answer.raw)
    assert answer.body["code"] == code, answer.raw
    if field is not None:
        assert answer.body["field"] == field, answer.raw
