"""Whose a loss is: what EDC lost by its own races is told apart from what we lost.

EDC writes its change of state a moment after it has read an answer. What came in between it refused
with 409, or acknowledged and forgot (docs/interop-edc.md). Nothing else is excused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hansa.exchange import ContractNegotiation, LogEntry, TransferProcess

_EARLIER: dict[str, frozenset[str]] = {
    "ContractAgreementMessage": frozenset({"REQUESTED"}),
    "ContractAgreementVerificationMessage": frozenset({"AGREED"}),
    "ContractNegotiationEventMessage": frozenset({"AGREED", "VERIFIED"}),
    "ContractNegotiationTerminationMessage": frozenset({"REQUESTED", "AGREED", "VERIFIED"}),
    "TransferStartMessage": frozenset({"REQUESTED", "SUSPENDED"}),
    "TransferSuspensionMessage": frozenset({"STARTED"}),
    "TransferCompletionMessage": frozenset({"STARTED"}),
    "TransferTerminationMessage": frozenset({"REQUESTED", "STARTED", "SUSPENDED"}),
}
"""The states in which EDC waits for a message: where it stands when it forgot that one."""


def lost_by_edc(
    theirs: Mapping[str, Any],
    ours: ContractNegotiation | TransferProcess | None,
    messages: Iterable[LogEntry] = (),
) -> str | None:
    """Say how EDC lost a process, by its state there, ours and our messages; None: we did."""
    state = str(theirs.get("state"))
    if ours is None:
        return "EDC has not sent its request" if state in ("INITIAL", "REQUESTING") else None
    said = " ".join([*ours.reason, ours.error or ""])
    if "The counterparty answered 409" in said:
        return "EDC refused a message with 409 before it had written its own state"
    sent = [entry.type for entry in messages if entry.direction == "sent"]
    if ours.pending is None and sent and state in _EARLIER.get(sent[-1], ()):
        return f"EDC acknowledged our {sent[-1]} and shows {state}"
    return None
