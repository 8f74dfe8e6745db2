"""Bytes fetched by the consumer: a file or an upstream, whole or in parts, with the token."""

from __future__ import annotations

from urllib.parse import quote

import msgspec

from hansa.dataplane.access import AccessStore
from hansa.dataplane.flow import DataFlow, FlowRole
from hansa.dataplane.model import DataAddress
from hansa.dataplane.planes.ngsi_ld_pull import PROFILE, NgsiLdPull
from hansa.dataplane.resources import Resources
from hansa.dataplane.service import Grants


class HttpPull(NgsiLdPull):
    """`HttpData-PULL` of a dataset that is bytes: the same tokens, another address.

    `endpoint` is the address below which datasets are fetched: `.../data/files/v1`.
    """

    profiles = (PROFILE,)

    def __init__(
        self, grants: Grants, access: AccessStore, *, resources: Resources, endpoint: str
    ) -> None:
        super().__init__(grants, access)
        self._resources = resources
        self._endpoint = endpoint

    async def serves(self, flow: DataFlow) -> bool:
        """Say whether the dataset is bytes of ours."""
        if flow.role is FlowRole.consumer:
            return False
        return await self._resources.resource(flow.dataset_id) is not None

    async def check(self, flow: DataFlow, address: DataAddress | None) -> None:
        """Refuse an address, and terms that would need a filter (`policy_unsupported`)."""
        await super().check(flow, address)
        if flow.role is FlowRole.provider:
            await self._grants.check_whole(flow.agreement_id)

    async def start(self, flow: DataFlow, address: DataAddress | None) -> DataAddress:
        """Give the address of the dataset's bytes with a fresh token."""
        given = await super().start(flow, address)
        endpoint = f"{self._endpoint}/{quote(flow.dataset_id, safe=':@')}"
        return msgspec.structs.replace(given, endpoint=endpoint)
