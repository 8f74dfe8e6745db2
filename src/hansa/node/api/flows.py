"""Operations about transfers and the data behind them."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from hansa.client import Access, Page, Transfer
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
    get(f"{_T}/{{id}}/access", "URL and token of a running transfer", _access, Access),
    get(
        f"{_T}/{{id}}/data/{{path}}",
        "Read through a transfer",
        _data,
        None,
        raw=True,
        media="*/*",
    ),
)
