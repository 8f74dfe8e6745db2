"""The plainest reading of scope and query: a filtered copy, and an evaluator over dictionaries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import shapely
from broker_strategies import History
from shapely.geometry import shape

from hansa.broker import AllOf, AnyOf, GeoQuery, Query, Term
from hansa.broker.model import Literal, Node, Range, ValueClass
from hansa.broker.query import instant, micros
from hansa.broker.store.geometry import distance_m
from hansa.kernel.jsonld import expand_ngsi_ld_name as expand
from hansa.policy import Cut, Scope

LOCATION = expand("location")


def instances(entity: Mapping[str, Any]) -> Iterable[tuple[str, dict[str, Any]]]:
    """Give (name, instance) of all attributes."""
    for name, value in entity.items():
        if name not in ("id", "type"):
            for one in value if isinstance(value, list) else [value]:
                yield name, one


def types(entity: Mapping[str, Any]) -> frozenset[str]:
    """Give the types of an entity as IRIs."""
    found = entity["type"]
    return frozenset(expand(one) for one in ([found] if isinstance(found, str) else found))


def covers(cut: Cut, entity: Mapping[str, Any], name: str, one: Mapping[str, Any]) -> bool:
    """Say whether a cut covers an instance; the area asks the entity's present default location."""
    if cut.types is not None and not cut.types & types(entity):
        return False
    if cut.id_prefix is not None and not entity["id"].startswith(cut.id_prefix):
        return False
    if cut.attributes is not None and expand(name) not in cut.attributes:
        return False
    if cut.area is not None:
        places = [
            shape(i["value"])
            for n, i in instances(entity)
            if n == "location" and "datasetId" not in i
        ]
        if not places or not shapely.from_wkt(cut.area.wkt).covers(places[0]):
            return False
    if cut.observed is None or "observedAt" not in one:
        return True
    at = instant(one["observedAt"])
    assert at is not None
    start, end = cut.observed.start, cut.observed.end
    return (start is None or at >= micros(start)) and (end is None or at < micros(end))


def visible(scope: Scope, entity: Mapping[str, Any], name: str, one: Mapping[str, Any]) -> bool:
    """Say whether an instance is in the copy."""
    return any(covers(cut, entity, name, one) for cut in scope.permits) and not any(
        covers(cut, entity, name, one) for cut in scope.denies
    )


def filtered(world: Iterable[History], scope: Scope) -> list[History]:
    """Give the physically filtered copy of a world."""
    copy: list[History] = []
    for history in world:
        entity = history.current
        current: dict[str, Any] = {"id": entity["id"], "type": entity["type"]}
        for name, value in entity.items():
            listed = value if isinstance(value, list) else [value]
            if name not in current and (
                kept := [one for one in listed if visible(scope, entity, name, one)]
            ):
                current[name] = kept if len(kept) > 1 else kept[0]
        past = {
            name: kept
            for name, found in history.past.items()
            if (kept := [one for one in found if visible(scope, entity, name, one)])
        }
        copy.append(History(current, past))
    return copy


# -- a query over dictionaries --------------------------------------------------------------------


def matches(entity: Mapping[str, Any], query: Query) -> bool:
    """Say whether an entity is in the answer of a query."""
    return (
        (not query.ids or entity["id"] in query.ids)
        and (query.types is None or query.types.matches(types(entity)))
        and (query.q is None or holds(entity, query.q))
        and (query.geo is None or related(entity, query.geo))
        and (
            not query.existing
            or any(expand(name) in query.existing for name, _ in instances(entity))
        )
    )


def holds(entity: Mapping[str, Any], node: Node) -> bool:
    """Say whether a query tree holds."""
    if isinstance(node, AllOf):
        return all(holds(entity, part) for part in node.parts)
    if isinstance(node, AnyOf):
        return any(holds(entity, part) for part in node.parts)
    return any(fits(one, node) for name, one in instances(entity) if expand(name) == node.attribute)


def fits(one: Mapping[str, Any], term: Term) -> bool:
    """Say whether one instance fulfils a comparison."""
    found = list(targets(one, term.path))
    if term.operator == "exists":
        return bool(found)
    if term.operator == "!=":
        return bool(found) and not any(equal(value, v) for value in found for v in term.values)
    if term.operator == "==":
        return any(equal(value, v) for value in found for v in term.values)
    (limit,) = term.values
    assert isinstance(limit, Literal)
    return any(compare(value, term.operator, limit) for value in found)


def targets(one: Mapping[str, Any], path: str) -> Iterable[Any]:
    """Give the scalars that a path leads to; a structure counts as present only."""
    if path == "@observedAt":
        yield from [("instant", instant(one["observedAt"]))] if "observedAt" in one else []
        return
    if path.startswith("."):
        below = [v for n, v in one.items() if n[:1].islower() and f".{expand(n)}" == path]
        for sub in below:
            if isinstance(sub, dict):
                yield from targets(sub, "")
        return
    value = one.get("value", one.get("object"))
    if path:
        value = value.get(path[1:-1]) if isinstance(value, dict) else None
        if value is None:
            return
    for single in value if isinstance(value, list) else [value]:
        yield ("uri", single) if "object" in one else single


def typed(value: Any) -> dict[ValueClass, Any]:
    """Give what a stored value can be compared as."""
    if isinstance(value, tuple):
        return {ValueClass[value[0]]: value[1]}
    if isinstance(value, bool):
        return {ValueClass.boolean: float(value)}
    if isinstance(value, (int, float)):
        return {ValueClass.number: value}
    if isinstance(value, str):
        at = instant(value)
        also = {} if at is None else {ValueClass.instant: at}
        return {ValueClass.text: value, **also}
    return {}


def equal(value: Any, wanted: Literal | Range) -> bool:
    """Say whether a stored value equals one value of the query."""
    if isinstance(wanted, Range):
        return compare(value, ">=", wanted.low) and compare(value, "<=", wanted.high)
    bare = wanted.text if wanted.number is None else wanted.number
    found = typed(value)
    if wanted.text is not None:
        return bare in (found.get(ValueClass.text), found.get(ValueClass.uri))
    return wanted.kind in found and found[wanted.kind] == bare


def compare(value: Any, operator: str, limit: Literal) -> bool:
    """Compare a stored value with a bound of the same class; text by code points."""
    found = typed(value).get(limit.kind)
    if found is None:
        return False
    bound: Any = limit.text if limit.number is None else limit.number
    if isinstance(found, str):
        found, bound = found.encode(), bound.encode()
    return {">": found > bound, ">=": found >= bound, "<": found < bound, "<=": found <= bound}[
        operator
    ]


def related(entity: Mapping[str, Any], query: GeoQuery) -> bool:
    """Say whether a geometry of an entity stands in the relation."""
    reference = shapely.from_wkb(query.reference.wkb)
    for name, one in instances(entity):
        if expand(name) != query.attribute or "value" not in one:
            continue
        target = shape(one["value"])
        if query.distance_m is not None:
            away_m = distance_m(query.reference.wkb, shapely.to_wkb(target))
            if (away_m > query.distance_m) if query.farther else (away_m <= query.distance_m):
                return True
        elif getattr(target, query.relation)(reference):
            return True
    return False
