"""Bytes between two cities of a real node: published, fetched, pushed, suspended, ended."""

from __future__ import annotations

import asyncio
import io
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from tests.e2e.push_world import OPERATOR, Cities, lamp, until
from tests.ports import listening, served

PULL, PUSH = "HttpData-PULL", "HttpData-PUSH"
LARGE = 30_000_000


async def api(
    cities: Cities, method: str, city: str, path: str, expected: int = 200, **given: Any
) -> Any:
    """Call the management API; give the answer's JSON."""
    url = f"{cities.url}/api/v1/participants/{city}/{path}"
    headers = {"Authorization": f"Bearer {OPERATOR}"}
    async with cities.http.request(method, url, headers=headers, **given) as answer:
        found = await answer.json()
        assert answer.status == expected, found
        return found


async def shelve(cities: Cities, content: bytes, name: str = "plan.bin") -> str:
    """Put a file into the provider's folder and publish it; give the dataset's id."""
    folder = cities.folder / "files" / cities.provider.id
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    body = {"title": name, "template": "members", "resource": {"location": name}}
    made = await api(cities, "POST", cities.provider.id, "datasets", json=body)
    return str(made["dataset"]["id"])


async def came(cities: Cities, transfer: str) -> bytes:
    """Wait for the file that a transfer brings; give it."""
    carrying = cities.consumer.carrying

    async def there() -> bool:
        return await carrying.received.get(transfer) is not None

    await until(there, "the file")
    received = await carrying.received.get(transfer)
    assert received is not None
    content = carrying.received.path(received).read_bytes()
    assert sha256(content).hexdigest() == received.digest
    return content


async def test_an_uploaded_file_is_found_agreed_fetched_and_complete(cities: Cities) -> None:
    content = os.urandom(3_000_000)
    query = {"title": "Plan of trees", "template": "members", "name": "trees.gpkg"}
    body = io.BytesIO(content)
    made = await api(cities, "POST", cities.provider.id, "datasets/upload", params=query, data=body)
    shown = made["dataset"]["resource"]
    assert (shown["name"], shown["size"]) == ("trees.gpkg", len(content))
    read = await cities.consumer.remote.fetch(cities.provider.did)
    (found,) = [each for each in read.datasets if each.id == made["dataset"]["id"]]
    assert found.resource is not None
    assert found.resource.digest == sha256(content).hexdigest()
    assert {PULL, PUSH} <= set(found.formats)
    agreement = await cities.agree(found.id)
    mine, theirs = await cities.ask_for(agreement, PULL)
    await api(cities, "POST", cities.consumer.id, f"transfers/{mine}/download", json={})
    assert await came(cities, mine) == content
    for transfer in (mine, theirs):
        await cities.state(transfer, "COMPLETED")
        assert (await cities.flow(transfer)).progress.bytes == len(content)
    view = await api(cities, "GET", cities.consumer.id, f"transfers/{mine}")
    assert view["progress"]["digest"] == f"sha-256:{sha256(content).hexdigest()}"


async def test_a_token_of_bytes_opens_no_entity(cities: Cities) -> None:
    await cities.write(lamp(1, power=5))
    agreement = await cities.agree(await shelve(cities, b"plan"))
    mine, _ = await cities.ask_for(agreement, PULL)
    address = await cities.consumer.access.get(mine)
    url = f"{cities.url}/{cities.provider.id}/data/ngsi-ld/v1/entities?type=Lamp"
    headers = {"Authorization": f"Bearer {address.authorization}"}
    async with cities.http.get(url, headers=headers) as answer:
        assert (answer.status, await answer.json()) == (200, [])
    async with cities.http.get(address.endpoint, headers=headers) as answer:
        assert await answer.read() == b"plan"


@pytest.mark.parametrize("side", ["consumer", "provider"])
async def test_a_fetch_that_either_side_suspends_goes_on_with_a_new_token(
    cities: Cities, side: str
) -> None:
    content = os.urandom(LARGE)
    agreement = await cities.agree(await shelve(cities, content))
    mine, theirs = await cities.ask_for(agreement, PULL)
    city, transfer = (cities.consumer, mine) if side == "consumer" else (cities.provider, theirs)
    await city.exchange.suspend_transfer(transfer, "Too busy.")
    for each in (mine, theirs):
        await cities.state(each, "SUSPENDED")
    await cities.consumer.carrying.downloads.start(mine)
    await city.exchange.resume_transfer(transfer)
    assert await came(cities, mine) == content
    for each in (mine, theirs):
        await cities.state(each, "COMPLETED")


async def test_a_file_is_pushed_to_the_consumers_own_inbox(cities: Cities) -> None:
    content = os.urandom(3_000_000)
    agreement = await cities.agree(await shelve(cities, content))
    mine, theirs = await cities.ask_for(agreement, PUSH)
    assert await came(cities, mine) == content
    for transfer in (mine, theirs):
        await cities.state(transfer, "COMPLETED")
        progress = (await cities.flow(transfer)).progress
        assert (progress.bytes, progress.total_bytes) == (len(content), len(content))
    usage = await cities.provider.usage.usage(theirs)
    assert (usage.requests, usage.bytes) == (1, len(content))


class Halting:
    """An upstream that stops in the middle of its first answer, and gives the next ones whole."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.halted = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"%d" % len(self.content)), (b"etag", b'"v1"')]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        half = 0
        if not self.halted.is_set():
            half = len(self.content) // 2
            body = self.content[:half]
            await send({"type": "http.response.body", "body": body, "more_body": True})
            self.halted.set()
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        await send({"type": "http.response.body", "body": self.content})


@asynccontextmanager
async def upstream(app: Halting) -> AsyncIterator[str]:
    """Serve it; give its URL."""
    on = listening()
    port = on.getsockname()[1]
    config = uvicorn.Config(app, lifespan="off", log_config=None, log_level="critical")
    async with served(config, on) as server:
        try:
            yield f"http://localhost:{port}/feed"
        finally:
            server.force_exit = True


async def settled(look: Callable[[], Awaitable[int]]) -> int:
    """Look until what was under way is written down and nothing comes any more; give it."""
    seen = [-1]

    async def still() -> bool:
        await asyncio.sleep(0.3)
        seen.append(await look())
        return seen[-1] == seen[-2]

    await until(still, "nothing to come any more")
    return seen[-1]


@pytest.mark.parametrize("side", ["consumer", "provider"])
@pytest.mark.parametrize("format", [PULL, PUSH])
async def test_what_either_side_suspends_in_the_middle_goes_on(
    cities: Cities, format: str, side: str
) -> None:
    halting = Halting(os.urandom(LARGE))
    async with upstream(halting) as url:
        body = {"title": "Feed", "template": "members", "resource": {"url": url}}
        made = await api(cities, "POST", cities.provider.id, "datasets", json=body)
        mine, theirs = await cities.ask_for(await cities.agree(made["dataset"]["id"]), format)
        if format == PULL:
            await cities.consumer.carrying.downloads.start(mine)
        await halting.halted.wait()
        size_of = cities.consumer.carrying.received.part_size

        async def begun() -> bool:
            return await size_of(mine) > LARGE // 4

        await until(begun, "a part of the bytes")
        city = cities.consumer if side == "consumer" else cities.provider
        transfer = mine if side == "consumer" else theirs
        await city.exchange.suspend_transfer(transfer, "Too busy.")
        for each in (mine, theirs):
            await cities.state(each, "SUSPENDED")
        assert await settled(lambda: size_of(mine)) < LARGE
        await city.exchange.resume_transfer(transfer)
        assert await came(cities, mine) == halting.content
        for each in (mine, theirs):
            await cities.state(each, "COMPLETED")


async def test_a_push_goes_on_after_a_restart(cities: Cities) -> None:
    content = os.urandom(LARGE)
    agreement = await cities.agree(await shelve(cities, content))
    mine, theirs = await cities.ask_for(agreement, PUSH)
    await cities.restart()
    assert await came(cities, mine) == content
    for each in (mine, theirs):
        await cities.state(each, "COMPLETED")


async def test_entities_are_pushed_as_one_file_within_their_terms(cities: Cities) -> None:
    lamps = [lamp(n, power=n, secret=n) for n in range(450)]
    await cities.write(*lamps)
    only_power = {
        "leftOperand": "hansa:attribute",
        "operator": "eq",
        "rightOperand": "https://uri.etsi.org/ngsi-ld/default-context/power",
    }
    agreement = await cities.agree(await cities.publish(), only_power)
    mine, theirs = await cities.ask_for(agreement, PUSH)
    lines = (await came(cities, mine)).decode().splitlines()
    found = {entity["id"]: entity for entity in map(json.loads, lines)}
    assert set(found) == {each["id"] for each in lamps}
    assert all("secret" not in entity for entity in found.values())
    assert found["urn:ngsi-ld:Lamp:7"]["power"]["value"] == 7
    await cities.state(theirs, "COMPLETED")


async def test_terms_that_cut_can_not_be_published_on_bytes(cities: Cities) -> None:
    folder = cities.folder / "files" / cities.provider.id
    folder.mkdir(parents=True)
    (folder / "plan.bin").write_bytes(b"plan")
    body = {
        "title": "Plan",
        "template": "recent",
        "parameters": {"max_age": "P7D"},
        "resource": {"location": "plan.bin"},
    }
    refused = await api(cities, "POST", cities.provider.id, "datasets", 422, json=body)
    assert refused["code"] == "policy_unsupported"
    assert "as a whole or not at all" in refused["detail"]


@pytest.mark.parametrize(
    "location", ["../../hansa.toml", "/etc/hostname", "nothing.bin", "uploads/x", ""]
)
async def test_only_what_lies_in_the_folder_is_published(cities: Cities, location: str) -> None:
    body = {"title": "Plan", "template": "members", "resource": {"location": location}}
    refused = await api(cities, "POST", cities.provider.id, "datasets", 400, json=body)
    assert refused["code"] == "invalid_field"
