"""The description of the management API is what the node does: routes, bodies, answers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import jsonschema
import pytest
from starlette.routing import Route

from hansa.node.api import OPERATIONS, Api
from hansa.node.openapi import openapi_document
from node_world import World

EAST, WEST = "/participants/east", "/participants/west"


async def test_every_route_is_described_and_every_description_has_a_route(world: World) -> None:
    api = Api(world.management)
    routes = {
        (method, route.path.replace("{path:path}", "{path}"))
        for route in api.routes()
        if isinstance(route, Route)
        for method in (route.methods or ())
        if method != "HEAD"
    }
    paths = openapi_document("http://localhost", OPERATIONS)["paths"]
    described = {(method.upper(), path) for path, found in paths.items() for method in found}
    assert routes == described


def test_no_two_operations_are_the_same() -> None:
    names = [(operation.method, operation.path) for operation in OPERATIONS]
    assert len(names) == len(set(names))


def test_every_json_answer_has_a_schema() -> None:
    plain = {o.path for o in OPERATIONS if o.answer is None}
    assert {path.rpartition("/")[2] for path in plain} == {"stream", "file", "{path}", "features"}


class Described:
    """Calls that check each answer against the schema that the node itself gives for it."""

    def __init__(self, world: World, document: Any) -> None:
        self.world = world
        self.document = document

    async def __call__(
        self, method: str, template: str, body: Any = None, query: str = "", **parts: str
    ) -> Any:
        path = template.format(**parts)
        found = await self.world.done(method, f"{path}{query}", body)
        name = "/api/v1" + re.sub(r"/participants/\w+", "/participants/{p}", template)
        operation = self.document["paths"][name][method.lower()]
        fits(self.document, operation, found)
        return found


def fits(document: Any, operation: Any, found: Any) -> None:
    """Check an answer against the schema of its operation."""
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema, "no schema"
    whole = {**schema, "components": document["components"]}
    jsonschema.validate(found, whole, format_checker=jsonschema.FormatChecker())


@pytest.fixture
async def document(world: World) -> Any:
    return (await world.api("GET", "/openapi.json"))[1]


@pytest.fixture
async def call(world: World, document: Any) -> Described:
    return Described(world, document)


async def test_the_answers_of_a_trade_fit_their_schemas(world: World, call: Described) -> None:
    dataset = await world.publish()
    final = await world.agree(dataset)
    transfer = await world.flow(final["agreement_id"])
    ids = {"id": final["agreement_id"]}
    await call("GET", f"{EAST}/negotiations")
    await call("GET", f"{EAST}/negotiations/{{id}}", id=final["id"])
    draft = {"template": "members"}
    await call("POST", f"{EAST}/negotiations/{{id}}/draft", draft, id=final["id"])
    await call("POST", f"{EAST}/negotiations/{{id}}/replay", id=final["id"])
    await call("GET", f"{EAST}/agreements")
    for side in (EAST, WEST):
        await call("GET", f"{side}/agreements/{{id}}", **ids)
        await call("GET", f"{side}/transfers")
    await call("GET", f"{EAST}/transfers/{{id}}", id=transfer["id"])
    await call("GET", f"{EAST}/transfers/{{id}}/access", id=transfer["id"])
    reason = {"reason": "Enough."}
    await call("POST", f"{EAST}/transfers/{{id}}/suspend", reason, id=transfer["id"])
    await call("POST", f"{EAST}/agreements/{{id}}/end", reason, **ids)
    await call("GET", f"{EAST}/agreements/{{id}}/timeline", **ids)
    await call("GET", f"{EAST}/approvals")
    await call("GET", f"{EAST}/events")
    await call("GET", f"{EAST}/datasets/{{id}}", id=dataset["id"])
    await call("GET", f"{WEST}/datasets")
    await call("GET", f"{EAST}/catalogue")
    change = {"title": "Other marks", "template": "purpose", "parameters": {"purpose": "care"}}
    changed = await call("PATCH", f"{WEST}/datasets/{{id}}", change, id=dataset["id"])
    assert changed["title"] == "Other marks"
    assert "care" in changed["offers"][0]["terms"]["purpose"]
    await call("DELETE", f"{WEST}/datasets/{{id}}", id=dataset["id"])
    assert (await world.done("GET", f"{WEST}/datasets"))["items"] == []


async def test_the_answers_about_the_space_fit_their_schemas(world: World, call: Described) -> None:
    await world.flow((await world.agree(await world.publish()))["agreement_id"])
    authority = "/participants/authority"
    for path in (
        "/node",
        "/templates",
        f"{EAST}/overview",
        f"{EAST}/members",
        f"{EAST}/map/layers",
    ):
        await call("GET", path)
    await call("POST", "/sign-in-links")
    for path in (f"{authority}/members", f"{authority}/join-requests", f"{authority}/overview"):
        await call("GET", path)
    reason, east = {"reason": "A test."}, world.east.did
    await call("POST", f"{authority}/members/{{id}}/suspend", reason, id=quote(east, safe=""))
    await call("POST", f"{authority}/members/{{id}}/reinstate", id=quote(east, safe=""))
    await call("POST", f"{EAST}/join", {"authority_url": f"{world.url}/authority"})


async def test_publishing_fits_its_schemas(world: World, document: Any, tmp_path: Path) -> None:
    table = b"station,lat,lon,date,no2\nA,52.0,4.3,2026-01-01T00:00:00Z,20\n"
    for path, more in (
        ("/publish/suggest", {}),
        ("/publish", {"title": "Air", "template": "members"}),
    ):
        form = aiohttp.FormData()
        form.add_field("file", table, filename="air.csv")
        for name, value in more.items():
            form.add_field(name, value)
        headers = {"Authorization": f"Bearer {world.token}"}
        url = f"{world.url}/api/v1{WEST}{path}"
        async with world.http.post(url, data=form, headers=headers) as answer:
            found = await answer.json()
            assert answer.status == 200, found
        operation = document["paths"][f"/api/v1/participants/{{p}}{path}"]["post"]
        fits(document, operation, found)


async def test_scripts_webhooks_and_terms_fit_their_schemas(call: Described) -> None:
    steps = {"steps": [{"on": "REQUESTED", "do": "wait", "role": "provider"}]}
    await call("PUT", f"{WEST}/scripts/{{id}}", steps, id="urn:x")
    await call("GET", f"{WEST}/scripts")
    await call("GET", f"{WEST}/scripts/{{id}}", id="urn:x")
    await call("DELETE", f"{WEST}/scripts/{{id}}", id="urn:x")
    hook = await call("POST", f"{WEST}/webhooks", {"url": "http://localhost:1/"})
    await call("GET", f"{WEST}/webhooks")
    tested = await call("POST", f"{WEST}/webhooks/{{id}}/test", id=hook["id"])
    assert tested["ok"] is False
    await call("DELETE", f"{WEST}/webhooks/{{id}}", id=hook["id"])
    await call("POST", f"{WEST}/terms", {"template": "purpose", "parameters": {"purpose": "x"}})


def test_the_description_is_json_and_names_no_secret() -> None:
    text = json.dumps(openapi_document("http://localhost", OPERATIONS))
    assert "sealed" not in text
    for operation in OPERATIONS:
        assert operation.summary[0].isupper()
        assert not operation.summary.endswith(".")
