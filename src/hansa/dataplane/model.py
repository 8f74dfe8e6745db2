"""Grants, what governs them, what was used, and the access we received. No I/O."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from hansa.identity import Membership
from hansa.kernel.store import Kind
from hansa.policy import Cut

ENDPOINT_TYPE = "https://w3id.org/idsa/v4.1/HTTP"
"""What a pull address is called on the wire (DSP 2025-1, example of TransferStartMessage)."""

TOKENS_MAX = 4
"""How many tokens of one running grant count: a repeated start must not break the first one."""


class GrantState(StrEnum):
    """What a grant lets through: `started` something, the others nothing."""

    started = "started"
    suspended = "suspended"
    ended = "ended"


class DataAddress(msgspec.Struct, frozen=True, kw_only=True):
    """Where and with which secret data are fetched or sent (DSP 2025-1 9.1 `DataAddress`).

    `properties` are its further endpoint properties (`topic`, `refreshToken`, ...). No secret is in
    the representation of this object, so that it cannot slip into a log.
    """

    endpoint: str
    authorization: str = ""
    endpoint_type: str = ENDPOINT_TYPE
    auth_type: str = "bearer"
    properties: dict[str, str] = {}

    @property
    def sendable(self) -> bool:
        """Say whether the secret fits into a header: printable ASCII, no space around it."""
        secret = self.authorization
        return secret.isascii() and secret.isprintable() and secret.strip() == secret

    def __repr__(self) -> str:
        return f"DataAddress(endpoint={self.endpoint!r}, authorization=...)"


class Renewal(msgspec.Struct, frozen=True):
    """A refresh token that counts, and the access token made with it (SHA-256 hex digests)."""

    refresh: str
    access: str


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """The right of one transfer to fetch.

    `tokens` are SHA-256 hex digests, the newest last; `lives` says until when those count that
    expire; `revision` counts writes. `vouched`: a
    foreign control plane asked for the transfer and answers for the consumer's membership.
    """

    transfer_id: str
    agreement_id: str
    dataset_id: str
    consumer: str
    state: GrantState
    tokens: tuple[str, ...]
    created: datetime
    modified: datetime
    reason: str | None = None
    revision: int = 1
    vouched: bool = False
    lives: dict[str, datetime] = {}
    renewals: tuple[Renewal, ...] = ()


GRANT: Kind[Grant] = Kind(
    name="dataplane_grant",
    type=Grant,
    key=lambda grant: grant.transfer_id,
    indexes={
        "token": lambda grant: grant.tokens,
        "refresh": lambda grant: tuple(each.refresh for each in grant.renewals),
        "agreement": lambda grant: grant.agreement_id,
        "consumer": lambda grant: grant.consumer,
        "state": lambda grant: grant.state.value,
    },
)


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """What a consumer showed in its last authenticated message."""

    did: str
    membership: Membership | None = None
    roles: tuple[str, ...] = ()


MEMBER: Kind[Member] = Kind(name="dataplane_member", type=Member, key=lambda member: member.did)


class GoverningAgreement(msgspec.Struct, frozen=True, kw_only=True):
    """An agreement as enforcement needs it.

    `target` is the dataset's id, `selection` what of the broker makes it up, `purpose` what the
    agreement says the data is for. `active` False refuses every request with `ended_reason`.
    """

    id: str
    odrl: dict[str, Any]
    target: str
    selection: Cut
    assignee: str
    active: bool = True
    purpose: str | None = None
    ended_reason: str | None = None


class TransferUsage(msgspec.Struct, frozen=True, kw_only=True):
    """What a transfer has used so far: answers, entities in them, body bytes."""

    transfer_id: str
    agreement_id: str
    requests: int = 0
    entities: int = 0
    bytes: int = 0
    last_at: datetime | None = None


USAGE: Kind[TransferUsage] = Kind(
    name="dataplane_usage", type=TransferUsage, key=lambda usage: usage.transfer_id
)


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """The access that a provider gave us for one transfer; `sealed` None once it was dropped.

    `refresh` is the refresh token, encrypted, for a token that lasts `life_s` until `expires`.
    """

    transfer_id: str
    agreement_id: str
    provider: str
    endpoint: str
    endpoint_type: str
    auth_type: str
    received: datetime
    sealed: bytes | None
    reason: str | None = None
    refresh: bytes | None = None
    refresh_endpoint: str | None = None
    expires: datetime | None = None
    life_s: int = 0


ACCESS: Kind[Access] = Kind(
    name="dataplane_access",
    type=Access,
    key=lambda access: access.transfer_id,
    indexes={
        "agreement": lambda access: access.agreement_id,
        "state": lambda access: "held" if access.sealed is not None else "dropped",
    },
)


class FetchedAnswer(msgspec.Struct, frozen=True):
    """A provider's answer, read whole. Header names are lower case; only harmless ones."""

    status: int
    headers: dict[str, str]
    body: bytes
