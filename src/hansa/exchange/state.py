"""The two state machines of the Dataspace Protocol as data (DSP 2025-1 6.2 and 8.2).

The tables are the specification's diagrams. `judge` says what an inbound message does to a
process; `states_markdown` renders the tables for the reference pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Protocol

from hansa.exchange.model import NegotiationState as N
from hansa.exchange.model import Pending, Role
from hansa.exchange.model import TransferState as T


class Message(StrEnum):
    """The messages that move a process; an event message is one entry per event type."""

    request = "ContractRequestMessage"
    offer = "ContractOfferMessage"
    accepted = "ContractNegotiationEventMessage:ACCEPTED"
    agreement = "ContractAgreementMessage"
    verification = "ContractAgreementVerificationMessage"
    finalized = "ContractNegotiationEventMessage:FINALIZED"
    termination = "ContractNegotiationTerminationMessage"
    transfer_request = "TransferRequestMessage"
    transfer_start = "TransferStartMessage"
    transfer_suspension = "TransferSuspensionMessage"
    transfer_completion = "TransferCompletionMessage"
    transfer_termination = "TransferTerminationMessage"

    @property
    def wire_type(self) -> str:
        """Give the message's `@type`."""
        return self.value.partition(":")[0]


TERMINATIONS = frozenset({Message.termination, Message.transfer_termination})
_NOT_REPEATABLE = frozenset({Message.request, Message.offer, Message.transfer_request})
_RANK = {
    Message.transfer_suspension: 1,
    Message.transfer_completion: 2,
    Message.termination: 3,
    Message.transfer_termination: 3,
}


@dataclass(frozen=True)
class Transition:
    """One arrow: in `source`, `sender` may send `message`, which leads to `target`."""

    source: str
    message: Message
    sender: Role
    target: str


@dataclass(frozen=True)
class Machine:
    """A state machine: its name, states in order, terminal states, and arrows."""

    name: str
    clause: str
    states: tuple[str, ...]
    terminal: frozenset[str]
    transitions: tuple[Transition, ...]

    def sends(self, state: str, message: Message, sender: Role) -> str | None:
        """Give the state that `message` leads to when `sender` may send it in `state`."""
        for arrow in self.transitions:
            if (arrow.source, arrow.message, arrow.sender) == (state, message, sender):
                return arrow.target
        return None

    def accepts(self, state: str, message: Message, sender: Role) -> str | None:
        """Give the state that an inbound `message` leads to, or None.

        More is accepted than sent in one place: a termination, from either side, in every state
        that is not terminal (DSP 2025-1 6.3.7 against its diagram).
        """
        if message in TERMINATIONS and state not in self.terminal:
            return "TERMINATED"
        return self.sends(state, message, sender)


def _arrows(*rows: tuple[str, Message, str, str]) -> tuple[Transition, ...]:
    senders = {"C": (Role.consumer,), "P": (Role.provider,), "CP": (Role.consumer, Role.provider)}
    return tuple(
        Transition(source, message, sender, target)
        for source, message, who, target in rows
        for sender in senders[who]
    )


NEGOTIATION = Machine(
    name="ContractNegotiation",
    clause="DSP 2025-1 6.2",
    states=tuple(N),
    terminal=frozenset({N.FINALIZED, N.TERMINATED}),
    transitions=_arrows(
        (N.START, Message.request, "C", N.REQUESTED),
        (N.START, Message.offer, "P", N.OFFERED),
        (N.REQUESTED, Message.offer, "P", N.OFFERED),
        (N.REQUESTED, Message.agreement, "P", N.AGREED),
        (N.REQUESTED, Message.termination, "CP", N.TERMINATED),
        (N.OFFERED, Message.request, "C", N.REQUESTED),
        (N.OFFERED, Message.accepted, "C", N.ACCEPTED),
        (N.OFFERED, Message.termination, "CP", N.TERMINATED),
        (N.ACCEPTED, Message.agreement, "P", N.AGREED),
        (N.ACCEPTED, Message.termination, "P", N.TERMINATED),
        (N.AGREED, Message.verification, "C", N.VERIFIED),
        (N.AGREED, Message.termination, "C", N.TERMINATED),
        (N.VERIFIED, Message.finalized, "P", N.FINALIZED),
        (N.VERIFIED, Message.termination, "P", N.TERMINATED),
    ),
)

TRANSFER = Machine(
    name="TransferProcess",
    clause="DSP 2025-1 8.2",
    states=tuple(T),
    terminal=frozenset({T.COMPLETED, T.TERMINATED}),
    transitions=_arrows(
        (T.START, Message.transfer_request, "C", T.REQUESTED),
        (T.REQUESTED, Message.transfer_start, "P", T.STARTED),
        (T.REQUESTED, Message.transfer_termination, "CP", T.TERMINATED),
        (T.STARTED, Message.transfer_suspension, "CP", T.SUSPENDED),
        (T.STARTED, Message.transfer_completion, "CP", T.COMPLETED),
        (T.STARTED, Message.transfer_termination, "CP", T.TERMINATED),
        (T.SUSPENDED, Message.transfer_start, "CP", T.STARTED),
        (T.SUSPENDED, Message.transfer_termination, "CP", T.TERMINATED),
    ),
)


def outranks(message: Message, other: Message) -> bool:
    """Say whether `message` is stronger than `other` when the two cross."""
    return _RANK.get(message, 0) > _RANK.get(other, 0)


class Verdict(Enum):
    """What an inbound message does: it takes effect, it did already, or it is not allowed."""

    apply = "apply"
    repeat = "repeat"
    illegal = "illegal"


class Judged(Protocol):
    """What `judge` looks at."""

    @property
    def state(self) -> str:
        """Give the state."""
        ...

    @property
    def pending(self) -> Pending | None:
        """Give the message in flight."""
        ...

    @property
    def taken(self) -> tuple[str, ...]:
        """Name the counterparty's messages that took effect."""
        ...

    @property
    def role(self) -> Role:
        """Give our side."""
        ...


def entry(message: Message, message_id: str) -> str:
    """Give what `taken` keeps of a message that took effect: its name and its `@id`, if any."""
    return f"{message.value} {message_id}".rstrip()


def judge(
    machine: Machine, process: Judged, message: Message, message_id: str = ""
) -> tuple[Verdict, str]:
    """Decide about an inbound message of the counterparty; give the verdict and the new state.

    1. What already took effect is a repeat: the answer to it was lost, or it comes late. The
       message's `@id` tells for sure; without one the state tells as far as it can.
    2. A message that is legal once our message in flight has arrived proves that it arrived.
    3. When messages cross, the stronger one counts on both sides: termination before completion
       before suspension before all else.
    4. Else the present state decides.
    """
    sender, state, pending = process.role.other, process.state, process.pending
    if message_id and entry(message, message_id) in process.taken:
        return Verdict.repeat, state
    if _repeated(machine, process, message):
        return Verdict.repeat, state
    if state in machine.terminal:
        return Verdict.illegal, state
    if pending is not None:
        after = machine.accepts(pending.to, message, sender)
        if after is not None:
            return Verdict.apply, after
        if outranks(Message(pending.message), message):
            return Verdict.illegal, state
    after = machine.accepts(state, message, sender)
    if after is None:
        return Verdict.illegal, state
    return Verdict.apply, after


def _repeated(machine: Machine, process: Judged, message: Message) -> bool:
    names = {item.partition(" ")[0] for item in process.taken}
    if message in _NOT_REPEATABLE or message.value not in names:
        return message in TERMINATIONS and process.state == "TERMINATED"
    if machine is TRANSFER or message in TERMINATIONS:
        reached = {arrow.target for arrow in machine.transitions if arrow.message is message}
        return process.state in reached
    return process.state != N.TERMINATED


def states_markdown() -> str:
    """Render both tables as the page `docs/reference/state-machines.md`."""
    lines = [
        "# State machines",
        "",
        "Generated from `hansa.exchange.state`; do not edit by hand.",
        "",
        "A state changes when the counterparty has acknowledged the message. `START` stands for",
        "a process of which nothing was acknowledged yet; it is never on the wire. A termination",
        "is sent and accepted by either side in every state that is not terminal.",
    ]
    for machine in (NEGOTIATION, TRANSFER):
        lines += ["", f"## {machine.name} ({machine.clause})", ""]
        lines += ["| in state | message | sent by | leads to |", "|---|---|---|---|"]
        for source in machine.states:
            rows: dict[tuple[str, str], list[str]] = {}
            for arrow in machine.transitions:
                if arrow.source == source:
                    rows.setdefault((arrow.message.value, arrow.target), []).append(
                        arrow.sender.value
                    )
            for (message, target), senders in rows.items():
                who = " or ".join(senders)
                lines.append(f"| {source} | {message.replace(':', ' ')} | {who} | {target} |")
            if source in machine.terminal:
                lines.append(f"| {source} | | | terminal |")
    return "\n".join(lines) + "\n"
