"""ODRL 2.2 policies in the JSON-LD forms that DSP 2025-1 peers send, read into the tree.

Members may be plain terms, CURIEs or IRIs, single or in lists. What the policy states (target,
assigner, assignee, action) holds for each of its rules (ODRL 2.2 IM 2.7.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from hansa.kernel.jsonld import expand_ngsi_ld_name
from hansa.policy import constraints
from hansa.policy.errors import invalid, unsupported
from hansa.policy.members import Reading, listed, why_not
from hansa.policy.operands import NameExpander
from hansa.policy.tree import Conflict, Node, Policy, PolicyType, Rule, atoms
from hansa.policy.vocabulary import (
    ACTION_ALIASES,
    COUNT,
    INCLUDED_IN,
    KNOWN_CONTEXTS,
    KNOWN_PROFILES,
    LEFT_OPERANDS,
    OPERATORS,
    PREFIXES,
    PREVENTABLE_ACTIONS,
    PROFILE_IRI,
    overlapping,
    requests_of,
)

_PREFIXES_MAX = 100
_POLICY = frozenset(
    "@context @id uid @type profile conflict permission prohibition target assigner assignee "
    "action timestamp edctype".split()
)
_RULE = frozenset("@id uid @type action target assigner assignee constraint".split())
_TYPES: Mapping[str, PolicyType] = {
    "Offer": "Offer",
    "Agreement": "Agreement",
    "Set": "Set",
    "Policy": "Set",
}
_STRATEGIES = ("perm", "prohibit", "invalid")
_RESERVED = frozenset(
    {*_POLICY, *_RULE, *_TYPES, *_STRATEGIES, *constraints.MEMBERS, *OPERATORS}
    | {*INCLUDED_IN, *ACTION_ALIASES, *LEFT_OPERANDS, "inForceDate"}
)


def read_policy(
    odrl: Mapping[str, Any],
    *,
    expand: NameExpander = expand_ngsi_ld_name,
    lenient: bool = False,
) -> Policy:
    """Read a policy, or refuse it with the path of the member at fault.

    A lenient reading leaves out what it can't read and lists it in `problems`.
    """
    if not isinstance(odrl, Mapping):
        raise invalid("", "A policy is a JSON object.", "Send one object.")
    reading = Reading(expand, lenient=lenient)
    with reading.noting():
        reading.prefixes = _prefixes(odrl.get("@context"))
    node = reading.members(odrl, "", _POLICY)
    kind: PolicyType = "Offer"
    conflict: Conflict = "invalid"
    identifier = target = assigner = assignee = None
    with reading.noting():
        kind = _type(node, reading)
    with reading.noting():
        conflict = _conflict(node, reading)
    with reading.noting():
        identifier = _identifier(node)
    with reading.noting():
        target = reading.one_reference(node, "target")
        assigner = reading.one_reference(node, "assigner")
        assignee = reading.one_reference(node, "assignee")
    profiles: tuple[str, ...] = ()
    with reading.noting():
        profiles = _profiles(node, reading)
    for name in ("timestamp", "edctype"):
        with reading.noting():
            if not isinstance(node.get(name, ""), str):
                raise invalid(name, "It is no string.", "Write a string or leave it out.")
    rules = _rules(node, reading)
    if not rules and not reading.problems:
        raise invalid("permission", "There is no rule.", "Write at least one permission.")
    return Policy(
        id=identifier,
        type=kind,
        target=target,
        assigner=assigner,
        assignee=assignee,
        conflict=conflict,
        profiles=profiles,
        rules=rules,
        problems=tuple(reading.problems),
    )


def policy_members(odrl: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a policy states by plain ODRL name, values as they were written."""
    reading = Reading(expand_ngsi_ld_name)
    reading.prefixes = _prefixes(odrl.get("@context"))
    return reading.members(odrl, "", _POLICY)


def _prefixes(context: Any) -> Mapping[str, str]:
    prefixes = dict(PREFIXES)
    for index, part in enumerate(listed(context)):
        path = f"@context[{index}]"
        if isinstance(part, str):
            if part not in KNOWN_CONTEXTS:
                raise unsupported(path, part, "What it defines is not known here.")
        elif isinstance(part, Mapping) and len(part) <= _PREFIXES_MAX:
            for name, iri in part.items():
                _add_prefix(f"{path}.{name}", name, iri, prefixes)
        else:
            raise invalid(path, "It is no context.", "Write known contexts and prefixes.")
    return prefixes


def _add_prefix(path: str, name: Any, iri: Any, prefixes: dict[str, str]) -> None:
    """Take a prefix that bends no word and no prefix which is known here."""
    plain = isinstance(name, str) and isinstance(iri, str) and iri[-1:] in ("/", "#", ":", "?")
    if not plain or name in _RESERVED or not name.replace("-", "").isalnum():
        raise unsupported(path, str(name), "Only new prefixes may be defined in a policy.")
    if prefixes.get(name, iri) != iri:
        raise invalid(path, f"`{name}` means {prefixes[name]} here.", "Use another prefix.")
    prefixes[name] = iri


def _type(node: Mapping[str, Any], reading: Reading) -> PolicyType:
    items = listed(node.get("@type"))
    if not items:
        return "Offer"  # DSP 2025-1: only inside a catalogue may the type be missing
    name = reading.plain(items[0])
    if len(items) > 1 or name not in _TYPES:
        raise unsupported("@type", str(items[0]), "It grants nothing.", supported=_TYPES)
    return _TYPES[name]


def _conflict(node: Mapping[str, Any], reading: Reading) -> Conflict:
    if "conflict" not in node:
        return "invalid"
    name = reading.plain(node["conflict"])
    if name not in _STRATEGIES:
        term = str(node["conflict"])
        raise unsupported("conflict", term, "It is no strategy of ODRL.", supported=_STRATEGIES)
    return cast(Conflict, name)


def _identifier(node: Mapping[str, Any]) -> str | None:
    found = {name: node[name] for name in ("@id", "uid") if name in node}
    for name, value in found.items():
        if not isinstance(value, str) or not value.strip():
            raise invalid(name, "The identifier is no string.", "Write an IRI.")
    if len(set(found.values())) > 1:
        raise invalid("uid", "It differs from `@id`.", "State one identifier.")
    return next(iter(found.values()), None)


def _profiles(node: Mapping[str, Any], reading: Reading) -> tuple[str, ...]:
    found = reading.references(node.get("profile", []), "profile")
    for path, iri in found:
        if iri not in KNOWN_PROFILES:
            raise unsupported(path, iri, "Its terms are not known here.", supported=(PROFILE_IRI,))
    return tuple(iri for _, iri in found)


def _rules(node: Mapping[str, Any], reading: Reading) -> tuple[Rule, ...]:
    rules: list[Rule] = []
    for arc in ("permission", "prohibition"):
        for index, item in enumerate(listed(node.get(arc))):
            path = f"{arc}[{index}]"
            with reading.noting():
                reading.spend(path)
                rules.append(_rule(item, path, arc == "prohibition", node, reading))
    return tuple(rules)


def _rule(node: Any, path: str, forbids: bool, policy: Mapping[str, Any], reading: Reading) -> Rule:
    members = reading.members(node, path, _RULE)
    name = "Prohibition" if forbids else "Permission"
    if reading.plain(members.get("@type", name)) != name:
        raise invalid(f"{path}.@type", f"It stands under {name.lower()}.", f"Write {name}.")
    source = members if "action" in members else policy
    if "action" not in source:
        raise invalid(f"{path}.action", "There is no action.", "Write for example `use`.")
    _shared("assigner", members, policy, path, reading)
    where = f"{path}.constraint"
    found = constraints.read_constraints(members.get("constraint"), where, reading)
    if forbids:
        _check_uncounted(found)
    return Rule(
        path=path,
        forbids=forbids,
        actions=_actions(source["action"], f"{path}.action", forbids, reading),
        targets=_shared("target", members, policy, path, reading),
        assignees=_shared("assignee", members, policy, path, reading),
        constraints=found,
    )


def _check_uncounted(found: tuple[Node, ...]) -> None:
    """Refuse a count in a prohibition: what is forbidden does not happen, so it is not counted."""
    for atom in atoms(found):
        if atom.left == COUNT:
            raise unsupported(
                f"{atom.path}.leftOperand",
                atom.operand.name,
                "What is forbidden is not counted.",
                next_step="Limit the number in the permission.",
            )


def _shared(
    name: str, rule: Mapping[str, Any], policy: Mapping[str, Any], path: str, reading: Reading
) -> frozenset[str] | None:
    """Give the parties or assets of a rule; what the policy states holds for every rule."""
    own = frozenset(iri for _, iri in reading.references(rule.get(name), f"{path}.{name}"))
    shared = frozenset(iri for _, iri in reading.references(policy.get(name), name))
    if own and shared and own != shared:
        raise invalid(f"{path}.{name}", "The policy names another.", "State it once.")
    return own or shared or None


def _actions(value: Any, path: str, forbids: bool, reading: Reading) -> frozenset[str]:
    """Give every requested action that the rule is about, by the `includedIn` closure.

    A prohibition is about every action that overlaps with its own: who asks to `use` while
    `read` is forbidden is asking for what is forbidden.
    """
    found: set[str] = set()
    for index, item in enumerate(listed(value)):
        where = f"{path}[{index}]" if isinstance(value, list | tuple) else path
        if isinstance(item, Mapping) and set(item) != {"@id"}:
            extra = next((str(key) for key in item if key not in ("@id", "@type")), "@type")
            name = reading.plain(extra)
            why = why_not("refinement") if name == "refinement" else "An action is one word in DSP."
            raise unsupported(f"{where}.{name}", name, why)
        name = reading.plain(item)
        if not name.strip():
            raise invalid(where, "The action is no name.", "Write for example `use`.")
        name = ACTION_ALIASES.get(name, name)
        if name not in INCLUDED_IN:
            raise unsupported(where, name, "It is no action of ODRL.", supported=("use", "read"))
        if forbids and name not in PREVENTABLE_ACTIONS:
            raise unsupported(
                where,
                name,
                "It would happen on the other side, where nothing here can stop it.",
                supported=sorted(PREVENTABLE_ACTIONS),
            )
        found |= overlapping(name) if forbids else requests_of(name)
    return frozenset(found)
