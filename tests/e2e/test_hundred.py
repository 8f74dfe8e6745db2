"""A hundred participants in one process: each tries each other one, and gets only what is its due.

Everything goes over real sockets to one real node; only the node's loop is shared with the test, so
that the test can act with each participant's own key.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import uvicorn
from tests.ports import free_port, listening, served

from hansa.kernel.settings import load
from hansa.node.app import routes
from hansa.node.management import Management
from hansa.node.middleware import Envelope
from hansa.node.participant import Participant
from hansa.node.protocol import BoundedHttp
from hansa.node.runtime import Node

HUNDRED = int(os.environ.get("SOAK_MANY", "100"))
TOKEN = secrets.token_urlsafe(32)
OPERATOR = f"Bearer {TOKEN}"
ENTITY = "urn:ngsi-ld:Mark:{}"
Json = dict[str, Any]


def _settings(folder: Path, port: int) -> str:
    head = f'[node]\nname = "many"\nport = {port}\nbase_url = "http://localhost:{port}"\n'
    head += "[outbound]\nallow_loopback = true\n"
    head += "[trust]\napprove_automatically = true\nstatus_refresh_s = 20\n"
    head += '[[participants]]\nid = "authority"\nrole = "authority"\n'
    cities = [f'[[participants]]\nid = "city-{n}"\nrole = "city"\n' for n in range(HUNDRED)]
    (folder / "operator.token").write_text(TOKEN, encoding="ascii")
    (folder / "hansa.toml").write_text(head + "".join(cities), encoding="utf-8")
    return str(folder / "hansa.toml")


class Many:
    """The running node, with one HTTP client for everybody."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        settings = load(Path(_settings(folder, self.port)))
        self.node = Node(settings, folder, secrets.token_bytes(32))
        from starlette.applications import Starlette

        app = Envelope(Starlette(routes=routes(self.node, Management(self.node))))
        self.config = uvicorn.Config(app, http=BoundedHttp, lifespan="off", log_config=None)
        self.http: aiohttp.ClientSession
        self.cities: list[Participant] = []

    async def ask(
        self, method: str, url: str, token: str, body: Any = None
    ) -> tuple[int, Json, aiohttp.typedefs.LooseHeaders]:
        """Send a request; give status and JSON body."""
        headers = {"Authorization": token}
        async with self.http.request(method, url, json=body, headers=headers) as answer:
            raw = await answer.read()
            found = msgspec.json.decode(raw) if raw else {}
            return answer.status, found, answer.headers

    async def as_operator(self, city: Participant, method: str, path: str, body: Any) -> Json:
        """Call the management API for a participant."""
        url = f"{self.url}/api/v1/participants/{city.id}{path}"
        status, found, _ = await self.ask(method, url, OPERATOR, body)
        assert status < 300, found
        return found


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Many]:
    """Give the node, serving."""
    many = Many(folder)
    async with served(many.config, listening(many.port)):
        await many.node.start()
        many.cities = [many.node.participant(f"city-{n}") for n in range(HUNDRED)]
        connector = aiohttp.TCPConnector(limit=32)
        try:
            async with aiohttp.ClientSession(connector=connector) as many.http:
                yield many
        finally:
            await many.node.stop()


async def _until(look: Callable[[], Awaitable[bool]], what: str) -> None:
    async with asyncio.timeout(600):  # all of them run at once
        while not await look():  # noqa: ASYNC110 - what is awaited is in the store
            await asyncio.sleep(0.02)
    assert await look(), what


async def _join(many: Many) -> None:
    for city in many.cities:
        assert city.membership is not None
        await city.membership.join(f"{many.url}/authority")

    async def joined() -> bool:
        views = [await city.membership.view() for city in many.cities if city.membership]
        return all(view.state == "member" for view in views)

    await _until(joined, "all to be members")


async def _publish(many: Many, city: Participant) -> str:
    of = {"type": "Property", "value": city.id}
    mark = [{"id": ENTITY.format(city.id), "type": "Mark", "of": of}]
    url = f"{many.url}/{city.id}/ngsi-ld/v1/entityOperations/upsert"
    status, found, _ = await many.ask("POST", url, OPERATOR, mark)
    assert status < 300, found
    body = {"title": f"The mark of {city.id}", "template": "members", "types": ["Mark"]}
    return str((await many.as_operator(city, "POST", "/datasets", body))["dataset"]["id"])


async def _trade(many: Many, city: Participant, provider: Participant, dataset: str) -> Json:
    """Let a city conclude a contract with another one and open its data; give all ids."""
    url = f"{provider.dsp_url}/catalog/datasets/{dataset}"
    _, found, _ = await many.ask("GET", url, await city.gate.authorization_for(provider.did))
    body = {
        "provider_did": provider.did,
        "dataset_id": dataset,
        "offer_id": found["hasPolicy"][0]["@id"],
    }
    negotiation = await many.as_operator(city, "POST", "/negotiations", body)

    async def final() -> bool:
        now = await city.exchange.negotiation(negotiation["id"])
        assert now.state != "TERMINATED", now.reason
        return now.state == "FINALIZED"

    await _until(final, "the contract")
    done = await city.exchange.negotiation(negotiation["id"])
    transfer = await city.exchange.request_transfer(str(done.agreement_id))

    async def started() -> bool:
        return (await city.exchange.transfer(transfer.id)).live

    await _until(started, "the transfer")
    flow = await city.exchange.transfer(transfer.id)
    address = await city.access.get(transfer.id)
    return {
        "negotiation": done.provider_pid,
        "agreement": done.agreement_id,
        "transfer": flow.provider_pid,
        "endpoint": address.endpoint,
        "token": address.authorization,
    }


async def _try(many: Many, mine: int, other: int, trades: list[Json], datasets: list[str]) -> None:
    """Let one city try what belongs to the trade of another pair, and another one's tokens."""
    city, victim = many.cities[mine], many.cities[other]
    token = await city.gate.authorization_for(victim.did)
    status, catalogue, _ = await many.ask(
        "POST",
        f"{victim.dsp_url}/catalog/request",
        token,
        {
            "@context": ["https://w3id.org/dspace/2025/1/context.jsonld"],
            "@type": "CatalogRequestMessage",
        },
    )
    assert status == 200, catalogue
    assert [item["@id"] for item in catalogue["dataset"]] == [datasets[other]]
    # The victim is the provider of its predecessor's trade: to anybody else it does not exist.
    trade = trades[other - 1]
    if (other - 1) % HUNDRED != mine:
        for kind in ("negotiation", "transfer"):
            token = await city.gate.authorization_for(victim.did)
            url = f"{victim.dsp_url}/{kind}s/{trade[kind]}"
            status, error, _ = await many.ask("GET", url, token)
            assert (status, error["code"]) == (404, "not_found"), (kind, error)
    # A token for one participant says nothing to another; neither does an access token.
    third = many.cities[(other + 1) % HUNDRED]
    if third is not city:
        token = await city.gate.authorization_for(victim.did)
        status, error, _ = await many.ask("GET", f"{third.dsp_url}/negotiations/x", token)
        assert (status, error["code"]) == (401, "token_audience"), error
    if other != (mine + 1) % HUNDRED:
        endpoint = trades[other - 1]["endpoint"]
        url = f"{endpoint}/entities?type=Mark"
        status, error, _ = await many.ask("GET", url, f"Bearer {trades[mine]['token']}")
        assert (status, error.get("code")) == (401, "token_unknown"), error


async def _all(folder: Path) -> None:
    async with running(folder) as many:
        await _join(many)
        cities = many.cities
        datasets = [await _publish(many, city) for city in cities]
        trades = await asyncio.gather(
            *(
                _trade(many, city, cities[(n + 1) % HUNDRED], datasets[(n + 1) % HUNDRED])
                for n, city in enumerate(cities)
            )
        )
        for n, trade in enumerate(trades):
            url = f"{trade['endpoint']}/entities?type=Mark"
            status, found, _ = await many.ask("GET", url, f"Bearer {trade['token']}")
            assert status == 200
            provider = cities[(n + 1) % HUNDRED].id
            assert [entity["id"] for entity in found] == [ENTITY.format(provider)]  # type: ignore[index]
        for mine in range(HUNDRED):
            await asyncio.gather(
                *(
                    _try(many, mine, other, list(trades), datasets)
                    for other in range(HUNDRED)
                    if other != mine
                )
            )
        await _kept_apart(many, trades)


async def _kept_apart(many: Many, trades: list[Json]) -> None:
    """Look into keys, storage and logs: nothing of one is at another."""
    keys = set()
    for n, city in enumerate(many.cities):
        document = await city.identity.document()
        keys |= {method["publicKeyJwk"]["x"] for method in document["verificationMethod"]}
        negotiations = await city.exchange.negotiations()
        before, after = many.cities[n - 1].did, many.cities[(n + 1) % HUNDRED].did
        assert {item.counterparty for item in negotiations} == {before, after}
        assert len(negotiations) == 2
        foreign = trades[(n + 3) % HUNDRED]["negotiation"]
        assert await city.exchange.messages(str(foreign)) == []
        near = {many.cities[(n + step) % HUNDRED].id for step in (-1, 0, 1)}
        events = [event.text for event in await city.journal.latest(limit=200)]
        told = set(re.findall(r"city-\d+", " ".join(events)))
        assert told <= near, told
    assert len(keys) >= HUNDRED


def test_a_hundred_participants_are_kept_apart(tmp_path: Path) -> None:
    asyncio.run(_all(tmp_path))
