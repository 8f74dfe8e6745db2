"""Entities fetched by query: the consumer asks our NGSI-LD API with the token of the transfer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from hansa.dataplane.access import AccessStore
from hansa.dataplane.flow import DataFlow, FlowRole
from hansa.dataplane.model import DataAddress
from hansa.dataplane.service import Grants
from hansa.identity import Caller
from hansa.kernel import Code, HansaError

PROFILE = "HttpData-PULL"


class NgsiLdPull:
    """`HttpData-PULL` of a dataset of entities: `Grants` provides, `AccessStore` consumes."""

    profiles = (PROFILE,)

    def __init__(
        self,
        grants: Grants,
        access: AccessStore,
        *,
        has_entities: Callable[[str], Awaitable[bool]] | None = None,
    ) -> None:
        """`has_entities` says of a dataset id whether it is entities (None: each is)."""
        self._grants = grants
        self._access = access
        self._has_entities = has_entities

    async def serves(self, flow: DataFlow) -> bool:
        """Say whether the dataset is entities; a consumer fetches any."""
        if flow.role is FlowRole.consumer or self._has_entities is None:
            return True
        return await self._has_entities(flow.dataset_id)

    async def check(self, flow: DataFlow, address: DataAddress | None) -> None:
        """Refuse an address: the provider gives it."""
        if address is not None and flow.role is FlowRole.provider:
            raise HansaError(
                Code.invalid_field,
                "A pull takes no data address from the consumer.",
                "Leave it out; the provider's start brings it.",
                field="dataAddress",
            )

    async def prepare(self, flow: DataFlow, address: DataAddress | None) -> None:
        """Nothing is needed before the provider starts."""

    async def start(self, flow: DataFlow, address: DataAddress | None) -> DataAddress:
        """Give the address of the NGSI-LD API with a fresh token."""
        caller = Caller(did=flow.counterparty, kind="participant")
        return await self._grants.start(
            flow.id,
            flow.agreement_id,
            caller,
            renewable=flow.renews,
            vouched=bool(flow.control),
        )

    async def started(self, flow: DataFlow, address: DataAddress | None) -> None:
        """Keep the provider's address; without one there is nothing to fetch from."""
        if address is not None:
            await self._access.received(
                flow.id, address, agreement_id=flow.agreement_id, provider=flow.counterparty
            )

    async def suspend(self, flow: DataFlow, reason: str | None) -> None:
        """Keep the consumer's secret: the provider voids it, and a resume brings another."""

    async def complete(self, flow: DataFlow) -> None:
        """Forget the consumer's secret."""
        await self.terminate(flow, None)

    async def terminate(self, flow: DataFlow, reason: str | None) -> None:
        """Forget the consumer's secret."""
        if flow.role is FlowRole.consumer:
            await self._access.dropped(flow.id, reason)
