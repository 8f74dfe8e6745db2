"""Who comes too often waits: a counterparty by its DID, an unknown caller by its address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from hansa.kernel import FixedClock
from hansa.kernel.rate import BURST_S, Rate
from hansa.node.middleware import Envelope
from node_world import World

CATALOG = {
    "@context": ["https://w3id.org/dspace/2025/1/context.jsonld"],
    "@type": "CatalogRequestMessage",
}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("catalog/request", "CatalogError"),
        ("negotiations/request", "ContractNegotiationError"),
        ("transfers/request", "TransferError"),
    ],
)
async def test_a_counterparty_that_comes_too_often_is_told_when_to_come_again(
    world: World, path: str, kind: str
) -> None:
    world.west.gate.rate = Rate(2 / BURST_S, FixedClock())

    async def ask(who: Any) -> tuple[int, dict[str, Any], str | None]:
        headers = {"Authorization": await who.gate.authorization_for(world.west.did)}
        url = f"{world.west.dsp_url}/{path}"
        async with world.http.post(url, json=CATALOG, headers=headers) as answer:
            return answer.status, await answer.json(), answer.headers.get("Retry-After")

    assert [(await ask(world.east))[0] for _ in range(2)] in ([200, 200], [400, 400])
    status, body, wait = await ask(world.east)
    assert (status, body["@type"], body["code"], wait) == (429, kind, "too_many_requests", "10")
    authority = world.node.participant("authority")
    assert (await ask(authority))[0] != 429, "others are not held up"
    world.west.gate.rate = None


class Answering:
    """An application behind the envelope, and those who call it."""

    def __init__(self, per_s: float) -> None:
        self.clock = FixedClock()
        self.status = 401
        self.asked = 0
        self.envelope = Envelope(self._answer, Rate(per_s, self.clock))

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked += 1
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def call(self, client: str | None) -> tuple[int, dict[bytes, bytes], bytes]:
        said: list[Any] = []

        async def send(message: Any) -> None:
            said.append(message)

        where = None if client is None else (client, 0)
        scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "client": where}
        await self.envelope(scope, _nothing, send)
        return said[0]["status"], dict(said[0]["headers"]), said[1]["body"]

    async def statuses(self, client: str | None, times: int) -> list[int]:
        return [(await self.call(client))[0] for _ in range(times)]


async def _nothing() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def test_an_address_that_is_refused_too_often_waits_before_anything_is_looked_at() -> None:
    app = Answering(10 / BURST_S)
    assert await app.statuses("203.0.113.9", 12) == [401] * 12, "an example's address is not public"
    assert await app.statuses("8.8.8.8", 12) == [401] * 10 + [429] * 2
    asked = app.asked
    status, headers, body = await app.call("8.8.8.8")
    assert (status, headers[b"retry-after"]) == (429, b"2")
    assert msgspec.json.decode(body)["code"] == "too_many_requests"
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert app.asked == asked
    assert await app.statuses("8.8.4.4", 1) == [401], "others are not held up"
    app.clock.move(2)
    app.status = 200
    assert await app.statuses("8.8.8.8", 50) == [200] * 50, "what is answered is not counted"


@pytest.mark.parametrize("client", ["127.0.0.1", "::1", "10.1.2.3", "192.168.1.1", "", None])
async def test_a_private_address_may_be_a_proxy_and_is_never_counted(client: str | None) -> None:
    app = Answering(1 / BURST_S)
    assert await app.statuses(client, 20) == [401] * 20


async def test_an_owner_of_a_network_has_one_bucket() -> None:
    app = Answering(3 / BURST_S)
    found = [await app.statuses(f"2a00:1450:4001:80b::{n:x}", 1) for n in range(1, 6)]
    assert found == [[401], [401], [401], [429], [429]]
    assert await app.statuses("2a00:1450:4001:80c::1", 1) == [401]


@pytest.mark.parametrize(("status", "counted"), [(400, True), (403, True), (404, False)])
async def test_which_refusals_count(status: int, counted: bool) -> None:
    app = Answering(1 / BURST_S)
    app.status = status
    wanted: Callable[[int], int] = lambda n: 429 if counted and n else status  # noqa: E731
    assert await app.statuses("8.8.8.8", 3) == [wanted(n) for n in range(3)]
