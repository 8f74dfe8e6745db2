"""From a request to a page: session, participant, origin check, and errors as pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import tzinfo
from typing import Any
from urllib.parse import quote, urlencode

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from hansa.identity import Caller
from hansa.kernel import Clock, Code, HansaError, Ids
from hansa.kernel.commands import pasteable
from hansa.kernel.problem import unexpected
from hansa.web.drafts import Drafts
from hansa.web.model import AUTHORITY_NAV, CITY_NAV
from hansa.web.ports import Json, PageSource
from hansa.web.render import Pasteable, Renderer
from hansa.web.session import session_cookie
from hansa.web.words import zone_of

_TEXT_MAX = 200_000
_FIELDS_MAX = 2_000
_SAFE = ("GET", "HEAD")


class Pages:
    """What every page works with."""

    def __init__(
        self, source: PageSource, clock: Clock, ids: Ids, pasteable: Pasteable = pasteable
    ) -> None:
        self.source = source
        self.render = Renderer(clock, pasteable=pasteable)
        self.drafts = Drafts(clock, ids)


class Visit:
    """One request by a signed-in caller, for one participant of the node."""

    def __init__(
        self, pages: Pages, request: Request, caller: Caller, node: Json, person: Json | None
    ) -> None:
        self.pages = pages
        self.source = pages.source
        self.request = request
        self.caller = caller
        self.node = node
        self.person = person or {}
        self.id = str(self.person.get("id", ""))
        self.is_authority = self.person.get("role") == "authority"
        self._form: FormData | None = None

    def query(self, name: str, default: str = "") -> str:
        """Give a query parameter, at most 500 characters."""
        return self.request.query_params.get(name, default)[:500]

    def param(self, name: str) -> str:
        """Give a path parameter."""
        return str(self.request.path_params[name])

    async def form(self) -> FormData:
        """Give the form; read once."""
        if self._form is None:
            self._form = await self.request.form(max_files=2, max_fields=_FIELDS_MAX)
        return self._form

    async def field(self, name: str, default: str = "", *, required: str = "") -> str:
        """Give a text field; `required` names it to the person when it must not be empty."""
        value = (await self.form()).get(name, default)
        if isinstance(value, UploadFile):
            value = ""
        text = value.strip()
        if len(text) > _TEXT_MAX:
            raise HansaError(
                Code.invalid_field, "A field is too long.", f"{name}: at most {_TEXT_MAX} signs."
            )
        if required and not text:
            raise HansaError(
                Code.invalid_field,
                f"{required} is missing.",
                "Fill in the field and send the form again.",
                field=name,
            )
        return text

    def url(self, path: str = "", **query: str) -> str:
        """Give the address of a page of this participant."""
        tail = f"?{urlencode(query)}" if query else ""
        return f"/console/{quote(self.id, safe='')}{path}{tail}"

    @property
    def zone(self) -> tzinfo:
        """Give the zone in which this node's pages write times."""
        return zone_of(str(self.node.get("timezone") or ""))

    def go(self, path: str, **query: str) -> Response:
        """Send the browser to a page of this participant after an action."""
        return RedirectResponse(self.url(path, **query), status_code=303)

    def page(
        self,
        template: str,
        here: str,
        *,
        status: int = 200,
        tiles_url: str | None = None,
        **facts: Any,
    ) -> Response:
        """Render a page; `here` is its key in the navigation."""
        nav = () if not self.id else AUTHORITY_NAV if self.is_authority else CITY_NAV
        shown: dict[str, Any] = {
            "node": self.node,
            "me": self.person,
            "base": self.url() if self.id else "/console",
            "nav": nav,
            "here": here,
            "caller": self.caller,
            "v": self,
            **facts,
        }
        return self.pages.render.page(
            self.request,
            template,
            shown,
            status=status,
            zone=str(self.node.get("timezone") or ""),
            tiles_url=tiles_url,
        )


Handler = Callable[[Visit], Awaitable[Response]]


def _person(node: Mapping[str, Any], participant: str) -> Json:
    for person in node.get("participants", []):
        if person.get("id") == participant:
            found: Json = person
            return found
    raise HansaError(
        Code.not_found,
        "This node has no such participant.",
        f"There is no participant {participant!r} here. Choose one from the list.",
    )


def error_page(pages: Pages, request: Request, error: HansaError, visit: Visit | None) -> Response:
    """Show what happened, why, and what to do next."""
    facts: dict[str, Any] = {"error": error}
    if visit is not None:
        return visit.page("error.html", "", status=error.status, **facts)
    return pages.render.page(request, "error_plain.html", facts, status=error.status)


def endpoint(pages: Pages, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Wrap a handler: no session leads to the sign-in page, errors become pages."""

    async def answer(request: Request) -> Response:
        visit: Visit | None = None
        try:
            if request.method not in _SAFE:
                pages.source.check_origin(request)
            cookie = session_cookie(request)
            caller = await pages.source.caller(cookie) if cookie else None
            if caller is None:
                target = request.url.path if request.method in _SAFE else "/"
                return RedirectResponse(f"/signin?{urlencode({'to': target})}", status_code=303)
            node = await pages.source.node(caller)
            participant = request.path_params.get("p")
            visit = Visit(pages, request, caller, node, None)
            if participant is not None:
                person = _person(node, participant)
                visit = Visit(pages, request, caller, node, person)
            return await handler(visit)
        except HansaError as error:
            return error_page(pages, request, error, visit)
        except Exception as error:  # noqa: BLE001 - the outermost wall of the pages
            return error_page(pages, request, unexpected(error), visit)
        finally:
            await request.close()

    return answer


def page(pages: Pages, path: str, handler: Handler) -> Route:
    """Give the route of a page of a participant."""
    return Route(f"/console/{{p}}{path}", endpoint(pages, handler), methods=["GET"])


def action(pages: Pages, path: str, handler: Handler) -> Route:
    """Give the route of a form of a participant."""
    return Route(f"/console/{{p}}{path}", endpoint(pages, handler), methods=["POST"])
