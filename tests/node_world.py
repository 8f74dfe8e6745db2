"""One node in this process with an authority and two cities, behind a real socket."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import msgspec
import structlog
import uvicorn
from tests.ports import PATIENCE_S, listening, served

from hansa.identity import Caller
from hansa.kernel.settings import load
from hansa.kernel.telemetry import configure_logging
from hansa.node.app import routes
from hansa.node.management import Management
from hansa.node.middleware import Envelope
from hansa.node.participant import Participant
from hansa.node.protocol import BoundedHttp
from hansa.node.runtime import Node

Json = dict[str, Any]
T = TypeVar("T")
OPERATOR = Caller(did="did:web:localhost:operator", kind="operator")
_SETTINGS = """
[node]
name = "world"
port = {port}
base_url = "http://localhost:{port}"
[outbound]
allow_loopback = true
[trust]
approve_automatically = true
status_refresh_s = 20
[[participants]]
id = "authority"
role = "authority"
[[participants]]
id = "west"
title = "West"
role = "city"
[[participants]]
id = "east"
title = "East"
role = "city"
"""


def quiet() -> None:
    """Log errors only, as a node does, and tie no logger to that: later tests set their own."""
    configure_logging("error")
    structlog.configure(cache_logger_on_first_use=False)


class World:
    """The running node, its management functions, and one HTTP client as its operator."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self.url = f"http://localhost:{self.port}"
        self.token = secrets.token_urlsafe(32)
        (folder / "operator.token").write_text(self.token, encoding="ascii")
        (folder / "hansa.toml").write_text(_SETTINGS.format(port=self.port), encoding="utf-8")
        quiet()
        self.node = Node(load(folder / "hansa.toml", {}), folder, secrets.token_bytes(32))
        self.management = Management(self.node)
        from starlette.applications import Starlette

        app = Envelope(Starlette(routes=routes(self.node, self.management)))
        self.config = uvicorn.Config(
            app,
            http=BoundedHttp,
            lifespan="off",
            log_config=None,
            timeout_graceful_shutdown=1,
        )
        self.server: uvicorn.Server
        self.http: aiohttp.ClientSession

    @property
    def west(self) -> Participant:
        """Give the providing city."""
        return self.node.participant("west")

    @property
    def east(self) -> Participant:
        """Give the consuming city."""
        return self.node.participant("east")

    async def api(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, Json, dict[str, str]]:
        """Call the management API; give status, JSON body and headers (lower case)."""
        sent = {"Authorization": f"Bearer {self.token}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"{self.url}/api/v1{path}"
        async with self.http.request(method, url, json=body, headers=sent) as answer:
            raw = await answer.read()
            found = msgspec.json.decode(raw) if raw else {}
            return answer.status, found, {k.lower(): v for k, v in answer.headers.items()}

    async def done(self, method: str, path: str, body: Any = None) -> Json:
        """Call the management API and expect it to be done."""
        status, found, _ = await self.api(method, path, body)
        assert status == 200, found
        return found

    async def publish(self, title: str = "Marks", **more: Any) -> Json:
        """Write an entity at West and publish it; give the dataset."""
        mark = {"id": "urn:ngsi-ld:Mark:1", "type": "Mark", "of": {"type": "Property", "value": 1}}
        url = f"{self.url}/west/ngsi-ld/v1/entityOperations/upsert"
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.http.post(url, json=[mark], headers=headers) as answer:
            assert answer.status < 300, await answer.text()
        body = {"title": title, "template": "members", "types": ["Mark"], **more}
        found = await self.done("POST", "/participants/west/datasets", body)
        dataset: Json = found["dataset"]
        return dataset

    async def ask(self, dataset: Json) -> Json:
        """Let East ask West for a dataset; give the negotiation as it begins."""
        body = {
            "provider_did": self.west.did,
            "dataset_id": dataset["id"],
            "offer_id": dataset["offers"][0]["id"],
        }
        return await self.done("POST", "/participants/east/negotiations", body)

    async def agree(self, dataset: Json) -> Json:
        """Let East conclude a contract with West; give the final negotiation."""
        began = await self.ask(dataset)
        path = f"/participants/east/negotiations/{began['id']}?wait=FINALIZED&timeout_s=20"
        found = await self.done("GET", path)
        assert found["state"] == "FINALIZED", found
        return found

    async def flow(self, agreement_id: str) -> Json:
        """Let East open the data of an agreement; give the started transfer."""
        body = {"agreement_id": agreement_id}
        began = await self.done("POST", "/participants/east/transfers", body)
        path = f"/participants/east/transfers/{began['id']}?wait=STARTED&timeout_s=20"
        found = await self.done("GET", path)
        assert found["state"] == "STARTED", found
        return found


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[World]:
    """Give a world in which both cities are members."""
    on = listening()
    world = World(folder, on.getsockname()[1])
    async with served(world.config, on) as world.server:
        await world.node.start()
        try:
            async with aiohttp.ClientSession() as world.http:
                for city in (world.west, world.east):
                    assert city.membership is not None
                    await city.membership.join(f"{world.url}/authority")
                await until(lambda: _joined(world), "both to be members")
                for city in (world.west, world.east):
                    await city.directory.members()
                yield world
        finally:
            await world.node.stop()


async def _joined(world: World) -> bool:
    cities = [city.membership for city in (world.west, world.east) if city.membership]
    return all([(await city.view()).state == "member" for city in cities])


async def until(look: Callable[[], Awaitable[T]], what: str, timeout_s: float = PATIENCE_S) -> T:
    """Look until what is found is true; give it."""
    async with asyncio.timeout(timeout_s):
        while not (found := await look()):  # noqa: ASYNC110 - what is awaited is in the store
            await asyncio.sleep(0.01)
    assert found, what
    return found
