"""May this policy be published, offered, or enforced? Every problem at once, each with its path."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from hansa.kernel import HansaError
from hansa.kernel.jsonld import expand_ngsi_ld_name
from hansa.policy.errors import conflicting, invalid, unsupported
from hansa.policy.normal import Alternative, alternatives
from hansa.policy.operands import NameExpander
from hansa.policy.scopes import is_empty
from hansa.policy.tree import Atom, Policy, Rule, atoms
from hansa.policy.vocabulary import HANSA, IN_FORCE_DATE, PROFILE_IRI
from hansa.policy.wire_odrl_2_2 import read_policy

_PROBLEMS_MAX = 100


class Phase(StrEnum):
    """Where a policy is about to be used."""

    publish = "publish"
    """An Offer of ours inside a catalogue: no target, and written as we would write it."""
    negotiate = "negotiate"
    """A MessageOffer of either side."""
    enforce = "enforce"
    """An Agreement, or a Set that a participant wrote for itself."""


def validate_policy(
    odrl: Mapping[str, Any],
    phase: Phase = Phase.publish,
    *,
    expand: NameExpander = expand_ngsi_ld_name,
) -> None:
    """Refuse a policy that can't be enforced or contradicts itself.

    Raises the first problem as HansaError (`policy_unsupported`, `policy_invalid`,
    `policy_conflict`); its fact `problems` lists all as {path, code, title, detail}.
    """
    policy = read_policy(odrl, expand=expand, lenient=True)
    problems = [*policy.problems]
    pieces: dict[str, tuple[Alternative, ...]] = {}
    for rule in policy.rules:
        try:
            pieces[rule.path] = alternatives(rule.constraints, rule.path)
        except HansaError as problem:
            problems.append(problem)
    problems.extend(_of_type(policy, phase))
    if phase is Phase.publish:
        problems.extend(_of_authoring(policy))
        for path, found in pieces.items():
            problems.extend(_nothing_left(path, found))
    if phase is not Phase.enforce and not problems:
        problems.extend(_conflicts(policy))
    if problems:
        first = problems[0]
        first.facts["problems"] = [
            {
                "path": problem.facts.get("path", ""),
                "code": problem.code.value,
                "title": problem.title,
                "detail": problem.detail,
            }
            for problem in problems[:_PROBLEMS_MAX]
        ]
        raise first


def _of_type(policy: Policy, phase: Phase) -> list[HansaError]:
    found: list[HansaError] = []
    if phase is not Phase.enforce and policy.type != "Offer":
        found.append(invalid("@type", f"It is of type {policy.type}.", "Write an Offer."))
    if phase is Phase.enforce and policy.type == "Offer":
        found.append(invalid("@type", "An offer grants nothing.", "Write an Agreement."))
    if policy.id is None and policy.type != "Set":
        found.append(invalid("@id", "The policy has no identifier.", "Add an IRI (DSP 2025-1)."))
    if phase is Phase.publish and policy.target is not None:
        found.append(
            invalid("target", "In a catalogue the dataset is the target.", "Leave it out.")
        )
    if policy.type == "Agreement":
        found.extend(
            invalid(name, "An agreement must name it (DSP 2025-1).", "Add it.")
            for name in ("target", "assigner", "assignee")
            if getattr(policy, name) is None
        )
    if not policy.problems and all(rule.forbids for rule in policy.rules):
        found.append(
            invalid("permission", "The policy permits nothing.", "Write at least one permission.")
        )
    return found


def _of_authoring(policy: Policy) -> list[HansaError]:
    """Be strict with what we write ourselves: the profile named, no foreign spelling."""
    found: list[HansaError] = []
    for atom in _every_atom(policy):
        if atom.left.startswith(HANSA) and PROFILE_IRI not in policy.profiles:
            found.append(
                invalid(
                    "profile",
                    f"{atom.operand.name} belongs to the Hansa profile, which is not named.",
                    f"Add `profile`: {PROFILE_IRI}.",
                )
            )
            break
    found.extend(
        unsupported(
            f"{atom.path}.leftOperand",
            atom.operand.name,
            "It is read from others, never written.",
            next_step="Write odrl:dateTime.",
        )
        for atom in _every_atom(policy)
        if atom.left == IN_FORCE_DATE
    )
    return found


def _nothing_left(path: str, found: tuple[Alternative, ...]) -> list[HansaError]:
    """Refuse a rule whose data terms exclude each other."""
    for alternative in found:
        cut = alternative.piece.cut
        window = cut.observed
        shut = window is not None and window.start is not None and window.start == window.end
        if is_empty(cut) or shut:
            return [
                invalid(
                    f"{path}.constraint",
                    "Its terms exclude each other: no observation can satisfy them all.",
                    "Widen the period, the area, the attributes or the types.",
                )
            ]
    return []


def _conflicts(policy: Policy) -> list[HansaError]:
    """Refuse what is void from the start: a prohibition that always holds, strategy `invalid`.

    Only what is certain is said; a prohibition with a condition may never meet a permission.
    """
    if policy.conflict != "invalid":
        return []
    permitted = [rule for rule in policy.rules if not rule.forbids]
    return [
        conflicting(rule.path)
        for rule in policy.rules
        if rule.forbids and not rule.constraints and any(_overlap(rule, p) for p in permitted)
    ]


def _overlap(one: Rule, other: Rule) -> bool:
    def meet(a: frozenset[str] | None, b: frozenset[str] | None) -> bool:
        return a is None or b is None or not a.isdisjoint(b)

    return (
        not one.actions.isdisjoint(other.actions)
        and meet(one.targets, other.targets)
        and meet(one.assignees, other.assignees)
    )


def _every_atom(policy: Policy) -> list[Atom]:
    return [atom for rule in policy.rules for atom in atoms(rule.constraints)]
