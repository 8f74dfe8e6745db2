"""The forms of ODRL on the wire, and what is refused with which path."""

from __future__ import annotations

from typing import Any

import pytest
from policy_forms import (
    CITY,
    DATASET,
    HANSA,
    OTHER,
    OWNER,
    SQUARE,
    agreement,
    ask,
    assert_refused,
    c,
    compiled,
    refusal,
    rule,
)

from hansa.kernel import Code
from hansa.policy import Cut, compile_policy

ODRL = "http://www.w3.org/ns/odrl/2/"
LATER = "2027-01-01T00:00:00Z"
BEFORE = c("odrl:dateTime", "lt", LATER)


def permits(odrl: dict[str, Any]) -> bool:
    return compiled(odrl).decide(ask()).permitted


@pytest.mark.parametrize("left", ["dateTime", "odrl:dateTime", ODRL + "dateTime"])
@pytest.mark.parametrize("operator", ["lt", "odrl:lt", ODRL + "lt", {"@id": "odrl:lt"}])
def test_names_are_read_as_terms_curies_and_iris(left: str, operator: Any) -> None:
    constraint = {"leftOperand": left, "operator": operator, "rightOperand": LATER}
    assert permits(agreement(rule(constraint)))
    constraint["rightOperand"] = "2026-01-01T00:00:00Z"
    assert not permits(agreement(rule(constraint)))


@pytest.mark.parametrize("prefix", ["odrl:", ODRL])
def test_members_are_read_as_terms_curies_and_iris(prefix: str) -> None:
    plain = agreement(rule(BEFORE))
    written = {
        "@id": plain["@id"],
        "@type": f"{prefix}Agreement",
        f"{prefix}target": {"@id": DATASET},
        f"{prefix}assigner": {"@id": OWNER},
        f"{prefix}assignee": [{"@id": CITY}],
        f"{prefix}permission": {
            f"{prefix}action": {"@id": f"{prefix}use"},
            f"{prefix}constraint": {
                f"{prefix}leftOperand": {"@id": f"{prefix}dateTime"},
                f"{prefix}operator": {"@id": f"{prefix}lt"},
                f"{prefix}rightOperand": {
                    "@value": LATER,
                    "@type": "xsd:dateTime",
                },
            },
        },
    }
    ours, theirs = compiled(plain).decide(ask()), compiled(written).decide(ask())
    assert ours == theirs
    assert ours.permitted


def test_an_edc_agreement_is_read_as_it_comes() -> None:
    edc = agreement(
        rule(
            {
                "leftOperand": "inForceDate",
                "operator": "gteq",
                "rightOperand": "2020-01-01T00:00:00Z",
            }
        ),
        prohibitions=[],
        obligations=[],
        profiles=[],
        edctype="dataspaceconnector:policy",
        timestamp="2026-11-21T07:15:42Z",
    )
    decision = compiled(edc).decide(ask())
    assert decision.permitted
    assert decision.expires_at is None


def test_hansa_terms_are_read_as_curies_and_iris() -> None:
    for left in ("hansa:area", HANSA + "area"):
        constraint = {"leftOperand": left, "operator": "isPartOf", "rightOperand": SQUARE}
        assert compiled(agreement(rule(constraint))).decide(ask()).scope.permits[0].area is not None


def test_a_prefix_of_the_policys_own_context_is_read() -> None:
    context = ["https://w3id.org/dspace/2025/1/context.jsonld", {"h": HANSA, "rules": ODRL}]
    odrl = agreement(
        {"rules:action": "rules:use", "constraint": [c("h:membership", "eq", "active")]},
        **{"@context": context},
    )
    assert permits(odrl)


@pytest.mark.parametrize(
    ("context", "code", "path"),
    [
        ("https://evil.example/context", Code.policy_unsupported, "@context[0]"),
        ([{"hansa": "http://evil.example/"}], Code.policy_invalid, "@context[0].hansa"),
        ([{"odrl": "http://evil.example/"}], Code.policy_invalid, "@context[0].odrl"),
        ([{"use": "http://evil.example/"}], Code.policy_unsupported, "@context[0].use"),
        ([{"lt": ODRL + "gt#"}], Code.policy_unsupported, "@context[0].lt"),
        ([{"@vocab": HANSA}], Code.policy_unsupported, "@context[0].@vocab"),
        ([{"x": {"@id": HANSA}}], Code.policy_unsupported, "@context[0].x"),
        ([{"x": "http://no.separator"}], Code.policy_unsupported, "@context[0].x"),
        ([7], Code.policy_invalid, "@context[0]"),
    ],
)
def test_a_context_can_not_bend_the_words(context: Any, code: Code, path: str) -> None:
    assert_refused(agreement(rule(), **{"@context": context}), code, path)


U, I = Code.policy_unsupported, Code.policy_invalid  # noqa: E741


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({"obligation": [{"action": "delete"}]}, U, "obligation"),
        ({"inheritFrom": "urn:x:parent"}, U, "inheritFrom"),
        ({"constraint": [BEFORE]}, U, "constraint"),
        ({"prohibitions": [rule()]}, U, "prohibitions"),
        ({"hasPolicy": "urn:x"}, U, "hasPolicy"),
        ({"ex:count": 5}, U, "ex:count"),
        ({"note": "be nice"}, U, "note"),
        ({"permission": None}, I, "permission"),
        ({"permission": []}, I, "permission"),
        ({"permission": "use"}, I, "permission[0]"),
        ({"permission": [rule(), 5]}, I, "permission[1]"),
        ({"@type": "Ticket"}, U, "@type"),
        ({"@type": "ex:Agreement"}, U, "@type"),
        ({"@type": ["Agreement", "Offer"]}, U, "@type"),
        ({"conflict": "ex:perm"}, U, "conflict"),
        ({"profile": "https://example.com/profile"}, U, "profile"),
        ({"profile": ["https://w3id.org/hansa/odrl/1", "urn:x:y"]}, U, "profile[1]"),
        ({"@id": 5}, I, "@id"),
        ({"uid": "urn:x:another"}, I, "uid"),
        ({"target": ["urn:x:1", "urn:x:2"]}, I, "target"),
        ({"target": 5}, I, "target"),
        ({"target": {"@id": DATASET, "refinement": [BEFORE]}}, U, "target.refinement"),
        ({"target": "urn:uuid:another"}, I, "target"),
        ({"assignee": {"@type": "PartyCollection", "source": "urn:x"}}, U, "assignee.@type"),
        ({"timestamp": 5}, I, "timestamp"),
        ({"odrl:target": DATASET}, I, "target"),
    ],
)
def test_nothing_on_a_policy_is_passed_over(change: dict[str, Any], code: Code, path: str) -> None:
    odrl = {**agreement(rule()), **change}
    assert_refused(odrl, code, path)


@pytest.mark.parametrize("name", ["target", "assigner", "assignee"])
def test_an_agreement_names_both_parties_and_the_asset(name: str) -> None:
    assert_refused(agreement(rule(), **{name: None}), I, name)


@pytest.mark.parametrize(
    ("bad", "code", "path"),
    [
        ({"constraint": []}, I, "permission[0].action"),
        ({"action": "use", "duty": [{"action": "delete"}]}, U, "permission[0].duty"),
        ({"action": "use", "remedy": [{"action": "delete"}]}, U, "permission[0].remedy"),
        ({"action": "use", "output": "urn:x"}, U, "permission[0].output"),
        ({"action": "use", "informedParty": "urn:x"}, U, "permission[0].informedParty"),
        ({"action": "use", "@type": "Prohibition"}, I, "permission[0].@type"),
        ({"action": "use", "target": {"@id": "a", "x": 1}}, U, "permission[0].target.x"),
        ({"action": "use", "target": "urn:uuid:other"}, I, "permission[0].target"),
        ({"action": "use", "assignee": OTHER}, I, "permission[0].assignee"),
        ({"action": "dance"}, U, "permission[0].action"),
        ({"action": "ex:use"}, U, "permission[0].action"),
        ({"action": 5}, I, "permission[0].action"),
        ({"action": ["use", ""]}, I, "permission[0].action[1]"),
        (
            {"action": {"rdf:value": {"@id": "odrl:use"}, "refinement": [BEFORE]}},
            U,
            "permission[0].action.rdf:value",
        ),
        (
            {"action": [{"@id": "odrl:use", "refinement": [BEFORE]}]},
            U,
            "permission[0].action[0].refinement",
        ),
    ],
)
def test_nothing_on_a_rule_is_passed_over(bad: dict[str, Any], code: Code, path: str) -> None:
    assert_refused(agreement(bad), code, path)


DEEP = ".and[0].or[1].leftOperand"


@pytest.mark.parametrize(
    ("bad", "code", "path"),
    [
        ({}, I, ""),
        ("dateTime", I, ""),
        ({"leftOperand": "dateTime", "operator": "lt"}, I, ""),
        ({**BEFORE, "and": [BEFORE]}, I, ""),
        ({"and": [BEFORE], "or": [BEFORE]}, I, ""),
        ({"and": []}, I, ""),
        ({"and": {"@list": []}}, I, ".and"),
        ({"and": [BEFORE, {}]}, I, ".and[1]"),
        (
            {"and": [{"or": [BEFORE, {**BEFORE, "leftOperand": "percentage"}]}]},
            U,
            ".and[0].or[1].leftOperand",
        ),
        ({**BEFORE, "unit": "xsd:day"}, U, ".unit"),
        ({**BEFORE, "status": "x"}, U, ".status"),
        ({**BEFORE, "dataType": "xsd:dateTime"}, U, ".dataType"),
        ({**BEFORE, "@type": "Duty"}, I, ".@type"),
        ({**BEFORE, "rightOperandReference": "https://x.example"}, U, ".rightOperandReference"),
        ({**BEFORE, "odrl:operator": "gt"}, I, ".operator"),
        ({**BEFORE, "operator": None}, I, ".operator"),
        ({**BEFORE, "leftOperand": None}, I, ".leftOperand"),
        ({**BEFORE, "leftOperand": 5}, I, ".leftOperand"),
        ({**BEFORE, "leftOperand": "ex:dateTime"}, U, ".leftOperand"),
        ({**BEFORE, "leftOperand": "area"}, U, ".leftOperand"),
        ({**BEFORE, "leftOperand": "partner"}, U, ".leftOperand"),
        ({**BEFORE, "operator": "ex:lt"}, U, ".operator"),
        ({**BEFORE, "operator": "regex"}, U, ".operator"),
        ({**BEFORE, "operator": 5}, U, ".operator"),
    ],
)
def test_nothing_on_a_constraint_is_passed_over(bad: Any, code: Code, path: str) -> None:
    assert_refused(agreement(rule(BEFORE, bad)), code, "permission[0].constraint[1]" + path)


def test_a_refusal_names_the_term_and_what_there_is_instead() -> None:
    error = assert_refused(
        agreement(rule(BEFORE, {**BEFORE, "leftOperand": "percentage"})),
        U,
        "permission[0].constraint[1].leftOperand",
    )
    assert error.facts["term"] == "percentage"
    assert "odrl:dateTime" in error.facts["supported"]
    assert "percentage" in error.title
    short = assert_refused(
        agreement(rule({**BEFORE, "leftOperand": "area"})),
        U,
        "permission[0].constraint[0].leftOperand",
    )
    assert HANSA + "area" in short.facts["next"]
    plural = assert_refused({**agreement(rule()), "prohibitions": [rule()]}, U, "prohibitions")
    assert "`prohibition`" in plural.facts["next"]


def test_a_policy_that_is_no_object_is_refused() -> None:
    for odd in (None, [], "policy", 5):
        error = refusal(lambda odd=odd: compile_policy(odd, target=DATASET, selection=Cut()))
        assert error.code is Code.policy_invalid


def test_what_the_policy_states_holds_for_each_rule() -> None:
    compact = agreement({"constraint": [BEFORE]}, action="use")
    assert permits(compact)
    own = agreement({"action": "sell"}, action="use")
    assert not permits(own)


def test_a_type_may_be_missing_only_as_an_offer() -> None:
    odrl = agreement(rule())
    del odrl["@type"]
    decision = compiled(odrl).decide(ask())
    assert [reason.code for reason in decision.reasons] == ["offer_grants_nothing"]


def test_sizes_are_bounded() -> None:
    many = agreement(rule(*[BEFORE] * 1_000))
    assert_refused(many, I, "permission[0].constraint[999]")
    assert permits(agreement(rule(*[BEFORE] * 999)))
    deep: dict[str, Any] = BEFORE
    for _ in range(31):
        deep = {"and": [deep]}
    assert permits(agreement(rule(deep)))
    error = refusal(lambda: compiled(agreement(rule({"and": [deep]}))))
    assert error.code is Code.policy_invalid
    assert "32" in error.detail
    endless: Any = []
    for _ in range(2_000):
        endless = {"and": [endless]}
    assert refusal(lambda: compiled(agreement(rule(endless)))).code is Code.policy_invalid


def test_right_operands_are_bounded() -> None:
    purpose = "permission[0].constraint[0].rightOperand"
    most = agreement(rule(c("odrl:purpose", "isAnyOf", [f"p{n}" for n in range(100_000)])))
    assert compiled(most).decide(ask(purpose="p99999")).permitted
    over = agreement(rule(c("odrl:purpose", "isAnyOf", ["p"] * 100_001)))
    assert_refused(over, I, purpose)
    long = agreement(rule(c("odrl:purpose", "eq", "x" * 2_049)))
    assert_refused(long, I, purpose)
    nested: Any = "x"
    for _ in range(5):
        nested = [nested]
    assert_refused(agreement(rule(c("odrl:purpose", "eq", nested))), I, purpose + "[0]" * 5)
