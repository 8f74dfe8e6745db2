"""A transfer of the exchange as a flow of the data plane, and back."""

from __future__ import annotations

from hansa.dataplane import DataAddress as PlaneAddress
from hansa.dataplane import DataFlow, FlowRole, Flows, Progress
from hansa.dataplane import Opened as PlaneOpened
from hansa.exchange import (
    Agreement,
    DataAddress,
    Exchange,
    Opened,
    TransferProcess,
    TransferProgress,
    TransferState,
)
from hansa.kernel import Code, HansaError

_OVER = (TransferState.COMPLETED.value, TransferState.TERMINATED.value)


class Plane:
    """The data plane, as the exchange asks for it."""

    def __init__(self, flows: Flows) -> None:
        self._flows = flows

    async def check(self, transfer: TransferProcess, agreement: Agreement) -> None:
        """Return when a plane of ours can do it; HansaError invalid_field, policy_unsupported."""
        await self._flows.check(flow_of(transfer))

    async def prepare(
        self, transfer: TransferProcess, agreement: Agreement, address: DataAddress | None
    ) -> Opened:
        """Get ready to consume; give where a push is to go."""
        return _opened(await self._flows.prepare(flow_of(transfer), _place(address)))

    async def requested(self, transfer: TransferProcess, address: DataAddress) -> None:
        """Keep where the consumer wants a push; HansaError outbound_blocked (400), invalid_field.

        The address is the consumer's mistake, not a failure of ours that may pass.
        """
        try:
            await self._flows.requested(flow_of(transfer), plane_address(address))
        except HansaError as error:
            if error.code is not Code.outbound_blocked:
                raise
            raise HansaError(
                error.code,
                error.title,
                "Give a `dataAddress` that can be reached from outside.",
                status=400,
                field="dataAddress",
            ) from error

    async def start(self, transfer: TransferProcess, agreement: Agreement) -> Opened:
        """Open (or renew) the access of a transfer that we provide."""
        return _opened(await self._flows.start(flow_of(transfer)))

    async def received(self, transfer: TransferProcess, address: DataAddress | None) -> None:
        """Keep the access to a transfer that we consume."""
        await self._flows.started(flow_of(transfer), _place(address))

    async def stop(self, transfer: TransferProcess) -> None:
        """Cut the access of a transfer that is suspended, completed or terminated."""
        reason = "; ".join(transfer.reason) or None
        target = transfer.state if transfer.pending is None else transfer.pending.to
        if TransferState.SUSPENDED in (transfer.state, target) and target not in _OVER:
            await self._flows.suspend(transfer.id, reason)
        elif target == TransferState.COMPLETED:
            await self._flows.complete(transfer.id)
        else:
            await self._flows.terminate(transfer.id, reason)

    async def progress(self, transfer: TransferProcess) -> TransferProgress | None:
        """Say how far a push of ours is; a foreign plane does not tell us."""
        flow = await self._flows.find(transfer.id)
        return None if flow is None or flow.plane or not flow.sends else _told(flow.progress)


class OwnExchange:
    """The exchange, as the data flows tell it what they came to."""

    def __init__(self) -> None:
        self.exchange: Exchange | None = None

    async def ready(self, flow: DataFlow) -> None:
        """Go on with the message that waited for the flow."""
        await self._exchange().plane_ready(flow.id)

    async def completed(self, flow: DataFlow) -> None:
        """Complete the transfer: all data were moved."""
        await self._exchange().plane_completed(flow.id)

    async def errored(self, flow: DataFlow, reason: str) -> None:
        """Show what went wrong."""
        await self._exchange().plane_errored(flow.id, reason)

    def _exchange(self) -> Exchange:
        assert self.exchange is not None, "the exchange is wired after the data plane"
        return self.exchange


def flow_of(transfer: TransferProcess) -> DataFlow:
    """Give the data flow that a transfer asks for."""
    return DataFlow(
        id=transfer.id,
        role=FlowRole(transfer.role.value),
        profile=transfer.format,
        agreement_id=transfer.agreement_id,
        dataset_id=transfer.dataset_id,
        counterparty=transfer.counterparty,
        created=transfer.created,
        modified=transfer.created,
        renews=not transfer.dialect,  # foreign dialects know no token renewal
    )


def _told(progress: Progress) -> TransferProgress:
    """Give what the consumer may know: of an error at our own side, only that there is one."""
    error = progress.error and (progress.told or "The provider can't send at the moment.")
    return TransferProgress(
        items=progress.items,
        bytes=progress.bytes,
        total=progress.total_bytes,
        last_item=progress.last_at,
        attempts=progress.attempts,
        next_try=progress.next_at,
        error=error or None,
    )


def _opened(answer: PlaneOpened) -> Opened:
    address = None if answer.address is None else wire_address(answer.address)
    return Opened(address, ready=answer.ready)


def _place(address: DataAddress | None) -> PlaneAddress | None:
    return None if address is None else plane_address(address)


def wire_address(address: PlaneAddress) -> DataAddress:
    """Give an address of the data plane as the protocol writes it."""
    properties = dict(address.properties)
    if address.authorization:
        properties |= {"authorization": address.authorization, "authType": address.auth_type}
    return DataAddress(
        endpoint_type=address.endpoint_type,
        endpoint=address.endpoint or None,
        properties=properties,
    )


def plane_address(address: DataAddress) -> PlaneAddress:
    """Give an address of the protocol as the data plane keeps it."""
    rest = dict(address.properties)
    secret = rest.pop("authorization", "")
    return PlaneAddress(
        endpoint=address.endpoint or "",
        authorization=secret.removeprefix("Bearer ").removeprefix("bearer "),
        endpoint_type=address.endpoint_type,
        auth_type=rest.pop("authType", "bearer"),
        properties=rest,
    )
