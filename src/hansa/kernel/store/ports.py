"""The store port: what every adapter (SQLite, PostgreSQL) offers and the contract suite checks.

A store is had only for a participant: `database.store("delft-west")`. The participant is the
first column of every key, so one participant can never name another's rows.

Documents are frozen msgspec structs of a declared `Kind`; a room that needs tables of its own (the
broker) declares `Migration`s and uses `execute`. Work to do after the commit (sending a message)
is an `Action`, enqueued in the same transaction as the state that asks for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

import msgspec

T = TypeVar("T", bound=msgspec.Struct)
R = TypeVar("R")

NODE = "_node"
"""The reserved participant under which a node keeps what belongs to no participant."""


@dataclass(frozen=True)
class Kind(Generic[T]):
    """Declare a kind of document: its name, struct type, key and the fields it is found by.

    Every index gives one string or None per document (None: not indexed) or a tuple of strings
    (found by each). Keys that should list in order of creation come from `Ids.new()`. Of a kind
    that is `often` read, who reads the same bytes again may be given the same object: nobody
    changes what a document holds (dicts and lists) in place.
    """

    name: str
    type: type[T]
    key: Callable[[T], str]
    indexes: Mapping[str, Callable[[T], str | tuple[str, ...] | None]] = field(default_factory=dict)
    often: bool = False


Condition = tuple[str, tuple[str, ...]]
"""A declared index and the values of which a document must have one."""


@dataclass(frozen=True)
class Found(Generic[T]):
    """Some documents by key; `edge` is the last key looked at, None when there is no more."""

    items: list[T]
    edge: str | None


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of work in the outbox: do `name` for a process of a state machine.

    Actions of one (machine, process) run one after the other in order of `id`; one that waits for
    another try holds the later ones up, one put in for a later instant (a timer) does not until
    then. Those of different processes run in parallel. `body` is JSON-ready. `due` None means at
    once; read back, it is the instant at which the action was put in.
    """

    id: str
    machine: str
    process: str
    name: str
    body: dict[str, Any] = {}
    due: datetime | None = None
    attempts: int = 0
    error: str | None = None
    dead: bool = False


@dataclass(frozen=True)
class Migration:
    """One step of a room's schema, applied once, in order of version."""

    room: str
    version: int
    sqlite: Sequence[str]
    postgres: Sequence[str]


class Taker(Protocol):
    """Who works actions in this process, so that a new one need not be looked for (`outbox`)."""

    owner: str
    lease_s: float

    def room(self) -> bool:
        """Say whether one more action would be begun soon."""
        ...

    def take(self, participant: str, action: Action) -> None:
        """Begin an action that its own commit leased to `owner`. Called on the event loop."""
        ...

    def settled(self, participant: str, action_id: str) -> None:
        """Note that a commit completed or rescheduled an action. Called before it is answered."""
        ...


class ReadTx(Protocol):
    """A consistent view of one participant's rows."""

    participant: str

    def get(self, kind: Kind[T], key: str) -> T | None:
        """Give the document with this key, or None."""
        ...

    def find(
        self,
        kind: Kind[T],
        where: Mapping[str, str] | None = None,
        *,
        after: str | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> list[T]:
        """List documents whose declared indexes equal `where`, by key, from `after` (exclusive).

        `limit` is at most 10,000. An index that the kind does not declare is a programmer's error.
        """
        ...

    def scan(
        self,
        kind: Kind[T],
        conditions: Sequence[Condition],
        *,
        after: str | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> Found[T]:
        """List documents that meet every condition, by key, with a bound on the work.

        Walks the rarest index from `after` (exclusive) and looks at a bounded number of its
        entries, however rarely the conditions meet: `Found.edge` says where to go on.
        """
        ...

    def count(self, kind: Kind[T], where: Mapping[str, str] | None = None) -> int:
        """Count what `find` without limit would list."""
        ...

    def version(self, kind: Kind[T], key: str) -> int | None:
        """Give the version of a document (1 after the first put), or None."""
        ...

    def remembered(self, scope: str, key: str) -> bool:
        """Say whether `remember` noted `key` in `scope`, and it has not expired."""
        ...

    def action(self, action_id: str) -> Action | None:
        """Give one action of the outbox, or None when it is completed or never was."""
        ...

    def actions(
        self, machine: str | None = None, process: str | None = None, *, limit: int = 1000
    ) -> list[Action]:
        """List outbox rows by id, dead ones too."""
        ...

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a room's own statement in the adapter's dialect and give all rows.

        The placeholder is `?` for SQLite and `%s` for PostgreSQL (where a percent sign that is none
        is written `%%`). The room puts `participant` into its statement itself; its contract suite
        proves it.
        """
        ...


class Tx(ReadTx, Protocol):
    """A transaction of one participant: all of it is committed, durably, or nothing."""

    def put(self, kind: Kind[T], document: T, *, expected_version: int | None = None) -> int:
        """Insert or replace; give the new version.

        HansaError precondition_failed when the version is not `expected_version` (0: the document
        is not there yet).
        """
        ...

    def insert(self, kind: Kind[T], document: T) -> None:
        """Insert; HansaError already_exists when the key is taken."""
        ...

    def delete(self, kind: Kind[T], key: str) -> bool:
        """Delete; True when it was there."""
        ...

    def remember(self, scope: str, key: str, expires: datetime) -> bool:
        """Note `key` in `scope` until `expires`; False when it is noted already (a replay)."""
        ...

    def enqueue(self, action: Action) -> None:
        """Put work into the outbox; the reconciler is woken after the commit.

        HansaError already_exists when the participant has an action with this id.
        """
        ...

    def complete(self, action_id: str) -> None:
        """Take finished work out of the outbox."""
        ...

    def reschedule(self, action_id: str, *, due: datetime, error: str, dead: bool = False) -> None:
        """Note a failed try: one more attempt at `due`, or none when `dead`."""
        ...

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a room's own statement once per row."""
        ...


class Store(Protocol):
    """One participant's store."""

    participant: str

    async def read(self, job: Callable[[ReadTx], R], *, slow: bool = False) -> R:
        """Run `job` on a consistent view. `slow=True` keeps a long one off the event loop."""
        ...

    async def write(self, job: Callable[[Tx], R], *, slow: bool = False) -> R:
        """Run `job` in a transaction; return only after it is durable.

        `slow=True` keeps a long one (over 10 ms: hundreds of documents) off the event loop.

        What the job raises is raised here, and then nothing of it is kept. A job may run again
        (a serialisation failure), so it has no effect outside the transaction.
        """
        ...

    async def write_ahead(self, job: Callable[[Tx], R]) -> asyncio.Future[R]:
        """Run `job` in a transaction that is durable before any later `write` returns.

        Gives what will be its result; who answers only after a write of his own need not wait.
        """
        ...


class Database(Protocol):
    """All participants of one node."""

    backend: str

    def store(self, participant: str) -> Store:
        """Give the store of one participant."""
        ...

    def on_enqueued(self, wake: Callable[[], None]) -> None:
        """Register what is called, on the event loop, after a commit that changed the outbox."""
        ...

    def hand_over(self, taker: Taker | None) -> None:
        """Lease new actions that are due to `taker` in the commit that puts them in, if possible.

        That saves the commit of a lease and the search for it. An adapter need not do it, and does
        not while another action of the process is there: then the commit wakes as ever.
        """
        ...

    async def lease(
        self, owner: str, *, now: datetime, lease_s: float, limit: int
    ) -> list[tuple[str, Action]]:
        """Take due actions of any participant until `now + lease_s`, the first of each process.

        Gives (participant, action). What another owner holds is left out until its lease ends.
        """
        ...

    async def extend(self, owner: str, held: Sequence[tuple[str, str]], *, until: datetime) -> None:
        """Hold (participant, action id) pairs longer; what another owner took stays taken."""
        ...

    async def release(self, owner: str) -> int:
        """Give back all that `owner` holds, at once; give how many those were."""
        ...

    async def next_due(self, *, after: datetime) -> datetime | None:
        """Give the earliest instant after `after` at which an action is due or a lease ends."""
        ...

    async def close(self) -> None:
        """Finish what is queued and close."""
        ...
