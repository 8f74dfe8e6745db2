"""The scope of a decision shows of each value exactly what the terms say of it.

A third reading of the terms, value by value and straight from the JSON, without cuts and windows.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import product
from typing import Any

import msgspec
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from policy_strategies import HANSA, SQUARES, compiled, entities, policies, usages

from hansa.policy import Cut, Usage, filter_copy

_CONDITIONS = ("role", "membership")
_WIDER = {"use": {"use", "read"}, "read": {"read"}, "sell": {"sell"}}


class Value(msgspec.Struct):
    """One attribute instance and what its entity says of it."""

    name: str
    type: str
    place: list[float] | None
    at: datetime | None


@settings(max_examples=150, deadline=None)
@given(policies, usages, st.lists(entities, min_size=1, max_size=3))
def test_the_filtered_copy_holds_what_the_terms_say(
    odrl: dict[str, Any], usage: Usage, data: list[dict[str, Any]]
) -> None:
    decision = compiled(odrl, Cut()).decide(usage)
    assume(decision.permitted)
    expected = [kept for entity in data if (kept := visible_part(odrl, usage, entity))]
    assert filter_copy(data, decision.scope) == expected


def visible_part(
    odrl: dict[str, Any], usage: Usage, entity: dict[str, Any]
) -> dict[str, Any] | None:
    kept = {"id": entity["id"], "type": entity["type"]}
    for name, stated in entity.items():
        if name in kept:
            continue
        instances = stated if isinstance(stated, list) else [stated]
        seen = [one for one in instances if is_visible(odrl, usage, value_of(entity, name, one))]
        if seen:
            kept[name] = seen if isinstance(stated, list) else seen[0]
    return kept if len(kept) > 2 else None


def value_of(entity: dict[str, Any], name: str, instance: dict[str, Any]) -> Value:
    at = instance.get("observedAt")
    return Value(
        name=name,
        type=entity["type"],
        place=entity["location"]["value"]["coordinates"] if "location" in entity else None,
        at=datetime.fromisoformat(at) if at else None,
    )


def is_visible(odrl: dict[str, Any], usage: Usage, value: Value) -> bool:
    permitted = any(
        all(holds(node, usage, value) is True for node in rule["constraint"])
        for rule in odrl["permission"]
        if rule.get("assignee", usage.assignee) == usage.assignee
        and any(usage.action in _WIDER[action] for action in listed(rule["action"]))
    )
    denied = any(
        any(has_data_term(term) for term in branch)
        and all(holds(term, usage, value) is not False for term in branch)
        for rule in odrl["prohibition"]
        if usage.action in ("use", "read")
        for branch in branches({"and": rule["constraint"]})
    )
    return permitted and not denied


def branches(node: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """Give the ways in which a prohibition can hold; one without data terms cuts nothing out."""
    if "leftOperand" in node or not has_data_term(node):
        return [[node]]
    kind, parts = parts_of(node)
    if kind == "or":
        return [branch for part in parts for branch in branches(part)]
    return [
        [term for branch in chosen for term in branch]
        for chosen in product(*(branches(part) for part in parts))
    ]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def parts_of(node: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    (found,) = node.items()
    return found


def has_data_term(node: dict[str, Any]) -> bool:
    if "leftOperand" not in node:
        return any(has_data_term(part) for part in parts_of(node)[1])
    name = node["leftOperand"].removeprefix(HANSA)
    return name != node["leftOperand"] and name not in _CONDITIONS


def holds(node: dict[str, Any], usage: Usage, value: Value) -> bool | None:
    """Say whether a constraint holds for a value: True, False or None for unknown."""
    if "leftOperand" in node:
        return term_holds(node, usage, value)
    kind, parts = parts_of(node)
    answers = [holds(part, usage, value) for part in parts]
    if kind in ("and", "andSequence"):
        return False if False in answers else None if None in answers else True
    if kind == "or":
        return True if True in answers else None if None in answers else False
    if answers.count(True) > 1:
        return False
    return None if None in answers else answers.count(True) == 1


def term_holds(node: dict[str, Any], usage: Usage, value: Value) -> bool | None:
    operator, right = node["operator"], node["rightOperand"]
    name = node["leftOperand"].removeprefix(HANSA)
    if name == "odrl:dateTime":
        return compare(operator, usage.now, datetime.fromisoformat(right))
    if name == "odrl:purpose":
        if usage.purpose is None:
            return None
        return (usage.purpose in right) is (operator == "isAnyOf")
    if name == "odrl:count":
        return None if usage.count is None else compare(operator, usage.count, int(right))
    if name == "odrl:recipient":
        return usage.assignee in right
    if name == "role":
        return any(role in right for role in usage.roles)
    if name == "attribute":
        return value.name in right
    if name == "entityType":
        return value.type in right
    if name == "area":
        low, high = SQUARES[right]
        return value.place is not None and all(low <= x <= high for x in value.place)
    if value.at is None:
        return True
    if name == "observationTime":
        return compare(operator, value.at, datetime.fromisoformat(right))
    assert name == "dataAge", name
    return compare(operator, usage.now - value.at, timedelta(days=int(right[1])))


def compare(operator: str, one: Any, other: Any) -> bool:
    return {
        "lt": one < other,
        "lteq": one <= other,
        "gt": one > other,
        "gteq": one >= other,
        "eq": one == other,
        "neq": one != other,
    }[operator]
