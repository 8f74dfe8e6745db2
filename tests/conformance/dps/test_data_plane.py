"""The scenarios DP_* against our data plane, by their ids; the reasons of refusals beside them."""

from __future__ import annotations

from tests.conformance.dps.dataplane_case import ADDRESS, DataPlaneCase, refused
from tests.conformance.dps.world import PUSH

# -- DP_C_PULL: we are the consumer of a pull ----------------------------------------------------


def test_dp_c_pull_01_01(plane: DataPlaneCase) -> None:
    given = plane.accepted(
        plane.say("prepare", plane.opening("DP_C_PULL_01_01_DATASETID")), "PREPARED"
    )
    assert "dataAddress" not in given
    assert plane.tell("started", dataAddress=ADDRESS).status == 200
    assert plane.state() == "STARTED"
    assert plane.tell("completed").status == 200
    assert plane.state() == "COMPLETED"


def test_dp_c_pull_01_02(plane: DataPlaneCase) -> None:
    plane.accepted(plane.say("prepare", plane.opening("DP_C_PULL_01_02_DATASETID")), "PREPARED")
    assert plane.tell("started").status == 200
    assert plane.tell("terminate", reason="enough").status == 200
    assert plane.state() == "TERMINATED"
    refused(plane.tell("started"), "illegal_state")


def test_dp_c_pull_02_01(plane: DataPlaneCase) -> None:
    plane.accepted(plane.say("prepare", plane.opening("DP_C_PULL_02_01_DATASETID")), "PREPARED")
    assert plane.tell("started", dataAddress=ADDRESS).status == 200
    assert plane.tell("suspend", reason="pause").status == 200
    assert plane.state() == "SUSPENDED"
    plane.accepted(plane.tell("resume", dataAddress=ADDRESS), "STARTED")
    assert plane.state() == "STARTED"


def test_dp_c_pull_02_02(plane: DataPlaneCase) -> None:
    plane.accepted(plane.say("prepare", plane.opening("DP_C_PULL_02_02_DATASETID")), "PREPARED")
    assert plane.tell("started", dataAddress=ADDRESS).status == 200
    assert plane.tell("suspend").status == 200
    assert plane.tell("terminate").status == 200
    assert plane.state() == "TERMINATED"
    refused(plane.tell("resume"), "illegal_state")


def test_dp_c_pull_03_01(plane: DataPlaneCase) -> None:
    plane.accepted(plane.say("prepare", plane.opening("DP_C_PULL_03_01_DATASETID")), "PREPARED")
    assert plane.tell("started", dataAddress=ADDRESS).status == 200
    assert plane.told("completed").body["state"] == "COMPLETED"
    assert plane.state() == "COMPLETED"


def test_dp_c_pull_04_01(plane: DataPlaneCase) -> None:
    plane.accepted(
        plane.say("prepare", plane.opening("DP_C_PULL_04_01_DATASETID")), "PREPARING", 202
    )
    assert plane.told("prepared").body["state"] == "PREPARED"
    assert plane.tell("started", dataAddress=ADDRESS).status == 200
    assert plane.state() == "STARTED"


# -- DP_P_PULL: we are the provider of a pull ----------------------------------------------------


def test_dp_p_pull_01_01(plane: DataPlaneCase) -> None:
    given = plane.accepted(
        plane.say("start", plane.opening("DP_P_PULL_01_01_DATASETID")), "STARTED"
    )
    assert given["dataAddress"]["endpoint"]
    assert plane.tell("completed").status == 200
    assert plane.state() == "COMPLETED"


def test_dp_p_pull_01_02(plane: DataPlaneCase) -> None:
    plane.accepted(plane.say("start", plane.opening("DP_P_PULL_01_02_DATASETID")), "STARTED")
    assert plane.tell("terminate", reason="enough").status == 200
    assert plane.state() == "TERMINATED"


def test_dp_p_pull_02_01(plane: DataPlaneCase) -> None:
    plane.accepted(plane.say("start", plane.opening("DP_P_PULL_02_01_DATASETID")), "STARTED")
    assert plane.tell("suspend").status == 200
    assert plane.state() == "SUSPENDED"
    given = plane.accepted(plane.tell("resume"), "STARTED")
    assert given["dataAddress"]["endpoint"]


def test_dp_p_pull_02_02(plane: DataPlaneCase) -> None:
    plane.accepted(plane.say("start", plane.opening("DP_P_PULL_02_02_DATASETID")), "STARTED")
    assert plane.tell("suspend").status == 200
    assert plane.tell("terminate").status == 200
    assert plane.state() == "TERMINATED"


def test_dp_p_pull_04_01(plane: DataPlaneCase) -> None:
    plane.accepted(plane.say("start", plane.opening("DP_P_PULL_04_01_DATASETID")), "STARTING", 202)
    told = plane.told("started").body
    assert told["state"] == "STARTED"
    assert told["dataAddress"]["endpoint"]
    assert plane.state() == "STARTED"


# -- DP_C_PUSH: we are the consumer of a push ----------------------------------------------------


def test_dp_c_push_01_01(plane: DataPlaneCase) -> None:
    given = plane.accepted(
        plane.say("prepare", plane.opening("DP_C_PUSH_01_01_DATASETID", PUSH)), "PREPARED"
    )
    assert given["dataAddress"]["endpoint"]
    assert plane.tell("started").status == 200
    assert plane.tell("completed").status == 200
    assert plane.state() == "COMPLETED"


def test_dp_c_push_01_02(plane: DataPlaneCase) -> None:
    plane.say("prepare", plane.opening("DP_C_PUSH_01_02_DATASETID", PUSH))
    assert plane.tell("started").status == 200
    assert plane.tell("terminate", reason="enough").status == 200
    assert plane.state() == "TERMINATED"


def test_dp_c_push_02_01(plane: DataPlaneCase) -> None:
    plane.say("prepare", plane.opening("DP_C_PUSH_02_01_DATASETID", PUSH))
    assert plane.tell("started").status == 200
    assert plane.tell("suspend").status == 200
    given = plane.accepted(plane.tell("resume"), "STARTED")
    assert given["dataAddress"]["endpoint"]
    assert plane.state() == "STARTED"


def test_dp_c_push_02_02(plane: DataPlaneCase) -> None:
    plane.say("prepare", plane.opening("DP_C_PUSH_02_02_DATASETID", PUSH))
    assert plane.tell("started").status == 200
    assert plane.tell("suspend").status == 200
    assert plane.tell("terminate").status == 200
    assert plane.state() == "TERMINATED"


def test_dp_c_push_03_01(plane: DataPlaneCase) -> None:
    plane.say("prepare", plane.opening("DP_C_PUSH_03_01_DATASETID", PUSH))
    assert plane.tell("started").status == 200
    assert plane.told("completed").body["state"] == "COMPLETED"


def test_dp_c_push_04_01(plane: DataPlaneCase) -> None:
    opening = plane.opening("DP_C_PUSH_04_01_DATASETID", PUSH)
    plane.accepted(plane.say("prepare", opening), "PREPARING", 202)
    told = plane.told("prepared").body
    assert told["state"] == "PREPARED"
    assert told["dataAddress"]["endpoint"]
    assert plane.tell("started").status == 200
    assert plane.state() == "STARTED"


# -- DP_P_PUSH: we are the provider of a push ----------------------------------------------------


def start_push(plane: DataPlaneCase, dataset: str, state: str = "STARTED") -> None:
    opening = plane.opening(dataset, PUSH, dataAddress=ADDRESS)
    given = plane.accepted(plane.say("start", opening), state, 202 if state == "STARTING" else 200)
    assert "dataAddress" not in given


def test_dp_p_push_01_01(plane: DataPlaneCase) -> None:
    start_push(plane, "DP_P_PUSH_01_01_DATASETID")
    assert plane.tell("completed").status == 200
    assert plane.state() == "COMPLETED"


def test_dp_p_push_01_02(plane: DataPlaneCase) -> None:
    start_push(plane, "DP_P_PUSH_01_02_DATASETID")
    assert plane.tell("terminate").status == 200
    assert plane.state() == "TERMINATED"


def test_dp_p_push_02_01(plane: DataPlaneCase) -> None:
    start_push(plane, "DP_P_PUSH_02_01_DATASETID")
    assert plane.tell("suspend").status == 200
    assert plane.state() == "SUSPENDED"
    plane.accepted(plane.tell("resume", dataAddress=ADDRESS), "STARTED")


def test_dp_p_push_02_02(plane: DataPlaneCase) -> None:
    start_push(plane, "DP_P_PUSH_02_02_DATASETID")
    assert plane.tell("suspend").status == 200
    assert plane.tell("terminate").status == 200
    assert plane.state() == "TERMINATED"


def test_dp_p_push_03_01(plane: DataPlaneCase) -> None:
    start_push(plane, "DP_P_PUSH_03_01_DATASETID")
    assert plane.told("completed").body["state"] == "COMPLETED"
    assert plane.state() == "COMPLETED"


def test_dp_p_push_04_01(plane: DataPlaneCase) -> None:
    start_push(plane, "DP_P_PUSH_04_01_DATASETID", "STARTING")
    assert plane.told("started").body["state"] == "STARTED"
    assert plane.state() == "STARTED"


# -- what the specification refuses, and the dialects that it does not know ----------------------


def test_a_second_start_of_a_process_is_refused_and_a_repeated_message_is_not(
    plane: DataPlaneCase,
) -> None:
    opening = plane.opening("DP_P_PULL_01_01_DATASETID")
    plane.accepted(plane.say("start", opening), "STARTED")
    plane.accepted(plane.say("start", opening), "STARTED")
    refused(plane.say("start", opening | {"messageId": "another"}), "conflict", "processId")


def test_addresses_go_one_way_only(plane: DataPlaneCase) -> None:
    pull = plane.opening("DP_P_PULL_01_01_DATASETID", dataAddress=ADDRESS)
    refused(plane.say("start", pull), "invalid_field", "dataAddress")
    refused(plane.say("start", pull | {"profile": PUSH, "dataAddress": None}), "invalid_field")
    plane.say("prepare", plane.opening("DP_C_PUSH_01_01_DATASETID", PUSH))
    refused(plane.tell("started", dataAddress=ADDRESS), "invalid_field", "dataAddress")


def test_nothing_is_provided_without_an_agreement_that_fits(plane: DataPlaneCase) -> None:
    opening = plane.opening("DP_P_PULL_01_01_DATASETID")
    agreement = plane.control.agreements.pop(plane.process)
    refused(plane.say("start", opening), "unavailable")
    plane.control.agreements[plane.process] = agreement | {"assignee": "did:web:else.example"}
    refused(plane.say("start", opening), "invalid_field", "agreementId")
    plane.control.agreements[plane.process] = agreement
    plane.accepted(plane.say("start", opening), "STARTED")


def test_terms_that_cannot_be_enforced_are_refused(plane: DataPlaneCase) -> None:
    opening = plane.opening("DP_P_PULL_01_01_DATASETID")
    unknown = {"leftOperand": "https://x.example/mood", "operator": "eq", "rightOperand": "good"}
    plane.control.agreements[plane.process]["permission"][0]["constraint"] = [unknown]
    refused(plane.say("start", opening), "policy_unsupported")


def test_the_dialect_of_edc_is_taken(plane: DataPlaneCase) -> None:
    opening = plane.opening("DP_C_PULL_04_01_DATASETID")
    opening["transferType"] = opening.pop("profile")
    opening["callbackAddress"] = f"{plane.control.url}/elsewhere"
    plane.accepted(plane.post("prepare", opening), "PREPARING", 202)
    got = plane.control.wait(f"/elsewhere/transfers/{plane.process}/dataflow/prepared")
    assert got.body["state"] == "PREPARED"
    assert plane.post(f"{plane.process}/started", {"messageId": "1"}).status == 200
    assert plane.post(f"dataflows/dataflows/{plane.process}/completed", {}).status == 200
    assert plane.state() == "COMPLETED"
    elsewhere = {"callbackAddress": "https://else.example/", "processId": "urn:uuid:other"}
    refused(plane.say("prepare", opening | elsewhere), "invalid_field", "callbackAddress")


def test_profiles_that_nobody_serves_are_refused(plane: DataPlaneCase) -> None:
    opening = plane.opening("DP_C_PULL_01_01_DATASETID", "carrier-pigeon-push")
    refused(plane.say("prepare", opening), "invalid_field", "format")
