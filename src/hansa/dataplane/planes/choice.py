"""Which plane moves a flow: one that was registered for the dataset, ours, or another's."""

from __future__ import annotations

import msgspec

from hansa.dataplane.flow import DataFlow, FlowState
from hansa.dataplane.planes import ForeignPlane, Plane
from hansa.kernel import Code, HansaError

FOREIGN = "foreign"
"""What `DataFlow.plane` says of a flow that a foreign plane moves."""


class Planes:
    """The planes of one participant: ours in order, and all foreign ones as one."""

    def __init__(self) -> None:
        self._own: list[Plane] = []
        self.foreign: ForeignPlane | None = None

    def add(self, *planes: Plane) -> None:
        """Add planes of ours."""
        self._own += planes

    @property
    def profiles(self) -> tuple[str, ...]:
        """Name every profile that is served."""
        own = (name for plane in self._own for name in plane.profiles)
        return tuple(dict.fromkeys([*own, *self._foreign_profiles]))

    @property
    def _foreign_profiles(self) -> tuple[str, ...]:
        return () if self.foreign is None else self.foreign.profiles

    async def plane_for(self, flow: DataFlow) -> Plane:
        """Give the plane that moves a flow; HansaError invalid_field when there is none."""
        if flow.plane and self.foreign is not None:
            return self.foreign
        plane = await self._serving(flow)
        if plane is not None:
            return plane
        raise HansaError(
            Code.invalid_field,
            f"The format {flow.profile!r} is not offered here, or not for this dataset.",
            f"Use one of: {', '.join(await self._names(flow))}.",
            field="format",
        )

    async def _names(self, flow: DataFlow) -> list[str]:
        """Name the formats of a dataset; other names of the same ways are left out."""
        found = [
            name
            for plane in self._own
            for name in plane.profiles
            if "://" not in name and await plane.serves(msgspec.structs.replace(flow, profile=name))
        ]
        return list(dict.fromkeys([*found, *self._foreign_profiles]))

    async def chosen(self, flow: DataFlow) -> DataFlow:
        """Say of a new flow whether a foreign plane moves it: named for the dataset, or needed.

        A choice that was made stays. What a foreign control plane asked for, we move ourselves.
        """
        if flow.state is not FlowState.INITIALIZED or flow.plane or flow.control:
            return flow
        foreign = self.foreign
        if foreign is None or flow.profile not in foreign.profiles:
            return flow
        if await foreign.names(flow) or (
            await self._serving(flow) is None and await foreign.serves(flow)
        ):
            return msgspec.structs.replace(flow, plane=FOREIGN)
        return flow

    async def _serving(self, flow: DataFlow) -> Plane | None:
        for plane in self._own:
            if flow.profile in plane.profiles and await plane.serves(flow):
                return plane
        return None
