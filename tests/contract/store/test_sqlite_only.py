"""What only the SQLite adapter promises: group commit, limits, flat cost, what a full disk does."""

from __future__ import annotations

import asyncio
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest
from store_notes import NOTE, Note

from hansa.kernel import Code, FixedClock, HansaError
from hansa.kernel.store import Action, ReadTx, Tx
from hansa.kernel.store.sqlite import SqliteDatabase, SqliteReadTx, SqliteTx, writer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hansa.sqlite"


def _open(path: Path, **more: object) -> SqliteDatabase:
    return SqliteDatabase.open(path, clock=FixedClock(), **more)  # type: ignore[arg-type]


async def test_what_waits_together_is_committed_together(path: Path) -> None:
    commits: list[int] = []

    def count() -> bool:
        commits.append(1)
        return False

    def watched(connection: apsw.Connection) -> None:
        connection.set_commit_hook(count)

    database = _open(path, functions=watched)
    store, begun, go_on = database.store("north"), threading.Event(), threading.Event()

    def first(tx: Tx) -> None:
        tx.put(NOTE, Note("first"))
        begun.set()
        go_on.wait(60)

    blocking = asyncio.create_task(store.write(first, slow=True))
    await asyncio.to_thread(begun.wait, 60)
    commits.clear()
    rest = [
        asyncio.create_task(store.write(lambda tx, n=n: tx.put(NOTE, Note(f"{n}"))))  # type: ignore[misc]
        for n in range(32)
    ]
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(blocking, *rest)
    assert len(commits) == 2
    await database.close()


async def test_a_commit_that_fails_fails_every_job_of_its_group(path: Path) -> None:
    refuse = False

    def watched(connection: apsw.Connection) -> None:
        connection.set_commit_hook(lambda: refuse)

    database = _open(path, functions=watched)
    store, woken = database.store("north"), []
    database.on_enqueued(lambda: woken.append(1))

    def job(tx: Tx, number: int) -> None:
        tx.insert(NOTE, Note(str(number)))
        tx.enqueue(Action(id=str(number), machine="m", process="p", name="go"))
        if number == 3:
            raise LookupError("its own")

    refuse = True
    answers = await asyncio.gather(
        *(store.write(lambda tx, n=n: job(tx, n)) for n in range(8)),  # type: ignore[misc]
        return_exceptions=True,
    )
    for number, answer in enumerate(answers):
        if number == 3:
            assert isinstance(answer, LookupError)
        else:
            assert isinstance(answer, HansaError)
            assert answer.code is Code.unavailable
    refuse = False
    await asyncio.sleep(0.01)
    assert woken == []
    assert await store.read(lambda tx: (tx.count(NOTE), tx.actions())) == (0, [])
    await store.write(lambda tx: tx.insert(NOTE, Note("after")))
    assert await store.read(lambda tx: tx.count(NOTE)) == 1
    await database.close()


async def test_a_full_disk_is_unavailable_and_heals(path: Path) -> None:
    database = _open(path)
    store = database.store("north")
    await store.write(lambda tx: tx.put(NOTE, Note("before")))

    def limit_pages(pages: int) -> Callable[[Tx], None]:
        def job(tx: Tx) -> None:
            tx.execute(f"PRAGMA max_page_count = {pages}")

        return job

    await store.write(limit_pages(1))
    with pytest.raises(HansaError) as refused:
        await store.write(lambda tx: tx.put(NOTE, Note("big", text="x" * 1_000_000)))
    assert refused.value.code is Code.unavailable
    assert "free space" in refused.value.detail
    await store.write(limit_pages(1_000_000))
    await store.write(lambda tx: tx.put(NOTE, Note("big", text="x" * 1_000_000)))
    assert await store.read(lambda tx: tx.count(NOTE)) == 2
    await database.close()


async def test_a_job_that_ends_the_transaction_fails_its_group(path: Path) -> None:
    database = _open(path)
    store = database.store("north")

    def rogue(tx: Tx) -> None:
        tx.execute("ROLLBACK")
        raise LookupError("rogue")

    answers = await asyncio.gather(
        store.write(lambda tx: tx.put(NOTE, Note("a"))),
        store.write(rogue),
        store.write(lambda tx: tx.put(NOTE, Note("b"))),
        return_exceptions=True,
    )
    assert isinstance(answers[1], LookupError)
    kept = await store.read(lambda tx: {note.id for note in tx.find(NOTE)})
    answered = {
        name
        for name, answer in zip("a?b", answers, strict=True)
        if not isinstance(answer, BaseException)
    }
    assert kept == answered
    await store.write(lambda tx: tx.put(NOTE, Note("after")))
    await database.close()


async def test_a_full_queue_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "QUEUE_MAX", 4)
    database = _open(path)
    store, begun, go_on = database.store("north"), threading.Event(), threading.Event()

    def blocked(tx: Tx) -> None:
        begun.set()
        go_on.wait(60)

    first = asyncio.create_task(store.write(blocked, slow=True))
    await asyncio.to_thread(begun.wait, 60)
    queued = [
        asyncio.create_task(store.write(lambda tx, n=n: tx.insert(NOTE, Note(str(n)))))  # type: ignore[misc]
        for n in range(4)
    ]
    await asyncio.sleep(0)
    with pytest.raises(HansaError) as refused:
        await store.write(lambda tx: tx.put(NOTE, Note("one too many")))
    assert refused.value.code is Code.unavailable
    go_on.set()
    await asyncio.gather(first, *queued)
    assert await store.read(lambda tx: tx.count(NOTE)) == 4
    await database.close()


async def test_a_cancelled_job_that_has_not_begun_does_not_run(path: Path) -> None:
    database = _open(path)
    store, begun, go_on = database.store("north"), threading.Event(), threading.Event()

    def blocked(tx: Tx) -> None:
        begun.set()
        go_on.wait(60)

    first = asyncio.create_task(store.write(blocked, slow=True))
    await asyncio.to_thread(begun.wait, 60)
    queued = [
        asyncio.create_task(store.write(lambda tx, n=n: tx.put(NOTE, Note(str(n)))))  # type: ignore[misc]
        for n in range(5)
    ]
    await asyncio.sleep(0)
    for number in (0, 2, 4):
        queued[number].cancel()
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(first, queued[1], queued[3])
    await store.write(lambda tx: tx.put(NOTE, Note("after")))
    assert await store.read(lambda tx: [note.id for note in tx.find(NOTE)]) == ["1", "3", "after"]
    await database.close()


async def test_slow_jobs_leave_the_event_loop_alone_and_keep_their_turn(path: Path) -> None:
    database = _open(path)
    store, ran = database.store("north"), []

    def job(tx: Tx, name: str) -> None:
        ran.append((name, threading.current_thread() is threading.main_thread()))
        tx.put(NOTE, Note(name))

    await asyncio.gather(
        store.write(lambda tx: job(tx, "a")),
        store.write(lambda tx: job(tx, "b"), slow=True),
        store.write(lambda tx: job(tx, "c")),
    )
    assert ran == [("a", True), ("b", False), ("c", True)]
    await database.close()


async def test_a_group_does_not_hold_up_the_event_loop(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "GROUP_S", 0.0)
    commits: list[int] = []

    def count() -> bool:
        commits.append(1)
        return False

    database = _open(path, functions=lambda connection: connection.set_commit_hook(count))
    store = database.store("north")
    commits.clear()
    await asyncio.gather(
        *(store.write(lambda tx, n=n: tx.put(NOTE, Note(str(n)))) for n in range(5))  # type: ignore[misc]
    )
    assert len(commits) == 5
    await database.close()


def test_an_idle_database_may_serve_the_next_event_loop(path: Path) -> None:
    database = _open(path)
    store = database.store("north")
    for key in "ab":
        asyncio.run(store.write(lambda tx, key=key: tx.put(NOTE, Note(key))))  # type: ignore[misc]
    assert asyncio.run(store.read(lambda tx: tx.count(NOTE))) == 2
    asyncio.run(database.close())


async def test_a_waker_that_fails_does_not_stop_the_writer(path: Path) -> None:
    database = _open(path)
    store = database.store("north")

    def failing() -> None:
        raise LookupError("a waker")

    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    database.on_enqueued(failing)
    action = Action(id="1", machine="m", process="p", name="go")
    async with asyncio.timeout(60):
        await store.write(lambda tx: tx.enqueue(action))
        await store.write(lambda tx: tx.put(NOTE, Note("after")))
    assert await store.read(lambda tx: tx.count(NOTE)) == 1
    await database.close()


async def test_functions_of_rooms_are_on_every_connection(path: Path) -> None:
    def twice(*values: apsw.SQLiteValue) -> int:
        [value] = values
        assert isinstance(value, int)
        return 2 * value

    def register(connection: apsw.Connection) -> None:
        connection.create_scalar_function("twice", twice, 1, deterministic=True)

    database = _open(path, functions=register)
    store, sql = database.store("north"), "SELECT twice(21)"

    def by_connection(tx: ReadTx) -> object:
        assert isinstance(tx, SqliteTx | SqliteReadTx)
        return tx.connection.execute(sql).get

    assert await store.write(lambda tx: tx.execute(sql)) == [(42,)]
    assert await store.read(lambda tx: tx.execute(sql)) == [(42,)]
    assert await store.read(lambda tx: tx.execute(sql), slow=True) == [(42,)]
    assert await store.read(by_connection) == 42
    assert await store.write(by_connection) == 42
    await database.close()


async def test_the_file_is_its_owners_alone_and_durable(path: Path) -> None:
    database = _open(path)
    store = database.store("north")
    await store.write(lambda tx: tx.put(NOTE, Note("a")))
    for suffix in ("", "-wal"):
        mode = stat.S_IMODE(path.with_name(path.name + suffix).stat().st_mode)
        assert mode == 0o600, suffix
    settings = await store.write(
        lambda tx: [tx.execute(f"PRAGMA {name}")[0][0] for name in ("journal_mode", "synchronous")]
    )
    assert settings == ["wal", 2]
    await database.lease("me", now=FixedClock().now(), lease_s=1, limit=1)
    await database.release("me")
    assert await store.write(lambda tx: tx.execute("PRAGMA synchronous")) == [(2,)]
    _, level = await asyncio.gather(
        database.release("me"), store.write(lambda tx: tx.execute("PRAGMA synchronous"))
    )
    assert level == [(2,)], "a lease in the group must not make it less durable"
    await database.close()


@pytest.mark.parametrize("content", [b"not a database, but a file with some text in it" * 100])
def test_a_file_that_is_no_database_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(HansaError) as refused:
        _open(path)
    assert refused.value.code is Code.unavailable
    assert path.read_bytes() == content


def _steps(job: Callable[[ReadTx], object]) -> Callable[[ReadTx], int]:
    """Count the instructions that SQLite runs for a job."""

    def counted(tx: ReadTx) -> int:
        assert isinstance(tx, SqliteReadTx)
        job(tx)
        steps = 0

        def step() -> bool:
            nonlocal steps
            steps += 1
            return False

        tx.connection.set_progress_handler(step, 1)
        job(tx)
        tx.connection.set_progress_handler(None)
        return steps

    return counted


JOBS: dict[str, Callable[[ReadTx], object]] = {
    "get": lambda tx: tx.get(NOTE, "000050"),
    "page": lambda tx: tx.find(NOTE, after="000050", limit=20),
    "newest": lambda tx: tx.find(NOTE, newest_first=True, limit=20),
    "rare": lambda tx: tx.find(NOTE, {"state": "rare"}),
    "rare, newest": lambda tx: tx.find(NOTE, {"state": "rare"}, newest_first=True),
    "frequent": lambda tx: tx.find(NOTE, {"state": "frequent"}, after="000050", limit=20),
    "rare and frequent": lambda tx: tx.find(NOTE, {"owner": "all", "state": "rare"}),
    "tag": lambda tx: tx.find(NOTE, {"tag": "t7"}, limit=20),
    "count": lambda tx: tx.count(NOTE, {"state": "rare"}),
    "count of two": lambda tx: tx.count(NOTE, {"owner": "all", "state": "rare"}),
    "action": lambda tx: tx.action("000050"),
}


async def test_the_cost_is_flat_in_the_number_of_documents(path: Path) -> None:
    """Instructions, not seconds: the same for 2,000 documents and for 20,000."""
    database = _open(path)
    store = database.store("north")
    costs: list[dict[str, int]] = []
    numbers = iter(range(1_000_000))

    def fill(tx: Tx, count: int) -> None:
        for _ in range(count):
            number = next(numbers)
            state = "rare" if number < 200 and number % 10 == 0 else "frequent"
            tx.insert(NOTE, Note(f"{number:06d}", state, "all", (f"t{number % 100}",)))
            process, action_id = f"p{number}", f"{number:06d}"
            tx.enqueue(Action(id=action_id, machine="m", process=process, name="go", dead=True))

    for count in (2_000, 18_000):
        await store.write(lambda tx, n=count: fill(tx, n))  # type: ignore[misc]
        costs.append({name: await store.read(_steps(job)) for name, job in JOBS.items()})
        taken = await database.lease("me", now=FixedClock().now(), lease_s=1, limit=5)
        assert taken == []
    small, large = costs
    for name in JOBS:
        assert small[name] > 5, name
        assert large[name] <= small[name] * 1.1 + 20, f"{name}: {small[name]} -> {large[name]}"
    await database.close()
