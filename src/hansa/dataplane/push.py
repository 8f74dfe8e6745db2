"""Send under an agreement: a source gives items, a sink takes them, the runner stands between.

The protocol of a push, for everybody who writes a source or a sink:

1. `Sink.open` connects and says how far the other side already is, if it can tell.
2. `Source.items(position)` gives what comes after that position, or after the last one that was
   delivered here. Whatever it renders, it renders under `Allowance.scope()`, asked right before.
3. Before each item the runner checks the right to send; `Sink.write` returns when the other side
   has the item. Only then the next one is asked for (backpressure), and the flow's position moves:
   code behind a `yield` of a source runs only if that item was delivered.
4. A finite source ends; `Sink.finish` closes with the digest, and the flow is done.

What fails for now is tried again from the last position, with a growing wait, by opening anew and
rendering anew: nothing that was rendered under earlier terms is sent later. What can't be mended by
waiting (`permanent`) stops the push and is told. Delivery is at least once: an item keeps its id
when it comes twice. The position is durable within a second, the rest follows from it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Final, Protocol, TypeVar

import msgspec
import structlog

from hansa.dataplane.enforcement import Enforcement
from hansa.dataplane.flow import DataFlow, Progress
from hansa.dataplane.reasons import reason_of, told_of
from hansa.kernel import Clock, Code, HansaError
from hansa.policy import Scope

_log = structlog.get_logger("hansa.dataplane")
_OVER = frozenset({Code.transfer_ended, Code.agreement_ended})
_HOPELESS = frozenset({Code.outbound_blocked, Code.invalid_field, Code.policy_unsupported})
_CLOSE_S_MAX = 5.0
_DECIDED = frozenset({401, 403})
_WELL: Final = {"error": None, "told": None, "attempts": 0, "next_at": None}
T = TypeVar("T")


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One piece to send. `position` is where to go on once it was delivered.

    `body` None sends nothing and only moves on. `id` stays the same when the item comes again.
    `requests` 0: it is more of what an earlier item began, and counts as no use of its own.
    `mark` tells what it shows from anything else, without when it was said; empty: its body does.
    """

    position: str
    body: bytes | None = None
    id: str = ""
    entities: int = 0
    requests: int = 1
    mark: bytes = b""


class _Offered(msgspec.Struct, frozen=True):
    """What went out without an acknowledgement: the other side may have read it."""

    mark: bytes
    entities: int
    bytes: int


class Allowance:
    """The right of one flow to send, decided anew each time it is asked.

    Where the terms limit the number of uses, one is taken before the first item, and another one
    before each later item that is a use of its own: never for waiting or for trying again. Who
    does not acknowledge what it was sent gets the same again under that use; for anything newer
    one more is taken, or nobody would ever have to acknowledge.
    """

    def __init__(self, renew: Callable[[], Awaitable[Enforcement]]) -> None:
        self._renew = renew
        self._held: Enforcement | None = None
        self._used = False
        self._offered: _Offered | None = None

    async def scope(self) -> Scope:
        """Give what may be shown now; HansaError as `Grants.authorise`."""
        self._held = await self._renew() if self._held is None else self._held.now()
        return self._held.scope

    async def check(self, item: Item | None = None) -> None:
        """Return, or raise why nothing may be sent now, or not what the last scope showed."""
        if self._held is None:
            await self.scope()
        elif item is None or not (item.requests and (self._used or self._read(item))):
            self._held.check()
        else:
            shown, before, self._held = self._held.scope, self._held, await self._renew()
            if self._offered is not None:
                before.record(self._offered.entities, self._offered.bytes)
            self._used, self._offered = False, None
            self._held.check_shown(shown)

    def _read(self, item: Item) -> bool:
        """Say whether something else than this item went out before, and may have been read."""
        return self._offered is not None and self._offered.mark != _mark(item)

    def offer(self, item: Item) -> Callable[[], None]:
        """Note that an item is about to go out; give the undo, if there was no connection."""
        before = self._offered
        if item.requests and item.body is not None:
            self._offered = _Offered(_mark(item), item.entities, len(item.body))

        def undo() -> None:
            self._offered = before

        return undo

    def record(self, item: Item) -> None:
        """Count an item that was delivered against the agreement."""
        self._used, self._offered = True, None
        if self._held is not None and item.body is not None:
            self._held.record(item.entities, len(item.body), item.requests)


def _mark(item: Item) -> bytes:
    return item.mark or sha256(item.body or b"").digest()


class Source(Protocol):
    """Where the items come from."""

    @property
    def total_bytes(self) -> int | None:
        """Say how much there is in all, if that is known."""
        ...

    @property
    def digest(self) -> str | None:
        """Give `sha-256:<hex>` of all that was given, once the items are at their end."""
        ...

    def bytes_before(self, position: str) -> int | None:
        """Say how many body bytes lie before a position; None: they are counted as they go."""
        ...

    def items(self, position: str, allowance: Allowance) -> AsyncGenerator[Item, None]:
        """Give what comes after `position` (empty: from the start). An endless source waits."""
        ...


class Sink(Protocol):
    """Where they go to. Failures are HansaError; the fact `permanent` says that no retry helps."""

    async def open(self) -> str | None:
        """Connect; give the position that the other side has reached, None when it can't tell."""
        ...

    async def write(self, item: Item) -> None:
        """Deliver: return when the other side has it."""
        ...

    async def finish(self, digest: str | None) -> None:
        """Close a finite delivery, so that the other side has it whole."""
        ...

    async def close(self) -> None:
        """Let go of the connection, after success, failure or a stop. Idempotent."""
        ...


class PushFlows(Protocol):
    """What of `Flows` a push needs."""

    async def enforcement(self, flow_id: str) -> Enforcement:
        """Decide whether and what the flow may send now."""
        ...

    def progress(self, flow_id: str, progress: Progress) -> None:
        """Note how far it is."""
        ...

    async def on_done(self, flow_id: str) -> None:
        """Tell that all was sent."""
        ...

    async def on_error(self, flow_id: str, reason: str) -> None:
        """Tell that it does not go on, or not for now."""
        ...


@dataclass(frozen=True)
class Retry:
    """The one retry policy: waits double from `first_s` to `most_s`, without end.

    After `told_after` failures in a row the control plane is told. `item_s` bounds one opening or
    delivery, `finish_s` the end of a finite one.
    """

    first_s: float = 0.5
    most_s: float = 60.0
    told_after: int = 8
    item_s: float = 120.0
    finish_s: float = 900.0

    def delay_s(self, failures: int, chance: float) -> float:
        """Give the wait after so many failures in a row: half fixed, half by `chance` (0..1)."""
        doubled: float = self.first_s * 2 ** min(failures - 1, 32)
        return min(self.most_s, doubled) * (0.5 + chance / 2)


class _Push:
    """One running push."""

    def __init__(
        self,
        flow: DataFlow,
        source: Source,
        sink: Sink,
        flows: PushFlows,
        clock: Clock,
        retry: Retry,
        chance: Callable[[], float],
    ) -> None:
        self._id = flow.id
        self._progress = flow.progress
        self._source = source
        self._sink = sink
        self._flows = flows
        self._clock = clock
        self._retry = retry
        self._chance = chance
        self._failures = 0
        self._theirs: BaseException | None = None
        self._allowance = Allowance(lambda: flows.enforcement(flow.id))

    async def run(self) -> None:
        """Deliver until the end, a stop, or an error that no retry mends."""
        while True:
            try:
                await self._deliver()
                await self._flows.on_done(self._id)
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
                wait_s = await self._failed(error)
                if wait_s is None:
                    return
            finally:
                await self._close()
            await asyncio.sleep(wait_s)

    async def _deliver(self) -> None:
        await self._allowance.check()
        reached = await self._reach(self._sink.open(), self._retry.item_s)
        position = self._progress.position if reached is None else reached
        before = self._source.bytes_before(position)
        changes = {"position": position, "total_bytes": self._source.total_bytes}
        if not position:
            changes |= {"bytes": 0, "items": 0}
        elif before is not None:
            changes["bytes"] = before
        self._note(**changes)
        async with aclosing(self._source.items(position, self._allowance)) as items:
            async for item in items:
                await self._write(item)
                await asyncio.sleep(0)  # a source and a sink that never wait can be stopped too
        await self._reach(self._sink.finish(self._source.digest), self._retry.finish_s)
        self._note(digest=self._source.digest, **_WELL)

    async def _reach(self, doing: Awaitable[T], within_s: float) -> T:
        """Do something at the other side; only what fails there is what it may read of."""
        try:
            async with asyncio.timeout(within_s):
                return await doing
        except Exception as error:
            self._theirs = error
            raise

    async def _write(self, item: Item) -> None:
        if item.body is None:
            self._note(position=item.position, **_WELL)
            return
        await self._allowance.check(item)
        withdraw = self._allowance.offer(item)
        try:
            await self._reach(self._sink.write(item), self._retry.item_s)
        except HansaError as error:
            if error.facts.get("unsent"):
                withdraw()
            raise
        size = len(item.body)
        self._allowance.record(item)
        self._failures = 0
        self._note(
            position=item.position,
            bytes=self._progress.bytes + size,
            items=self._progress.items + item.entities,
            last_at=self._clock.now(),
            **_WELL,
        )

    def _note(self, **changes: object) -> None:
        progress = msgspec.structs.replace(self._progress, **changes)
        if progress != self._progress:
            self._progress = progress
            self._flows.progress(self._id, progress)

    async def _failed(self, error: Exception) -> float | None:
        """Note what failed; give the wait until the next try, None when the push is over."""
        known = error if isinstance(error, HansaError) else None
        code = None if known is None else known.code
        if code is Code.transfer_ended:
            return None
        over = code in _OVER or code in _HOPELESS
        over = over or (known is not None and bool(known.facts.get("permanent")))
        self._failures += 1
        asked_s = 0.0 if known is None else float(known.facts.get("retry_after_s", 0.0))
        delay_s = max(asked_s, self._retry.delay_s(self._failures, self._chance()))
        wait_s = None if over else delay_s
        theirs = error is self._theirs or (known is not None and known.status in _DECIDED)
        reason = reason_of(error)
        self._note(
            error=reason,
            told=told_of(error) if theirs else None,
            attempts=self._failures,
            next_at=None if wait_s is None else self._clock.now() + timedelta(seconds=wait_s),
        )
        if known is None and not isinstance(error, OSError | TimeoutError):
            _log.error("push_failed", flow=self._id, exc_info=error)
        else:
            _log.warning("push_failed", flow=self._id, reason=reason, failures=self._failures)
        if over or self._failures == self._retry.told_after:
            await self._flows.on_error(self._id, reason)
        return wait_s

    async def _close(self) -> None:
        with suppress(HansaError, OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_S_MAX):
                await self._sink.close()


class Pushes:
    """The pushes that run for one participant. Call `close` with the node."""

    def __init__(
        self,
        flows: PushFlows,
        clock: Clock,
        *,
        retry: Retry | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`chance` gives numbers in 0..1, so that waits differ."""
        self._flows = flows
        self._clock = clock
        self._retry = retry or Retry()
        self._chance = chance
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def running(self, flow_id: str) -> bool:
        """Say whether a push of this flow runs."""
        return flow_id in self._tasks

    def start(self, flow: DataFlow, source: Source, sink: Sink) -> None:
        """Begin to send, from where the flow's progress stands; one that runs goes on as it is."""
        if flow.id in self._tasks:
            return
        push = _Push(flow, source, sink, self._flows, self._clock, self._retry, self._chance)
        task = asyncio.create_task(push.run(), name=f"push-{flow.id}")
        self._tasks[flow.id] = task
        task.add_done_callback(lambda done: self._ended(flow.id, done))

    async def stop(self, flow_id: str) -> None:
        """Send nothing more: what is under way is broken off. Returns when it has ended."""
        task = self._tasks.pop(flow_id, None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def close(self) -> None:
        """Stop all; they go on from their positions when the node starts again."""
        for flow_id in list(self._tasks):
            await self.stop(flow_id)

    def _ended(self, flow_id: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(flow_id) is task:
            del self._tasks[flow_id]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("push_broke", flow=flow_id, exc_info=error)
