"""Routes of the Dataspace Protocol 2025-1 catalogue (sections 4.3 and 6) of many participants."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hansa.catalogue.ports import Authenticator
from hansa.catalogue.service import PAGE_MAX, Catalogue
from hansa.catalogue.wire_dsp_2025_1 import (
    catalog_document,
    catalog_error,
    dataset_document,
    version_document,
)
from hansa.identity import Caller
from hansa.kernel import Code, HansaError
from hansa.kernel.jsonld import DSP_CONTEXT_URL, to_dsp_compact
from hansa.kernel.problem import read_body, unexpected

BODY_BYTES_MAX = 64 * 1024
_PAGE_SIZE = 50
_PARAMETERS = frozenset({"q", "limit", "cursor"})


class Served(msgspec.Struct, frozen=True):
    """One participant as these routes need it. `dsp_url` is its base URL, without slash."""

    catalogue: Catalogue
    identity: Authenticator
    dsp_url: str


Resolve = Callable[[Request], Awaitable[Served]]
"""From a request to the participant named in its path; HansaError not_found when there is none."""
Endpoint = Callable[[Request], Awaitable[Response]]


def _json(
    body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    return Response(
        msgspec.json.encode(body),
        status_code=status,
        media_type="application/json",
        headers=headers,
    )


def _guarded(endpoint: Endpoint) -> Endpoint:
    """Turn what an endpoint raises into a CatalogError."""

    @wraps(endpoint)
    async def guarded(request: Request) -> Response:
        try:
            return await endpoint(request)
        except HansaError as error:
            return _refusal(error)
        except Exception as error:  # noqa: BLE001 - the outermost wall of the protocol
            return _refusal(unexpected(error))

    return guarded


def _refusal(error: HansaError) -> Response:
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
    return _json(catalog_error(error), error.status, headers)


async def _caller(request: Request, served: Served) -> Caller:
    return await served.identity.authenticate(request.headers)


def _check_media_type(request: Request) -> None:
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip()
    if media_type.lower() != "application/json":
        raise HansaError(
            Code.unsupported_media_type,
            "A catalogue request is JSON.",
            "Send it as application/json.",
            field="Content-Type",
        )


async def _check_message(request: Request) -> None:
    """Check the CatalogRequestMessage; a filter is refused as the protocol asks (DSP 6.2)."""
    _check_media_type(request)
    body = await read_body(request, BODY_BYTES_MAX)
    try:
        message = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HansaError(Code.invalid_json, "The body is not JSON.", status=400) from error
    if not isinstance(message, dict):
        raise HansaError(Code.invalid_request, "The body is no CatalogRequestMessage object.")
    if "@context" not in message:
        raise HansaError(
            Code.invalid_field,
            "The message has no JSON-LD context, so its members mean nothing.",
            f"Add `@context`: [{DSP_CONTEXT_URL!r}].",
            field="@context",
        )
    message = await asyncio.to_thread(to_dsp_compact, message)
    if message.get("@type") != "CatalogRequestMessage":
        raise HansaError(
            Code.invalid_field,
            "The message is no CatalogRequestMessage.",
            "Set `@type` to CatalogRequestMessage.",
            field="@type",
        )
    wanted = message.get("filter")
    if wanted is not None and not isinstance(wanted, list):
        raise HansaError(Code.invalid_field, "A filter is a list.", field="filter")
    if wanted:
        raise HansaError(
            Code.invalid_field,
            "No filter is supported here.",
            "Leave it out; search by words with the query parameter `q`.",
            field="filter",
        )


def _parameters(request: Request) -> tuple[str, int, str | None]:
    for name in request.query_params:
        if name not in _PARAMETERS:
            raise HansaError(
                Code.unknown_field,
                "The query parameter is not known.",
                f"Known are {', '.join(sorted(_PARAMETERS))}.",
                field=name[:100],
            )
    text = request.query_params.get("limit", str(_PAGE_SIZE))
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise HansaError(
            Code.invalid_field, "The limit is no number.", f"1 to {PAGE_MAX}.", field="limit"
        )
    return request.query_params.get("q", ""), int(text), request.query_params.get("cursor")


def _links(url: str, query: str, limit: int, **cursors: str | None) -> dict[str, str]:
    """Give the `Link` header (DSP 2025-1 6.2: rel `next` and `previous`)."""
    links: list[str] = []
    for rel, cursor in cursors.items():
        if cursor is not None:
            parameters: dict[str, str | int] = {"limit": limit, "cursor": cursor}
            if query:
                parameters["q"] = query
            links.append(f'<{url}?{urlencode(parameters)}>; rel="{rel}"')
    return {"Link": ", ".join(links)} if links else {}


def routes(prefix: str, resolve: Resolve) -> list[Route]:
    """Give the routes under `prefix`, the path of one participant (`/{participant}`)."""

    async def version(request: Request) -> Response:
        await resolve(request)
        return _json(version_document(), headers={"Cache-Control": "max-age=60"})

    async def catalog(request: Request) -> Response:
        served = await resolve(request)
        caller = await _caller(request, served)
        query, limit, cursor = _parameters(request)
        await _check_message(request)
        page = await served.catalogue.search(query, caller, cursor=cursor, limit=limit)
        document = catalog_document(
            page.items,
            did=served.catalogue.did,
            title=served.catalogue.name,
            dsp_url=served.dsp_url,
        )
        url = f"{served.dsp_url}/catalog/request"
        return _json(
            document, headers=_links(url, query, limit, next=page.next, previous=page.previous)
        )

    async def dataset(request: Request) -> Response:
        served = await resolve(request)
        caller = await _caller(request, served)
        found = await served.catalogue.get(request.path_params["dataset_id"], caller)
        return _json(dataset_document(found, did=served.catalogue.did, dsp_url=served.dsp_url))

    base = f"{prefix}/dsp/2025-1/catalog"
    return [
        Route(f"{prefix}/.well-known/dspace-version", _guarded(version), methods=["GET"]),
        Route(f"{base}/request", _guarded(catalog), methods=["POST"]),
        Route(f"{base}/datasets/{{dataset_id:path}}", _guarded(dataset), methods=["GET"]),
    ]
