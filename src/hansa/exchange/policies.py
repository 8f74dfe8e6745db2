"""ODRL on the wire: shape checks, the agreement made of an offer, and comparison of terms.

Two policies say the same when their rules do, whatever the spelling: prefix or plain term, one
value or a list of one, order of rules, a typed literal or its text (DSP 2025-1 6.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from hansa.kernel import Code, HansaError, iso

_ODRL = "http://www.w3.org/ns/odrl/2/"
_RULES = ("permission", "prohibition", "obligation")
_ORDERLESS = frozenset((*_RULES, "duty", "constraint", "and", "or", "xone", "profile"))
_LISTS = _ORDERLESS | {"andSequence"}
_NAMES = frozenset(("action", "operator", "leftOperand"))
_NOT_TERMS = frozenset(
    ("@id", "@type", "@context", "target", "assigner", "assignee", "timestamp", "uid")
)
_UNSAID = frozenset(("@id", "@type", "uid"))
_LITERAL = frozenset(("@value", "@type", "@language"))
_DEPTH_MAX = 24
_PARTS_MAX = 1_000
_MEMBERS_MAX = 15_000
_VALUES_MAX = 100_000
_sorted = msgspec.json.Encoder(order="sorted").encode


def check_policy(policy: Mapping[str, Any], kind: str) -> None:
    """Check the shape of an `Offer` or `Agreement` in a message; HansaError policy_invalid.

    Source: DSP 2025-1 contract-schema: id, plain type, and at least one permission or prohibition.
    """
    field = kind.lower()
    if not isinstance(policy.get("@id"), str) or not policy["@id"]:
        raise _invalid(f"{field}.@id", f"The {field} needs an `@id`.")
    if policy.get("@type", kind) != kind:
        raise _invalid(f"{field}.@type", f"The {field} must have the `@type` {kind}.")
    names = ("target",) if kind == "Offer" else ("target", "assigner", "assignee")
    for name in names:
        present = name in policy or kind == "Agreement"
        if present and not isinstance(policy.get(name), str):
            raise _invalid(f"{field}.{name}", f"`{name}` must be a string.")
    rules = 0
    for name in _RULES:
        value = policy.get(name, [])
        items = value if isinstance(value, list) else [value]
        if not all(isinstance(rule, dict) for rule in items):
            raise _invalid(f"{field}.{name}", f"`{name}` must be a list of rules.")
        if name != "obligation":
            rules += len(items)
    if not rules:
        raise _invalid(f"{field}.permission", f"The {field} permits and prohibits nothing.")
    _check_size(policy)


def _check_size(policy: Mapping[str, Any]) -> None:
    """Refuse what would take long to compare; HansaError too_complex. Costs less than reading it.

    A member of the data space may send a megabyte, and everybody else waits while it is compared.
    """
    rest: list[tuple[Any, int]] = [(_terms(policy), 0)]
    parts = members = values = 0
    while rest:
        value, depth = rest.pop()
        if depth + bool(value) > _DEPTH_MAX:
            raise _too_deep()
        if isinstance(value, Mapping):
            members += 1 + len(value)
            for name, member in value.items():
                if isinstance(member, list) and _plain_name(name) in _LISTS:
                    parts += len(member)
                    rest += [(item, depth + 1) for item in member[: _PARTS_MAX + 1]]
                elif isinstance(member, (dict, list)):
                    rest.append((member, depth + 1))
        elif isinstance(value, list):
            values += len(value)
            members += 1 + len(value) - list(map(type, value)).count(str)
            rest += [(each, depth + 1) for each in value if isinstance(each, (dict, list))]
        if parts > _PARTS_MAX or members > _MEMBERS_MAX or values > _VALUES_MAX:
            raise HansaError(
                Code.too_complex,
                "The policy is too large.",
                f"At most {_PARTS_MAX} rules and constraints with {_MEMBERS_MAX} members and"
                f" {_VALUES_MAX} values are read.",
                status=400,
            )


def _too_deep() -> HansaError:
    return HansaError(
        Code.too_complex,
        "The policy is nested too deeply.",
        f"At most {_DEPTH_MAX} levels are read.",
        status=400,
    )


def _invalid(field: str, title: str) -> HansaError:
    return HansaError(Code.policy_invalid, title, field=field, status=400)


def same_terms(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Say whether two policies have the same rules and profile; parties and ids do not count."""
    mine, theirs = _terms(one), _terms(other)
    if _sorted(mine) == _sorted(theirs):  # not `==`: to Python, true is 1
        return True
    if _parts(mine) != _parts(theirs):
        return False
    return bool(_canonical(mine, 0) == _canonical(theirs, 0))


def _terms(policy: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in policy.items() if _plain_name(name) not in _NOT_TERMS}


def _parts(terms: Mapping[str, Any]) -> int:
    """Count rules and constraints, which no spelling changes: most that differs differs in this."""
    rest, count = [terms], 0
    while rest:
        for name, member in rest.pop().items():
            if _plain_name(name) in _LISTS:
                items = member if isinstance(member, list) else [member]
                count += len(items)
                rest += [item for item in items if isinstance(item, Mapping)]
    return count


def _plain_name(name: str) -> str:
    if ":" not in name:
        return name
    return name.removeprefix(_ODRL).removeprefix("odrl:")


def _canonical(value: Any, depth: int) -> Any:
    if depth > _DEPTH_MAX:
        raise _too_deep()
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        if "@value" in value and value.keys() <= _LITERAL:
            return _canonical(value["@value"], depth + 1)
        if len(value) == 1 and "@id" in value:
            return value["@id"]
        return _canonical_object(value, depth)
    if isinstance(value, list):
        if set(map(type, value)) == {str}:
            return value
        return [_canonical(item, depth + 1) for item in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if type(value) is int else msgspec.json.encode(value).decode()


def _canonical_object(value: Mapping[str, Any], depth: int) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key, member in value.items():
        name = _plain_name(key)
        if name in _LISTS:
            items = member if isinstance(member, list) else [member]
            found = [_canonical(item, depth + 1) for item in items]
            if name in _ORDERLESS and len(found) > 1:
                found.sort(key=_sorted)
            if found:
                plain[name] = found
        elif name in _NAMES:
            found_name = _canonical(member, depth + 1)
            plain[name] = _plain_name(found_name) if isinstance(found_name, str) else found_name
        elif name not in _UNSAID:
            plain[name] = _canonical(member, depth + 1)
    return plain


def agreement_of(
    offer: Mapping[str, Any],
    *,
    agreement_id: str,
    target: str,
    assigner: str,
    assignee: str,
    at: datetime,
) -> dict[str, Any]:
    """Make the ODRL agreement of an offer (DSP 2025-1 6.3.3); `timestamp` is when it was made."""
    terms = {name: value for name, value in _terms(offer).items() if value != []}
    return {
        "@id": agreement_id,
        "@type": "Agreement",
        "target": target,
        "assigner": assigner,
        "assignee": assignee,
        "timestamp": iso(at.replace(microsecond=0)),
        **terms,
    }


def agreement_flaws(
    agreement: Mapping[str, Any],
    offer: Mapping[str, Any],
    *,
    target: str,
    assigner: str,
    assignee: str,
) -> list[str]:
    """Say what in an agreement is not what was asked for; empty when all is right."""
    flaws: list[str] = []
    expected = {"target": target, "assigner": assigner, "assignee": assignee}
    for name, value in expected.items():
        if agreement.get(name) != value:
            flaws.append(f"The agreement's {name} is {agreement.get(name)!r}, not {value!r}.")
    if not same_terms(agreement, offer):
        flaws.append("The agreement's terms are not those of the offer.")
    return flaws
