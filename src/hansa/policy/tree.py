"""A policy after reading: typed rules and constraints, each with the path it stood at.

The compiler and the interpreter both start from this tree; nothing in it is unread.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from hansa.kernel import HansaError
from hansa.policy.duration import Duration
from hansa.policy.model import Area
from hansa.policy.vocabulary import OPERANDS, Operand

Value = datetime | frozenset[str] | Area | Duration | int
Conflict = Literal["perm", "prohibit", "invalid"]
PolicyType = Literal["Offer", "Agreement", "Set"]


class Atom(msgspec.Struct, frozen=True, kw_only=True):
    """One constraint: left operand (IRI), operator (plain), typed value.

    `words` are the right operands as they were written, for showing.
    """

    path: str
    left: str
    operator: str
    value: Value
    words: tuple[str, ...] = ()

    @property
    def operand(self) -> Operand:
        """Give the row of the vocabulary for the left operand."""
        return OPERANDS[self.left]


class Logic(msgspec.Struct, frozen=True, kw_only=True):
    """A logical constraint: `and`, `or`, `xone` or `andSequence` over others."""

    path: str
    kind: str
    parts: tuple[Node, ...]


Node = Atom | Logic


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A permission or, with `forbids`, a prohibition.

    Several actions, targets or assignees stand for one atomic rule each (ODRL 2.2 IM 2.7); sets
    say the same in less. `targets` None is the policy's asset, `assignees` None is anyone.
    """

    path: str
    forbids: bool
    actions: frozenset[str]
    targets: frozenset[str] | None
    assignees: frozenset[str] | None
    constraints: tuple[Node, ...]


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """A policy as read. `problems` is filled only by a lenient reading, which is for showing."""

    id: str | None
    type: PolicyType
    target: str | None
    assigner: str | None
    assignee: str | None
    conflict: Conflict
    profiles: tuple[str, ...]
    rules: tuple[Rule, ...]
    problems: tuple[HansaError, ...] = ()


def is_scoping(node: Node) -> bool:
    """Say whether a constraint holds a data-scoping term anywhere."""
    if isinstance(node, Atom):
        return node.operand.scoping
    return any(is_scoping(part) for part in node.parts)


def atoms(nodes: tuple[Node, ...]) -> list[Atom]:
    """Give every atomic constraint below, in the order of the text."""
    found: list[Atom] = []
    for node in nodes:
        found.extend([node] if isinstance(node, Atom) else atoms(node.parts))
    return found
