"""What our side may do now, in words, and how far a negotiation or transfer has come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from hansa.web.model import State, state_of
from hansa.web.ports_trade import Json


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a person may do: its address, its button, what it leads to."""

    key: str
    button: str
    hint: str
    tone: str = ""  # primary, danger or nothing
    asks: str = ""  # a "reason", other "terms", or nothing


_AGREE = Move(
    key="agree",
    button="Approve",
    hint="Sends the agreement on these terms. The other side verifies it, then data may flow.",
    tone="primary",
)
_ACCEPT = Move(
    key="accept",
    button="Accept the offer",
    hint="Tells the provider that we take its terms. It sends the agreement next.",
    tone="primary",
)
_VERIFY = Move(
    key="verify",
    button="Verify the agreement",
    hint="Tells the provider that the agreement says what we asked for.",
    tone="primary",
)
_FINALIZE = Move(
    key="finalize",
    button="Close the negotiation",
    hint="Tells the consumer that the agreement is in force.",
    tone="primary",
)
_COUNTER = Move(
    key="counter",
    button="Propose other terms",
    hint="Opens a form with the present terms. You see the difference before anything is sent.",
    asks="terms",
)
_REFUSE = Move(
    key="terminate",
    button="Refuse",
    hint="The other side will read this sentence. The negotiation ends without an agreement.",
    tone="danger",
    asks="reason",
)
_WITHDRAW = Move(
    key="terminate",
    button="End the negotiation",
    hint="The other side will read this sentence. The negotiation ends without an agreement.",
    tone="danger",
    asks="reason",
)
_RETRY = Move(
    key="retry",
    button="Send again now",
    hint="Does not wait for the next try. A message that arrives twice changes nothing.",
)
_ADOPT = Move(
    key="adopt",
    button="Take over the other side's state",
    hint="Asks the other side where it stands, and moves there. Do this when both sides disagree.",
)
_REPLAY = Move(
    key="replay",
    button="Negotiate again",
    hint="Begins a new negotiation on the same terms. This one stays as it is.",
)
_START = Move(
    key="start",
    button="Approve and start",
    hint="Opens the access. Data flow as far as the contract lets them.",
    tone="primary",
)
_RESUME = Move(
    key="resume",
    button="Resume",
    hint="Opens the access again where it was closed.",
    tone="primary",
)
_SUSPEND = Move(
    key="suspend",
    button="Pause",
    hint="Access is closed at once and can be opened again by us. The other side reads this.",
    asks="reason",
)
_COMPLETE = Move(
    key="complete",
    button="All was delivered",
    hint="Ends the transfer in good order. It cannot be resumed.",
)
_FORGET = Move(
    key="forget",
    button="Delete what came",
    hint="Deletes the data that this transfer brought to your node. The log and the counts stay.",
    tone="danger",
)
_STOP = Move(
    key="terminate",
    button="Stop the transfer",
    hint="The token stops working at once, and this page shows the refusal.",
    tone="danger",
    asks="reason",
)


def plain_state(view: Mapping[str, object]) -> str:
    """Give a view's state as the specification writes it, without a prefix: `REQUESTED`."""
    return str(view.get("state") or "").rsplit(":", 1)[-1].rsplit("/", 1)[-1].upper()


def over(view: Mapping[str, object]) -> bool:
    """Say whether a negotiation or transfer has come to its end."""
    return plain_state(view) in ("FINALIZED", "TERMINATED", "COMPLETED")


_DECLINE = Move(
    key="terminate",
    button="Refuse",
    hint="The other side will read this sentence. No data flow. The agreement stays in force.",
    tone="danger",
    asks="reason",
)
_NEGOTIATION = {
    m.key: m for m in (_AGREE, _ACCEPT, _VERIFY, _FINALIZE, _COUNTER, _RETRY, _ADOPT, _REPLAY)
}
_TRANSFER = {
    m.key: m for m in (_START, _RESUME, _SUSPEND, _COMPLETE, _RETRY, _ADOPT, _STOP, _FORGET)
}
_ANSWERS = ("agree", "accept", "verify", "finalize")


def negotiation_moves(view: Mapping[str, object]) -> list[Move]:
    """Give what our side may do in a negotiation, the answer first: what the view's `actions` say.

    To end it is to refuse when the other side waits for our answer.
    """
    actions = _actions(view)
    end = _REFUSE if any(key in actions for key in _ANSWERS) else _WITHDRAW
    known = {**_NEGOTIATION, "terminate": end}
    return [move for key, move in known.items() if key in actions]


def transfer_moves(view: Mapping[str, object]) -> list[Move]:
    """Give what our side may do with a transfer: what the view's `actions` say."""
    actions = _actions(view)
    known = {**_TRANSFER, "terminate": _DECLINE if "start" in actions else _STOP}
    return [move for key, move in known.items() if key in actions]


def _actions(view: Mapping[str, object]) -> Sequence[object]:
    found = view.get("actions")
    return found if isinstance(found, list | tuple) else ()


# -- how far it has come ---------------------------------------------------------------------

_NEGOTIATION_WAY = ("REQUESTED", "OFFERED", "ACCEPTED", "AGREED", "VERIFIED", "FINALIZED")
_TRANSFER_WAY = ("REQUESTED", "STARTED", "SUSPENDED", "COMPLETED")
_LEADS_TO = {
    "ContractRequestMessage": "REQUESTED",
    "ContractOfferMessage": "OFFERED",
    "ContractAgreementMessage": "AGREED",
    "ContractAgreementVerificationMessage": "VERIFIED",
    "ContractNegotiationTerminationMessage": "TERMINATED",
    "TransferRequestMessage": "REQUESTED",
    "TransferStartMessage": "STARTED",
    "TransferSuspensionMessage": "SUSPENDED",
    "TransferCompletionMessage": "COMPLETED",
    "TransferTerminationMessage": "TERMINATED",
}


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """A state on the way and where each side stands to it.

    `ours` and `theirs`: done, here, coming (decided and on its way), skipped, ahead or never.
    """

    state: State
    ours: str
    theirs: str


def leads_to(message: Mapping[str, object]) -> str:
    """Give the state that a logged message leads to; empty for one that is not known."""
    kind = str(message.get("type") or "").rsplit(":", 1)
    if kind[0].endswith("ContractNegotiationEventMessage"):
        body = message.get("body")
        event = body.get("eventType") if isinstance(body, Mapping) else None
        return str(event or kind[-1]).rsplit(":", 1)[-1].upper()
    return _LEADS_TO.get(kind[-1], "")


def track(kind: str, view: Mapping[str, object], messages: Sequence[Json]) -> list[Stop]:
    """Lay out the states of a negotiation or transfer in order, with both sides on them."""
    way = _NEGOTIATION_WAY if kind == "negotiation" else _TRANSFER_WAY
    here = plain_state(view)
    coming = ""
    said = [leads_to(message) for message in messages]
    if view.get("pending"):
        coming = leads_to({"type": view["pending"]})
        if said and messages[-1].get("direction") == "sent":
            coming, said = said[-1], said[:-1]
    visited = {*said, here} - {""}
    if "TERMINATED" in (here, coming):
        way = (*way, "TERMINATED")
    last = max((way.index(state) for state in visited - {"TERMINATED"} if state in way), default=-1)
    stops = []
    for index, name in enumerate(way):
        theirs = (
            "here"
            if name == here
            else "done"
            if name in visited
            else "skipped"
            if index < last
            else "never"
            if here in ("TERMINATED", "COMPLETED")
            else "ahead"
        )
        ours = "coming" if name == coming and theirs != "here" else theirs
        stops.append(Stop(state=state_of(kind, name), ours=ours, theirs=theirs))
    return stops
