"""A transaction of one participant, in SQL that SQLite and PostgreSQL both understand.

An adapter gives `_run`, `statements.py` the SQL; everything else is here once, so that both mean
the same. Each statement names the participant, and no method takes another one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec

from hansa.kernel.clock import Clock
from hansa.kernel.errors import Code, HansaError
from hansa.kernel.store import rows, scanning, statements
from hansa.kernel.store.ports import Action, Condition, Found, Kind, Taker

T = TypeVar("T", bound=msgspec.Struct)

_Held = tuple[int, int, bytes]
"""A document's row: its number, its version, its index pairs."""
_PROBES = (32, 512)
_FORGET_EVERY, _FORGET_MAX = 16, 64


class ReadDocuments(ABC):
    """What a job may read of one participant (`ReadTx`)."""

    def __init__(self, participant: str, clock: Clock) -> None:
        self.participant = participant
        self._clock = clock

    @abstractmethod
    def _run(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Run one of our statements (placeholder `?`) and give all rows; the adapter's part."""

    def get(self, kind: Kind[T], key: str) -> T | None:
        """Give the document with this key, or None."""
        if not rows.fits(key, rows.KEY_BYTES_MAX):
            return None
        found = self._run(statements.GET, (self.participant, kind.name, key))
        return rows.decode(kind, found[0][0]) if found else None

    def version(self, kind: Kind[T], key: str) -> int | None:
        """Give the version of a document (1 after the first put), or None."""
        if not rows.fits(key, rows.KEY_BYTES_MAX):
            return None
        found = self._run(statements.VERSION, (self.participant, kind.name, key))
        return int(found[0][0]) if found else None

    def find(
        self,
        kind: Kind[T],
        where: Mapping[str, str] | None = None,
        *,
        after: str | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> list[T]:
        """List documents whose indexes equal `where`, by key, from `after` (exclusive).

        Costs as many look-ups as the rarest index has entries before the page is full, and nothing
        for documents that it does not name. Of frequent ones, name the rarest first in `where`.
        """
        assert 0 <= limit <= rows.FIND_MAX, f"find lists at most {rows.FIND_MAX}"
        pairs = rows.known_fields(kind, where)
        if pairs is None or (after is not None and not rows.fits(after, rows.KEY_BYTES_MAX)):
            return []
        parameters = self._conditions(kind, pairs)
        if after is not None:
            parameters.append(after)
        parameters.append(limit)
        sql = statements.find_sql(len(pairs), after is not None, newest_first)
        return [rows.decode(kind, row[0]) for row in self._run(sql, parameters)]

    def scan(
        self,
        kind: Kind[T],
        conditions: Sequence[Condition],
        *,
        after: str | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> Found[T]:
        """List documents that meet every condition, by key, with a bound on the work."""
        assert 0 < limit <= rows.FIND_MAX, f"scan lists at most {rows.FIND_MAX}"
        if not conditions:
            items = self.find(kind, after=after, limit=limit, newest_first=newest_first)
            return Found(items, kind.key(items[-1]) if len(items) == limit else None)
        known = rows.known_conditions(kind, conditions)
        if known is None or (after is not None and not rows.fits(after, rows.KEY_BYTES_MAX)):
            return Found([], None)
        walk = scanning.Walk(self.participant, kind.name, after, newest_first)
        ordered = scanning.rarest_first(self._run, walk, known)
        step = scanning.walked(self._run, walk, ordered, limit)
        return Found([rows.decode(kind, body) for _, body in step.rows], step.edge)

    def count(self, kind: Kind[T], where: Mapping[str, str] | None = None) -> int:
        """Count what `find` without limit would list, through the index alone."""
        pairs = rows.known_fields(kind, where)
        if pairs is None:
            return 0
        sql = statements.count_sql(len(pairs)) if pairs else statements.COUNT
        return int(self._run(sql, self._conditions(kind, pairs))[0][0])

    def _conditions(self, kind: Kind[T], pairs: list[tuple[str, str]]) -> list[Any]:
        """Give the parameters of `find` and `count`, the rarest index first.

        Up to 512 entries of each are counted; when all have more, the caller's order stays.
        """
        owner = (self.participant, kind.name)
        if not pairs:
            return list(owner)
        for most in _PROBES if len(pairs) > 1 else ():
            sizes = [
                int(self._run(statements.PROBE, (*owner, *pair, most))[0][0]) for pair in pairs
            ]
            if min(sizes) < most:
                rarest = pairs.pop(sizes.index(min(sizes)))
                pairs.insert(0, rarest)
                break
        return [part for pair in pairs for part in (*owner, *pair)]

    def remembered(self, scope: str, key: str) -> bool:
        """Say whether `key` is noted in `scope` and has not expired."""
        now = rows.micros(self._clock.now())
        return bool(self._run(statements.REMEMBERED, (self.participant, scope, key, now)))

    def action(self, action_id: str) -> Action | None:
        """Give one action of the outbox, or None."""
        if not rows.fits(action_id, rows.KEY_BYTES_MAX):
            return None
        found = self._run(statements.ONE_ACTION, (self.participant, action_id))
        return rows.action(found[0]) if found else None

    def actions(
        self, machine: str | None = None, process: str | None = None, *, limit: int = 1000
    ) -> list[Action]:
        """List outbox rows by id, dead ones too."""
        assert 0 <= limit <= rows.FIND_MAX, f"actions lists at most {rows.FIND_MAX}"
        sql = f"SELECT {statements.ACTION} FROM action WHERE participant = ?"  # noqa: S608
        parameters: list[Any] = [self.participant]
        for column, value in (("machine", machine), ("process", process)):
            if value is not None:
                sql += f" AND {column} = ?"
                parameters.append(value)
        return [
            rows.action(row)
            for row in self._run(f"{sql} ORDER BY id LIMIT ?", [*parameters, limit])
        ]


class Documents(ReadDocuments):
    """What a job may read and change of one participant (`Tx`)."""

    _forget_sql = (
        "DELETE FROM remembered WHERE participant = ? AND (scope, key) IN (SELECT scope, key"
        " FROM remembered WHERE participant = ? AND expires <= ? ORDER BY expires LIMIT ?)"
    )

    def __init__(self, participant: str, clock: Clock) -> None:
        super().__init__(participant, clock)
        self._held: dict[tuple[str, str], _Held] = {}
        self.outbox_changed = False
        self.taker: Taker | None = None
        self.handed: dict[str, Action] = {}
        self.settled: list[str] = []

    def get(self, kind: Kind[T], key: str) -> T | None:
        """Give the document with this key, or None; `put` need not look for its row again."""
        if not rows.fits(key, rows.KEY_BYTES_MAX):
            return None
        found = self._run(statements.GET_HELD, (self.participant, kind.name, key))
        if not found:
            return None
        self._held[kind.name, key] = found[0][:3]
        return rows.decode(kind, found[0][3])

    def _row(self, kind: Kind[T], key: str) -> _Held | None:
        """Give where a document stands, for a change: what `get` saw is not looked for again."""
        held = self._held.pop((kind.name, key), None)
        found = [held] if held else self._run(statements.HELD, (self.participant, kind.name, key))
        return found[0] if found else None

    def put(self, kind: Kind[T], document: T, *, expected_version: int | None = None) -> int:
        """Insert or replace; give the new version.

        HansaError precondition_failed when the version is not `expected_version` (0: not there).
        """
        key = rows.checked(kind.key(document), "key")
        held = self._row(kind, key)
        version = int(held[1]) if held else 0
        if expected_version is not None and expected_version != version:
            raise HansaError(
                Code.precondition_failed,
                f"This {kind.name} was changed by someone else.",
                f"It has version {version}, not {expected_version}: read it again and retry.",
                found=version,
                expected=expected_version,
            )
        if not held:
            self.insert(kind, document)
            return 1
        record, before = held[0], rows.decode_entries(held[2])
        pairs = rows.entries(kind, document)
        indexed = rows.encode_entries(pairs)
        self._run(statements.UPDATE, (version + 1, indexed, rows.encode(document), record))
        if pairs != before:
            self._unindex(kind, key, set(before).difference(pairs))
            self._index(kind, key, record, sorted(set(pairs).difference(before)))
        return version + 1

    def insert(self, kind: Kind[T], document: T) -> None:
        """Insert; HansaError already_exists when the key is taken."""
        key = rows.checked(kind.key(document), "key")
        pairs = rows.entries(kind, document)
        values = (rows.encode_entries(pairs), rows.encode(document))
        new = self._run(statements.INSERT, (self.participant, kind.name, key, *values))
        if not new:
            raise HansaError(
                Code.already_exists,
                f"A {kind.name} with this identifier is there already.",
                "Choose another identifier, or change the one that is there.",
            )
        self._index(kind, key, new[0][0], pairs)

    def delete(self, kind: Kind[T], key: str) -> bool:
        """Delete; True when it was there."""
        held = self._row(kind, key) if rows.fits(key, rows.KEY_BYTES_MAX) else None
        if held is None:
            return False
        self._unindex(kind, key, set(rows.decode_entries(held[2])))
        self._run("DELETE FROM record WHERE id = ?", (held[0],))
        return True

    def _index(self, kind: Kind[T], key: str, record: int, pairs: list[tuple[str, str]]) -> None:
        for pair in pairs:
            self._run(statements.INDEX, (self.participant, kind.name, *pair, key, record))

    def _unindex(self, kind: Kind[T], key: str, pairs: set[tuple[str, str]]) -> None:
        for pair in pairs:
            self._run(statements.UNINDEX, (self.participant, kind.name, *pair, key))

    def remember(self, scope: str, key: str, expires: datetime) -> bool:
        """Note `key` in `scope` until `expires`; False when it is noted already (a replay).

        One call in sixteen, by the clock, also forgets expired ones of this participant.
        """
        now = rows.micros(self._clock.now())
        rows.checked(scope, "scope", rows.NAME_BYTES_MAX)
        values = (self.participant, scope, rows.checked(key, "key"), rows.micros(expires), now)
        noted = bool(self._run(statements.REMEMBER, values))
        if now % _FORGET_EVERY == 0:
            self._run(self._forget_sql, (self.participant, self.participant, now, _FORGET_MAX))
        return noted

    def enqueue(self, action: Action) -> None:
        """Put work into the outbox; HansaError already_exists when its id is taken."""
        rows.checked(action.machine, "machine", rows.NAME_BYTES_MAX)
        now = self._clock.now()
        at = action.due or now
        due = rows.micros(at)
        taker = self._taker_of(action) if at <= now else None
        owner = None if taker is None else taker.owner
        until = 0 if taker is None else rows.micros(now + timedelta(seconds=taker.lease_s))
        values = (
            self.participant,
            rows.checked(action.id, "id"),
            action.machine,
            rows.checked(action.process, "process"),
            action.name,
            rows.encode(action.body),
            due,
            until or due,
            action.attempts,
            action.error,
            int(action.dead),
            owner,
            until,
        )
        if not self._run(statements.ENQUEUE, values):
            raise HansaError(
                Code.already_exists,
                "An action with this identifier is in the outbox already.",
                "Give each action an identifier of its own.",
            )
        if taker is None:
            self.outbox_changed = True
        else:
            self.handed[action.id] = msgspec.structs.replace(action, due=rows.instant(due))

    def _taker_of(self, action: Action) -> Taker | None:
        """Give who begins an action at once: nobody while another one of the process is there."""
        taker = self.taker
        if taker is None or action.dead or not taker.room():
            return None
        other = (self.participant, action.machine, action.process)
        return None if self._run(statements.LEFT, other) else taker

    def complete(self, action_id: str) -> None:
        """Take finished work out of the outbox; nothing happens when it is not there."""
        self.handed.pop(action_id, None)
        self.settled.append(action_id)
        gone = self._run(statements.COMPLETE, (self.participant, action_id))
        if gone and self._run(statements.LEFT, (self.participant, *gone[0])):
            self.outbox_changed = True  # what it held up may begin

    def reschedule(self, action_id: str, *, due: datetime, error: str, dead: bool = False) -> None:
        """Note a failed try: one more attempt at `due`, or none when `dead`."""
        self.handed.pop(action_id, None)
        self.settled.append(action_id)
        at, note = rows.micros(due), error[: rows.ERROR_CHARS_MAX].replace("\0", "")
        self._run(statements.RESCHEDULE, (at, at, note, int(dead), self.participant, action_id))
        self.outbox_changed = True
