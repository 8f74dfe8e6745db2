"""Negotiations: what was offered, what was said, what now? And what waits for the operator."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from starlette.datastructures import FormData
from starlette.responses import Response
from starlette.routing import Route

from hansa.kernel import HansaError
from hansa.web import compare, moves, offer_form
from hansa.web.http.endpoint import Pages, Visit, action, page
from hansa.web.model import newest_first
from hansa.web.ports import Json, PageSource

_NO_PLACES: Json = {"type": "FeatureCollection", "features": []}


Call = Callable[..., Awaitable[Json]]
_PLAIN: dict[str, Callable[[PageSource], Call]] = {
    "agree": lambda source: source.agree,
    "accept": lambda source: source.accept,
    "verify": lambda source: source.verify,
    "finalize": lambda source: source.finalize,
    "retry": lambda source: source.retry_negotiation,
    "adopt": lambda source: source.adopt_negotiation,
    "replay": lambda source: source.replay_negotiation,
}


def routes(pages: Pages) -> list[Route]:
    """Give the routes of negotiations and approvals."""
    return [
        page(pages, "/approvals", approvals),
        page(pages, "/negotiations", negotiations),
        page(pages, "/negotiations/{id}", negotiation),
        page(pages, "/negotiations/{id}/counter", counter_form),
        action(pages, "/negotiations/{id}/counter", counter),
        action(pages, "/negotiations/{id}/terminate", terminate),
        *(action(pages, f"/negotiations/{{id}}/{key}", move(key)) for key in _PLAIN),
    ]


def path_of(negotiation_id: object) -> str:
    """Give the page of a negotiation, below the participant."""
    return f"/negotiations/{quote(str(negotiation_id), safe='')}"


async def approvals(visit: Visit) -> Response:
    """List what waits for the operator, with the terms and the answers that can be given."""
    found = (await visit.source.approvals(visit.caller, visit.id))["items"]
    return visit.page("approvals.html", "approvals", items=[with_moves(item) for item in found])


def with_moves(item: Json) -> Json:
    """Add to a waiting negotiation or transfer what may be answered."""
    chosen = moves.transfer_moves if item["kind"] == "transfer" else moves.negotiation_moves
    return {**item, "moves": chosen(item)}


async def negotiations(visit: Visit) -> Response:
    """List the negotiations."""
    found = await visit.source.negotiations(visit.caller, visit.id)
    return visit.page(
        "negotiations.html", "negotiations", items=newest_first(found["items"], "modified")
    )


def names_of(view: Json) -> dict[str, str]:
    """Give titles for what the terms name: the dataset and the two sides."""
    other = view["counterparty"]
    return {str(view.get("dataset_id")): view["dataset_title"], other["did"]: other["title"]}


async def negotiation(visit: Visit) -> Response:
    """Show the talk message by message, where both sides stand, and what can be done now."""
    found = await visit.source.negotiation(visit.caller, visit.id, visit.param("id"))
    messages = found.get("messages") or []
    return visit.page(
        "negotiation.html",
        "negotiations",
        negotiation=found,
        messages=compare.with_changes(messages, names_of(found), visit.zone),
        stops=moves.track("negotiation", found, messages),
        moves=moves.negotiation_moves(found),
        over=moves.over(found),
    )


def move(key: str) -> Callable[[Visit], Awaitable[Response]]:
    """Give the handler of a move that asks nothing."""

    async def handler(visit: Visit) -> Response:
        done = await _PLAIN[key](visit.source)(visit.caller, visit.id, visit.param("id"))
        return visit.go(path_of(done.get("id") or visit.param("id")), done=key)

    return handler


async def terminate(visit: Visit) -> Response:
    """Refuse or end a negotiation, with a reason."""
    reason = await visit.field("reason", required="The reason")
    await visit.source.terminate_negotiation(
        visit.caller, visit.id, visit.param("id"), reason=reason
    )
    return visit.go(path_of(visit.param("id")), done="negotiation-ended")


async def _counter_page(
    visit: Visit,
    form: FormData,
    *,
    problem: HansaError | None = None,
    draft: Json | None = None,
    seen: str = "",
    unseen: bool = False,
) -> Response:
    found = await visit.source.negotiation(visit.caller, visit.id, visit.param("id"))
    templates = (await visit.source.templates(visit.caller))["items"]
    names = [
        {"name": a["name"], "title": a.get("title") or a["name"]}
        for a in found.get("attributes") or ()
    ]
    changes = compare.changes(found["terms"], draft["terms"], visit.zone) if draft else []
    facts: dict[str, Any] = {
        "negotiation": found,
        "templates": templates,
        "names": names,
        "bbox": found.get("bbox"),
        "places": _NO_PLACES,
        "form": form,
        "problem": problem,
        "draft": draft,
        "seen": seen,
        "unseen": unseen,
        "changes": changes,
        "islands": ("area",),
    }
    status = problem.status if problem is not None else 200
    return visit.page("counter.html", "negotiations", status=status, **facts)


async def counter_form(visit: Visit) -> Response:
    """Show the form of other terms, filled with those on the table."""
    found = await visit.source.negotiation(visit.caller, visit.id, visit.param("id"))
    zone_name = str(visit.node.get("timezone") or "UTC")
    form = offer_form.filled_in(found.get("filled"), visit.zone, zone_name)
    return await _counter_page(visit, form)


async def counter(visit: Visit) -> Response:
    """Show the difference between the terms; send only what was shown before."""
    form = await visit.form()
    try:
        templates = (await visit.source.templates(visit.caller))["items"]
        template, parameters = offer_form.chosen(offer_form.texts(form), templates)
        now = compare.digest(template, parameters)
        seen, sending = await visit.field("seen"), await visit.field("step") == "send"
        if sending and seen == now:
            await visit.source.counter(
                visit.caller, visit.id, visit.param("id"), template=template, parameters=parameters
            )
            return visit.go(path_of(visit.param("id")), done="counter")
        draft = await visit.source.draft_terms(
            visit.caller, visit.id, visit.param("id"), template=template, parameters=parameters
        )
    except HansaError as error:
        if error.status == 404:
            raise
        return await _counter_page(visit, form, problem=error)
    return await _counter_page(visit, form, draft=draft, seen=now, unseen=sending)
