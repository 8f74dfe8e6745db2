"""The one error of the house and its closed list of codes.

Services raise `HansaError`; one mapper per protocol turns it into that protocol's error object
(problem+json, `ContractNegotiationError`, NGSI-LD ProblemDetails). A message names the field, the
bound and the next step, and leaks nothing internal.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class Code(StrEnum):
    """What went wrong, as a stable word for programs. The value is also the HTTP problem code."""

    # bad input
    invalid_request = "invalid_request"
    invalid_json = "invalid_json"
    invalid_field = "invalid_field"
    unknown_field = "unknown_field"
    body_too_large = "body_too_large"
    unsupported_media_type = "unsupported_media_type"
    not_acceptable = "not_acceptable"
    method_not_allowed = "method_not_allowed"
    digest_mismatch = "digest_mismatch"
    too_complex = "too_complex"
    # existence and state
    not_found = "not_found"
    already_exists = "already_exists"
    conflict = "conflict"
    precondition_failed = "precondition_failed"
    illegal_state = "illegal_state"
    not_implemented = "not_implemented"
    # who is calling
    token_missing = "token_missing"  # noqa: S105
    token_malformed = "token_malformed"  # noqa: S105
    token_signature = "token_signature"  # noqa: S105
    token_expired = "token_expired"  # noqa: S105
    token_audience = "token_audience"  # noqa: S105
    token_replayed = "token_replayed"  # noqa: S105
    token_unknown = "token_unknown"  # noqa: S105
    key_banned = "key_banned"
    membership_missing = "membership_missing"
    membership_expired = "membership_expired"
    membership_suspended = "membership_suspended"
    issuer_untrusted = "issuer_untrusted"
    status_unavailable = "status_unavailable"
    sign_in_required = "sign_in_required"
    forbidden = "forbidden"
    # policy
    policy_invalid = "policy_invalid"
    policy_unsupported = "policy_unsupported"
    policy_conflict = "policy_conflict"
    policy_denied = "policy_denied"
    agreement_ended = "agreement_ended"
    transfer_ended = "transfer_ended"
    # the world around
    context_unavailable = "context_unavailable"
    outbound_blocked = "outbound_blocked"
    outbound_failed = "outbound_failed"
    outbound_timeout = "outbound_timeout"
    outbound_too_large = "outbound_too_large"
    counterparty_refused = "counterparty_refused"
    did_unresolvable = "did_unresolvable"
    too_many_requests = "too_many_requests"
    unavailable = "unavailable"
    storage_full = "storage_full"
    state_version = "state_version"
    port_taken = "port_taken"
    settings_invalid = "settings_invalid"
    internal = "internal"


_STATUS: dict[Code, int] = {
    Code.body_too_large: 413,
    Code.unsupported_media_type: 415,
    Code.not_acceptable: 406,
    Code.method_not_allowed: 405,
    Code.digest_mismatch: 422,
    Code.too_complex: 403,
    Code.not_found: 404,
    Code.already_exists: 409,
    Code.conflict: 409,
    Code.precondition_failed: 412,
    Code.not_implemented: 501,
    Code.forbidden: 403,
    Code.sign_in_required: 401,
    Code.policy_unsupported: 422,
    Code.policy_conflict: 422,
    Code.policy_invalid: 422,
    Code.policy_denied: 403,
    Code.agreement_ended: 403,
    Code.transfer_ended: 403,
    Code.context_unavailable: 504,
    Code.outbound_blocked: 502,
    Code.outbound_failed: 502,
    Code.outbound_timeout: 504,
    Code.outbound_too_large: 502,
    Code.counterparty_refused: 502,
    Code.did_unresolvable: 502,
    Code.too_many_requests: 429,
    Code.unavailable: 503,
    Code.storage_full: 507,
    Code.state_version: 500,
    Code.port_taken: 500,
    Code.settings_invalid: 500,
    Code.internal: 500,
}
_AUTHENTICATION_PREFIXES = ("token_", "membership_", "key_", "issuer_", "status_")


def default_status(code: Code) -> int:
    """Give the HTTP status of a code: 401 for every failed token or membership, else as listed."""
    if code in _STATUS:
        return _STATUS[code]
    if code.value.startswith(_AUTHENTICATION_PREFIXES):
        return 401
    return 400


class HansaError(Exception):
    """Say what happened, why, and what to do next.

    `title` is one short sentence for a person, `detail` adds the bound and the next step.
    `facts` are JSON-ready extras that a mapper may show, by convention: `field` (the member at
    fault), `next` (what to do or the command to run), `permanent` (a retry cannot help).
    """

    def __init__(
        self,
        code: Code,
        title: str,
        detail: str = "",
        *,
        status: int | None = None,
        **facts: Any,
    ) -> None:
        super().__init__(f"{code.value}: {title}" + (f" {detail}" if detail else ""))
        self.code = code
        self.status = default_status(code) if status is None else status
        self.title = title
        self.detail = detail
        self.facts = facts
