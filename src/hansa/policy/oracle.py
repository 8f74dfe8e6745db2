"""The meaning of a scope, written down as a filter over entities: the physically filtered copy.

Slow and plain on purpose. A query of the broker under a scope must answer what the same query
answers over this copy; a property test there holds it to that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from hansa.kernel import parse_instant
from hansa.kernel.jsonld import NGSI_LD, expand_ngsi_ld_name
from hansa.policy.geometry import shape_of
from hansa.policy.model import Area, Cut, Scope, Window
from hansa.policy.operands import NameExpander

LOCATION = NGSI_LD + "location"
_MEMBERS = frozenset(
    "id @id type @type @context scope createdAt modifiedAt deletedAt expiresAt".split()
)
_EARLIEST = datetime.min.replace(tzinfo=UTC)


def filter_copy(
    entities: Iterable[Mapping[str, Any]],
    scope: Scope,
    *,
    expand: NameExpander = expand_ngsi_ld_name,
) -> list[dict[str, Any]]:
    """Give the copy of the entities that `scope` lets exist.

    Entities are normalized NGSI-LD, current or temporal: an attribute is one instance or a list
    of instances. An instance is in the copy iff some permit covers it and no deny does; an entity
    is in the copy iff one of its instances is. Order stays; a list stays a list.
    """
    copy: list[dict[str, Any]] = []
    for entity in entities:
        kept = {name: value for name, value in entity.items() if name in _MEMBERS}
        members = len(kept)
        for name, value in entity.items():
            if name in _MEMBERS:
                continue
            seen = [
                instance
                for instance in _instances(value)
                if _visible(scope, entity, expand(name), instance, expand)
            ]
            if seen:
                kept[name] = seen if isinstance(value, list) else seen[0]
        if len(kept) > members:
            copy.append(kept)
    return copy


def _visible(
    scope: Scope,
    entity: Mapping[str, Any],
    attribute: str,
    instance: Mapping[str, Any],
    expand: NameExpander,
) -> bool:
    def covered(cut: Cut) -> bool:
        return covers_instance(cut, entity, attribute, instance, expand)

    return any(covered(cut) for cut in scope.permits) and not any(
        covered(cut) for cut in scope.denies
    )


def covers_instance(
    cut: Cut,
    entity: Mapping[str, Any],
    attribute: str,
    instance: Mapping[str, Any],
    expand: NameExpander = expand_ngsi_ld_name,
) -> bool:
    """Say whether one cut is about one attribute instance (attribute as an IRI)."""
    identifier = entity.get("id", entity.get("@id", ""))
    if cut.id_prefix is not None and not identifier.startswith(cut.id_prefix):
        return False
    if cut.types is not None and cut.types.isdisjoint(_types(entity, expand)):
        return False
    if cut.attributes is not None and attribute not in cut.attributes:
        return False
    if cut.area is not None and not _lies_in(cut.area, entity, expand):
        return False
    return cut.observed is None or _observed_in(cut.observed, instance)


def _types(entity: Mapping[str, Any], expand: NameExpander) -> set[str]:
    value = entity.get("type", entity.get("@type", ()))
    return {expand(name) for name in ([value] if isinstance(value, str) else value)}


def _instances(value: Any) -> Iterator[Mapping[str, Any]]:
    yield from value if isinstance(value, list) else [value]


def _observed_in(window: Window, instance: Mapping[str, Any]) -> bool:
    text = instance.get("observedAt")
    if text is None:
        return True
    at = parse_instant(text)
    return (window.start is None or at >= window.start) and (window.end is None or at < window.end)


def _lies_in(area: Area, entity: Mapping[str, Any], expand: NameExpander) -> bool:
    place = entity_location(entity, expand)
    if place is None:
        return False
    import shapely
    from shapely.geometry import shape

    try:
        geometry = shape(place)
    except (shapely.errors.ShapelyError, AttributeError, KeyError, TypeError, ValueError):
        return False
    return bool(geometry.covered_by(_prepared(area))) if not geometry.is_empty else False


def entity_location(
    entity: Mapping[str, Any], expand: NameExpander = expand_ngsi_ld_name
) -> Mapping[str, Any] | None:
    """Give the place of an entity: the GeoJSON of its default `location` instance.

    In a history it is the one observed last (one without `observedAt` counts as oldest; of two
    with the same instant the later in the list). Instances with a `datasetId` name other places.
    """
    latest: tuple[datetime, Mapping[str, Any]] | None = None
    for name, value in entity.items():
        if name in _MEMBERS or expand(name) != LOCATION:
            continue
        for instance in _instances(value):
            place = instance.get("value")
            if "datasetId" in instance or not isinstance(place, Mapping):
                continue
            text = instance.get("observedAt")
            at = _EARLIEST if text is None else parse_instant(text)
            if latest is None or at >= latest[0]:
                latest = (at, place)
    return latest[1] if latest else None


@lru_cache(maxsize=32)
def _prepared(area: Area) -> Any:
    return shape_of(area)
