"""What a message or a wish of ours may do to a process, and what becomes of it. Writes nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

import msgspec

from hansa.exchange.errors import not_found, wrong_pid
from hansa.exchange.kinds import NEGOTIATIONS, TRANSFERS
from hansa.exchange.model import (
    Agreement,
    AgreementState,
    ContractNegotiation,
    Process,
    Role,
    TransferProcess,
    TransferState,
)
from hansa.exchange.state import NEGOTIATION, TRANSFER, Machine, Message, Verdict
from hansa.exchange.state import judge as judge_message
from hansa.exchange.wire_dsp_2025_1 import Inbound
from hansa.kernel import Code, HansaError
from hansa.kernel.store import ReadTx

P = TypeVar("P", bound=Process)


def machine_of(process: Process) -> Machine:
    """Give the state machine of a process."""
    return NEGOTIATION if isinstance(process, ContractNegotiation) else TRANSFER


def termination_of(process: Process) -> Message:
    """Give the message that ends this kind of process."""
    negotiation = isinstance(process, ContractNegotiation)
    return Message.termination if negotiation else Message.transfer_termination


def owned(tx: ReadTx, kind: type[P], pid: str, caller_did: str) -> P:
    """Give a process of ours with this counterparty; not_found for unknown and foreign alike."""
    process: Any = tx.get(NEGOTIATIONS if kind is ContractNegotiation else TRANSFERS, pid)
    if process is None or process.counterparty != caller_did:
        raise not_found("negotiation" if kind is ContractNegotiation else "transfer")
    found: P = process
    return found


def check_pids(process: Process, inbound: Inbound) -> None:
    """Check that the pids in a message are those of the process in its path (400 otherwise)."""
    pids = ("consumer_pid", inbound.consumer_pid), ("provider_pid", inbound.provider_pid)
    for name, given in pids:
        known = getattr(process, name)
        if known is not None and given != known:
            raise wrong_pid("consumerPid" if name == "consumer_pid" else "providerPid", process)


def judge(process: Process, inbound: Inbound) -> tuple[Verdict, str]:
    """Judge an inbound message; only the side that suspended a transfer may resume it."""
    message = inbound.message
    verdict, after = judge_message(machine_of(process), process, message, inbound.id)
    if verdict is Verdict.illegal and _new_place(process, inbound):
        return Verdict.repeat, process.state
    if verdict is Verdict.apply and message is Message.transfer_start:
        assert isinstance(process, TransferProcess)
        pending = process.pending
        stopping = pending is not None and pending.to == TransferState.SUSPENDED
        suspender = process.role if stopping else process.suspended_by
        resuming = pending is not None and pending.message == Message.transfer_start
        if suspender is process.role and not resuming:
            return Verdict.illegal, process.state
    return verdict, after


def moved(process: P, target: str, at: datetime, **changes: Any) -> P:
    """Give a process as it stands in `target`; counts the state if it is entered anew."""
    entered = process.entered
    if target != process.state:
        entered = {**entered, target: entered.get(target, 0) + 1}
    result: P = msgspec.structs.replace(
        process,
        state=type(process.state)(target),
        modified=at,
        entered=entered,
        error=changes.pop("error", None),
        waiting=False,
        **changes,
    )
    return result


def agreement_in(negotiation: ContractNegotiation, at: datetime) -> Agreement:
    """Give the agreement that a negotiation comes to when it is final."""
    assert negotiation.agreement is not None
    assert negotiation.agreement_id is not None
    return Agreement(
        id=negotiation.agreement_id,
        role=negotiation.role,
        counterparty=negotiation.counterparty,
        negotiation_id=negotiation.id,
        dataset_id=negotiation.dataset_id,
        policy=negotiation.agreement,
        signed_at=at,
        callback=negotiation.callback,
    )


def check_active(agreement: Agreement) -> None:
    """Return for an agreement that counts; HansaError agreement_ended."""
    if agreement.state is not AgreementState.active:
        raise HansaError(
            Code.agreement_ended,
            "The agreement has ended.",
            f"Reason: {agreement.ended_reason}. Negotiate a new one."
            if agreement.ended_reason
            else "Negotiate a new one.",
            status=400,
        )


def _new_place(process: Process, inbound: Inbound) -> bool:
    """Say whether a consumer tells a running push of ours where to send from now on.

    A consumer answers a resumption of ours so (Data Plane Signaling 1.0, 9.3).
    """
    return (
        inbound.message is Message.transfer_start
        and inbound.address is not None
        and isinstance(process, TransferProcess)
        and process.push
        and process.role is Role.provider
        and process.live
    )
