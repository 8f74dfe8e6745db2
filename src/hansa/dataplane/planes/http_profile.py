"""The HTTP profiles of Data Plane Signaling 1.0: our pull and push under their names and rules."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from hansa.dataplane.flow import DataFlow, FlowRole, PlaneAnswer, is_push
from hansa.dataplane.model import DataAddress
from hansa.dataplane.planes import Plane
from hansa.kernel import Code, HansaError

HTTP_PULL = "https://w3id.org/dspace-sig/profile/http-pull"
HTTP_PUSH = "https://w3id.org/dspace-sig/profile/http-push"
_OURS = {HTTP_PULL: "HttpData-PULL", HTTP_PUSH: "HttpData-PUSH"}
PlaneFor = Callable[[DataFlow], Awaitable[Plane]]


class HttpProfiles:
    """Moves data as our plane of the same kind does; addresses carry the profile as their type.

    As consumer of a pull it takes only addresses that can be renewed: an access that ends without
    a way on is no access. `check_url` refuses what is not https, naming a field.
    """

    profiles = tuple(_OURS)

    def __init__(self, plane_for: PlaneFor, check_url: Callable[[str, str], None]) -> None:
        """`plane_for` gives the plane of a flow by its profile; HansaError when there is none."""
        self._plane_for = plane_for
        self._check_url = check_url

    async def _plane(self, flow: DataFlow) -> Plane:
        return await self._plane_for(msgspec.structs.replace(flow, profile=_OURS[flow.profile]))

    async def serves(self, flow: DataFlow) -> bool:
        """Say whether a plane of ours does."""
        if flow.profile not in _OURS:
            return False
        try:
            await self._plane(flow)
        except HansaError:
            return False
        return True

    async def check(self, flow: DataFlow, address: DataAddress | None) -> None:
        """Refuse a counterparty's address that is not of the profile, https and renewable."""
        given = address is not None and (flow.role is FlowRole.provider) is is_push(flow.profile)
        if address is not None and given:
            if address.endpoint_type != flow.profile:
                raise _bad("endpointType", f"It must be {flow.profile}.")
            self._check_url(address.endpoint, "endpoint")
            if not is_push(flow.profile):
                self._check_renewable(address)
        await (await self._plane(flow)).check(flow, address)

    def _check_renewable(self, address: DataAddress) -> None:
        for name in ("refreshToken", "expiresIn"):
            if not address.properties.get(name):
                raise _bad(name, "The access must be renewable.")
        if "refreshEndpoint" in address.properties:
            self._check_url(address.properties["refreshEndpoint"], "refreshEndpoint")

    async def prepare(self, flow: DataFlow, address: DataAddress | None) -> PlaneAnswer:
        """Get ready as the plane does."""
        return _named(flow, await (await self._plane(flow)).prepare(flow, address))

    async def start(self, flow: DataFlow, address: DataAddress | None) -> PlaneAnswer:
        """Begin as the plane does."""
        return _named(flow, await (await self._plane(flow)).start(flow, address))

    async def started(self, flow: DataFlow, address: DataAddress | None) -> None:
        """Keep the address as the plane does."""
        await (await self._plane(flow)).started(flow, address)

    async def suspend(self, flow: DataFlow, reason: str | None) -> None:
        """Suspend as the plane does."""
        await (await self._plane(flow)).suspend(flow, reason)

    async def complete(self, flow: DataFlow) -> None:
        """Close as the plane does."""
        await (await self._plane(flow)).complete(flow)

    async def terminate(self, flow: DataFlow, reason: str | None) -> None:
        """End as the plane does."""
        await (await self._plane(flow)).terminate(flow, reason)


def _named(flow: DataFlow, answer: PlaneAnswer) -> PlaneAnswer:
    if isinstance(answer, DataAddress):
        return msgspec.structs.replace(answer, endpoint_type=flow.profile)
    return answer


def _bad(field: str, detail: str) -> HansaError:
    return HansaError(Code.invalid_field, f"`{field}` is not right.", detail, field=field)
