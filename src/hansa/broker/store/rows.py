# ruff: noqa: S608 - numbers and table names of our own stand in the text, values in parameters
"""The statements by which rows enter the tables; both adapters understand them."""

from __future__ import annotations

from collections.abc import Mapping


def _values(count: int) -> str:
    return f"VALUES ({', '.join('?' * count)})"


INSERT: Mapping[str, str] = {
    "broker_entity": (
        "INSERT INTO broker_entity (n, p, k, id, created, modified, shapes,"
        " g, west, south, east, north, body, changed, version)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)"
    ),
    "entity_update": (
        "UPDATE broker_entity SET k = ?, id = ?, created = ?, modified = ?, shapes = ?,"
        " g = ?, west = ?, south = ?, east = ?, north = ?,"
        " body = ?, changed = ?, version = version + 1 WHERE p = ? AND n = ?"
    ),
    "broker_attribute": (
        "INSERT INTO broker_attribute (p, n, a, d, type, observed, created, modified, body) "
        + _values(9)
        + " ON CONFLICT (p, n, a, d) DO UPDATE SET type = excluded.type,"
        " observed = excluded.observed, created = excluded.created,"
        " modified = excluded.modified, body = excluded.body"
    ),
    "broker_number": (
        "INSERT INTO broker_number (p, n, a, d, path, c, v, k, observed) "
        + _values(9)
        + " ON CONFLICT DO NOTHING"
    ),
    "broker_text": (
        "INSERT INTO broker_text (p, n, a, d, path, c, v, k, observed) "
        + _values(9)
        + " ON CONFLICT DO NOTHING"
    ),
    "broker_history": (
        "INSERT INTO broker_history (p, n, a, o, at, d, modified, c, number, text, body) "
        + _values(11)
        + " ON CONFLICT (p, n, a, o, at, d) DO UPDATE SET modified = excluded.modified,"
        " c = excluded.c, number = excluded.number, text = excluded.text, body = excluded.body"
    ),
}
COUNT_INSTANCES = (
    "INSERT INTO broker_kind_attribute (p, k, a, type, instances) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (p, k, a, type) DO UPDATE"
    " SET instances = broker_kind_attribute.instances + excluded.instances"
)
COUNT_ENTITIES = "UPDATE broker_kind SET entities = entities + ? WHERE p = ? AND k = ?"
DELETE_ATTRIBUTE = "DELETE FROM broker_attribute WHERE p = ? AND n = ? AND a = ? AND d = ?"
DELETE_VALUES = tuple(
    f"DELETE FROM {table} WHERE p = ? AND n = ? AND a = ? AND d = ?"
    for table in ("broker_number", "broker_text")
)
MOVE_VALUES = tuple(
    f"UPDATE {table} SET k = ? WHERE p = ? AND n = ?" for table in ("broker_number", "broker_text")
)
BURY_ENTITY = (
    "UPDATE broker_entity SET k = -k, body = ?, modified = ?, changed = ?, version = version + 1"
    " WHERE p = ? AND n = ?"
)
TAKE_CHANGES = "UPDATE broker_participant SET changes = changes + ? WHERE p = ? RETURNING changes"
