"""A number of uses: read, decided, explained, and limited by a template."""

from __future__ import annotations

from typing import Any

import pytest
from policy_forms import HANSA, agreement, ask, assert_refused, c, compiled, rule

from hansa.kernel import Code, HansaError
from hansa.policy import COUNT_EXHAUSTED, explain, offer_from_template, read_template

FIVE = c("odrl:count", "lteq", "5")


def permitted(odrl: dict[str, Any], count: int | None) -> bool:
    return compiled(odrl).decide(ask(count=count)).permitted


@pytest.mark.parametrize(
    ("operator", "last"), [("lteq", 5), ("http://www.w3.org/ns/odrl/2/lteq", 5), ("lt", 4)]
)
def test_the_last_use_is_let_through_and_the_next_is_not(operator: str, last: int) -> None:
    odrl = agreement(rule(c("count", operator, "5")))
    assert compiled(odrl).count_limit == last
    assert permitted(odrl, 1)
    assert permitted(odrl, last)
    assert not permitted(odrl, last + 1)


def test_what_nobody_counts_is_denied() -> None:
    decision = compiled(agreement(rule(FIVE))).decide(ask())
    (reason,) = decision.reasons
    assert (decision.code, reason.code) == ("policy_denied", "value_unknown")


def test_the_reason_names_the_number() -> None:
    decision = compiled(agreement(rule(FIVE))).decide(ask(count=6))
    (reason,) = decision.reasons
    assert reason.code == COUNT_EXHAUSTED
    assert reason.path == "permission[0].constraint[0]"
    assert (reason.needed, reason.found) == ("up to 5 times in all", "use number 6")
    assert "All of them have been made." in reason.message


def test_another_permission_goes_on_when_a_number_is_reached() -> None:
    some = c(HANSA + "attribute", "eq", "level")
    odrl = agreement(rule(FIVE), rule(some))
    policy = compiled(odrl)
    assert policy.count_limit == 5
    assert any(cut.attributes is None for cut in policy.decide(ask(count=5)).scope.permits)
    assert all(cut.attributes for cut in policy.decide(ask(count=6)).scope.permits)


def test_without_a_number_nothing_is_counted() -> None:
    assert compiled(agreement(rule())).count_limit is None


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "five", "1e3", "", " ", "9" * 17, "٣"])
def test_what_is_no_number_is_refused(value: str) -> None:
    odrl = agreement(rule(c("odrl:count", "lteq", value)))
    assert_refused(odrl, Code.policy_invalid, "permission[0].constraint[0].rightOperand")


@pytest.mark.parametrize("kind", ["integer", "positiveInteger", "string", "long"])
def test_a_number_may_carry_its_type(kind: str) -> None:
    value = {"@value": "5", "@type": f"xsd:{kind}"}
    assert compiled(agreement(rule(c("odrl:count", "lteq", value)))).count_limit == 5


def test_a_number_of_another_type_is_refused() -> None:
    odrl = agreement(rule(c("odrl:count", "lteq", {"@value": "5", "@type": "xsd:date"})))
    assert_refused(odrl, Code.policy_unsupported, "permission[0].constraint[0].rightOperand.@type")


def test_a_prohibition_counts_nothing() -> None:
    odrl = agreement(rule(), prohibition=[rule({"and": [FIVE]})])
    path = "prohibition[0].constraint[0].and[0].leftOperand"
    assert_refused(odrl, Code.policy_unsupported, path)


def test_a_number_is_explained() -> None:
    plain = explain(agreement(rule(FIVE)))
    assert "Use is allowed only up to 5 times in all." in plain.sentences
    assert "Only up to 5 times in all" in plain.limits
    assert "up to 5 times in all" in plain.summary
    once = explain(agreement(rule(c("odrl:count", "lt", "2"))))
    assert "Use is allowed only once in all." in once.sentences


@pytest.mark.parametrize("value", [100, "100", " 100 "])
def test_a_template_limits_the_number(value: Any) -> None:
    odrl = offer_from_template("count", {"count": value}, offer_id="urn:o")
    assert c("odrl:count", "lteq", "100") in odrl["permission"][0]["constraint"]
    read = read_template(odrl)
    assert read is not None
    assert (read.template, read.parameters) == ("count", {"count": 100})


def test_a_number_combines_with_the_other_limits() -> None:
    parameters = {"count": 7, "attributes": ["level"], "until": "2027-01-01T00:00:00Z"}
    odrl = offer_from_template("tailored", parameters, offer_id="urn:o")
    read = read_template(odrl)
    assert read is not None
    assert (read.template, read.parameters) == ("tailored", parameters)


@pytest.mark.parametrize("value", [0, -3, "many", 2.5, True, [5], {"n": 5}])
def test_a_form_with_no_number_is_refused(value: Any) -> None:
    with pytest.raises(HansaError) as refused:
        offer_from_template("count", {"count": value}, offer_id="urn:o")
    assert refused.value.facts["field"] == "parameters.count"
