"""Constraints: atomic and logical, from JSON-LD to the tree (ODRL 2.2 IM 2.5, DSP 2025-1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hansa.policy.errors import invalid, too_large, unsupported
from hansa.policy.members import Reading, listed
from hansa.policy.operands import read_left, read_literals, read_value
from hansa.policy.tree import Atom, Logic, Node
from hansa.policy.vocabulary import LOGICAL, OPERATOR_ALIASES, OPERATORS

NESTING_MAX = 32
_ATOMIC = ("leftOperand", "operator", "rightOperand")
MEMBERS = frozenset({"@id", "uid", "@type", "dataType", *_ATOMIC, *LOGICAL})


def read_constraints(
    value: Any, path: str, reading: Reading, *, depth: int = 1
) -> tuple[Node, ...]:
    """Read a constraint or a list of them; nesting at most `NESTING_MAX`."""
    if depth > NESTING_MAX:
        raise too_large(path, "levels of constraints", NESTING_MAX)
    found: list[Node] = []
    for index, item in enumerate(listed(value)):
        where = f"{path}[{index}]"
        with reading.noting():
            reading.spend(where)
            found.append(_constraint(item, where, reading, depth))
    return tuple(found)


def _constraint(node: Any, path: str, reading: Reading, depth: int) -> Node:
    members = reading.members(node, path, MEMBERS)
    if reading.plain(members.get("@type", "Constraint")) not in ("Constraint", "LogicalConstraint"):
        raise invalid(f"{path}.@type", "It is no type of constraint.", "Leave it out.")
    logical = [name for name in LOGICAL if name in members]
    atomic = [name for name in _ATOMIC if name in members]
    if len(logical) == 1 and not atomic:
        return _logic(members[logical[0]], f"{path}.{logical[0]}", reading, depth)
    if logical or len(atomic) < len(_ATOMIC):
        raise invalid(
            path,
            f"A constraint has {', '.join(_ATOMIC)}, or exactly one of {', '.join(LOGICAL)} "
            "that is not empty.",
            "Complete it.",
        )
    return _atom(members, path, reading)


def _logic(value: Any, path: str, reading: Reading, depth: int) -> Logic:
    items = value["@list"] if isinstance(value, Mapping) and set(value) == {"@list"} else value
    parts = read_constraints(items, path, reading, depth=depth + 1)
    if not parts:
        raise invalid(path, "It holds no constraint.", "Write at least one.")
    return Logic(path=path, kind=path.rpartition(".")[2], parts=parts)


def _atom(members: Mapping[str, Any], path: str, reading: Reading) -> Atom:
    operand = read_left(members["leftOperand"], f"{path}.leftOperand", reading.prefixes)
    where = f"{path}.operator"
    operator = reading.plain(members["operator"])
    operator = OPERATOR_ALIASES.get(operator, operator)
    if operator not in operand.operators:
        why = (
            f"It has no meaning for {operand.name} that can be enforced."
            if operator in OPERATORS
            else "It is no operator of ODRL."
        )
        term = str(members["operator"])
        raise unsupported(where, term, why, supported=operand.operators)
    if "dataType" in members:
        raise unsupported(
            f"{path}.dataType",
            "dataType",
            "The type belongs to the value.",
            next_step='Write the right operand as {"@value": "…", "@type": "…"}.',
        )
    literals = read_literals(members["rightOperand"], f"{path}.rightOperand", reading.prefixes)
    return Atom(
        path=path,
        left=operand.iri,
        operator=operator,
        value=read_value(operand, operator, literals, reading.expand),
        words=tuple(literal.text for literal in literals),
    )
