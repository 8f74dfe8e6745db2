"""Answer a GET or HEAD for the bytes of a dataset: parts, conditions, digests; files and upstreams.

RFC 9110 13 (conditions) and 14 (ranges), RFC 9530 (digests), RFC 6266 (file name).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from starlette.types import Receive, Send

from hansa.dataplane.answering import Headers, Right, send_blocks, send_whole
from hansa.dataplane.ports import Client
from hansa.dataplane.ranges import (
    Span,
    Unsatisfiable,
    condition,
    content_range,
    digest_header,
    etag_of,
    multipart,
    wanted_spans,
)
from hansa.dataplane.resources import (
    BLOCK_BYTES,
    Block,
    FileResource,
    OpenFile,
    Resource,
    UpstreamResource,
    opened,
)
from hansa.kernel import Code, HansaError

UPSTREAM_IDLE_S = 60.0
_ASKED = frozenset(
    {"range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since"}
)
_TOLD = frozenset(
    {"content-type", "content-length", "content-range", "content-encoding", "etag"}
    | {"last-modified", "accept-ranges", "repr-digest", "content-digest"}
)
_RELAYED = frozenset({200, 206, 304, 412, 416})
_BODILESS = frozenset({304, 416})


async def answer(
    resource: Resource,
    method: str,
    asked: Mapping[str, str],
    client: Client,
    right: Right,
    receive: Receive,
    send: Send,
) -> None:
    """Answer a GET or HEAD; `asked` are the request's headers by lower-case name.

    HansaError unavailable, precondition_failed, invalid_request (416) or outbound_* before the
    first byte; afterwards an answer can only be broken off.
    """
    if isinstance(resource, UpstreamResource):
        await _relay(resource, method, asked, client, right, receive, send)
    else:
        await _file(resource, method, asked, right, receive, send)


def _described(resource: Resource) -> Headers:
    """Give the headers that belong to the content whatever part of it is asked for."""
    plain = resource.name.encode("ascii", "replace").decode()
    safe = "".join("_" if letter in '"\\?' else letter for letter in plain)
    name = f"attachment; filename=\"{safe}\"; filename*=UTF-8''{quote(resource.name, safe='')}"
    headers = [
        (b"content-disposition", name.encode()),
        (b"cache-control", b"private, no-store"),
    ]
    if resource.digest is not None:
        headers.append((b"repr-digest", digest_header(resource.digest).encode()))
    return headers


async def _file(
    resource: FileResource,
    method: str,
    asked: Mapping[str, str],
    right: Right,
    receive: Receive,
    send: Send,
) -> None:
    etag, size = etag_of(resource.digest), resource.size
    headers = _described(resource)
    headers += [(b"etag", etag.encode()), (b"accept-ranges", b"bytes")]
    status = condition(asked, etag, method)
    if status == 412:
        raise HansaError(
            Code.precondition_failed,
            "The content is not the one that you name.",
            f"Its entity tag is {etag}.",
        )
    async with opened(resource) as file:
        if status == 304:
            await send_whole(send, right, 304, headers, b"")
            return
        try:
            spans = wanted_spans(asked, etag, size) if method == "GET" else None
        except Unsatisfiable:
            raise HansaError(
                Code.invalid_request,
                "No part that you ask for is in the content.",
                f"It has {size} bytes.",
                status=416,
                content_range=f"bytes */{size}",
            ) from None
        media = _latin(resource.media_type)
        if method == "HEAD":
            headers += [(b"content-type", media), (b"content-length", b"%d" % size)]
            await send_whole(send, right, 200, headers, b"")
        elif spans is not None and len(spans) > 1:
            await _parts(file, resource, spans, headers, right, receive, send)
        else:
            span = Span(0, size) if spans is None else spans[0]
            headers += [(b"content-type", media), (b"content-length", b"%d" % span.size)]
            if spans is not None:
                headers.append((b"content-range", content_range(span, size).encode()))
            else:
                headers.append((b"content-digest", digest_header(resource.digest).encode()))
            await _span(file, span, 200 if spans is None else 206, headers, right, receive, send)


async def _span(
    file: OpenFile,
    span: Span,
    status: int,
    headers: Headers,
    right: Right,
    receive: Receive,
    send: Send,
) -> None:
    if span.size <= BLOCK_BYTES:
        body = b"".join([block async for block in file.blocks(span)])
        if status == 206:
            value = digest_header(sha256(body).hexdigest())
            headers.append((b"content-digest", value.encode()))
        await send_whole(send, right, status, headers, body)
        return
    async with aclosing(file.blocks(span)) as blocks:
        await send_blocks(receive, send, right, status, headers, blocks)


async def _parts(
    file: OpenFile,
    resource: FileResource,
    spans: Sequence[Span],
    headers: Headers,
    right: Right,
    receive: Receive,
    send: Send,
) -> None:
    """Send several parts (RFC 9110 14.6); no content can hold its own digest as boundary."""
    boundary = resource.digest[:48]
    heads, end, length = multipart(
        spans, size=resource.size, media_type=resource.media_type, boundary=boundary
    )
    headers += [
        (b"content-type", f"multipart/byteranges; boundary={boundary}".encode()),
        (b"content-length", b"%d" % length),
    ]

    async def body() -> AsyncGenerator[Block, None]:
        for head, span in zip(heads, spans, strict=True):
            yield head
            async with aclosing(file.blocks(span)) as blocks:
                async for block in blocks:
                    yield block
        yield end

    async with aclosing(body()) as blocks:
        await send_blocks(receive, send, right, 206, headers, blocks)


async def _relay(
    resource: UpstreamResource,
    method: str,
    asked: Mapping[str, str],
    client: Client,
    right: Right,
    receive: Receive,
    send: Send,
) -> None:
    """Pass an upstream's answer on as it comes; its credentials stay here, its errors are ours."""
    sent = {name: asked[name] for name in _ASKED if name in asked}
    sent |= {**resource.headers, "Accept-Encoding": "identity"}
    async with client.stream(
        method, resource.url, headers=sent, idle_s=UPSTREAM_IDLE_S
    ) as response:
        status = int(response.status)
        if status not in _RELAYED:
            raise _refused_upstream(status)
        if status == 412:
            raise HansaError(Code.precondition_failed, "The content is not the one that you name.")
        headers, told = _described(resource), _told(response.headers)
        if "repr-digest" in told:
            headers = [pair for pair in headers if pair[0] != b"repr-digest"]
        told.setdefault("content-type", resource.media_type)
        headers += [(name.encode(), _latin(value)) for name, value in told.items()]
        if method == "HEAD" or status in _BODILESS:
            if status in _BODILESS:
                headers = [pair for pair in headers if pair[0] != b"content-length"]
            await send_whole(send, right, status, headers, b"")
            return
        await send_blocks(receive, send, right, status, headers, response.content.iter_any())


def _told(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items() if name.lower() in _TOLD}


def _refused_upstream(status: int) -> HansaError:
    """Say that the upstream did not give the bytes; never what it said: that is our own matter."""
    facts: dict[str, Any] = {"permanent": True} if status in (401, 403, 404, 410) else {}
    return HansaError(
        Code.outbound_failed,
        "The provider could not get the bytes from where they come from.",
        f"Its source answered {status}. Try again later, or ask the provider.",
        **facts,
    )


def _latin(text: str) -> bytes:
    return text.encode("latin-1", "replace")
