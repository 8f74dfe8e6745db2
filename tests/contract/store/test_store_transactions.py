"""Transactions: all or nothing, each on its own, side by side, and what a caller sees."""

from __future__ import annotations

import asyncio
import threading

import pytest
from store_notes import NOTE, Note, Open

from hansa.kernel import Code, HansaError, SystemClock
from hansa.kernel.store import Action, Database, Migration, ReadTx, Store, Tx

ROOM = Migration(
    "room",
    1,
    sqlite=("CREATE TABLE thing (participant TEXT, n INTEGER, PRIMARY KEY (participant, n))",),
    postgres=("CREATE TABLE thing (participant TEXT, n INTEGER, PRIMARY KEY (participant, n))",),
)


@pytest.fixture
def store(database: Database) -> Store:
    return database.store("north")


async def test_a_job_is_kept_whole_or_not_at_all(store: Store) -> None:
    def failing(tx: Tx) -> None:
        tx.put(NOTE, Note("a"))
        tx.insert(NOTE, Note("b", "open", "ann", ("x",)))
        raise LookupError("at the end")

    with pytest.raises(LookupError, match="at the end"):
        await store.write(failing)
    assert await store.read(lambda tx: (tx.count(NOTE), tx.count(NOTE, {"tag": "x"}))) == (0, 0)


async def test_a_failing_job_does_not_touch_the_others_of_its_group(store: Store) -> None:
    async def write(number: int) -> str:
        def job(tx: Tx) -> str:
            tx.put(NOTE, Note(f"{number:02d}"))
            if number % 3 == 0:
                raise LookupError(str(number))
            return f"wrote {number}"

        return await store.write(job)

    answers = await asyncio.gather(*(write(number) for number in range(30)), return_exceptions=True)
    for number, answer in enumerate(answers):
        if number % 3 == 0:
            assert isinstance(answer, LookupError)
            assert str(answer) == str(number)
        else:
            assert answer == f"wrote {number}"
    kept = await store.read(lambda tx: [note.id for note in tx.find(NOTE)])
    assert kept == [f"{number:02d}" for number in range(30) if number % 3]


async def test_a_job_sees_its_own_changes_and_others_do_not(store: Store) -> None:
    def job(tx: Tx) -> tuple[Note | None, list[Note], int]:
        tx.put(NOTE, Note("a", "open"))
        return tx.get(NOTE, "a"), tx.find(NOTE, {"state": "open"}), tx.count(NOTE)

    assert await store.write(job) == (Note("a", "open"), [Note("a", "open")], 1)


async def test_a_read_after_an_awaited_write_sees_it(store: Store) -> None:
    for number in range(50):
        await store.write(lambda tx, n=number: tx.put(NOTE, Note("a", str(n))))  # type: ignore[misc]
        assert await store.read(lambda tx: tx.get(NOTE, "a")) == Note("a", str(number))
        slow = await store.read(lambda tx: tx.get(NOTE, "a"), slow=True)
        assert slow == Note("a", str(number))


async def test_a_read_is_one_view_while_others_write(store: Store) -> None:
    await store.write(lambda tx: [tx.put(NOTE, Note(key, "0")) for key in "ab"])
    began, go_on = threading.Event(), threading.Event()

    def slow(tx: ReadTx) -> list[Note]:
        first = tx.find(NOTE, {"state": "0"}, limit=1)
        began.set()
        go_on.wait(60)
        return first + tx.find(NOTE, {"state": "0"})[1:]

    reading = asyncio.create_task(store.read(slow, slow=True))
    await asyncio.to_thread(began.wait, 60)
    await store.write(lambda tx: [tx.put(NOTE, Note(key, "1")) for key in "ab"])
    go_on.set()
    assert await reading == [Note("a", "0"), Note("b", "0")]


async def test_32_writers_add_up(store: Store) -> None:
    await store.write(lambda tx: tx.put(NOTE, Note("sum", text="0")))

    def add(tx: Tx) -> None:
        note = tx.get(NOTE, "sum")
        assert note is not None
        tx.put(NOTE, Note("sum", text=str(int(note.text) + 1)))

    async def writer(name: str) -> None:
        for number in range(4):
            await store.write(lambda tx, n=number: tx.insert(NOTE, Note(f"{name}-{n}", "own")))  # type: ignore[misc]
            await store.write(add, slow=number % 2 == 0)

    await asyncio.gather(*(writer(f"{number:02d}") for number in range(32)))
    total = await store.read(lambda tx: tx.get(NOTE, "sum"))
    assert total is not None
    assert total.text == "128"
    assert await store.read(lambda tx: tx.count(NOTE, {"state": "own"})) == 128


async def test_a_rule_over_several_documents_holds_under_concurrency(store: Store) -> None:
    def take_the_last(tx: Tx, name: str) -> bool:
        if tx.count(NOTE, {"state": "taken"}) >= 3:
            return False
        tx.insert(NOTE, Note(name, "taken"))
        return True

    answers = await asyncio.gather(
        *(store.write(lambda tx, n=n: take_the_last(tx, f"{n:02d}")) for n in range(16))  # type: ignore[misc]
    )
    assert sorted(answers) == [False] * 13 + [True] * 3


async def test_a_caller_that_stops_waiting_breaks_nothing(store: Store) -> None:
    tasks = [
        asyncio.create_task(store.write(lambda tx, n=n: tx.insert(NOTE, Note(f"{n:02d}"))))  # type: ignore[misc]
        for n in range(20)
    ]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(answer, asyncio.CancelledError) for answer in answers[::2]] == [True] * 10
    assert answers[1::2] == [None] * 10
    kept = await store.read(lambda tx: {note.id for note in tx.find(NOTE)})
    assert kept >= {f"{n:02d}" for n in range(1, 20, 2)}
    await store.write(lambda tx: tx.put(NOTE, Note("after")))


async def test_a_cancelled_caller_does_not_keep_the_outbox_asleep(
    database: Database, store: Store
) -> None:
    """What was committed is woken for, whether or not somebody waits for the answer."""
    woken = asyncio.Event()
    database.on_enqueued(woken.set)
    running, cancelled = threading.Event(), threading.Event()

    def job(tx: Tx) -> None:
        tx.enqueue(Action(id="1", machine="m", process="p", name="go"))
        running.set()
        cancelled.wait(60)

    task = asyncio.create_task(store.write(job, slow=True))
    await asyncio.to_thread(running.wait, 60)
    task.cancel()
    await asyncio.sleep(0)
    cancelled.set()
    async with asyncio.timeout(60):
        await woken.wait()


@pytest.mark.parametrize("slow", [False, True])
async def test_an_error_of_a_read_reaches_its_caller(store: Store, slow: bool) -> None:
    def failing(tx: ReadTx) -> None:
        raise LookupError("in the read")

    with pytest.raises(LookupError, match="in the read"):
        await store.read(failing, slow=slow)
    assert await store.read(lambda tx: tx.count(NOTE), slow=slow) == 0


@pytest.mark.parametrize("slow", [None, False, True])
async def test_an_empty_iterator_in_a_job_is_an_error_not_a_hang(
    store: Store, slow: bool | None
) -> None:
    def stopping(tx: ReadTx) -> object:
        return next(iter(()))

    async with asyncio.timeout(60):
        with pytest.raises(RuntimeError, match="StopIteration"):
            await (store.write(stopping) if slow is None else store.read(stopping, slow=slow))


async def test_a_read_can_not_write(database: Database, store: Store) -> None:
    await store.write(lambda tx: tx.put(NOTE, Note("a")))
    for slow in (False, True):
        with pytest.raises(Exception, match=r"(?i)read.?only"):
            await store.read(lambda tx: tx.execute("DELETE FROM record"), slow=slow)
    assert await store.read(lambda tx: tx.count(NOTE)) == 1


async def test_a_room_has_tables_of_its_own(reopen: Open) -> None:
    database = reopen([ROOM])
    mark = "?" if database.backend == "sqlite" else "%s"
    try:
        store = database.store("north")
        insert = f"INSERT INTO thing (participant, n) VALUES ({mark}, {mark})"
        own = f"SELECT n FROM thing WHERE participant = {mark} ORDER BY n"

        def job(tx: Tx) -> list[tuple[object, ...]]:
            tx.execute(insert, (tx.participant, 1))
            tx.executemany(insert, ((tx.participant, n) for n in (2, 3)))
            tx.executemany(insert, [])
            return tx.execute(own, [tx.participant])

        assert await store.write(job) == [(1,), (2,), (3,)]
        assert await store.read(lambda tx: tx.execute(own, ("north",))) == [(1,), (2,), (3,)]
        assert await store.read(lambda tx: tx.execute(own, ("south",))) == []
        with pytest.raises(Exception, match=r"(?i)unique"):
            await store.write(lambda tx: tx.execute(insert, ("north", 1)))
        assert await store.write(lambda tx: tx.execute(insert, ("north", 4))) == []
    finally:
        await database.close()


async def test_a_read_that_takes_too_long_is_stopped(reopen: Open) -> None:
    database = reopen(clock=SystemClock(), read_limit_s=0.05)
    endless = (
        "WITH RECURSIVE up(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < 1000000000)"
        " SELECT count(*) FROM up"
    )
    try:
        store = database.store("north")
        for slow in (False, True):
            with pytest.raises(HansaError) as refused:
                await store.read(lambda tx: tx.execute(endless), slow=slow)
            assert refused.value.code is Code.too_complex
            assert await store.read(lambda tx: tx.count(NOTE), slow=slow) == 0
    finally:
        await database.close()


async def test_closing_finishes_what_is_queued_and_then_refuses(reopen: Open) -> None:
    database = reopen()
    store = database.store("north")
    tasks = [
        asyncio.create_task(
            store.write(lambda tx, n=n: tx.insert(NOTE, Note(f"{n:02d}")), slow=n % 2 == 0)  # type: ignore[misc]
        )
        for n in range(20)
    ]
    await asyncio.sleep(0)
    await database.close()
    await database.close()
    assert await asyncio.gather(*tasks) == [None] * 20
    for refused_call in (
        store.write(lambda tx: tx.put(NOTE, Note("late"))),
        store.read(lambda tx: tx.count(NOTE)),
        store.read(lambda tx: tx.count(NOTE), slow=True),
    ):
        with pytest.raises(HansaError) as refused:
            await refused_call
        assert refused.value.code is Code.unavailable
    again = reopen()
    assert await again.store("north").read(lambda tx: tx.count(NOTE)) == 20
    await again.close()
