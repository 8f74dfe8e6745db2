"""Read entities as clients write them, normalized or concise (NGSI-LD 1.9.1 4.5.1-4.5.4, 5.2.4).

Everything is checked and rendered here, before the store is touched: what goes into the table is
the core-context normalized JSON of each attribute instance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from hansa.broker.errors import bad_data, not_implemented
from hansa.broker.model import AttributeInstance, AttributeType, EntityDraft, Geometry, IndexedValue
from hansa.broker.query import canonical_instant, geometry_from_geojson, is_uri, required_instant
from hansa.broker.wire_ngsi_ld_1_9.names import (
    BY_MEMBER,
    NAME_LENGTH_MAX,
    SYSTEM_MEMBERS,
    TYPES,
    VALUE_MEMBER,
    Names,
)
from hansa.broker.wire_ngsi_ld_1_9.values import INDEXED_MAX, indexed
from hansa.kernel.jsonld import NGSI_LD

ATTRIBUTES_MAX = 1000
INSTANCES_MAX = 100_000
DEPTH_MAX = 8
ID_BYTES_MAX = 1000
TYPES_BYTES_MAX = 2000
NULL = "urn:ngsi-ld:null"
_GEO_NAMES = frozenset(NGSI_LD + n for n in ("location", "observationSpace", "operationSpace"))
_TEXT_MEMBERS = frozenset({"unitCode", "lang", "objectType", "valueType"})


def read_entity(raw: Any, names: Names, *, typed: bool = True) -> EntityDraft:
    """Check one entity and render its attributes; HansaError names the member at fault.

    `typed` False reads an entity fragment (5.4), which may leave the type out.
    """
    identifier, types = _head(raw, typed=typed)
    return EntityDraft(
        identifier, _types(types, names) if types else (), read_attributes(raw, names)
    )


def read_attributes(raw: Mapping[str, Any], names: Names) -> tuple[AttributeInstance, ...]:
    """Check and render the attributes of an entity or an entity fragment (5.4)."""
    found: list[AttributeInstance] = []

    def keep(name: str, iri: str, value: Any) -> None:
        for instance in _instances(value):
            found.append(_instance(iri, name, instance, names))
        if isinstance(value, list) and len(found) > 1:
            _distinct(found, iri, name)

    _each_attribute(raw, names, keep)
    return tuple(found)


def read_evolution(raw: Any, names: Names) -> EntityDraft:
    """Check one entity in temporal representation (4.5.6): each attribute a list of instances."""
    identifier, types = _head(raw, typed=False)
    found: list[AttributeInstance] = []

    def keep(name: str, iri: str, value: Any) -> None:
        for instance in value if isinstance(value, list) else [value]:
            found.append(_instance(iri, name, instance, names))
        if len(found) > INSTANCES_MAX:
            raise bad_data(f"At most {INSTANCES_MAX} instances are accepted at once.", field=name)

    _each_attribute(raw, names, keep)
    return EntityDraft(identifier, _types(types, names) if types else (), tuple(found))


def entity_id(raw: Any) -> str | None:
    """Give the id of what may be an entity, to name it in a batch's answer."""
    found = raw.get("id") if isinstance(raw, Mapping) else None
    return found if isinstance(found, str) else None


def _head(raw: Any, *, typed: bool = True) -> tuple[str, list[Any]]:
    if not isinstance(raw, Mapping):
        raise bad_data("An entity is a JSON object.")
    identifier = raw.get("id")
    if not isinstance(identifier, str):
        raise bad_data("The entity has no `id` that is a URI.", field="id")
    if len(identifier.encode()) > ID_BYTES_MAX:
        raise bad_data(f"The id is longer than {ID_BYTES_MAX} bytes.", field="id")
    if not is_uri(identifier):
        raise bad_data(
            f"The id {identifier[:60]!r} is not a URI.",
            "Write for example urn:ngsi-ld:Building:0001.",
            field="id",
        )
    types = raw.get("type")
    if types is None and not typed:
        return identifier, []
    listed = types if isinstance(types, list) else [types]
    if not listed or not all(isinstance(one, str) for one in listed):
        raise bad_data("The entity has no `type`: a name or a list of names.", field="type")
    for member in ("scope", "expiresAt"):
        if member in raw:
            raise not_implemented(f"The entity member `{member}`", f"Leave `{member}` out.")
    return identifier, listed


def _types(listed: list[Any], names: Names) -> tuple[str, ...]:
    found = tuple(sorted({names.iri(one) for one in listed}))
    if len("".join(found).encode()) > TYPES_BYTES_MAX:
        raise bad_data(
            f"The names of the types are longer than {TYPES_BYTES_MAX} bytes.", field="type"
        )
    return found


def _each_attribute(
    raw: Mapping[str, Any], names: Names, keep: Callable[[str, str, Any], None]
) -> None:
    if len(raw) > ATTRIBUTES_MAX:
        raise bad_data(f"An entity has at most {ATTRIBUTES_MAX} attributes.", limit=ATTRIBUTES_MAX)
    seen: set[str] = set()
    for name, value in raw.items():
        if name in ("id", "type", "@context") or name in SYSTEM_MEMBERS:
            continue
        iri = names.iri(name)
        if iri in seen:
            raise bad_data(f"The attribute {name!r} is there twice.", field=name)
        seen.add(iri)
        keep(name, iri, value)


def _instances(value: Any) -> list[Any]:
    """Tell several instances of one attribute (4.5.5) from one value that is a list."""
    if isinstance(value, list) and value and all(_is_attribute(one) for one in value):
        return value
    return [value]


def _is_attribute(value: Any) -> bool:
    return isinstance(value, dict) and (
        value.get("type") in TYPES or any(member in value for member in BY_MEMBER)
    )


def _distinct(found: list[AttributeInstance], iri: str, name: str) -> None:
    datasets = [one.dataset for one in found if one.name == iri]
    if len(set(datasets)) < len(datasets):
        raise bad_data(
            f"Two instances of {name!r} have the same `datasetId` or none.",
            "Give each instance a datasetId of its own; at most one has none (4.5.5).",
            field=name,
        )


def _instance(iri: str, name: str, raw: Any, names: Names) -> AttributeInstance:
    reader = _Reader(names)
    body, kind = reader.attribute(raw, name, "", 0)
    if iri in _GEO_NAMES and kind != AttributeType.GeoProperty:
        raise bad_data(
            f"`{name}` is not a GeoProperty.",
            "Its value is a GeoJSON geometry in WGS84, longitude first (4.7).",
            field=name,
        )
    return AttributeInstance(
        iri,
        kind,
        orjson.dumps(body),
        reader.dataset,
        reader.observed,
        tuple(reader.values),
        reader.geometry,
    )


class _Reader:
    """Read one attribute instance with its sub-attributes, collecting what is indexed."""

    __slots__ = ("_names", "dataset", "geometry", "observed", "values")

    def __init__(self, names: Names) -> None:
        self._names = names
        self.values: list[IndexedValue] = []
        self.observed: int | None = None
        self.dataset: str | None = None
        self.geometry: Geometry | None = None

    def attribute(
        self, raw: Any, field: str, path: str, depth: int
    ) -> tuple[dict[str, Any], AttributeType]:
        """Give the normalized object of one attribute; `path` says where it is indexed."""
        if depth > DEPTH_MAX:
            raise bad_data(f"Attributes are nested deeper than {DEPTH_MAX} levels.", field=field)
        kind, value = _kind_and_value(raw, field)
        member = VALUE_MEMBER[kind]
        body: dict[str, Any] = {
            "type": kind.name,
            member: self._value(kind, value, f"{field}.{member}", path, depth),
        }
        if isinstance(raw, dict) and value is not raw:
            for name, given in raw.items():
                if name != "type" and name != member and name not in SYSTEM_MEMBERS:
                    self._member(body, name, given, field, path, depth)
        return body, kind

    def _value(self, kind: AttributeType, value: Any, field: str, path: str, depth: int) -> Any:
        if value is None or value == NULL:
            raise bad_data(
                f"`{field}` is null.", "Leave the attribute out, or give it a value.", field=field
            )
        if kind == AttributeType.GeoProperty:
            found = geometry_from_geojson(value, field)
            if depth == 0:
                self.geometry = found
            return value
        if len(self.values) < INDEXED_MAX:
            value = indexed(kind, value, field, path, self._names, self.values)
        return value

    def _member(
        self, body: dict[str, Any], name: str, given: Any, field: str, path: str, depth: int
    ) -> None:
        if name == "unitCode" and isinstance(given, str):
            body[name] = given
            return
        place = f"{field}.{name}"
        if name == "observedAt":
            found = canonical_instant(given) if isinstance(given, str) else None
            if found is None:
                required_instant("", place)
            else:
                body[name] = found[1]
                if depth == 0:
                    self.observed = found[0]
        elif name == "datasetId":
            if not isinstance(given, str) or not is_uri(given) or len(given) > NAME_LENGTH_MAX:
                raise bad_data(
                    f"`{place}` is not a URI of at most {NAME_LENGTH_MAX} characters.", field=place
                )
            body[name] = given
            if depth == 0:
                self.dataset = given
        elif name in _TEXT_MEMBERS:
            texts = given if isinstance(given, list) else [given]
            if not all(isinstance(text, str) for text in texts):
                raise bad_data(f"`{place}` is not a text.", field=place)
            body[name] = given
        elif name == "ngsildproof":
            body[name] = given
        elif name == "expiresAt":
            raise not_implemented("The attribute member `expiresAt`", "Leave `expiresAt` out.")
        else:
            iri, short = self._names.of(name)
            if short in body:
                raise bad_data(f"`{place}` is there twice or is a reserved name.", field=place)
            body[short] = self.attribute(given, place, f"{path}.{iri}", depth + 1)[0]


def _kind_and_value(raw: Any, field: str) -> tuple[AttributeType, Any]:
    """Find the kind of an attribute; a bare value is a concise Property (4.5.1, 4.5.2.3)."""
    if not isinstance(raw, dict):
        return AttributeType.Property, raw
    named = raw.get("type")
    kind = TYPES.get(named) if isinstance(named, str) else None
    if kind is not None:
        member = VALUE_MEMBER[kind]
        if member not in raw:
            raise bad_data(f"`{field}` is a {named} without `{member}`.", field=f"{field}.{member}")
        return kind, raw[member]
    if isinstance(named, str) and "coordinates" in raw:
        return AttributeType.GeoProperty, raw
    if named is None:
        for member, inferred in BY_MEMBER.items():
            if member in raw:
                value = raw[member]
                geo = inferred == AttributeType.Property and _is_geometry(value)
                return (AttributeType.GeoProperty if geo else inferred), value
    raise bad_data(
        f"`{field}` is no attribute.",
        f"Its `type` is one of {', '.join(TYPES)}, and it has the member of that type.",
        field=f"{field}.type",
    )


def _is_geometry(value: Any) -> bool:
    return isinstance(value, dict) and "coordinates" in value and isinstance(value.get("type"), str)
