"""Other programs: who is told of what happens, by webhook."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from hansa.kernel import HansaError
from hansa.web.http.endpoint import Pages, Visit, action, page

NOUNS = (
    ("negotiation", "negotiations"),
    ("agreement", "agreements"),
    ("transfer", "transfers"),
    ("dataset", "datasets of our own"),
    ("member", "members and requests to join"),
)


def routes(pages: Pages) -> list[Route]:
    """Give the routes of webhooks."""
    return [
        page(pages, "/programs", programs),
        action(pages, "/programs", add),
        action(pages, "/programs/test", test),
        action(pages, "/programs/remove", remove),
    ]


async def _shown(visit: Visit, *, status: int = 200, **facts: Any) -> Response:
    found = await visit.source.webhooks(visit.caller, visit.id)
    shown = {"problem": None, "made": None, "tested": None, "url": "", **facts}
    hooks = found["items"]
    return visit.page("programs.html", "programs", status=status, hooks=hooks, nouns=NOUNS, **shown)


async def programs(visit: Visit) -> Response:
    """List the webhooks and how far each is."""
    return await _shown(visit)


async def add(visit: Visit) -> Response:
    """Add a webhook; its secret is shown in this answer and never again."""
    url = await visit.field("url")
    wanted = [str(noun) for noun in (await visit.form()).getlist("events")]
    events = tuple(f"{noun}.*" for noun in wanted) or ("*",)
    try:
        url = await visit.field("url", required="The address")
        made = await visit.source.add_webhook(
            visit.caller, visit.id, url=url, events=events, secret=None
        )
    except HansaError as error:
        return await _shown(visit, status=error.status, problem=error, url=url)
    return await _shown(visit, made=made)


async def test(visit: Visit) -> Response:
    """Send a test event now and show what came of it."""
    hook = await visit.field("hook", required="The webhook")
    told = await visit.source.test_webhook(visit.caller, visit.id, hook)
    return await _shown(visit, tested={**told, "id": hook})


async def remove(visit: Visit) -> Response:
    """Forget a webhook."""
    hook = await visit.field("hook", required="The webhook")
    await visit.source.remove_webhook(visit.caller, visit.id, hook)
    return visit.go("/programs", done="webhook-removed")
