"""The reading operations: query, retrieve, history, names (NGSI-LD 1.9.1 6.4-6.28)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec
import orjson
from starlette.types import Scope as Connection
from starlette.types import Send

from hansa.broker.errors import bad_data, not_found
from hansa.broker.http import parameters
from hansa.broker.http.access import Access
from hansa.broker.http.negotiate import (
    GEO_JSON,
    JSON,
    context_link,
    link_to_context,
    media_type,
)
from hansa.broker.http.parameters import Parameters, Wanted
from hansa.broker.http.respond import Answer, send_entities
from hansa.broker.http.routes import Call
from hansa.broker.model import Page
from hansa.broker.query import is_uri, iso_from_micros
from hansa.broker.wire_ngsi_ld_1_9 import discovery
from hansa.kernel.jsonld import CORE, CORE_CONTEXT_URL, TermMap

Read = Callable[[Connection, Send, Access, Call], Awaitable[None]]
_CORE_LINK = link_to_context(CORE_CONTEXT_URL)
T = TypeVar("T")
_PLANS_MAX = 1024
_plans: OrderedDict[tuple[bytes, str, str], tuple[Wanted, Parameters]] = OrderedDict()


def header(scope: Connection, name: bytes) -> str | None:
    """Give a request header as text; several of one name are joined by commas."""
    found = [value for key, value in scope["headers"] if key == name]
    return b",".join(found).decode("latin-1") if found else None


async def context_of(scope: Connection, access: Access) -> tuple[str, TermMap]:
    """Give the context under which names are read: that of the Link header, or the core."""
    url = context_link(header(scope, b"link"))
    if url is None:
        return CORE_CONTEXT_URL, CORE
    terms = await access.broker.contexts.term_map(url)
    return (CORE_CONTEXT_URL, CORE) if terms is CORE else (url, terms)


async def query(scope: Connection, send: Send, access: Access, call: Call) -> None:
    """Answer GET /entities (6.4.3.2)."""
    media = media_type(header(scope, b"accept"), geo=True)
    context, terms = await context_of(scope, access)
    bare = media == GEO_JSON and "body=json" in (header(scope, b"prefer") or "")
    key = (scope["query_string"], media + "+bare" * bare, context)
    plan = _plans.get(key)
    if plan is None:
        given = parameters.read_parameters(scope["query_string"], parameters.QUERY)
        parameters.require_narrow(given)
        plan = _plans[key] = (parameters.wanted(given, terms, media, context, bare=bare), given)
        if len(_plans) > _PLANS_MAX:
            _plans.popitem(last=False)
    wanted, given = plan
    view = wanted.view
    if media == GEO_JSON and view.embedded is not None:
        view = msgspec.structs.replace(view, embedded=None)  # once, at the collection
    page = await access.broker.query(access.scope, wanted.query, wanted.part, view)
    await _send_page(scope, send, access, wanted, page, given)


async def _send_page(
    scope: Connection,
    send: Send,
    access: Access,
    wanted: Wanted,
    page: Page,
    given: Parameters,
) -> None:
    answer = _cut(Answer(200), page, given)
    answer.header("content-type", wanted.media)
    if wanted.view.embedded is None:
        answer.header(
            "link", _CORE_LINK if wanted.view.terms is CORE else link_to_context(wanted.context)
        )
    if page.count is not None:
        answer.header("NGSILD-Results-Count", str(page.count))
    for relation, place in _neighbours(wanted, page):
        target = f"{scope['path']}?{_without_place(given)}{place}"
        answer.header("link", f'<{target}>; rel="{relation}"; type="{wanted.media}"')
    start, end = b"[", b"]"
    if wanted.media == GEO_JSON:
        context = wanted.view.embedded
        extra = b',"@context":%b' % orjson.dumps(context) if context is not None else b""
        start, end = b'{"type":"FeatureCollection"%b,"features":[' % extra, b"]}"
    await send_entities(send, access, answer, page.items, start=start, end=end)


def _neighbours(wanted: Wanted, page: Page) -> list[tuple[str, str]]:
    """Give where the next and previous pages are (6.3.10)."""
    part = wanted.part
    found: list[tuple[str, str]] = []
    if page.next is not None:
        behind = f"&after={page.next}" if page.next else ""
        found.append(("next", f"limit={part.limit}&offset={part.offset + part.limit}{behind}"))
    if part.offset > 0 and part.limit:
        offset = max(0, part.offset - part.limit)
        found.append(("prev", f"limit={part.limit}&offset={offset}"))
    return found


def _without_place(given: Parameters) -> str:
    """Write the parameters that stay the same from page to page, each list of them once."""
    if given.rest is None:
        kept = {k: v for k, v in given.items() if k not in ("after", "offset", "limit")}
        given.rest = f"{urlencode(kept)}&" if kept else ""
    return given.rest


async def retrieve(scope: Connection, send: Send, access: Access, call: Call) -> None:
    """Answer GET /entities/{id} (6.5.3.1)."""
    media = media_type(header(scope, b"accept"), geo=True)
    context, terms = await context_of(scope, access)
    given = parameters.read_parameters(scope["query_string"], parameters.RETRIEVE)
    bare = media == GEO_JSON and "body=json" in (header(scope, b"prefer") or "")
    wanted = parameters.wanted(given, terms, media, context, bare=bare)
    identifier = entity_id(call)
    body = await access.broker.retrieve(
        access.scope,
        identifier,
        wanted.view,
        existing=wanted.query.existing,
        types=wanted.query.types,
    )
    answer = Answer(200).header("content-type", media)
    if media == JSON or bare:
        answer.header("link", link_to_context(context))
    await send_entities(send, access, answer, [body], start=b"", end=b"")


def entity_id(call: Call) -> str:
    """Give the id in the path; HansaError invalid_field when it is not a URI."""
    identifier = call.names[0]
    if not is_uri(identifier):
        raise bad_data(f"The id {identifier[:60]!r} is not a URI.", field="id")
    return identifier


async def query_temporal(scope: Connection, send: Send, access: Access, call: Call) -> None:
    """Answer GET /temporal/entities (6.18.3.2)."""
    media = media_type(header(scope, b"accept"), geo=False)
    context, terms = await context_of(scope, access)
    given = parameters.read_parameters(scope["query_string"], parameters.TEMPORAL_QUERY)
    parameters.require_narrow(given)
    if "timerel" not in given:
        raise bad_data(
            "A temporal query needs `timerel`.",
            "For example timerel=after&timeAt=2026-01-01T00:00:00Z.",
            field="timerel",
        )
    wanted = parameters.wanted_temporal(given, terms, media, context)
    assert wanted.temporal is not None
    page = await access.broker.temporal(
        access.scope,
        wanted.query,
        wanted.temporal,
        wanted.part,
        wanted.view,
        values=wanted.compact_times,
    )
    await _send_page(scope, send, access, wanted, page, given)


async def retrieve_temporal(scope: Connection, send: Send, access: Access, call: Call) -> None:
    """Answer GET /temporal/entities/{id} (6.19.3.1)."""
    media = media_type(header(scope, b"accept"), geo=False)
    context, terms = await context_of(scope, access)
    given = parameters.read_parameters(scope["query_string"], parameters.TEMPORAL_RETRIEVE)
    wanted = parameters.wanted_temporal(given, terms, media, context)
    assert wanted.temporal is not None
    page = await access.broker.evolution(
        access.scope, entity_id(call), wanted.temporal, wanted.view, values=wanted.compact_times
    )
    answer = _cut(Answer(200), page, given).header("content-type", media)
    if media == JSON:
        answer.header("link", link_to_context(context))
    await send_entities(send, access, answer, page.items, start=b"", end=b"")


def _cut(answer: Answer, page: Page, given: Parameters) -> Answer:
    """Turn the answer into a partial one when its time was cut (6.3.10).

    The unit is written `date-time`, which is what clients in the field read.
    """
    if page.cut is None:
        return answer
    oldest, newest = (iso_from_micros(at) for at in page.cut)
    relation = given.get("timerel")
    if "lastN" in given:
        start = {"before": given.get("timeAt"), "between": given.get("endTimeAt")}.get(
            relation or ""
        )
        span, size = (start or newest, oldest), given["lastN"]
    else:
        begun = given.get("timeAt") if relation in ("after", "between") else None
        span, size = (begun or oldest, newest), "*"
    answer.status = 206
    return answer.header("content-range", f"date-time {span[0]}-{span[1]}/{size}")


async def names(scope: Connection, send: Send, access: Access, call: Call) -> None:
    """Answer GET /types, /types/{type}, /attributes, /attributes/{attr} (6.25-6.28)."""
    media = media_type(header(scope, b"accept"), geo=False)
    context, terms = await context_of(scope, access)
    given = parameters.read_parameters(scope["query_string"], parameters.NAMES)
    details = parameters.flag(given, "details")
    iri = terms.expand(call.names[0]) if call.names else None
    body: Any
    if call.operation in ("types", "type"):
        types = await access.broker.types(access.scope, iri)
        if iri is not None:
            body = discovery.type_info(_first(types, call), terms)
        else:
            body = (discovery.type_details if details else discovery.type_list)(types, terms)
    else:
        found = await access.broker.attributes(access.scope, iri)
        if iri is not None:
            body = discovery.attribute_info(_first(found, call), terms)
        else:
            write = discovery.attribute_details if details else discovery.attribute_list
            body = write(found, terms)
    answer = Answer(200).header("content-type", media)
    if media == JSON:
        answer.header("link", link_to_context(context))
    else:
        for one in body if isinstance(body, list) else [body]:
            one["@context"] = context
    await send_entities(send, access, answer, [orjson.dumps(body)], start=b"", end=b"")


def _first(found: list[T], call: Call) -> T:
    if not found:
        raise not_found(f"The {call.operation} {call.names[0][:100]}")
    return found[0]


OPERATIONS: dict[str, Read] = {
    "query": query,
    "retrieve": retrieve,
    "query_temporal": query_temporal,
    "retrieve_temporal": retrieve_temporal,
    "types": names,
    "type": names,
    "attributes": names,
    "attribute": names,
}
