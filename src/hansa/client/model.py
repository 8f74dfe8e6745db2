"""What the management API answers, as types: the client decodes into them, OpenAPI is made of them.

A member that a newer node adds is ignored; one that this version knows is always sent, unless it
has a default. Instants are UTC.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

import msgspec

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """Some items of a list; `next` is the cursor of the page that follows, None at the end."""

    items: list[T]
    next: str | None = None


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """A participant of the data space."""

    did: str
    title: str


# -- terms and data --------------------------------------------------------------------------------


class Where(msgspec.Struct, frozen=True, kw_only=True):
    """An area: WKT, its bounds [west, south, east, north] in degrees, and words."""

    wkt: str
    bbox: tuple[float, float, float, float]
    text: str


class When(msgspec.Struct, frozen=True, kw_only=True):
    """A span of observation times, the end not included, and words."""

    start: datetime | None
    end: datetime | None
    text: str


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """Attributes by name: visible under the terms, and withheld."""

    granted: list[str]
    withheld: list[str]


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """Terms in plain words; `limits` are those that no other member shows."""

    summary: str
    sentences: list[str]
    who: str
    what: str
    whom: str
    where: Where | None
    when: When | None
    purpose: str | None
    attributes: Shown
    limits: list[str]
    until: datetime | None


class Attribute(msgspec.Struct, frozen=True, kw_only=True):
    """An attribute of a dataset's entities; `unit_code` is UN/CEFACT Recommendation 20."""

    name: str
    title: str
    unit_code: str | None
    unit: str | None
    kind: str | None


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """An offer of a dataset: the ODRL policy, and what it says."""

    id: str
    odrl: dict[str, Any]
    terms: Terms


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """From when to when; None is open."""

    start: datetime | None
    end: datetime | None


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """The bytes that a dataset is made of; `digest` is SHA-256 in hex."""

    name: str
    media_type: str
    size: int | None
    digest: str | None


class Dataset(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset, own or of another member."""

    id: str
    title: str
    description: str
    publisher: Party
    own: bool
    types: list[str]
    attributes: list[Attribute]
    bbox: list[float] | None
    temporal: Span | None
    labels: list[str]
    keywords: list[str]
    themes: list[str]
    licence: str
    attribution: str
    modified: datetime | None
    freshness_s: int | None
    entities: int | None
    agreement_id: str | None
    offers: list[Offer]
    formats: list[str]
    resource: Resource | None
    approval: Literal["automatic", "operator"] | None


class Publisher(msgspec.Struct, frozen=True, kw_only=True):
    """A member whose catalogue was asked, and whether it answered."""

    did: str
    title: str
    reachable: bool
    error: str | None


class CataloguePage(msgspec.Struct, frozen=True, kw_only=True):
    """What matches in the catalogues of all members."""

    items: list[Dataset]
    publishers: list[Publisher]
    next: str | None = None


# -- events, webhooks ------------------------------------------------------------------------------


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened. `kind` is `<noun>.<what>`, `subject` the id of the noun."""

    id: str
    at: datetime
    kind: str
    text: str
    subject: str | None


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """A receiver of events; `error` is that of the last try, None when it succeeded.

    `state` is `disabled` after a day without one success, or when the receiver answered 410.
    """

    id: str
    url: str
    events: list[str]
    state: Literal["active", "disabled"]
    delivered: int
    waiting: int
    attempts: int
    last_at: datetime | None
    failing_since: datetime | None
    error: str | None
    created: datetime
    secret: str | None = None
