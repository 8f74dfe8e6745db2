"""Ways to move data, one file each: what `Flows` asks of them."""

from __future__ import annotations

from typing import Protocol

from hansa.dataplane.flow import DataFlow, PlaneAnswer
from hansa.dataplane.model import DataAddress

__all__ = ["ForeignPlane", "Plane"]


class Plane(Protocol):
    """One way to move data. Every method is idempotent: after a crash it is called again.

    The flow given is as it is kept, with the progress that a restart goes on from.
    """

    @property
    def profiles(self) -> tuple[str, ...]:
        """Name the formats of the catalogue that it serves: `HttpData-PULL`, ..."""
        ...

    async def serves(self, flow: DataFlow) -> bool:
        """Say whether it moves this flow's dataset; two planes may share a profile.

        The first registered one that says yes is taken. A consumer knows no dataset: True.
        """
        ...

    async def check(self, flow: DataFlow, address: DataAddress | None) -> None:
        """Return when it can be done, or raise HansaError invalid_field, policy_unsupported."""
        ...

    async def prepare(self, flow: DataFlow, address: DataAddress | None) -> PlaneAnswer:
        """Get ready as consumer; for a push give where to send, from now on reachable.

        `address` is what the operator asked for, if anything. Called before a resume too.
        """
        ...

    async def start(self, flow: DataFlow, address: DataAddress | None) -> PlaneAnswer:
        """Begin as provider: open the access and give it (pull), or send to `address` (push).

        Called for the first start, for a resume, and for a running push after a restart. A push
        returns at once and works in a task of its own.
        """
        ...

    async def started(self, flow: DataFlow, address: DataAddress | None) -> None:
        """Take note as consumer that the provider started; for a pull with its address."""
        ...

    async def suspend(self, flow: DataFlow, reason: str | None) -> None:
        """Stop for now, within one item. `start` or `started` follows when it is resumed."""
        ...

    async def complete(self, flow: DataFlow) -> None:
        """Close: all data were moved."""
        ...

    async def terminate(self, flow: DataFlow, reason: str | None) -> None:
        """Stop for good, and forget secrets."""
        ...


class ForeignPlane(Plane, Protocol):
    """All planes that others operate, as one."""

    async def names(self, flow: DataFlow) -> bool:
        """Say whether one was registered for this very dataset: it comes before ours."""
        ...
