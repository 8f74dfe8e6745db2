"""What the tests of data flows share: planes that do as told, a control plane that listens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dataplane_world import SOUTH, Base64Sealer, Plane, caller

from hansa.dataplane import DataAddress as Address
from hansa.dataplane import (
    DataFlow,
    FlowRole,
    Flows,
    PlaneAnswer,
    ProgressLedger,
    register,
)
from hansa.kernel import SystemIds
from hansa.kernel.outbox import Reconciler

PULL = "Scripted-PULL"
PUSH = "Scripted-PUSH"
INBOX = Address(endpoint="https://south.example/inbox", authorization="secret-of-the-inbox")


class ScriptedPlane:
    """Writes down what it is asked; answers what `answers` says for a method, or nothing."""

    profiles = (PULL, PUSH)

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, Any]] = []
        self.answers: dict[str, PlaneAnswer | Exception] = {}
        self.datasets: set[str] | None = None

    async def serves(self, flow: DataFlow) -> bool:
        return self.datasets is None or flow.dataset_id in self.datasets

    async def check(self, flow: DataFlow, address: Address | None) -> None:
        self._answer("check", flow, address, note=False)

    async def prepare(self, flow: DataFlow, address: Address | None) -> PlaneAnswer:
        return self._answer("prepare", flow, address)

    async def start(self, flow: DataFlow, address: Address | None) -> PlaneAnswer:
        return self._answer("start", flow, address)

    async def started(self, flow: DataFlow, address: Address | None) -> None:
        self._answer("started", flow, address)

    async def suspend(self, flow: DataFlow, reason: str | None) -> None:
        self._answer("suspend", flow, reason)

    async def complete(self, flow: DataFlow) -> None:
        self._answer("complete", flow, None)

    async def terminate(self, flow: DataFlow, reason: str | None) -> None:
        self._answer("terminate", flow, reason)

    def _answer(self, name: str, flow: DataFlow, given: Any, *, note: bool = True) -> PlaneAnswer:
        if note:
            self.calls.append((name, flow.id, given))
        answer = self.answers.get(name)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def names(self) -> list[str]:
        return [name for name, _, _ in self.calls]


class Listening:
    """A control plane that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []
        self.failures = 0

    async def ready(self, flow: DataFlow) -> None:
        self._note("ready", flow.id)

    async def completed(self, flow: DataFlow) -> None:
        self._note("completed", flow.id)

    async def errored(self, flow: DataFlow, reason: str) -> None:
        self._note("errored", flow.id, reason)

    def _note(self, *what: str) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the control plane is away")
        self.told.append(what)


class FlowWorld:
    """One participant's flows on a file that can be opened again."""

    def __init__(self, path: Path) -> None:
        self.plane = Plane(path)
        self.scripted = ScriptedPlane()
        self.control = Listening()
        self.plane.agreements.add("urn:uuid:agreement")
        self._wire()

    def _wire(self) -> None:
        plane = self.plane
        self.progress = ProgressLedger(plane.store, plane.usage, plane.clock, write_s=0.01)
        self.flows = Flows(
            plane.store,
            grants=plane.grants,
            sealer=Base64Sealer(),
            progress=self.progress,
            control=self.control,
            clock=plane.clock,
            ids=SystemIds(),
        )
        self.flows.register(self.scripted)
        self.reconciler = Reconciler(plane.database, plane.clock, SystemIds(), owner="test")
        register(self.reconciler, lambda name: self.flows)

    async def begin(self) -> None:
        await self.plane.grants.load()
        await self.plane.grants.seen(caller())
        await self.reconciler.start()

    async def crash(self) -> int:
        """Open everything again without an orderly end; give how many pushes go on."""
        await self.reconciler.stop()
        await self.plane.restart()
        self._wire()
        await self.begin()
        return await self.flows.load()

    async def close(self) -> None:
        await self.reconciler.stop()
        await self.flows.stop()
        await self.plane.usage.stop()
        await self.plane.database.close()

    def flow(
        self,
        flow_id: str = "urn:uuid:transfer",
        *,
        role: str = "provider",
        profile: str = PUSH,
        **members: Any,
    ) -> DataFlow:
        now = self.plane.clock.now()
        return DataFlow(
            id=flow_id,
            role=FlowRole(role),
            profile=profile,
            **{
                "agreement_id": "urn:uuid:agreement",
                "dataset_id": "urn:uuid:dataset",
                "counterparty": SOUTH,
                "created": now,
                "modified": now,
                **members,
            },
        )
