"""The push runner: order, positions, retries, and when it stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime

import pytest

from hansa.dataplane.flow import DataFlow, FlowRole, FlowState, Progress
from hansa.dataplane.push import Allowance, Item, Pushes, Retry
from hansa.kernel import Code, FixedClock, HansaError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RETRY = Retry(first_s=0.001, most_s=0.002, told_after=3)


class Right:
    """An enforcement that can be taken away."""

    def __init__(self) -> None:
        self.refused: HansaError | None = None
        self.counted: list[tuple[int, int, int]] = []
        self.scope = None
        self.on_check: Callable[[], None] = lambda: None

    def check(self) -> None:
        self.on_check()
        if self.refused is not None:
            raise self.refused

    def check_shown(self, shown: object) -> None:
        assert shown == self.scope

    def now(self) -> Right:
        self.check()
        return self

    def record(self, entities: int, bytes: int, requests: int = 1) -> None:
        self.counted.append((entities, bytes, requests))


class Book:
    """What a runner tells, kept."""

    def __init__(self) -> None:
        self.right = Right()
        self.taken = 0
        self.progresses: list[Progress] = []
        self.done = asyncio.Event()
        self.errors: list[str] = []
        self.errored = asyncio.Event()

    async def enforcement(self, flow_id: str) -> Right:
        self.right.check()
        self.taken += 1
        return self.right

    def progress(self, flow_id: str, progress: Progress) -> None:
        self.progresses.append(progress)

    async def on_done(self, flow_id: str) -> None:
        self.done.set()

    async def on_error(self, flow_id: str, reason: str) -> None:
        self.errors.append(reason)
        self.errored.set()


class Letters:
    """A source of letters; `endless` waits after the last one."""

    def __init__(self, text: str = "abcdef", *, endless: bool = False) -> None:
        self.text = text
        self.endless = endless
        self.total_bytes = len(text)
        self.digest: str | None = None
        self.asked: list[str] = []
        self.requests = 0

    def bytes_before(self, position: str) -> int | None:
        return int(position or 0)

    async def items(self, position: str, allowance: Allowance) -> AsyncGenerator[Item, None]:
        self.asked.append(position)
        for place in range(int(position or 0), len(self.text)):
            await allowance.scope()
            body = self.text[place].encode()
            requests = self.requests or int(place == 0)
            yield Item(
                position=str(place + 1),
                body=body,
                id=str(place),
                entities=1,
                requests=requests,
            )
        if self.endless:
            await asyncio.Event().wait()
        self.digest = "sha-256:00"


class Memory:
    """A sink that keeps what it got, and fails when it is told to."""

    def __init__(self, *, knows: bool = False) -> None:
        self.got: list[tuple[str, bytes]] = []
        self.failures: list[HansaError | OSError] = []
        self.finished: list[str | None] = []
        self.opened = self.closed = 0
        self.knows = knows
        self.written = asyncio.Event()

    async def open(self) -> str | None:
        self.opened += 1
        return str(len(self.got)) if self.knows else None

    async def write(self, item: Item) -> None:
        if self.failures and len(self.got) >= 2:
            raise self.failures.pop(0)
        assert item.body is not None
        self.got.append((item.id, item.body))
        self.written.set()

    async def finish(self, digest: str | None) -> None:
        self.finished.append(digest)

    async def close(self) -> None:
        self.closed += 1


def flow(**changes: object) -> DataFlow:
    given = {
        "id": "t1",
        "role": FlowRole.provider,
        "profile": "Letters-PUSH",
        "agreement_id": "a1",
        "dataset_id": "d1",
        "counterparty": "did:web:other",
        "created": NOW,
        "modified": NOW,
        "state": FlowState.STARTED,
    }
    return DataFlow(**{**given, **changes})  # type: ignore[arg-type]


@pytest.fixture
async def book() -> Book:
    return Book()


@pytest.fixture
async def pushes(book: Book) -> Pushes:
    return Pushes(book, FixedClock(NOW), retry=RETRY, chance=lambda: 0.0)  # type: ignore[arg-type]


async def test_all_items_arrive_in_order_and_the_flow_is_done(book: Book, pushes: Pushes) -> None:
    sink = Memory()
    pushes.start(flow(), Letters(), sink)
    await book.done.wait()
    assert b"".join(body for _, body in sink.got) == b"abcdef"
    assert sink.finished == ["sha-256:00"]
    last = book.progresses[-1]
    assert (last.position, last.bytes, last.items, last.total_bytes) == ("6", 6, 6, 6)
    assert (last.digest, last.error) == ("sha-256:00", None)
    assert book.right.counted == [(1, 1, 1), *[(1, 1, 0)] * 5], "all are one use"
    assert book.taken == 1


async def test_each_item_is_a_use_of_its_own_where_the_source_says_so(
    book: Book, pushes: Pushes
) -> None:
    source, sink = Letters(), Memory()
    source.requests = 1
    sink.failures = [OSError("gone")]
    pushes.start(flow(), source, sink)
    await book.done.wait()
    assert book.right.counted == [(1, 1, 1)] * 6
    assert book.taken == 6, "a retry costs no other use, and nothing is taken at the end"


async def test_a_failure_is_tried_again_from_the_last_delivered_item(
    book: Book, pushes: Pushes
) -> None:
    sink = Memory()
    sink.failures = [
        HansaError(Code.outbound_failed, "Gone."),
        OSError("gone"),
        HansaError(Code.outbound_timeout, "Slow."),
    ]
    source = Letters()
    pushes.start(flow(), source, sink)
    await book.done.wait()
    assert [key for key, _ in sink.got] == list("012345")
    assert source.asked == ["", "2", "2", "2"]
    assert book.errors == ["outbound_timeout: Slow."], "told once, after the third in a row"
    assert sink.opened == sink.closed == 4
    errors = [progress.error for progress in book.progresses if progress.error]
    assert errors == ["outbound_failed: Gone.", "outbound_failed: OSError", book.errors[0]]


class Broken(Letters):
    """A source that can't be read."""

    async def items(self, position: str, allowance: Allowance) -> AsyncGenerator[Item, None]:
        async for item in super().items(position, allowance):
            raise HansaError(Code.unavailable, "/srv/secret is gone.", permanent=True)
            yield item


async def test_the_other_side_is_told_of_its_own_failures_and_of_no_others(
    book: Book, pushes: Pushes
) -> None:
    sink = Memory()
    sink.failures = [
        HansaError(Code.counterparty_refused, "The broker refused it.", "Check the user."),
        HansaError(Code.outbound_blocked, "Calls to it are not permitted.", "Set `outbound`."),
    ]
    pushes.start(flow(), Letters(), sink)
    await book.errored.wait()
    first, last = (one for one in book.progresses if one.error)
    assert (first.told, first.attempts) == ("The broker refused it. Check the user.", 1)
    assert first.next_at is not None
    assert first.next_at > NOW
    assert (last.told, last.attempts) == ("Calls to it are not permitted.", 2)
    assert last.next_at is None, "no try follows by itself"
    broken = Book()
    others = Pushes(broken, FixedClock(NOW))  # type: ignore[arg-type]
    others.start(flow(), Broken(), Memory())
    await broken.errored.wait()
    assert broken.progresses[-1].error == "unavailable: /srv/secret is gone."
    assert broken.progresses[-1].told is None


async def test_a_success_forgets_the_failures(book: Book, pushes: Pushes) -> None:
    sink = Memory()
    sink.failures = [HansaError(Code.outbound_failed, "Gone.")]
    pushes.start(flow(), Letters(), sink)
    await book.done.wait()
    last = book.progresses[-1]
    assert (last.error, last.told, last.attempts, last.next_at) == (None, None, 0, None)


async def test_what_the_other_side_has_already_decides_where_to_go_on(
    book: Book, pushes: Pushes
) -> None:
    sink = Memory(knows=True)
    sink.got = [("0", b"a"), ("1", b"b"), ("2", b"c")]
    pushes.start(flow(progress=Progress(position="5", bytes=99)), Letters(), sink)
    await book.done.wait()
    assert b"".join(body for _, body in sink.got) == b"abcdef"
    assert book.progresses[-1].bytes == 6


async def test_goes_on_from_the_durable_position_after_a_restart(
    book: Book, pushes: Pushes
) -> None:
    sink = Memory()
    pushes.start(flow(progress=Progress(position="4", items=4)), Letters(), sink)
    await book.done.wait()
    assert b"".join(body for _, body in sink.got) == b"ef"
    assert book.progresses[-1].items == 6


@pytest.mark.parametrize("code", [Code.outbound_blocked, Code.invalid_field])
async def test_what_waiting_cannot_mend_is_told_at_once(
    book: Book, pushes: Pushes, code: Code
) -> None:
    sink = Memory()
    sink.failures = [HansaError(code, "No.")]
    pushes.start(flow(), Letters(), sink)
    await book.errored.wait()
    assert book.errors == [f"{code.value}: No."]
    assert len(sink.got) == 2
    await pushes.stop("t1")
    assert not pushes.running("t1")


async def test_stops_within_one_item_when_the_right_ends(book: Book, pushes: Pushes) -> None:
    sink = Memory()
    source = Letters()

    def end_after_two() -> None:
        if len(sink.got) == 2:
            book.right.refused = HansaError(Code.agreement_ended, "The agreement has ended.")

    book.right.on_check = end_after_two
    pushes.start(flow(), source, sink)
    await book.errored.wait()
    assert len(sink.got) == 2
    assert book.errors == ["agreement_ended: The agreement has ended."]


async def test_a_suspended_flow_ends_quietly(book: Book, pushes: Pushes) -> None:
    sink = Memory()
    book.right.refused = HansaError(Code.transfer_ended, "Suspended.")
    pushes.start(flow(), Letters(), sink)
    await pushes.stop("t1")
    assert sink.got == []
    assert book.errors == []


async def test_a_refusal_that_may_pass_is_waited_for(book: Book, pushes: Pushes) -> None:
    sink = Memory()
    book.right.refused = HansaError(Code.policy_denied, "Not at this hour.")
    pushes.start(flow(), Letters(), sink)
    await book.errored.wait()
    assert sink.got == []
    book.right.refused = None
    await book.done.wait()
    assert len(sink.got) == 6


async def test_stop_breaks_off_and_start_goes_on(book: Book, pushes: Pushes) -> None:
    sink = Memory()
    pushes.start(flow(), Letters("ab", endless=True), sink)
    while len(sink.got) < 2:
        await sink.written.wait()
        sink.written.clear()
        await asyncio.sleep(0)
    await pushes.stop("t1")
    assert sink.closed == 1
    assert not book.done.is_set()
    pushes.start(flow(progress=book.progresses[-1]), Letters("abc"), sink)
    await book.done.wait()
    assert b"".join(body for _, body in sink.got) == b"abc"


async def test_a_second_start_leaves_the_running_one(book: Book, pushes: Pushes) -> None:
    first, second = Memory(), Memory()
    pushes.start(flow(), Letters("a", endless=True), first)
    pushes.start(flow(), Letters("a", endless=True), second)
    await first.written.wait()
    assert second.opened == 0
    await pushes.close()
    assert not pushes.running("t1")


class News:
    """A source whose one item shows something else each time that it is rendered."""

    total_bytes = None
    digest = None

    def __init__(self, *texts: str) -> None:
        self.texts = list(texts)

    def bytes_before(self, position: str) -> int | None:
        return None

    async def items(self, position: str, allowance: Allowance) -> AsyncGenerator[Item, None]:
        await allowance.scope()
        text = self.texts.pop(0) if len(self.texts) > 1 else self.texts[0]
        yield Item(position="1", body=text.encode(), id="same", entities=1)


class Deaf:
    """A sink that reads what it is sent and does not acknowledge it, as often as it is told."""

    def __init__(self, *answers: HansaError) -> None:
        self.answers = list(answers)
        self.read: list[bytes] = []

    async def open(self) -> str | None:
        return None

    async def write(self, item: Item) -> None:
        failure = self.answers.pop(0) if self.answers else None
        if failure is None or not failure.facts.get("unsent"):
            self.read.append(item.body or b"")
        if failure is not None:
            raise failure

    async def finish(self, digest: str | None) -> None:
        return

    async def close(self) -> None:
        return


BUSY = HansaError(Code.counterparty_refused, "The receiver answered 503.")
UNREACHED = HansaError(Code.outbound_failed, "Not reached.", unsent=True)


async def test_who_never_acknowledges_gets_nothing_newer_under_the_same_use(
    book: Book, pushes: Pushes
) -> None:
    pushes.start(flow(), News("a", "b", "c"), sink := Deaf(BUSY, BUSY))
    await book.done.wait()
    assert sink.read == [b"a", b"b", b"c"]
    assert book.taken == 3, "each of them was news to the receiver: a use"
    assert book.right.counted == [(1, 1, 1)] * 3, "what was read counts, acknowledged or not"


async def test_the_same_again_is_no_other_use(book: Book, pushes: Pushes) -> None:
    pushes.start(flow(), News("a"), sink := Deaf(BUSY, BUSY))
    await book.done.wait()
    assert sink.read == [b"a", b"a", b"a"]
    assert (book.taken, book.right.counted) == (1, [(1, 1, 1)])


async def test_what_nobody_could_read_is_no_use(book: Book, pushes: Pushes) -> None:
    pushes.start(flow(), News("a", "b", "c"), sink := Deaf(UNREACHED, UNREACHED))
    await book.done.wait()
    assert sink.read == [b"c"]
    assert (book.taken, book.right.counted) == (1, [(1, 1, 1)])


async def test_to_be_out_of_reach_in_between_hides_nothing(book: Book, pushes: Pushes) -> None:
    pushes.start(flow(), News("a", "a", "b"), sink := Deaf(BUSY, UNREACHED))
    await book.done.wait()
    assert sink.read == [b"a", b"b"]
    assert book.taken == 2, "what was read before counts although a later try reached nobody"


class Restless(Letters):
    """A source that goes through positions without anything to send, and never waits."""

    def __init__(self) -> None:
        super().__init__()
        self.given = 0

    async def items(self, position: str, allowance: Allowance) -> AsyncGenerator[Item, None]:
        for place in range(100_000):
            self.given = place
            yield Item(position=str(place))


async def test_a_source_that_never_waits_can_be_stopped(book: Book, pushes: Pushes) -> None:
    pushes.start(flow(), source := Restless(), Memory())
    for _ in range(10):
        await asyncio.sleep(0)
    await pushes.close()
    assert source.given < 100, "others had their turn in between"
    assert not book.done.is_set()
