"""Our real push planes under Data Plane Signaling: by their own names and by the profile's."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.conformance.dps.dataplane_case import DataPlaneCase, refused
from tests.conformance.dps.world import until
from tests.conformance.profile import Profile

from hansa.catalogue import DatasetDraft, OfferDraft

HTTP_PUSH = "https://w3id.org/dspace-sig/profile/http-push"


@pytest.mark.parametrize("name", ["HttpData-PUSH", HTTP_PUSH])
def test_the_consumer_of_a_push_gives_its_inbox(plane: DataPlaneCase, name: str) -> None:
    given = plane.accepted(plane.say("prepare", plane.opening("urn:uuid:any", name)), "PREPARED")
    address = given["dataAddress"]
    assert address["endpoint"].startswith(plane.profile.url)
    assert {each["name"] for each in address["endpointProperties"]} >= {"authorization", "authType"}
    if name == HTTP_PUSH:
        assert address["endpointType"] == HTTP_PUSH
    assert plane.tell("terminate").status == 200


def test_an_address_of_another_profile_or_in_clear_is_refused(plane: DataPlaneCase) -> None:
    address: dict[str, Any] = {"endpointType": HTTP_PUSH, "endpoint": "https://consumer.example/in"}
    opening = plane.opening("urn:uuid:any", HTTP_PUSH)
    other = address | {"endpointType": "https://w3id.org/dspace-sig/profile/http-pull"}
    refused(plane.say("start", opening | {"dataAddress": other}), "invalid_field", "endpointType")
    clear = address | {"endpoint": "http://consumer.example/in"}
    refused(plane.say("start", opening | {"dataAddress": clear}), "invalid_field", "endpoint")


def publish(profile: Profile, content: bytes) -> str:
    """Publish a file at our node; give the dataset's id."""

    async def parts() -> AsyncIterator[bytes]:
        yield content

    async def work() -> str:
        dataset = f"urn:uuid:{uuid.uuid4()}"
        resource = await profile.participant.shelf.keep(parts(), name="file.bin")
        use = {"permission": [{"action": "use", "constraint": []}]}
        draft = DatasetDraft(
            id=dataset,
            name=f"file-{uuid.uuid4().hex[:8]}",
            title="A file",
            offers=(OfferDraft(id=f"offer:{dataset}", odrl=use),),
            resource=resource,
        )
        await profile.participant.catalogue.publish_all([draft])
        return dataset

    return profile.call(work())


def test_a_control_plane_moves_a_file_with_our_planes_at_both_ends(plane: DataPlaneCase) -> None:
    """What one end gave, the control plane says to the other, and nothing else passes it."""
    content = secrets.token_bytes(300_000)
    dataset = publish(plane.profile, content)
    consumer = DataPlaneCase(plane.profile, plane.control)
    opening = consumer.opening(dataset, HTTP_PUSH)
    address = consumer.accepted(consumer.say("prepare", opening), "PREPARED")["dataAddress"]
    # The profile wants https; our node of the test has loopback only, which its settings allow.
    plane.accepted(
        plane.say("start", plane.opening(dataset, HTTP_PUSH, dataAddress=address)), "STARTED"
    )
    assert consumer.tell("started").status == 200
    assert plane.told("completed").body["state"] == "COMPLETED"
    assert plane.state() == "COMPLETED"
    flows = plane.profile.participant.flows
    sent = plane.profile.call(flows.get(plane.process)).progress
    assert sent.bytes == len(content)
    assert str(sent.digest).endswith(hashlib.sha256(content).hexdigest())
    received = plane.profile.call(flows.get(consumer.process)).progress
    assert received.bytes == len(content)


def test_a_push_under_terms_that_ended_moves_nothing(plane: DataPlaneCase) -> None:
    dataset = publish(plane.profile, b"secret")
    consumer = DataPlaneCase(plane.profile, plane.control)
    opening = consumer.opening(dataset, HTTP_PUSH)
    address = consumer.accepted(consumer.say("prepare", opening), "PREPARED")["dataAddress"]
    start = plane.opening(dataset, HTTP_PUSH, dataAddress=address)
    over = {"leftOperand": "dateTime", "operator": "lt", "rightOperand": "2020-01-01T00:00:00Z"}
    plane.control.agreements[plane.process]["permission"][0]["constraint"] = [over]
    plane.say("start", start)
    flows = plane.profile.participant.flows

    def refused_by_terms() -> bool:
        error = plane.profile.call(flows.get(plane.process)).progress.error
        return "policy_denied" in (error or "")

    until(refused_by_terms, "the terms to refuse")
    assert plane.profile.call(flows.get(consumer.process)).progress.bytes == 0
    assert plane.tell("terminate").status == 200
