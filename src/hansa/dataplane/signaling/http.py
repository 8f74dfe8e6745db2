"""The paths of Data Plane Signaling 1.0, both APIs under one base: `/{p}/dps/1.0-rc3`.

Order: who calls (401 before anything is read or looked up), then the body, then the flow.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hansa.dataplane.signaling import wire_dps_1_0_rc3 as wire
from hansa.dataplane.signaling.model import Peer, PeerKind
from hansa.dataplane.signaling.peers import REGISTRATION
from hansa.dataplane.signaling.service import Signaling
from hansa.kernel import Code, HansaError
from hansa.kernel.problem import problems, read_body

SIGNALING_PATH = f"dps/{wire.VERSION}"
_NOTICES = frozenset({"started", "suspend", "resume", "completed", "terminate"})
_CALLBACKS = frozenset({"prepared", "started", "completed", "errored"})
_REGISTRIES = {
    "dataplanes": (PeerKind.data_plane, "dataplaneId"),
    "controlplanes": (PeerKind.control_plane, "controlplaneId"),
}
Lookup = Callable[[str], Signaling]
OperatorCheck = Callable[[Request], Awaitable[None]]


def signaling_routes(lookup: Lookup, operator: OperatorCheck) -> list[Route]:
    """Give the routes; `operator` raises HansaError 401 unless the node's operator calls."""

    async def answer(request: Request) -> Response:
        signaling = lookup(request.path_params["participant"])
        rest = request.path_params["rest"].strip("/")
        first, _, tail = rest.partition("/")
        if first in _REGISTRIES:
            return await _registry(signaling, request, operator, first, tail)
        if first == "transfers":
            return await _transfers(signaling, request, tail)
        return await _dataflows(signaling, request, rest)

    methods = ["GET", "POST", "PUT", "DELETE"]
    return [
        Route(f"/{{participant}}/{SIGNALING_PATH}/{{rest:path}}", problems(answer), methods=methods)
    ]


async def _dataflows(signaling: Signaling, request: Request, rest: str) -> Response:
    """Serve the data plane API; EDC's depth (without `dataflows`, or twice) is taken too."""
    peer = await signaling.peers.authenticate(request.headers, PeerKind.control_plane)
    while rest.startswith("dataflows/"):
        rest = rest.removeprefix("dataflows/")
    flow_id, _, verb = rest.rpartition("/")
    serving = signaling.serving
    if request.method == "GET" and flow_id and verb == "status":
        answer = await serving.status(peer, flow_id)
    elif request.method != "POST":
        raise _not_here(request)
    elif rest == "prepare":
        answer = await serving.prepare(peer, await _document(request))
    elif rest == "start":
        answer = await serving.start(peer, await _document(request))
    elif flow_id and verb in _NOTICES:
        answer = await serving.notify(peer, flow_id, verb, await _document(request))
    else:
        raise _not_here(request)
    headers = {} if answer.location is None else {"Location": answer.location}
    return _json(answer.body or {}, answer.status, headers)


async def _transfers(signaling: Signaling, request: Request, tail: str) -> Response:
    """Serve the control plane API to a foreign data plane."""
    peer = await signaling.peers.authenticate(request.headers, PeerKind.data_plane)
    before, _, verb = tail.rpartition("/")
    process_id, _, middle = before.rpartition("/")
    if verb == "agreement" and before and request.method == "GET":
        return _json(await signaling.agreement_for(peer, before))
    if middle == "dataflow" and verb in _CALLBACKS and process_id and request.method == "POST":
        await signaling.foreign.take(peer, process_id, verb, await _document(request))
        return _json({})
    raise _not_here(request)


async def _registry(
    signaling: Signaling, request: Request, operator: OperatorCheck, name: str, peer_id: str
) -> Response:
    """Register or remove a plane: by the operator, or by the plane itself once it is known."""
    kind, member = _REGISTRIES[name]
    if request.method == "GET" and not peer_id:
        await operator(request)
        return _json({name: await signaling.registered(kind)})
    caller = await _known_or_operator(signaling, request, operator, kind)
    if request.method == "PUT" and not peer_id:
        given = wire.read_registration(await _document(request), member)
        _check_self(caller, given.id)
        await signaling.register(kind, given)
        return _json({})
    if request.method == "DELETE" and peer_id:
        _check_self(caller, peer_id)
        if not await signaling.remove(kind, peer_id):
            raise HansaError(Code.not_found, "No plane with this id is registered.")
        return Response(status_code=204)
    raise _not_here(request)


async def _known_or_operator(
    signaling: Signaling, request: Request, operator: OperatorCheck, kind: PeerKind
) -> Peer | None:
    try:
        return await signaling.peers.authenticate(request.headers, kind, REGISTRATION)
    except HansaError:
        await operator(request)
        return None


def _check_self(caller: Peer | None, peer_id: str) -> None:
    if caller is not None and caller.id != peer_id:
        raise HansaError(Code.forbidden, "A plane may change its own registration only.")


async def _document(request: Request) -> dict[str, Any]:
    return wire.read_document(await read_body(request, wire.BODY_BYTES_MAX))


def _not_here(request: Request) -> HansaError:
    return HansaError(
        Code.not_found, f"There is nothing at {request.method} {request.url.path[:200]}."
    )


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(
        msgspec.json.encode(body), status, media_type="application/json", headers=headers
    )
