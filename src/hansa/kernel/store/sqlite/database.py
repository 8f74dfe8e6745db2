"""All participants of one node in one SQLite file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import apsw

from hansa.kernel.clock import Clock
from hansa.kernel.store import leases, rows
from hansa.kernel.store.ports import Action, Migration, ReadTx, Taker, Tx
from hansa.kernel.store.sqlite.connection import Functions, connect, migrate
from hansa.kernel.store.sqlite.reader import Reader, SlowReaders
from hansa.kernel.store.sqlite.transaction import SqliteReadTx, SqliteTx
from hansa.kernel.store.sqlite.writer import NOTHING, After, Writer

R = TypeVar("R")

READ_LIMIT_S = 5.0
_WRITER_CACHE_KIB = 4096
_READER_CACHE_KIB = 4096
_SLOW_CACHE_KIB = 2048


class SqliteDatabase:
    """The embedded database: one writer thread, reads on the event loop (`Database`)."""

    backend = "sqlite"

    def __init__(
        self, writing: apsw.Connection, reader: Reader, slow: SlowReaders, clock: Clock
    ) -> None:
        self._writer = Writer(writing, self._wake, self._tell)
        self._reader = reader
        self._slow = slow
        self.clock = clock
        self._closed = False
        self._wakes: list[Callable[[], None]] = []
        self._stores: dict[str, SqliteStore] = {}
        self.taker: Taker | None = None

    @classmethod
    def open(
        cls,
        path: Path,
        migrations: Sequence[Migration] = (),
        *,
        clock: Clock,
        functions: Functions | None = None,
        read_limit_s: float = READ_LIMIT_S,
    ) -> SqliteDatabase:
        """Open or create the file and bring its tables up to date.

        `functions` is called with every connection, so that rooms can register SQL functions. A
        read longer than `read_limit_s` is stopped. HansaError state_version when the file is newer
        than this program; unavailable when it can't be opened.
        """
        writing = connect(path, functions, cache_kib=_WRITER_CACHE_KIB)
        try:
            migrate(writing, migrations)
        except BaseException:
            writing.close()
            raise

        def reader(cache_kib: int) -> Reader:
            return Reader(connect(path, functions, cache_kib=cache_kib), clock, read_limit_s)

        return cls(
            writing,
            reader(_READER_CACHE_KIB),
            SlowReaders(lambda: reader(_SLOW_CACHE_KIB)),
            clock,
        )

    def store(self, participant: str) -> SqliteStore:
        """Give the store of one participant."""
        store = self._stores.get(participant)
        if store is None:
            rows.checked(participant, "participant", rows.NAME_BYTES_MAX)
            store = SqliteStore(participant, self, self._writer, self._reader, self._slow)
            self._stores[participant] = store
        return store

    def on_enqueued(self, wake: Callable[[], None]) -> None:
        """Register what is called, on the event loop, after a commit that changed the outbox."""
        self._wakes.append(wake)

    def hand_over(self, taker: Taker | None) -> None:
        """Lease new actions that are due to `taker` in the commit that puts them in."""
        self.taker = taker

    def _tell(self, after: After) -> None:
        taker = self.taker
        if taker is not None:
            for participant, action_id in after.settled:
                taker.settled(participant, action_id)
            for participant, action in after.handed:
                taker.take(participant, action)

    def _wake(self) -> None:
        for wake in self._wakes:
            wake()

    async def lease(
        self, owner: str, *, now: datetime, lease_s: float, limit: int
    ) -> list[tuple[str, Action]]:
        """Take due actions until `now + lease_s`, at most one of each process."""
        parameters = leases.leasable_parameters(now, limit)
        if not self._read(leases.LEASABLE, parameters):
            return []

        def job(connection: apsw.Connection) -> tuple[list[tuple[Any, ...]], After]:
            found = connection.execute(leases.LEASABLE, parameters).fetchall()
            held = leases.hold_parameters(owner, now, lease_s, found)
            connection.executemany(leases.HOLD, held).fetchall()
            return found, NOTHING

        return leases.leased(await self._writer.submit(job, durable=False))

    async def extend(self, owner: str, held: Sequence[tuple[str, str]], *, until: datetime) -> None:
        """Hold (participant, action id) pairs longer; those that another one took stay taken."""
        at = rows.micros(until)

        def job(connection: apsw.Connection) -> tuple[None, After]:
            parameters = [(at, at, *pair, owner) for pair in held]
            connection.executemany(leases.EXTEND, parameters).fetchall()
            return None, NOTHING

        await self._writer.submit(job, durable=False)

    async def release(self, owner: str) -> int:
        """Give back all that `owner` holds, at once; give how many those were."""

        def job(connection: apsw.Connection) -> tuple[int, After]:
            freed = connection.execute(leases.RELEASE, (owner,)).fetchall()
            return len(freed), After(outbox_changed=bool(freed))

        return int(await self._writer.submit(job, durable=False))

    async def next_due(self, *, after: datetime) -> datetime | None:
        """Give the earliest instant after `after` at which an action is due or a lease ends."""
        at = self._read(leases.NEXT_READY, (rows.micros(after),))[0][0]
        return rows.instant(at) if isinstance(at, int) else None

    def _read(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        connection = self._reader.connection
        return self._reader.run(lambda c: c.execute(sql, parameters).fetchall(), connection)

    async def close(self) -> None:
        """Finish what is queued and close."""
        if self._closed:
            return
        self._closed = True
        await self._slow.close()
        await self._writer.close()
        self._reader.close()


class SqliteStore:
    """One participant's rows in the file (`Store`)."""

    def __init__(
        self,
        participant: str,
        database: SqliteDatabase,
        writer: Writer,
        reader: Reader,
        slow: SlowReaders,
    ) -> None:
        self.participant = participant
        self._database = database
        self._writer = writer
        self._reader = reader
        self._slow = slow
        self._clock = database.clock
        self._view = SqliteReadTx(reader.connection, participant, self._clock)

    async def read(self, job: Callable[[ReadTx], R], *, slow: bool = False) -> R:
        """Run `job` on a consistent view: at once on the event loop, or in a thread if `slow`."""
        if not slow:
            return self._reader.run(job, self._view)

        def run(connection: apsw.Connection) -> R:
            return job(SqliteReadTx(connection, self.participant, self._clock))

        return await self._slow.run(run)

    async def write(self, job: Callable[[Tx], R], *, slow: bool = False) -> R:
        """Run `job` in the next group commit (in the writer's thread if `slow`); then return."""
        result: R = await self._submit(job, slow)
        return result

    async def write_ahead(self, job: Callable[[Tx], R]) -> asyncio.Future[R]:
        """Queue `job`: those that are queued later are committed with it, or after it."""
        return self._submit(job, slow=False)

    def _submit(self, job: Callable[[Tx], R], slow: bool) -> asyncio.Future[R]:
        def run(connection: apsw.Connection) -> tuple[R, After]:
            tx = SqliteTx(connection, self.participant, self._clock)
            tx.taker = self._database.taker
            result = job(tx)
            handed = [(self.participant, action) for action in tx.handed.values()]
            settled = [(self.participant, action_id) for action_id in tx.settled]
            return result, After(tx.outbox_changed, handed, settled)

        return self._writer.submit(run, slow=slow)
