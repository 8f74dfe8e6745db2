"""The second road to a decision: walk the tree, no normal form, no closures, no cache.

It is slow and plain, so that it can be checked by reading; a property test holds the compiler to
it. It shares with the compiler only the reading and the combining of cuts.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from hansa.kernel import Code
from hansa.kernel.jsonld import expand_ngsi_ld_name
from hansa.policy.model import Cut, Decision, Scope, Usage
from hansa.policy.normal import piece_of, refuse_logic
from hansa.policy.operands import NameExpander
from hansa.policy.report import reasons
from hansa.policy.scopes import Piece, at, join, simplify
from hansa.policy.tree import Logic, Node, Policy, Rule, atoms, is_scoping
from hansa.policy.truth import truth
from hansa.policy.windows import after
from hansa.policy.wire_odrl_2_2 import read_policy

_Verdict = tuple[str, tuple[Piece, ...], tuple[Piece, ...]]


def evaluate(
    odrl: Mapping[str, Any],
    usage: Usage,
    *,
    target: str | None = None,
    selection: Cut | None = None,
    expand: NameExpander = expand_ngsi_ld_name,
) -> Decision:
    """Decide as `compile_policy(...).decide(usage)` must; `target` defaults to what is asked."""
    policy = read_policy(odrl, expand=expand)
    about = usage.target if target is None else target
    within = Piece(selection or Cut())
    code, permits, denies = _verdict(policy, usage, usage.now, about, within)
    if code != "permitted":
        return Decision(
            permitted=False,
            code=code,
            scope=Scope.nothing(),
            reasons=reasons(policy, usage, target=about, code=code),
            expires_at=_expiry(policy, usage, about, within),
        )
    return Decision(
        permitted=True,
        code=code,
        scope=Scope(
            tuple(at(piece, usage.now) for piece in permits),
            tuple(at(piece, usage.now) for piece in denies),
        ),
        expires_at=_expiry(policy, usage, about, within),
    )


def _verdict(policy: Policy, usage: Usage, now: datetime, target: str, within: Piece) -> _Verdict:
    if policy.type == "Offer" or usage.target != target:
        return Code.policy_denied.value, (), ()
    if not usage.member:
        return Code.membership_missing.value, (), ()
    permits: list[Piece] = []
    denies: list[Piece] = []
    forbidden = False
    for rule in policy.rules:
        if not _is_about(rule, usage, target):
            continue
        found = _pieces_of_all(rule.constraints, rule.forbids, usage, now)
        if not rule.forbids:
            permits.extend(join(within, piece) for piece, _ in found)
        else:
            denies.extend(piece for piece, scoped in found if scoped)
            forbidden = forbidden or any(not scoped for _, scoped in found)
    if forbidden and permits and policy.conflict == "invalid":
        return Code.policy_conflict.value, (), ()
    if not permits or (forbidden and policy.conflict == "prohibit"):
        return Code.policy_denied.value, (), ()
    return "permitted", simplify(permits), simplify(denies)


def _is_about(rule: Rule, usage: Usage, target: str) -> bool:
    return (
        usage.action in rule.actions
        and (rule.targets is None or target in rule.targets)
        and (rule.assignees is None or usage.assignee in rule.assignees)
    )


def _pieces_of_all(
    nodes: tuple[Node, ...], forbids: bool, usage: Usage, now: datetime
) -> list[tuple[Piece, bool]]:
    """Give the pieces that lie in one of each node's; (piece, whether a data term cut it)."""
    result: list[tuple[Piece, bool]] = [(Piece(Cut()), False)]
    for node in nodes:
        result = [
            (join(one, other), scoped or cut)
            for one, scoped in result
            for other, cut in _pieces(node, forbids, usage, now)
        ]
    return result


def _pieces(node: Node, forbids: bool, usage: Usage, now: datetime) -> list[tuple[Piece, bool]]:
    if not is_scoping(node):
        held = truth(node, usage, now)
        active = held is not False if forbids else held is True
        return [(Piece(Cut()), False)] if active else []
    if not isinstance(node, Logic):
        return [(piece_of(node), True)]
    if node.kind == "and":
        return _pieces_of_all(node.parts, forbids, usage, now)
    if node.kind == "or":
        return [found for part in node.parts for found in _pieces(part, forbids, usage, now)]
    raise refuse_logic(node)


def _expiry(policy: Policy, usage: Usage, target: str, within: Piece) -> datetime | None:
    """Try every instant that any clock constraint names, and the one after it."""
    named = {
        instant
        for rule in policy.rules
        for atom in atoms(rule.constraints)
        if isinstance(atom.value, datetime) and not atom.operand.scoping
        for instant in (atom.value, after(atom.value))
    }
    present = _comparable(_verdict(policy, usage, usage.now, target, within))
    for instant in sorted(named):
        if instant > usage.now:
            then = _comparable(_verdict(policy, usage, instant, target, within))
            if then != present:
                return instant
    return None


def _comparable(verdict: _Verdict) -> tuple[str, frozenset[Piece], frozenset[Piece]]:
    code, permits, denies = verdict
    return code, frozenset(permits), frozenset(denies)
