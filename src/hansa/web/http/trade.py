"""Negotiations and agreements: what was offered, what was promised, what is used?"""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import Response
from starlette.routing import Route

from hansa.web.http.endpoint import Pages, Visit, action, page
from hansa.web.ports import Json


def routes(pages: Pages) -> list[Route]:
    """Give the routes of negotiations and agreements."""
    return [
        page(pages, "/negotiations", negotiations),
        page(pages, "/negotiations/{id}", negotiation),
        action(pages, "/negotiations/{id}/terminate", terminate),
        page(pages, "/agreements", agreements),
        page(pages, "/agreements/{id}", agreement),
        action(pages, "/agreements/{id}/end", end),
        action(pages, "/agreements/{id}/transfer", transfer),
    ]


def newest_first(items: list[Json], key: str) -> list[Json]:
    """Sort by a time, newest first."""
    return sorted(items, key=lambda item: str(item.get(key) or ""), reverse=True)


async def negotiations(visit: Visit) -> Response:
    """List the negotiations."""
    found = await visit.source.negotiations(visit.caller, visit.id)
    return visit.page(
        "negotiations.html", "negotiations", items=newest_first(found["items"], "modified")
    )


async def negotiation(visit: Visit) -> Response:
    """Show the slip, both sides' messages, and what can be done now."""
    found = await visit.source.negotiation(visit.caller, visit.id, visit.param("id"))
    state = str(found["state"]).rsplit(":", 1)[-1].upper()
    return visit.page(
        "negotiation.html",
        "negotiations",
        negotiation=found,
        over=state in ("FINALIZED", "TERMINATED"),
    )


async def terminate(visit: Visit) -> Response:
    """End a negotiation."""
    reason = await visit.field("reason", required="The reason")
    await visit.source.terminate_negotiation(
        visit.caller, visit.id, visit.param("id"), reason=reason
    )
    path = f"/negotiations/{quote(visit.param('id'), safe='')}"
    return visit.go(path, done="negotiation-ended")


async def agreements(visit: Visit) -> Response:
    """Show the slips with live use; those in force first."""
    found = newest_first(
        (await visit.source.agreements(visit.caller, visit.id))["items"], "signed_at"
    )
    return visit.page(
        "agreements.html",
        "agreements",
        active=[a for a in found if a["state"] == "active"],
        ended=[a for a in found if a["state"] != "active"],
    )


async def agreement(visit: Visit) -> Response:
    """Show one agreement with its transfers and use."""
    found = await visit.source.agreement(visit.caller, visit.id, visit.param("id"))
    return visit.page("agreement.html", "agreements", agreement=found)


async def end(visit: Visit) -> Response:
    """End an agreement and with it its transfers."""
    reason = await visit.field("reason", required="The reason")
    await visit.source.end_agreement(visit.caller, visit.id, visit.param("id"), reason=reason)
    return visit.go(f"/agreements/{quote(visit.param('id'), safe='')}", done="agreement-ended")


async def transfer(visit: Visit) -> Response:
    """Start a transfer under an agreement."""
    made = await visit.source.request_transfer(visit.caller, visit.id, visit.param("id"))
    return visit.go(f"/transfers/{quote(str(made['id']), safe='')}", done="transfer-asked")
