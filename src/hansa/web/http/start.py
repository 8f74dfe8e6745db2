"""Sign in, sign out, the theme, and where to go first."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from hansa.kernel import HansaError
from hansa.web.http.endpoint import Pages, Visit, endpoint, error_page
from hansa.web.session import (
    check_same_origin,
    clear_session,
    local_path,
    session_cookie,
    set_session,
    set_theme,
)


def routes(pages: Pages) -> list[Route]:
    """Give the routes that stand outside a participant."""

    async def sign_in(request: Request) -> Response:
        return await _sign_in(pages, request)

    async def sign_out(request: Request) -> Response:
        return await _sign_out(pages, request)

    async def theme(request: Request) -> Response:
        return await _theme(pages, request)

    async def favicon(request: Request) -> Response:
        return RedirectResponse("/static/dist/favicon.svg", status_code=307)

    return [
        Route("/", endpoint(pages, first), methods=["GET"]),
        Route("/console", endpoint(pages, first), methods=["GET"]),
        Route("/signin", sign_in, methods=["GET"]),
        Route("/signout", sign_out, methods=["POST"]),
        Route("/theme", theme, methods=["POST"]),
        Route("/favicon.ico", favicon, methods=["GET"]),
    ]


async def first(visit: Visit) -> Response:
    """Go to the only participant, or show the list when there are several or none."""
    people = visit.node.get("participants", [])
    if len(people) == 1:
        visit.id = str(people[0]["id"])
        return RedirectResponse(visit.url(), status_code=303)
    return visit.page("participants.html", "participants")


async def _sign_in(pages: Pages, request: Request) -> Response:
    token = request.query_params.get("token", "")[:500]
    to = local_path(request.query_params.get("to"), "/")
    if not token:
        return pages.render.page(request, "signin.html", {"failed": False}, status=401)
    cookie = await pages.source.sign_in(token)
    if cookie is None:
        return pages.render.page(request, "signin.html", {"failed": True}, status=401)
    # A page of our own that goes on by itself: a redirect out of another site's link would not
    # carry the strict cookie.
    response = pages.render.page(request, "signed_in.html", {"to": to})
    set_session(request, response, cookie)
    return response


async def _sign_out(pages: Pages, request: Request) -> Response:
    try:
        pages.source.check_origin(request)
    except HansaError as error:
        return error_page(pages, request, error, None)
    cookie = session_cookie(request)
    if cookie:
        await pages.source.sign_out(cookie)
    response = RedirectResponse("/signin", status_code=303)
    clear_session(request, response)
    return response


async def _theme(pages: Pages, request: Request) -> Response:
    try:
        check_same_origin(request)
    except HansaError as error:
        return error_page(pages, request, error, None)
    form = await request.form(max_files=0, max_fields=4)
    parts = urlsplit(request.headers.get("referer", "/"))
    back = local_path(f"{parts.path}?{parts.query}" if parts.query else parts.path)
    response = RedirectResponse(back, status_code=303)
    set_theme(response, str(form.get("theme", "auto")))
    return response
