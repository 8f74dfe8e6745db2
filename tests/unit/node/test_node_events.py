"""What happens, told to programs: the stream with replay, and webhooks to a real receiver."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from hansa.client import Event, Webhook
from hansa.kernel import FixedClock, SystemIds
from hansa.kernel.store import Action
from hansa.kernel.store.sqlite import SqliteDatabase
from hansa.node import journal as journals
from hansa.node import webhooks
from hansa.node.journal import EVENTS, Journal
from hansa.node.once import DONE
from node_world import World, until

EAST = "/participants/east"


class Receiver:
    """A real HTTP server that keeps what it gets; `status` is what it answers."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status = 204
        self.url = ""
        self.asked: list[str] = []

    async def take(self, request: web.Request) -> web.Response:
        """Keep a request."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append(request.path_qs)
        self.got.append((headers, await request.read()))
        return web.Response(status=self.status)

    def kinds(self) -> list[str]:
        """Name the events that came, in order."""
        return [msgspec.json.decode(body)["type"] for _, body in self.got]


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/events", receiver.take)
    runner = web.AppRunner(app)
    try:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        receiver.url = f"http://localhost:{port}/events"
        yield receiver
    finally:
        await runner.cleanup()


async def some(world: World, *texts: str) -> None:
    for text in texts:
        world.east.journal.note("test.noted", text)
    await world.east.journal.settled()


class Stream:
    """One client of the event stream, line by line."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._lines = answer.content

    async def next(self) -> tuple[str, str, Any]:
        """Give id, event and data of the next event; comments are passed over."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(60):
            while True:
                line = (await self._lines.readline()).decode().rstrip("\n")
                if not line and fields:
                    data = msgspec.json.decode(fields["data"])
                    return fields.get("id", ""), fields["event"], data
                if line and not line.startswith(":"):
                    name, _, value = line.partition(": ")
                    fields[name] = value


@asynccontextmanager
async def streaming(world: World, last: str | None = None) -> AsyncIterator[Stream]:
    headers = {"Authorization": f"Bearer {world.token}"}
    if last is not None:
        headers["Last-Event-ID"] = last
    url = f"{world.url}/api/v1{EAST}/events/stream"
    async with world.http.get(url, headers=headers) as answer:
        assert answer.status == 200
        yield Stream(answer)


async def test_a_stream_that_broke_goes_on_with_exactly_what_was_missed(world: World) -> None:
    async with streaming(world) as stream:
        await until(_followed(world), "the follower")
        await some(world, "one")
        last, name, data = await stream.next()
        assert name == "change"
        assert msgspec.convert(data, Event).text == "one"
    await some(world, "two", "three")
    async with streaming(world, last) as stream:
        texts = [(await stream.next())[2]["text"] for _ in range(2)]
        await some(world, "four")
        texts.append((await stream.next())[2]["text"])
    assert texts == ["two", "three", "four"]


def _followed(world: World) -> Any:
    async def look() -> bool:
        return bool(world.east.journal._followers)

    return look


async def test_a_position_that_is_kept_no_more_is_said_to_be_a_gap(world: World) -> None:
    async with streaming(world, "00000000-0000-7000-8000-000000000000") as stream:
        assert (await stream.next())[1] == "gap"


async def test_a_slow_follower_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "_QUEUE_MAX", 4)
    database = SqliteDatabase.open(tmp_path / "j.sqlite", (), clock=FixedClock())
    journal = Journal(database.store("p"), clock=FixedClock(), ids=SystemIds())
    follow = journal.follow()
    first = asyncio.ensure_future(anext(follow))
    await asyncio.sleep(0)
    for number in range(50):
        journal.note("test.noted", str(number))
    seen = [(await first).text]  # type: ignore[union-attr]
    async with asyncio.timeout(60):
        while len(seen) < 50:
            event = await anext(follow)
            assert event is not None
            seen.append(event.text)
    assert seen == [str(number) for number in range(50)]
    await follow.aclose()
    await database.close()


async def test_a_webhook_gets_signed_events_in_order(world: World) -> None:
    async with receiving() as receiver:
        body = {"url": receiver.url, "events": ["negotiation.*", "agreement.*"]}
        made = msgspec.convert(await world.done("POST", f"{EAST}/webhooks", body), Webhook)
        await world.agree(await world.publish())
        await until(_came(receiver, "negotiation.finalized"), "the event")
        assert made.secret is not None
        key = base64.b64decode(made.secret.removeprefix("whsec_"))
        for headers, raw in receiver.got:
            stamp, name = headers["webhook-timestamp"], headers["webhook-id"]
            signed = f"{name}.{stamp}.".encode() + raw
            expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
            assert headers["webhook-signature"] == f"v1,{expected}"
            assert msgspec.json.decode(raw)["data"]["participant"] == "east"
        assert receiver.kinds()[0].startswith("negotiation.")
        ids = {headers["webhook-id"] for headers, _ in receiver.got}  # one may come twice
        await until(_delivered(world, made.id, len(ids)), "all to be noted")
        (listed,) = (await world.done("GET", f"{EAST}/webhooks"))["items"]
        assert listed["error"] is None
        assert "secret" not in listed
        status, found, _ = await world.api("DELETE", f"{EAST}/webhooks/{made.id}")
        assert (status, found["id"]) == (200, made.id)


def _came(receiver: Receiver, kind: str) -> Any:
    async def look() -> bool:
        return kind in receiver.kinds()

    return look


async def test_a_webhook_is_tried_again_with_the_same_id_and_misses_nothing(world: World) -> None:
    async with receiving() as receiver:
        receiver.status = 500
        body = {"url": receiver.url, "events": ["test.noted"]}
        made = await world.done("POST", f"{EAST}/webhooks", body)
        await some(world, "one", "two")
        await until(_came(receiver, "test.noted"), "the first try")

        async def failing() -> bool:
            (listed,) = (await world.done("GET", f"{EAST}/webhooks"))["items"]
            return listed["error"] == "The receiver answered 500." and listed["waiting"] == 2

        await until(failing, "the error to be shown")
        receiver.status = 204
        await until(_delivered(world, made["id"], 2), "both to arrive")
        ids = [headers["webhook-id"] for headers, _ in receiver.got]
        assert len(set(ids)) == 2
        assert ids == sorted(ids)


def _delivered(world: World, hook: str, count: int) -> Any:
    async def look() -> bool:
        items = (await world.done("GET", f"{EAST}/webhooks"))["items"]
        return any(item["id"] == hook and item["delivered"] >= count for item in items)

    return look


async def test_a_receiver_that_is_gone_is_disabled_and_comes_back_after_a_test(
    world: World,
) -> None:
    async with receiving() as receiver:
        receiver.status = 410
        made = await world.done("POST", f"{EAST}/webhooks", {"url": receiver.url})
        await some(world, "one")

        async def disabled() -> bool:
            (listed,) = (await world.done("GET", f"{EAST}/webhooks"))["items"]
            return bool(listed["state"] == "disabled")

        await until(disabled, "the receiver to be given up")
        path = f"{EAST}/webhooks/{made['id']}/test"
        assert (await world.done("POST", path))["ok"] is False
        receiver.status = 200
        tested = await world.done("POST", path)
        assert (tested["ok"], tested["status"]) == (True, 200)
        await until(_came(receiver, "webhook.disabled"), "what waited")
        assert receiver.kinds().count("webhook.test") == 2


async def test_a_key_in_the_address_is_shown_nowhere(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    shown: list[Any] = []
    async with receiving() as receiver:
        receiver.status = 410
        url = f"{receiver.url}?code=hush#hush"
        made = await world.done("POST", f"{EAST}/webhooks", {"url": url})
        assert made["url"] == f"{receiver.url}?***"
        await some(world, "one")

        async def disabled() -> bool:
            (listed,) = (await world.done("GET", f"{EAST}/webhooks"))["items"]
            shown.append(listed)
            return bool(listed["state"] == "disabled")

        await until(disabled, "the receiver to be given up")
        assert receiver.asked[0] == "/events?code=hush"
        shown.append(await world.done("POST", f"{EAST}/webhooks/{made['id']}/test"))
        shown.append(await world.done("DELETE", f"{EAST}/webhooks/{made['id']}"))
    await world.east.journal.settled()
    events = await world.east.store.read(lambda tx: tx.find(EVENTS, limit=100))
    (told,) = [event.text for event in events if event.kind == "webhook.disabled"]
    place = receiver.url.removesuffix("/events")
    assert told.startswith(f"Webhook disabled, {place} can't be reached"), "the path may be a key"
    assert "hush" not in str(shown)
    assert "hush" not in "".join(capfd.readouterr())


async def test_a_day_of_failures_disables_a_receiver(world: World) -> None:
    hooks = world.east.webhooks
    clock = FixedClock(world.node.clock.now())
    hooks._clock = clock
    hook, _ = await hooks.add("http://localhost:1/nobody", ("test.noted",), None)
    await some(world, "one")
    action = Action(id="x", machine=webhooks.MACHINE, process=hook.id, name="deliver")

    async def tried() -> bool:
        return (await hooks.list())[0][0].attempts > 0

    await until(tried, "the first try")
    assert (await hooks.list())[0][0].state == "active"
    clock.move(timedelta(hours=25).total_seconds())
    await hooks.work(action)
    found = (await hooks.list())[0][0]
    assert found.state == "disabled"
    assert found.error is not None


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"url": "ftp://example.org/"}, "outbound_blocked", "url"),
        ({"url": "http://10.1.2.3/hook"}, "outbound_blocked", "url"),
        ({"url": "http://localhost/x", "events": ["Everything!"]}, "invalid_field", "events"),
        ({"url": "http://localhost/x", "secret": "short"}, "invalid_field", "secret"),
    ],
)
async def test_a_wrong_webhook_is_refused(world: World, body: Any, code: str, field: str) -> None:
    status, found, _ = await world.api("POST", f"{EAST}/webhooks", body)
    assert 400 <= status < 500
    assert (found["code"], found["field"]) == (code, field)


async def test_a_repeated_request_is_done_once(world: World) -> None:
    dataset = await world.publish()
    body = {
        "provider_did": world.west.did,
        "dataset_id": dataset["id"],
        "offer_id": dataset["offers"][0]["id"],
    }
    key = {"Idempotency_Key": "one-1"}
    _, first, _ = await world.api("POST", f"{EAST}/negotiations", body, **key)
    _, again, _ = await world.api("POST", f"{EAST}/negotiations", body, **key)
    assert first == again
    other = {**body, "offer_id": "another"}
    status, found, _ = await world.api("POST", f"{EAST}/negotiations", other, **key)
    assert (status, found["code"], found["field"]) == (409, "conflict", "Idempotency-Key")
    refused = {"Idempotency_Key": "one-2"}
    status, _, _ = await world.api("POST", f"{EAST}/negotiations", other, **refused)
    assert status == 404
    status, _, _ = await world.api("POST", f"{EAST}/negotiations", body, **refused)
    assert status == 200
    items = (await world.done("GET", f"{EAST}/negotiations"))["items"]
    assert len(items) == 2


async def test_a_secret_that_is_shown_once_is_kept_nowhere_in_clear(world: World) -> None:
    body = {"url": "http://localhost:9/", "events": ["*"]}
    key = {"Idempotency_Key": "hook-1"}
    _, first, _ = await world.api("POST", f"{EAST}/webhooks", body, **key)
    _, again, _ = await world.api("POST", f"{EAST}/webhooks", body, **key)
    assert again == first, "its repeat gets the answer with the secret"
    (kept,) = await world.east.store.read(lambda tx: tx.find(DONE))
    assert kept.answer is not None
    assert first["secret"].encode() not in kept.answer


async def test_a_step_that_is_no_event_is_told_and_not_kept(world: World) -> None:
    async with streaming(world) as stream:
        await until(_followed(world), "the follower")
        before = await world.east.journal.latest()
        world.east.journal.moved("negotiation", "n-1")
        assert await stream.next() == ("", "moved", {"kind": "negotiation", "id": "n-1"})
        assert await world.east.journal.latest() == before
        await some(world, "one")
        assert (await stream.next())[2]["text"] == "one"


async def test_each_step_of_a_negotiation_reaches_who_follows(world: World) -> None:
    dataset = await world.publish()
    async with streaming(world) as stream:
        await until(_followed(world), "the follower")
        asked = await world.agree(dataset)
        steps: list[str] = []
        while "negotiation.finalized" not in steps:
            _, name, data = await stream.next()
            if name == "change":
                steps.append(data["kind"])
            elif data["kind"] == "negotiation":
                assert data["id"] == asked["id"]
                steps.append(name)
    assert steps.count("moved") >= 2, "what was sent and what was acknowledged in between"
