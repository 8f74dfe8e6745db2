"""Render entities in the representation that was asked for (NGSI-LD 1.9.1 4.5.1-4.5.18).

The common road joins stored bytes. Everything else parses the fragments, which hold short names of
the core context, and writes them anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import orjson

from hansa.broker.model import AttributeType
from hansa.broker.query import iso_from_micros
from hansa.broker.wire_ngsi_ld_1_9.joining import head, joined, member
from hansa.broker.wire_ngsi_ld_1_9.names import VALUE_MEMBER
from hansa.broker.wire_ngsi_ld_1_9.view import View
from hansa.kernel.jsonld import expand_ngsi_ld_name

_VALUE_OF = {kind.name: name for kind, name in VALUE_MEMBER.items()}
_KEPT = frozenset(
    {"type", "observedAt", "datasetId", "unitCode", "lang", "objectType", "valueType"}
    | {"createdAt", "modifiedAt", "ngsildproof", *VALUE_MEMBER.values()}
)
_SIMPLE_WRAPPED = {
    AttributeType.LanguageProperty.name: "languageMap",
    AttributeType.VocabProperty.name: "vocab",
    AttributeType.JsonProperty.name: "json",
}


class Fragment(NamedTuple):
    """One attribute instance as stored: its IRI, bytes and system times (microseconds)."""

    name: str
    body: bytes
    created: int
    modified: int


class Found(NamedTuple):
    """One entity as found: what of it exists for the reader."""

    id: str
    types: Iterable[str]
    created: int
    modified: int
    fragments: Sequence[Fragment]


def embed(body: bytes, view: View) -> bytes:
    """Write the `@context` into rendered bytes when the answer is JSON-LD."""
    if view.embedded is None:
        return body
    return b'{"@context":%b,%b' % (orjson.dumps(view.embedded), body[1:])


def render(found: Found, view: View) -> bytes:
    """Render one entity."""
    if view.plain:
        pairs = ((member(part.name), part.body) for part in found.fragments)
        return embed(joined(head(found.id, found.types), pairs), view)
    if view.geometry is not None:
        return orjson.dumps(_feature(found, view))
    return embed(orjson.dumps(_entity(found, view)), view)


def _entity(found: Found, view: View) -> dict[str, Any]:
    names = rename(view)
    body: dict[str, Any] = {}
    if view.with_id:
        body["id"] = found.id
    if view.with_type:
        body["type"] = type_names(found.types, view)
    if view.sys_attrs and view.form != "simplified":
        body["createdAt"] = iso_from_micros(found.created)
        body["modifiedAt"] = iso_from_micros(found.modified)
    for name, instances in grouped(found.fragments):
        values = [
            instance(part.body, part.created, part.modified, view, names) for part in instances
        ]
        short = view.terms.compact(name)
        if len(values) == 1:
            body[short] = values[0]
        elif view.form == "simplified":
            body[short] = {"dataset": _by_dataset(instances, values)}
        else:
            body[short] = values
    return body


def _feature(found: Found, view: View) -> dict[str, Any]:
    """Give the GeoJSON feature (4.5.16): its geometry is the default instance of one attribute."""
    geometry = None
    for part in found.fragments:
        if part.name == view.geometry:
            value = orjson.loads(part.body)
            if value.get("type") == "GeoProperty" and (
                geometry is None or "datasetId" not in value
            ):
                geometry = value["value"]
    properties = _entity(found, view)
    properties.pop("id", None)
    feature = {"id": found.id, "type": "Feature", "geometry": geometry, "properties": properties}
    if view.embedded is not None:
        feature["@context"] = view.embedded
    return feature


def grouped(fragments: Iterable[Fragment]) -> Iterable[tuple[str, list[Fragment]]]:
    """Give each attribute with its instances, in order."""
    groups: dict[str, list[Fragment]] = {}
    for part in fragments:
        groups.setdefault(part.name, []).append(part)
    return groups.items()


def type_names(types: Iterable[str], view: View) -> str | list[str]:
    """Give the value of `type`: a name, or a list of several."""
    names = sorted(view.terms.compact(one) for one in types)
    return names[0] if len(names) == 1 else names


def rename(view: View) -> Callable[[str], str]:
    """Give the function from stored short names to those of the view's context."""
    compact = view.terms.compact
    return lambda name: compact(expand_ngsi_ld_name(name))


def instance(
    stored_body: bytes, created: int, modified: int, view: View, names: Callable[[str], str]
) -> Any:
    """Render one attribute instance from its stored bytes."""
    stored: dict[str, Any] = orjson.loads(stored_body)
    if view.form == "simplified":
        return simplified(stored)
    body = _renamed(stored, names)
    if view.sys_attrs:
        body["createdAt"] = iso_from_micros(created)
        body["modifiedAt"] = iso_from_micros(modified)
    return concise(body) if view.form == "concise" else body


def _renamed(stored: dict[str, Any], names: Callable[[str], str]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for name, value in stored.items():
        if name in _KEPT:
            body[name] = value
        else:
            body[names(name)] = _renamed(value, names) if isinstance(value, dict) else value
    if stored.get("type") == AttributeType.VocabProperty.name:
        words = stored["vocab"]
        body["vocab"] = [names(one) for one in words] if isinstance(words, list) else names(words)
    return body


def simplified(stored: dict[str, Any]) -> Any:
    """Give the bare value of an attribute (4.5.4)."""
    kind = stored["type"]
    value = stored[_VALUE_OF[kind]]
    wrapped = _SIMPLE_WRAPPED.get(kind)
    return {wrapped: value} if wrapped else value


def concise(body: dict[str, Any]) -> Any:
    """Give the shortest form that can be read back (4.5.1): the type is left to the reader."""
    kind = body["type"]
    rest = {
        name: concise(value)
        if isinstance(value, dict) and value.get("type") in _VALUE_OF and name not in _KEPT
        else value
        for name, value in body.items()
        if name != "type"
    }
    if kind in ("Property", "GeoProperty") and len(rest) == 1:
        value = rest["value"]
        bare = not isinstance(value, dict) if kind == "Property" else True
        listed = isinstance(value, list) and any(isinstance(one, dict) for one in value)
        return value if bare and not listed else rest
    return rest


def _by_dataset(instances: Sequence[Fragment], values: Sequence[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part, value in zip(instances, values, strict=True):
        found[orjson.loads(part.body).get("datasetId", "@none")] = value
    return found
