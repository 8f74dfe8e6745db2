"""Home, the log, the map, and the policy templates: pages that only show."""

from __future__ import annotations

import asyncio

from starlette.responses import Response
from starlette.routing import Route

from hansa.web.http.endpoint import Pages, Visit, page
from hansa.web.http.negotiations import path_of, with_moves
from hansa.web.moves import plain_state
from hansa.web.ports import Json


def routes(pages: Pages) -> list[Route]:
    """Give the routes of these pages."""
    return [
        page(pages, "", home),
        page(pages, "/log", log),
        page(pages, "/map", city_map),
        page(pages, "/policy", policy),
    ]


def decisions_of(visit: Visit, overview: Json, requests: Json, negotiations: Json) -> list[Json]:
    """List what waits for a person, each with the page that settles it."""
    found: list[Json] = [
        {
            "title": item["title"],
            "text": "asks to join the space",
            "at": item.get("at"),
            "href": visit.url("/members"),
        }
        for item in requests.get("items", [])
        if item.get("state") == "pending"
    ]
    membership = (overview.get("membership") or {}).get("state")
    if not visit.is_authority and membership in ("none", "refused"):
        found.append(
            {
                "title": "Membership",
                "text": "without it no other participant answers",
                "at": None,
                "href": visit.url("/members"),
            }
        )
    found += [
        {
            "title": item["dataset_title"],
            "text": f"negotiation with {item['counterparty']['title']} has a problem",
            "at": item.get("modified"),
            "href": visit.url(path_of(item["id"])),
        }
        for item in negotiations.get("items", [])
        if item.get("error") and plain_state(item) != "TERMINATED"
    ]
    return found


async def home(visit: Visit) -> Response:
    """Answer: is my space well, and what is moving now?"""
    nothing: Json = {"items": []}
    requests = negotiations = approvals = nothing
    if visit.is_authority:
        overview, requests = await asyncio.gather(
            visit.source.overview(visit.caller, visit.id),
            visit.source.join_requests(visit.caller, visit.id),
        )
    else:
        overview, negotiations, approvals = await asyncio.gather(
            visit.source.overview(visit.caller, visit.id),
            visit.source.negotiations(visit.caller, visit.id),
            visit.source.approvals(visit.caller, visit.id),
        )
    return visit.page(
        "home.html",
        "home",
        overview=overview,
        decisions=decisions_of(visit, overview, requests, negotiations),
        approvals=[with_moves(item) for item in approvals["items"]],
        islands=("flow",),
    )


async def log(visit: Visit) -> Response:
    """Answer: what happened?"""
    after = visit.query("after") or None
    events = await visit.source.events(visit.caller, visit.id, after=after)
    return visit.page("log.html", "log", events=events, after=after)


async def city_map(visit: Visit) -> Response:
    """Answer: what does my city know, now and then?"""
    layers = await visit.source.map_layers(visit.caller, visit.id)
    tiles = (layers.get("tiles") or {}).get("url")
    return visit.page("map.html", "map", layers=layers, tiles_url=tiles, islands=("map",))


async def policy(visit: Visit) -> Response:
    """Answer: what may others do with my data?"""
    templates = await visit.source.templates(visit.caller)
    return visit.page("policy.html", "policy", templates=templates["items"])
