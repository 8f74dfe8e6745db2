"""The policies of Dataspace Protocol 2025-1 messages: an Offer becomes an Agreement.

Shapes: `negotiation/contract-schema.json`. Lists are never empty on the wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from datetime import datetime
from typing import Any

from hansa.kernel import iso
from hansa.policy.errors import invalid
from hansa.policy.members import listed
from hansa.policy.tree import Policy
from hansa.policy.wire_odrl_2_2 import policy_members, read_policy

_CARRIED = ("profile", "conflict", "permission", "prohibition")


def merge_offer_into_agreement(
    offer: Mapping[str, Any],
    *,
    assigner: str,
    assignee: str,
    target: str,
    agreement_id: str,
    timestamp: datetime,
) -> dict[str, Any]:
    """Give the Agreement that concludes a negotiation on `offer` (DSP 2025-1 contract schema).

    The rules are those of the offer, unchanged. HansaError `policy_invalid` when the offer names
    another asset or party: a counterparty's offer can't bind a dataset it is not about.
    """
    read = read_policy(offer)
    if read.type != "Offer":
        raise invalid("@type", f"It is of type {read.type}.", "Agree on an Offer.")
    _check_same("target", read, target)
    _check_same("assigner", read, assigner)
    _check_same("assignee", read, assignee)
    if timestamp.tzinfo is None:
        raise ValueError("the timestamp of an agreement needs a zone")
    members = policy_members(offer)
    if "action" in members:
        raise invalid("action", "In DSP 2025-1 each rule has its own.", "Move it into the rules.")
    if any(isinstance(part, Mapping) for part in listed(members.get("@context"))):
        raise invalid("@context", "An agreement can't carry prefixes.", "Write whole IRIs.")
    agreement: dict[str, Any] = {
        "@id": agreement_id,
        "@type": "Agreement",
        "target": target,
        "assigner": assigner,
        "assignee": assignee,
        "timestamp": iso(timestamp.replace(microsecond=0)),
    }
    for name in _CARRIED:
        if name in members:
            rules = name in ("permission", "prohibition")
            agreement[name] = deepcopy(listed(members[name]) if rules else members[name])
    return agreement


def _check_same(name: str, policy: Policy, expected: str) -> None:
    stated = getattr(policy, name)
    if stated is not None and stated != expected:
        raise invalid(name, "The offer names another one.", f"It must be {expected}.")
