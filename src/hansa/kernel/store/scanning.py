"""The statements of `scan`: walk the rarest of several indexes, a bounded number of steps.

A page must not cost more because its conditions seldom meet. So the walk takes a bounded number of
entries of one index and looks each up in the others; what was not reached is left for the next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

from hansa.kernel.store.ports import Condition

LOOKS_MAX = 20_000
"""Look-ups of one scan in all: entries walked times the values that each is compared with."""
_PROBE = 64

Run = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]
"""Runs a statement and gives its rows."""


class Walk(NamedTuple):
    """What a scan is about: whose rows, from where, in which direction."""

    participant: str
    kind: str
    after: str | None
    newest_first: bool


class Step(NamedTuple):
    """What one walk found: (key, body) pairs, and the last key looked at unless it ended."""

    rows: list[tuple[str, bytes]]
    edge: str | None


@cache
def _entries(paged: bool, newest_first: bool) -> str:
    step, order = ("<", "DESC") if newest_first else (">", "ASC")
    page = f" AND key {step} ?" if paged else ""
    return (
        "SELECT key, record FROM record_index"  # noqa: S608
        " WHERE participant = ? AND kind = ? AND field = ? AND value = ?"
        f"{page} ORDER BY key {order} LIMIT ?"
    )


@cache
def _probe_sql(paged: bool, newest_first: bool) -> str:
    last = "min" if newest_first else "max"
    entries = _entries(paged, newest_first)
    return f"SELECT count(*), {last}(key) FROM ({entries}) AS probe"  # noqa: S608


@cache
def _walk_sql(paged: bool, newest_first: bool, values: tuple[int, ...]) -> str:
    also = "".join(
        " AND EXISTS (SELECT 1 FROM record_index o WHERE o.participant = ? AND o.kind = ?"  # noqa: S608
        f" AND o.field = ? AND o.value IN ({', '.join('?' * count)}) AND o.key = i.key)"
        for count in values
    )
    order = "DESC" if newest_first else "ASC"
    return (
        f"SELECT i.key, r.body FROM ({_entries(paged, newest_first)}) AS i"  # noqa: S608
        f" CROSS JOIN record r WHERE r.id = i.record{also} ORDER BY i.key {order} LIMIT ?"
    )


def _of_one(walk: Walk, field: str, value: str, most: int) -> list[Any]:
    paged = [] if walk.after is None else [walk.after]
    return [walk.participant, walk.kind, field, value, *paged, most]


def rarest_first(run: Run, walk: Walk, conditions: Sequence[Condition]) -> list[Condition]:
    """Put the condition first whose entries lie furthest apart from here on: the best to walk.

    Looks at `_PROBE` entries per value, however many there are: the further the last of them is,
    the rarer the value. A value that runs out before is rarer still.
    """
    if len(conditions) == 1:
        return list(conditions)
    short: list[tuple[int, int]] = []
    long: list[tuple[str, int]] = []
    sql = _probe_sql(walk.after is not None, walk.newest_first)
    for place, (field, values) in enumerate(conditions):
        probes = [run(sql, _of_one(walk, field, value, _PROBE))[0] for value in values]
        full = [str(last) for count, last in probes if count == _PROBE]
        if full:
            long.append(((max if walk.newest_first else min)(full), place))
        else:
            short.append((sum(int(count) for count, _ in probes), place))
    furthest = min if walk.newest_first else max
    best = min(short)[1] if short else furthest(long)[1]
    return [conditions[best], *(c for place, c in enumerate(conditions) if place != best)]


def walked(run: Run, walk: Walk, conditions: Sequence[Condition], limit: int) -> Step:
    """Walk the first condition's values side by side and look each entry up in the others."""
    (field, values), *others = conditions
    price = 1 + sum(len(other) for _, other in others)
    most = max(limit, LOOKS_MAX // (price * len(values)))
    paged = walk.after is not None
    sql = _walk_sql(paged, walk.newest_first, tuple(len(other) for _, other in others))
    compared = [
        part for name, other in others for part in (walk.participant, walk.kind, name, *other)
    ]
    found: dict[str, bytes] = {}
    edges: list[str] = []
    for value in values:
        rows = run(sql, [*_of_one(walk, field, value, most), *compared, limit])
        found.update(rows)
        if len(rows) == limit:
            edges.append(rows[-1][0])
        else:
            probe = run(_probe_sql(paged, walk.newest_first), _of_one(walk, field, value, most))
            if probe[0][0] == most:
                edges.append(str(probe[0][1]))
    return _joined(found, edges, limit, walk.newest_first)


def _joined(found: dict[str, bytes], edges: list[str], limit: int, newest_first: bool) -> Step:
    """Give what lies before the nearest edge: beyond it one of the walks has not looked yet."""
    edge = (max if newest_first else min)(edges, default=None)
    keys = sorted(found, reverse=newest_first)
    if edge is not None:
        keys = [key for key in keys if (key >= edge if newest_first else key <= edge)]
    if len(keys) > limit:
        keys = keys[:limit]
        edge = keys[-1]
    return Step([(key, found[key]) for key in keys], edge)
