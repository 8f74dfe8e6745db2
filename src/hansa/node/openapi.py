"""OpenAPI 3.1 description of the management API. A test compares it with the routes."""

from __future__ import annotations

from typing import Any

from hansa import __version__

Json = dict[str, Any]

_TEXT: Json = {"type": "string", "minLength": 1, "maxLength": 4000}
_OPTIONAL: Json = {"type": "string", "maxLength": 4000}
_OBJECT: Json = {"type": "object"}


def _body(required: tuple[str, ...] = (), **members: Json) -> Json:
    schema: Json = {"type": "object", "properties": members, "additionalProperties": False}
    if required:
        schema["required"] = list(required)
    return schema


_REASON = _body(("reason",), reason=_TEXT)
_NOTHING = _body()
_DATASET = _body(
    ("title", "template"),
    title=_TEXT,
    name=_OPTIONAL,
    description=_OPTIONAL,
    types={"type": "array", "items": _TEXT, "maxItems": 50},
    id_prefix=_OPTIONAL,
    attributes={"type": "array", "items": _OBJECT, "maxItems": 200},
    template=_TEXT,
    parameters=_OBJECT,
    licence=_OPTIONAL,
    attribution=_OPTIONAL,
    labels={"type": "array", "items": _TEXT, "maxItems": 20},
    bbox={"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4},
    temporal=_OBJECT,
    keywords={"type": "array", "items": _TEXT, "maxItems": 50},
)
_SOURCE = _body(
    ("kind", "half"),
    kind={"type": "string", "enum": ["delft-energy"]},
    half={"type": "string", "enum": ["delft-west", "delft-east"]},
)
_JOIN = _body(("authority_url",), authority_url=_TEXT, message=_OPTIONAL)
_NEGOTIATE = _body(
    ("provider_did", "dataset_id", "offer_id"),
    provider_did=_TEXT,
    dataset_id=_TEXT,
    offer_id=_TEXT,
)
_TRANSFER = _body(
    ("agreement_id",), agreement_id=_TEXT, format={"type": "string", "enum": ["HttpData-PULL"]}
)
_SUGGEST = _body(("url",), url=_TEXT, mapping={"type": ["object", "null"]})
_PUBLISH = _body(
    ("url", "title", "template"),
    url=_TEXT,
    mapping={"type": ["object", "null"]},
    title=_OPTIONAL,
    template=_OPTIONAL,
    parameters={"type": ["object", "null"]},
    licence=_OPTIONAL,
    attribution=_OPTIONAL,
)

_P = "/participants/{p}"
OPERATIONS: tuple[tuple[str, str, str, Json | None, tuple[str, ...]], ...] = (
    ("GET", "/openapi.json", "This description", None, ()),
    ("GET", "/node", "The node and its participants", None, ()),
    ("GET", "/templates", "Policy templates in plain words", None, ()),
    ("POST", "/sign-in-links", "Make a one-time sign-in link", _NOTHING, ()),
    ("GET", f"{_P}/overview", "State, counts, flows, membership", None, ()),
    ("GET", f"{_P}/members", "Members of the space", None, ()),
    ("GET", f"{_P}/join-requests", "Requests to join", None, ()),
    ("POST", f"{_P}/join-requests/{{id}}/approve", "Take a participant in", _NOTHING, ()),
    ("POST", f"{_P}/join-requests/{{id}}/refuse", "Turn a request down", _REASON, ()),
    ("POST", f"{_P}/members/{{id}}/suspend", "Suspend a member", _REASON, ()),
    ("POST", f"{_P}/members/{{id}}/reinstate", "End a suspension", _NOTHING, ()),
    ("POST", f"{_P}/join", "Ask an authority for membership", _JOIN, ()),
    ("GET", f"{_P}/events", "What happened, newest first", None, ("after",)),
    ("GET", f"{_P}/events/stream", "What happens, as server-sent events", None, ()),
    ("GET", f"{_P}/datasets", "Own datasets", None, ()),
    ("POST", f"{_P}/datasets", "Publish entities as a dataset with terms", _DATASET, ()),
    ("GET", f"{_P}/datasets/{{id}}", "One dataset", None, ()),
    ("GET", f"{_P}/catalogue", "Datasets of all members", None, ("q", "publisher", "theme")),
    ("POST", f"{_P}/sources", "Fill the broker from a built-in source", _SOURCE, ()),
    ("POST", f"{_P}/publish", "Publish a file or URL as a dataset", _PUBLISH, ()),
    ("POST", f"{_P}/publish/suggest", "Suggest a mapping for a source", _SUGGEST, ()),
    ("GET", f"{_P}/negotiations", "Contract negotiations", None, ()),
    ("POST", f"{_P}/negotiations", "Ask for a dataset under an offer", _NEGOTIATE, ()),
    ("GET", f"{_P}/negotiations/{{id}}", "One negotiation with its messages", None, ()),
    ("POST", f"{_P}/negotiations/{{id}}/terminate", "End a negotiation", _REASON, ()),
    ("GET", f"{_P}/agreements", "Agreements of both roles", None, ()),
    ("GET", f"{_P}/agreements/{{id}}", "One agreement, its use and what it cuts", None, ()),
    ("POST", f"{_P}/agreements/{{id}}/end", "End an agreement", _REASON, ()),
    ("GET", f"{_P}/transfers", "Transfers of both roles", None, ()),
    ("POST", f"{_P}/transfers", "Start a transfer", _TRANSFER, ()),
    ("GET", f"{_P}/transfers/{{id}}", "One transfer", None, ()),
    ("POST", f"{_P}/transfers/{{id}}/terminate", "End a transfer", _REASON, ()),
    ("GET", f"{_P}/transfers/{{id}}/access", "URL and token of a running transfer", None, ()),
    ("GET", f"{_P}/transfers/{{id}}/data/{{path}}", "Read through a transfer", None, ()),
    ("GET", f"{_P}/map/layers", "Layers of the map", None, ()),
    ("GET", f"{_P}/map/layers/{{id}}/features", "A layer as GeoJSON", None, ("at",)),
    ("GET", f"{_P}/map/layers/{{id}}/history", "An entity's history", None, ("entity",)),
)


def openapi_document(server: str) -> Json:
    """Give the description of `/api/v1` under the base URL `server`."""
    paths: Json = {}
    for method, path, summary, body, query in OPERATIONS:
        parameters = [
            {"name": name, "in": "path", "required": True, "schema": _TEXT}
            for name in ("p", "id", "path")
            if f"{{{name}}}" in path
        ]
        parameters += [{"name": name, "in": "query", "schema": _OPTIONAL} for name in query]
        operation: Json = {
            "summary": summary,
            "operationId": f"{method.lower()} {path}",
            "responses": {
                "2XX": {"description": "Done."},
                "4XX": {
                    "description": "Refused; `code`, `field` and `detail` say why.",
                    "content": {"application/problem+json": {"schema": _PROBLEM}},
                },
            },
        }
        if parameters:
            operation["parameters"] = parameters
        if body is not None:
            operation["requestBody"] = {"content": {"application/json": {"schema": body}}}
        paths.setdefault(f"/api/v1{path}", {})[method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Hansa management API", "version": __version__},
        "servers": [{"url": server}],
        "security": [{"operator": []}],
        "components": {"securitySchemes": {"operator": {"type": "http", "scheme": "bearer"}}},
        "paths": paths,
    }


_PROBLEM: Json = {
    "type": "object",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "field": {"type": "string"},
    },
}
