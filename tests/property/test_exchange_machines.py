"""Both machines under dropped, lost, repeated, late and reordered messages, and crashes.

Both sides decide at random, their operators meddle, and the data planes report. Whatever happened
on the way: once the wire is whole again, both sides end in the same state or show that they do
not (`their_state`), and data is open exactly where a transfer is started.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from exchange_world import DATASET, OFFER, Side, World, memory_folder
from hansa.exchange import DECISIONS as DECISION_KINDS
from hansa.exchange import DataAddress, Decide, Step, TransferProcess
from hansa.kernel import HansaError

WHO = st.sampled_from(["consumer", "provider"])
FAULTS = st.sampled_from([None, None, "down", "lose-answer", "twice", "503", "400", "404"])
OPENINGS = ("/negotiations/request", "/negotiations/offers", "/transfers/request")
TERMS = {**OFFER, "@id": "urn:uuid:o2", "permission": [{"action": "read"}]}
DECISIONS = st.builds(
    Decide,
    kind=st.sampled_from(DECISION_KINDS),
    code=st.just("random"),
    terms=st.sampled_from([None, TERMS]),
    after_s=st.sampled_from([0.0, 0.0, 60.0]),
)
PLACES = st.sampled_from(
    [
        ("HttpData-PULL", None),
        ("HttpData-PUSH", None),
        ("HttpData-PUSH", DataAddress(endpoint_type="x", endpoint="http://wanted/")),
    ]
)


TRANSFER_ACTS = ["start", "suspend", "resume", "complete", "terminate", "end"]
ACTS = ["accept", "agree", "verify", "finalize", "counter", "terminate"]


class Fickle:
    """Decides once as it was told, and else takes the usual course."""

    def __init__(self) -> None:
        self.next: list[Decide] = []

    async def decide(self, step: Step) -> Decide:
        return self.next.pop(0) if self.next else Decide.follow()


class BadNetwork(RuleBasedStateMachine):
    """Play both sides and a bad network."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="exchange-", dir=memory_folder()))
        self.runner = asyncio.Runner()
        self.world: World = self.run(self._make())
        self.mail: list[tuple[str, str, bytes]] = []

    async def _make(self) -> World:
        world = World(self.folder)
        self.deciders = {side.name: Fickle() for side in world.sides}
        for side in world.sides:
            side.decider = self.deciders[side.name]
        return world

    def run(self, job: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(job)

    def side(self, who: str) -> Side:
        return self.world.consumer if who == "consumer" else self.world.provider

    async def _try(self, job: Coroutine[Any, Any, Any]) -> None:
        try:
            await job
        except HansaError as error:
            if error.status >= 500:
                raise

    # -- what the network does ---------------------------------------------------------------

    @rule(who=WHO, fault=FAULTS)
    def deliver(self, who: str, fault: str | None) -> None:
        def keep(host: str, path: str, body: bytes) -> str | None:
            if body:
                self.mail.append((host, path, body))
            # who refuses to begin has no process: a copy that begins one later is no bad network
            return None if path.endswith(OPENINGS) and fault in ("400", "404") else fault

        self.world.wire.fault = keep
        self.run(self.side(who).work_all())
        self.world.heal()

    @precondition(lambda self: bool(self.mail))
    @rule(data=st.data())
    def deliver_an_old_message_again(self, data: st.DataObject) -> None:
        host, path, body = data.draw(st.sampled_from(self.mail))
        side = self.side(host)
        status, _ = self.run(self.world.post(side, path.split("2025-1", 1)[1], body))
        assert status in (200, 201, 400, 404)

    @rule()
    def calm(self) -> None:
        """Let all that is under way arrive."""
        self.run(self.world.settle())

    @rule(who=WHO, decision=DECISIONS)
    def decide_next(self, who: str, decision: Decide) -> None:
        """Let a side decide so at the next state that it enters."""
        self.deciders[who].next.append(decision)

    @rule(who=WHO)
    def crash(self, who: str) -> None:
        self.run(self.side(who).crash())

    @invariant()
    def nothing_that_is_over_is_open(self) -> None:
        self.run(self._check_access())

    async def _check_access(self) -> None:
        for side in self.world.sides:
            held = side.plane.open if side is self.world.provider else side.plane.addresses
            for transfer_id in held:
                process = await side.exchange.transfer(transfer_id)
                ended = process.state in ("SUSPENDED", "COMPLETED", "TERMINATED")
                assert not ended or process.pending is not None, process

    def teardown(self) -> None:
        for name in ("states", "transfer_states"):
            event(f"{name}: {self.run(self._outcome(name))}")
        try:
            self.run(self._end())
        finally:
            self.run(self.world.close())
            self.runner.close()
            shutil.rmtree(self.folder)

    async def _outcome(self, name: str) -> str:
        try:
            return " ".join(await getattr(self.world, name)())
        except IndexError:
            return "none"

    async def _end(self) -> None:
        self.world.heal()
        await self.world.settle()
        world = self.world
        for list_name in ("negotiations", "transfers"):
            ours = await getattr(world.consumer.exchange, list_name)()
            theirs = {
                item.consumer_pid: item
                for item in await getattr(world.provider.exchange, list_name)()
            }
            for mine in ours:
                other = theirs.pop(mine.consumer_pid, None)
                if other is None:  # never arrived, or was refused before it began
                    assert mine.state == "TERMINATED"
                    continue
                shown = mine.their_state or other.their_state
                assert mine.state == other.state or shown, (mine, other)
                event("disagreement shown" if shown else "same state")
                assert mine.provider_pid == other.id
                assert mine.pending is None
                assert other.pending is None
                if list_name == "transfers":
                    self._check_flow(mine, other)
            assert not theirs
        mine_signed = {item.id for item in await world.consumer.exchange.agreements()}
        assert mine_signed == {item.id for item in await world.provider.exchange.agreements()}

    def _check_flow(self, mine: TransferProcess, other: TransferProcess) -> None:
        """Data flows where a transfer is started, with what both sides agreed on."""
        address = self.world.consumer.plane.addresses.get(mine.id)
        opened = self.world.provider.plane.open.get(other.id)
        started = mine.state == "STARTED" and other.state == "STARTED"
        assert (opened is not None, address is not None) == (started, started), (mine, other)
        if address is not None:
            secret = address.endpoint if mine.push else address.properties["authorization"]
            assert secret == opened


class Negotiating(BadNetwork):
    """Two negotiations on a bad network, and what people decide meanwhile."""

    begun = 0

    @initialize(who=WHO, decision=DECISIONS)
    def start(self, who: str, decision: Decide) -> None:
        self.begin(who, decision)

    @precondition(lambda self: self.begun < 2)
    @rule(who=WHO, decision=DECISIONS)
    def begin(self, who: str, decision: Decide) -> None:
        self.begun += 1
        self.deciders["provider" if who == "consumer" else "consumer"].next.append(decision)
        world = self.world
        if who == "consumer":
            self.run(world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER))
        else:
            self.run(world.provider.exchange.offer(world.consumer.did, DATASET, OFFER))

    @rule(act=st.sampled_from(ACTS), who=WHO)
    def negotiate_on(self, act: str, who: str) -> None:
        self.run(self._negotiate_on(act, self.side(who)))

    async def _negotiate_on(self, act: str, side: Side) -> None:
        for process in await side.exchange.negotiations(limit=1):
            if act == "terminate":
                await self._try(side.exchange.terminate_negotiation(process.id, "Stop."))
            elif act == "counter":
                await self._try(side.exchange.counter(process.id, OFFER))
            else:
                await self._try(getattr(side.exchange, act)(process.id))


class Transferring(BadNetwork):
    """A running transfer on a bad network, and what people decide meanwhile."""

    @initialize(place=PLACES)
    def start(self, place: tuple[str, DataAddress | None]) -> None:
        self.run(self.world.negotiated())
        self.run(self._request_transfer(*place))
        self.run(self.world.settle())

    @rule(place=PLACES)
    def request_transfer(self, place: tuple[str, DataAddress | None]) -> None:
        self.run(self._request_transfer(*place))

    async def _request_transfer(self, format: str, address: DataAddress | None) -> None:
        consumer = self.world.consumer.exchange
        if len(await consumer.transfers()) >= 2:
            return
        for agreement in await consumer.agreements(limit=1):
            await self._try(consumer.request_transfer(agreement.id, format, address=address))

    @rule(who=WHO, done=st.booleans())
    def plane_reports(self, who: str, done: bool) -> None:
        self.run(self._plane_reports(self.side(who), done))

    async def _plane_reports(self, side: Side, done: bool) -> None:
        for process in await side.exchange.transfers(limit=1):
            if done:
                await side.exchange.plane_completed(process.id)
            else:
                await side.exchange.plane_errored(process.id, "Broken.")

    @rule(act=st.sampled_from(TRANSFER_ACTS), who=WHO)
    def transfer_on(self, act: str, who: str) -> None:
        self.run(self._transfer_on(act, self.side(who)))

    async def _transfer_on(self, act: str, side: Side) -> None:
        for process in await side.exchange.transfers(limit=1):
            if act == "end":
                await self._try(side.exchange.end_agreement(process.agreement_id, "Over."))
                continue
            arguments = ("Because.",) if act in ("suspend", "terminate") else ()
            await self._try(getattr(side.exchange, f"{act}_transfer")(process.id, *arguments))


SETTINGS = settings(
    max_examples=30,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
Negotiating.TestCase.settings = SETTINGS
Transferring.TestCase.settings = SETTINGS
TestNegotiating = Negotiating.TestCase
TestTransferring = Transferring.TestCase
