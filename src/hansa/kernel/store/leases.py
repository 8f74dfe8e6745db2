"""How actions are leased: the statements, and what a lease means, once for both adapters.

The first action of a process is worked before the next one. An earlier action holds the later ones
up when it is due, held, or waiting for another try; one that was put in for a later instant (a
timer) and has not been tried yet does not. Dead ones hold up nothing. While an action of a process
is held, no other one of it is leased.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hansa.kernel.store import rows
from hansa.kernel.store.ports import Action

LEASABLE = (
    "SELECT a.participant, a.id, a.machine, a.process, a.name, a.body, a.due, a.attempts, a.error,"
    " a.dead FROM action a WHERE a.dead = 0 AND a.ready <= ? AND NOT EXISTS (SELECT 1 FROM action b"
    " WHERE b.participant = a.participant AND b.machine = a.machine AND b.process = a.process"
    " AND b.dead = 0 AND b.id <> a.id AND (b.lease_until > ?"
    " OR (b.id < a.id AND (b.attempts > 0 OR b.due <= ?))))"
    " ORDER BY a.ready, a.id LIMIT ?"
)
"""Parameters: `now` three times, limit."""
HOLD = (
    "UPDATE action SET lease_owner = ?, lease_until = ?, ready = ? WHERE participant = ? AND id = ?"
)
EXTEND = (
    "UPDATE action SET lease_until = ?, ready = ?"
    " WHERE participant = ? AND id = ? AND lease_owner = ? AND dead = 0"
)
RELEASE = (
    "UPDATE action SET lease_owner = NULL, lease_until = 0, ready = due"
    " WHERE lease_owner = ? RETURNING 1"
)
NEXT_READY = "SELECT min(ready) FROM action WHERE dead = 0 AND ready > ?"


def leasable_parameters(now: datetime, limit: int) -> tuple[int, int, int, int]:
    """Give the parameters of `LEASABLE`."""
    at = rows.micros(now)
    return (at, at, at, limit)


def hold_parameters(
    owner: str, now: datetime, lease_s: float, found: list[tuple[Any, ...]]
) -> list[tuple[Any, ...]]:
    """Give one row of parameters of `HOLD` for each row that `LEASABLE` found."""
    until = rows.micros(now + timedelta(seconds=lease_s))
    return [(owner, until, until, row[0], row[1]) for row in found]


def leased(found: list[tuple[Any, ...]]) -> list[tuple[str, Action]]:
    """Read (participant, action) pairs from the rows of `LEASABLE`."""
    return [(row[0], rows.action(row[1:])) for row in found]
