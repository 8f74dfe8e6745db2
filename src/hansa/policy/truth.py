"""What one condition is worth for one usage: True, False or None for unknown, found by walking.

Used where speed does not matter: reasons of a refusal, and the interpreter that the compiled
closures are tested against.
"""

from __future__ import annotations

from datetime import datetime

from hansa.policy.model import Usage
from hansa.policy.tree import Atom, Node
from hansa.policy.vocabulary import COUNT, MEMBERSHIP, PURPOSE, RECIPIENT, ROLE

Found = datetime | str | frozenset[str] | int


def found_value(node: Atom, usage: Usage, now: datetime) -> Found | None:
    """Give the value that the left operand has now; None when nobody knows it."""
    if isinstance(node.value, datetime):
        return now
    if node.left == COUNT:
        return usage.count
    if node.left == MEMBERSHIP:
        return "active" if usage.member else "not active"
    if node.left == RECIPIENT:
        return usage.assignee
    if node.left == ROLE:
        return usage.roles
    assert node.left == PURPOSE, node.left
    return usage.purpose


def truth(node: Node, usage: Usage, now: datetime) -> bool | None:
    """Evaluate an activation constraint in three-valued logic (Kleene)."""
    if isinstance(node, Atom):
        found = found_value(node, usage, now)
        return None if found is None else _compare(found, node)
    answers = [truth(part, usage, now) for part in node.parts]
    if node.kind in ("and", "andSequence"):
        return False if False in answers else None if None in answers else True
    if node.kind == "or":
        return True if True in answers else None if None in answers else False
    if answers.count(True) > 1:
        return False
    return None if None in answers else answers.count(True) == 1


def _compare(found: Found, node: Atom) -> bool:
    wanted = node.value
    if isinstance(found, int):
        assert isinstance(wanted, int)
        return found < wanted if node.operator == "lt" else found <= wanted
    if isinstance(found, datetime):
        assert isinstance(wanted, datetime)
        return {
            "lt": found < wanted,
            "lteq": found <= wanted,
            "gt": found > wanted,
            "gteq": found >= wanted,
            "eq": found == wanted,
            "neq": found != wanted,
        }[node.operator]
    assert isinstance(wanted, frozenset)
    values = found if isinstance(found, frozenset) else {found}
    if node.operator in ("neq", "isNoneOf"):
        return not wanted & values
    return bool(wanted & values)
