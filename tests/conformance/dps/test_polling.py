"""A data plane that answers 202 and never calls back: it is asked by `GET dataflows/:id/status`."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from tests.conformance.dps.foreign import ControlPlaneCase, Counterparty, ForeignPlane, data_address
from tests.conformance.dps.world import Call, call
from tests.conformance.profile import Profile

from hansa.dataplane.signaling import driving

PLACE = {
    "@type": "DataAddress",
    "endpointType": "https://w3id.org/idsa/v4.1/HTTP",
    "endpoint": "http://localhost:9/in",
}


class Slow(ForeignPlane):
    """It needs time for everything; `shows` are its answers to who asks, the last one for ever."""

    def __init__(self, authorization: str) -> None:
        super().__init__(authorization)
        self.shows: list[str] = []
        self.asked = 0

    def answer(self, got: Call) -> tuple[int, Any]:
        verb = got.path.rpartition("/")[2]
        if verb in ("prepare", "start"):
            super().answer(got)
            state = "PREPARING" if verb == "prepare" else "STARTING"
            return 202, {"state": state, "messageId": "1", "dataFlowId": "slow-1"}
        if verb == "status" and got.method == "GET":
            assert got.path.endswith("/dataflows/slow-1/status")
            shown = self.shows[min(self.asked, len(self.shows) - 1)]
            self.asked += 1
            return (200, {"dataFlowId": "slow-1", "state": shown}) if shown else (404, None)
        return super().answer(got)


@pytest.fixture(scope="module")
def slow(profile: Profile) -> Iterator[Slow]:
    secret = secrets.token_urlsafe(32)
    plane = Slow(f"Bearer {secret}")
    plane.callback = f"{profile.url}/city/dps/1.0-rc3"
    body = {
        "dataplaneId": "slow-plane",
        "endpoint": plane.endpoint,
        "profiles": ["HttpData-PULL", "HttpData-PUSH"],
        "labels": ["slow"],
        "authorization": {"type": "bearer_secret", "secret": secret},
    }
    operator = f"Bearer {profile._operator}"
    answer = call("PUT", f"{plane.callback}/dataplanes", body, authorization=operator)
    assert answer.status == 200, answer.raw
    yield plane
    plane.close()


@pytest.fixture
def case(
    profile: Profile, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ControlPlaneCase]:
    exchange = profile.participant.exchange
    quick = msgspec.structs.replace(exchange.limits, unready_backoff_s=0.01, unready_s=0.05)
    monkeypatch.setattr(exchange, "limits", quick)
    slow.calls.clear()
    slow.faults.clear()
    slow.asked = 0
    peer = Counterparty("sloppyId")
    yield ControlPlaneCase(profile, slow, peer)
    peer.close()
    assert slow.faults == []


def shows(case: ControlPlaneCase, *states: str) -> None:
    assert isinstance(case.plane, Slow)
    case.plane.shows = list(states)


def ended(case: ControlPlaneCase) -> str:
    """Wait for the termination at the counterparty, and give its reason."""
    reason = case.told(f"/transfers/{case.peer_pid}/termination").body["reason"]
    case.state("TERMINATED")
    return str(reason[0])


def test_prepare_202_is_found_prepared_by_asking(case: ControlPlaneCase) -> None:
    shows(case, "PREPARING", "PREPARING", "PREPARED")
    case.consume("slow")
    assert case.plane.asked == 3  # type: ignore[attr-defined]


def test_start_202_of_a_push_is_found_started_by_asking(case: ControlPlaneCase) -> None:
    shows(case, "STARTING", "STARTED")
    case.provide("slow", form="HttpData-PUSH", dataAddress=PLACE)
    case.told(f"/transfers/{case.peer_pid}/start")
    case.state("STARTED")


def test_start_202_of_a_pull_waits_for_the_address(case: ControlPlaneCase) -> None:
    """The status has no address: only the callback brings it."""
    shows(case, "STARTED")
    case.provide("slow")
    case.signalled("start")
    case.plane.wait("/dataflows/slow-1/status")
    url = f"{case.plane.callback}/transfers/{case.transfer}/dataflow/started"
    told = {"messageId": "2", "dataFlowId": "slow-1", "state": "STARTED"}
    body = {**told, "dataAddress": data_address(7)}
    assert call("POST", url, body, authorization=case.plane.authorization).status == 200
    started = case.told(f"/transfers/{case.peer_pid}/start")
    assert started.body["dataAddress"]["endpoint"] == "https://plane.example/data/7"


def test_a_plane_without_a_status_may_still_call_back(case: ControlPlaneCase) -> None:
    shows(case, "")
    case.provide("slow", form="HttpData-PUSH", dataAddress=PLACE)
    case.signalled("start")
    case.plane.wait("/dataflows/slow-1/status")
    url = f"{case.plane.callback}/transfers/{case.transfer}/dataflow/started"
    body = {"messageId": "2", "dataFlowId": "slow-1", "state": "STARTED"}
    assert call("POST", url, body, authorization=case.plane.authorization).status == 200
    case.told(f"/transfers/{case.peer_pid}/start")


def test_a_plane_that_terminated_the_flow_ends_the_transfer(case: ControlPlaneCase) -> None:
    shows(case, "STARTING", "TERMINATED")
    case.provide("slow")
    assert "has terminated the flow" in ended(case)


@pytest.mark.parametrize(
    ("bound", "shown", "told"),
    [
        ("_SILENT_MAX", "STARTED", "shows STARTED and has not called back"),
        ("_SILENT_MAX", "", "shows no state and has not called back"),
        ("_POLLS_MAX", "STARTING", "shows STARTING and has not called back"),
    ],
)
def test_a_plane_that_never_calls_back_is_given_up_with_the_reason(
    case: ControlPlaneCase, monkeypatch: pytest.MonkeyPatch, bound: str, shown: str, told: str
) -> None:
    monkeypatch.setattr(driving, bound, 3)
    shows(case, shown)
    case.provide("slow")
    assert told in ended(case)
    assert case.plane.asked == 4  # type: ignore[attr-defined]
