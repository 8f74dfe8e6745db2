"""Members: who is in, who asks, who is out; and a city's own membership."""

from __future__ import annotations

import asyncio

from starlette.responses import Response
from starlette.routing import Route

from hansa.web.http.endpoint import Pages, Visit, action, page


def routes(pages: Pages) -> list[Route]:
    """Give the routes of the members page and its forms."""
    return [
        page(pages, "/members", members),
        action(pages, "/members/approve", approve),
        action(pages, "/members/refuse", refuse),
        action(pages, "/members/suspend", suspend),
        action(pages, "/members/reinstate", reinstate),
        action(pages, "/members/join", join),
    ]


async def members(visit: Visit) -> Response:
    """Show requests and members to the authority, the own membership to a city."""
    if not visit.is_authority:
        overview = await visit.source.overview(visit.caller, visit.id)
        return visit.page("membership.html", "members", overview=overview)
    people, requests = await asyncio.gather(
        visit.source.members(visit.caller, visit.id),
        visit.source.join_requests(visit.caller, visit.id),
    )
    items = sorted(requests["items"], key=lambda r: str(r.get("at") or ""), reverse=True)
    return visit.page(
        "members.html",
        "members",
        members=people["items"],
        waiting=[r for r in items if r["state"] == "pending"],
        decided=[r for r in items if r["state"] != "pending"],
    )


async def approve(visit: Visit) -> Response:
    """Take a participant in."""
    request_id = await visit.field("request", required="The request")
    await visit.source.approve_request(visit.caller, visit.id, request_id)
    return visit.go("/members", done="approved")


async def refuse(visit: Visit) -> Response:
    """Turn a request down with a reason."""
    request_id = await visit.field("request", required="The request")
    reason = await visit.field("reason", required="The reason")
    await visit.source.refuse_request(visit.caller, visit.id, request_id, reason=reason)
    return visit.go("/members", done="refused")


async def suspend(visit: Visit) -> Response:
    """Suspend a member with a reason."""
    did = await visit.field("did", required="The member")
    reason = await visit.field("reason", required="The reason")
    await visit.source.suspend_member(visit.caller, visit.id, did, reason=reason)
    return visit.go("/members", done="suspended")


async def reinstate(visit: Visit) -> Response:
    """Lift a suspension."""
    did = await visit.field("did", required="The member")
    await visit.source.reinstate_member(visit.caller, visit.id, did)
    return visit.go("/members", done="reinstated")


async def join(visit: Visit) -> Response:
    """Ask an authority for membership."""
    url = await visit.field("authority_url", required="The address of the authority")
    message = await visit.field("message")
    await visit.source.join(visit.caller, visit.id, authority_url=url, message=message)
    return visit.go("/members", done="joined")
