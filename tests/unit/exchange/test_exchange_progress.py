"""What a provider adds to its view of a push, who may read it, and what a consumer believes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from exchange_world import World
from hansa.exchange import DataAddress, TransferProcess, TransferProgress
from hansa.exchange.wire_dsp_2025_1 import PROGRESS, read_progress
from hansa.kernel.outbound import OutboundResponse

PLACE = DataAddress(endpoint_type="MQTT", endpoint="mqtt://broker.example", properties={})
TOLD = TransferProgress(
    items=12,
    bytes=3_400,
    total=9_000,
    last_item=datetime(2026, 11, 21, 9, 14, tzinfo=UTC),
    attempts=2,
    next_try=datetime(2026, 11, 21, 9, 15, tzinfo=UTC),
    error="The MQTT broker refused the connection: not authorised. Check user name and password.",
)


async def pushing(world: World) -> TransferProcess:
    """Start a push by hand; give the consumer's side of it."""
    agreement = await world.negotiated()
    began = await world.consumer.exchange.request_transfer(
        agreement, "HttpData-PUSH", address=PLACE
    )
    await world.settle()
    found = await world.consumer.exchange.transfer(began.id)
    assert found.state == "STARTED"
    assert found.provider_pid is not None
    return found


async def test_a_consumer_is_told_how_far_the_push_is(world: World) -> None:
    mine = await pushing(world)
    assert await world.consumer.exchange.their_progress(mine) is None, "nothing is known yet"
    world.provider.plane.told[str(mine.provider_pid)] = TOLD
    assert await world.consumer.exchange.their_progress(mine) == TOLD
    fresh = TransferProgress(items=0, bytes=0)
    world.provider.plane.told[str(mine.provider_pid)] = fresh
    assert await world.consumer.exchange.their_progress(mine) == fresh


async def test_it_is_in_the_providers_view_of_a_push_and_nowhere_else(world: World) -> None:
    mine = await pushing(world)
    pulled, given = await world.transferring()
    for pid in (mine.id, mine.provider_pid, pulled, given):
        for side in world.sides:
            side.plane.told[str(pid)] = TOLD
    _, shown = await world.get(world.provider, f"/transfers/{mine.provider_pid}")
    assert shown[PROGRESS]["@value"]["items"] == 12
    for side, pid in (
        (world.consumer, mine.id),
        (world.provider, given),
        (world.consumer, pulled),
    ):
        status, other = await world.get(side, f"/transfers/{pid}")
        assert (status, PROGRESS in other) == (200, False)
    (negotiation, _) = await world.provider.exchange.negotiations()
    _, other = await world.get(world.provider, f"/negotiations/{negotiation.id}")
    assert PROGRESS not in other
    body = {"@context": shown["@context"], "@type": "TransferCompletionMessage"}
    body |= {name: shown[name] for name in ("consumerPid", "providerPid")}
    status, answer = await world.post(
        world.provider, f"/transfers/{mine.provider_pid}/completion", body
    )
    assert (status, answer["state"], PROGRESS in answer) == (200, "COMPLETED", False)


async def test_nobody_but_the_counterparty_reads_it(world: World) -> None:
    mine = await pushing(world)
    world.provider.plane.told[str(mine.provider_pid)] = TOLD
    stranger = f"did:web:stranger->{world.provider.did}"
    foreign = await world.get(world.provider, f"/transfers/{mine.provider_pid}", token=stranger)
    unknown = await world.get(world.provider, "/transfers/urn:uuid:none", token=stranger)
    assert foreign == unknown
    assert foreign[0] == 404


@pytest.mark.parametrize("fault", ["down", "lose-answer", "500", "404", "200"])
async def test_a_provider_that_does_not_answer_tells_nothing(world: World, fault: str) -> None:
    mine = await pushing(world)
    world.provider.plane.told[str(mine.provider_pid)] = TOLD
    world.wire.fault = lambda host, path, body: fault
    assert await world.consumer.exchange.their_progress(mine) is None


async def test_the_question_is_short(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = await pushing(world)
    asked: list[dict[str, Any]] = []

    async def request(method: str, url: str, **given: Any) -> OutboundResponse:
        asked.append({"method": method, "url": url, **given})
        return OutboundResponse(200, {}, b"{}")

    monkeypatch.setattr(world.wire, "request", request)
    assert await world.consumer.exchange.their_progress(mine) is None
    (question,) = asked
    assert question["url"].endswith(f"/transfers/{mine.provider_pid}")
    assert question["headers"] == {"Authorization": "Bearer did:web:consumer->did:web:provider"}
    assert (question["method"], question["timeout_s"]) == ("GET", 2.0)
    assert question["body_bytes_max"] == 16 * 1024


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body[PROGRESS]["@value"].update(items=-1),
        lambda body: body[PROGRESS]["@value"].update(bytes=2**53),
        lambda body: body[PROGRESS]["@value"].update(bytes=10**400),
        lambda body: body[PROGRESS]["@value"].update(bytes=1.5),
        lambda body: body[PROGRESS]["@value"].update(items="12"),
        lambda body: body[PROGRESS]["@value"].update(items=True),
        lambda body: body[PROGRESS]["@value"].update(attempts=-1),
        lambda body: body[PROGRESS]["@value"].update(error=["a", "list"]),
        lambda body: body[PROGRESS]["@value"].update(lastItem="2026-11-21T09:14:00"),
        lambda body: body[PROGRESS]["@value"].update(nextTry="soon"),
        lambda body: body[PROGRESS]["@value"].pop("bytes"),
        lambda body: body[PROGRESS].update({"@type": "xsd:string"}),
        lambda body: body.update({PROGRESS: "12 items"}),
        lambda body: body.update({PROGRESS: [body[PROGRESS]]}),
        lambda body: body.update(providerPid="urn:uuid:another"),
        lambda body: body.update(consumerPid="urn:uuid:another"),
        lambda body: body.pop("providerPid"),
    ],
)
async def test_what_does_not_fit_is_not_believed(world: World, change: Change) -> None:
    mine = await pushing(world)
    world.provider.plane.told[str(mine.provider_pid)] = TOLD
    _, body = await world.get(world.provider, f"/transfers/{mine.provider_pid}")
    assert read_progress(msgspec.json.encode(body), mine) == TOLD
    change(body)
    assert read_progress(json.dumps(body).encode(), mine) is None


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"\xff", b"[" * 8_000, b'{"a":' * 2_000])
async def test_what_is_no_answer_is_not_believed(world: World, body: bytes) -> None:
    assert read_progress(body, await pushing(world)) is None


async def test_a_text_is_cut_and_harmless_and_an_instant_can_be_shown(world: World) -> None:
    mine = await pushing(world)
    evil = msgspec.structs.replace(
        TOLD,
        error="\x1b[31mred\x1b[0m\n\u202egnp.exe <b>bold</b> " + "x" * 10_000,
        last_item=datetime(1, 1, 1, tzinfo=UTC),
        next_try=datetime(9999, 12, 31, 23, 59, tzinfo=UTC),
    )
    world.provider.plane.told[str(mine.provider_pid)] = evil
    told = await world.consumer.exchange.their_progress(mine)
    assert told is not None
    assert (told.last_item, told.next_try) == (None, None)
    assert told.error is not None
    assert told.error.startswith("[31mred [0m gnp.exe <b>bold</b> xxx")
    assert told.error.isprintable()
    assert len(told.error) == 500
