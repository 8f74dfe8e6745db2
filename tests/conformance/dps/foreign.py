"""A scripted data plane and a scripted counterparty, as loose as those of the kit.

The plane answers with a state alone, and its callbacks carry neither a message id nor an
Authorization. The counterparty writes `@context` as a bare string, a random pid for the other side,
and answers without a state. What makes up for it stands here, in front of the node of the tests,
and nowhere in the package.
"""

from __future__ import annotations

import json
import threading
import uuid
from typing import Any
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tests.conformance.dps.schemas import validate
from tests.conformance.dps.world import Answer, Call, Peer, call, until
from tests.conformance.profile import Profile

from hansa.exchange import Role

DSP_CONTEXT = "https://w3id.org/dspace/2025/1/context.jsonld"
_MESSAGES = {
    "prepare": "DataFlowPrepareMessage",
    "start": "DataFlowStartMessage",
    "started": "DataFlowStartedNotificationMessage",
    "suspend": "DataFlowSuspendMessage",
    "resume": "DataFlowResumeMessage",
    "terminate": "DataFlowTerminateMessage",
}


def data_address(number: int) -> dict[str, Any]:
    return {
        "@type": "DataAddress",
        "endpointType": "https://w3id.org/idsa/v4.1/HTTP",
        "endpoint": f"https://plane.example/data/{number}",
    }


class ForeignPlane(Peer):
    """A data plane of somebody else; datasets with 03_01 need time."""

    def __init__(self, authorization: str) -> None:
        super().__init__()
        self.authorization = authorization
        self.callback = ""
        self.faults: list[str] = []
        self.addresses = 0

    @property
    def endpoint(self) -> str:
        return f"{self.url}/plane"

    def answer(self, got: Call) -> tuple[int, Any]:
        if got.headers.get("authorization") != self.authorization:
            self.faults.append(f"{got.path}: without authorization")
            return 401, None
        verb = got.path.rpartition("/")[2]
        if verb in _MESSAGES:
            try:
                validate(_MESSAGES[verb], got.body)
            except Exception as error:  # noqa: BLE001 - told by the fixture at the end
                self.faults.append(f"{got.path}: {error}")
        if verb not in ("prepare", "start", "resume"):
            return 200, {}
        later = verb != "resume" and "03_01" in got.body["datasetId"]
        state = {"prepare": "PREPAR", "start": "START", "resume": "STARTED"}[verb]
        told: dict[str, Any] = {"state": "STARTED" if verb == "resume" else f"{state}ED"}
        if verb in ("start", "resume"):
            self.addresses += 1
            told["dataAddress"] = data_address(self.addresses)
        if not later:
            return 200, told
        url = f"{self.callback}/transfers/{quote(got.body['processId'], safe='')}/dataflow"
        callback = "prepared" if verb == "prepare" else "started"
        threading.Timer(0.1, call, ("POST", f"{url}/{callback}", told)).start()
        return 202, {"state": f"{state}ING"}


class Counterparty(Peer):
    """A participant whose Dataspace Protocol is sloppy."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    @property
    def dsp(self) -> str:
        return f"{self.url}/dsp"

    def answer(self, got: Call) -> tuple[int, Any]:
        sent = got.body if isinstance(got.body, dict) else {}
        return 200, {
            "@context": DSP_CONTEXT,
            "@type": "TransferProcess",
            "consumerPid": sent.get("consumerPid") or str(uuid.uuid4()),
            "providerPid": sent.get("providerPid") or str(uuid.uuid4()),
        }

    def say(self, url: str, wire_type: str, **members: Any) -> Answer:
        """Send a message with random pids, as this counterparty does."""
        body = {
            "@context": DSP_CONTEXT,
            "@type": wire_type,
            "consumerPid": str(uuid.uuid4()),
            "providerPid": str(uuid.uuid4()),
            **members,
        }
        token = json.dumps({"region": "eu", "clientId": self.name})
        return call("POST", url, body, authorization=token)


class Lenient:
    """Repairs what the scripted peers leave out, before the node of the tests sees it."""

    def __init__(self, app: ASGIApp, profile: Profile) -> None:
        self._app = app
        self._profile = profile
        self.plane_authorization = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = str(scope.get("path", ""))
        if scope["type"] != "http" or scope.get("method") != "POST":
            await self._app(scope, receive, send)
        elif "/dps/1.0-rc3/transfers/" in path:
            headers = list(scope["headers"])
            if all(name != b"authorization" for name, _ in headers):
                headers.append((b"authorization", self.plane_authorization.encode()))
            await self._app({**scope, "headers": headers}, receive, send)
        elif "/dsp/2025-1/transfers/" in path:
            body = await self._repaired(path, await _read(receive))
            headers = [each for each in scope["headers"] if each[0] != b"content-length"]
            headers.append((b"content-length", str(len(body)).encode()))
            await self._app({**scope, "headers": headers}, _once(body), send)
        else:
            await self._app(scope, receive, send)

    async def _repaired(self, path: str, raw: bytes) -> bytes:
        """Make the context a list, and find the process by the pid in the path."""
        document = json.loads(raw)
        if isinstance(document.get("@context"), str):
            document["@context"] = [document["@context"]]
        pid = path.split("/transfers/")[1].rpartition("/")[0]
        if pid:
            process = await self._profile.participant.exchange.transfer(pid)
            document["consumerPid"] = process.consumer_pid
            document["providerPid"] = process.provider_pid
        return json.dumps(document).encode()


async def _read(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _once(body: bytes) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    return receive


class ControlPlaneCase:
    """One scenario against our control plane: a counterparty on one side, a plane on the other."""

    def __init__(self, profile: Profile, plane: ForeignPlane, peer: Counterparty) -> None:
        self.profile = profile
        self.plane = plane
        self.peer = peer
        self.agreement = f"urn:uuid:{uuid.uuid4()}"
        self.transfer = ""
        self.peer_pid = f"urn:uuid:{uuid.uuid4()}"

    def _agree(self, dataset: str, role: str) -> None:
        ours, theirs = self.profile.did, self.peer.name
        consumer = role == "consumer"
        policy = {
            "@id": self.agreement,
            "@type": "Agreement",
            "assigner": theirs if consumer else ours,
            "assignee": ours if consumer else theirs,
            "target": dataset,
            "timestamp": "2026-01-01T00:00:00Z",
            "permission": [{"action": "use", "constraint": []}],
        }
        self.profile.call(
            self.profile.participant.exchange.import_agreement(
                policy,
                role=Role(role),
                counterparty=theirs,
                dataset_id=dataset,
                callback=self.peer.dsp,
            )
        )

    def consume(self, dataset: str) -> None:
        """Let us ask the counterparty for a transfer, and the counterparty take it."""
        self._agree(dataset, "consumer")
        asked = self.profile.call(
            self.profile.participant.exchange.request_transfer(self.agreement, "HttpData-PULL")
        )
        self.transfer = asked.id
        self.told("/transfers/request", lambda body: body.get("consumerPid") == asked.id)
        self.state("REQUESTED")

    def provide(self, dataset: str, form: str = "HttpData-PULL", **members: Any) -> None:
        """Let the counterparty ask us for a transfer, and us start it."""
        self._agree(dataset, "provider")
        answer = self.peer.say(
            f"{self.profile.dsp_url}/transfers/request",
            "TransferRequestMessage",
            consumerPid=self.peer_pid,
            agreementId=self.agreement,
            format=form,
            callbackAddress=self.peer.dsp,
            **members,
        )
        assert answer.status in (200, 201), answer.raw
        self.transfer = answer.body["providerPid"]

    def say(self, verb: str, wire_type: str, **members: Any) -> None:
        """Let the counterparty send a message about the transfer."""
        url = f"{self.profile.dsp_url}/transfers/{quote(self.transfer, safe=':')}/{verb}"
        answer = self.peer.say(url, wire_type, **members)
        assert answer.status == 200, answer.raw

    def told(self, tail: str, fits: Any = lambda body: True) -> Call:
        """Wait until the counterparty was told something."""

        def find() -> Call | None:
            for got in list(self.peer.calls):
                if got.path.endswith(tail) and fits(got.body or {}):
                    return got
            return None

        found: Call = until(find, f"{tail} at the counterparty")
        return found

    def signalled(self, verb: str, times: int = 1) -> Call:
        """Wait until the plane was told something about this transfer, so many times."""

        def find() -> Call | None:
            found = [
                got
                for got in list(self.plane.calls)
                if got.path.endswith(f"/dataflows/{self.transfer}/{verb}")
                or (
                    got.path.endswith(f"/dataflows/{verb}")
                    and got.body.get("processId") == self.transfer
                )
            ]
            return found[times - 1] if len(found) >= times else None

        found: Call = until(find, f"{verb} at the plane")
        return found

    def state(self, wanted: str) -> None:
        """Wait until our process is in a state."""
        exchange = self.profile.participant.exchange
        until(
            lambda: self.profile.call(exchange.transfer(self.transfer)).state == wanted,
            f"{self.transfer} to be {wanted}",
        )
