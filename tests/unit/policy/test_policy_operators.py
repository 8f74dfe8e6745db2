"""Every operator with every left operand: enforced, or refused with its path."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from policy_forms import (
    CITY,
    HANSA,
    NOW,
    OTHER,
    SQUARE,
    agreement,
    ask,
    assert_refused,
    c,
    compiled,
    rule,
)

from hansa.kernel import Code
from hansa.policy import Usage
from hansa.policy.vocabulary import LEFT_OPERANDS

ALL = (
    *("eq", "neq", "lt", "lteq", "term-lteq", "gt", "gteq"),
    *("isA", "hasPart", "isPartOf", "isAnyOf", "isAllOf", "isNoneOf"),
)
ORDERED = {"lt", "lteq", "term-lteq", "gt", "gteq"}
PAST, PRESENT, FUTURE = (
    (NOW + timedelta(seconds=s)).isoformat().replace("+00:00", "Z") for s in (-1, 0, 1)
)
ENFORCED = {
    "odrl:dateTime": (PRESENT, {*ORDERED, "eq", "neq"}),
    "https://w3id.org/edc/v0.0.1/ns/inForceDate": (PRESENT, {*ORDERED, "eq", "neq"}),
    "odrl:count": ("5", {"lt", "lteq", "term-lteq"}),
    "odrl:purpose": ("planning", {"eq", "neq", "isAnyOf", "isNoneOf"}),
    "odrl:recipient": (CITY, {"eq", "isAnyOf"}),
    "hansa:membership": ("active", {"eq"}),
    "hansa:role": ("operator", {"isAnyOf"}),
    "hansa:observationTime": (PRESENT, {*ORDERED, "eq"}),
    "hansa:area": (SQUARE, {"isPartOf"}),
    "hansa:attribute": ("level", {"eq", "isAnyOf"}),
    "hansa:entityType": ("Building", {"eq", "isAnyOf"}),
    "hansa:dataAge": ("P1D", ORDERED),
}
WHERE = "permission[0].constraint[0]"


@pytest.mark.parametrize("left", ENFORCED)
@pytest.mark.parametrize("operator", ALL)
def test_an_operator_is_enforced_or_refused(left: str, operator: str) -> None:
    right, operators = ENFORCED[left]
    odrl = agreement(rule(c(left, operator, right)))
    if operator in operators:
        assert compiled(odrl)
    else:
        error = assert_refused(odrl, Code.policy_unsupported, f"{WHERE}.operator")
        assert error.facts["term"] == operator
        assert set(error.facts["supported"]) == operators - {"term-lteq"}


@pytest.mark.parametrize(
    "left",
    [
        *sorted(LEFT_OPERANDS - {"count", "dateTime", "purpose", "recipient"}),
        "hansa:colour",
        "urn:x",
    ],
)
def test_a_left_operand_that_is_not_enforced_is_refused(left: str) -> None:
    odrl = agreement(rule(c(left, "eq", "1")))
    assert_refused(odrl, Code.policy_unsupported, f"{WHERE}.leftOperand")


def answer(constraint: dict[str, Any], usage: Usage) -> tuple[bool, bool]:
    """Give (a permission under it holds, a prohibition under it holds)."""
    permission = compiled(agreement(rule(constraint))).decide(usage).permitted
    forbidding = agreement(rule(), prohibition=[rule(constraint)], conflict="prohibit")
    return permission, not compiled(forbidding).decide(usage).permitted


@pytest.mark.parametrize(
    ("operator", "holds_at"),
    [
        ("lt", (False, False, True)),
        ("lteq", (False, True, True)),
        ("term-lteq", (False, True, True)),
        ("gt", (True, False, False)),
        ("gteq", (True, True, False)),
        ("eq", (False, True, False)),
        ("neq", (True, False, True)),
    ],
)
@pytest.mark.parametrize("left", ["odrl:dateTime", "inForceDate"])
def test_the_clock_before_at_and_after(
    left: str, operator: str, holds_at: tuple[bool, ...]
) -> None:
    for right, expected in zip((PAST, PRESENT, FUTURE), holds_at, strict=True):
        assert answer(c(left, operator, right), ask()) == (expected, expected)


@pytest.mark.parametrize(
    ("operator", "right", "purpose", "holds"),
    [
        ("eq", "planning", "planning", True),
        ("eq", "planning", "research", False),
        ("eq", ["planning"], "planning", True),
        ("neq", "planning", "planning", False),
        ("neq", "planning", "research", True),
        ("isAnyOf", "planning", "planning", True),
        ("isAnyOf", "planning", "plan", False),
        ("isAnyOf", ["planning", "research"], "research", True),
        ("isAnyOf", ["planning", "research"], "sales", False),
        ("isNoneOf", ["planning", "research"], "sales", True),
        ("isNoneOf", ["planning", "research"], "planning", False),
        ("isNoneOf", "planning", "planning", False),
    ],
)
def test_the_purpose(operator: str, right: Any, purpose: str, holds: bool) -> None:
    constraint = c("odrl:purpose", operator, right)
    assert answer(constraint, ask(purpose=purpose)) == (holds, holds)


@pytest.mark.parametrize("operator", ["eq", "neq", "isAnyOf", "isNoneOf"])
def test_an_unknown_purpose_opens_no_door_on_either_side(operator: str) -> None:
    constraint = c("odrl:purpose", operator, "planning")
    assert answer(constraint, ask(purpose=None)) == (False, True)
    decision = compiled(agreement(rule(constraint))).decide(ask(purpose=None))
    assert [(r.code, r.path, r.found) for r in decision.reasons] == [("value_unknown", WHERE, None)]
    assert "No purpose was declared" in decision.reasons[0].message


@pytest.mark.parametrize(
    ("constraint", "holds"),
    [
        (c("odrl:recipient", "eq", CITY), True),
        (c("odrl:recipient", "eq", OTHER), False),
        (c("odrl:recipient", "isAnyOf", [OTHER, CITY]), True),
        (c("odrl:recipient", "isAnyOf", {"@id": CITY}), True),
        (c("hansa:membership", "eq", "active"), True),
        (c("hansa:role", "isAnyOf", ["operator", "broker"]), True),
        (c("hansa:role", "isAnyOf", "operator"), True),
        (c("hansa:role", "isAnyOf", "oper"), False),
    ],
)
def test_recipient_membership_and_role(constraint: dict[str, Any], holds: bool) -> None:
    assert answer(constraint, ask(roles=frozenset({"operator", "city"}))) == (holds, holds)


def test_no_role_at_all_is_known_and_not_enough() -> None:
    assert answer(c("hansa:role", "isAnyOf", "operator"), ask()) == (False, False)


FORMS: tuple[Any, ...] = (
    "{}",
    ["{}"],
    {"@value": "{}"},
    {"@value": "{}", "@type": "xsd:string"},
    {"@value": "{}", "@type": "http://www.w3.org/2001/XMLSchema#string"},
    {"@list": ["{}"]},
    {"@set": [{"@value": "{}"}]},
    [["{}"]],
)


def fill(form: Any, text: str) -> Any:
    if isinstance(form, str):
        return form.replace("{}", text)
    if isinstance(form, list):
        return [fill(item, text) for item in form]
    return {key: fill(value, text) if key != "@type" else value for key, value in form.items()}


@pytest.mark.parametrize("left", ENFORCED)
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_every_value_form_means_the_same(left: str, form: Any) -> None:
    text, operators = ENFORCED[left]
    for operator in sorted(operators):
        plain = compiled(agreement(rule(c(left, operator, text))))
        other = compiled(agreement(rule(c(left, operator, fill(form, text)))))
        usage = ask(purpose="planning", roles=frozenset({"operator"}))
        assert plain.decide(usage) == other.decide(usage), (left, operator)


@pytest.mark.parametrize("left", ENFORCED)
@pytest.mark.parametrize(
    ("odd", "tail"),
    [
        (5, ""),
        (5.5, ""),
        (True, ""),
        ([], None),
        ({}, ""),
        ("", ""),
        ("  ", ""),
        ([5], "[0]"),
        ([None], "[0]"),
        ({"@value": 5}, ""),
        ({"@value": "x", "@language": "en"}, ""),
        ({"@id": "urn:x", "@type": "x"}, ""),
        ({"@value": "x", "@type": "xsd:boolean"}, ".@type"),
        ({"@value": "x", "@type": 5}, ".@type"),
    ],
    ids=str,
)
def test_other_value_forms_are_refused(left: str, odd: Any, tail: str | None) -> None:
    operator = sorted(ENFORCED[left][1])[0]
    path = WHERE if tail is None else f"{WHERE}.rightOperand{tail}"
    odrl = agreement(rule(c(left, operator, odd)))
    code = Code.policy_invalid
    if isinstance(odd, dict) and odd.get("@type") != 5:
        code = Code.policy_unsupported
    assert_refused(odrl, code, path)


@pytest.mark.parametrize(
    ("left", "operator", "right", "tail"),
    [
        ("odrl:dateTime", "lt", "2026-12-31", ""),
        ("odrl:dateTime", "lt", "2026-12-31T23:00:00", ""),
        ("odrl:dateTime", "lt", "2026-02-30T00:00:00Z", ""),
        ("odrl:dateTime", "lt", "0001-01-01T00:00:00+14:00", ""),
        ("odrl:dateTime", "lt", "2026-W01-1T00:00:00Z", ""),
        ("odrl:dateTime", "lt", "tomorrow", ""),
        ("odrl:dateTime", "lt", {"@id": PRESENT}, ".@id"),
        ("odrl:dateTime", "lt", [PAST, FUTURE], "[1]"),
        ("hansa:observationTime", "eq", "2026-12-31T23:00:00", ""),
        ("odrl:purpose", "eq", ["a", "b"], "[1]"),
        ("odrl:recipient", "eq", "consumer", ""),
        ("hansa:area", "isPartOf", [SQUARE, SQUARE], "[1]"),
        ("hansa:area", "isPartOf", {"@id": "urn:area"}, ".@id"),
        ("hansa:attribute", "eq", ["a", "b"], "[1]"),
        ("hansa:attribute", "isAnyOf", ["level", "no good"], "[1]"),
        ("hansa:attribute", "isAnyOf", "id", ""),
        ("hansa:attribute", "isAnyOf", "unknown:level", ""),
        ("hansa:entityType", "isAnyOf", "7days", ""),
        ("hansa:dataAge", "lteq", "seven days", ""),
        ("hansa:dataAge", "lteq", "-P1D", ""),
        ("hansa:dataAge", "lteq", "PT0S", ""),
        ("hansa:dataAge", "lteq", ["P1D", "P2D"], "[1]"),
    ],
)
def test_a_value_that_can_not_be_read_is_refused(
    left: str, operator: str, right: Any, tail: str
) -> None:
    odrl = agreement(rule(c(left, operator, right)))
    assert_refused(odrl, Code.policy_invalid, f"{WHERE}.rightOperand{tail}")


@pytest.mark.parametrize(
    ("text", "words", "example"),
    [
        ("2026-12-31T23:00:00", "has no time zone", "2026-12-31T23:00:00Z"),
        ("2026-12-31", "is a day", "2026-12-31T00:00:00Z"),
        ("2026-02-30T00:00:00Z", "is no day and time of the calendar", ""),
        ("tomorrow", "is no instant", "2026-12-31T23:00:00Z"),
    ],
)
def test_a_refused_instant_is_told_why_and_how(text: str, words: str, example: str) -> None:
    odrl = agreement(rule(c("odrl:dateTime", "lt", text)))
    error = assert_refused(odrl, Code.policy_invalid, f"{WHERE}.rightOperand")
    assert words in error.detail
    assert example in error.facts["next"]


@pytest.mark.parametrize(
    ("left", "operator", "right"),
    [
        ("inForceDate", "lteq", "contractAgreement+30d"),
        ("hansa:membership", "eq", "suspended"),
    ],
)
def test_a_value_that_can_not_be_enforced_is_refused(left: str, operator: str, right: str) -> None:
    odrl = agreement(rule(c(left, operator, right)))
    assert_refused(odrl, Code.policy_unsupported, f"{WHERE}.rightOperand")


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-12-31T23:00Z", datetime(2026, 12, 31, 23, tzinfo=UTC)),
        ("2027-01-01T00:00:00+01:00", datetime(2026, 12, 31, 23, tzinfo=UTC)),
        ("2026-12-31T18:00:00.5-05:00", datetime(2026, 12, 31, 23, 0, 0, 500_000, tzinfo=UTC)),
    ],
)
def test_an_instant_is_read_in_any_zone(text: str, instant: datetime) -> None:
    assert compiled(agreement(rule(c("dateTime", "lt", text)))).decide(ask()).expires_at == instant


def test_typed_values_are_read() -> None:
    wkt = "http://www.opengis.net/ont/geosparql#wktLiteral"
    odrl = agreement(
        rule(
            c("dateTime", "lt", {"@value": FUTURE, "@type": "xsd:dateTimeStamp"}),
            c("hansa:dataAge", "lteq", {"@value": "P1D", "@type": "xsd:dayTimeDuration"}),
            c("hansa:area", "isPartOf", {"@value": SQUARE, "@type": wkt}),
        )
    )
    assert compiled(odrl).decide(ask()).permitted


def test_names_are_read_short_and_as_iris() -> None:
    iri = "https://uri.etsi.org/ngsi-ld/default-context/level"
    for right in ("level", iri, {"@id": iri}, "ngsi-ld:default-context/level"):
        odrl = agreement(rule(c(HANSA + "attribute", "eq", right)))
        cut = compiled(odrl).decide(ask()).scope.permits[0]
        assert cut.attributes == frozenset({iri})
