"""The SQL of documents, once-only keys and actions; both databases understand all of it."""

from __future__ import annotations

from functools import cache

ACTION = "id, machine, process, name, body, due, attempts, error, dead"
ONE_ACTION = f"SELECT {ACTION} FROM action WHERE participant = ? AND id = ?"  # noqa: S608
GET = "SELECT body FROM record WHERE participant = ? AND kind = ? AND key = ?"
VERSION = "SELECT version FROM record WHERE participant = ? AND kind = ? AND key = ?"
HELD = "SELECT id, version, indexed FROM record WHERE participant = ? AND kind = ? AND key = ?"
GET_HELD = (
    "SELECT id, version, indexed, body FROM record WHERE participant = ? AND kind = ? AND key = ?"
)
COUNT = "SELECT count(*) FROM record WHERE participant = ? AND kind = ?"
PROBE = (
    "SELECT count(*) FROM (SELECT 1 FROM record_index"
    " WHERE participant = ? AND kind = ? AND field = ? AND value = ? LIMIT ?) AS probe"
)
INSERT = (
    "INSERT INTO record (participant, kind, key, version, indexed, body)"
    " VALUES (?, ?, ?, 1, ?, ?) ON CONFLICT DO NOTHING RETURNING id"
)
UPDATE = "UPDATE record SET version = ?, indexed = ?, body = ? WHERE id = ?"
INDEX = (
    "INSERT INTO record_index (participant, kind, field, value, key, record)"
    " VALUES (?, ?, ?, ?, ?, ?)"
)
UNINDEX = (
    "DELETE FROM record_index"
    " WHERE participant = ? AND kind = ? AND field = ? AND value = ? AND key = ?"
)
REMEMBER = (
    "INSERT INTO remembered (participant, scope, key, expires) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (participant, scope, key) DO UPDATE SET expires = excluded.expires"
    " WHERE remembered.expires <= ? RETURNING 1"
)
REMEMBERED = (
    "SELECT 1 FROM remembered WHERE participant = ? AND scope = ? AND key = ? AND expires > ?"
)
ENQUEUE = (
    "INSERT INTO action (participant, id, machine, process, name, body, due, ready, attempts,"
    " error, dead, lease_owner, lease_until) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT DO NOTHING RETURNING 1"
)
LEFT = (
    "SELECT 1 FROM action"
    " WHERE participant = ? AND machine = ? AND process = ? AND dead = 0 LIMIT 1"
)
COMPLETE = "DELETE FROM action WHERE participant = ? AND id = ? RETURNING machine, process"
RESCHEDULE = (
    "UPDATE action SET due = ?, ready = ?, attempts = attempts + 1, error = ?, dead = ?,"
    " lease_owner = NULL, lease_until = 0 WHERE participant = ? AND id = ?"
)


@cache
def find_sql(conditions: int, paged: bool, newest_first: bool) -> str:
    """Write the statement of `find`: by the first index, the other ones looked up by key."""
    step, order = ("<", "DESC") if newest_first else (">", "ASC")
    if not conditions:
        page = f" AND key {step} ?" if paged else ""
        return (
            "SELECT body FROM record WHERE participant = ? AND kind = ?"  # noqa: S608
            f"{page} ORDER BY key {order} LIMIT ?"
        )
    page = f" AND i.key {step} ?" if paged else ""
    return (
        "SELECT r.body FROM record_index i CROSS JOIN record r"  # noqa: S608
        " WHERE i.participant = ? AND i.kind = ? AND i.field = ? AND i.value = ?"
        f"{_also(conditions)}{page} AND r.id = i.record ORDER BY i.key {order} LIMIT ?"
    )


@cache
def count_sql(conditions: int) -> str:
    """Write the statement of `count` by one index or several."""
    return (
        "SELECT count(*) FROM record_index i"  # noqa: S608
        " WHERE i.participant = ? AND i.kind = ? AND i.field = ? AND i.value = ?"
        f"{_also(conditions)}"
    )


def _also(conditions: int) -> str:
    """Write one look-up in `record_index` for every index after the first."""
    return (conditions - 1) * (
        " AND EXISTS (SELECT 1 FROM record_index o WHERE o.participant = ? AND o.kind = ?"
        " AND o.field = ? AND o.value = ? AND o.key = i.key)"
    )
