"""More of our control plane: planes that fail, come early, or are another Hansa."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from tests.conformance.dps.foreign import ControlPlaneCase, Counterparty, ForeignPlane, Lenient
from tests.conformance.dps.schemas import validate
from tests.conformance.dps.world import Answer, Call, call, until
from tests.conformance.profile import Profile

DATASETS = ["driven", "driven_03_01"]


class Moody(ForeignPlane):
    """A data plane that does as it is told by the test."""

    mood = ""

    def answer(self, got: Call) -> tuple[int, Any]:
        verb = got.path.rpartition("/")[2]
        if verb in ("prepare", "start") and self.mood == "refuses":
            return 400, {"error": "no"}
        if verb in ("prepare", "start") and self.mood == "down":
            return 503, None
        if verb == "start" and self.mood == "early":
            process = got.body["processId"]
            told = {
                "messageId": "1",
                "dataFlowId": "remote-1",
                "state": "STARTED",
                "dataAddress": {
                    "@type": "DataAddress",
                    "endpointType": "HTTP",
                    "endpoint": "https://plane.example/early",
                },
            }
            url = f"{self.callback}/transfers/{quote(process, safe='')}/dataflow/started"
            assert call("POST", url, told, authorization=self.authorization).status == 200
            return 202, {"state": "STARTING", "dataFlowId": "remote-1"}
        if verb in ("terminate", "completed") and self.mood == "lost":
            return 404, None
        if verb == "start" and self.mood == "forgetful":
            return 200, {"state": "STARTED"}
        return super().answer(got)


@pytest.fixture(scope="module")
def moody(profile: Profile, lenient: Lenient) -> Iterator[Moody]:
    secret = secrets.token_urlsafe(32)
    plane = Moody(f"Bearer {secret}")
    plane.callback = f"{profile.url}/city/dps/1.0-rc3"
    body = {
        "dataplaneId": "moody-plane",
        "endpoint": f"{plane.endpoint}/dataflows",
        "profiles": ["HttpData-PULL"],
        "labels": DATASETS,
        "authorization": {"type": "bearer_secret", "secret": secret},
    }
    operator = f"Bearer {profile._operator}"
    answer = call("PUT", f"{plane.callback}/dataplanes", body, authorization=operator)
    assert answer.status == 200, answer.raw
    yield plane
    plane.close()


@pytest.fixture
def case(profile: Profile, moody: Moody) -> Iterator[ControlPlaneCase]:
    moody.calls.clear()
    moody.faults.clear()
    moody.mood = ""
    peer = Counterparty("sloppyId")
    yield ControlPlaneCase(profile, moody, peer)
    peer.close()
    assert moody.faults == []


def callback(case: ControlPlaneCase, verb: str, **members: Any) -> Answer:
    url = f"{case.plane.callback}/transfers/{quote(case.transfer, safe='')}/dataflow/{verb}"
    return call("POST", url, members, authorization=case.plane.authorization)


def transfer(case: ControlPlaneCase) -> Any:
    exchange = case.profile.participant.exchange
    return case.profile.call(exchange.transfer(case.transfer))


def test_a_plane_that_refuses_ends_the_transfer_with_the_reason(case: ControlPlaneCase) -> None:
    case.plane.mood = "refuses"  # type: ignore[attr-defined]
    case.provide("driven")
    told = case.told(f"/transfers/{case.peer_pid}/termination")
    assert "The data plane answered 400." in told.body["reason"][0]
    case.state("TERMINATED")


def test_a_plane_that_is_down_is_asked_again(case: ControlPlaneCase) -> None:
    case.plane.mood = "down"  # type: ignore[attr-defined]
    case.provide("driven")
    case.signalled("start", 2)
    case.plane.mood = ""  # type: ignore[attr-defined]
    case.told(f"/transfers/{case.peer_pid}/start")
    case.state("STARTED")
    asked = [got for got in case.plane.calls if got.path.endswith("/start")]
    assert len({got.body["messageId"] for got in asked}) == 1, "the same message again"


def test_a_callback_before_the_answer_counts(case: ControlPlaneCase) -> None:
    case.plane.mood = "early"  # type: ignore[attr-defined]
    case.provide("driven")
    told = case.told(f"/transfers/{case.peer_pid}/start")
    assert told.body["dataAddress"]["endpoint"] == "https://plane.example/early"
    case.state("STARTED")
    case.say("completion", "TransferCompletionMessage")
    until(lambda: case.plane.find("/dataflows/remote-1/completed"), "its own id for the flow")


def test_a_pull_without_an_address_is_not_started(case: ControlPlaneCase) -> None:
    case.plane.mood = "forgetful"  # type: ignore[attr-defined]
    case.provide("driven")
    told = case.told(f"/transfers/{case.peer_pid}/termination")
    assert "without an address" in told.body["reason"][0]


def test_a_plane_that_lost_the_flow_keeps_no_transfer_from_its_end(case: ControlPlaneCase) -> None:
    case.provide("driven")
    case.told(f"/transfers/{case.peer_pid}/start")
    case.state("STARTED")
    case.plane.mood = "lost"  # type: ignore[attr-defined]
    case.say("termination", "TransferTerminationMessage", code="1", reason=["enough"])
    case.signalled("terminate")
    case.state("TERMINATED")

    def settled() -> bool:
        store = case.profile.participant.store
        left = case.profile.call(store.read(lambda tx: tx.actions(process=case.transfer)))
        return not left

    until(settled, "nothing to be left to do")


def test_an_error_of_the_plane_is_shown_and_changes_no_state(case: ControlPlaneCase) -> None:
    case.provide("driven")
    case.told(f"/transfers/{case.peer_pid}/start")
    case.state("STARTED")
    assert callback(case, "errored", error="The disk is full.").status == 200
    until(lambda: transfer(case).error == "The disk is full.", "the error to be shown")
    assert transfer(case).state == "STARTED"
    assert not case.peer.find("/termination"), "the counterparty is told nothing"


def test_the_plane_completes_the_transfer(case: ControlPlaneCase) -> None:
    case.provide("driven")
    case.told(f"/transfers/{case.peer_pid}/start")
    case.state("STARTED")
    assert callback(case, "completed", state="COMPLETED").status == 200
    assert callback(case, "completed", state="COMPLETED").status == 200
    case.told(f"/transfers/{case.peer_pid}/completion")
    case.state("COMPLETED")
    assert callback(case, "started").status == 400


def test_the_plane_reads_the_agreement_of_its_own_transfers(
    profile: Profile, case: ControlPlaneCase
) -> None:
    case.provide("driven")
    case.told(f"/transfers/{case.peer_pid}/start")
    base = f"{case.plane.callback}/transfers"
    authorization = case.plane.authorization
    url = f"{base}/{quote(case.transfer, safe='')}/agreement"
    answer = call("GET", url, authorization=authorization)
    assert answer.status == 200, answer.raw
    validate("AgreementResponse", answer.body)
    assert answer.body["@id"] == case.agreement
    other = call("GET", f"{base}/urn:uuid:other/agreement", authorization=authorization)
    assert (other.status, other.body["code"]) == (404, "not_found")
    assert callback(case, "completed").status == 200


def test_another_planes_transfer_does_not_exist(profile: Profile, case: ControlPlaneCase) -> None:
    case.provide("driven")
    case.told(f"/transfers/{case.peer_pid}/start")
    case.state("STARTED")
    secret = secrets.token_urlsafe(32)
    body = {
        "dataplaneId": "other-plane",
        "endpoint": case.plane.endpoint,
        "profiles": ["Other-PULL"],
        "authorization": {"type": "bearer_secret", "secret": secret},
    }
    operator = f"Bearer {profile._operator}"
    url = f"{case.plane.callback}/dataplanes"
    assert call("PUT", url, body, authorization=operator).status == 200
    base = f"{case.plane.callback}/transfers/{quote(case.transfer, safe='')}"
    for method, path in (
        ("GET", "agreement"),
        ("POST", "dataflow/completed"),
        ("POST", "dataflow/errored"),
    ):
        sent = {} if method == "POST" else None
        answer = call(method, f"{base}/{path}", sent, authorization=f"Bearer {secret}")
        assert (answer.status, answer.body["code"]) == (404, "not_found"), path
    assert transfer(case).state == "STARTED"
    assert callback(case, "completed").status == 200


# -- two Hansas: one is the control plane, the other the data plane --------------------------------


@pytest.fixture(scope="module")
def keeper(profile: Profile) -> Iterator[Profile]:
    """Give a second node that keeps the data; both are registered at each other."""
    secret = secrets.token_urlsafe(32)
    authorization = {"type": "bearer_secret", "secret": secret}
    with Profile() as keeper:
        ours = f"{profile.url}/city/dps/1.0-rc3"
        theirs = f"{keeper.url}/city/dps/1.0-rc3"
        plane = {
            "dataplaneId": "keeper",
            "endpoint": theirs,
            "profiles": ["HttpData-PULL"],
            "labels": ["kept-elsewhere"],
            "authorization": authorization,
        }
        control = {"controlplaneId": "city", "endpoint": ours, "authorization": authorization}
        for url, body, node in (
            (f"{ours}/dataplanes", plane, profile),
            (f"{theirs}/controlplanes", control, keeper),
        ):
            operator = f"Bearer {node._operator}"
            assert call("PUT", url, body, authorization=operator).status == 200
        yield keeper


def test_one_hansa_drives_the_data_plane_of_another(
    profile: Profile, keeper: Profile, moody: Moody
) -> None:
    peer = Counterparty("sloppyId")
    case = ControlPlaneCase(profile, moody, peer)
    case.provide("kept-elsewhere")
    address = case.told(f"/transfers/{case.peer_pid}/start").body["dataAddress"]
    assert address["endpoint"].startswith(keeper.url), "the data come from the other node"
    values = {each["name"]: each["value"] for each in address["endpointProperties"]}
    token = f"Bearer {values['authorization'].removeprefix('Bearer ')}"
    url = f"{address['endpoint']}/entities?type=Anything"
    assert call("GET", url, authorization=token).status == 200
    case.say("suspension", "TransferSuspensionMessage", code="1", reason=["pause"])
    case.state("SUSPENDED")
    refusal = until(lambda: _refusal(url, token), "the access to be cut")
    assert refusal == (403, "transfer_ended")
    case.say("start", "TransferStartMessage")
    fresh = case.told(
        f"/transfers/{case.peer_pid}/start", lambda body: body.get("dataAddress") != address
    ).body["dataAddress"]
    values = {each["name"]: each["value"] for each in fresh["endpointProperties"]}
    token = f"Bearer {values['authorization'].removeprefix('Bearer ')}"
    assert call("GET", url, authorization=token).status == 200
    case.say("completion", "TransferCompletionMessage")
    assert until(lambda: _refusal(url, token), "the access to end") == (403, "transfer_ended")
    peer.close()


def _refusal(url: str, token: str) -> tuple[int, str] | None:
    answer = call("GET", url, authorization=token)
    if answer.status < 400:
        time.sleep(0.02)
        return None
    title = str(answer.body.get("code") or answer.body.get("type"))
    return answer.status, title.rpartition(":")[2].rpartition("/")[2]
