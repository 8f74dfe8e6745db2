"""Constraints in normal form: alternatives of (conditions, piece of data).

Data-scoping terms never decide whether a rule is active; they restrict what it lets through. So a
rule becomes a union of alternatives: under these conditions, this piece of the data.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from hansa.kernel import HansaError
from hansa.policy.duration import Duration
from hansa.policy.errors import too_large, unsupported
from hansa.policy.model import Area, Cut
from hansa.policy.scopes import Age, Piece, join
from hansa.policy.tree import Atom, Logic, Node, is_scoping
from hansa.policy.vocabulary import ATTRIBUTE
from hansa.policy.windows import window_of

ALTERNATIVES_MAX = 16
"""Pieces of data that one rule may name; every one is an OR in each query."""


class Alternative(msgspec.Struct, frozen=True, kw_only=True):
    """While all `conditions` hold, the rule is about `piece`; `scoped`: data terms cut it."""

    conditions: tuple[Node, ...]
    piece: Piece
    scoped: bool


_ALWAYS = Alternative(conditions=(), piece=Piece(Cut()), scoped=False)


def alternatives(constraints: tuple[Node, ...], path: str) -> tuple[Alternative, ...]:
    """Give the alternatives of a rule; at most `ALTERNATIVES_MAX`.

    `and` multiplies, `or` adds up; xone and andSequence over data terms are refused, because
    "exactly one of two pieces of data" and "one after the other" cut nothing.
    """
    return _all_of(constraints, path)


def _all_of(nodes: tuple[Node, ...], path: str) -> tuple[Alternative, ...]:
    result: tuple[Alternative, ...] = (_ALWAYS,)
    for node in nodes:
        branches = _branches(node)
        if len(result) * len(branches) > ALTERNATIVES_MAX:
            raise _too_many(path)
        result = tuple(_both(one, other) for one in result for other in branches)
    return result


def _branches(node: Node) -> tuple[Alternative, ...]:
    if not is_scoping(node):
        return (Alternative(conditions=(node,), piece=Piece(Cut()), scoped=False),)
    if isinstance(node, Atom):
        return (Alternative(conditions=(), piece=piece_of(node), scoped=True),)
    if node.kind == "and":
        return _all_of(node.parts, node.path)
    if node.kind == "or":
        found = tuple(branch for part in node.parts for branch in _branches(part))
        if len(found) > ALTERNATIVES_MAX:
            raise _too_many(node.path)
        return found
    raise refuse_logic(node)


def refuse_logic(node: Logic) -> HansaError:
    """Refuse a logical constraint that has no meaning over pieces of data."""
    return unsupported(
        node.path,
        node.kind,
        "It has no meaning over terms that cut data.",
        supported=("and", "or"),
    )


def piece_of(atom: Atom) -> Piece:
    """Give the piece of data that one data-scoping constraint lets through."""
    value = atom.value
    if isinstance(value, Area):
        return Piece(Cut(area=value))
    if isinstance(value, Duration):
        return Piece(Cut(), frozenset({Age(atom.operator, value)}))
    if isinstance(value, datetime):
        return Piece(Cut(observed=window_of(atom.operator, value)))
    assert isinstance(value, frozenset), atom.left
    return Piece(Cut(attributes=value) if atom.left == ATTRIBUTE else Cut(types=value))


def _both(one: Alternative, other: Alternative) -> Alternative:
    return Alternative(
        conditions=one.conditions + other.conditions,
        piece=join(one.piece, other.piece),
        scoped=one.scoped or other.scoped,
    )


def _too_many(path: str) -> HansaError:
    return too_large(path, "alternative pieces of data", ALTERNATIVES_MAX)
