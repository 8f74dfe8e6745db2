"""From ODRL back to the form: which template, filled with what."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from hansa.kernel import HansaError, iso
from hansa.policy.duration import Duration, duration_iso
from hansa.policy.model import Area
from hansa.policy.templates.catalogue import TEMPLATES
from hansa.policy.tree import Atom, Policy
from hansa.policy.vocabulary import (
    AREA,
    ATTRIBUTE,
    COUNT,
    DATA_AGE,
    DATE_TIME,
    MEMBERSHIP,
    OBSERVATION_TIME,
    PURPOSE,
    requests_of,
)
from hansa.policy.wire_odrl_2_2 import read_policy

_FIELDS: Mapping[tuple[str, str], str] = {
    (COUNT, "lteq"): "count",
    (PURPOSE, "eq"): "purpose",
    (PURPOSE, "isAnyOf"): "purpose",
    (AREA, "isPartOf"): "area",
    (ATTRIBUTE, "eq"): "attributes",
    (ATTRIBUTE, "isAnyOf"): "attributes",
    (DATA_AGE, "lteq"): "max_age",
    (DATA_AGE, "gteq"): "min_age",
    (DATE_TIME, "lt"): "until",
    (OBSERVATION_TIME, "gteq"): "period.start",
    (OBSERVATION_TIME, "lt"): "period.end",
    (MEMBERSHIP, "eq"): "member",
}

_KEPT_BYTES_MAX = 16 * 1024


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """A template and its canonical parameters: `offer_from_template` of these gives the terms."""

    template: str
    parameters: dict[str, Any]


def read_template(odrl: Mapping[str, Any]) -> Filled | None:
    """Give the template that says the same as an Offer or Agreement; None when no template does.

    The last answers are kept: a negotiation is looked at again and again, and its offer stays.
    """
    try:
        written = msgspec.json.encode(odrl)
    except (TypeError, ValueError, RecursionError):
        return _recognised(odrl)
    return _kept(written) if len(written) <= _KEPT_BYTES_MAX else _recognised(odrl)


@lru_cache(maxsize=256)
def _kept(written: bytes) -> Filled | None:
    return _recognised(msgspec.json.decode(written))


def _recognised(odrl: Mapping[str, Any]) -> Filled | None:
    try:
        policy = read_policy(odrl)
    except HansaError:
        return None
    fields = _fields(policy)
    if fields is None or not fields.pop("member", False):
        return None
    bounds = {name: fields.pop(f"period.{name}", None) for name in ("start", "end")}
    given = {name: at for name, at in bounds.items() if at is not None}
    if given:
        fields["period"] = given
    for template in TEMPLATES:
        exact = template.names == fields.keys() and not template.any_of
        if exact or (template.any_of and fields and fields.keys() <= template.names):
            return Filled(template=template.id, parameters=fields)
    return None


def _fields(policy: Policy) -> dict[str, Any] | None:
    """Give the form fields of a policy with one plain permission; None for any other."""
    if len(policy.rules) != 1:
        return None
    rule = policy.rules[0]
    if rule.forbids or rule.actions != requests_of("use"):
        return None
    fields: dict[str, Any] = {}
    for node in rule.constraints:
        name = _FIELDS.get((node.left, node.operator)) if isinstance(node, Atom) else None
        if name is None or name in fields:
            return None
        assert isinstance(node, Atom)
        fields[name] = _value(name, node)
    return fields


def _value(name: str, atom: Atom) -> Any:
    if isinstance(atom.value, datetime):
        return iso(atom.value)
    if isinstance(atom.value, int):
        return atom.value
    if isinstance(atom.value, Area):
        return atom.value.wkt
    if isinstance(atom.value, Duration):
        return duration_iso(atom.value)
    if name == "attributes":
        return list(atom.words)
    if name == "purpose":
        alone = len(atom.words) == 1 and "," not in atom.words[0]
        return atom.words[0] if alone else list(atom.words)
    return True
