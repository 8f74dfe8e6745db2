"""From a filled form to an Offer as DSP 2025-1 wants it on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hansa.kernel import iso
from hansa.policy.templates import values
from hansa.policy.templates.catalogue import template_of
from hansa.policy.templates.model import Template
from hansa.policy.vocabulary import (
    AREA,
    ATTRIBUTE,
    DATA_AGE,
    MEMBERSHIP,
    OBSERVATION_TIME,
    PROFILE_IRI,
)

Constraint = dict[str, Any]


def offer_from_template(
    template: str, parameters: Mapping[str, Any], *, offer_id: str
) -> dict[str, Any]:
    """Give the Offer that a filled template means; right operands are strings, areas WKT.

    Errors: HansaError `invalid_field` (`unknown_field` for a field the template does not have)
    with `field` and `next`. Blank optional fields count as left out.
    """
    chosen = template_of(template)
    filled = _filled(chosen, parameters)
    constraints = [_constraint(MEMBERSHIP, "eq", "active")]
    for parameter in chosen.parameters:
        if parameter.name in filled:
            constraints.extend(_constraints(parameter.name, filled))
    return {
        "@id": offer_id,
        "@type": "Offer",
        "profile": PROFILE_IRI,
        "permission": [{"action": "use", "constraint": constraints}],
    }


def _filled(template: Template, parameters: Mapping[str, Any]) -> dict[str, Any]:
    known = [parameter.name for parameter in template.parameters]
    filled = {name: value for name, value in parameters.items() if value not in (None, "", [], {})}
    for name in filled:
        if name not in known:
            choice = f"It has: {', '.join(known)}." if known else "It has no fields."
            raise values.refuse(name, f"The template “{template.title}” has no such field.", choice)
    for parameter in template.parameters:
        if parameter.required and parameter.name not in filled:
            raise values.refuse(parameter.name, f"{parameter.title}: missing.", parameter.help)
    if template.any_of and not filled.keys() - {"time_zone"}:
        first = template.parameters[0]
        raise values.refuse(
            first.name,
            "Nothing is limited.",
            "Fill in at least one field, or choose the template “Open to members”.",
        )
    return filled


def _constraints(name: str, filled: Mapping[str, Any]) -> list[Constraint]:
    value = filled[name]
    zone = values.time_zone(filled.get("time_zone"))
    if name == "purpose":
        purposes = values.words(name, value)
        one = len(purposes) == 1
        operator, right = ("eq", purposes[0]) if one else ("isAnyOf", purposes)
        return [_constraint("odrl:purpose", operator, right)]
    if name == "area":
        return [_constraint(AREA, "isPartOf", values.area_wkt(name, value))]
    if name == "attributes":
        return [_constraint(ATTRIBUTE, "isAnyOf", values.names(name, value))]
    if name == "max_age":
        return [_constraint(DATA_AGE, "lteq", values.duration(name, value))]
    if name == "min_age":
        return [_constraint(DATA_AGE, "gteq", values.duration(name, value))]
    if name == "count":
        return [_constraint("odrl:count", "lteq", values.number(name, value))]
    if name == "until":
        return [_constraint("odrl:dateTime", "lt", iso(values.end(name, value, zone)))]
    if name == "period":
        begins, ends = values.period(name, value, zone)
        return [
            *([_constraint(OBSERVATION_TIME, "gteq", iso(begins))] if begins else []),
            *([_constraint(OBSERVATION_TIME, "lt", iso(ends))] if ends else []),
        ]
    assert name == "time_zone", name
    return []


def _constraint(left: str, operator: str, right: str | list[str]) -> Constraint:
    return {"leftOperand": left, "operator": operator, "rightOperand": right}
