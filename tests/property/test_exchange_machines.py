"""Both machines under dropped, lost, repeated, late and reordered messages, and crashes.

Whatever happened on the way: once the wire is whole again, both sides end in the same state, and
data is open exactly where a transfer is started.
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
from hansa.exchange import Decide, Role
from hansa.kernel import HansaError

WHO = st.sampled_from(["consumer", "provider"])
FAULTS = st.sampled_from([None, None, "down", "lose-answer", "twice", "503"])
DECISIONS = [Decide.agree(), Decide.wait(), Decide.offer({**OFFER, "@id": "urn:uuid:o2"})]


class BadNetwork(RuleBasedStateMachine):
    """Play both sides and a bad network."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="exchange-", dir=memory_folder()))
        self.runner = asyncio.Runner()
        self.world = self.run(self._make())
        self.mail: list[tuple[str, str, bytes]] = []

    async def _make(self) -> World:
        return World(self.folder)

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
            return fault

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
                assert mine.state == other.state, (mine, other)
                assert mine.provider_pid == other.id
                assert mine.pending is None
                assert other.pending is None
                if list_name == "transfers":
                    started = mine.state == "STARTED"
                    tokens = world.consumer.plane.addresses.get(mine.id)
                    assert (other.id in world.provider.plane.open) is started
                    assert (tokens is not None) is started
                    if tokens is not None:
                        token = tokens.properties["authorization"]
                        assert world.provider.plane.open[other.id] == token
            assert not theirs
        mine_signed = {item.id for item in await world.consumer.exchange.agreements()}
        assert mine_signed == {item.id for item in await world.provider.exchange.agreements()}


class Negotiating(BadNetwork):
    """Two negotiations on a bad network, and what people decide meanwhile."""

    begun = 0

    @precondition(lambda self: self.begun < 2)
    @rule(decision=st.sampled_from(DECISIONS))
    def negotiate(self, decision: Decide) -> None:
        self.begun += 1
        self.world.provider.decision = decision
        provider = self.world.provider.did
        self.run(self.world.consumer.exchange.negotiate(provider, DATASET, OFFER))

    @rule(act=st.sampled_from(["accept", "agree", "counter", "terminate"]), who=WHO)
    def negotiate_on(self, act: str, who: str) -> None:
        self.run(self._negotiate_on(act, self.side(who)))

    async def _negotiate_on(self, act: str, side: Side) -> None:
        for process in await side.exchange.negotiations(limit=1):
            if act == "terminate":
                await self._try(side.exchange.terminate_negotiation(process.id, "Stop."))
            elif act == "counter":
                await self._try(side.exchange.counter(process.id, OFFER))
            elif act == "accept":
                await self._try(side.exchange.accept(process.id))
            elif process.role is Role.provider:
                await self._try(side.exchange.agree(process.id))


class Transferring(BadNetwork):
    """A running transfer on a bad network, and what people decide meanwhile."""

    @initialize()
    def start(self) -> None:
        self.run(self.world.transferring())

    @rule()
    def request_transfer(self) -> None:
        self.run(self._request_transfer())

    async def _request_transfer(self) -> None:
        if len(await self.world.consumer.exchange.transfers()) >= 2:
            return
        for agreement in await self.world.consumer.exchange.agreements(limit=1):
            await self._try(self.world.consumer.exchange.request_transfer(agreement.id))

    @rule(act=st.sampled_from(["suspend", "resume", "complete", "terminate", "end"]), who=WHO)
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
