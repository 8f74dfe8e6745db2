"""Negotiations, agreements, transfers as the management API answers them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from hansa.client.model import Attribute, Party, Terms

Role = Literal["consumer", "provider"]


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A protocol message of a negotiation or transfer, with one sentence that says what it means.

    `delivered` is false for a message of ours that is on its way; then `attempts`, `due` (the next
    try) and `error` (of the last one) say how it fares.
    """

    id: str
    at: datetime
    direction: Literal["sent", "received"]
    type: str
    sender: Party = msgspec.field(name="from")
    receiver: Party = msgspec.field(name="to")
    summary: str
    body: dict[str, Any]
    delivered: bool
    attempts: int | None
    due: datetime | None
    error: str | None


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """How the message that is on its way fares: tries so far, the next one, the last error."""

    attempts: int
    due: datetime | None
    error: str | None


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why it came to nothing: who ended it, the code, the reasons, one sentence, what to do next.

    `title` is the counterparty's when it was the counterparty.
    """

    by: Literal["own", "counterparty"]
    title: str | None
    code: str
    reasons: list[str]
    sentence: str
    next: str


class Pids(msgspec.Struct, frozen=True, kw_only=True):
    """The two sides' ids of one process."""

    consumer: str | None
    provider: str | None


class FilledTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """A template and its parameters that say the same as the terms on the table."""

    template: str
    parameters: dict[str, Any]


class Negotiation(msgspec.Struct, frozen=True, kw_only=True):
    """One negotiation; `actions` are the operations that are possible now.

    `waiting`: the next message is ours to decide. `pending`: the message on its way.
    `their_state`: it ended here, and the counterparty shows this other state.
    """

    id: str
    role: Role
    state: str
    pending: str | None
    waiting: bool
    actions: list[str]
    counterparty: Party
    dataset_id: str
    dataset_title: str
    terms: Terms
    odrl: dict[str, Any]
    agreement_id: str | None
    error: str | None
    refusal: Refusal | None
    delivery: Delivery | None
    messages: list[Message]
    created: datetime
    modified: datetime
    pids: Pids
    attributes: list[Attribute] = []
    bbox: list[float] | None = None
    filled: FilledTemplate | None = None
    their_state: str | None = None
    messages_left_out: int = 0


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What was read: answers, entities in them, bytes.

    Where the terms limit the number of uses, `counted` of `limit` are gone; the provider's number
    counts, the consumer's is what it saw itself.
    """

    requests: int
    entities: int
    bytes: int
    last_at: datetime | None
    limit: int | None = None
    counted: int | None = None


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far the data flow of a transfer is; `state` is that of the flow (DPS 1.0).

    `source`: own counts, or what the provider says of a push to a broker or server that is not this
    node. Then `bytes` and `items` are None when it does not tell, or was not asked: it is when one
    transfer is read. `attempts` failed since the last item, `due` is the next one.
    """

    source: Literal["own", "provider"]
    state: str
    bytes: int | None
    items: int | None
    total_bytes: int | None
    rate_bytes_s: float | None
    last_at: datetime | None
    digest: str | None
    error: str | None
    attempts: int
    due: datetime | None


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """What a contract cuts away, as its provider sees it."""

    entities_total: int
    entities_visible: int
    attributes_withheld: list[str]
    why: list[str]


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """One transfer; `actions` are the operations that are possible now."""

    id: str
    role: Role
    agreement_id: str
    state: str
    pending: str | None
    waiting: bool
    actions: list[str]
    suspended_by: Role | None
    format: str
    counterparty: Party
    dataset_id: str
    dataset_title: str
    created: datetime
    modified: datetime
    last_item: datetime | None
    usage: Usage
    progress: Progress | None
    endpoint: str | None
    error: str | None
    refusal: Refusal | None
    delivery: Delivery | None
    messages: list[Message]
    pids: Pids
    cut: Cut | None = None
    terms: Terms | None = None
    agreement_state: str | None = None
    their_state: str | None = None
    messages_left_out: int = 0


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """One agreement with its transfers and their use."""

    id: str
    role: Role
    counterparty: Party
    dataset_id: str
    dataset_title: str
    terms: Terms
    odrl: dict[str, Any]
    state: Literal["active", "ended"]
    ended_reason: str | None
    ended_at: datetime | None
    ended_by: str | None
    signed_at: datetime
    until: datetime | None
    formats: list[str]
    transfers: list[Transfer]
    usage: Usage
    cut: Cut | None
    attributes: list[Attribute] = []
    bbox: list[float] | None = None


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened under an agreement; `kind` says which other members are there."""

    id: str
    at: datetime
    kind: Literal["negotiation", "transfer", "refused", "signed", "usage", "told", "ended"]
    summary: str
    process: str | None = None
    direction: Literal["sent", "received"] | None = None
    type: str | None = None
    sender: Party | None = msgspec.field(name="from", default=None)
    receiver: Party | None = msgspec.field(name="to", default=None)
    body: dict[str, Any] | None = None
    requests: int | None = None
    entities: int | None = None
    bytes: int | None = None
    by: Party | None = None
    reason: str | None = None


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """How terms differ from those published: sentences added, and sentences left out."""

    added: list[str]
    left_out: list[str]


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """A negotiation or transfer that waits for the operator; `summary` says what is asked."""

    kind: Literal["negotiation", "transfer"]
    id: str
    role: Role
    state: str
    summary: str
    actions: list[str]
    counterparty: Party
    dataset_id: str
    dataset_title: str
    terms: Terms
    changes: Changes | None
    messages: list[Message]
    created: datetime
    modified: datetime


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """Other terms, not yet sent."""

    terms: Terms
    odrl: dict[str, Any]


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """Where and with which secret a running transfer is read."""

    endpoint: str
    authorization: str
    curl: str
    qgis: dict[str, Any] | None = None
    download: dict[str, Any] | None = None


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a script: in state `on` do `do`, `times` per process, after `after_s`."""

    on: str
    do: str
    role: Role | None = None
    after_s: float = 0.0
    times: int = 1
    terms: dict[str, Any] | None = None
    code: str = ""
    reason: str = ""


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """How this side answers by itself for one dataset or agreement (`subject`)."""

    subject: str
    steps: list[Step]
    modified: datetime
