"""How a command ends: the exit statuses, in one place."""

from __future__ import annotations

import sys
from enum import IntEnum
from typing import TYPE_CHECKING, NoReturn

from hansa.kernel.errors import Code, HansaError

if TYPE_CHECKING:
    from hansa.client import Negotiation, Transfer


class End(IntEnum):
    """The exit status of a command."""

    done = 0
    failed = 1
    usage = 2
    refused = 3
    waits = 4
    timed_out = 5
    unreachable = 6
    interrupted = 130


MEANING: dict[End, str] = {
    End.done: "Done.",
    End.failed: "Failed; the message says why and what to do next.",
    End.usage: "Wrong usage: an option, an argument or a file is not right.",
    End.refused: "Refused or ended: by the other side, by the authority, by a term of the contract "
    "or by this side.",
    End.waits: "Nothing is wrong: it waits for an answer, of you or of the other side. With "
    "`approvals` or `follow` it goes on.",
    End.timed_out: "The seconds of `--wait` are over, or an answer took too long; what was begun "
    "goes on by itself.",
    End.unreachable: "The node, the other side or something that they need can't be reached.",
    End.interrupted: "Interrupted by Ctrl-C.",
}
_REFUSED = {
    Code.forbidden,
    Code.policy_denied,
    Code.agreement_ended,
    Code.transfer_ended,
    Code.counterparty_refused,
    Code.issuer_untrusted,
    Code.key_banned,
    Code.membership_missing,
    Code.membership_expired,
    Code.membership_suspended,
}
_UNREACHABLE = {
    Code.unavailable,
    Code.outbound_failed,
    Code.did_unresolvable,
    Code.context_unavailable,
    Code.status_unavailable,
}


def end_of(error: HansaError) -> End:
    """Give the status that a command ends with after this error."""
    if error.code in _REFUSED:
        return End.refused
    if error.code in _UNREACHABLE:
        return End.unreachable
    return End.timed_out if error.code is Code.outbound_timeout else End.failed


def end_of_process(found: Negotiation | Transfer, *, over: bool) -> End:
    """Give the status for where a negotiation or transfer stands; `over`: it is where it should be.

    What was delivered and is not answered waits for somebody, as does what somebody paused.
    """
    if found.refusal is not None:
        return End.refused
    if over:
        return End.done
    if found.waiting:
        return End.waits
    if found.delivery is not None and found.delivery.error:
        return End.unreachable
    return End.timed_out if found.pending or found.state == "STARTED" else End.waits


def leave(end: End) -> NoReturn:
    """End the command with this status."""
    sys.exit(int(end))
