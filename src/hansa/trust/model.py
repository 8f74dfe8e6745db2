"""Members, join requests and the pinned authority as values."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec


class MemberState(StrEnum):
    """Whether a member's credential counts."""

    active = "active"
    suspended = "suspended"


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A member as its authority knows it. `since` to `valid_until` is the credential's validity."""

    did: str
    title: str
    url: str
    state: MemberState
    since: datetime
    valid_until: datetime
    credential_id: str
    status_index: int
    roles: tuple[str, ...] = ()
    reason: str | None = None


class RequestState(StrEnum):
    """Where a join request stands."""

    pending = "pending"
    approved = "approved"
    refused = "refused"


class JoinRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request to become a member, as its authority keeps it: one per DID."""

    id: str
    did: str
    title: str
    url: str
    message: str
    state: RequestState
    at: datetime
    reason: str | None = None
    decided_at: datetime | None = None


class Anchor(msgspec.Struct, frozen=True, kw_only=True):
    """The authority that a participant chose to trust, with its last DID document."""

    did: str
    url: str
    document: dict[str, Any]
    pinned_at: datetime


class Joining(msgspec.Struct, frozen=True, kw_only=True):
    """How a participant's own membership stands: `requested`, `member` or `refused`."""

    state: str
    authority_did: str
    authority_url: str
    message: str
    asked_at: datetime
    request_id: str | None = None
    reason: str | None = None
    since: datetime | None = None
    credential_id: str | None = None


class MembershipView(msgspec.Struct, frozen=True, kw_only=True):
    """A participant's own membership for people.

    `state` is none, requested, member, refused or suspended. `status_age_s` is the age of the
    authority's last status list; `reachable` says whether the last attempt to fetch it succeeded.
    """

    state: str
    since: datetime | None = None
    credential_id: str | None = None
    reason: str | None = None
    authority_did: str | None = None
    authority_url: str | None = None
    status_age_s: float | None = None
    reachable: bool = False


class DirectoryEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A member as other members see it."""

    did: str
    title: str
    url: str
    state: str
