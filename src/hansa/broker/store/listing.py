# ruff: noqa: S608 - numbers and table names of our own stand in the text, values in parameters
"""List which types and attributes exist in a world (NGSI-LD 1.9.1 5.7.5-5.7.10)."""

from __future__ import annotations

from collections import defaultdict

from hansa.broker.model import AttributeFacts, AttributeType, EntityTypeFacts
from hansa.broker.store.reading import Reading
from hansa.broker.store.sql import TRUE, sql
from hansa.broker.store.world import World


def kinds_present(reading: Reading, world: World) -> dict[int, int]:
    """Give how many entities of each kind exist; kinds without any are left out."""
    if not world.kinds:
        return {}
    listed = reading.dialect.one_of("e.k", world.kinds)
    if world.exists() == TRUE:
        rows = reading.run(
            sql(
                "SELECT e.k, e.entities FROM broker_kind e"
                f" WHERE e.p = {world.p} AND {{}} AND e.entities > 0",
                listed,
            )
        )
    else:
        rows = reading.run(
            sql(
                f"SELECT e.k, count(*) FROM broker_entity e WHERE e.p = {world.p}"
                " AND {} AND {} GROUP BY e.k",
                listed,
                world.exists(),
            )
        )
    return dict(rows)  # type: ignore[arg-type]


def attributes_present(reading: Reading, world: World) -> list[tuple[str, int, AttributeType, int]]:
    """Give (IRI, kind, attribute type, number of instances) of all that exists."""
    if not world.kinds:
        return []
    listed = reading.dialect.one_of("e.k", world.kinds)
    if world.whole and world.entity == TRUE:
        rows = reading.run(
            sql(
                "SELECT e.a, e.k, e.type, e.instances FROM broker_kind_attribute e"
                f" WHERE e.p = {world.p} AND {{}} AND e.instances > 0",
                listed,
            )
        )
    else:
        rows = reading.run(
            sql(
                "SELECT t.a, e.k, t.type, count(*) FROM broker_entity e"
                " JOIN broker_attribute t ON t.p = e.p AND t.n = e.n"
                f" WHERE e.p = {world.p} AND {{}} AND {{}} AND {{}} GROUP BY t.a, e.k, t.type",
                listed,
                world.entity,
                world.instance("t"),
            )
        )
    iris = reading.vocabulary.iris
    return [(iris[a], k, AttributeType(kind), count) for a, k, kind, count in rows]  # type: ignore


def types_in(reading: Reading, world: World, only: str | None) -> list[EntityTypeFacts]:
    """Give the types that exist, by IRI; `only` asks for one."""
    kinds = reading.vocabulary.kinds
    entities: dict[str, int] = defaultdict(int)
    for k, count in kinds_present(reading, world).items():
        for iri in kinds[k].types:
            entities[iri] += count
    attributes: dict[str, dict[str, set[AttributeType]]] = defaultdict(lambda: defaultdict(set))
    for name, k, kind, _ in attributes_present(reading, world):
        for iri in kinds[k].types:
            attributes[iri][name].add(kind)
    return [
        EntityTypeFacts(
            iri,
            entities[iri],
            {name: tuple(sorted(found)) for name, found in sorted(attributes[iri].items())},
        )
        for iri in sorted(entities)
        if only is None or iri == only
    ]


def attributes_in(reading: Reading, world: World, only: str | None) -> list[AttributeFacts]:
    """Give the attributes that exist, by IRI; `only` asks for one."""
    kinds: dict[str, set[AttributeType]] = defaultdict(set)
    types: dict[str, set[str]] = defaultdict(set)
    instances: dict[str, int] = defaultdict(int)
    for name, k, kind, count in attributes_present(reading, world):
        kinds[name].add(kind)
        types[name] |= reading.vocabulary.kinds[k].types
        instances[name] += count
    return [
        AttributeFacts(
            name, tuple(sorted(kinds[name])), tuple(sorted(types[name])), instances[name]
        )
        for name in sorted(kinds)
        if only is None or name == only
    ]
