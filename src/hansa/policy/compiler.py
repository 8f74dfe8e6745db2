"""From a policy to closures: compiled once, decided in microseconds.

Read -> rules -> alternatives -> one line per alternative. A decision asks each line that is about
the action and the party whether its conditions hold; the set of those that do names an outcome,
which is worked out once and kept. `hansa.policy.interpreter` says the same slowly, as test oracle.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Any

import msgspec

from hansa.kernel import Code
from hansa.kernel.jsonld import expand_ngsi_ld_name
from hansa.policy.activation import Condition, all_of, condition, flips
from hansa.policy.errors import invalid, too_large
from hansa.policy.model import Cut, Decision, Scope, Usage
from hansa.policy.normal import Alternative, alternatives
from hansa.policy.operands import NameExpander
from hansa.policy.report import reasons
from hansa.policy.scopes import Piece, at, join, simplify
from hansa.policy.tree import Policy, atoms, is_scoping
from hansa.policy.vocabulary import COUNT
from hansa.policy.wire_odrl_2_2 import read_policy

PIECES_MAX = 64
"""Pieces of data that a policy may name in all."""

PERMITTED = "permitted"
_PROBES_MAX = 64
_OUTCOMES_MAX = 1_024


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    bit: int
    forbids: bool
    scoped: bool
    actions: frozenset[str]
    assignees: frozenset[str] | None
    holds: Condition
    piece: Piece


class _Outcome(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    permits: tuple[Piece, ...] = ()
    denies: tuple[Piece, ...] = ()
    scope: Scope | None = None

    @property
    def verdict(self) -> tuple[str, frozenset[Piece], frozenset[Piece]]:
        """Give what must differ for the answer to have changed."""
        return self.code, frozenset(self.permits), frozenset(self.denies)


class CompiledPolicy:
    """A policy ready to decide about one dataset.

    `policy` is what was read; `target` the dataset; an Offer compiles, but grants nothing.
    """

    __slots__ = ("_flips", "_lines", "_outcomes", "policy", "selection", "target")

    def __init__(self, policy: Policy, target: str, selection: Cut) -> None:
        self.policy = policy
        self.target = target
        self.selection = selection
        self._lines = _lines(policy, target, selection)
        every = (node for rule in policy.rules for node in rule.constraints)
        self._flips = sorted({instant for node in every for instant in flips(node)})
        self._outcomes: dict[int, _Outcome] = {}

    @property
    def data_terms(self) -> tuple[str, ...]:
        """Give the paths of the terms that cut data; without any it is all or nothing."""
        every = (node for rule in self.policy.rules for node in rule.constraints)
        return tuple(node.path for node in every if is_scoping(node))

    @property
    def count_limit(self) -> int | None:
        """Give the number of uses after which counting changes nothing more; None: don't count."""
        return _count_limit(self.policy)

    def decide(self, usage: Usage) -> Decision:
        """Answer whether `usage` is permitted, with the scope it may see (ODRL FS 5).

        Denied by default. `expires_at` is the earliest instant at which the clock alone changes
        the answer; purpose, membership and roles can change it at any time. A scope that depends
        on the age of data is that of `usage.now`: decide again for the next request.
        """
        now = usage.now
        assert now.tzinfo is not None, "the clock must give aware instants"
        if self.policy.type == "Offer" or usage.target != self.target:
            return self._deny(Code.policy_denied.value, usage, None)
        if not usage.member:
            return self._deny(Code.membership_missing.value, usage, None)
        action, assignee = usage.action, usage.assignee
        lines = [
            line
            for line in self._lines
            if action in line.actions and (line.assignees is None or assignee in line.assignees)
        ]
        outcome = self._outcome(lines, usage, now)
        expires_at = self._expiry(outcome, lines, usage) if self._flips else None
        if outcome.code != PERMITTED:
            return self._deny(outcome.code, usage, expires_at)
        scope = outcome.scope
        if scope is None:
            scope = Scope(
                tuple(at(piece, now) for piece in outcome.permits),
                tuple(at(piece, now) for piece in outcome.denies),
            )
        return Decision(permitted=True, code=PERMITTED, scope=scope, expires_at=expires_at)

    def _outcome(self, lines: list[_Line], usage: Usage, now: datetime) -> _Outcome:
        mask = 0
        for line in lines:
            found = line.holds(usage, now)
            if found or (found is None and line.forbids):
                mask |= line.bit
        outcome = self._outcomes.get(mask)
        if outcome is None:
            if len(self._outcomes) >= _OUTCOMES_MAX:
                self._outcomes.clear()
            active = [line for line in lines if line.bit & mask]
            outcome = self._outcomes[mask] = _settle(active, self.policy.conflict)
        return outcome

    def _expiry(self, outcome: _Outcome, lines: list[_Line], usage: Usage) -> datetime | None:
        """Give the next flip that changes the answer; after many that don't, just the next."""
        following = bisect_right(self._flips, usage.now)
        for instant in islice(self._flips, following, following + _PROBES_MAX):
            found = self._outcome(lines, usage, instant)
            if found is not outcome and found.verdict != outcome.verdict:
                return instant
        beyond = following + _PROBES_MAX
        return self._flips[beyond] if beyond < len(self._flips) else None

    def _deny(self, code: str, usage: Usage, expires_at: datetime | None) -> Decision:
        return Decision(
            permitted=False,
            code=code,
            scope=Scope.nothing(),
            reasons=reasons(self.policy, usage, target=self.target, code=code),
            expires_at=expires_at,
        )


def count_limit(odrl: Mapping[str, Any]) -> int | None:
    """Give how many uses an Offer or Agreement permits in all; None when it does not say."""
    return _count_limit(read_policy(odrl, lenient=True))


def _count_limit(policy: Policy) -> int | None:
    limits = [
        atom.value - (atom.operator == "lt")
        for rule in policy.rules
        for atom in atoms(rule.constraints)
        if atom.left == COUNT and isinstance(atom.value, int)
    ]
    return max(limits, default=None)


def compile_policy(
    odrl: Mapping[str, Any],
    *,
    target: str,
    selection: Cut,
    expand: NameExpander = expand_ngsi_ld_name,
) -> CompiledPolicy:
    """Compile a policy for the dataset `target`, whose entities are `selection`.

    `target` is implied where the policy names none; a policy about another asset is refused.
    Errors: HansaError `policy_unsupported` or `policy_invalid` with `path`.
    """
    policy = read_policy(odrl, expand=expand)
    if policy.target is not None and policy.target != target:
        raise invalid("target", "The policy is about another asset.", f"It must be {target}.")
    if policy.type == "Agreement":
        for name in ("target", "assigner", "assignee"):
            if getattr(policy, name) is None:
                raise invalid(name, "An agreement must name it (DSP 2025-1).", "Add it.")
    return CompiledPolicy(policy, target, selection)


def _lines(policy: Policy, target: str, selection: Cut) -> tuple[_Line, ...]:
    lines: list[_Line] = []
    pieces = 0
    for rule in policy.rules:
        found: tuple[Alternative, ...] = alternatives(rule.constraints, rule.path)
        pieces += sum(alternative.scoped for alternative in found)
        if pieces > PIECES_MAX:
            raise too_large(rule.path, "pieces of data in the policy", PIECES_MAX)
        if rule.targets is not None and target not in rule.targets:
            continue
        for alternative in found:
            piece = alternative.piece
            lines.append(
                _Line(
                    bit=1 << len(lines),
                    forbids=rule.forbids,
                    scoped=alternative.scoped,
                    actions=rule.actions,
                    assignees=rule.assignees,
                    holds=all_of(tuple(condition(node) for node in alternative.conditions)),
                    piece=piece if rule.forbids else join(Piece(selection), piece),
                )
            )
    return tuple(lines)


def _settle(active: list[_Line], conflict: str) -> _Outcome:
    """Work out what a set of active lines means (ODRL 2.2 IM 2.10 for the conflict)."""
    permits = [line.piece for line in active if not line.forbids]
    denies = [line.piece for line in active if line.forbids and line.scoped]
    forbidden = any(line.forbids and not line.scoped for line in active)
    if permits and forbidden and conflict == "invalid":
        return _Outcome(code=Code.policy_conflict.value)
    if not permits or (forbidden and conflict != "perm"):
        return _Outcome(code=Code.policy_denied.value)
    granted, cut = simplify(permits), simplify(denies)
    scope = None
    if not any(piece.ages for piece in (*granted, *cut)):
        scope = Scope(tuple(p.cut for p in granted), tuple(p.cut for p in cut))
    return _Outcome(code=PERMITTED, permits=granted, denies=cut, scope=scope)
