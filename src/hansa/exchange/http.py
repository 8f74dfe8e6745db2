"""The protocol's paths for negotiations and transfers, provider and consumer callback alike.

Order: who calls (401 before anything is read or looked up), then the body, then the process.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from hansa.exchange.errors import (
    NEGOTIATION_ERROR,
    TRANSFER_ERROR,
    error_response,
    not_found,
    unexpected,
)
from hansa.exchange.model import (
    ContractNegotiation,
    Process,
    TransferProcess,
    TransferProgress,
)
from hansa.exchange.service import Exchange, Lookup, owned
from hansa.exchange.wire_dsp_2025_1 import (
    Inbound,
    decode,
    process_body,
    progress_member,
    read_document,
)
from hansa.kernel import Code, HansaError
from hansa.kernel.problem import read_body

PREFIX = "/{participant}/dsp/2025-1"
_MEDIA_TYPES = ("application/json", "application/ld+json")

Opening = Callable[[Exchange, str, Inbound], Awaitable[Process]]
_OPENINGS: dict[tuple[str, str], tuple[str, Opening]] = {
    ("negotiations", "request"): ("ContractRequestMessage", Exchange.receive_request),
    ("negotiations", "offers"): ("ContractOfferMessage", Exchange.receive_offer),
    ("transfers", "request"): ("TransferRequestMessage", Exchange.receive_transfer_request),
}
_LATER: dict[tuple[str, str], str] = {
    ("negotiations", "request"): "ContractRequestMessage",
    ("negotiations", "offers"): "ContractOfferMessage",
    ("negotiations", "events"): "ContractNegotiationEventMessage",
    ("negotiations", "agreement"): "ContractAgreementMessage",
    ("negotiations", "agreement/verification"): "ContractAgreementVerificationMessage",
    ("negotiations", "termination"): "ContractNegotiationTerminationMessage",
    ("transfers", "start"): "TransferStartMessage",
    ("transfers", "suspension"): "TransferSuspensionMessage",
    ("transfers", "completion"): "TransferCompletionMessage",
    ("transfers", "termination"): "TransferTerminationMessage",
}


def routes(lookup: Lookup) -> list[Route]:
    """Give the routes; `lookup` gives the exchange of the participant in the path, or None.

    A doubled slash finds the same path: who keeps a callback address with a slash at its end, and
    puts the path behind it (EDC), means us.
    """
    return [
        Route(f"{PREFIX}{slash}{room}/{{rest:path}}", _Endpoint(room, lookup))
        for slash in ("/", "//")
        for room in ("negotiations", "transfers")
    ]


class _Endpoint:
    """All paths of one half of the protocol; every error is the protocol's error object."""

    def __init__(self, room: str, lookup: Lookup) -> None:
        self._room = room
        self._lookup = lookup
        self._error = NEGOTIATION_ERROR if room == "negotiations" else TRANSFER_ERROR
        self._kind: Any = ContractNegotiation if room == "negotiations" else TransferProcess

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except HansaError as error:
            response = error_response(error, self._error)
        except Exception as error:  # noqa: BLE001 - the outermost wall of the protocol
            response = error_response(unexpected(error), self._error)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        exchange = self._lookup(request.path_params["participant"])
        if exchange is None:
            raise not_found("participant")
        caller = await exchange.ports.identity.authenticate(request.headers)
        first, _, tail = request.path_params["rest"].strip("/").partition("/")
        opening = _OPENINGS.get((self._room, first)) if not tail else None
        if opening is not None:
            _allow(request, "POST")
            wire_type, take = opening
            process = await take(exchange, caller.did, await _read(request, exchange, wire_type))
            return _process_response(process, 201)
        if not tail:
            _allow(request, "GET")
            kind = self._kind
            found = await exchange.store.read(lambda tx: owned(tx, kind, first, caller.did))
            return _process_response(found, 200, await exchange.own_progress(found))
        later = _LATER.get((self._room, tail))
        if later is None:
            raise not_found("path")
        _allow(request, "POST")
        return await self._take(exchange, caller.did, first, request, later)

    async def _take(
        self, exchange: Exchange, caller: str, pid: str, request: Request, wire_type: str
    ) -> Response:
        kind = self._kind
        found = await exchange.store.read(lambda tx: owned(tx, kind, pid, caller))
        inbound = await _read(request, exchange, wire_type)
        process: Process
        if self._room == "negotiations":
            process = await exchange.receive_negotiation_message(caller, pid, inbound, found)
        else:
            process = await exchange.receive_transfer_message(caller, pid, inbound, found)
        return _process_response(process, 200)


def _allow(request: Request, method: str) -> None:
    if request.method != method:
        raise HansaError(
            Code.method_not_allowed, f"This path takes {method}, not {request.method}."
        )


async def _read(request: Request, exchange: Exchange, wire_type: str) -> Inbound:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _MEDIA_TYPES:
        raise HansaError(
            Code.unsupported_media_type,
            "The body must be JSON.",
            "Send `Content-Type: application/json`.",
        )
    body = await read_body(request, exchange.limits.body_bytes_max)
    return decode(await read_document(body), wire_type)


def _process_response(
    process: Process, status: int, progress: TransferProgress | None = None
) -> Response:
    return Response(
        msgspec.json.encode({**process_body(process), **progress_member(progress)}),
        status_code=status,
        media_type="application/json",
    )
