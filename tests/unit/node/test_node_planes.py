"""Foreign planes that are named in the settings."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

import pytest

from hansa.dataplane import PeerKind
from hansa.kernel import Code, HansaError
from hansa.kernel.settings import ParticipantSettings, Settings
from hansa.node.runtime import Node
from node_world import World


def node(folder: Path, *planes: str) -> Node:
    (folder / "operator.token").write_text(secrets.token_urlsafe(32))
    participant = ParticipantSettings(id="city", role="city", planes=planes)
    return Node(Settings(participants=(participant,)), folder, b"s" * 32)


def registration(**members: object) -> str:
    authorization = {"type": "bearer_secret", "secret": secrets.token_urlsafe(32)}
    return json.dumps({"endpoint": "https://x.example", "authorization": authorization, **members})


async def test_planes_of_the_settings_are_registered(tmp_path: Path) -> None:
    (tmp_path / "plane.json").write_text(registration(dataplaneId="p", profiles=["X-PULL"]))
    (tmp_path / "control.json").write_text(registration(controlplaneId="c"))
    for _ in range(2):
        running = node(tmp_path, "plane.json", "control.json")
        await running.start()
        signaling = running.participants["city"].signaling
        for kind, name in ((PeerKind.data_plane, "p"), (PeerKind.control_plane, "c")):
            assert [each["id"] for each in await signaling.registered(kind)] == [name]
        assert "X-PULL" in running.participants["city"].flows.profiles
        await running.stop()


@pytest.mark.parametrize("text", ["", "[]", "no json"])
async def test_a_file_that_is_no_registration_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "plane.json").write_text(text)
    running = node(tmp_path, "plane.json")
    with pytest.raises(HansaError) as caught:
        await running.start()
    assert caught.value.code is Code.settings_invalid
    assert "plane.json" in caught.value.title
    await running.client.close()
    await running.database.close()


async def test_a_format_that_nobody_offers_is_named_on_both_sides(world: World) -> None:
    concluded = await world.agree(await world.publish())
    asked = {"agreement_id": concluded["agreement_id"], "format": "Nobody-PULL"}
    status, found, _ = await world.api("POST", "/participants/east/transfers", asked)
    assert (status, found["code"], found["field"]) == (400, "invalid_field", "format")
    assert "HttpData-PULL" in found["detail"], "it says what there is"
    message = {
        "@context": ["https://w3id.org/dspace/2025/1/context.jsonld"],
        "@type": "TransferRequestMessage",
        "consumerPid": "urn:uuid:asked",
        "agreementId": concluded["agreement_id"],
        "format": "Nobody-PULL",
        "callbackAddress": world.east.dsp_url,
    }
    headers = {"Authorization": await world.east.gate.authorization_for(world.west.did)}
    url = f"{world.west.dsp_url}/transfers/request"
    async with world.http.post(url, json=message, headers=headers) as answer:
        refused = await answer.json()
    assert (answer.status, refused["code"]) == (400, "invalid_field")
    assert "Nobody-PULL" in refused["reason"][0]


@pytest.mark.parametrize("format", ["NgsiLd-PUSH", "HttpData-PUSH"])
async def test_a_push_to_where_we_may_not_call_is_refused_for_good(
    world: World, format: str
) -> None:
    concluded = await world.agree(await world.publish())
    message = {
        "@context": ["https://w3id.org/dspace/2025/1/context.jsonld"],
        "@type": "TransferRequestMessage",
        "consumerPid": "urn:uuid:asked",
        "agreementId": concluded["agreement_id"],
        "format": format,
        "callbackAddress": world.east.dsp_url,
        "dataAddress": {
            "@type": "DataAddress",
            "endpointType": "https://w3id.org/idsa/v4.1/HTTP",
            "endpoint": "http://169.254.169.254/latest",
        },
    }
    headers = {"Authorization": await world.east.gate.authorization_for(world.west.did)}
    url = f"{world.west.dsp_url}/transfers/request"
    async with world.http.post(url, json=message, headers=headers) as answer:
        refused = await answer.json()
    assert (answer.status, refused["code"]) == (400, "outbound_blocked"), "no 5xx to be repeated"
    assert (await world.done("GET", "/participants/west/transfers"))["items"] == []
