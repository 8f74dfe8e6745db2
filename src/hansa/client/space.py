"""The node, its space, and what publishing and the map answer."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from hansa.client.model import Dataset, Event, Party


class OwnParticipant(msgspec.Struct, frozen=True, kw_only=True):
    """A participant that the node hosts."""

    id: str
    title: str
    did: str
    role: Literal["city", "authority"]


class NodeInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The node: where it answers, what it hosts, its memory in MB."""

    name: str
    version: str
    role: str
    url: str
    started_at: datetime
    participants: list[OwnParticipant]
    rss_mb: float
    backend: str
    pid: int


class SignInLink(msgspec.Struct, frozen=True, kw_only=True):
    """A link that signs in once, within `valid_s` seconds."""

    url: str
    valid_s: int


class TemplateParameter(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a template."""

    name: str
    title: str
    kind: str
    required: bool
    help: str


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """Terms to choose: a sentence, fields, and examples of what passes and what does not."""

    id: str
    title: str
    sentence: str
    parameters: list[TemplateParameter]
    allows: list[str]
    denies: list[str]
    any_of: bool = False


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """A running transfer, as the overview shows it; `items_per_min` over the last minute.

    `error`: why its data can't be delivered now.
    """

    transfer_id: str
    sender: Party = msgspec.field(name="from")
    receiver: Party = msgspec.field(name="to")
    title: str
    state: str
    items_per_min: float
    last_at: datetime | None
    direction: Literal["in", "out"]
    error: str | None = None


class AuthorityInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The authority of the space, and how old its last status list is."""

    did: str
    title: str
    url: str | None
    status_age_s: float | None
    reachable: bool


class MembershipInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Our own membership: none, requested, member, refused or suspended."""

    state: str
    since: datetime | None = None
    credential_id: str | None = None
    reason: str | None = None


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """How things stand, in a sentence, in numbers, and what happened last."""

    participant: OwnParticipant
    state: str
    sentence: str
    counts: dict[str, int]
    flows: list[Flow]
    events: list[Event]
    authority: AuthorityInfo | None
    membership: MembershipInfo


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A member of the space; the authority knows more of it than others do."""

    did: str
    title: str
    url: str
    state: str
    since: datetime | None = None
    valid_until: datetime | None = None
    credential_id: str | None = None
    status_index: int | None = None
    roles: list[str] = []
    reason: str | None = None


class JoinRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request to become a member."""

    id: str
    did: str
    title: str
    url: str
    message: str
    state: str
    at: datetime
    reason: str | None = None
    decided_at: datetime | None = None


class SourceInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a built-in source wrote; `already`: it was there before."""

    entities: int
    instances: int
    already: bool


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """A row that was set aside, and why."""

    line: int | None
    field: str
    code: str
    reason: str
    raw: Any = None


class Publication(msgspec.Struct, frozen=True, kw_only=True):
    """What came of publishing a source: the dataset, and the rows that were set aside."""

    dataset: Dataset
    accepted: int
    rejected: list[Rejection]
    rejected_count: int
    rejected_by: dict[str, int]
    entities: int
    instances: int
    notes: list[str]


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """How a source would be read, with the first entities that come of it."""

    mapping: dict[str, Any]
    preview: list[dict[str, Any]]
    rejected: list[Rejection]
    rejected_count: int
    accepted: int
    rows: int
    attributes: list[dict[str, Any]]
    bbox: list[float] | None


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """A layer of the map; its features and its history are at the two addresses."""

    id: str
    title: str
    kind: Literal["own", "received"]
    url: str
    history_url: str
    geometry: str
    attribute: dict[str, Any] | None
    labels: list[str]
    publisher: str
    terms: str | None
    area: str | None
    extrude: dict[str, str] | None
    stopped: str | None
    attribution: str
    dataset_id: str
    transfer_id: str | None
    live: bool


class Map(msgspec.Struct, frozen=True, kw_only=True):
    """The map of a participant."""

    bbox: list[float] | None
    attribution: list[str]
    layers: list[Layer]
    tiles: dict[str, str] | None
    time: dict[str, Any]


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """The course of an attribute: pairs of instant and value, None for a gap."""

    attribute: str
    title: str
    unit: str | None
    labels: list[str]
    entity: str | None
    aggregation: str | None
    points: list[tuple[str, float | None]]
