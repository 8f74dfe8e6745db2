"""Two cities and their authority in one real node, over real sockets: a world for pushes."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import uvicorn
from starlette.applications import Starlette
from tests.ports import PATIENCE_S, free_port, listening, served

from hansa.broker import Query, Slice
from hansa.dataplane import DataFlow
from hansa.exchange import DataAddress, Role
from hansa.kernel.settings import load
from hansa.node.app import routes
from hansa.node.management import Management
from hansa.node.middleware import Envelope
from hansa.node.participant import Participant
from hansa.node.protocol import BoundedHttp
from hansa.node.runtime import Node
from hansa.policy import PROFILE_IRI, Scope

OPERATOR = secrets.token_urlsafe(32)
Json = dict[str, Any]


async def until(
    look: Callable[[], Awaitable[bool]], what: str, seconds: float = PATIENCE_S
) -> None:
    """Wait until it holds; fail when it does not come to hold."""
    try:
        async with asyncio.timeout(seconds):
            while not await look():  # noqa: ASYNC110 - what is awaited is in the store
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not reached: {what}") from None


def lamp(n: int, **attributes: Any) -> Json:
    """Make an entity; values that are dicts stand as they are."""
    entity: Json = {"id": f"urn:ngsi-ld:Lamp:{n}", "type": "Lamp"}
    for name, value in attributes.items():
        known = isinstance(value, dict)
        entity[name] = value if known else {"type": "Property", "value": value}
    return entity


class Cities:
    """The running node. `provider` publishes lamps, `consumer` asks for them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        text = f'[node]\nname = "two"\nport = {self.port}\nbase_url = "{self.url}"\n'
        text += "[outbound]\nallow_loopback = true\n[trust]\napprove_automatically = true\n"
        text += '[[participants]]\nid = "authority"\nrole = "authority"\n'
        text += "".join(
            f'[[participants]]\nid = "{city}"\nrole = "city"\n' for city in ("delft", "leiden")
        )
        (folder / "operator.token").write_text(OPERATOR, encoding="ascii")
        (folder / "hansa.toml").write_text(text, encoding="utf-8")
        self.secret = secrets.token_bytes(32)
        self._running = AsyncExitStack()

    async def __aenter__(self) -> Cities:
        self.http = aiohttp.ClientSession()
        try:
            await self.begin()
            await self._join()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def _join(self) -> None:
        for city in (self.provider, self.consumer):
            assert city.membership is not None
            await city.membership.join(f"{self.url}/authority")

        async def joined() -> bool:
            cities = [self.provider, self.consumer]
            views = [await city.membership.view() for city in cities if city.membership]
            return all(view.state == "member" for view in views)

        await until(joined, "both to be members")

    async def begin(self) -> None:
        """Start a node on the folder."""
        self.node = Node(load(self.folder / "hansa.toml"), self.folder, self.secret)
        app = Envelope(Starlette(routes=routes(self.node, Management(self.node))))
        config = uvicorn.Config(app, http=BoundedHttp, lifespan="off", log_config=None)
        await self._running.enter_async_context(served(config, listening(self.port)))
        self._running.push_async_callback(self.node.stop)
        await self.node.start()

    async def end(self) -> None:
        """Stop the node, in order."""
        await self._running.aclose()

    async def restart(self) -> None:
        """Stop, and start again on the same folder."""
        await self.end()
        await self.begin()

    async def __aexit__(self, *_: object) -> None:
        await self.http.close()
        await self.end()

    @property
    def provider(self) -> Participant:
        return self.node.participant("delft")

    @property
    def consumer(self) -> Participant:
        return self.node.participant("leiden")

    # -- what tests do ---------------------------------------------------------------------------

    async def publish(self, *types: str) -> str:
        """Publish entities of these types; give the dataset's id."""
        body = {"title": "Lamps", "template": "members", "types": list(types or ("Lamp",))}
        url = f"{self.url}/api/v1/participants/{self.provider.id}/datasets"
        headers = {"Authorization": f"Bearer {OPERATOR}"}
        async with self.http.post(url, json=body, headers=headers) as answer:
            found = await answer.json()
            assert answer.status < 300, found
            return str(found["dataset"]["id"])

    async def agree(self, dataset: str, *constraints: Json, **rule: Any) -> str:
        """Let both hold an agreement on a dataset; give its id."""
        agreement = {
            "@id": f"urn:uuid:{secrets.token_hex(8)}",
            "@type": "Agreement",
            "profile": PROFILE_IRI,
            "target": dataset,
            "assigner": self.provider.did,
            "assignee": self.consumer.did,
            "permission": [{"action": "use", "constraint": list(constraints), **rule}],
        }
        for city, other, role in (
            (self.provider, self.consumer, Role.provider),
            (self.consumer, self.provider, Role.consumer),
        ):
            await city.exchange.import_agreement(
                agreement,
                role=role,
                counterparty=other.did,
                dataset_id=dataset,
                callback=other.dsp_url,
            )
        return str(agreement["@id"])

    async def ask_for(
        self, agreement: str, format: str, address: DataAddress | None = None
    ) -> tuple[str, str]:
        """Ask for a transfer and wait until it runs; give the consumer's and provider's ids."""
        transfer = await self.consumer.exchange.request_transfer(agreement, format, address=address)

        async def started() -> bool:
            now = await self.consumer.exchange.transfer(transfer.id)
            assert now.state != "TERMINATED", now.reason
            return str(now.state) in ("STARTED", "COMPLETED")

        await until(started, "the transfer to start")
        now = await self.consumer.exchange.transfer(transfer.id)
        assert now.provider_pid is not None
        await until(lambda: self._settled(str(now.provider_pid)), "the provider to know it")
        return transfer.id, now.provider_pid

    async def _settled(self, transfer: str) -> bool:
        now = await self.provider.exchange.transfer(transfer)
        return now.pending is None and str(now.state) != "REQUESTED"

    async def state(self, transfer: str, state: str) -> None:
        """Wait until a transfer has a state, at whichever side has it."""
        city = await self._owner(transfer)

        async def reached() -> bool:
            now = await city.exchange.transfer(transfer)
            return str(now.state) == state and now.pending is None

        await until(reached, f"{state} of {city.id}'s transfer")

    async def _owner(self, transfer: str) -> Participant:
        flow = await self.provider.flows.find(transfer)
        return self.provider if flow is not None else self.consumer

    async def flow(self, transfer: str) -> DataFlow:
        """Give a side's flow with its newest progress."""
        city = await self._owner(transfer)
        return await city.flows.get(transfer)

    async def mirrored(self, transfer: str) -> dict[str, Json]:
        """Give what the consumer has of a transfer, by id."""
        broker = self.consumer.pushing.mirrors.broker(transfer)
        page = await broker.query(Scope.everything(), Query(), Slice(limit=1_000))
        found = [msgspec.json.decode(item) for item in page.items]
        return {entity["id"]: entity for entity in found}

    async def write(self, *entities: Json) -> None:
        """Write into the provider's broker."""
        written = await self.provider.broker.upsert(entities)
        assert not written.failed, written.failed
