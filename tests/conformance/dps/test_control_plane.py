"""The scenarios CP_* against our control plane, by their ids: it drives a foreign data plane."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from tests.conformance.dps.foreign import (
    ControlPlaneCase,
    Counterparty,
    ForeignPlane,
    Lenient,
    data_address,
)
from tests.conformance.dps.schemas import validate
from tests.conformance.dps.world import call
from tests.conformance.profile import Profile

DATASETS = [
    f"CP_{side}_{scenario}_DATASETID"
    for side in ("C", "P")
    for scenario in ("01_01", "01_02", "02_01", "02_02", "03_01")
]


@pytest.fixture(scope="module")
def foreign(profile: Profile, lenient: Lenient) -> Iterator[ForeignPlane]:
    """Give a data plane that is registered at our node, with one secret for both directions."""
    secret = secrets.token_urlsafe(32)
    plane = ForeignPlane(f"Bearer {secret}")
    plane.callback = f"{profile.url}/city/dps/1.0-rc3"
    lenient.plane_authorization = plane.authorization
    body = {
        "dataplaneId": "scripted-plane",
        "endpoint": plane.endpoint,
        "profiles": ["HttpData-PULL"],
        "labels": DATASETS,
        "authorization": {"type": "bearer_secret", "secret": secret},
    }
    validate("DataPlaneRegistrationMessage", body)
    operator = f"Bearer {profile._operator}"
    answer = call("PUT", f"{plane.callback}/dataplanes", body, authorization=operator)
    assert answer.status == 200, answer.raw
    yield plane
    plane.close()


@pytest.fixture
def case(profile: Profile, foreign: ForeignPlane) -> Iterator[ControlPlaneCase]:
    """Give a scenario with a counterparty of its own; what the plane was told is valid."""
    foreign.calls.clear()
    foreign.faults.clear()
    peer = Counterparty("sloppyId")
    yield ControlPlaneCase(profile, foreign, peer)
    peer.close()
    assert foreign.faults == []


def start(case: ControlPlaneCase) -> None:
    case.say("start", "TransferStartMessage", dataAddress=data_address(0))


def suspend(case: ControlPlaneCase) -> None:
    case.say("suspension", "TransferSuspensionMessage", code="1", reason=["pause"])


def complete(case: ControlPlaneCase) -> None:
    case.say("completion", "TransferCompletionMessage")


def terminate(case: ControlPlaneCase) -> None:
    case.say("termination", "TransferTerminationMessage", code="1", reason=["enough"])


# -- CP_C: our control plane is the consumer -----------------------------------------------------


def consumed(case: ControlPlaneCase, dataset: str) -> None:
    case.consume(dataset)
    assert "dataAddress" not in case.signalled("prepare").body
    start(case)
    assert case.signalled("started").body["dataAddress"]["endpoint"]
    case.state("STARTED")


def test_cp_c_01_01(case: ControlPlaneCase) -> None:
    consumed(case, "CP_C_01_01_DATASETID")
    complete(case)
    case.signalled("completed")
    case.state("COMPLETED")


def test_cp_c_01_02(case: ControlPlaneCase) -> None:
    consumed(case, "CP_C_01_02_DATASETID")
    terminate(case)
    case.signalled("terminate")
    case.state("TERMINATED")


def test_cp_c_02_01(case: ControlPlaneCase) -> None:
    consumed(case, "CP_C_02_01_DATASETID")
    suspend(case)
    case.signalled("suspend")
    case.state("SUSPENDED")
    start(case)
    assert case.signalled("resume").body["dataAddress"]["endpoint"]
    case.state("STARTED")
    complete(case)
    case.signalled("completed")


def test_cp_c_02_02(case: ControlPlaneCase) -> None:
    consumed(case, "CP_C_02_02_DATASETID")
    suspend(case)
    case.signalled("suspend")
    terminate(case)
    case.signalled("terminate")
    case.state("TERMINATED")


def test_cp_c_03_01(case: ControlPlaneCase) -> None:
    consumed(case, "CP_C_03_01_DATASETID")
    prepared = [got.path for got in case.plane.calls if got.path.endswith("/prepare")]
    assert len(prepared) == 1, "the plane is asked to prepare once"
    complete(case)
    case.signalled("completed")


# -- CP_P: our control plane is the provider -----------------------------------------------------


def provided(case: ControlPlaneCase, dataset: str) -> None:
    case.provide(dataset)
    assert "dataAddress" not in case.signalled("start").body
    told = case.told(f"/transfers/{case.peer_pid}/start")
    assert told.body["dataAddress"]["endpoint"].startswith("https://plane.example/data/")
    case.state("STARTED")


def test_cp_p_01_01(case: ControlPlaneCase) -> None:
    provided(case, "CP_P_01_01_DATASETID")
    complete(case)
    case.signalled("completed")
    case.state("COMPLETED")


def test_cp_p_01_02(case: ControlPlaneCase) -> None:
    provided(case, "CP_P_01_02_DATASETID")
    terminate(case)
    case.signalled("terminate")
    case.state("TERMINATED")


def test_cp_p_02_01(case: ControlPlaneCase) -> None:
    provided(case, "CP_P_02_01_DATASETID")
    first = case.told(f"/transfers/{case.peer_pid}/start").body["dataAddress"]
    suspend(case)
    case.signalled("suspend")
    case.state("SUSPENDED")
    case.say("start", "TransferStartMessage")
    case.signalled("resume")
    fresh = case.told(
        f"/transfers/{case.peer_pid}/start", lambda body: body.get("dataAddress") != first
    )
    assert fresh.body["dataAddress"]["endpoint"], "a resumed pull brings a new address"
    case.state("STARTED")
    complete(case)
    case.signalled("completed")


def test_cp_p_02_02(case: ControlPlaneCase) -> None:
    provided(case, "CP_P_02_02_DATASETID")
    suspend(case)
    case.signalled("suspend")
    terminate(case)
    case.signalled("terminate")
    case.state("TERMINATED")


def test_cp_p_03_01(case: ControlPlaneCase) -> None:
    provided(case, "CP_P_03_01_DATASETID")
    asked = [got.path for got in case.plane.calls if got.path.endswith("/dataflows/start")]
    assert len(asked) == 1, "the plane is asked to start once"
    complete(case)
    case.signalled("completed")
