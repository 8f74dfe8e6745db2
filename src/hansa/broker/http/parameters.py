"""Read the parameters of queries, each route by its own list (NGSI-LD 1.9.1 6.4.3.2, 6.18.3.2).

What the standard knows and is not there yet answers 501; what it does not know is an
InvalidRequest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from hansa.broker.errors import bad_data, invalid_request, not_implemented
from hansa.broker.http.negotiate import GEO_JSON, JSON_LD
from hansa.broker.model import (
    LIMIT_DEFAULT,
    LIMIT_MAX,
    Order,
    Query,
    Slice,
    TemporalQuery,
)
from hansa.broker.query import (
    is_uri,
    parse_geo_query,
    parse_q,
    parse_type_selection,
    required_instant,
)
from hansa.broker.wire_ngsi_ld_1_9 import View
from hansa.kernel.jsonld import CORE, CORE_CONTEXT_URL, TermMap

_VIEW = frozenset({"attrs", "pick", "omit", "options", "format", "local", "geometryProperty"})
_FILTER = frozenset({"id", "type", "q", "georel", "geometry", "coordinates", "geoproperty"})
_PAGE = frozenset({"limit", "offset", "count", "after"})
_TIME = frozenset({"timerel", "timeAt", "endTimeAt", "timeproperty", "lastN"})
RETRIEVE = _VIEW | {"type"}
QUERY = _VIEW | _FILTER | _PAGE | {"orderBy"}
TEMPORAL_RETRIEVE = (_VIEW | _TIME) - {"geometryProperty"}
TEMPORAL_QUERY = (_VIEW | _TIME | _FILTER | _PAGE) - {"geometryProperty"}
NAMES = frozenset({"details", "local"})

_LATER = frozenset(
    """idPattern csf scopeQ datasetId containedBy lang join joinLevel entityMap entityMapLifetime
    splitEntities expandValues jsonKeys orderFrom orderGeometry collation aggrMethods
    aggrPeriodDuration""".split()
)
_FORMS = {"normalized": "normalized", "concise": "concise", "simplified": "simplified"}
_SYNONYMS = {**_FORMS, "keyValues": "simplified"}
_MEMBERS = frozenset({"id", "type"})
OFFSET_MAX = 10_000_000


class Wanted(msgspec.Struct, frozen=True):
    """All that a reading request asks for."""

    query: Query
    part: Slice
    view: View
    media: str
    context: str
    temporal: TemporalQuery | None = None
    compact_times: bool = False


class Parameters(dict[str, str]):
    """The parameters of a request; `rest` keeps how those that are not about a page are written."""

    rest: str | None = None


def read_parameters(query_string: bytes, known: frozenset[str]) -> Parameters:
    """Split a query string; HansaError for what is unknown, repeated or not there yet."""
    try:
        pairs = parse_qsl(
            query_string.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(query_string),
            errors="strict",
            max_num_fields=100,
        )
    except (ValueError, UnicodeDecodeError):
        raise invalid_request("The query string can't be read.") from None
    found = Parameters()
    for name, value in pairs:
        if name in found:
            raise invalid_request(f"The parameter `{name}` is there twice.", field=name)
        if name not in known:
            if name in _LATER:
                raise not_implemented(f"The parameter `{name}`", f"Leave `{name}` out.")
            raise invalid_request(
                f"The parameter `{name[:40]}` is not known for this operation.",
                f"Known are {', '.join(sorted(known))}.",
                field=name[:40],
            )
        found[name] = value
    return found


def wanted(
    given: Mapping[str, str], terms: TermMap, media: str, context: str, *, bare: bool = False
) -> Wanted:
    """Read the parameters of a query or retrieval of entities.

    `bare` leaves the context of GeoJSON to the Link header (`Prefer: body=json`, 6.3.6).
    """
    view, existing = _view(given, terms, media, context)
    if bare:
        view = msgspec.structs.replace(view, embedded=None)
    return Wanted(_query(given, terms, existing), _slice(given), view, media, context)


def wanted_temporal(given: Mapping[str, str], terms: TermMap, media: str, context: str) -> Wanted:
    """Read the parameters of a temporal query or retrieval (4.11, 6.18.3.2, 6.19.3.1)."""
    form, sys_attrs, values = _form(given, temporal=True)
    plain = {name: given[name] for name in given if name not in ("options", "format")}
    view, existing = _view(plain, terms, media, context)
    view = msgspec.structs.replace(view, form=form, sys_attrs=sys_attrs)
    start, end = _interval(given.get("timerel"), given.get("timeAt"), given.get("endTimeAt"))
    timeproperty = given.get("timeproperty", "observedAt")
    if timeproperty not in ("observedAt", "modifiedAt", "createdAt"):
        if timeproperty == "deletedAt":
            raise not_implemented("timeproperty=deletedAt", "Use observedAt or modifiedAt.")
        raise invalid_request(
            "`timeproperty` is not one of observedAt, createdAt, modifiedAt.", field="timeproperty"
        )
    last = _whole(given, "lastN", 1, 1_000_000) if "lastN" in given else None
    temporal = TemporalQuery(
        start=start,
        end=end,
        property=timeproperty,
        last=last,
        attributes=None if view.only is None else tuple(sorted(view.only)),
        without=view.without,
    )
    query = _query(given, terms, existing)
    return Wanted(query, _slice(given), view, media, context, temporal, values)


def _query(given: Mapping[str, str], terms: TermMap, existing: tuple[str, ...]) -> Query:
    geo = None
    if "georel" in given:
        geo = parse_geo_query(
            given["georel"],
            given.get("geometry"),
            given.get("coordinates"),
            given.get("geoproperty", "location"),
            terms.expand,
        )
    elif given.keys() & {"geometry", "coordinates", "geoproperty"}:
        raise bad_data("A geographic query needs `georel`.", field="georel")
    ids = tuple(given["id"].split(",")) if "id" in given else ()
    for identifier in ids:
        if not is_uri(identifier):
            raise bad_data(f"The id {identifier[:60]!r} is not a URI.", field="id")
    if len(ids) > LIMIT_MAX:
        raise bad_data(f"At most {LIMIT_MAX} ids are accepted.", field="id", limit=LIMIT_MAX)
    return Query(
        ids=ids,
        types=parse_type_selection(given["type"], terms.expand) if "type" in given else None,
        q=parse_q(given["q"], terms.expand) if "q" in given else None,
        geo=geo,
        existing=existing,
        order=_order(given, terms),
    )


def require_narrow(given: Mapping[str, str]) -> None:
    """Refuse a query without any filter (5.7.2.4): ids alone are too wide as well."""
    if not given.keys() & {"type", "attrs", "q", "georel", "local"}:
        raise bad_data(
            "The query is too wide.",
            "Give at least one of type, attrs, q, georel, or local=true.",
            field="type",
        )


def _order(given: Mapping[str, str], terms: TermMap) -> tuple[Order, ...]:
    keys: list[Order] = []
    for one in given["orderBy"].split(",") if "orderBy" in given else []:
        name, _, direction = one.partition(";")
        if direction in ("dist-asc", "dist-desc"):
            raise not_implemented("An order by distance", "Order by an attribute or by id.")
        if not name or direction not in ("", "asc", "desc"):
            raise bad_data(
                "`orderBy` can't be read.", "Write orderBy=name,age;desc.", field="orderBy"
            )
        attribute = None if name == "id" else terms.expand(name)
        keys.append(Order(attribute, direction == "desc"))
    if len(keys) > 8:
        raise bad_data("At most 8 keys are accepted in `orderBy`.", field="orderBy", limit=8)
    return tuple(keys)


def _slice(given: Mapping[str, str]) -> Slice:
    count = flag(given, "count")
    limit = _whole(given, "limit", 0, LIMIT_MAX) if "limit" in given else LIMIT_DEFAULT
    if limit == 0 and not count:
        raise bad_data(
            "`limit` is 0 without `count=true`.", "Ask for at least 1 entity.", field="limit"
        )
    offset = _whole(given, "offset", 0, OFFSET_MAX) if "offset" in given else 0
    return Slice(limit=limit, offset=offset, after=given.get("after"), count=count)


def flag(given: Mapping[str, str], name: str) -> bool:
    """Read a boolean parameter; it is false when it is not there."""
    value = given.get(name, "false")
    if value not in ("true", "false"):
        raise invalid_request(f"`{name}` is neither true nor false.", field=name)
    return value == "true"


def _whole(given: Mapping[str, str], name: str, least: int, most: int) -> int:
    text = given[name]
    if not text.isascii() or not text.isdigit() or not least <= int(text[:20]) <= most:
        raise bad_data(
            f"`{name}` is not a whole number from {least} to {most}.", field=name, limit=most
        )
    return int(text)


def _form(given: Mapping[str, str], *, temporal: bool) -> tuple[str, bool, bool]:
    """Read `options` and `format`, which wins (6.3.7): form, sysAttrs, temporalValues."""
    form, sys_attrs, values = "normalized", False, False
    forms: dict[str, str] = {**_SYNONYMS, "temporalValues": ""} if temporal else _SYNONYMS
    options = [one for one in given.get("options", "").split(",") if one]
    for one in [*options, *([given["format"]] if "format" in given else [])]:
        if one == "sysAttrs" and one in options:
            sys_attrs = True
        elif one in forms:
            form, values = forms[one] or "normalized", one == "temporalValues"
        elif one in ("aggregatedValues",) and temporal:
            raise not_implemented("format=aggregatedValues", "Use format=temporalValues.")
        else:
            raise invalid_request(
                f"{one[:40]!r} is no option here.",
                f"Known are sysAttrs, {', '.join(forms)}.",
                field="options" if one in options else "format",
            )
    return form, sys_attrs, values or (temporal and form == "simplified")


def _view(
    given: Mapping[str, str], terms: TermMap, media: str, context: str
) -> tuple[View, tuple[str, ...]]:
    """Give the view, and the attributes of which one must exist (`attrs`, 4.21)."""
    form, sys_attrs, _ = _form(given, temporal=False)
    if sum(name in given for name in ("attrs", "pick", "omit")) > 1 and (
        "attrs" in given or {"pick", "omit"} <= _overlap(given)
    ):
        raise bad_data("`attrs` can't be combined with `pick` or `omit`.", field="attrs")
    geometry = None
    if media == GEO_JSON:
        geometry = terms.expand(given.get("geometryProperty", "location"))
    elif "geometryProperty" in given:
        raise bad_data(
            "`geometryProperty` needs the Accept header application/geo+json.",
            field="geometryProperty",
        )
    attrs, pick, omit = (_names(given, name) for name in ("attrs", "pick", "omit"))
    only = None
    with_id = with_type = True
    if attrs is not None:
        only = frozenset(terms.expand(name) for name in attrs if name not in _MEMBERS)
    elif pick is not None:
        only = frozenset(terms.expand(name) for name in pick if name not in _MEMBERS)
        with_id, with_type = "id" in pick, "type" in pick
    if omit is not None:
        with_id, with_type = with_id and "id" not in omit, with_type and "type" not in omit
    embedded: Any = None
    if media != "application/json":
        embedded = context if context == CORE_CONTEXT_URL else (context, CORE_CONTEXT_URL)
    view = View(
        form=form,
        sys_attrs=sys_attrs,
        only=only,
        without=frozenset(terms.expand(name) for name in omit or () if name not in _MEMBERS),
        with_id=with_id,
        with_type=with_type,
        terms=terms if terms is not CORE else CORE,
        embedded=embedded if media == JSON_LD or geometry is not None else None,
        geometry=geometry,
    )
    return view, tuple(sorted(only)) if attrs is not None and only else ()


def _overlap(given: Mapping[str, str]) -> set[str]:
    """Give the projections of which one contradicts the other: a name picked and omitted."""
    both = set(given.get("pick", "").split(",")) & set(given.get("omit", "").split(","))
    return {"pick", "omit"} if both - {""} else set()


def _names(given: Mapping[str, str], parameter: str) -> list[str] | None:
    if parameter not in given:
        return None
    if "{" in given[parameter]:
        raise not_implemented(
            "A projection of linked entities", f"Leave `{{}}` out of `{parameter}`."
        )
    names = given[parameter].replace("|", ",").split(",")
    if not all(names) or len(names) > 1000:
        raise bad_data(f"`{parameter}` has an empty name or more than 1000.", field=parameter)
    return names


def _interval(
    timerel: str | None, time_at: str | None, end_time_at: str | None
) -> tuple[int | None, int | None]:
    """Read the relation (4.11): before is exclusive, after inclusive, between half open."""
    if timerel is None:
        if time_at is not None or end_time_at is not None:
            raise bad_data("`timeAt` needs `timerel`.", field="timerel")
        return None, None
    if timerel not in ("before", "after", "between"):
        raise bad_data("`timerel` is not one of before, after, between.", field="timerel")
    if time_at is None:
        raise bad_data(f"timerel={timerel} needs `timeAt`.", field="timeAt")
    at = required_instant(time_at, "timeAt")
    if timerel != "between":
        if end_time_at is not None:
            raise bad_data("`endTimeAt` goes with timerel=between only.", field="endTimeAt")
        return (None, at) if timerel == "before" else (at, None)
    if end_time_at is None:
        raise bad_data("timerel=between needs `endTimeAt`.", field="endTimeAt")
    end = required_instant(end_time_at, "endTimeAt")
    if end <= at:
        raise bad_data("`endTimeAt` is not after `timeAt`.", field="endTimeAt")
    return at, end
