"""Render the temporal evolution of entities (NGSI-LD 1.9.1 4.5.6-4.5.9)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import orjson

from hansa.broker.model import AttributeType
from hansa.broker.query import iso_from_micros
from hansa.broker.wire_ngsi_ld_1_9.joining import head, member
from hansa.broker.wire_ngsi_ld_1_9.names import VALUE_MEMBER
from hansa.broker.wire_ngsi_ld_1_9.render import embed, instance, rename, type_names
from hansa.broker.wire_ngsi_ld_1_9.view import View

_PLURAL = {
    AttributeType.Property: "values",
    AttributeType.GeoProperty: "values",
    AttributeType.Relationship: "objects",
    AttributeType.LanguageProperty: "languageMaps",
    AttributeType.VocabProperty: "vocabs",
    AttributeType.JsonProperty: "jsons",
    AttributeType.ListProperty: "valueLists",
    AttributeType.ListRelationship: "objectLists",
}


class Moment(NamedTuple):
    """One instance in the history: the instant it is ordered by, and its bytes."""

    at: int
    observed: bool
    modified: int
    body: bytes


class Evolution(NamedTuple):
    """The instances of one entity that exist for the reader and were asked for."""

    id: str
    types: Iterable[str]
    created: int
    modified: int
    attributes: Sequence[tuple[str, Sequence[Moment]]]


def render_evolution(found: Evolution, view: View, timeproperty: str, *, values: bool) -> bytes:
    """Render one entity; `values` gives pairs of value and time only (4.5.9)."""
    if view.plain and not values:
        parts = [head(found.id, found.types)]
        for name, moments in found.attributes:
            parts.append(member(name))
            parts.append(b"[%b]" % b",".join([moment.body for moment in moments]))
        return embed(b"".join([*parts, b"}"]), view)
    body: dict[str, Any] = {}
    if view.with_id:
        body["id"] = found.id
    if view.with_type:
        body["type"] = type_names(found.types, view)
    if view.sys_attrs:
        body["createdAt"] = iso_from_micros(found.created)
        body["modifiedAt"] = iso_from_micros(found.modified)
    names = rename(view)
    for name, moments in found.attributes:
        short = view.terms.compact(name)
        if values:
            pairs = _pairs(moments, timed_by_change=timeproperty != "observedAt")
            body[short] = pairs[0] if len(pairs) == 1 else pairs
        else:
            body[short] = [
                instance(moment.body, moment.modified, moment.modified, view, names)
                for moment in moments
            ]
    return embed(orjson.dumps(body), view)


def _pairs(moments: Sequence[Moment], *, timed_by_change: bool) -> list[dict[str, Any]]:
    """Give the simplified form: one object per kind of attribute and dataset."""
    groups: dict[tuple[str, str | None], list[list[Any]]] = {}
    for moment in moments:
        if not moment.observed and not timed_by_change:
            continue
        stored = orjson.loads(moment.body)
        kind = AttributeType[stored["type"]]
        pair = [stored[VALUE_MEMBER[kind]], iso_from_micros(moment.at)]
        groups.setdefault((kind.name, stored.get("datasetId")), []).append(pair)
    found: list[dict[str, Any]] = []
    for (kind_name, dataset), pairs in groups.items():
        one: dict[str, Any] = {"type": kind_name, _PLURAL[AttributeType[kind_name]]: pairs}
        if dataset is not None:
            one["datasetId"] = dataset
        found.append(one)
    return found or [{"type": "Property", "values": []}]
