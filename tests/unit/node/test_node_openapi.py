"""The description of the management API is what the node does: routes, bodies, answers."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from starlette.routing import Route

from hansa.node.api import OPERATIONS, Api
from hansa.node.openapi import openapi_document
from node_world import World

EAST, WEST = "/participants/east", "/participants/west"
_RAW = ("/stream", "/publish", "/publish/suggest", "/upload", "/file", "/data/{path}", "/features")


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


def test_every_answer_has_a_schema_or_a_reason() -> None:
    plain = {o.path for o in OPERATIONS if o.answer is None and not o.path.endswith(_RAW)}
    assert plain <= _UNTYPED


_UNTYPED = {
    f"{prefix}{path}"
    for prefix, paths in {
        "": ("/node", "/templates", "/sign-in-links"),
        "/participants/{p}": (
            *("/overview", "/members", "/join-requests", "/join", "/sources"),
            *("/join-requests/{id}/approve", "/join-requests/{id}/refuse"),
            *("/members/{id}/suspend", "/members/{id}/reinstate"),
            *("/map/layers", "/map/layers/{id}/history"),
        ),
    }.items()
    for path in paths
}


class Described:
    """Calls that check each answer against the schema that the node itself gives for it."""

    def __init__(self, world: World, document: Any) -> None:
        self.world = world
        self.document = document
        self.seen: set[tuple[str, str]] = set()

    async def __call__(
        self, method: str, template: str, body: Any = None, query: str = "", **parts: str
    ) -> Any:
        path = template.format(**parts)
        found = await self.world.done(method, f"{path}{query}", body)
        name = "/api/v1" + template.replace("/participants/east", "/participants/{{p}}").replace(
            "/participants/west", "/participants/{{p}}"
        ).replace("{{p}}", "{p}")
        operation = self.document["paths"][name][method.lower()]
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        whole = {**schema, "components": self.document["components"]}
        jsonschema.validate(found, whole, format_checker=jsonschema.FormatChecker())
        self.seen.add((method, name))
        return found


@pytest.fixture
async def call(world: World) -> Described:
    _, document, _ = await world.api("GET", "/openapi.json")
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
