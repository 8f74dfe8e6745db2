"""An entity: what is this thing, and where does each value come from?"""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

from hansa.kernel import HansaError
from hansa.web.http.endpoint import Pages, Visit, page
from hansa.web.ports import Json


def routes(pages: Pages) -> list[Route]:
    """Give the route of the entity page."""
    return [page(pages, "/entities/{id:path}", entity)]


def charted(attributes: list[Json]) -> list[Json]:
    """Give the attributes that a chart can show: numbers with an observation time."""
    return [
        a
        for a in attributes
        if isinstance(a.get("value"), int | float)
        and not isinstance(a.get("value"), bool)
        and a.get("observed_at")
    ]


async def entity(visit: Visit) -> Response:
    """Show values with unit, time and source, and the course of one of them."""
    entity_id = visit.param("id")
    found = await visit.source.entity(visit.caller, visit.id, entity_id)
    measured = charted(found["attributes"])
    names = [a["name"] for a in measured]
    attribute = visit.query("attribute")
    if attribute not in names:
        attribute = names[0] if names else ""
    history: Json | None = None
    if attribute:
        try:
            history = await visit.source.entity_history(
                visit.caller, visit.id, entity_id, attribute
            )
        except HansaError:
            history = None
    return visit.page(
        "entity.html",
        "map",
        entity=found,
        measured=measured,
        attribute=attribute,
        history=history,
        islands=("chart",),
    )
