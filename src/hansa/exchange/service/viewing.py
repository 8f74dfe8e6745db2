"""The counterparty's own view of a process, and what a provider adds to it of a push."""

from __future__ import annotations

from hansa.exchange.model import Process, Role, TransferProcess, TransferProgress
from hansa.exchange.service.core import Core
from hansa.exchange.wire_dsp_2025_1 import process_path, read_progress
from hansa.kernel import HansaError
from hansa.kernel.outbound import OutboundResponse

_PROGRESS_S_MAX = 2.0
_PROGRESS_BYTES_MAX = 16 * 1024


class Viewing(Core):
    """`GET` of a process, both ways."""

    async def view_of(
        self, process: Process, *, timeout_s: float, body_bytes_max: int
    ) -> OutboundResponse:
        """Ask the counterparty for its view of a process; HansaError outbound_* and others."""
        authorization = await self.ports.identity.authorization_for(process.counterparty)
        return await self.ports.client.request(
            "GET",
            process.callback + process_path(process),
            headers={"Authorization": authorization},
            timeout_s=timeout_s,
            body_bytes_max=body_bytes_max,
        )

    async def own_progress(self, process: Process) -> TransferProgress | None:
        """Give what the consumer of a transfer may know of our push; None when there is none."""
        if not isinstance(process, TransferProcess) or process.role is Role.consumer:
            return None
        return await self.ports.data_plane.progress(process) if process.push else None

    async def their_progress(self, transfer: TransferProcess) -> TransferProgress | None:
        """Ask the provider of a push how far it is; None when it doesn't tell, for any reason."""
        if transfer.role is Role.provider or transfer.provider_pid is None:
            return None
        try:
            answer = await self.view_of(
                transfer, timeout_s=_PROGRESS_S_MAX, body_bytes_max=_PROGRESS_BYTES_MAX
            )
        except HansaError:
            return None
        return read_progress(answer.body, transfer) if answer.ok else None
