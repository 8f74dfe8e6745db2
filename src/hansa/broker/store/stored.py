# ruff: noqa: S608 - numbers and table names of our own stand in the text, values in parameters
"""What is in the tables of the entities that a write is about to change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hansa.broker.ports import Dialect
from hansa.kernel.jsonld import NGSI_LD
from hansa.kernel.store import ReadTx

LOCATION = NGSI_LD + "location"


Place = tuple[int | None, float | None, float | None, float | None, float | None]
SHAPE_BITS = 24
"""The number of a geometry is that of its entity, and behind it which one of the entity's it is."""
NOWHERE: Place = (None, None, None, None, None)


@dataclass
class StoredInstance:
    """An attribute instance in the table."""

    type: int
    observed: int | None
    created: int
    modified: int
    body: bytes


@dataclass
class StoredEntity:
    """An entity in the table; `k` is below zero when only its history is left.

    `shapes` counts the geometries that the entity ever had: their numbers are made of it.
    `place` is the row number of its location's geometry, and its box.
    Instances and geometries stand under (attribute, dataset).
    """

    n: int
    k: int
    created: int
    shapes: int = 0
    place: Place = NOWHERE
    instances: dict[tuple[int, int], StoredInstance] = field(default_factory=dict)
    geometries: dict[tuple[int, int], int] = field(default_factory=dict)


def find(tx: ReadTx, dialect: Dialect, p: int, ids: Sequence[str]) -> dict[str, StoredEntity]:
    """Give those entities that are there, also deleted ones, by id."""
    if not ids:
        return {}
    condition = dialect.one_of("id", list(ids))
    rows = tx.execute(
        dialect.placeholders(
            "SELECT id, n, k, created, shapes, g, west, south, east, north FROM broker_entity"
            f" WHERE p = {p} AND {condition.text}"
        ),
        condition.parameters,
    )
    return {row[0]: StoredEntity(row[1], row[2], row[3], row[4], row[5:]) for row in rows}


def load(tx: ReadTx, dialect: Dialect, p: int, entities: Sequence[StoredEntity]) -> None:
    """Add instances and geometries to entities."""
    if not entities:
        return
    by_number = {entity.n: entity for entity in entities}
    condition = dialect.one_of("n", list(by_number))
    for n, a, d, kind, observed, created, modified, body in tx.execute(
        dialect.placeholders(
            "SELECT n, a, d, type, observed, created, modified, body FROM broker_attribute"
            f" WHERE p = {p} AND {condition.text}"
        ),
        condition.parameters,
    ):
        stored = StoredInstance(kind, observed, created, modified, bytes(body))
        by_number[n].instances[(a, d)] = stored
    for n, a, d, g in tx.execute(
        dialect.placeholders(
            f"SELECT n, a, d, g FROM broker_geometry WHERE p = {p} AND {condition.text}"
        ),
        condition.parameters,
    ):
        by_number[n].geometries[(a, d)] = g
