"""Transfers: what flows, how to use it elsewhere, and how to stop it."""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import Response
from starlette.routing import Route

from hansa.kernel import HansaError
from hansa.web.http.endpoint import Pages, Visit, action, page
from hansa.web.http.trade import newest_first
from hansa.web.ports import Json


def routes(pages: Pages) -> list[Route]:
    """Give the routes of transfers."""
    return [
        page(pages, "/transfers", transfers),
        page(pages, "/transfers/{id}", transfer),
        action(pages, "/transfers/{id}/terminate", terminate),
    ]


async def transfers(visit: Visit) -> Response:
    """List the transfers."""
    found = await visit.source.transfers(visit.caller, visit.id)
    return visit.page("transfers.html", "transfers", items=newest_first(found["items"], "modified"))


async def _access(visit: Visit, transfer_id: str) -> Json | None:
    try:
        return await visit.source.transfer_access(visit.caller, visit.id, transfer_id)
    except HansaError:
        return None


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
    state = str(found["state"]).rsplit(":", 1)[-1].upper()
    stopped = ending or state in ("TERMINATED", "COMPLETED")
    consumer = found["role"] == "consumer"
    probe: Json | None = None
    probed = consumer and (bool(visit.query("probe")) or visit.query("done") == "transfer-stopped")
    if probed:
        try:
            probe = await visit.source.probe_transfer(visit.caller, visit.id, transfer_id)
        except HansaError as error:
            probe = {
                "status": error.status,
                "code": error.code.value,
                "title": error.title,
                "detail": error.detail,
                "entities": None,
                "ms": None,
                "at": None,
            }
    return visit.page(
        "transfer.html",
        "transfers",
        transfer=found,
        agreement=agreement,
        access=await _access(visit, transfer_id) if consumer and not stopped else None,
        stopped=stopped,
        probe=probe,
    )


async def terminate(visit: Visit) -> Response:
    """Stop a transfer; the page then shows the refusal that the next request gets."""
    reason = await visit.field("reason", required="The reason")
    await visit.source.terminate_transfer(visit.caller, visit.id, visit.param("id"), reason=reason)
    return visit.go(f"/transfers/{quote(visit.param('id'), safe='')}", done="transfer-stopped")
