# ruff: noqa: S608 - numbers and table names of our own stand in the text, values in parameters
"""The broker's tables in SQLite, and what only SQLite can say.

Every key starts with the number of the participant; the R*Tree's third dimension is the number of
the geo-attribute, which belongs to one participant, so that participants never share a node of
interest. That dimension is half a unit long: a box without volume would make the tree degenerate.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from hansa.broker.model import Geometry, GeoQuery
from hansa.broker.store import geometry
from hansa.broker.store.sql import FALSE, Sql
from hansa.broker.store.stored import SHAPE_BITS
from hansa.kernel.store import Tx
from hansa.policy import Area

SCHEMA: Sequence[str] = (
    """CREATE TABLE broker_participant (
        p INTEGER PRIMARY KEY, participant TEXT NOT NULL UNIQUE,
        generation INTEGER NOT NULL, secret BLOB NOT NULL
    ) STRICT""",
    """CREATE TABLE broker_name (
        a INTEGER PRIMARY KEY, p INTEGER NOT NULL, name TEXT NOT NULL, UNIQUE (p, name)
    ) STRICT""",
    """CREATE TABLE broker_kind (
        k INTEGER PRIMARY KEY, p INTEGER NOT NULL, types TEXT NOT NULL, bare INTEGER NOT NULL,
        entities INTEGER NOT NULL DEFAULT 0, UNIQUE (p, types, bare)
    ) STRICT""",
    """CREATE TABLE broker_kind_attribute (
        p INTEGER NOT NULL, k INTEGER NOT NULL, a INTEGER NOT NULL, type INTEGER NOT NULL,
        instances INTEGER NOT NULL, PRIMARY KEY (p, k, a, type)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE broker_entity (
        n INTEGER PRIMARY KEY, p INTEGER NOT NULL, k INTEGER NOT NULL, id TEXT NOT NULL,
        created INTEGER NOT NULL, modified INTEGER NOT NULL, version INTEGER NOT NULL,
        shapes INTEGER NOT NULL, g INTEGER, west REAL, south REAL, east REAL, north REAL,
        body BLOB NOT NULL, UNIQUE (p, id)
    ) STRICT""",
    "CREATE INDEX broker_entity_kind ON broker_entity (p, k)",
    "CREATE INDEX broker_entity_order ON broker_entity (p) WHERE k > 0",
    """CREATE TABLE broker_attribute (
        p INTEGER NOT NULL, n INTEGER NOT NULL, a INTEGER NOT NULL, d INTEGER NOT NULL,
        type INTEGER NOT NULL, observed INTEGER, created INTEGER NOT NULL,
        modified INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (p, n, a, d)
    ) STRICT, WITHOUT ROWID""",
    """CREATE INDEX broker_attribute_observed ON broker_attribute (p, a, observed, n)
        WHERE observed IS NOT NULL""",
    """CREATE TABLE broker_number (
        p INTEGER NOT NULL, n INTEGER NOT NULL, a INTEGER NOT NULL, d INTEGER NOT NULL,
        path TEXT NOT NULL, c INTEGER NOT NULL, v REAL NOT NULL,
        k INTEGER NOT NULL, observed INTEGER, PRIMARY KEY (p, n, a, d, path, c, v)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX broker_number_value ON broker_number (p, a, path, c, k, v, n, observed)",
    """CREATE TABLE broker_text (
        p INTEGER NOT NULL, n INTEGER NOT NULL, a INTEGER NOT NULL, d INTEGER NOT NULL,
        path TEXT NOT NULL, c INTEGER NOT NULL, v TEXT NOT NULL,
        k INTEGER NOT NULL, observed INTEGER, PRIMARY KEY (p, n, a, d, path, c, v)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX broker_text_value ON broker_text (p, a, path, c, k, v, n, observed)",
    """CREATE TABLE broker_geometry (
        g INTEGER PRIMARY KEY, p INTEGER NOT NULL, n INTEGER NOT NULL,
        a INTEGER NOT NULL, d INTEGER NOT NULL, observed INTEGER,
        x REAL, y REAL, wkb BLOB NOT NULL, UNIQUE (p, n, a, d)
    ) STRICT""",
    "CREATE VIRTUAL TABLE broker_box USING rtree(g, west, east, south, north, a_low, a_high)",
    """CREATE TABLE broker_history (
        p INTEGER NOT NULL, n INTEGER NOT NULL, a INTEGER NOT NULL, o INTEGER NOT NULL,
        at INTEGER NOT NULL, d INTEGER NOT NULL, modified INTEGER NOT NULL,
        c INTEGER, number REAL, text TEXT, body BLOB NOT NULL,
        PRIMARY KEY (p, n, a, o, at, d)
    ) STRICT, WITHOUT ROWID""",
)
CHANGES: Sequence[str] = (
    "ALTER TABLE broker_participant ADD COLUMN changes INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE broker_entity ADD COLUMN changed INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX broker_entity_changed ON broker_entity (p, changed) WHERE changed > 0",
    """CREATE TABLE broker_follower (
        f INTEGER PRIMARY KEY, p INTEGER NOT NULL, name TEXT NOT NULL, UNIQUE (p, name)
    ) STRICT""",
    """CREATE TABLE broker_told (
        f INTEGER NOT NULL, n INTEGER NOT NULL, round INTEGER NOT NULL, type BLOB NOT NULL,
        PRIMARY KEY (f, n)
    ) STRICT, WITHOUT ROWID""",
)
"""The order of changes, and what each follower of them was told."""
_LAYER = 0.5


class SqliteDialect:
    """How the broker speaks to SQLite."""

    backend = "sqlite"

    def __init__(self) -> None:
        self._references = geometry.References()

    def placeholders(self, text: str) -> str:
        """Give the statement as it is: `?` is SQLite's own sign."""
        return text

    def numbers(self, tx: Tx, count: int) -> list[int]:
        """Give `count` new row numbers for entities; rows are never taken away."""
        last = tx.execute("SELECT coalesce(max(n), 0) FROM broker_entity")[0][0]
        return list(range(last + 1, last + 1 + count))

    def one_of(self, column: str, values: Sequence[int] | Sequence[str]) -> Sql:
        """Give the condition that a column is one of these values."""
        if not values:
            return FALSE
        if len(values) == 1:
            return Sql(f"{column} = ?", (values[0],))
        if len(values) <= 8:
            return Sql(f"{column} IN ({', '.join('?' * len(values))})", tuple(values))
        return Sql(
            f"{column} IN (SELECT value FROM json_each(?))", (orjson.dumps(values).decode(),)
        )

    def index(self, name: str | None) -> str:
        """Say which index a scan of the entities uses; None looks rows up by number."""
        return f" INDEXED BY {name}" if name else " NOT INDEXED"

    def row(self, table: str, alias: str) -> str:
        """Name a table whose rows are looked up by their key.

        Left to itself SQLite may take the index of values, which lists all entities.
        """
        return f"{table} {alias} INDEXED BY sqlite_autoindex_{table}_1"

    def save_geometries(
        self, tx: Tx, p: int, rows: Iterable[tuple[int, int, int, int, int | None, Geometry]]
    ) -> None:
        """Insert (g, n, a, d, observed, geometry) rows and their boxes."""
        kept, boxes = [], []
        for g, n, a, d, observed, shape in rows:
            west, south, east, north = shape.box
            x, y = (west, south) if shape.point else (None, None)
            kept.append((g, p, n, a, d, observed, x, y, shape.wkb))
            boxes.append((g, west, east, south, north, a, a + _LAYER))
        tx.executemany("INSERT INTO broker_geometry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", kept)
        tx.executemany("INSERT INTO broker_box VALUES (?, ?, ?, ?, ?, ?, ?)", boxes)

    def drop_geometries(self, tx: Tx, p: int, numbers: Iterable[int], *, keep: bool) -> None:
        """Take geometries out of the tree; `keep` leaves the rows themselves (deleted entity)."""
        rows = [(g,) for g in numbers]
        tx.executemany("DELETE FROM broker_box WHERE g = ?", rows)
        if not keep:
            tx.executemany(
                "DELETE FROM broker_geometry WHERE p = ? AND g = ?", [(p, *r) for r in rows]
            )

    def covered(self, area: Area) -> Sql:
        """Give the condition that the location of entity `e` lies in the area, boundary included.

        Most are decided by the box on the entity's own row: outside the box of the area, or inside
        a rectangle that the area holds. Of the rest, points need no more than that row; other
        shapes bring their WKB only when the answer is not yet known for that very geometry.
        """
        handle = self._references.area(area)
        inside = "e.west >= ? AND e.south >= ? AND e.east <= ? AND e.north <= ?"
        return Sql(
            f"(e.g IS NOT NULL AND {inside} AND (({inside})"
            " OR coalesce(hansa_in_area(?, e.g, e.west, e.south, e.east, e.north),"
            " hansa_shape_in_area(?, e.g, (SELECT wkb FROM broker_geometry WHERE g = e.g)))))",
            (*handle.reference.box, *handle.reference.inner, handle, handle),
        )

    def related(self, query: GeoQuery) -> Sql:
        """Give the condition that geometry row `m` stands in the relation of the query (4.10)."""
        return Sql("hansa_related(?, m.x, m.y, m.wkb)", (self._references.query(query),))

    def boxed(self, p: int, a: int, box: tuple[float, float, float, float]) -> Sql:
        """Give a statement that lists `n` of the entities whose geometry may touch the box."""
        west, south, east, north = box
        return Sql(
            f"SELECT b.g >> {SHAPE_BITS} AS n FROM broker_box b"
            " WHERE b.a_low <= ? AND b.a_high >= ? AND b.east >= ? AND b.west <= ?"
            " AND b.north >= ? AND b.south <= ?",
            (a + _LAYER / 2, a + _LAYER / 2, west, east, south, north),
        )


def sqlite_functions(connection: Any) -> None:
    """Register the broker's geometry functions on a connection (hook of `SqliteDatabase`)."""
    connection.create_scalar_function("hansa_in_area", geometry.in_area, 6, deterministic=True)
    connection.create_scalar_function(
        "hansa_shape_in_area", geometry.shape_in_area, 3, deterministic=True
    )
    connection.create_scalar_function("hansa_related", geometry.related, 4, deterministic=True)
