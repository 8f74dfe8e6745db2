"""What the pages need from outside: one source of the management API's objects.

Every method takes the caller first and makes the same decision as the API: who may do what on a
page is who may do it over HTTP. The objects are those of `/api/v1`, as plain JSON. A method that
refuses raises `HansaError`; the pages show its title, detail and next step.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec
from starlette.requests import Request

from hansa.catalogue import Approval
from hansa.identity import Caller
from hansa.web.ports_trade import TradeSource

Json = dict[str, Any]


class ApprovalChange(msgspec.Struct, frozen=True, kw_only=True):
    """Another answer to who decides requests; the offers of the dataset stay as they are."""

    approval: Approval
    template: str | msgspec.UnsetType = msgspec.UNSET
    parameters: dict[str, Any] = {}


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A source that a person gave: a stored file (`path`, its own `name`), or a `url`."""

    name: str
    path: Path | None = None
    url: str | None = None
    size_bytes: int = 0


class Sessions(Protocol):
    """Sign-in by a one-time link, and the session behind a cookie."""

    async def sign_in(self, token: str) -> str | None:
        """Trade a one-time token for a cookie value; None when it is unknown, used or old."""
        ...

    async def sign_out(self, cookie: str) -> None:
        """End the session behind a cookie value."""
        ...

    async def caller(self, cookie: str) -> Caller | None:
        """Give the caller behind a cookie value; None when there is no such session."""
        ...

    def check_origin(self, request: Request) -> None:
        """Raise HansaError forbidden unless a state-changing request comes from our own pages."""
        ...


class SpaceSource(Protocol):
    """The node, its participants, and who is in the space."""

    async def node(self, caller: Caller) -> Json:
        """Give the node: name, role, url, participants; optional `timezone` (IANA) for display."""
        ...

    async def overview(self, caller: Caller, participant: str) -> Json:
        """Give state sentence, counts, live flows, latest events, authority and membership."""
        ...

    async def members(self, caller: Caller, participant: str) -> Json:
        """Give `{"items": [...]}`, the members of the space."""
        ...

    async def join_requests(self, caller: Caller, participant: str) -> Json:
        """Give `{"items": [...]}`, the requests to join that this authority got."""
        ...

    async def approve_request(self, caller: Caller, participant: str, request_id: str) -> Json:
        """Take the asking participant in."""
        ...

    async def refuse_request(
        self, caller: Caller, participant: str, request_id: str, *, reason: str
    ) -> Json:
        """Turn a request down; the asking participant sees the reason."""
        ...

    async def suspend_member(
        self, caller: Caller, participant: str, did: str, *, reason: str
    ) -> Json:
        """Suspend a member: its next call anywhere in the space is refused."""
        ...

    async def reinstate_member(self, caller: Caller, participant: str, did: str) -> Json:
        """Lift a suspension."""
        ...

    async def join(
        self, caller: Caller, participant: str, *, authority_url: str, message: str
    ) -> Json:
        """Ask an authority for membership."""
        ...

    async def events(self, caller: Caller, participant: str, *, after: str | None) -> Json:
        """Give `{"items": [{"id", "at", "kind", "text", "subject"}], "next"}`, newest first."""
        ...


class DataSource(Protocol):
    """Datasets, their samples and history, entities, the map, publishing."""

    async def catalogue(
        self, caller: Caller, participant: str, *, q: str, publisher: str, theme: str
    ) -> Json:
        """Give `{"items": [DatasetView], "publishers": [...]}`, own and of reachable members."""
        ...

    async def dataset(self, caller: Caller, participant: str, dataset_id: str) -> Json:
        """Give one DatasetView."""
        ...

    async def sample(
        self, caller: Caller, participant: str, dataset_id: str, *, read: bool = False
    ) -> Json:
        """Give a real sample of a dataset, as far as the caller may see it.

        One that is `counted` (each reading is a use that was agreed) is read with `read` only.

        `{"rows": [{"id", "type", "values": {name: value}}], "geojson": FeatureCollection|None,
        "total": int|None, "reason": why there is none|None}`.
        """
        ...

    async def history(
        self, caller: Caller, participant: str, dataset_id: str, attribute: str
    ) -> Json:
        """Give the course of one attribute.

        `{"attribute", "title", "unit", "labels", "entity": id|None, "aggregation": text|None,
        "points": [[iso instant, number|None]]}`; None is a gap and is drawn as one.
        """
        ...

    async def entity(self, caller: Caller, participant: str, entity_id: str) -> Json:
        """Give one entity with the source of each value.

        `{"id", "type", "title", "labels", "attribution", "source": {"kind": "own"|"received",
        "title", "transfer_id"|None}, "geometry": GeoJSON|None, "attributes": [{"name", "title",
        "kind", "value", "unit", "observed_at"|None, "modified"|None, "provider"|None}]}`.
        """
        ...

    async def entity_history(
        self, caller: Caller, participant: str, entity_id: str, attribute: str
    ) -> Json:
        """Give the course of one attribute of one entity; shape as `history`."""
        ...

    async def map_layers(self, caller: Caller, participant: str) -> Json:
        """Give the map: bbox, layers with their GeoJSON addresses, time span, tile setting."""
        ...

    async def templates(self, caller: Caller) -> Json:
        """Give `{"items": [...]}`, the policy templates in plain words."""
        ...

    async def suggest(
        self, caller: Caller, participant: str, upload: Upload, *, mapping: Json | None
    ) -> Json:
        """Suggest a mapping for a source, or try a given one.

        `{"mapping": {...}, "preview": [entities], "rejected": [{"line", "field", "reason"}],
        "rejected_count": int, "accepted": int|None, "attributes": [{"name", "title", ...}],
        "bbox": [west, south, east, north]|None}`; all but the first three may be missing.
        """
        ...

    async def publish(
        self,
        caller: Caller,
        participant: str,
        upload: Upload,
        *,
        mapping: Json | None,
        title: str,
        template: str,
        parameters: Mapping[str, Any],
        licence: str = "",
        attribution: str = "",
        approval: Approval = "automatic",
    ) -> Json:
        """Publish a source as a dataset with an offer: `{"dataset", "accepted", "rejected"}`.

        `approval` says who answers requests: the terms by themselves, or the operator.
        """
        ...

    async def publish_file(
        self,
        caller: Caller,
        participant: str,
        upload: Upload,
        *,
        title: str,
        template: str,
        parameters: Mapping[str, Any],
        licence: str = "",
        attribution: str = "",
        approval: Approval = "automatic",
    ) -> Json:
        """Publish a source as it is, whatever it holds: `{"dataset"}`."""
        ...

    async def change_dataset(
        self, caller: Caller, participant: str, dataset_id: str, change: msgspec.Struct
    ) -> Json:
        """Change a dataset of our own; members of `change` that are UNSET stay as they are."""
        ...


class WebhookSource(Protocol):
    """Programs that are told of what happens."""

    async def webhooks(self, caller: Caller, participant: str) -> Json:
        """Give `{"items": [...]}`: url, events, state, delivered, waiting, last_at, error."""
        ...

    async def add_webhook(
        self,
        caller: Caller,
        participant: str,
        *,
        url: str,
        events: tuple[str, ...],
        secret: str | None,
    ) -> Json:
        """Add a receiver; its `secret` is in this answer only."""
        ...

    async def remove_webhook(self, caller: Caller, participant: str, hook_id: str) -> Json:
        """Forget a receiver."""
        ...

    async def test_webhook(self, caller: Caller, participant: str, hook_id: str) -> Json:
        """Send a test event now: `{"ok", "status", "error", "ms"}`."""
        ...


class PageSource(Sessions, SpaceSource, DataSource, TradeSource, WebhookSource, Protocol):
    """Everything the pages get and do, implemented by the composition root."""
