"""What the operations of the management API take: the bodies as types, with their bounds."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from hansa.catalogue import Attribute, Temporal
from hansa.client import Step
from hansa.node.management.data import DatasetBody
from hansa.node.management.resources import ResourceFrom

Text = Annotated[str, Meta(min_length=1, max_length=4000, pattern=r"\S")]
Words = Annotated[str, Meta(max_length=4000)]
Names = Annotated[tuple[Text, ...], Meta(max_length=50)]
Object = dict[str, Any]
Box = tuple[float, float, float, float]


class Reason(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why; the other side reads it."""

    reason: Text


class Join(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which authority to ask, with a word to its operator."""

    authority_url: Text
    message: Words = ""


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A built-in source and which half of it."""

    kind: Literal["delft-energy"]
    half: Literal["delft-west", "delft-east"]


class NewDataset(DatasetBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A dataset: entities that are in the broker, or with `resource` bytes as they are."""

    resource: ResourceFrom | None = None


class DatasetChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to say differently about a dataset; members left out stay as they are.

    `template` with `parameters` replaces its offers by one; `approval` says who decides requests.
    """

    title: Text | UnsetType = UNSET
    description: Words | UnsetType = UNSET
    licence: Words | UnsetType = UNSET
    attribution: Words | UnsetType = UNSET
    labels: Names | UnsetType = UNSET
    keywords: Names | UnsetType = UNSET
    themes: Names | UnsetType = UNSET
    attributes: tuple[Attribute, ...] | UnsetType = UNSET
    bbox: Box | UnsetType | None = UNSET
    temporal: Temporal | UnsetType | None = UNSET
    template: Text | UnsetType = UNSET
    parameters: Object = {}
    approval: Literal["automatic", "operator"] | UnsetType = UNSET


class Suggest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A source by its URL, and perhaps a mapping to try."""

    url: Text
    mapping: Object | None = None


class Publish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A source by its URL, and the dataset to make of it."""

    url: Text
    title: Text
    template: Text
    mapping: Object | None = None
    parameters: Object | None = None
    licence: Words = ""
    attribution: Words = ""


class Negotiate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which dataset of whom, under which offer of its catalogue, or under terms of our own.

    `counterparty_url` is the DSP base URL of a provider that the directory does not know; then
    `offer` must be given, because no catalogue is read.
    """

    provider_did: Text
    dataset_id: Text
    offer_id: Text | None = None
    offer: Object | None = None
    counterparty_url: Text | None = None


class MakeOffer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which of our datasets to offer to whom, under which of its offers."""

    consumer_did: Text
    dataset_id: Text
    offer_id: Text
    counterparty_url: Text | None = None


class Counter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Other terms: an ODRL offer, or a template with its parameters."""

    offer: Object | None = None
    template: Words = ""
    parameters: Object = {}


class TermsDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A template with its parameters."""

    template: Text
    parameters: Object = {}


class ImportAgreement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An agreement that was concluded elsewhere: its ODRL with `@id`, and what it is about."""

    agreement: Object
    role: Literal["consumer", "provider"]
    counterparty: Text
    dataset_id: Text
    counterparty_url: Text | None = None


class Address(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a push goes (DSP 2025-1 `DataAddress`); the values are texts."""

    endpoint_type: Text
    endpoint: Text | None = None
    properties: Annotated[dict[str, Words], Meta(max_length=50)] = {}


class RequestTransfer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Under which agreement, in which format; for a push, where to."""

    agreement_id: Text
    format: Text = "HttpData-PULL"
    data_address: Address | None = None
    counterparty_url: Text | None = None


class ScriptSteps(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to do in which state."""

    steps: Annotated[tuple[Step, ...], Meta(max_length=100)]


class NewWebhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to, which events (`*`, `negotiation.*` or `transfer.started`), and a secret.

    A `secret` is `whsec_` and 24 to 64 bytes in Base64; without one the node makes it.
    """

    url: Text
    events: Annotated[tuple[Text, ...], Meta(min_length=1, max_length=50)] = ("*",)
    secret: Text | None = None
