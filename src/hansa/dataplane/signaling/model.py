"""Who takes part in signaling: foreign data planes, foreign control planes, and their flows."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from hansa.dataplane.flow import FlowState
from hansa.kernel.store import Kind


class PeerKind(StrEnum):
    """Whether a peer moves data for us or asks us to."""

    data_plane = "dataplane"
    control_plane = "controlplane"


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """A registered plane. `sealed` is its authorization with the secret, encrypted.

    `digest` is the SHA-256 of its bearer secret, by which its calls are known.
    """

    kind: PeerKind
    id: str
    endpoint: str
    profiles: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    authorization: str
    sealed: bytes
    digest: str | None = None
    modified: datetime


def peer_key(kind: PeerKind, peer_id: str) -> str:
    """Give the key of a peer: the kinds have names of their own."""
    return f"{kind.value} {peer_id}"


PEER: Kind[Peer] = Kind(
    name="signaling_peer",
    type=Peer,
    key=lambda peer: peer_key(peer.kind, peer.id),
    indexes={"kind": lambda peer: peer.kind.value, "digest": lambda peer: peer.digest},
)


class Driven(msgspec.Struct, frozen=True, kw_only=True):
    """A flow that a foreign data plane moves: what it calls it, and where it stands there.

    `opened` is the address that it gave, encrypted. `polls` counts how often it was asked after a
    202, `silent` how often that told nothing that helps.
    """

    flow_id: str
    plane: str
    remote_id: str
    state: FlowState
    opened: bytes | None = None
    polls: int = 0
    silent: int = 0


DRIVEN: Kind[Driven] = Kind(
    name="signaling_driven",
    type=Driven,
    key=lambda driven: driven.flow_id,
    indexes={"plane": lambda driven: driven.plane},
)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A flow that a foreign control plane asked for; `callback` is where it wants to be told.

    `message_id` is that of the last prepare or start, by which a repeat is known.
    """

    flow_id: str
    control: str
    callback: str
    message_id: str


ASKED: Kind[Asked] = Kind(
    name="signaling_asked",
    type=Asked,
    key=lambda asked: asked.flow_id,
    indexes={"control": lambda asked: asked.control},
)


class Vouched(msgspec.Struct, frozen=True, kw_only=True):
    """An agreement as a foreign control plane told it (GET /transfers/:id/agreement)."""

    id: str
    control: str
    policy: dict[str, Any]


VOUCHED: Kind[Vouched] = Kind(
    name="signaling_agreement", type=Vouched, key=lambda vouched: vouched.id
)
