"""What the pages say: states in words and shapes, the navigation, what was done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec


class State(msgspec.Struct, frozen=True, kw_only=True):
    """A state for people: a word, a tone with its own shape, the standard's term explained."""

    word: str
    tone: str  # good, busy, wait, stop, over
    meaning: str = ""


class NavItem(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the navigation: the page's key, its title, its path below the participant."""

    key: str
    title: str
    path: str


class NavGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Entries that belong together, under one heading."""

    title: str
    items: tuple[NavItem, ...]


_UNKNOWN_MEANING = "A state of the protocol that these pages have no word for."

STATES: dict[str, dict[str, State]] = {
    "negotiation": {
        "start": State(
            word="Being sent",
            tone="busy",
            meaning="The first message is on its way; the other side has not confirmed it yet.",
        ),
        "requested": State(
            word="Asked",
            tone="wait",
            meaning="REQUESTED: the consumer has sent its request, the provider has not answered.",
        ),
        "offered": State(
            word="Offered",
            tone="wait",
            meaning="OFFERED: the provider has made an offer and waits for the consumer.",
        ),
        "accepted": State(
            word="Accepted",
            tone="busy",
            meaning="ACCEPTED: the consumer has accepted; the provider will send the agreement.",
        ),
        "agreed": State(
            word="Agreed",
            tone="busy",
            meaning="AGREED: the provider has sent the agreement; the consumer will verify it.",
        ),
        "verified": State(
            word="Verified",
            tone="busy",
            meaning="VERIFIED: the consumer has verified the agreement; the provider will close.",
        ),
        "finalized": State(
            word="Final",
            tone="good",
            meaning="FINALIZED: both sides hold the same agreement. Data may flow under it.",
        ),
        "terminated": State(
            word="Ended",
            tone="stop",
            meaning="TERMINATED: one side has ended the negotiation. There is no agreement.",
        ),
    },
    "transfer": {
        "start": State(
            word="Being sent",
            tone="busy",
            meaning="The request is on its way; the other side has not confirmed it yet.",
        ),
        "requested": State(
            word="Asked",
            tone="wait",
            meaning="REQUESTED: the consumer has asked for the data under an agreement.",
        ),
        "started": State(
            word="Flowing",
            tone="good",
            meaning="STARTED: the provider has opened access; the consumer can fetch.",
        ),
        "suspended": State(
            word="Paused",
            tone="wait",
            meaning="SUSPENDED: access is closed for now and can be opened again.",
        ),
        "completed": State(
            word="Completed",
            tone="over",
            meaning="COMPLETED: all was delivered; access is closed.",
        ),
        "terminated": State(
            word="Stopped",
            tone="stop",
            meaning="TERMINATED: one side has stopped the transfer; its token no longer works.",
        ),
    },
    "webhook": {
        "active": State(word="Active", tone="good"),
        "failing": State(
            word="Failing", tone="wait", meaning="The last try failed; it is tried again."
        ),
        "disabled": State(
            word="Disabled", tone="stop", meaning="A test that succeeds makes it active again."
        ),
    },
    "dataflow": {
        "initialized": State(word="Being set up", tone="wait"),
        "preparing": State(word="Getting ready", tone="busy"),
        "prepared": State(word="Ready", tone="wait"),
        "starting": State(word="Starting", tone="busy"),
        "started": State(word="Running", tone="good"),
        "suspended": State(word="Paused", tone="wait"),
        "completed": State(word="Completed", tone="over"),
        "terminated": State(word="Stopped", tone="stop"),
    },
    "agreement": {
        "active": State(
            word="In force", tone="good", meaning="The agreement is signed and has not ended."
        ),
        "ended": State(
            word="Ended", tone="stop", meaning="The agreement no longer lets anything through."
        ),
    },
    "member": {
        "active": State(word="Member", tone="good", meaning="The membership is in force."),
        "suspended": State(
            word="Suspended",
            tone="stop",
            meaning="The status list says suspended: every call of this member is refused.",
        ),
    },
    "request": {
        "pending": State(word="Waits for a decision", tone="wait"),
        "approved": State(word="Approved", tone="good"),
        "refused": State(word="Refused", tone="stop"),
    },
    "membership": {
        "member": State(word="Member", tone="good", meaning="The credential is in the wallet."),
        "requested": State(
            word="Asked to join", tone="wait", meaning="The authority has not decided yet."
        ),
        "refused": State(word="Refused", tone="stop", meaning="The authority refused to join."),
        "suspended": State(
            word="Suspended",
            tone="stop",
            meaning="The authority has suspended the membership: calls are refused.",
        ),
        "none": State(word="Not a member", tone="over", meaning="There is no credential yet."),
    },
    "overview": {
        "well": State(word="All is well", tone="good"),
        "attention": State(word="Needs attention", tone="wait"),
    },
    "offer": {"offer": State(word="On offer", tone="over", meaning="Nothing is agreed yet.")},
    "flow": {},
}
STATES["flow"] = STATES["transfer"]


def state_of(kind: str, value: str) -> State:
    """Give the words for a protocol state; prefixes (`dspace:`) and letter case do not matter."""
    plain = value.rsplit(":", 1)[-1].rsplit("/", 1)[-1].lower()
    known = STATES.get(kind, {}).get(plain)
    return known or State(word=value or "unknown", tone="over", meaning=_UNKNOWN_MEANING)


_EVENT_TONES = {
    "good": ("started", "finalized", "approved", "published", "reinstated", "joined", "received"),
    "wait": ("requested", "suspended", "offered", "pending"),
    "stop": ("refused", "terminated", "ended", "failed", "expired", "dead"),
}
_EVENT_PAGES = {
    "negotiation": "/negotiations/",
    "agreement": "/agreements/",
    "transfer": "/transfers/",
    "dataset": "/datasets/",
}


def event_tone(kind: str) -> str:
    """Give the tone of an event by the last word of its kind (`transfer.started`)."""
    what = kind.rsplit(".", 1)[-1]
    for tone, words in _EVENT_TONES.items():
        if what in words:
            return tone
    return "over"


def event_path(event: Mapping[str, object]) -> str | None:
    """Give the page of what an event is about, below the participant; None when there is none."""
    page = _EVENT_PAGES.get(str(event.get("kind") or "").split(".", 1)[0])
    subject = event.get("subject")
    return f"{page}{quote(str(subject), safe='')}" if page and subject else None


def newest_first(items: Sequence[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """Sort views by a time of theirs, newest first."""
    return sorted(items, key=lambda item: str(item.get(key) or ""), reverse=True)


_HOME = NavItem(key="home", title="Home", path="")
_MEMBERS = NavItem(key="members", title="Members", path="/members")
_LOG = NavItem(key="log", title="Log", path="/log")
_PROGRAMS = NavItem(key="programs", title="Other programs", path="/programs")

AUTHORITY_NAV: tuple[NavGroup, ...] = (
    NavGroup(title="Space", items=(_HOME, _MEMBERS, _LOG, _PROGRAMS)),
)
CITY_NAV: tuple[NavGroup, ...] = (
    NavGroup(
        title="Data",
        items=(
            _HOME,
            NavItem(key="map", title="Map", path="/map"),
            NavItem(key="catalogue", title="Catalogue", path="/catalogue"),
            NavItem(key="publish", title="Publish", path="/publish"),
        ),
    ),
    NavGroup(
        title="Contracts",
        items=(
            NavItem(key="approvals", title="Waiting for you", path="/approvals"),
            NavItem(key="negotiations", title="Negotiations", path="/negotiations"),
            NavItem(key="agreements", title="Agreements", path="/agreements"),
            NavItem(key="transfers", title="Transfers", path="/transfers"),
            NavItem(key="policy", title="Terms", path="/policy"),
        ),
    ),
    NavGroup(
        title="Space",
        items=(NavItem(key="members", title="Membership", path="/members"), _LOG, _PROGRAMS),
    ),
)

DONE: dict[str, str] = {
    "approved": "The request was approved. The membership credential is on its way.",
    "refused": "The request was refused. The participant sees the reason.",
    "suspended": "The member is suspended. Its next call anywhere in the space is refused.",
    "reinstated": "The suspension is lifted.",
    "joined": "Your request to join was sent.",
    "asked": "The request was sent to the provider.",
    "agree": "You approved. The agreement is on its way.",
    "accept": "You accepted the offer. The provider sends the agreement next.",
    "verify": "You verified the agreement. The provider closes the negotiation next.",
    "finalize": "You closed the negotiation. The agreement is in force.",
    "counter": "Your terms are on their way to the other side.",
    "retry": "The message is sent again now.",
    "replay": "A new negotiation on the same terms has begun.",
    "negotiation-ended": "The negotiation was ended.",
    "agreement-ended": "The agreement was ended. Its transfers are stopped.",
    "transfer-asked": "The transfer was asked for.",
    "start": "You approved. The transfer starts.",
    "suspend": "The transfer is paused. Its access is closed.",
    "resume": "The transfer goes on.",
    "complete": "The transfer is completed.",
    "forget": "What the transfer brought was deleted.",
    "transfer-stopped": "The transfer was stopped. Its token no longer works.",
    "asks-operator": "From now on you answer each request for this dataset.",
    "asks-nobody": "From now on the terms answer requests for this dataset.",
    "webhook-removed": "The program is not told any more.",
    "published": "The dataset is published and on offer.",
}
"""What a page may say after an action: a closed list, named by `?done=`."""
