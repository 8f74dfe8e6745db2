"""Protocol messages for people: who said what to whom, in one plain sentence. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from hansa.exchange import LogEntry
from hansa.kernel import iso

Json = dict[str, Any]
TermsOf = Callable[[Mapping[str, Any]], str]


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """Between whom and about what: `own` and `other` are `{did, title}`.

    `terms_of` gives the summary of an offer's terms; `published` are those the talk began with.
    `consumer` is the DID of the side that asked: it lets nothing flow, it goes on.
    """

    own: Json
    other: Json
    dataset_title: str
    terms_of: TermsOf
    published: Mapping[str, Any] | None = None
    consumer: str = ""


def message_view(
    entry: LogEntry, talk: Conversation, *, first: bool = False, delivery: Json | None = None
) -> Json:
    """Give one message of the log. `first` marks the one that began its process.

    `delivery` stands for a message that is still on its way: attempts, due, error.
    """
    sent = entry.direction == "sent"
    sender, receiver = (talk.own, talk.other) if sent else (talk.other, talk.own)
    waiting = delivery or {}
    return {
        "id": entry.id,
        "at": iso(entry.at),
        "direction": entry.direction,
        "type": entry.type,
        "from": sender,
        "to": receiver,
        "summary": sentence(entry, talk, first=first),
        "body": entry.body,
        "delivered": delivery is None,
        "attempts": waiting.get("attempts"),
        "due": waiting.get("due"),
        "error": waiting.get("error"),
    }


def sentence(entry: LogEntry, talk: Conversation, *, first: bool = False) -> str:
    """Say in one sentence what a message means; an unknown type is named as it is."""
    sender = talk.own if entry.direction == "sent" else talk.other
    who = str(sender["title"])
    if entry.type == "TransferStartMessage" and sender["did"] == talk.consumer:
        return f"{who} wants to go on."
    say = _SENTENCES.get(entry.type)
    return say(who, entry.body, talk, first) if say else f"{who} sends {entry.type}."


def why(body: Mapping[str, Any]) -> str:
    """Give the reasons of a message as text: DSP writes a list, other connectors a text."""
    reason = body.get("reason")
    parts = reason if isinstance(reason, list) else [reason]
    texts = [_text(part) for part in parts if part]
    return "; ".join(text for text in texts if text) or _text(body.get("code"))


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        value = value.get("@value", "")
    return str(value).strip() if value is not None else ""


def _because(body: Mapping[str, Any]) -> str:
    reason = why(body)
    if not reason:
        return "."
    return f": {reason}" + ("" if reason.endswith((".", "!", "?")) else ".")


def _terms(body: Mapping[str, Any], talk: Conversation) -> str:
    offer = body.get("offer")
    return talk.terms_of(offer) if isinstance(offer, Mapping) else ""


def _request(who: str, body: Mapping[str, Any], talk: Conversation, first: bool) -> str:
    if first:
        return f"{who} asks for “{talk.dataset_title}”: {_terms(body, talk)}".rstrip(": ")
    return f"{who} proposes other terms: {_terms(body, talk)}".rstrip(": ")


def _offer(who: str, body: Mapping[str, Any], talk: Conversation, first: bool) -> str:
    what = f"offers “{talk.dataset_title}”" if first else "makes another offer"
    return f"{who} {what}: {_terms(body, talk)}".rstrip(": ")


def _event(who: str, body: Mapping[str, Any], talk: Conversation, first: bool) -> str:
    kind = str(body.get("eventType", "")).rpartition(":")[2].rpartition("/")[2].upper()
    if kind == "ACCEPTED":
        return f"{who} accepts the offer."
    if kind == "FINALIZED":
        return f"{who} concludes the contract."
    return f"{who} reports {kind or 'an event'}."


def _transfer_request(who: str, body: Mapping[str, Any], talk: Conversation, first: bool) -> str:
    where = _host(body.get("dataAddress"))
    return f"{who} asks for the data ({body.get('format', '')})" + (
        f", to be sent to {where}." if where else "."
    )


def _transfer_start(who: str, body: Mapping[str, Any], talk: Conversation, first: bool) -> str:
    where = _host(body.get("dataAddress"))
    return f"{who} lets the data flow" + (f", to be had at {where}." if where else ".")


def _host(address: Any) -> str:
    endpoint = address.get("endpoint") if isinstance(address, Mapping) else None
    if not isinstance(endpoint, str):
        return ""
    try:
        return urlsplit(endpoint).netloc.rpartition("@")[2]
    except ValueError:
        return ""


Say = Callable[[str, Mapping[str, Any], Conversation, bool], str]
_SENTENCES: dict[str, Say] = {
    "ContractRequestMessage": _request,
    "ContractOfferMessage": _offer,
    "ContractNegotiationEventMessage": _event,
    "ContractAgreementMessage": lambda who, *_: f"{who} agrees and sends the agreement.",
    "ContractAgreementVerificationMessage": (
        lambda who, *_: f"{who} has checked the agreement and confirms it."
    ),
    "ContractNegotiationTerminationMessage": (
        lambda who, body, *_: f"{who} ends the negotiation{_because(body)}"
    ),
    "TransferRequestMessage": _transfer_request,
    "TransferStartMessage": _transfer_start,
    "TransferSuspensionMessage": (
        lambda who, body, *_: f"{who} pauses the transfer{_because(body)}"
    ),
    "TransferCompletionMessage": lambda who, *_: f"{who} says that all data have been moved.",
    "TransferTerminationMessage": (
        lambda who, body, *_: f"{who} ends the transfer{_because(body)}"
    ),
}
