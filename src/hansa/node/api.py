"""The management API, `/api/v1`: the same functions as the pages, as JSON.

Errors are RFC 9457 problem+json. A caller is the operator: by token (`Authorization: Bearer`), or
by the session of the pages, which then must send its request from the node's own origin.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from hansa.identity import Caller
from hansa.kernel import Code, HansaError
from hansa.kernel.problem import problems, read_body
from hansa.node.management import Management
from hansa.node.openapi import openapi_document
from hansa.node.uploads import read_source

_BODY_MAX = 1024 * 1024
Json = dict[str, Any]
Handler = Callable[[Caller, Request, Json], Awaitable[Any]]


def _text(body: Mapping[str, Any], field: str, *, required: bool = True, limit: int = 4000) -> str:
    value = body.get(field, "")
    if not isinstance(value, str):
        raise HansaError(Code.invalid_field, f"`{field}` must be a text.", field=field)
    if required and not value.strip():
        raise HansaError(
            Code.invalid_field, f"`{field}` is missing.", f"Give `{field}` as a text.", field=field
        )
    if len(value) > limit:
        raise HansaError(
            Code.invalid_field,
            f"`{field}` is too long.",
            f"At most {limit} characters.",
            field=field,
        )
    return value


def _known(body: Mapping[str, Any], *fields: str) -> None:
    for field in body:
        if field not in fields:
            raise HansaError(
                Code.unknown_field,
                f"`{field}` is not known here.",
                f"Known: {', '.join(fields) or 'no members'}.",
                field=field,
            )


class Api:
    """Routes of the management API over one node's `Management`."""

    def __init__(self, management: Management) -> None:
        self._m = management

    def routes(self) -> list[Route]:
        """Give all routes."""
        m = self._m

        def get(path: str, call: Callable[[Caller, Request], Awaitable[Any]]) -> Route:
            async def handler(caller: Caller, request: Request, _: Json) -> Any:
                return await call(caller, request)

            return self._route(path, "GET", handler)

        def post(path: str, call: Handler) -> Route:
            return self._route(path, "POST", call)

        p = "/participants/{p}"
        one = "/{id}"
        return [
            Route("/api/v1/openapi.json", problems(self._openapi), methods=["GET"]),
            get("/node", lambda c, _: m.node(c)),
            get("/templates", lambda c, _: m.templates(c)),
            post("/sign-in-links", self._sign_in_link),
            get(f"{p}/overview", lambda c, r: m.overview(c, _p(r))),
            get(f"{p}/members", lambda c, r: m.members(c, _p(r))),
            get(f"{p}/join-requests", lambda c, r: m.join_requests(c, _p(r))),
            post(f"{p}/join-requests/{{id}}/approve", self._approve),
            post(f"{p}/join-requests/{{id}}/refuse", self._refuse),
            post(f"{p}/members/{{id}}/suspend", self._suspend),
            post(f"{p}/members/{{id}}/reinstate", self._reinstate),
            post(f"{p}/join", self._join),
            get(f"{p}/events", lambda c, r: m.events(c, _p(r), after=r.query_params.get("after"))),
            Route(f"/api/v1{p}/events/stream", problems(self._stream), methods=["GET"]),
            get(f"{p}/datasets", lambda c, r: m.datasets(c, _p(r))),
            post(f"{p}/datasets", lambda c, r, b: m.publish_dataset(c, _p(r), b)),
            get(f"{p}/datasets{one}", lambda c, r: m.dataset(c, _p(r), _id(r))),
            get(f"{p}/catalogue", self._catalogue),
            post(f"{p}/sources", lambda c, r, b: m.add_source(c, _p(r), b)),
            Route(f"/api/v1{p}/publish", problems(self._publish), methods=["POST"]),
            Route(f"/api/v1{p}/publish/suggest", problems(self._suggest), methods=["POST"]),
            get(f"{p}/negotiations", lambda c, r: m.negotiations(c, _p(r))),
            post(f"{p}/negotiations", self._negotiate),
            get(f"{p}/negotiations{one}", lambda c, r: m.negotiation(c, _p(r), _id(r))),
            post(f"{p}/negotiations{one}/terminate", self._terminate_negotiation),
            get(f"{p}/agreements", lambda c, r: m.agreements(c, _p(r))),
            get(f"{p}/agreements{one}", lambda c, r: m.agreement(c, _p(r), _id(r))),
            post(f"{p}/agreements{one}/end", self._end_agreement),
            get(f"{p}/transfers", lambda c, r: m.transfers(c, _p(r))),
            post(f"{p}/transfers", self._request_transfer),
            get(f"{p}/transfers{one}", lambda c, r: m.transfer(c, _p(r), _id(r))),
            post(f"{p}/transfers{one}/terminate", self._terminate_transfer),
            get(f"{p}/transfers{one}/access", self._access),
            Route(f"/api/v1{p}/transfers/{{id}}/data/{{path:path}}", problems(self._data)),
            get(f"{p}/map/layers", lambda c, r: m.map_layers(c, _p(r))),
            Route(f"/api/v1{p}/map/layers/{{id}}/features", problems(self._features)),
            Route(f"/api/v1{p}/map/layers/{{id}}/history", problems(self._layer_history)),
        ]

    def _route(self, path: str, method: str, handler: Handler) -> Route:
        async def endpoint(request: Request) -> Response:
            caller = await self._m.authenticate(request)
            body: Json = {}
            if method == "POST":
                body = await _json_body(request)
            return _answer(await handler(caller, request, body))

        return Route(f"/api/v1{path}", problems(endpoint), methods=[method])

    async def _openapi(self, request: Request) -> Response:
        return _answer(openapi_document(str(request.base_url).rstrip("/")))

    async def _sign_in_link(self, caller: Caller, request: Request, body: Json) -> Json:
        _known(body)
        return await self._m.sign_in_link(caller)

    async def _approve(self, caller: Caller, request: Request, body: Json) -> Json:
        _known(body)
        return await self._m.approve_request(caller, _p(request), _id(request))

    async def _refuse(self, caller: Caller, request: Request, body: Json) -> Json:
        _known(body, "reason")
        reason = _text(body, "reason")
        return await self._m.refuse_request(caller, _p(request), _id(request), reason=reason)

    async def _suspend(self, caller: Caller, request: Request, body: Json) -> Json:
        _known(body, "reason")
        reason = _text(body, "reason")
        return await self._m.suspend_member(caller, _p(request), _id(request), reason=reason)

    async def _reinstate(self, caller: Caller, request: Request, body: Json) -> Json:
        _known(body)
        return await self._m.reinstate_member(caller, _p(request), _id(request))

    async def _join(self, caller: Caller, request: Request, body: Json) -> Json:
        _known(body, "authority_url", "message")
        return await self._m.join(
            caller,
            _p(request),
            authority_url=_text(body, "authority_url"),
            message=_text(body, "message", required=False),
        )

    async def _catalogue(self, caller: Caller, request: Request) -> Json:
        query = request.query_params
        return await self._m.catalogue(
            caller,
            _p(request),
            q=query.get("q", ""),
            publisher=query.get("publisher", ""),
            theme=query.get("theme", ""),
        )

    async def _negotiate(self, caller: Caller, request: Request, body: Json) -> Json:
        _known(body, "provider_did", "dataset_id", "offer_id")
        return await self._m.negotiate(
            caller,
            _p(request),
            provider_did=_text(body, "provider_did"),
            dataset_id=_text(body, "dataset_id"),
            offer_id=_text(body, "offer_id"),
        )

    async def _terminate_negotiation(self, caller: Caller, request: Request, body: Json) -> Json:
        _known(body, "reason")
        return await self._m.terminate_negotiation(
            caller, _p(request), _id(request), reason=_text(body, "reason")
        )

    async def _end_agreement(self, caller: Caller, request: Request, body: Json) -> Json:
        _known(body, "reason")
        return await self._m.end_agreement(
            caller, _p(request), _id(request), reason=_text(body, "reason")
        )

    async def _request_transfer(self, caller: Caller, request: Request, body: Json) -> Json:
        _known(body, "agreement_id", "format")
        if body.get("format", "HttpData-PULL") != "HttpData-PULL":
            raise HansaError(
                Code.invalid_field,
                "This format is not offered.",
                "Use HttpData-PULL.",
                field="format",
            )
        return await self._m.request_transfer(caller, _p(request), _text(body, "agreement_id"))

    async def _terminate_transfer(self, caller: Caller, request: Request, body: Json) -> Json:
        _known(body, "reason")
        return await self._m.terminate_transfer(
            caller, _p(request), _id(request), reason=_text(body, "reason")
        )

    async def _access(self, caller: Caller, request: Request) -> Json:
        access = await self._m.transfer_access(caller, _p(request), _id(request))
        if access is None:
            raise HansaError(
                Code.not_found,
                "This side holds no access of this transfer.",
                "Only the consumer of a running transfer does.",
            )
        return access

    async def _data(self, request: Request) -> Response:
        caller = await self._m.authenticate(request)
        answer = await self._m.fetch(
            caller,
            _p(request),
            _id(request),
            request.path_params["path"],
            request.url.query,
            request.headers,
        )
        # Another city's bytes under our own origin: no browser may take them for a page of ours.
        headers = {**answer.headers, **_FOREIGN}
        return Response(answer.body, answer.status, headers=headers)

    async def _features(self, request: Request) -> Response:
        caller = await self._m.authenticate(request)
        status, body = await self._m.layer_features(
            caller, _p(request), _id(request), at=request.query_params.get("at")
        )
        return Response(body, status, media_type="application/geo+json")

    async def _layer_history(self, request: Request) -> Response:
        caller = await self._m.authenticate(request)
        return _answer(
            await self._m.layer_history(
                caller, _p(request), _id(request), request.query_params.get("entity", "")
            )
        )

    async def _suggest(self, request: Request) -> Response:
        caller = await self._m.authenticate(request)
        async with read_source(request) as (upload, fields):
            _known(fields, *_PUBLISH_FIELDS)
            return _answer(
                await self._m.suggest(
                    caller,
                    _p(request),
                    upload,
                    mapping=fields.get("mapping"),
                    places=fields.get("places"),
                )
            )

    async def _publish(self, request: Request) -> Response:
        caller = await self._m.authenticate(request)
        async with read_source(request) as (upload, fields):
            _known(fields, *_PUBLISH_FIELDS)
            return _answer(
                await self._m.publish(
                    caller,
                    _p(request),
                    upload,
                    mapping=fields.get("mapping"),
                    title=_text(fields, "title"),
                    template=_text(fields, "template"),
                    parameters=fields.get("parameters") or {},
                    licence=_text(fields, "licence", required=False),
                    attribution=_text(fields, "attribution", required=False),
                    places=fields.get("places"),
                )
            )

    async def _stream(self, request: Request) -> Response:
        caller = await self._m.authenticate(request)
        follow = self._m.follow(caller, _p(request))

        async def lines() -> AsyncIterator[bytes]:
            yield b": connected\n\n"
            async for event in follow:
                if event is None:
                    yield b": still here\n\n"
                else:
                    data = msgspec.json.encode(event)
                    yield b"event: change\ndata: " + data + b"\n\n"

        return StreamingResponse(
            lines(), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )


_FOREIGN = {
    "content-disposition": "attachment",
    "content-security-policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
}
_PUBLISH_FIELDS = (
    "mapping",
    "places",
    "title",
    "template",
    "parameters",
    "licence",
    "attribution",
    "url",
)


def _p(request: Request) -> str:
    return str(request.path_params["p"])


def _id(request: Request) -> str:
    return str(request.path_params["id"])


async def _json_body(request: Request) -> Json:
    raw = await read_body(request, _BODY_MAX)
    if not raw:
        return {}
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("application/json", ""):
        raise HansaError(
            Code.unsupported_media_type,
            f"A body of type {kind} is not read here.",
            "Send application/json.",
        )
    try:
        body = msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        raise HansaError(Code.invalid_json, "The body is not JSON.", str(error)) from error
    if not isinstance(body, dict):
        raise HansaError(Code.invalid_json, "The body must be a JSON object.")
    return body


def _answer(body: Any) -> Response:
    return Response(msgspec.json.encode(body), media_type="application/json")
