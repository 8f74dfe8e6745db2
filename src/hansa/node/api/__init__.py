"""The management API, `/api/v1`: the same functions as the pages, as JSON.

Errors are RFC 9457 problem+json. A caller is the operator: by token (`Authorization: Bearer`), or
by the session of the pages, which then must send its request from the node's own origin.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hansa.kernel.problem import problems
from hansa.node.api import data, events, flows, scripts, space, trade
from hansa.node.api.operation import Call, Operation, answer, read_json
from hansa.node.management import Management
from hansa.node.openapi import openapi_document

__all__ = ["OPERATIONS", "Api", "Operation"]

OPERATIONS: tuple[Operation, ...] = (
    *space.OPERATIONS,
    *events.OPERATIONS,
    *data.OPERATIONS,
    *trade.NEGOTIATIONS,
    *trade.AGREEMENTS,
    *flows.OPERATIONS,
    *scripts.OPERATIONS,
)


class Api:
    """Routes of the management API over one node's `Management`."""

    def __init__(self, management: Management) -> None:
        self._m = management

    def routes(self) -> list[Route]:
        """Give all routes, those of trade first: they are tried in order, and it is called most."""
        described = Route("/api/v1/openapi.json", problems(self._openapi), methods=["GET"])
        ordered = sorted(OPERATIONS, key=lambda operation: operation not in trade.NEGOTIATIONS)
        return [described, *(self._route(operation) for operation in ordered)]

    def _route(self, operation: Operation) -> Route:
        async def endpoint(request: Request) -> Response:
            caller = await self._m.authenticate(request)
            body = None
            if operation.body is not None and not operation.raw:
                body = await read_json(request, operation.body)
            call = Call(request, caller, body)
            key = request.headers.get("idempotency-key") if operation.once else None
            if key is not None:
                return await self._once(operation, call, key)
            found = await operation.call(self._m, call)
            return found if isinstance(found, Response) else _answer(request, found)

        path = operation.path.replace("{path}", "{path:path}")
        return Route(f"/api/v1{path}", problems(endpoint), methods=[operation.method])

    async def _once(self, operation: Operation, call: Call, key: str) -> Response:
        async def work() -> bytes:
            return msgspec.json.encode(await operation.call(self._m, call))

        asked = call.request.url.path.encode() + b"\n" + msgspec.json.encode(call.body)
        done = await self._m.once(call.caller, call.p, key, asked, work)
        return Response(done, media_type="application/json")

    async def _openapi(self, request: Request) -> Response:
        return answer(openapi_document(str(request.base_url).rstrip("/"), OPERATIONS))


def _answer(request: Request, found: Any) -> Response:
    """Give an answer; a page of a list links to the one that follows (RFC 8288)."""
    cursor = found.get("next") if isinstance(found, dict) and "items" in found else None
    if not isinstance(cursor, str):
        return answer(found)
    query = [(k, v) for k, v in request.query_params.multi_items() if k != "after"]
    following = f"{request.url.path}?{urlencode([*query, ('after', cursor)])}"
    return answer(found, headers={"Link": f'<{following}>; rel="next"'})
