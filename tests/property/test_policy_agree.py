"""Two roads to one decision: the compiled closures and the plain interpreter always agree."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from hypothesis import assume, given, settings
from policy_strategies import DATASET, DAYS, EPOCH, TICK, compiled, policies, selections, usages

from hansa.policy import Cut, Decision, Scope, Usage, evaluate, explain


def decide(odrl: dict[str, Any], usage: Usage, selection: Cut) -> Decision:
    """Give the answer on which both roads agree."""
    policy = compiled(odrl, selection)
    decision = policy.decide(usage)
    assert policy.decide(usage) == decision, "a second time the same"
    assert evaluate(odrl, usage, target=DATASET, selection=selection) == decision
    return decision


@settings(max_examples=150, deadline=None)
@given(policies, usages, selections)
def test_the_compiler_agrees_with_the_interpreter(
    odrl: dict[str, Any], usage: Usage, selection: Cut
) -> None:
    decision = decide(odrl, usage, selection)
    assert decision.permitted is (decision.code == "permitted")
    if not decision.permitted:
        assert decision.scope == Scope.nothing()
        assert decision.reasons
    assert explain(odrl).summary.endswith(".")


@settings(max_examples=50, deadline=None)
@given(policies, usages)
def test_the_answer_holds_until_the_expiry(odrl: dict[str, Any], usage: Usage) -> None:
    """Between now and `expires_at` nothing changes, at `expires_at` something does.

    Ages are left out: their windows move with every instant, by design without expiry.
    """
    assume("dataAge" not in repr(odrl))
    policy = compiled(odrl, Cut())

    def answer_at(at: Any) -> tuple[str, frozenset[Cut], frozenset[Cut]]:
        found = policy.decide(msgspec.structs.replace(usage, now=at))
        return found.code, frozenset(found.scope.permits), frozenset(found.scope.denies)

    first, until = answer_at(usage.now), policy.decide(usage).expires_at
    moments = [
        EPOCH + timedelta(days=day) + shift * TICK
        for day in range(DAYS + 2)
        for shift in (-1, 0, 1)
    ]
    for at in moments:
        if at > usage.now and (until is None or at < until):
            assert answer_at(at) == first, at
    if until is not None:
        assert until > usage.now
        assert answer_at(until) != first
