"""OpenAPI 3.1 description of the management API, made of the operations and their types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from hansa import __version__

if TYPE_CHECKING:
    from hansa.node.api.operation import Operation

Json = dict[str, Any]
_REF = "#/components/schemas/{name}"
_TEXT: Json = {"type": "string", "minLength": 1, "maxLength": 4000}
_OPTIONAL: Json = {"type": "string", "maxLength": 4000}
_NUMBERS = {
    "limit": {"type": "integer", "minimum": 1, "maximum": 200},
    "timeout_s": {"type": "number", "minimum": 0, "maximum": 60},
}
_LAST_SEEN = {
    "name": "Last-Event-ID",
    "in": "header",
    "schema": _OPTIONAL,
    "description": "Begin with what happened after this event.",
}
_ONCE = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "maxLength": 255},
    "description": "Of two requests with the same key the second gets the answer of the first.",
}


class Problem(msgspec.Struct, frozen=True):
    """A refusal (RFC 9457): `code` for programs, `title` and `detail` for people, `next` step."""

    type: str
    title: str
    status: int
    code: str
    detail: str = ""
    field: str = ""
    next: str = ""


def openapi_document(server: str, operations: Sequence[Operation]) -> Json:
    """Give the description of `/api/v1` under the base URL `server`."""
    types: list[Any] = [Problem]
    types += [o.body for o in operations if o.body is not None]
    types += [o.answer for o in operations if o.answer is not None]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    known = {_key(kind): schema for kind, schema in zip(types, schemas, strict=True)}
    paths: Json = {
        "/api/v1/openapi.json": {
            "get": {
                "summary": "This description",
                "operationId": "GET /openapi.json",
                "responses": {"200": {"description": "OpenAPI 3.1."}},
            }
        }
    }
    for operation in operations:
        described = _operation(operation, known)
        paths.setdefault(f"/api/v1{operation.path}", {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {"title": "Hansa management API", "version": __version__},
        "servers": [{"url": server}],
        "security": [{"operator": []}],
        "components": {
            "securitySchemes": {"operator": {"type": "http", "scheme": "bearer"}},
            "schemas": components,
        },
        "paths": paths,
    }


def _key(kind: Any) -> str:
    return repr(kind)


def _operation(operation: Operation, known: Json) -> Json:
    parameters: list[Json] = [
        {"name": name, "in": "path", "required": True, "schema": _TEXT}
        for name in ("p", "id", "path")
        if f"{{{name}}}" in operation.path
    ]
    parameters += [
        {"name": name, "in": "query", "schema": _NUMBERS.get(name, _OPTIONAL)}
        for name in operation.query
    ]
    if operation.path.endswith("/stream"):
        parameters.append(_LAST_SEEN)
    if operation.once:
        parameters.append(_ONCE)
    content: Json = {operation.media: {"schema": known.get(_key(operation.answer), {})}}
    described: Json = {
        "summary": operation.summary,
        "operationId": f"{operation.method} {operation.path}",
        "responses": {
            "200": {"description": "Done.", "content": content},
            "4XX": {
                "description": "Refused; `code`, `field`, `detail` and `next` say why.",
                "content": {"application/problem+json": {"schema": known[_key(Problem)]}},
            },
        },
    }
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        schema = known[_key(operation.body)]
        described["requestBody"] = {
            "required": bool(operation.body.__struct_fields__)
            and any(field.required for field in msgspec.structs.fields(operation.body)),
            "content": {"application/json": {"schema": schema}},
        }
    return described
