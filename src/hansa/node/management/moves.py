"""What an operator may do with a process now, read from the protocol's own state tables. No I/O."""

from __future__ import annotations

from hansa.exchange import (
    NEGOTIATION,
    TRANSFER,
    ContractNegotiation,
    Message,
    Role,
    TransferProcess,
    TransferState,
)

_NEGOTIATION: dict[Message, str] = {
    Message.request: "counter",
    Message.offer: "counter",
    Message.accepted: "accept",
    Message.agreement: "agree",
    Message.verification: "verify",
    Message.finalized: "finalize",
    Message.termination: "terminate",
}
_TRANSFER: dict[Message, str] = {
    Message.transfer_start: "start",
    Message.transfer_suspension: "suspend",
    Message.transfer_completion: "complete",
    Message.transfer_termination: "terminate",
}


def negotiation_actions(process: ContractNegotiation) -> list[str]:
    """Name what may be done: the operations under `/negotiations/{id}/`, in a fixed order.

    While a message of ours is on its way only `retry` (send it now) and `terminate` make sense.
    """
    if process.state in NEGOTIATION.terminal:
        return [*(["adopt"] if differs(process) else []), "replay"]
    if process.pending is not None:
        return ["retry", *(["terminate"] if _may_end(process.pending.message) else [])]
    return [
        name
        for message, name in _NEGOTIATION.items()
        if NEGOTIATION.sends(process.state, message, process.role) is not None
    ]


def transfer_actions(process: TransferProcess) -> list[str]:
    """Name what may be done: the operations under `/transfers/{id}/`, in a fixed order."""
    if process.state in TRANSFER.terminal:
        brought = process.push and process.role is Role.consumer
        return [*(["adopt"] if differs(process) else []), *(["forget"] if brought else [])]
    if process.pending is not None:
        return ["retry", *(["terminate"] if _may_end(process.pending.message) else [])]
    found = [
        name
        for message, name in _TRANSFER.items()
        if TRANSFER.sends(process.state, message, process.role) is not None
    ]
    if process.state is TransferState.SUSPENDED:
        found = [name for name in found if name != "start"]
        if process.suspended_by is process.role:
            found.insert(0, "resume")
    return found


def differs(process: ContractNegotiation | TransferProcess) -> bool:
    """Say whether the other side stands elsewhere; an access that was cut is not opened again."""
    return process.their_state not in (None, process.state, TransferState.STARTED.value)


def _may_end(pending: str) -> bool:
    return pending not in (Message.termination, Message.transfer_termination)
