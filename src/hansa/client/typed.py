"""The management API as typed objects: a node, and a participant of it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from hansa.client.connection import Client
from hansa.client.files import fetch
from hansa.client.model import CataloguePage, Dataset, Event, Page, Webhook
from hansa.client.stream import follow_events
from hansa.client.trade import (
    Access,
    Agreement,
    Approval,
    Draft,
    Message,
    Moment,
    Negotiation,
    Script,
    Step,
    Transfer,
)

T = TypeVar("T")
_ENDS = ("FINALIZED", "TERMINATED", "COMPLETED")
_POLL_S = 25.0


class Node:
    """One node, called as its operator. Use it as a context manager, or close it."""

    def __init__(self, url: str, token: str, *, timeout_s: float = 60.0) -> None:
        self.client = Client(url, token, timeout_s=timeout_s)

    def __enter__(self) -> Node:
        """Give the node."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self.client.close()

    def participant(self, name: str) -> Participant:
        """Give a participant of the node by its id; nothing is asked yet."""
        return Participant(self.client, name)

    def participants(self) -> list[str]:
        """Name the participants of the node."""
        return [str(found["id"]) for found in self.client.get("/node")["participants"]]


class Participant:
    """What an operator sees and does for one participant.

    Every method raises `HansaError` with the node's own code, title, detail and next step. Lists
    are iterators that read page by page.
    """

    def __init__(self, client: Client, name: str) -> None:
        self.client = client
        self.base = f"/participants/{quote(name, safe='')}"

    # -- data ------------------------------------------------------------------------------------

    def catalogue(self, words: str = "") -> list[Dataset]:
        """Give what matches of own datasets and of all members that can be reached."""
        return self._get("/catalogue", CataloguePage, {"q": words}).items

    def datasets(self) -> Iterator[Dataset]:
        """List own datasets."""
        return self._pages("/datasets", Page[Dataset])

    def dataset(self, dataset_id: str) -> Dataset:
        """Give one dataset, own or of another member."""
        return self._get(f"/datasets/{_id(dataset_id)}", Dataset)

    def publish(
        self, title: str, template: str, parameters: Mapping[str, Any] | None = None, **more: Any
    ) -> Dataset:
        """Publish entities that are in the broker (`types`, `id_prefix`), or a `resource`."""
        body = {"title": title, "template": template, "parameters": parameters or {}, **more}
        answer = self.client.post(f"{self.base}/datasets", body, once=_key())
        return msgspec.convert(answer["dataset"], Dataset)

    def change_dataset(self, dataset_id: str, **change: Any) -> Dataset:
        """Say something else about a dataset; `template` and `parameters` give other terms."""
        path = f"{self.base}/datasets/{_id(dataset_id)}"
        return msgspec.convert(self.client.patch(path, change), Dataset)

    def withdraw_dataset(self, dataset_id: str) -> None:
        """Take a dataset out of the catalogue; agreements on it stay."""
        self.client.delete(f"{self.base}/datasets/{_id(dataset_id)}")

    # -- negotiations ----------------------------------------------------------------------------

    def negotiate(
        self,
        dataset: Dataset,
        *,
        offer_id: str | None = None,
        offer: Mapping[str, Any] | None = None,
    ) -> Negotiation:
        """Ask for a dataset under its first offer, another one, or terms of our own (ODRL)."""
        chosen = offer_id or (dataset.offers[0].id if dataset.offers else None)
        body = {
            "provider_did": dataset.publisher.did,
            "dataset_id": dataset.id,
            "offer_id": chosen,
            "offer": offer,
        }
        return self._post("/negotiations", Negotiation, body, once=_key())

    def offer(self, consumer_did: str, dataset_id: str, offer_id: str) -> Negotiation:
        """Offer an own dataset to a participant that has not asked for it."""
        body = {"consumer_did": consumer_did, "dataset_id": dataset_id, "offer_id": offer_id}
        return self._post("/negotiations/offers", Negotiation, body, once=_key())

    def negotiations(self, **where: str) -> Iterator[Negotiation]:
        """List negotiations, newest first, by `state`, `role`, `counterparty`, `dataset`."""
        return self._pages("/negotiations", Page[Negotiation], where)

    def negotiation(
        self, negotiation_id: str, *, wait: Sequence[str] = (), timeout_s: float = 30.0
    ) -> Negotiation:
        """Give a negotiation; with `wait`, once it is in one of these states or at its end."""
        return self._wait(f"/negotiations/{_id(negotiation_id)}", Negotiation, wait, timeout_s)

    def follow_negotiation(
        self, negotiation_id: str, *, until: Sequence[str] = _ENDS, timeout_s: float = 60.0
    ) -> Iterator[tuple[Negotiation, list[Message]]]:
        """Give a negotiation each time it changes, with the messages that are new."""
        path = f"/negotiations/{_id(negotiation_id)}"
        return self._follow(path, Negotiation, until, timeout_s)

    def counter(
        self,
        negotiation_id: str,
        *,
        offer: Mapping[str, Any] | None = None,
        template: str = "",
        parameters: Mapping[str, Any] | None = None,
    ) -> Negotiation:
        """Answer with other terms."""
        body = {"offer": offer, "template": template, "parameters": parameters or {}}
        return self._act("negotiations", negotiation_id, "counter", Negotiation, body)

    def draft(
        self, negotiation_id: str, template: str, parameters: Mapping[str, Any] | None = None
    ) -> Draft:
        """Say what other terms would mean; nothing is sent."""
        body = {"template": template, "parameters": parameters or {}}
        return self._act("negotiations", negotiation_id, "draft", Draft, body)

    def act_on_negotiation(
        self, negotiation_id: str, action: str, reason: str | None = None
    ) -> Negotiation:
        """Do one of its `actions`: accept, agree, verify, finalize, terminate, retry, …"""
        body = None if reason is None else {"reason": reason}
        return self._act("negotiations", negotiation_id, action, Negotiation, body)

    def approvals(self) -> list[Approval]:
        """List what waits for the operator."""
        return self._get("/approvals", Page[Approval]).items

    # -- agreements ------------------------------------------------------------------------------

    def agreements(self, **where: str) -> Iterator[Agreement]:
        """List agreements, newest first, by `state`, `role`, `counterparty`, `dataset`."""
        return self._pages("/agreements", Page[Agreement], where)

    def agreement(self, agreement_id: str) -> Agreement:
        """Give one agreement."""
        return self._get(f"/agreements/{_id(agreement_id)}", Agreement)

    def timeline(self, agreement_id: str) -> list[Moment]:
        """Give all that happened under an agreement, oldest first."""
        return self._get(f"/agreements/{_id(agreement_id)}/timeline", Page[Moment]).items

    def end_agreement(self, agreement_id: str, reason: str) -> Agreement:
        """End an agreement: its transfers stop with the next request."""
        return self._act("agreements", agreement_id, "end", Agreement, {"reason": reason})

    def import_agreement(
        self, agreement: Mapping[str, Any], *, role: str, counterparty: str, dataset_id: str
    ) -> Agreement:
        """Take in an agreement (ODRL) that was concluded elsewhere."""
        body = {
            "agreement": agreement,
            "role": role,
            "counterparty": counterparty,
            "dataset_id": dataset_id,
        }
        return self._post("/agreements/import", Agreement, body)

    # -- transfers -------------------------------------------------------------------------------

    def start_transfer(
        self,
        agreement_id: str,
        format: str = "HttpData-PULL",
        *,
        data_address: Mapping[str, Any] | None = None,
    ) -> Transfer:
        """Ask for the data of an agreement; `data_address` says where a push goes."""
        body: dict[str, Any] = {"agreement_id": agreement_id, "format": format}
        if data_address is not None:
            body["data_address"] = data_address
        return self._post("/transfers", Transfer, body, once=_key())

    def transfers(self, **where: str) -> Iterator[Transfer]:
        """List transfers by `state`, `role`, `counterparty`, `dataset`, `agreement`."""
        return self._pages("/transfers", Page[Transfer], where)

    def transfer(
        self, transfer_id: str, *, wait: Sequence[str] = (), timeout_s: float = 30.0
    ) -> Transfer:
        """Give a transfer; with `wait`, once it is in one of these states or at its end."""
        return self._wait(f"/transfers/{_id(transfer_id)}", Transfer, wait, timeout_s)

    def follow_transfer(
        self, transfer_id: str, *, until: Sequence[str] = _ENDS, timeout_s: float = 60.0
    ) -> Iterator[tuple[Transfer, list[Message]]]:
        """Give a transfer each time it changes, with the messages that are new."""
        return self._follow(f"/transfers/{_id(transfer_id)}", Transfer, until, timeout_s)

    def act_on_transfer(self, transfer_id: str, action: str, reason: str | None = None) -> Transfer:
        """Do one of its `actions`, or `download`: start, suspend, resume, complete, terminate, …"""
        body = None if reason is None else {"reason": reason}
        return self._act("transfers", transfer_id, action, Transfer, body)

    def access(self, transfer_id: str) -> Access:
        """Give URL and token of a running transfer."""
        return self._get(f"/transfers/{_id(transfer_id)}/access", Access)

    def fetch(self, transfer_id: str, file: Path) -> int:
        """Fetch the bytes of a transfer into a file, going on where it was cut; give its size."""
        for _ in fetch(self.client, f"{self.base}/transfers/{_id(transfer_id)}/file", file):
            pass
        return file.stat().st_size

    # -- events, webhooks, scripts ---------------------------------------------------------------

    def events(self) -> Iterator[Event]:
        """List what happened, newest first."""
        return self._pages("/events", Page[Event])

    def follow(self, after: str | None = None) -> Iterator[Event]:
        """Give what happens as it happens, each event once, also over broken connections."""
        return follow_events(self.client, f"{self.base}/events/stream", after)

    def webhooks(self) -> list[Webhook]:
        """List who is told of what happens."""
        return self._get("/webhooks", Page[Webhook]).items

    def add_webhook(self, url: str, events: Sequence[str] = ("*",)) -> Webhook:
        """Tell a URL of what happens; `secret` is given this once."""
        body = {"url": url, "events": list(events)}
        return self._post("/webhooks", Webhook, body, once=_key())

    def remove_webhook(self, webhook_id: str) -> None:
        """Forget a webhook."""
        self.client.delete(f"{self.base}/webhooks/{_id(webhook_id)}")

    def put_script(self, subject: str, steps: Sequence[Step]) -> Script:
        """Say how this side answers by itself for a dataset, offer or agreement."""
        body = {"steps": msgspec.to_builtins(list(steps))}
        return msgspec.convert(self.client.put(f"{self.base}/scripts/{_id(subject)}", body), Script)

    # -- ways to ask -----------------------------------------------------------------------------

    def _get(self, path: str, kind: type[T], query: Mapping[str, Any] | None = None) -> T:
        return msgspec.convert(self.client.get(f"{self.base}{path}", query), kind)

    def _post(
        self, path: str, kind: type[T], body: Mapping[str, Any], once: str | None = None
    ) -> T:
        sent = {name: value for name, value in body.items() if value is not None}
        return msgspec.convert(self.client.post(f"{self.base}{path}", sent, once=once), kind)

    def _act(
        self, what: str, subject: str, action: str, kind: type[T], body: Mapping[str, Any] | None
    ) -> T:
        return self._post(f"/{what}/{_id(subject)}/{action}", kind, body or {})

    def _pages(
        self, path: str, kind: type[Page[T]], where: Mapping[str, str] | None = None
    ) -> Iterator[T]:
        after: str | None = None
        while True:
            page = self._get(path, kind, {**(where or {}), "after": after})
            yield from page.items
            after = page.next
            if after is None:
                return

    def _wait(self, path: str, kind: type[T], states: Sequence[str], timeout_s: float) -> T:
        deadline = time.monotonic() + timeout_s
        while True:
            left = deadline - time.monotonic()
            query: dict[str, Any] = {}
            if states:
                query = {"wait": ",".join(states), "timeout_s": min(_POLL_S, max(0.0, left))}
            found = self._get(path, kind, query)
            state = getattr(found, "state", "")
            if not states or state in (*states, *_ENDS) or left <= 0:
                return found

    def _follow(
        self, path: str, kind: type[T], until: Sequence[str], timeout_s: float
    ) -> Iterator[tuple[T, list[Message]]]:
        deadline, seen = time.monotonic() + timeout_s, ""
        since: str | None = None
        while True:
            left = max(0.0, deadline - time.monotonic())
            query: dict[str, Any] = {}
            if since is not None:
                query = {"since": since, "timeout_s": min(_POLL_S, left)}
            answer = self.client.get(f"{self.base}{path}", query)
            found = msgspec.convert(answer, kind)
            messages: list[Message] = getattr(found, "messages", [])
            new = [message for message in messages if message.id > seen]
            if since != answer["modified"] or new:
                yield found, new
            seen, since = messages[-1].id if messages else seen, answer["modified"]
            if answer["state"] in (*until, *_ENDS) or left <= 0:
                return


def _id(text: str) -> str:
    return quote(text, safe="")


def _key() -> str:
    return secrets.token_hex(16)
