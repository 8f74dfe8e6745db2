"""Agreements: what was promised, what is used of it, and what happened under it."""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import Response
from starlette.routing import Route

from hansa.kernel import HansaError
from hansa.web import push_form, spans
from hansa.web.http.endpoint import Pages, Visit, action, page
from hansa.web.model import newest_first
from hansa.web.ports import Json


def routes(pages: Pages) -> list[Route]:
    """Give the routes of agreements."""
    return [
        page(pages, "/agreements", agreements),
        page(pages, "/agreements/{id}", agreement),
        action(pages, "/agreements/{id}/end", end),
        page(pages, "/agreements/{id}/transfer", choose),
        action(pages, "/agreements/{id}/transfer", transfer),
    ]


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
    """Show one agreement with its use and its course on one time axis."""
    told = await visit.source.timeline(visit.caller, visit.id, visit.param("id"))
    found = await visit.source.agreement(visit.caller, visit.id, visit.param("id"))
    items = spans.in_order(told["items"])
    running = any(t["state"] in ("REQUESTED", "STARTED", "SUSPENDED") for t in found["transfers"])
    return visit.page(
        "agreement.html",
        "agreements",
        agreement=found,
        items=items,
        course=spans.timeline(
            items,
            visit.pages.render.now(),
            over=found["state"] != "active" and not running,
        ),
        formats={t["id"]: push_form.way_of(t["format"]).title for t in found["transfers"]},
    )


async def end(visit: Visit) -> Response:
    """End an agreement and with it its transfers."""
    reason = await visit.field("reason", required="The reason")
    await visit.source.end_agreement(visit.caller, visit.id, visit.param("id"), reason=reason)
    return visit.go(f"/agreements/{quote(visit.param('id'), safe='')}", done="agreement-ended")


async def _choices(visit: Visit, problem: HansaError | None, given: Json) -> Response:
    found = await visit.source.agreement(visit.caller, visit.id, visit.param("id"))
    ways = [push_form.way_of(name) for name in found.get("formats") or ("HttpData-PULL",)]
    return visit.page(
        "transfer_start.html",
        "agreements",
        status=problem.status if problem is not None else 200,
        agreement=found,
        ways=ways,
        command_of=push_form.command,
        problem=problem,
        given=given,
    )


async def choose(visit: Visit) -> Response:
    """Show the ways in which the data can be had."""
    return await _choices(visit, None, {})


async def transfer(visit: Visit) -> Response:
    """Ask for a transfer in the chosen way; a problem is shown on the form, without secrets."""
    given = {name: value for name, value in (await visit.form()).items() if isinstance(value, str)}
    try:
        chosen = given.get("format") or "HttpData-PULL"
        address = push_form.address(chosen, given)
        made = await visit.source.request_transfer(
            visit.caller, visit.id, visit.param("id"), format=chosen, data_address=address
        )
    except HansaError as error:
        if error.status == 404:
            raise
        return await _choices(visit, error, push_form.without_secrets(given))
    return visit.go(f"/transfers/{quote(str(made['id']), safe='')}", done="transfer-asked")
