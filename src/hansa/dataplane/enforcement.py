"""The enforcement point: from a running grant and the present instant to scope or refusal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from hansa.dataplane.model import GoverningAgreement, Grant, GrantState, Member
from hansa.dataplane.ports import Standing
from hansa.dataplane.usage import UsageLedger
from hansa.kernel import Clock, Code, HansaError
from hansa.policy import (
    COUNT_EXHAUSTED,
    CompiledPolicy,
    Decision,
    Scope,
    Usage,
    compile_policy,
    only_as_a_whole,
)

_REASONS_MAX = 8
_NO_ROLES: frozenset[str] = frozenset()


class Governed:
    """An agreement with its compiled policy, shared by all grants under it."""

    __slots__ = ("agreement", "policy")

    def __init__(self, agreement: GoverningAgreement) -> None:
        self.agreement = agreement
        self.policy: CompiledPolicy = compile_policy(
            agreement.odrl, target=agreement.target, selection=agreement.selection
        )


def check_member(consumer: str, member: Member | None, now: datetime, standing: Standing) -> None:
    """Raise HansaError 401 unless the consumer is a member in good standing."""
    membership = None if member is None else member.membership
    if membership is not None and now >= membership.valid_until:
        raise HansaError(
            Code.membership_expired,
            "The consumer's membership has expired.",
            "Renew it, then send any protocol message so that the new one is seen.",
        )
    standing.check(consumer, membership)


class LiveGrant:
    """A grant that is not ended, in memory, with what governs it and who holds it.

    `governed` None: the agreement has to be read (again) before the next answer. `members` is
    shared, so that a newer membership counts at once.
    """

    __slots__ = ("governed", "grant", "members")

    def __init__(self, grant: Grant, members: Mapping[str, Member]) -> None:
        self.grant = grant
        self.members = members
        self.governed: Governed | None = None

    def check_token(self, hashed: str, now: datetime) -> None:
        """Return while an access token (its digest) lasts; HansaError token_expired."""
        until = self.grant.lives.get(hashed)
        if until is not None and now >= until:
            raise HansaError(
                Code.token_expired,
                "The access token has expired.",
                "Renew it with the refresh token of the transfer.",
            )

    def scope_or_refusal(
        self, now: datetime, standing: Standing, count: int | None = None
    ) -> Scope:
        """Give the scope, or raise why there is none: member, agreement, transfer, policy.

        `count` is the number of the use under the agreement, where its terms limit them.
        The policy is decided each time (microseconds): a scope may move with every instant.
        """
        grant = self.grant
        member = self.members.get(grant.consumer)
        if not grant.vouched:
            check_member(grant.consumer, member, now, standing)
        governed = self.governed
        if governed is None or not governed.agreement.active:
            raise agreement_ended(None if governed is None else governed.agreement.ended_reason)
        if grant.state is not GrantState.started:
            raise transfer_ended(grant)
        decision = governed.policy.decide(
            Usage(
                action="read",
                target=governed.agreement.target,
                assignee=grant.consumer,
                now=now,
                purpose=governed.agreement.purpose,
                member=True,
                roles=_NO_ROLES if member is None else frozenset(member.roles),
                count=count,
            )
        )
        if not decision.permitted:
            raise policy_denied(decision, governed.policy.count_limit)
        return decision.scope


def agreement_ended(reason: str | None) -> HansaError:
    """Say that the agreement does not hold any more."""
    return HansaError(
        Code.agreement_ended,
        "The agreement has ended.",
        reason or "Negotiate a new one to go on.",
    )


def transfer_ended(grant: Grant) -> HansaError:
    """Say that the transfer is suspended or ended."""
    if grant.state is GrantState.suspended:
        return HansaError(
            Code.transfer_ended,
            "The transfer is suspended.",
            grant.reason or "It brings a new token when it is resumed.",
            state=grant.state.value,
        )
    return HansaError(
        Code.transfer_ended,
        "The transfer has ended.",
        grant.reason or "Start a new transfer under the agreement.",
        state=grant.state.value,
    )


def policy_denied(decision: Decision, limit: int | None = None) -> HansaError:
    """Say which terms refuse the request; a number that was reached, with `limit` and `used`."""
    reasons = decision.reasons[:_REASONS_MAX]
    facts: dict[str, Any] = {}
    if limit is not None and any(reason.code == COUNT_EXHAUSTED for reason in reasons):
        facts = {"reason": COUNT_EXHAUSTED, "limit": limit, "used": limit}
    return HansaError(
        Code.policy_denied,
        "The terms of the agreement do not permit this now.",
        " ".join(dict.fromkeys(reason.message for reason in reasons)),
        decision=decision.code,
        reasons=[
            {
                "path": reason.path,
                "code": reason.code,
                "message": reason.message,
                "needed": reason.needed,
                "found": reason.found,
            }
            for reason in reasons
        ],
        **facts,
    )


def _without_windows(scope: Scope) -> Scope:
    return Scope(
        permits=tuple(msgspec.structs.replace(cut, observed=None) for cut in scope.permits),
        denies=tuple(msgspec.structs.replace(cut, observed=None) for cut in scope.denies),
    )


def _check_same(shown: Scope, scope: Scope) -> None:
    if scope is shown or scope == shown:
        return
    if _without_windows(scope) != _without_windows(shown):
        raise HansaError(
            Code.policy_denied,
            "What the agreement lets through has changed.",
            "Ask again to get what it lets through now.",
        )


class Enforcement:
    """A request that was let through: its scope, and what the broker tells us while it answers."""

    __slots__ = ("_clock", "_count", "_live", "_standing", "_usage", "scope")

    def __init__(
        self,
        live: LiveGrant,
        scope: Scope,
        clock: Clock,
        standing: Standing,
        usage: UsageLedger,
        count: int | None = None,
    ) -> None:
        self.scope = scope
        self._count = count
        self._live = live
        self._clock = clock
        self._standing = standing
        self._usage = usage

    @property
    def grant(self) -> Grant:
        """Give the grant as it stands now."""
        return self._live.grant

    def check(self) -> None:
        """Raise why a running answer has to stop now, or return. Does no I/O.

        A window that moves with the clock (age of data) does not stop an answer that began under
        the earlier one; a part of the scope that fell away does.
        """
        scope = self._live.scope_or_refusal(self._clock.now(), self._standing, self._count)
        _check_same(self.scope, scope)

    def check_shown(self, shown: Scope) -> None:
        """Raise when what was rendered under an earlier scope is not what this one shows."""
        _check_same(shown, self.scope)

    def now(self) -> Enforcement:
        """Give the same use with the scope that holds now, or raise why there is none. No I/O."""
        scope = self._live.scope_or_refusal(self._clock.now(), self._standing, self._count)
        return Enforcement(self._live, scope, self._clock, self._standing, self._usage, self._count)

    def check_whole(self) -> None:
        """Raise policy_unsupported when the terms cut data: bytes can't be filtered."""
        governed = self._live.governed
        terms = () if governed is None else governed.policy.data_terms
        if governed is None or terms:
            raise only_as_a_whole(terms[0] if terms else "")

    def still_valid(self) -> bool:
        """Say whether a running answer may go on."""
        try:
            self.check()
        except HansaError:
            return False
        return True

    def record(self, entities: int, bytes: int, requests: int = 1) -> None:
        """Count an answer against the transfer; 0 `requests`: more of one that is counted.

        Costs no I/O.
        """
        grant = self._live.grant
        self._usage.count(
            grant.transfer_id,
            grant.agreement_id,
            entities=entities,
            bytes=bytes,
            requests=requests,
        )
