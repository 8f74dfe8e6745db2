"""One transaction's work on processes: state, message log and outbox are written together."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import msgspec

from hansa.dialect import forgets_s, settling_s
from hansa.exchange.errors import illegal
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
from hansa.exchange.ports import Ports
from hansa.exchange.service.judging import agreement_in, machine_of, moved
from hansa.exchange.state import (
    TERMINATIONS,
    Message,
    entry,
    outranks,
)
from hansa.exchange.wire_dsp_2025_1 import Inbound, message_body
from hansa.kernel import Clock, Ids
from hansa.kernel.store import Action, Tx

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


class Surroundings(Protocol):
    """What the work of a transaction needs of the exchange around it (`Core`)."""

    base_url: str
    ports: Ports
    clock: Clock
    ids: Ids


class Work:
    """What one transaction does; remembers what others are to be told after the commit."""

    def __init__(self, core: Surroundings, tx: Tx) -> None:
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
        elif pending is not None:
            self.hurry(pending.action)  # it may wait as long as the counterparty asked
        return self._enqueue(process, message, str(target), **changes)

    def hurry(self, action_id: str) -> bool:
        """Let what waits for another try be tried at once; False when it is not there."""
        action = self.tx.action(action_id)
        now = self._core.clock.now()
        if action is not None and (action.due is None or action.due > now):
            self.tx.complete(action.id)
            self.tx.enqueue(msgspec.structs.replace(action, due=now, dead=False))
        return action is not None

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
