"""Routes of the Dataspace Protocol 2025-1 catalogue (sections 4.3 and 6) of many participants."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hansa.catalogue.filtering import Wanted, read_bbox, read_filters, wanted_of
from hansa.catalogue.model import Page
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
from hansa.kernel.jsonld import DSP_CONTEXT_URL, is_plain, to_dsp_compact
from hansa.kernel.problem import error_headers, read_body, wall

BODY_BYTES_MAX = 64 * 1024
_PAGE_SIZE = 50
_PACKED_FROM_BYTES = 4_096
_PARAMETERS = frozenset({"q", "theme", "type", "publisher", "bbox", "limit", "cursor"})


class Served(msgspec.Struct, frozen=True):
    """One participant as these routes need it. `dsp_url` is its base URL, without slash."""

    catalogue: Catalogue
    identity: Authenticator
    dsp_url: str


Resolve = Callable[[Request], Awaitable[Served]]
"""From a request to the participant named in its path; HansaError not_found when there is none."""


def _json(
    body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    return Response(
        msgspec.json.encode(body),
        status_code=status,
        media_type="application/json",
        headers=headers,
    )


def _refusal(error: HansaError) -> Response:
    """Answer with a CatalogError (DSP 2025-1 6)."""
    return _json(catalog_error(error), error.status, error_headers(error))


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


async def _message_filter(request: Request) -> Wanted:
    """Check the CatalogRequestMessage and read its filter (DSP 2025-1 5.2)."""
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
    if not is_plain(message):
        message = await asyncio.to_thread(to_dsp_compact, message)
    if message.get("@type") != "CatalogRequestMessage":
        raise HansaError(
            Code.invalid_field,
            "The message is no CatalogRequestMessage.",
            "Set `@type` to CatalogRequestMessage.",
            field="@type",
        )
    return read_filters(message.get("filter"))


class _Asked(msgspec.Struct, frozen=True):
    """What the query parameters say; `repeated` are those that every link carries again."""

    wanted: Wanted
    limit: int | None
    cursor: str | None
    repeated: dict[str, str]


def _parameters(request: Request) -> _Asked:
    given = request.query_params
    for name in given:
        if name not in _PARAMETERS:
            raise HansaError(
                Code.unknown_field,
                "The query parameter is not known.",
                f"Known are {', '.join(sorted(_PARAMETERS))}.",
                field=name[:100],
            )
    text = given.get("limit")
    if text is not None and not (text.isascii() and text.isdigit() and len(text) < 6):
        raise HansaError(
            Code.invalid_field, "The limit is no number.", f"1 to {PAGE_MAX}.", field="limit"
        )
    bbox = given.get("bbox")
    wanted = wanted_of(
        given.get("q", ""),
        publisher=given.get("publisher"),
        type=given.get("type"),
        theme=given.get("theme"),
        bbox=None if bbox is None else read_bbox(bbox.split(","), "bbox"),
    )
    repeated = {name: given[name] for name in given if name not in ("cursor", "limit")}
    limit = None if text is None else int(text)
    return _Asked(wanted, limit, given.get("cursor"), repeated)


def _links(url: str, asked: _Asked, limit: int, page: Page) -> dict[str, str]:
    """Give the `Link` header (DSP 2025-1 5.3.1: rel `next` and `previous`).

    A link is to be POSTed to with the same message; its parameters are ours.
    """
    links = [
        f'<{url}?{urlencode({**asked.repeated, "limit": limit, "cursor": cursor})}>; rel="{rel}"'
        for rel, cursor in (("next", page.next), ("previous", page.previous))
        if cursor is not None
    ]
    return {"Link": ", ".join(links)} if links else {}


def _packed(request: Request, body: bytes, headers: dict[str, str]) -> Response:
    """Answer with JSON, packed when it is long and the other side takes it so."""
    accepted = request.headers.get("accept-encoding", "")
    headers["Vary"] = "Accept-Encoding"
    if len(body) > _PACKED_FROM_BYTES and "gzip" in accepted.lower().replace("gzip;q=0,", ""):
        body = gzip.compress(body, compresslevel=1, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(body, media_type="application/json", headers=headers)


def routes(prefix: str, resolve: Resolve) -> list[Route]:
    """Give the routes under `prefix`, the path of one participant (`/{participant}`)."""

    async def version(request: Request) -> Response:
        await resolve(request)
        return _json(version_document(), headers={"Cache-Control": "max-age=60"})

    async def catalog(request: Request) -> Response:
        served = await resolve(request)
        caller = await _caller(request, served)
        asked = _parameters(request)
        wanted = asked.wanted & await _message_filter(request)
        limit = asked.limit
        if limit is None:
            limit = min(wanted.limit or _PAGE_SIZE, PAGE_MAX)
        page = await served.catalogue.find(wanted, caller, cursor=asked.cursor, limit=limit)
        document = catalog_document(
            page.items,
            did=served.catalogue.did,
            title=served.catalogue.name,
            dsp_url=served.dsp_url,
        )
        headers = _links(f"{served.dsp_url}/catalog/request", asked, limit, page)
        return _packed(request, msgspec.json.encode(document), headers)

    async def dataset(request: Request) -> Response:
        served = await resolve(request)
        caller = await _caller(request, served)
        found = await served.catalogue.get(request.path_params["dataset_id"], caller)
        return _json(dataset_document(found, did=served.catalogue.did, dsp_url=served.dsp_url))

    base, guarded = f"{prefix}/dsp/2025-1/catalog", wall(_refusal)
    return [
        Route(f"{prefix}/.well-known/dspace-version", guarded(version), methods=["GET"]),
        Route(f"{base}/request", guarded(catalog), methods=["POST"]),
        Route(f"{base}/datasets/{{dataset_id:path}}", guarded(dataset), methods=["GET"]),
    ]
