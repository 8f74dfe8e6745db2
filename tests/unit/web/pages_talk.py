"""What was said in the made-up negotiations and transfers, message by message."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pages_data as data

from hansa.kernel import iso

Json = dict[str, Any]
US = {"did": data.WEST, "title": "Delft West"}
THEM = {"did": data.EAST, "title": "Delft Ost"}


def offer(purpose: str = "planning", until: str = "2026-12-31T23:00:00Z") -> Json:
    """Give an ODRL offer that the pages can read."""
    return {
        "@id": "urn:uuid:offer-1",
        "@type": "Offer",
        "permission": [
            {
                "action": "use",
                "constraint": [
                    {"leftOperand": "purpose", "operator": "eq", "rightOperand": purpose},
                    {"leftOperand": "dateTime", "operator": "lt",
                     "rightOperand": {"@value": until, "@type": "xsd:dateTime"}},
                ],
            }
        ],
    }  # fmt: skip


def message(at: datetime, direction: str, kind: str, summary: str, **more: Any) -> Json:
    """Give one message view; `body` adds to the raw message."""
    sent = direction == "sent"
    body = {"@type": kind, "providerPid": "urn:uuid:p", "consumerPid": "urn:uuid:c"}
    return {
        "id": f"m-{iso(at)}",
        "at": iso(at),
        "direction": direction,
        "type": kind,
        "from": US if sent else THEM,
        "to": THEM if sent else US,
        "summary": summary,
        "delivered": True,
        "attempts": None,
        "due": None,
        "error": None,
        **more,
        "body": {**body, **more.get("body", {})},
    }


def on_its_way(now: datetime, one: Json) -> Json:
    """Give a message that has not arrived: tried a few times."""
    return {**one, "delivered": False, "attempts": 4, "due": iso(now + timedelta(seconds=12)),
            "error": "localhost:7712 does not answer (connection refused)."}  # fmt: skip


def agreed(at: datetime) -> list[Json]:
    """Give a whole negotiation with a counter-offer, as its consumer."""
    step = timedelta(milliseconds=14)
    ask = "“Electricity of shops”"
    told = [
        ("sent", "ContractRequestMessage", f"Delft West asks for {ask}: for planning.",
         {"offer": offer()}),
        ("received", "ContractOfferMessage",
         "Delft Ost makes another offer: for planning, until 31 October 2026.",
         {"offer": offer(until="2026-10-31T23:00:00Z")}),
        ("sent", "ContractNegotiationEventMessage", "Delft West accepts the offer.",
         {"eventType": "ACCEPTED"}),
        ("received", "ContractAgreementMessage", "Delft Ost agrees and sends the agreement.", {}),
        ("sent", "ContractAgreementVerificationMessage",
         "Delft West has checked the agreement and confirms it.", {}),
        ("received", "ContractNegotiationEventMessage", "Delft Ost concludes the contract.",
         {"eventType": "FINALIZED"}),
    ]  # fmt: skip
    return [
        message(at + step * i, way, kind, text, body=body)
        for i, (way, kind, text, body) in enumerate(told)
    ]


def asked_of_us(at: datetime) -> list[Json]:
    """Give a request to us with other terms than those published."""
    return [
        message(at, "received", "ContractRequestMessage",
                "Delft Ost asks for “Energy of craftsmen, west of the canal”: for research.",
                body={"offer": offer("research")})
    ]  # fmt: skip


def offered(at: datetime) -> list[Json]:
    """Give a talk in which the other side has answered with an offer."""
    return agreed(at)[:2]


def refused(at: datetime) -> list[Json]:
    """Give a negotiation that the provider ended."""
    why = "The terms differ from those published."
    return [
        agreed(at)[0],
        message(at + timedelta(seconds=1), "received", "ContractNegotiationTerminationMessage",
                f"Delft Ost ends the negotiation: {why}",
                body={"code": "terms_altered", "reason": [why]}),
    ]  # fmt: skip


REFUSAL: Json = {
    "by": "counterparty",
    "title": "Delft Ost",
    "code": "terms_altered",
    "reasons": ["The terms differ from those published."],
    "sentence": "Delft Ost ended the negotiation: The terms differ from those published.",
    "next": "Ask again under the published terms: hansa negotiate urn:uuid:d-air",
}


def moved(at: datetime, *kinds: str, ours: bool) -> list[Json]:
    """Give the messages of a transfer; `ours`: we are the consumer."""
    words = {
        "TransferRequestMessage": ("c", "{c} asks for the data ({f})."),
        "TransferStartMessage": ("p", "{p} lets the data flow."),
        "TransferSuspensionMessage": ("p", "{p} pauses the transfer: Maintenance of the meters."),
        "TransferCompletionMessage": ("p", "{p} says that all data have been moved."),
        "TransferTerminationMessage": ("p", "{p} ends the transfer: Enough."),
    }
    found = []
    for i, kind in enumerate(kinds):
        side, text = words[kind]
        sent = (side == "c") == ours
        who = {"c": "Delft West" if ours else "Delft Ost", "p": "Delft Ost" if ours else
               "Delft West", "f": "HttpData-PULL"}  # fmt: skip
        when = at + timedelta(days=5 * max(i - 1, 0), milliseconds=20 * i)
        found.append(message(when, "sent" if sent else "received", kind, text.format(**who)))
    return found
