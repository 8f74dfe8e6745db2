"""What only the PostgreSQL adapter has to get right: its driver, its server, its collisions."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable

import pytest
from store_notes import NOTE, Note

from hansa.kernel import Code, FixedClock, HansaError
from hansa.kernel.store import Tx
from hansa.kernel.store.postgres import PostgresDatabase, PostgresTx, sessions

pytestmark = pytest.mark.postgres


@pytest.fixture
async def database(postgres_dsn: Callable[[], str]) -> AsyncIterator[PostgresDatabase]:
    opened = PostgresDatabase.open(postgres_dsn(), clock=FixedClock())
    yield opened
    await opened.close()


def test_a_missing_driver_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "hansa.kernel.store.postgres.sessions", raising=False)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(HansaError) as refused:
        PostgresDatabase.open("host=nowhere", clock=FixedClock())
    assert refused.value.code is Code.settings_invalid
    assert refused.value.facts["next"] == "pip install 'hansa[postgres]'"


def test_a_server_that_does_not_answer_is_unavailable_and_its_secret_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sessions, "CONNECT_TIMEOUT_S", 0.3)
    with pytest.raises(HansaError) as refused:
        PostgresDatabase.open("host=/nowhere password=sesame user=hansa", clock=FixedClock())
    assert refused.value.code is Code.unavailable
    assert "sesame" not in str(refused.value)


async def test_a_collision_is_tried_again_and_not_for_ever(database: PostgresDatabase) -> None:
    from psycopg import errors

    runs = 0

    def colliding(tx: Tx, times: int) -> int:
        nonlocal runs
        runs += 1
        tx.put(NOTE, Note(str(runs)))
        if runs <= times:
            raise errors.SerializationFailure("could not serialize")
        return runs

    store = database.store("north")
    assert await store.write(lambda tx: colliding(tx, 5)) == 6
    assert await store.read(lambda tx: [note.id for note in tx.find(NOTE)]) == ["6"]
    runs = 0
    with pytest.raises(HansaError) as refused:
        await store.write(lambda tx: colliding(tx, 1000))
    assert refused.value.code is Code.unavailable
    assert runs == sessions.TRIES_MAX
    assert await store.read(lambda tx: tx.count(NOTE)) == 1


async def test_a_job_can_not_go_on_after_a_failed_statement(database: PostgresDatabase) -> None:
    """PostgreSQL would answer COMMIT with a silent rollback."""
    import psycopg

    def swallowing(tx: Tx) -> None:
        tx.put(NOTE, Note("a"))
        try:
            tx.execute("SELECT 1 / 0")
        except psycopg.errors.DivisionByZero:
            return

    with pytest.raises(AssertionError, match="failed statement"):
        await database.store("north").write(swallowing)
    assert await database.store("north").read(lambda tx: tx.count(NOTE)) == 0


async def test_a_lost_connection_is_unavailable_and_the_next_call_gets_another(
    database: PostgresDatabase,
) -> None:
    store = database.store("north")

    def cut(tx: Tx) -> None:
        assert isinstance(tx, PostgresTx)
        tx.connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(HansaError) as refused:
        await store.write(cut)
    assert refused.value.code is Code.unavailable
    await store.write(lambda tx: tx.put(NOTE, Note("a")))
    assert await store.read(lambda tx: tx.count(NOTE)) == 1


async def test_a_restarted_server_is_not_noticed_by_the_next_callers(
    postgres_dsn: Callable[[], str],
) -> None:
    import psycopg

    dsn = postgres_dsn()
    database = PostgresDatabase.open(dsn, clock=FixedClock())
    store = database.store("north")
    meeting = threading.Barrier(2)

    def meet(tx: Tx) -> None:
        tx.execute("SELECT 1")
        meeting.wait(60)

    await asyncio.gather(store.write(meet), store.write(meet))
    with psycopg.connect(dsn) as other:
        ended = other.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone()
    assert ended is not None
    assert ended[0] > 1, "two connections were open at once"
    for number in range(12):
        await store.write(lambda tx, n=number: tx.insert(NOTE, Note(str(n))))  # type: ignore[misc]
        assert await store.read(lambda tx: tx.count(NOTE)) == number + 1
    await database.close()


async def test_a_percent_sign_is_written_twice(database: PostgresDatabase) -> None:
    assert await database.store("north").read(lambda tx: tx.execute("SELECT '50%%'")) == [("50%",)]
