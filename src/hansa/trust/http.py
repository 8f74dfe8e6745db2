"""Routes of trust: what an authority answers, and what a member takes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hansa.kernel import Code, HansaError
from hansa.kernel.problem import problems, read_body
from hansa.trust import wire_bitstring_1_0 as bitstring
from hansa.trust import wire_join_1 as wire
from hansa.trust.authority import Authority
from hansa.trust.membership import MembershipClient

_PAGE_MAX = 1_000

AuthorityLookup = Callable[[str], Authority]
"""Gives the authority of a participant; HansaError not_found for one that is none."""
MemberLookup = Callable[[str], MembershipClient]
"""Gives the membership of a participant; HansaError not_found for one that is not here."""


def authority_routes(lookup: AuthorityLookup) -> list[Route]:
    """Give the authority's routes under `/{participant}/trust`."""

    def authority(request: Request) -> Authority:
        return lookup(request.path_params["participant"])

    async def ask(request: Request) -> Response:
        here = authority(request)
        caller = await here.identity.authenticate(request.headers, membership=False)
        body = wire.read(await read_body(request, wire.BODY_BYTES_MAX), wire.RequestBody)
        found = await here.request(caller, body)
        answer = wire.RequestAnswer(id=found.id, state=found.state.value, reason=found.reason)
        return _json(answer, status=202)

    async def state(request: Request) -> Response:
        here = authority(request)
        caller = await here.identity.authenticate(request.headers, membership=False)
        return _json(await here.answer(caller, request.path_params["id"]))

    async def members(request: Request) -> Response:
        here = authority(request)
        await here.identity.authenticate(request.headers)
        after, limit = request.query_params.get("after"), _limit(request)
        items = await here.directory(after, limit)
        following = None
        if len(items) == limit:
            query = urlencode({"after": items[-1].did, "limit": limit})
            following = f"{request.url.path}?{query}"
        return _json(wire.DirectoryPage(items=tuple(items), next=following))

    async def status(request: Request) -> Response:
        jwt = await authority(request).status_list(request.path_params["list"])
        etag = f'"{hashlib.sha256(jwt.encode()).hexdigest()[:32]}"'
        headers = {
            "ETag": etag,
            "Cache-Control": "no-cache",
            "Access-Control-Allow-Origin": "*",
        }
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(jwt, media_type="application/vc+jwt", headers=headers)

    base = "/{participant}/trust"
    return [
        Route(f"{base}/requests", problems(ask), methods=["POST"]),
        Route(f"{base}/requests/{{id}}", problems(state), methods=["GET"]),
        Route(f"{base}/members", problems(members), methods=["GET"]),
        Route(f"{base}/status/{{list}}", problems(status), methods=["GET"]),
    ]


def member_routes(lookup: MemberLookup) -> list[Route]:
    """Give the member's routes under `/{participant}/trust`."""

    async def credentials(request: Request) -> Response:
        here = lookup(request.path_params["participant"])
        caller = await here.identity.authenticate(request.headers, membership=False)
        body = await read_body(request, wire.BODY_BYTES_MAX)
        await here.receive(caller, wire.read(body, wire.Delivery))
        return Response(status_code=204)

    async def pushed(request: Request) -> Response:
        here = lookup(request.path_params["participant"])
        await here.status.receive(await read_body(request, bitstring.TOKEN_BYTES_MAX))
        return Response(status_code=204)

    base = "/{participant}/trust"
    return [
        Route(f"{base}/credentials", problems(credentials), methods=["POST"]),
        Route(f"{base}/status", problems(pushed), methods=["POST"]),
    ]


def _json(body: msgspec.Struct, status: int = 200) -> Response:
    return Response(
        msgspec.json.encode(body),
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", str(_PAGE_MAX))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= _PAGE_MAX):
        raise HansaError(
            Code.invalid_field,
            "The limit is not valid.",
            f"Give a number from 1 to {_PAGE_MAX}.",
            field="limit",
        )
    return int(text)
