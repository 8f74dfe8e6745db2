"""Operations about transfers and the data behind them."""

from __future__ import annotations

import base64
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import quote

import msgspec
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from hansa.client import Access, Page, Transfer
from hansa.dataplane import StreamedAnswer
from hansa.kernel import Code, HansaError
from hansa.node.api import bodies
from hansa.node.api.operation import Call, Operation, P, get, post
from hansa.node.api.trade import LIST, WAIT, waiting
from hansa.node.management import Management

_FOREIGN = {
    "content-disposition": "attachment",
    "content-security-policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
}


async def _request(m: Management, c: Call) -> Any:
    body: bodies.RequestTransfer = c.body
    address = msgspec.to_builtins(body.data_address) if body.data_address is not None else None
    return await m.request_transfer(
        *c.at,
        body.agreement_id,
        format=body.format,
        data_address=address,
        counterparty_url=body.counterparty_url,
    )


async def _suspend(m: Management, c: Call) -> Any:
    return await m.suspend_transfer(*c.one, reason=c.body.reason)


async def _terminate(m: Management, c: Call) -> Any:
    return await m.terminate_transfer(*c.one, reason=c.body.reason)


async def _access(m: Management, c: Call) -> Any:
    access = await m.transfer_access(*c.one)
    if access is None:
        raise HansaError(
            Code.not_found,
            "This side holds no access of this transfer.",
            "Only the consumer of a running transfer does.",
        )
    return access


async def _data(m: Management, c: Call) -> Response:
    request = c.request
    found = await m.fetch(*c.one, request.path_params["path"], request.url.query, request.headers)
    # Another city's bytes under our own origin: no browser may take them for a page of ours.
    return Response(found.body, found.status, headers={**found.headers, **_FOREIGN})


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """What was deleted: the number of entities, and whether a file was."""

    id: str
    entities: int
    file: bool


class _Passing(StreamingResponse):
    """Pass an answer on, and close it whatever becomes of the one who reads it."""

    def __init__(self, found: StreamedAnswer, name: str, opened: AsyncExitStack) -> None:
        headers = {**found.headers, **_FOREIGN, **_named(name)}
        super().__init__(found.parts, found.status, headers=headers)
        self._opened = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        async with self._opened:
            await super().__call__(scope, receive, send)


async def _file(m: Management, c: Call) -> Response:
    """Give the bytes of a transfer: the file that came whole, else what the provider gives now."""
    kept = await m.received(*c.one)
    if kept is not None:
        path, name, media_type, digest = kept
        headers = {**_FOREIGN, **_named(name), "repr-digest": _digest(digest)}
        return FileResponse(path, media_type=media_type, headers=headers)
    async with AsyncExitStack() as stack:
        found, name = await stack.enter_async_context(m.passing(*c.one, c.request.headers))
        return _Passing(found, name, stack.pop_all())


def _named(name: str) -> dict[str, str]:
    return {"content-disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}


def _digest(digest: str) -> str:
    raw = bytes.fromhex(digest)
    return f"sha-256=:{base64.b64encode(raw).decode()}:"


_T = f"{P}/transfers"
OPERATIONS: tuple[Operation, ...] = (
    get(
        _T,
        "Transfers of both roles, newest first",
        lambda m, c: m.transfers(
            *c.at, **c.page("state", "role", "counterparty", "dataset", "agreement")
        ),
        Page[Transfer],
        *(*LIST, "agreement"),
    ),
    post(
        _T,
        "Ask for the data of an agreement, to be fetched or to be sent",
        _request,
        Transfer,
        bodies.RequestTransfer,
        once=True,
    ),
    get(
        f"{_T}/{{id}}",
        "One transfer with its messages and progress; waits for a state or a change if asked",
        lambda m, c: m.transfer(*c.one, **waiting(c)),
        Transfer,
        *WAIT,
    ),
    post(
        f"{_T}/{{id}}/start",
        "Start a transfer that waits for the operator, as provider",
        lambda m, c: m.start_transfer(*c.one),
        Transfer,
    ),
    post(
        f"{_T}/{{id}}/retry",
        "Send the message that is on its way now",
        lambda m, c: m.retry_transfer(*c.one),
        Transfer,
    ),
    post(
        f"{_T}/{{id}}/adopt",
        "Take over the state that the counterparty shows, when both sides disagree",
        lambda m, c: m.adopt_transfer(*c.one),
        Transfer,
    ),
    post(f"{_T}/{{id}}/suspend", "Pause a transfer", _suspend, Transfer, bodies.Reason),
    post(
        f"{_T}/{{id}}/resume",
        "Go on with a transfer that this side paused",
        lambda m, c: m.resume_transfer(*c.one),
        Transfer,
    ),
    post(
        f"{_T}/{{id}}/complete",
        "Say that all data have been moved",
        lambda m, c: m.complete_transfer(*c.one),
        Transfer,
    ),
    post(f"{_T}/{{id}}/terminate", "End a transfer", _terminate, Transfer, bodies.Reason),
    post(
        f"{_T}/{{id}}/forget",
        "Delete the data that a transfer brought here, once it is over",
        lambda m, c: m.forget_transfer(*c.one),
        Forgotten,
    ),
    get(f"{_T}/{{id}}/access", "URL and token of a running transfer", _access, Access),
    get(
        f"{_T}/{{id}}/data/{{path}}",
        "Read through a transfer",
        _data,
        None,
        raw=True,
        media="*/*",
    ),
    post(
        f"{_T}/{{id}}/download",
        "Fetch all bytes of a transfer to this node, or go on",
        lambda m, c: m.download(*c.one),
        Transfer,
    ),
    get(
        f"{_T}/{{id}}/file",
        "The bytes of a transfer: what came whole, else what the provider gives now",
        _file,
        None,
        raw=True,
        media="*/*",
    ),
)
