"""What a data flow is: its states, its table of transitions, its progress. No I/O."""

from __future__ import annotations

from datetime import datetime
from enum import Enum, StrEnum, auto
from typing import Final

import msgspec

from hansa.dataplane.model import DataAddress
from hansa.kernel.store import Kind


class FlowState(StrEnum):
    """States of a data flow (Data Plane Signaling 1.0); INITIALIZED is never on the wire."""

    INITIALIZED = "INITIALIZED"
    PREPARING = "PREPARING"
    PREPARED = "PREPARED"
    STARTING = "STARTING"
    STARTED = "STARTED"
    SUSPENDED = "SUSPENDED"
    COMPLETED = "COMPLETED"
    TERMINATED = "TERMINATED"


class FlowRole(StrEnum):
    """Which side of a flow this participant is."""

    consumer = "consumer"
    provider = "provider"


_S = FlowState
FLOW_TRANSITIONS: Final[tuple[tuple[FlowState, str, FlowState], ...]] = (
    (_S.INITIALIZED, "prepare", _S.PREPARED),
    (_S.INITIALIZED, "prepare, not ready yet", _S.PREPARING),
    (_S.INITIALIZED, "start", _S.STARTED),
    (_S.INITIALIZED, "start, not ready yet", _S.STARTING),
    (_S.PREPARING, "ready", _S.PREPARED),
    (_S.PREPARED, "start", _S.STARTED),
    (_S.PREPARED, "start, not ready yet", _S.STARTING),
    (_S.PREPARED, "started", _S.STARTED),
    (_S.STARTING, "ready", _S.STARTED),
    (_S.STARTED, "suspend", _S.SUSPENDED),
    (_S.STARTED, "complete", _S.COMPLETED),
    (_S.SUSPENDED, "resume", _S.STARTED),
    *((state, "terminate", _S.TERMINATED) for state in tuple(_S)[:6]),
)
"""Every arrow: in a state, a call leads to a state (Data Plane Signaling 1.0, 9.2)."""

ENDED: Final = frozenset({FlowState.COMPLETED, FlowState.TERMINATED})
_ARROWS: Final = frozenset((source, target) for source, _, target in FLOW_TRANSITIONS)


def may_move(source: FlowState, target: FlowState) -> bool:
    """Say whether the table has an arrow from one state to the other."""
    return (source, target) in _ARROWS


class NotReady(Enum):
    """What a plane answers that needs time; it says `Flows.ready` when it is."""

    NOT_READY = auto()


NOT_READY: Final = NotReady.NOT_READY
PlaneAnswer = DataAddress | NotReady | None
"""The address that the counterparty needs, none, or not ready yet."""


class Opened(msgspec.Struct, frozen=True):
    """What `prepare` and `start` of a flow gave; `ready` False: ask again after `ready`."""

    address: DataAddress | None = None
    ready: bool = True


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a flow is: body bytes, items (entities or files), where to go on, the last error.

    `position` is the plane's own word; `digest` is what was sent or received in all. Of an error
    `told` is what the other side may read, `attempts` failed in a row, and `next_at` is when it is
    tried again by itself.
    """

    bytes: int = 0
    items: int = 0
    total_bytes: int | None = None
    position: str = ""
    digest: str | None = None
    last_at: datetime | None = None
    error: str | None = None
    told: str | None = None
    attempts: int = 0
    next_at: datetime | None = None


class DataFlow(msgspec.Struct, frozen=True, kw_only=True):
    """One data flow of one participant; `id` is its transfer process's id.

    `sealed` is the counterparty's address, `opened` the one we gave (both encrypted). `plane` names
    the foreign plane that moves the data (empty: one of ours), `control` the foreign control plane
    that asked for it (empty: our own exchange). `renews` False: the consumer can't renew tokens, so
    its access lasts as long as the transfer. `elsewhere`: the consumer's operator named the address
    of a push, so that the data do not come to this node.
    """

    id: str
    role: FlowRole
    profile: str
    agreement_id: str
    dataset_id: str
    counterparty: str
    created: datetime
    modified: datetime
    state: FlowState = FlowState.INITIALIZED
    sealed: bytes | None = None
    opened: bytes | None = None
    progress: Progress = Progress()
    reason: str | None = None
    plane: str = ""
    control: str = ""
    renews: bool = True
    elsewhere: bool = False

    @property
    def push(self) -> bool:
        """Say whether the provider sends; else the consumer fetches."""
        return is_push(self.profile)

    @property
    def sends(self) -> bool:
        """Say whether it is us who sends: a push that we provide."""
        return self.push and self.role is FlowRole.provider

    @property
    def passes_by(self) -> bool:
        """Say whether data come to us that only the provider counts: none of our planes does."""
        ours = self.push and self.role is FlowRole.consumer
        return ours and (self.elsewhere or bool(self.plane))


def is_push(profile: str) -> bool:
    """Say whether a profile or format names a push: the end of its name says so."""
    return profile.lower().endswith("-push")


FLOW: Kind[DataFlow] = Kind(
    name="dataplane_flow",
    type=DataFlow,
    key=lambda flow: flow.id,
    indexes={
        "agreement": lambda flow: flow.agreement_id,
        "state": lambda flow: flow.state.value,
        "control": lambda flow: flow.control or None,
        "plane": lambda flow: flow.plane or None,
        "runs": lambda flow: "sends" if flow.sends and flow.state is FlowState.STARTED else None,
    },
)


def flow_states_markdown() -> str:
    """Render the table as a section of `docs/reference/state-machines.md`."""
    lines = [
        "",
        "## DataFlow (Data Plane Signaling 1.0)",
        "",
        "Generated from `hansa.dataplane.flow`. A call that finds its state already does nothing.",
        "",
        "| in state | call | leads to |",
        "|---|---|---|",
    ]
    for state in FlowState:
        lines += [f"| {a} | {call} | {b} |" for a, call, b in FLOW_TRANSITIONS if a is state]
        if state in ENDED:
            lines.append(f"| {state} | | terminal |")
    return "\n".join(lines) + "\n"
