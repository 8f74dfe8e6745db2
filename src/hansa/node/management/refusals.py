"""Why was it refused: one answer for negotiations and transfers that came to nothing. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from shlex import quote
from typing import Any

from hansa.exchange import ContractNegotiation, Message, Role, TransferProcess
from hansa.kernel import Code
from hansa.node.management.moves import differs

Json = dict[str, Any]
_TERMINATIONS = (Message.termination, Message.transfer_termination)
_STOPPED = "TERMINATED"
_OPERATOR = "terminated"

_NEXT: dict[str, str] = {
    "terms_altered": "Ask again under the published terms: hansa negotiate {dataset}",
    "agreement_mismatch": "Ask the provider to mend its agreement, then: {again}",
    "agreement_ended": "Negotiate a new contract: hansa negotiate {dataset}",
    "count_exhausted": "The agreed number of uses is used up: hansa negotiate {dataset}",
    Code.policy_conflict.value: "Ask under an offer as it stands: hansa negotiate {dataset}",
    Code.policy_unsupported.value: "Choose another offer or format: hansa catalogue",
    Code.policy_invalid.value: "Correct the terms and ask again: hansa negotiate {dataset}",
    Code.policy_denied.value: "See the conditions in the terms: hansa negotiation show {id}",
    "constraint_unsatisfied": "See the conditions in the terms: hansa negotiation show {id}",
    "value_unknown": "See the conditions in the terms: hansa negotiation show {id}",
    Code.invalid_field.value: "Correct what was asked for: {again}",
    Code.not_found.value: "Read the catalogue again, offers may have changed: hansa catalogue",
    Code.membership_missing.value: "Become a member first: hansa join URL",
    Code.membership_suspended.value: "Ask the authority why the membership is suspended.",
    Code.membership_expired.value: "Ask the authority for a new credential: hansa join URL",
    Code.status_unavailable.value: "Wait until the authority answers, then: {again}",
    Code.issuer_untrusted.value: "Both sides must be members of one space: hansa member list",
}
_DEFAULT = "Ask {other} why, then: {again}"
_OURS = "To begin again: {again}"


def refusal(
    process: ContractNegotiation | TransferProcess, title_of: Callable[[str], str]
) -> Json | None:
    """Say who ended a process, why, and what to do next; None while it goes on or when it is done.

    `by` is `own`, or `counterparty`, which may also have refused our first message before it kept
    anything. `code` is for programs, `reasons` are the words of who refused.
    """
    if process.state != _STOPPED:
        return None
    theirs = _theirs(process)
    other = title_of(process.counterparty)
    code = process.code or (Code.counterparty_refused.value if theirs else _OPERATOR)
    reasons = list(process.reason) or ([process.error] if process.error else [])
    who = other if theirs else "This side"
    what = "negotiation" if isinstance(process, ContractNegotiation) else "transfer"
    verb = "refused" if process.peer_pid is None and theirs else "ended"
    because = "; ".join(reasons) or "no reason was given"
    return {
        "by": "counterparty" if theirs else "own",
        "title": other if theirs else None,
        "code": code,
        "reasons": reasons,
        "sentence": f"{who} {verb} the {what}: {because}",
        "next": _next(process, code, other),
    }


def _theirs(process: ContractNegotiation | TransferProcess) -> bool:
    taken = {entry.partition(" ")[0] for entry in process.taken}
    unheard = process.peer_pid is None and process.error is not None
    followed = process.code is None and not process.reason and process.error is None
    return unheard or followed or any(message in taken for message in _TERMINATIONS)


def _next(process: ContractNegotiation | TransferProcess, code: str, other: str) -> str:
    kind = "negotiation" if isinstance(process, ContractNegotiation) else "transfer"
    if differs(process):
        return f"{other} shows {process.their_state}. hansa {kind} adopt {process.id}"
    if process.role is Role.provider:
        return f"{other} may ask again under the published terms."
    again = f"hansa negotiation replay {process.id}"
    if isinstance(process, TransferProcess):
        again = f"hansa transfer start {quote(process.agreement_id)}"
    text = _NEXT.get(code, _DEFAULT if _theirs(process) else _OURS)
    if isinstance(process, TransferProcess):
        text = text.replace("hansa negotiation show {id}", "hansa transfer show {id}")
    dataset = quote(process.dataset_id)
    return text.format(dataset=dataset, id=process.id, other=other, again=again)
