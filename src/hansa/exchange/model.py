"""What the Dataspace Protocol keeps: negotiations, agreements, transfers and their messages.

`state` is the state as the specification defines it: it changes when the counterparty has
acknowledged a message. `pending` is the message that was decided and is on its way.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, get_args

import msgspec


class Role(StrEnum):
    """Which side of a process this participant is."""

    consumer = "consumer"
    provider = "provider"

    @property
    def other(self) -> Role:
        """Give the counterparty's side."""
        return Role.provider if self is Role.consumer else Role.consumer


class NegotiationState(StrEnum):
    """States of a contract negotiation (DSP 2025-1 6.2); START is ours: nothing acknowledged."""

    START = "START"
    REQUESTED = "REQUESTED"
    OFFERED = "OFFERED"
    ACCEPTED = "ACCEPTED"
    AGREED = "AGREED"
    VERIFIED = "VERIFIED"
    FINALIZED = "FINALIZED"
    TERMINATED = "TERMINATED"


class TransferState(StrEnum):
    """States of a transfer process (DSP 2025-1 8.2); START is ours: nothing acknowledged."""

    START = "START"
    REQUESTED = "REQUESTED"
    STARTED = "STARTED"
    SUSPENDED = "SUSPENDED"
    COMPLETED = "COMPLETED"
    TERMINATED = "TERMINATED"


class AgreementState(StrEnum):
    """Whether an agreement still counts. The protocol ends none; the parties do."""

    active = "active"
    ended = "ended"


class Pending(msgspec.Struct, frozen=True):
    """The message in flight: its name, the state it leads to, and its action in the outbox."""

    message: str
    to: str
    action: str


class ContractNegotiation(msgspec.Struct, frozen=True, kw_only=True):
    """One negotiation as one side sees it. `id` is this side's own pid.

    `offer` is the last offer on the table, `agreement` the ODRL agreement once there is one.
    `taken` names the counterparty's messages that took effect, so that a repeat is known.
    `entered` counts how often each state was entered. `waiting`: it is our move, and an operator
    is asked. `their_state`: both sides are at an end that differs, and this is the other one.
    `dialect` names how the counterparty deviates from the specification, if it does. `logged`
    counts its messages; `log_head` is the last of those at the beginning that are kept for good.
    """

    id: str
    role: Role
    counterparty: str
    callback: str
    consumer_pid: str | None
    provider_pid: str | None
    dataset_id: str
    offer: dict[str, Any]
    created: datetime
    modified: datetime
    state: NegotiationState = NegotiationState.START
    pending: Pending | None = None
    agreement: dict[str, Any] | None = None
    taken: tuple[str, ...] = ()
    entered: dict[str, int] = {}
    waiting: bool = False
    code: str | None = None
    reason: tuple[str, ...] = ()
    error: str | None = None
    their_state: str | None = None
    dialect: str | None = None
    logged: int = 0
    log_head: str = ""

    @property
    def offer_id(self) -> str:
        """Give the id of the offer on the table."""
        return str(self.offer.get("@id", ""))

    @property
    def agreement_id(self) -> str | None:
        """Give the id of the agreement, once there is one."""
        return None if self.agreement is None else str(self.agreement.get("@id", ""))

    @property
    def peer_pid(self) -> str | None:
        """Give the counterparty's pid, once it is known."""
        return self.provider_pid if self.role is Role.consumer else self.consumer_pid


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """A contract in force between two participants; `policy` is the ODRL agreement.

    `callback` is the counterparty's DSP base where it is known; the directory is asked otherwise.
    `negotiation_id` is empty for an agreement that was imported.
    """

    id: str
    role: Role
    counterparty: str
    negotiation_id: str
    dataset_id: str
    policy: dict[str, Any]
    signed_at: datetime
    callback: str | None = None
    state: AgreementState = AgreementState.active
    ended_at: datetime | None = None
    ended_by: str | None = None
    ended_reason: str | None = None

    @property
    def assigner(self) -> str:
        """Give the provider's DID."""
        return str(self.policy.get("assigner", ""))

    @property
    def assignee(self) -> str:
        """Give the consumer's DID."""
        return str(self.policy.get("assignee", ""))


class DataAddress(msgspec.Struct, frozen=True, kw_only=True):
    """Where data is to be had and with what (DSP 2025-1 8.1.3): names and values are strings."""

    endpoint_type: str
    endpoint: str | None = None
    properties: dict[str, str] = {}


class TransferProcess(msgspec.Struct, frozen=True, kw_only=True):
    """One transfer as one side sees it. `id` is this side's own pid.

    `moved`: our data plane has moved all data; the completion is sent as soon as it may be. The
    other fields are those of `ContractNegotiation`.
    """

    id: str
    role: Role
    counterparty: str
    callback: str
    consumer_pid: str | None
    provider_pid: str | None
    agreement_id: str
    dataset_id: str
    format: str
    created: datetime
    modified: datetime
    state: TransferState = TransferState.START
    pending: Pending | None = None
    suspended_by: Role | None = None
    moved: bool = False
    taken: tuple[str, ...] = ()
    entered: dict[str, int] = {}
    waiting: bool = False
    code: str | None = None
    reason: tuple[str, ...] = ()
    error: str | None = None
    their_state: str | None = None
    dialect: str | None = None
    logged: int = 0
    log_head: str = ""

    @property
    def push(self) -> bool:
        """Say whether the provider sends the data: its format ends in `push`, in any case."""
        return self.format.lower().endswith("push")

    @property
    def live(self) -> bool:
        """Say whether data may flow: started, and nothing that stops it was decided."""
        pending_stop = self.pending is not None and self.pending.to != TransferState.STARTED
        return self.state is TransferState.STARTED and not pending_stop

    @property
    def peer_pid(self) -> str | None:
        """Give the counterparty's pid, once it is known."""
        return self.provider_pid if self.role is Role.consumer else self.consumer_pid


Process = ContractNegotiation | TransferProcess
LOG_FIRST = 100
LOG_LAST = 100
"""Messages of a process that are kept: how it began, and what came last."""


def left_out(process: Process) -> int:
    """Count the messages between the first and the last that the log of a process has no more."""
    return max(0, process.logged - LOG_FIRST - LOG_LAST)


class TransferProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a push is, as its provider tells its consumer.

    `items` and `bytes` were delivered, `total` are the bytes in all where that is known.
    `attempts` failed since the last item, `next_try` follows by itself, `error` says why.
    """

    items: int
    bytes: int
    total: int | None = None
    last_item: datetime | None = None
    attempts: int = 0
    next_try: datetime | None = None
    error: str | None = None


class LogEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One protocol message of a process: `direction` is `sent` (decided) or `received`.

    Access tokens are blanked in `body`.
    """

    id: str
    process: str
    direction: str
    at: datetime
    type: str
    body: dict[str, Any]


class Change(msgspec.Struct, frozen=True):
    """Something committed that others may want to know: what, which, and where it stands."""

    kind: str  # "negotiation", "agreement" or "transfer"
    id: str
    state: str
    pending: str | None = None


class Sending(msgspec.Struct, frozen=True):
    """How the message in flight fares: failed tries, when the next is due, the last error."""

    attempts: int
    due: datetime | None
    error: str | None


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What a `Decider` is asked about: a process in a state that it enters.

    `process` is as it is about to be committed. `message` is the counterparty's message that led
    here; None: ours was acknowledged. `published` is the offer of ours that a consumer answers,
    and `altered` says that its terms differ. `error` is what our data plane reported; the state
    is then the same as before.
    """

    process: Process
    message: str | None = None
    published: dict[str, Any] | None = None
    altered: bool = False
    error: str | None = None


DecisionKind = Literal[
    "follow", "wait", "agree", "refuse", "offer", "request", "accept", "verify", "finalize",
    "start", "suspend", "resume", "complete",
]  # fmt: skip
DECISIONS: tuple[str, ...] = get_args(DecisionKind)


class Decide(msgspec.Struct, frozen=True):
    """A `Decider`'s answer: what to do next, `after_s` seconds from now.

    follow: what the protocol's usual course asks for. wait: leave it to the operator. refuse:
    terminate with a code for programs and a reason for people. offer, request: answer with other
    `terms` (None: those on the table), as provider or as consumer. The others send the message
    of that name.
    """

    kind: DecisionKind = "follow"
    code: str = ""
    reason: str = ""
    terms: dict[str, Any] | None = None
    after_s: float = 0.0

    @classmethod
    def follow(cls) -> Decide:
        """Do what the usual course asks for."""
        return cls()

    @classmethod
    def agree(cls) -> Decide:
        """Send the agreement."""
        return cls("agree")

    @classmethod
    def refuse(cls, code: str, reason: str) -> Decide:
        """Terminate with a code for programs and a reason for people."""
        return cls("refuse", code, reason)

    @classmethod
    def wait(cls) -> Decide:
        """Leave it to the operator."""
        return cls("wait")

    @classmethod
    def offer(cls, terms: dict[str, Any]) -> Decide:
        """Answer with another offer, as provider."""
        return cls("offer", terms=terms)


class ExchangeLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on messages and retries.

    A failed send is tried again after `backoff_s`, doubling up to `backoff_max_s`, for ever; from
    try `attempts_shown` on the process shows the error. A refused message (4xx) is tried
    `refusals_max` times from `refusal_backoff_s`, doubling. One that finds nobody (404) is tried
    `missing_max` times, at most half a second apart: about 5 s in all, for a counterparty that
    begins to listen only after it has read our answer. A data plane that is not ready says when
    it is; it is asked again after `unready_backoff_s`, doubling up to `unready_s`.
    """

    body_bytes_max: int = 1024 * 1024
    timeout_s: float = 10.0
    backoff_s: float = 0.1
    backoff_max_s: float = 30.0
    attempts_shown: int = 4
    refusal_backoff_s: float = 0.05
    refusals_max: int = 6
    missing_max: int = 13
    unready_backoff_s: float = 1.0
    unready_s: float = 30.0
