"""Conditions as closures with three answers: holds (True), does not (False), unknown (None).

A permission needs True; a prohibition is switched off only by False. So what is not known never
opens a door, on either side (fail closed both ways).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from hansa.policy.model import Usage
from hansa.policy.tree import Atom, Logic, Node
from hansa.policy.vocabulary import MEMBERSHIP, PURPOSE, RECIPIENT, ROLE
from hansa.policy.windows import after

Condition = Callable[[Usage, datetime], bool | None]

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt,
    "lteq": operator.le,
    "gt": operator.gt,
    "gteq": operator.ge,
    "eq": operator.eq,
    "neq": operator.ne,
}


def condition(node: Node) -> Condition:
    """Compile an activation constraint; data-scoping terms never get here."""
    if isinstance(node, Atom):
        assert not node.operand.scoping, node.path
        return _atom(node)
    return _logic(node)


def all_of(parts: tuple[Condition, ...]) -> Condition:
    """Give the conjunction: False when any part is, else unknown when any part is."""
    if not parts:
        return lambda usage, now: True
    if len(parts) == 1:
        return parts[0]

    def every(usage: Usage, now: datetime) -> bool | None:
        answer: bool | None = True
        for part in parts:
            found = part(usage, now)
            if found is False:
                return False
            if found is None:
                answer = None
        return answer

    return every


def flips(node: Node) -> list[datetime]:
    """Give the instants at which the clock alone can change the answer."""
    if isinstance(node, Logic):
        return [at for part in node.parts for at in flips(part)]
    if not isinstance(node.value, datetime) or node.operand.scoping:
        return []
    at = node.value
    if node.operator in ("lt", "gteq"):
        return [at]
    if node.operator in ("lteq", "gt"):
        return [after(at)]
    return [at, after(at)]


def _atom(node: Atom) -> Condition:
    value = node.value
    if isinstance(value, datetime):
        return _clock(node.operator, value)
    if isinstance(value, int):
        return _counted(node.operator, value)
    assert isinstance(value, frozenset)
    if node.left == MEMBERSHIP:
        return lambda usage, now: usage.member
    if node.left == RECIPIENT:
        return lambda usage, now: usage.assignee in value
    if node.left == ROLE:
        return lambda usage, now: not value.isdisjoint(usage.roles)
    assert node.left == PURPOSE, node.left
    return _purpose(node.operator in ("eq", "isAnyOf"), value)


def _clock(name: str, at: datetime) -> Condition:
    compare = _COMPARE[name]
    return lambda usage, now: compare(now, at)


def _counted(name: str, most: int) -> Condition:
    compare = _COMPARE[name]
    return lambda usage, now: None if usage.count is None else compare(usage.count, most)


def _purpose(wanted: bool, purposes: frozenset[str]) -> Condition:
    def check(usage: Usage, now: datetime) -> bool | None:
        if usage.purpose is None:
            return None
        return (usage.purpose in purposes) is wanted

    return check


def _logic(node: Logic) -> Condition:
    parts = tuple(condition(part) for part in node.parts)
    if node.kind in ("and", "andSequence"):
        # one decision is one instant: all hold now, in whatever order they came to
        return all_of(parts)
    return _any_of(parts) if node.kind == "or" else _one_of(parts)


def _any_of(parts: tuple[Condition, ...]) -> Condition:
    def some(usage: Usage, now: datetime) -> bool | None:
        answer: bool | None = False
        for part in parts:
            found = part(usage, now)
            if found is True:
                return True
            if found is None:
                answer = None
        return answer

    return some


def _one_of(parts: tuple[Condition, ...]) -> Condition:
    def exactly_one(usage: Usage, now: datetime) -> bool | None:
        held, unknown = 0, False
        for part in parts:
            found = part(usage, now)
            held += found is True
            unknown = unknown or found is None
            if held > 1:
                return False
        return None if unknown else held == 1

    return exactly_one
