"""All participants of one node in one PostgreSQL database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from hansa.kernel.clock import Clock
from hansa.kernel.errors import Code, HansaError
from hansa.kernel.store import leases, rows
from hansa.kernel.store.ports import Action, Migration, ReadTx, Taker, Tx
from hansa.kernel.store.postgres.transaction import PostgresReadTx, PostgresTx, fetch, placed
from hansa.kernel.store.threads import Threads

if TYPE_CHECKING:
    from hansa.kernel.store.postgres.sessions import Connection, Sessions

R = TypeVar("R")

WRITERS = 8
READERS = 4
QUEUE_MAX = 10_000
"""Most jobs that wait for a thread; the next one is refused as unavailable."""
READ_LIMIT_S = 5.0


class PostgresDatabase:
    """The scale-out database: reads and writes in threads (`Database`)."""

    backend = "postgres"

    def __init__(self, sessions: Sessions, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock
        self._writers = Threads(WRITERS, "hansa-writer", QUEUE_MAX)
        self._readers = Threads(READERS, "hansa-reader", QUEUE_MAX)
        self._wakes: list[Callable[[], None]] = []
        self._closed = False

    @classmethod
    def open(
        cls,
        dsn: str,
        migrations: Sequence[Migration] = (),
        *,
        clock: Clock,
        read_limit_s: float = READ_LIMIT_S,
    ) -> PostgresDatabase:
        """Connect and bring the tables up to date (blocks).

        A statement of a read that takes longer than `read_limit_s` is stopped. HansaError
        settings_invalid when the driver is not installed, unavailable when the server does not
        answer, state_version when the tables are newer than this program.
        """
        try:
            from hansa.kernel.store.postgres.sessions import Sessions
        except ImportError as error:
            raise HansaError(
                Code.settings_invalid,
                "The driver for PostgreSQL is not installed.",
                "Install it with: pip install 'hansa[postgres]'",
                next="pip install 'hansa[postgres]'",
            ) from error
        sessions = Sessions.open(dsn, WRITERS + READERS, read_limit_s)
        try:
            sessions.migrate(migrations)
        except BaseException:
            sessions.close()
            raise
        return cls(sessions, clock)

    def store(self, participant: str) -> PostgresStore:
        """Give the store of one participant."""
        rows.checked(participant, "participant", rows.NAME_BYTES_MAX)
        return PostgresStore(participant, self)

    def on_enqueued(self, wake: Callable[[], None]) -> None:
        """Register what is called, on the event loop, after a commit that changed the outbox."""
        self._wakes.append(wake)

    def hand_over(self, taker: Taker | None) -> None:
        """Do nothing: several processes may share the outbox, and each looks for its share."""

    async def read(self, participant: str, job: Callable[[ReadTx], R]) -> R:
        """Run a store's `read` in a thread."""
        return await self._readers.run(
            lambda: self._sessions.read(
                lambda connection: job(PostgresReadTx(connection, participant, self._clock))
            )
        )

    async def write(self, participant: str, job: Callable[[Tx], R]) -> R:
        """Run a store's `write` in a thread; wake the outbox from there, also when unawaited."""
        loop = asyncio.get_running_loop()

        def attempt(connection: Connection) -> tuple[R, bool]:
            tx = PostgresTx(connection, participant, self._clock)
            return job(tx), tx.outbox_changed

        def run() -> R:
            result, outbox_changed = self._sessions.write(participant, attempt)
            if outbox_changed and not loop.is_closed():
                loop.call_soon_threadsafe(self._wake)
            return result

        return await self._writers.run(run)

    async def lease(
        self, owner: str, *, now: datetime, lease_s: float, limit: int
    ) -> list[tuple[str, Action]]:
        """Take due actions until `now + lease_s`, at most one of each process."""
        select = placed(f"{leases.LEASABLE} FOR UPDATE OF a SKIP LOCKED")

        def job(connection: Connection) -> list[tuple[Any, ...]]:
            found = fetch(connection, select, leases.leasable_parameters(now, limit))
            held = leases.hold_parameters(owner, now, lease_s, found)
            _each(connection, leases.HOLD, held)
            return found

        found = await self._writers.run(lambda: self._sessions.lease(job))
        return leases.leased(found)

    async def extend(self, owner: str, held: Sequence[tuple[str, str]], *, until: datetime) -> None:
        """Hold (participant, action id) pairs longer; those that another one took stay taken."""
        at = rows.micros(until)
        parameters = [(at, at, *pair, owner) for pair in held]
        await self._writers.run(
            lambda: self._sessions.lease(lambda c: _each(c, leases.EXTEND, parameters))
        )

    async def release(self, owner: str) -> int:
        """Give back all that `owner` holds, at once; give how many those were."""
        freed = await self._writers.run(
            lambda: self._sessions.lease(lambda c: fetch(c, placed(leases.RELEASE), (owner,)))
        )
        if freed:
            self._wake()
        return len(freed)

    async def next_due(self, *, after: datetime) -> datetime | None:
        """Give the earliest instant after `after` at which an action is due or a lease ends."""
        parameters = (rows.micros(after),)
        found = await self._readers.run(
            lambda: self._sessions.read(lambda c: fetch(c, placed(leases.NEXT_READY), parameters))
        )
        return None if found[0][0] is None else rows.instant(found[0][0])

    async def close(self) -> None:
        """Finish what is queued and close."""
        if self._closed:
            return
        self._closed = True
        await self._writers.close()
        await self._readers.close()
        await asyncio.to_thread(self._sessions.close)

    def _wake(self) -> None:
        for wake in self._wakes:
            wake()


class PostgresStore:
    """One participant's rows in the database (`Store`)."""

    def __init__(self, participant: str, database: PostgresDatabase) -> None:
        self.participant = participant
        self._database = database

    async def read(self, job: Callable[[ReadTx], R], *, slow: bool = False) -> R:
        """Run `job` on a consistent view, in a thread."""
        return await self._database.read(self.participant, job)

    async def write(self, job: Callable[[Tx], R], *, slow: bool = False) -> R:
        """Run `job` in a transaction of its own, in a thread; return after it is durable."""
        return await self._database.write(self.participant, job)

    async def write_ahead(self, job: Callable[[Tx], R]) -> asyncio.Future[R]:
        """Run `job` as `write` does: threads keep no order, so it is waited for."""
        done: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        done.set_result(await self._database.write(self.participant, job))
        return done


def _each(connection: Connection, sql: str, rows: list[tuple[Any, ...]]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(placed(sql), rows)
