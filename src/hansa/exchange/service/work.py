"""One transaction's work on processes: state, message log and outbox are written together."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from hansa.dialect import forgets_s, settling_s
from hansa.exchange.errors import illegal, not_found, wrong_pid
from hansa.exchange.kinds import AGREEMENTS, MESSAGES, NEGOTIATIONS, TRANSFERS
from hansa.exchange.model import (
    LOG_FIRST,
    Agreement,
    AgreementState,
    ContractNegotiation,
    Decide,
    LogEntry,
    NegotiationState,
    Pending,
    Process,
    Role,
    TransferProcess,
    TransferState,
    left_out,
)
from hansa.exchange.state import (
    NEGOTIATION,
    TERMINATIONS,
    TRANSFER,
    Machine,
    Message,
    Verdict,
    entry,
    outranks,
)
from hansa.exchange.state import judge as judge_message
from hansa.exchange.wire_dsp_2025_1 import Inbound, message_body
from hansa.kernel import Code, HansaError
from hansa.kernel.store import Action, ReadTx, Tx

if TYPE_CHECKING:
    from hansa.exchange.service.core import Core

NEGOTIATION_MACHINE = "exchange.negotiation"
TRANSFER_MACHINE = "exchange.transfer"
PLANE_MACHINE = "exchange.plane"
SEND = "send"
DECIDE = "decide"
REMIND = "remind"
START = "start"
STOP = "stop"
_TAKEN_MAX = 64
_NOT_REMINDED = frozenset(
    {Message.request, Message.offer, Message.transfer_request, Message.transfer_start}
)
_STOPS = (TransferState.SUSPENDED, TransferState.COMPLETED, TransferState.TERMINATED)

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


class Work:
    """What one transaction does; remembers what others are to be told after the commit."""

    def __init__(self, core: Core, tx: Tx) -> None:
        self.tx = tx
        self._core = core
        self.changed: dict[str, Process | Agreement] = {}
        self.stopped: dict[str, TransferProcess] = {}
        self.ended: list[Agreement] = []
        self.told: list[Callable[[], None]] = []

    def put(self, process: Process) -> None:
        """Save a process, once, as it is at the end of the job; no search finds it before."""
        self.changed[process.id] = process

    def flush(self) -> None:
        """Write the processes that were put, and note the changes where events are kept."""
        events = self._core.ports.events
        for item in self.changed.values():
            tell = events.note(self.tx, item) if events is not None else None
            if tell is not None:
                self.told.append(tell)
            if isinstance(item, ContractNegotiation):
                self.tx.put(NEGOTIATIONS, item)
            elif isinstance(item, TransferProcess):
                self.tx.put(TRANSFERS, item)

    def process(self, transfer: bool, pid: str) -> Process | None:
        """Read a process by our own pid, as it was before this job."""
        return self.tx.get(TRANSFERS, pid) if transfer else self.tx.get(NEGOTIATIONS, pid)

    def note(self, process: Process, error: str) -> None:
        """Show an error that lasts on the process."""
        self.put(msgspec.structs.replace(process, error=error))

    def restart(self, transfer: TransferProcess) -> TransferProcess:
        """Send a start with the data address of a transfer that the consumer resumed or repeats."""
        started = TransferState.STARTED
        return self._enqueue(transfer, Message.transfer_start, started)

    def log(self, process: P, direction: str, wire_type: str, body: dict[str, Any]) -> P:
        """Write a message into the log of its process, and give the process for `put`.

        The log keeps the first and the last messages, so that a counterparty that talks for ever
        (which the protocol permits) fills no disk.
        """
        core = self._core
        logged = LogEntry(
            id=core.ids.new(),
            process=process.id,
            direction=direction,
            at=core.clock.now(),
            type=wire_type,
            body=body,
        )
        self.tx.insert(MESSAGES, logged)
        count = process.logged + 1
        noted: P = msgspec.structs.replace(
            process, logged=count, log_head=logged.id if count == LOG_FIRST else process.log_head
        )
        if left_out(noted):
            for old in self.tx.find(
                MESSAGES, {"process": process.id}, after=noted.log_head, limit=1
            ):
                self.tx.delete(MESSAGES, old.id)
        return noted

    def decide(self, process: P, message: Message, **changes: Any) -> P:
        """Make `message` the one in flight: saved, logged and enqueued to be sent.

        HansaError illegal_state when we may not send it now. The same decision twice is one.
        """
        pending = process.pending
        if pending is not None and pending.message == message:
            return process
        if pending is not None and not outranks(message, Message(pending.message)):
            raise illegal(process, message)
        machine = machine_of(process)
        target = machine.sends(process.state, message, process.role)
        if message in TERMINATIONS:
            target = machine.accepts(process.state, message, process.role)
        if target is None:
            raise illegal(process, message)
        if pending is not None and process.state != machine.states[0]:
            # Overtaken; it would hold up what is stronger. An opening message is still needed.
            self.tx.complete(pending.action)
        return self._enqueue(process, message, str(target), **changes)

    def _enqueue(self, process: P, message: Message, target: str, **changes: Any) -> P:
        core = self._core
        negotiation = isinstance(process, ContractNegotiation)
        wait_s = settling_s(process.dialect)
        action = Action(
            id=core.ids.new(),
            machine=NEGOTIATION_MACHINE if negotiation else TRANSFER_MACHINE,
            process=process.id,
            name=SEND,
            body={"message": message.value},
            due=core.clock.now() + timedelta(seconds=wait_s) if wait_s else None,
        )
        decided: P = msgspec.structs.replace(
            process,
            pending=Pending(message.value, str(target), action.id),
            modified=core.clock.now(),
            error=None,
            waiting=False,
            **changes,
        )
        decided = self.log(
            decided,
            "sent",
            message.wire_type,
            message_body(decided, message, action.id, callback=core.base_url),
        )
        self.put(decided)
        self.tx.enqueue(action)
        if isinstance(decided, TransferProcess) and target != TransferState.STARTED:
            self._stop(decided)
        return decided

    def move(self, process: P, target: str, **changes: Any) -> P:
        """Save a process in its new state, with what follows from entering it."""
        result = moved(process, target, self._core.clock.now(), **changes)
        paused = target == TransferState.SUSPENDED and (
            process.pending is not None and process.pending.to == target
        )
        if isinstance(result, TransferProcess) and target in _STOPS and not paused:
            self._stop(result)  # a pause of our own was told when it was decided
        self.put(result)
        if isinstance(result, ContractNegotiation) and result.state is NegotiationState.FINALIZED:
            self._sign(result)
        return result

    def remind(self, process: Process, message: Message) -> None:
        """Look again later whether the counterparty still knows what it acknowledged (EDC)."""
        wait_s = forgets_s(process.dialect)
        if not wait_s or message in _NOT_REMINDED:
            return
        negotiation = isinstance(process, ContractNegotiation)
        action = Action(
            id=self._core.ids.new(),
            machine=NEGOTIATION_MACHINE if negotiation else TRANSFER_MACHINE,
            process=process.id,
            name=REMIND,
            body={"message": message.value, "state": process.state.value},
            due=self._core.clock.now() + timedelta(seconds=wait_s),
        )
        self.tx.enqueue(action)

    def plan(self, process: Process, decision: Decide) -> None:
        """Put in a decision that is carried out later, unless the process has moved on by then."""
        negotiation = isinstance(process, ContractNegotiation)
        core = self._core
        self.tx.enqueue(
            Action(
                id=core.ids.new(),
                machine=NEGOTIATION_MACHINE if negotiation else TRANSFER_MACHINE,
                process=process.id,
                name=DECIDE,
                body={
                    "decision": msgspec.to_builtins(msgspec.structs.replace(decision, after_s=0.0)),
                    "entered": process.entered,
                },
                due=core.clock.now() + timedelta(seconds=decision.after_s),
            )
        )

    def start_plane(self, transfer: TransferProcess) -> None:
        """Let the data plane begin to send (again), without a message of ours."""
        self.tx.enqueue(
            Action(id=self._core.ids.new(), machine=PLANE_MACHINE, process=transfer.id, name=START)
        )

    def _stop(self, transfer: TransferProcess) -> None:
        if transfer.state is TransferState.START:
            return
        self.stopped[transfer.id] = transfer
        action_id = self._core.ids.new()
        self.tx.enqueue(Action(id=action_id, machine=PLANE_MACHINE, process=transfer.id, name=STOP))

    def _sign(self, negotiation: ContractNegotiation) -> None:
        """Keep the agreement of a negotiation that is final on this side."""
        agreement = agreement_in(negotiation, self._core.clock.now())
        if self.tx.get(AGREEMENTS, agreement.id) is None:
            self.tx.insert(AGREEMENTS, agreement)
            self.changed[agreement.id] = agreement

    def take(self, process: P, inbound: Inbound, target: str, **changes: Any) -> P:
        """Let an inbound message take effect: log it, forget what was in flight, move on."""
        process = self.log(process, "received", inbound.message.wire_type, inbound.body)
        if process.pending is not None:
            self.tx.complete(process.pending.action)
        if process.peer_pid is None:
            name = "provider_pid" if process.role is Role.consumer else "consumer_pid"
            changes[name] = getattr(inbound, name)
        taken = (*process.taken, entry(inbound.message, inbound.id))[-_TAKEN_MAX:]
        return self.move(process, target, pending=None, taken=taken, **changes)

    def renewed(self, process: TransferProcess, inbound: Inbound) -> TransferProcess:
        """Note a repeat that is a message of its own: a start that brings a new address."""
        known = entry(inbound.message, inbound.id)
        if inbound.message is not Message.transfer_start or known in process.taken:
            return process
        process = self.log(process, "received", inbound.message.wire_type, inbound.body)
        taken = (*process.taken, known)[-_TAKEN_MAX:]
        noted: TransferProcess = msgspec.structs.replace(process, taken=taken)
        self.put(noted)
        if noted.push and noted.role is Role.provider and inbound.address is not None:
            self.start_plane(noted)
        return noted

    def end_agreement(self, agreement: Agreement, *, by: str, reason: str) -> Agreement:
        """Mark an agreement ended; nothing happens to one that is."""
        if agreement.state is AgreementState.ended:
            return agreement
        ended: Agreement = msgspec.structs.replace(
            agreement,
            state=AgreementState.ended,
            ended_at=self._core.clock.now(),
            ended_by=by,
            ended_reason=reason,
        )
        self.tx.put(AGREEMENTS, ended)
        self.changed[ended.id] = ended
        self.ended.append(ended)
        return ended


def conflict(title: str, detail: str, **facts: Any) -> HansaError:
    """Refuse what contradicts something that is settled."""
    return HansaError(Code.conflict, title, detail, **facts)
