"""Why a usage was refused: rule, constraint, needed, found, next step. Built only on a refusal.

`needed` and the message may be shown to the counterparty; `found` is for the operator's eyes.
"""

from __future__ import annotations

from hansa.kernel import Code
from hansa.policy.model import Reason, Usage
from hansa.policy.tree import Atom, Node, Policy, Rule, is_scoping
from hansa.policy.truth import found_value, truth
from hansa.policy.vocabulary import COUNT, PURPOSE
from hansa.policy.words import _, condition_text, instant_text, list_text

REASONS_MAX = 50
COUNT_EXHAUSTED = "count_exhausted"
"""The code of the reason that a number of uses has been reached."""


def reasons(policy: Policy, usage: Usage, *, target: str, code: str) -> tuple[Reason, ...]:
    """Give the reasons of a refusal, in the order of the policy; at most `REASONS_MAX`."""
    gate = _gate(policy, usage, target)
    if gate is not None:
        return (gate,)
    found: list[Reason] = []
    if code == Code.policy_conflict:
        found.append(
            Reason(
                path="conflict",
                code="policy_conflict",
                message=_(
                    "The policy both permits and forbids this use, so it is void. "
                    "Ask the provider to correct it."
                ),
            )
        )
    for rule in policy.rules:
        if len(found) >= REASONS_MAX:
            break
        found.extend(_of_prohibition(rule, usage) if rule.forbids else _of_permission(rule, usage))
    if not any(not rule.forbids for rule in policy.rules):
        found.append(
            Reason(
                path="permission",
                code="nothing_permits",
                message=_("The policy has no permission, and what is not permitted is denied."),
            )
        )
    return tuple(found[:REASONS_MAX])


def _gate(policy: Policy, usage: Usage, target: str) -> Reason | None:
    """Give the reason that comes before any rule."""
    if policy.type == "Offer":
        return Reason(
            path="@type",
            code="offer_grants_nothing",
            message=_("An offer grants nothing. Conclude an agreement on it first."),
            needed="Agreement",
            found="Offer",
        )
    if usage.target != target:
        return Reason(
            path="target",
            code="target_mismatch",
            message=_("The agreement is about another dataset. Ask for the one it names."),
            needed=target,
            found=usage.target,
        )
    if not usage.member:
        return Reason(
            path="",
            code="membership_required",
            message=_("Use is allowed only by members of the data space in good standing."),
            needed=_("an active membership"),
            found=_("no active membership"),
        )
    return None


def _of_permission(rule: Rule, usage: Usage) -> list[Reason]:
    mismatch = _mismatch(rule, usage)
    if mismatch is not None:
        return [mismatch]
    found: list[Reason] = []
    for node in rule.constraints:
        if len(found) >= REASONS_MAX:
            break
        found.extend(_of_condition(node, usage))
    return found


def _mismatch(rule: Rule, usage: Usage) -> Reason | None:
    if usage.action not in rule.actions:
        return Reason(
            path=f"{rule.path}.action",
            code="action_not_permitted",
            message=_("This rule does not permit the action “{action}”.").format(
                action=usage.action
            ),
            needed=list_text(sorted(rule.actions), last=_("or")),
            found=usage.action,
        )
    if rule.targets is not None and usage.target not in rule.targets:
        return Reason(
            path=f"{rule.path}.target",
            code="target_mismatch",
            message=_("This rule is about another dataset."),
            needed=list_text(sorted(rule.targets), last=_("or")),
            found=usage.target,
        )
    if rule.assignees is not None and usage.assignee not in rule.assignees:
        return Reason(
            path=f"{rule.path}.assignee",
            code="party_mismatch",
            message=_("This rule permits use to another participant."),
            needed=list_text(sorted(rule.assignees), last=_("or")),
            found=usage.assignee,
        )
    return None


def _of_condition(node: Node, usage: Usage) -> list[Reason]:
    """Give one reason for a condition that does not hold; an `and` is taken apart."""
    if is_scoping(node):
        return _of_scoping(node, usage)
    held = truth(node, usage, usage.now)
    if held:
        return []
    if not isinstance(node, Atom) and node.kind == "and":
        return [reason for part in node.parts for reason in _of_condition(part, usage)]
    needed = condition_text(node)
    message = _("Use is allowed only {condition}.").format(condition=needed)
    if held is None:
        message += " " + (
            _("No purpose was declared; declare one.")
            if isinstance(node, Atom) and node.left == PURPOSE
            else _("What is needed to decide this is not known.")
        )
    code = "value_unknown" if held is None else "constraint_unsatisfied"
    if held is False and isinstance(node, Atom) and node.left == COUNT:
        code = COUNT_EXHAUSTED
        message += " " + _("All of them have been made.")
    return [
        Reason(
            path=node.path,
            code=code,
            message=message,
            needed=needed,
            found=_found_text(node, usage) if isinstance(node, Atom) else None,
        )
    ]


def _of_scoping(node: Node, usage: Usage) -> list[Reason]:
    """Data terms never decide; conditions beside them do, in an `or` if all branches fail."""
    if isinstance(node, Atom):
        return []
    branches = [_of_condition(part, usage) for part in node.parts]
    if node.kind == "or" and not all(branches):
        return []
    return [reason for branch in branches for reason in branch]


def _found_text(node: Atom, usage: Usage) -> str | None:
    found = found_value(node, usage, usage.now)
    if found is None or isinstance(found, str):
        return found
    if isinstance(found, int):
        return _("use number {n}").format(n=found)
    return list_text(sorted(found)) if isinstance(found, frozenset) else instant_text(found)


def _of_prohibition(rule: Rule, usage: Usage) -> list[Reason]:
    """Give the reason of a prohibition that stops the whole use; one that cuts data does not."""
    if _mismatch(rule, usage) is not None:
        return []
    if not all(_stops(node, usage) for node in rule.constraints):
        return []
    conditions = [condition_text(node) for node in rule.constraints if not is_scoping(node)]
    if conditions:
        message = _("Use is forbidden {condition}.").format(condition=_(", and ").join(conditions))
    else:
        message = _("Use is forbidden.")
    return [Reason(path=rule.path, code="prohibited", message=message)]


def _stops(node: Node, usage: Usage) -> bool:
    """Say whether the constraint has a branch without data terms that may hold."""
    if not is_scoping(node):
        return truth(node, usage, usage.now) is not False
    if isinstance(node, Atom):
        return False
    branches = [_stops(part, usage) for part in node.parts]
    return any(branches) if node.kind == "or" else all(branches)
