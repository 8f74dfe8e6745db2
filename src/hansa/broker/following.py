"""Followers of changes: who was told of which entity, so that it can be told that one is gone.

An entity that leaves a reader's scope must be told as gone to those who were told of it, and to
nobody else: that it exists would be told otherwise.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from hansa.broker.model import Change
from hansa.broker.ports import Dialect
from hansa.broker.store import (
    Noting,
    Telling,
    Told,
    Vocabulary,
    changes_after,
    last_change,
    next_observed,
    observed_in,
)
from hansa.kernel.store import ReadTx, Tx

R = TypeVar("R")
CHANGES_MAX = 1_000


class Look(Protocol):
    """Runs a read of the broker; `empty` is the answer as long as nothing was ever written."""

    async def __call__(
        self, job: Callable[[ReadTx, Vocabulary], R], empty: R, *, slow: bool = False
    ) -> R:
        """Run it."""
        ...


class Transact(Protocol):
    """Runs a write of the broker."""

    async def __call__(self, job: Callable[[Tx, Vocabulary], R], *, slow: bool = False) -> R:
        """Run it; a `slow` one off the event loop."""
        ...


class Changes:
    """The order in which the entities of one participant changed. For its owner's own work."""

    def __init__(self, look: Look, transact: Transact, dialect: Dialect) -> None:
        self._look = look
        self._transact = transact
        self._dialect = dialect

    async def position(self) -> int:
        """Give the number of the latest change, 0 before any."""
        return await self._look(
            lambda tx, vocabulary: last_change(tx, self._dialect, vocabulary.p), 0
        )

    async def after(self, position: int, limit: int = CHANGES_MAX) -> list[Change]:
        """List the entities that changed after a position, in order; deleted ones too.

        An entity that changed several times stands there once, with its last change. What was
        there before the participant's database counted changes has none.
        """
        return await self._look(
            lambda tx, vocabulary: changes_after(
                tx, self._dialect, vocabulary.p, position, min(limit, CHANGES_MAX)
            ),
            [],
        )

    async def observed(self, spans: Sequence[tuple[int, int]]) -> list[str]:
        """List entities with an attribute observed in a span, [start, end) in microseconds.

        For readers whose window of time moved over these spans: nothing changed but what it shows.
        """
        return await self._look(
            lambda tx, vocabulary: observed_in(tx, self._dialect, vocabulary.p, spans),
            [],
            slow=True,
        )

    async def next_observed(self, start: int) -> int | None:
        """Give the first instant from `start` on at which anything was observed, or None."""
        return await self._look(
            lambda tx, vocabulary: next_observed(tx, self._dialect, vocabulary.p, start),
            None,
            slow=True,
        )

    def follower(self, name: str) -> Follower:
        """Give what is kept of one follower; it needs no making."""
        return Follower(self._look, self._transact, self._dialect, name)


class Follower:
    """What one follower was told."""

    def __init__(self, look: Look, transact: Transact, dialect: Dialect, name: str) -> None:
        self._look = look
        self._transact = transact
        self._dialect = dialect
        self._name = name

    async def told(self, ids: Sequence[str]) -> list[Told]:
        """Give those of the entities that it knows, with the type that it was told."""
        return await self._read(lambda telling: telling.told(ids))

    async def round(self) -> int:
        """Give the latest round in which it was told of anything, 0 before any."""
        return await self._look(
            lambda tx, vocabulary: Telling(tx, self._dialect, vocabulary, self._name).round(),
            0,
            slow=True,
        )

    async def told_before(self, round_: int, limit: int = CHANGES_MAX) -> list[Told]:
        """List what it knows from rounds before this one and was not told in it."""
        return await self._read(lambda telling: telling.told_before(round_, limit))

    async def tell(self, told: Sequence[Told], round_: int) -> None:
        """Note that it is about to be told of entities; `round_` counts its full listings."""
        await self._write(lambda noting: noting.tell(told, round_))

    async def forget(self, ids: Sequence[str]) -> None:
        """Note that it was told that entities are gone."""
        await self._write(lambda noting: noting.forget(ids))

    async def end(self) -> None:
        """Forget all about it."""
        await self._write(lambda noting: noting.end(), slow=True)

    def _read(self, job: Callable[[Telling], list[Told]]) -> Awaitable[list[Told]]:
        return self._look(
            lambda tx, vocabulary: job(Telling(tx, self._dialect, vocabulary, self._name)), []
        )

    def _write(self, job: Callable[[Noting], None], *, slow: bool = False) -> Awaitable[None]:
        return self._transact(
            lambda tx, vocabulary: job(Noting(tx, self._dialect, vocabulary, self._name)),
            slow=slow,
        )
