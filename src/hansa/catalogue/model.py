"""Datasets with their offers, as we keep them and as we read them from others. No I/O."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from hansa.kernel.store import Kind
from hansa.policy import Cut

HTTP_PULL = "HttpData-PULL"
HTTP_PUSH = "HttpData-PUSH"
SFTP_PUSH = "Sftp-PUSH"
NGSI_LD_PUSH = "NgsiLd-PUSH"
MQTT_PUSH = "Mqtt-PUSH"
FORMATS_OF_ENTITIES = (HTTP_PULL, NGSI_LD_PUSH, MQTT_PUSH, HTTP_PUSH, SFTP_PUSH)
FORMATS_OF_A_RESOURCE = (HTTP_PULL, HTTP_PUSH, SFTP_PUSH)
"""Transfer formats (DSP tokens, not media types) that a dataset of ours offers, by what it is."""

Approval = Literal["automatic", "operator"]
"""Who decides about a request for a contract: the policy, or a person."""

Bbox = tuple[float, float, float, float]
"""West, south, east, north in degrees, WGS84 lon/lat (EPSG:4326 in axis order x, y)."""


class Attribute(msgspec.Struct, frozen=True, kw_only=True):
    """One attribute that the entities of a dataset carry.

    `kind` is the NGSI-LD attribute type, `unit_code` a UN/CEFACT code, `origin` the column or
    member of the source that it was read from.
    """

    name: str
    kind: str = "Property"
    title: str = ""
    unit_code: str | None = None
    unit: str | None = None
    origin: str | None = None


class Temporal(msgspec.Struct, frozen=True, kw_only=True):
    """The span of observation time that a dataset covers, in UTC; None is open."""

    start: datetime | None = None
    end: datetime | None = None


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which entities of the broker make up the dataset: types (expanded IRIs) and id prefix."""

    types: tuple[str, ...] | None = None
    id_prefix: str | None = None

    def cut(self) -> Cut:
        """Give the selection as the restriction that a policy starts from."""
        types = None if self.types is None else frozenset(self.types)
        return Cut(types=types, id_prefix=self.id_prefix)


NO_ENTITIES = Selection(types=())
"""The selection of a dataset that is bytes: its token opens nothing of the broker."""


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes that a dataset is made of: a file of the node, or what an HTTP address gives.

    `digest` is the SHA-256 in hex, `size` bytes; both None while they are not known (`http` only).
    `location` (a path below the participant's folder of files, or a URL), `stamp` (the file's time
    of change when it was digested, ns) and `sealed` (headers for the upstream, encrypted under
    `id`) are the publisher's own: they are on no wire.
    """

    id: str
    kind: Literal["file", "http"]
    name: str
    location: str
    media_type: str = "application/octet-stream"
    size: int | None = None
    digest: str | None = None
    stamp: int | None = None
    sealed: bytes | None = None


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """An ODRL Offer of one dataset; `template` and `parameters` are what it was written from."""

    id: str
    odrl: dict[str, Any]
    template: str | None = None
    parameters: dict[str, Any] = {}


class OfferDraft(msgspec.Struct, frozen=True, kw_only=True):
    """An offer to be published. Without `id` it gets a fresh one."""

    odrl: dict[str, Any]
    template: str | None = None
    parameters: dict[str, Any] = {}
    id: str | None = None


class Dataset(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset of ours. `visible_to` None means every authenticated participant."""

    id: str
    name: str
    title: str
    publisher: str
    created: datetime
    modified: datetime
    offers: tuple[Offer, ...]
    description: str = ""
    publisher_name: str = ""
    selection: Selection = Selection()
    attributes: tuple[Attribute, ...] = ()
    bbox: Bbox | None = None
    temporal: Temporal | None = None
    licence: str | None = None
    attribution: str | None = None
    labels: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    themes: tuple[str, ...] = ()
    visible_to: tuple[str, ...] | None = None
    words: tuple[str, ...] = ()
    resource: Resource | None = None
    approval: Approval = "automatic"

    @property
    def formats(self) -> tuple[str, ...]:
        """Give the transfer formats, the usual one first."""
        return FORMATS_OF_ENTITIES if self.resource is None else FORMATS_OF_A_RESOURCE

    @property
    def types(self) -> tuple[str, ...]:
        """Give the entity types (expanded IRIs)."""
        return self.selection.types or ()

    def offer(self, offer_id: str) -> Offer | None:
        """Give one of the offers, or None."""
        return next((offer for offer in self.offers if offer.id == offer_id), None)


class DatasetDraft(msgspec.Struct, frozen=True, kw_only=True):
    """What a publisher says about a dataset. Without `id` and `name` it gets fresh ones."""

    title: str
    offers: tuple[OfferDraft, ...]
    id: str | None = None
    name: str | None = None
    description: str = ""
    selection: Selection = Selection()
    attributes: tuple[Attribute, ...] = ()
    bbox: Bbox | None = None
    temporal: Temporal | None = None
    licence: str | None = None
    attribution: str | None = None
    labels: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    themes: tuple[str, ...] = ()
    visible_to: tuple[str, ...] | None = None
    resource: Resource | None = None
    approval: Approval = "automatic"


class RemoteResource(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider says about the bytes that its dataset is made of; `digest` SHA-256 in hex."""

    media_type: str
    name: str = ""
    size: int | None = None
    digest: str | None = None


class RemoteOffer(msgspec.Struct, frozen=True, kw_only=True):
    """An offer as its provider sent it (`odrl` without `target`)."""

    id: str
    odrl: dict[str, Any]


class RemoteDataset(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset read from another participant's catalogue.

    Members that the provider did not send are empty. `modified` and `temporal` are instants in UTC.
    """

    id: str
    title: str
    publisher: str
    offers: tuple[RemoteOffer, ...]
    description: str = ""
    publisher_name: str = ""
    endpoint_url: str | None = None
    formats: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    bbox: Bbox | None = None
    temporal: Temporal | None = None
    licence: str | None = None
    attribution: str | None = None
    labels: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    themes: tuple[str, ...] = ()
    modified: datetime | None = None
    resource: RemoteResource | None = None

    def offer(self, offer_id: str) -> RemoteOffer | None:
        """Give one of the offers, or None."""
        return next((offer for offer in self.offers if offer.id == offer_id), None)


class RemoteCatalogue(msgspec.Struct, frozen=True, kw_only=True):
    """What one participant offers us, or why we could not read it (`error`, for a person).

    `truncated` says that the provider has more than we read.
    """

    did: str
    title: str
    datasets: tuple[RemoteDataset, ...] = ()
    error: str | None = None
    code: str | None = None
    truncated: bool = False

    @property
    def reachable(self) -> bool:
        """Say whether the catalogue was read."""
        return self.error is None


class RemotePage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of another participant's catalogue; `more` says that it has another."""

    title: str
    datasets: tuple[RemoteDataset, ...]
    more: bool = False


class Party(msgspec.Struct, frozen=True):
    """A participant of the data space that we may ask for its catalogue."""

    did: str
    title: str


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Some datasets in order of their id; `next` and `previous` are cursors, None at the ends."""

    items: tuple[Dataset, ...]
    next: str | None = None
    previous: str | None = None


class FoundOffer(msgspec.Struct, frozen=True, kw_only=True):
    """An offer that a caller may negotiate, with the dataset that it is an offer of."""

    offer: Offer
    dataset: Dataset


EVERYONE = "*"


def _readers(dataset: Dataset) -> tuple[str, ...]:
    return (EVERYONE,) if dataset.visible_to is None else dataset.visible_to


DATASET: Kind[Dataset] = Kind(
    name="catalogue_dataset",
    often=True,
    type=Dataset,
    key=lambda dataset: dataset.id,
    indexes={
        "name": lambda dataset: dataset.name,
        "offer": lambda dataset: tuple(offer.id for offer in dataset.offers),
        "reader": _readers,
        "word": lambda dataset: dataset.words,
        "type": lambda dataset: dataset.types,
        "theme": lambda dataset: dataset.themes,
        "publisher": lambda dataset: dataset.publisher,
    },
)
"""Found by each word, so that a search costs the same however many datasets there are."""
