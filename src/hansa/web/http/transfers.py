"""Transfers: what flows, how to use it elsewhere, and how to stop it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import quote

from starlette.responses import Response
from starlette.routing import Route

from hansa.kernel import HansaError
from hansa.web import moves, push_form
from hansa.web.http.endpoint import Pages, Visit, action, page
from hansa.web.model import newest_first
from hansa.web.ports import Json, PageSource

Call = Callable[..., Awaitable[Json]]
_PLAIN: dict[str, Callable[[PageSource], Call]] = {
    "start": lambda source: source.start_transfer,
    "resume": lambda source: source.resume_transfer,
    "complete": lambda source: source.complete_transfer,
    "retry": lambda source: source.retry_transfer,
    "adopt": lambda source: source.adopt_transfer,
    "forget": lambda source: source.forget_transfer,
}


def routes(pages: Pages) -> list[Route]:
    """Give the routes of transfers."""
    return [
        page(pages, "/transfers", transfers),
        page(pages, "/transfers/{id}", transfer),
        action(pages, "/transfers/{id}/suspend", suspend),
        action(pages, "/transfers/{id}/terminate", terminate),
        *(action(pages, f"/transfers/{{id}}/{key}", move(key)) for key in _PLAIN),
    ]


def path_of(transfer_id: str) -> str:
    """Give the page of a transfer, below the participant."""
    return f"/transfers/{quote(transfer_id, safe='')}"


async def transfers(visit: Visit) -> Response:
    """List the transfers."""
    found = await visit.source.transfers(visit.caller, visit.id)
    return visit.page("transfers.html", "transfers", items=newest_first(found["items"], "modified"))


async def _access(visit: Visit, transfer_id: str) -> Json | None:
    try:
        return await visit.source.transfer_access(visit.caller, visit.id, transfer_id)
    except HansaError:
        return None


async def _probe(visit: Visit, transfer_id: str) -> Json | None:
    try:
        return await visit.source.probe_transfer(visit.caller, visit.id, transfer_id)
    except HansaError as error:
        return {
            "status": error.status,
            "code": error.code.value,
            "title": error.title,
            "detail": error.detail,
            "entities": None,
            "ms": None,
            "at": None,
        }


async def _download(visit: Visit, found: Json, access: Json | None) -> Json | None:
    """Give where the bytes of a transfer can be had here: those that came, or those there are."""
    if found["role"] != "consumer":
        return None
    file = await visit.source.received(visit.caller, visit.id, found["id"])
    if file is not None:
        here = f"/api/v1/participants/{quote(visit.id, safe='')}"
        return {
            "url": f"{here}/transfers/{quote(found['id'], safe='')}/file",
            "name": file[1],
            "size_bytes": (found.get("progress") or {}).get("bytes"),
            "media_type": file[2],
        }
    return (access or {}).get("download")


async def transfer(visit: Visit) -> Response:
    """Show what flows; with `?probe=1` ask the provider now and show its answer."""
    transfer_id = visit.param("id")
    found = await visit.source.transfer(visit.caller, visit.id, transfer_id)
    agreement: Json | None = None
    try:
        agreement = await visit.source.agreement(visit.caller, visit.id, found["agreement_id"])
    except HansaError:
        agreement = None
    ending = str(found.get("pending") or "").startswith(("TransferTermination", "TransferCompl"))
    stopped = ending or moves.over(found)
    way = push_form.way_of(found["format"])
    pulled = found["format"].upper().endswith("-PULL")
    fetched = pulled and found["role"] == "consumer"
    asked = bool(visit.query("probe")) or visit.query("done") == "transfer-stopped"
    access = await _access(visit, transfer_id) if fetched and not stopped else None
    messages = found.get("messages") or []
    return visit.page(
        "transfer.html",
        "transfers",
        transfer=found,
        agreement=agreement,
        access=access,
        download=await _download(visit, found, access),
        stopped=stopped,
        probe=await _probe(visit, transfer_id) if fetched and asked else None,
        fetched=fetched,
        pulled=pulled,
        way=way,
        messages=messages,
        stops=moves.track("transfer", found, messages),
        moves=moves.transfer_moves(found),
    )


def move(key: str) -> Callable[[Visit], Awaitable[Response]]:
    """Give the handler of a move that asks nothing."""

    async def handler(visit: Visit) -> Response:
        await _PLAIN[key](visit.source)(visit.caller, visit.id, visit.param("id"))
        return visit.go(path_of(visit.param("id")), done=key)

    return handler


async def suspend(visit: Visit) -> Response:
    """Pause a transfer, with a reason."""
    reason = await visit.field("reason", required="The reason")
    await visit.source.suspend_transfer(visit.caller, visit.id, visit.param("id"), reason=reason)
    return visit.go(path_of(visit.param("id")), done="suspend")


async def terminate(visit: Visit) -> Response:
    """Stop a transfer; the page then shows the refusal that the next request gets."""
    reason = await visit.field("reason", required="The reason")
    await visit.source.terminate_transfer(visit.caller, visit.id, visit.param("id"), reason=reason)
    return visit.go(path_of(visit.param("id")), done="transfer-stopped")
