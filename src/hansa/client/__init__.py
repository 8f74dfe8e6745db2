"""A client of the management API: plain JSON by `Client`, typed objects by `Node`.

    from hansa.client import Node

    with Node("http://localhost:7711", token) as node:
        east = node.participant("delft-east")
        for agreement in east.agreements():
            print(agreement.dataset_title, agreement.terms.summary)

Blocking, on the standard library: a script, a notebook and a thread can use it as it is.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from hansa.client.connection import Client
from hansa.client.files import fetch

if TYPE_CHECKING:  # the types cost 25 ms to import, which a command without them need not wait for
    from hansa.client.model import (
        Attribute,
        CataloguePage,
        Dataset,
        Event,
        Offer,
        Page,
        Party,
        Publisher,
        Resource,
        Terms,
        Webhook,
    )
    from hansa.client.space import (
        AuthorityInfo,
        Course,
        Flow,
        JoinRequest,
        Layer,
        Map,
        Member,
        MembershipInfo,
        NodeInfo,
        Overview,
        OwnParticipant,
        Publication,
        Rejection,
        SignInLink,
        SourceInfo,
        Suggestion,
        Template,
        TemplateParameter,
    )
    from hansa.client.trade import (
        Access,
        Agreement,
        Approval,
        Draft,
        Message,
        Moment,
        Negotiation,
        Progress,
        Refusal,
        Script,
        Step,
        Transfer,
        Usage,
    )
    from hansa.client.typed import Node, Participant

__all__ = [
    "Access",
    "Agreement",
    "Approval",
    "Attribute",
    "AuthorityInfo",
    "CataloguePage",
    "Client",
    "Course",
    "Dataset",
    "Draft",
    "Event",
    "Flow",
    "JoinRequest",
    "Layer",
    "Map",
    "Member",
    "MembershipInfo",
    "Message",
    "Moment",
    "Negotiation",
    "Node",
    "NodeInfo",
    "Offer",
    "Overview",
    "OwnParticipant",
    "Page",
    "Participant",
    "Party",
    "Progress",
    "Publication",
    "Publisher",
    "Refusal",
    "Rejection",
    "Resource",
    "Script",
    "SignInLink",
    "SourceInfo",
    "Step",
    "Suggestion",
    "Template",
    "TemplateParameter",
    "Terms",
    "Transfer",
    "Usage",
    "Webhook",
    "fetch",
]
_MODULES = ("hansa.client.model", "hansa.client.space", "hansa.client.trade", "hansa.client.typed")


def __getattr__(name: str) -> Any:
    """Import the types when the first of them is asked for (PEP 562)."""
    if name in __all__:
        for module in map(importlib.import_module, _MODULES):
            if name in vars(module):
                return vars(module)[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
