"""The catalogue and a dataset: what can I get, on which terms, how good is it?"""

from __future__ import annotations

from collections import Counter
from typing import Any
from urllib.parse import quote

from starlette.responses import Response
from starlette.routing import Route

from hansa.kernel import HansaError
from hansa.web import push_form
from hansa.web.http.endpoint import Pages, Visit, action, page
from hansa.web.ports import ApprovalChange, Json

PAGE = 25


def routes(pages: Pages) -> list[Route]:
    """Give the routes of the catalogue."""
    return [
        page(pages, "/catalogue", catalogue),
        page(pages, "/datasets/{id:path}", dataset),
        action(pages, "/datasets/approval", approval),
        action(pages, "/negotiate", negotiate),
    ]


def _page_number(visit: Visit) -> int:
    text = visit.query("page", "1")
    return max(1, int(text)) if text.isdigit() and len(text) < 7 else 1


def facet(items: list[Json], chosen: str) -> list[Json]:
    """Count themes and keywords of the results, most frequent first; the chosen one is there."""
    counts = Counter(
        word
        for item in items
        for word in dict.fromkeys((*item.get("themes", ()), *item.get("keywords", ())))
    )
    if chosen and chosen not in counts:
        counts[chosen] = 0
    return [{"value": kind, "count": count} for kind, count in counts.most_common(12)]


async def catalogue(visit: Visit) -> Response:
    """Show what there is, own and others', with the terms of each in a line."""
    q, publisher, subject = visit.query("q"), visit.query("publisher"), visit.query("subject")
    found = await visit.source.catalogue(
        visit.caller, visit.id, q=q, publisher=publisher, theme=subject
    )
    items: list[Json] = found["items"]
    last = max(1, -(-len(items) // PAGE))
    number = min(_page_number(visit), last)
    return visit.page(
        "catalogue.html",
        "catalogue",
        q=q,
        publisher=publisher,
        subject=subject,
        total=len(items),
        items=items[(number - 1) * PAGE : number * PAGE],
        publishers=found["publishers"],
        subjects=facet(items, subject),
        page=number,
        last=last,
    )


def _shown(dataset: Json, sample: Json) -> list[Json]:
    """Give the attributes of which the sample has values; all of them without a sample."""
    rows = sample["rows"]
    if not rows:
        return list(dataset["attributes"])
    return [a for a in dataset["attributes"] if any(a["name"] in r["values"] for r in rows)]


def _with_unit(attributes: list[Json], first: str | None) -> list[Json]:
    """Give the attributes that carry a number: what a chart can show, the measured one first."""
    found = [a for a in attributes if a.get("unit") or a.get("kind") == "number"]
    return sorted(found, key=lambda a: a["name"] != first)


async def _sample(visit: Visit, dataset_id: str) -> Json:
    try:
        read = bool(visit.query("read"))
        return await visit.source.sample(visit.caller, visit.id, dataset_id, read=read)
    except HansaError as error:
        return {"rows": [], "geojson": None, "total": None, "reason": error.title}


async def _history(visit: Visit, dataset_id: str, attribute: str) -> Json | None:
    if not attribute:
        return None
    try:
        return await visit.source.history(visit.caller, visit.id, dataset_id, attribute)
    except HansaError:
        return None


async def dataset(visit: Visit) -> Response:
    """Show what a dataset is, how good it is, and its terms."""
    dataset_id = visit.param("id")
    found = await visit.source.dataset(visit.caller, visit.id, dataset_id)
    nothing: Json = {"rows": [], "geojson": None, "total": None}
    sample = nothing if found.get("resource") else await _sample(visit, dataset_id)
    columns = _shown(found, sample)
    measured = _with_unit(columns, sample.get("measured"))
    names = [a["name"] for a in measured]
    attribute = visit.query("attribute")
    if attribute not in names:
        attribute = names[0] if names else ""
    counted = bool(sample.get("counted"))
    history = None if counted else await _history(visit, dataset_id, attribute)
    facts: dict[str, Any] = {
        "dataset": found,
        "sample": sample,
        "history": history,
        "measured": measured,
        "columns": columns[:6],
        "attribute": attribute,
        "way_of": push_form.way_of,
    }
    return visit.page("dataset.html", "catalogue", islands=("chart",), **facts)


async def approval(visit: Visit) -> Response:
    """Change who answers requests for a dataset of our own."""
    dataset_id = await visit.field("dataset", required="The dataset")
    chosen = await visit.field("approval")
    change = ApprovalChange(approval="operator" if chosen == "operator" else "automatic")
    await visit.source.change_dataset(visit.caller, visit.id, dataset_id, change)
    path = f"/datasets/{quote(dataset_id, safe='')}"
    return visit.go(path, done="asks-operator" if chosen == "operator" else "asks-nobody")


async def negotiate(visit: Visit) -> Response:
    """Ask for a dataset under one of its offers."""
    provider = await visit.field("provider_did", required="The provider")
    dataset_id = await visit.field("dataset_id", required="The dataset")
    offer = await visit.field("offer_id", required="The offer")
    made = await visit.source.negotiate(
        visit.caller, visit.id, provider_did=provider, dataset_id=dataset_id, offer_id=offer
    )
    return visit.go(f"/negotiations/{quote(str(made['id']), safe='')}", done="asked")
