"""All routes of the pages."""

from __future__ import annotations

from pathlib import Path

from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from hansa.kernel import Clock, Ids, SystemClock, SystemIds
from hansa.kernel.commands import pasteable
from hansa.web.http import (
    agreements,
    catalogue,
    entities,
    home,
    members,
    negotiations,
    programs,
    publish,
    start,
    transfers,
)
from hansa.web.http.endpoint import Pages
from hansa.web.ports import PageSource
from hansa.web.render import Pasteable

_STATIC = Path(__file__).parent.parent / "static"


class _Built(StaticFiles):
    """Static files; those that carry a hash in their name are cached for good."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Give a file with its caching rule."""
        response = await super().get_response(path, scope)
        response.headers["X-Content-Type-Options"] = "nosniff"
        if "/assets/" in f"/{path}" and response.status_code == 200:
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def routes(
    source: PageSource,
    *,
    clock: Clock | None = None,
    ids: Ids | None = None,
    pasteable: Pasteable = pasteable,
) -> list[BaseRoute]:
    """Give the routes of all pages, to be mounted at the root of a node.

    `pasteable` completes the commands that pages print, with the node and the space they are for.
    """
    pages = Pages(source, clock or SystemClock(), ids or SystemIds(), pasteable)
    rooms = (
        start,
        home,
        members,
        catalogue,
        negotiations,
        agreements,
        transfers,
        publish,
        entities,
        programs,
    )
    found: list[BaseRoute] = [route for room in rooms for route in room.routes(pages)]
    found.append(Mount("/static", _Built(directory=_STATIC, check_dir=False), name="static"))
    return found
