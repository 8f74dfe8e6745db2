"""The reconciler: works what the outbox holds, and is woken by what is put in.

State machines commit their state and an `Action` together; this is who then does it. There is no
polling: a commit that changes the outbox wakes it, and a timer stands for the next instant at which
something is due. Work is done at least once, so what it does must be idempotent.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog
from prometheus_client import Counter

from hansa.kernel.clock import Clock
from hansa.kernel.errors import Code, HansaError
from hansa.kernel.ids import Ids
from hansa.kernel.store import Action, Database, Store, Tx
from hansa.kernel.telemetry import REGISTRY

log = structlog.get_logger("hansa.outbox")

Handler = Callable[[Store, Action], Awaitable[None]]
"""Does an action and commits its result together with `tx.complete(action.id)`."""
OnDead = Callable[[Store, Action, Exception], Awaitable[None]]
"""Brings a process to its end when an action of it will not be tried again. May run twice."""

ACTIONS = Counter(
    "hansa_kernel_outbox_actions_total",
    "Tries of outbox actions, by result: done, retry or dead.",
    ["result"],
    registry=REGISTRY,
)
_DONE = ACTIONS.labels("done")

LEASE_RETRY_S = 1.0
"""When to look again after the outbox could not be read."""
TIMER_S_MAX = 60.0
"""Longest wait on one timer: a laptop that slept looks at the clock again within this time."""
STOP_S_MAX = 10.0
"""How long running work may take when the reconciler stops; then it is cancelled, and retried."""


@dataclass(frozen=True)
class _Machine:
    handler: Handler
    on_dead: OnDead | None
    attempts: int = 20
    backoff_s: float = 0.5
    backoff_max_s: float = 60.0

    def delay_s(self, attempts: int, chance: float) -> float:
        """Give the wait after so many failed tries: half of it fixed, half by `chance` (0..1)."""
        doubled: float = self.backoff_s * 2 ** min(attempts - 1, 32)
        return min(self.backoff_max_s, doubled) * (0.5 + chance / 2)


async def _nobody(store: Store, action: Action) -> None:
    """Stand in for a handler that is not there: after a downgrade, or a room not wired."""
    raise HansaError(
        Code.internal,
        "Nobody works this kind of action.",
        f"No handler is registered for {action.machine!r}.",
    )


_NOBODY = _Machine(_nobody, None)


class Reconciler:
    """Leases due actions and runs the handlers of their machines, at most `parallel` at once."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ids: Ids,
        *,
        owner: str,
        parallel: int = 64,
        lease_s: float = 30.0,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self.owner = owner
        self._parallel = parallel
        self.lease_s = lease_s
        self._chance = chance
        self._machines: dict[str, _Machine] = {}
        self._running: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._settled: set[tuple[str, str]] = set()
        self._woken = asyncio.Event()
        self._loop_task: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stopping = False
        self._waiting: deque[tuple[str, Action]] = deque()
        database.on_enqueued(self.wake)

    def register(
        self,
        machine: str,
        handler: Handler,
        *,
        on_dead: OnDead | None = None,
        attempts: int = 20,
        backoff_s: float = 0.5,
        backoff_max_s: float = 60.0,
    ) -> None:
        """Say who works the actions of `machine`, and what happens when one is given up.

        A failed action is tried again after `backoff_s`, then after twice as long, up to
        `backoff_max_s`, `attempts` times in all (20: for a quarter of an hour). Then, or at once
        when the HansaError has the fact `permanent`, `on_dead` runs and the action is dead.
        """
        assert machine not in self._machines, f"machine {machine!r} has a handler already"
        self._machines[machine] = _Machine(handler, on_dead, attempts, backoff_s, backoff_max_s)

    @property
    def running(self) -> int:
        """Give how many actions are being worked now."""
        return len(self._running)

    async def start(self) -> None:
        """Take over what a former self of this owner held, and begin to work."""
        assert self._loop_task is None, "the reconciler runs already"
        self._stopping = False
        freed = await self._database.release(self.owner)
        if freed:
            log.info("outbox.taken_over", owner=self.owner, actions=freed)
        self._woken.set()
        self._database.hand_over(self)
        self._loop_task = asyncio.create_task(self._work(), name="hansa-outbox")

    async def stop(self) -> None:
        """Lease nothing more, let running work end (bounded), and give back what is held."""
        if self._loop_task is None:
            return
        self._stopping = True
        self._database.hand_over(None)
        self._waiting.clear()  # given back with the rest
        self._set_timer(None)
        self.wake()
        await self._loop_task
        if self._running:
            _, late = await asyncio.wait(self._running.values(), timeout=STOP_S_MAX)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        self._loop_task = self._keeper = None
        await self._database.release(self.owner)

    def wake(self) -> None:
        """Look at the outbox now; called after every commit that changed it."""
        self._woken.set()

    async def _work(self) -> None:
        """Lease and start work each time something happened, until stopped."""
        while not self._stopping:
            await self._woken.wait()
            self._woken.clear()
            if self._stopping:
                return
            try:
                await self._lease()
            except Exception as error:
                log.error("outbox.lease_failed", exc_info=error)
                self._set_timer(LEASE_RETRY_S)

    async def _lease(self) -> None:
        """Take as much as there is room for; else set the timer for what comes next."""
        free = self._parallel - len(self._running) - len(self._waiting)
        if free <= 0:
            return
        now = self._clock.now()
        found = await self._database.lease(self.owner, now=now, lease_s=self.lease_s, limit=free)
        for participant, action in found:
            self.take(participant, action)
        if len(found) == free:  # there may be more, and others may have ended meanwhile
            self.wake()
            return
        due = await self._database.next_due(after=now)
        self._set_timer(None if due is None else (due - self._clock.now()).total_seconds())

    def room(self) -> bool:
        """Say whether a new action may be handed over instead of being looked for."""
        return len(self._running) + len(self._waiting) < self._parallel

    def take(self, participant: str, action: Action) -> None:
        """Begin an action that its own commit leased to us, now or when there is room."""
        if self._stopping:
            return
        if len(self._running) < self._parallel:
            self._begin(participant, action)
        else:  # more were handed over in one commit than there was room for
            self._waiting.append((participant, action))

    def settled(self, participant: str, action_id: str) -> None:
        """Note that a commit gave an action its result, so that it need not be looked for."""
        if (participant, action_id) in self._running:
            self._settled.add((participant, action_id))

    def _begin(self, participant: str, action: Action) -> None:
        held = (participant, action.id)
        if held in self._running:  # its lease ended, as after a sleep, but we still run it
            return
        task = asyncio.create_task(self._run(participant, action), name=f"action-{action.id}")
        self._running[held] = task
        task.add_done_callback(partial(self._ended, held))
        if self._keeper is None or self._keeper.done():
            self._keeper = asyncio.create_task(self._keep(), name="hansa-outbox-leases")

    def _ended(self, held: tuple[str, str], task: asyncio.Task[None]) -> None:
        """Make room. The commit of the result has woken us already, unless there was none."""
        was_full = len(self._running) >= self._parallel
        del self._running[held]
        self._settled.discard(held)
        if task.cancelled():
            log.warning("outbox.cancelled", participant=held[0], action=held[1])
        elif (error := task.exception()) is not None:
            log.error("outbox.store_failed", participant=held[0], action=held[1], exc_info=error)
        elif not was_full:
            return
        if self._waiting and not self._stopping:
            self._begin(*self._waiting.popleft())
        else:
            self.wake()

    def _set_timer(self, delay_s: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if delay_s is not None:
            wait_s = min(max(delay_s, 0.0), TIMER_S_MAX)
            self._timer = asyncio.get_running_loop().call_later(wait_s, self.wake)

    async def _run(self, participant: str, action: Action) -> None:
        """Run one action to its result: completed, to be tried again, or dead."""
        store = self._database.store(participant)
        machine = self._machines.get(action.machine, _NOBODY)
        facts = {
            "participant": participant,
            "machine": action.machine,
            "process": action.process,
            "name": action.name,
            "action": action.id,
            "attempt": action.attempts + 1,
        }
        structlog.contextvars.bind_contextvars(run=self._ids.new())  # of this task alone
        try:
            await machine.handler(store, action)
            settled = (participant, action.id) in self._settled
            if not settled and await store.read(lambda tx: tx.action(action.id)) == action:
                raise HansaError(
                    Code.internal,
                    "The handler ended without a result.",
                    "It must complete or reschedule its action.",
                )
        except Exception as error:  # noqa: BLE001 - whatever it is, the action is tried again
            await self._failed(store, action, machine, error, facts)
        else:
            _DONE.inc()
            log.debug("outbox.done", **facts)

    async def _failed(
        self,
        store: Store,
        action: Action,
        machine: _Machine,
        error: Exception,
        facts: dict[str, object],
    ) -> None:
        """Note a failed try: again after a while, or dead when that can't help."""
        if await store.read(lambda tx: tx.action(action.id)) != action:
            log.error("outbox.failed_after_result", exc_info=error, **facts)
            return
        attempts = action.attempts + 1
        reason = _reason(error)
        permanent = isinstance(error, HansaError) and bool(error.facts.get("permanent"))
        dead = permanent or attempts >= machine.attempts
        if dead and machine.on_dead is not None:
            try:
                await machine.on_dead(store, action, error)
            except Exception as second:
                dead = False  # the process must come to its end: try again
                log.error("outbox.on_dead_failed", exc_info=second, **facts)
        delay_s = 0.0 if dead else machine.delay_s(attempts, self._chance())
        due = self._clock.now() + timedelta(seconds=delay_s)

        def note(tx: Tx) -> None:
            if tx.action(action.id) == action:  # not when `on_dead` gave it its end already
                tx.reschedule(action.id, due=due, error=reason, dead=dead)

        await store.write(note)
        ACTIONS.labels("dead" if dead else "retry").inc()
        if isinstance(error, HansaError) and error.code is not Code.internal:
            log.warning("outbox.failed", reason=reason, dead=dead, delay_s=delay_s, **facts)
        else:
            log.error("outbox.failed", exc_info=error, dead=dead, delay_s=delay_s, **facts)

    async def _keep(self) -> None:
        """Extend the leases of work that takes long, as long as there is any."""
        while self._running:
            await asyncio.sleep(self.lease_s / 3)
            held = [*self._running, *((who, action.id) for who, action in self._waiting)]
            until = self._clock.now() + timedelta(seconds=self.lease_s)
            try:
                await self._database.extend(self.owner, held, until=until)
            except HansaError as error:
                log.error("outbox.extend_failed", reason=_reason(error))


def _reason(error: Exception) -> str:
    """Write an error as one line without bodies: the code and the title, or the type."""
    if isinstance(error, HansaError):
        return f"{error.code.value}: {error.title}"
    return type(error).__name__
