"""Two spellings of the same terms are the same; a changed term is not."""

from __future__ import annotations

from typing import Any

import pytest

from exchange_world import OFFER
from hansa.exchange import same_terms
from hansa.exchange.policies import check_policy
from hansa.kernel import Code, HansaError

RULE: dict[str, Any] = OFFER["permission"][0]
ONE: dict[str, Any] = RULE["constraint"][0]


def _offer(**members: Any) -> dict[str, Any]:
    return {"@id": "x", "@type": "Offer", **members}


@pytest.mark.parametrize(
    "other",
    [
        _offer(permission=[RULE], target="t", assigner="a"),
        _offer(permission=RULE),
        _offer(permission=[{**RULE, "action": "odrl:use"}]),
        _offer(permission=[{**RULE, "action": "http://www.w3.org/ns/odrl/2/use"}]),
        _offer(permission=[{**RULE, "action": {"@id": "odrl:use"}}]),
        _offer(permission=[RULE], prohibition=[], obligation=[]),
        {"odrl:permission": [{"odrl:action": "use", "odrl:constraint": [ONE]}]},
        _offer(permission=[{**RULE, "constraint": [{**ONE, "leftOperand": "odrl:dateTime"}]}]),
        _offer(
            permission=[
                {
                    **RULE,
                    "constraint": [
                        {
                            **ONE,
                            "rightOperand": {"@value": "2030-01-01T00:00:00Z", "@type": "xsd:date"},
                        }
                    ],
                }
            ]
        ),
    ],
)
def test_the_same_terms_in_another_spelling(other: dict[str, Any]) -> None:
    assert same_terms(OFFER, other)
    assert same_terms(other, OFFER)


@pytest.mark.parametrize(
    "other",
    [
        _offer(permission=[{**RULE, "action": "read"}]),
        _offer(permission=[{"action": "use"}]),
        _offer(permission=[{**RULE, "constraint": [{**ONE, "rightOperand": "2031-01-01"}]}]),
        _offer(permission=[{**RULE, "constraint": [{**ONE, "operator": "gteq"}]}]),
        _offer(permission=[RULE, RULE]),
        _offer(permission=[RULE], prohibition=[{"action": "distribute"}]),
        _offer(permission=[RULE], profile="https://example.org/p"),
        _offer(permission=[{**RULE, "target": "other"}]),
        _offer(prohibition=[RULE]),
    ],
)
def test_changed_terms_are_not_the_same(other: dict[str, Any]) -> None:
    assert not same_terms(OFFER, other)


def test_a_truth_value_is_not_a_number() -> None:
    one, true = (
        _offer(permission=[{**RULE, "constraint": [{**ONE, "rightOperand": value}]}])
        for value in (1, True)
    )
    assert not same_terms(one, true)


def test_order_counts_only_in_a_sequence() -> None:
    two = {**ONE, "leftOperand": "purpose", "rightOperand": "planning"}
    for name, same in (("and", True), ("or", True), ("xone", True), ("andSequence", False)):
        first = _offer(permission=[{"action": "use", "constraint": [{name: [ONE, two]}]}])
        second = _offer(permission=[{"action": "use", "constraint": [{name: [two, ONE]}]}])
        assert same_terms(first, second) is same


def test_a_long_list_of_values_is_read() -> None:
    names = [f"did:web:{number}.example" for number in range(50_000)]
    constraint = {"leftOperand": "recipient", "operator": "isAnyOf", "rightOperand": names}
    offer = {"@id": "o", "permission": [{"action": "use", "constraint": [constraint]}]}
    check_policy(offer, "Offer")
    assert same_terms(offer, offer)


@pytest.mark.parametrize(
    ("constraint", "count"),
    [(ONE, 1_001), ({"odrl:leftOperand": {"@id": "dateTime"}, "and": [ONE] * 3}, 300)],
)
def test_what_would_take_long_to_compare_is_not_read(
    constraint: dict[str, Any], count: int
) -> None:
    large = _offer(permission=[{"action": "use", "constraint": [constraint] * count}])
    with pytest.raises(HansaError, match="At most 1000 rules and constraints") as refused:
        check_policy(large, "Offer")
    assert (refused.value.code, refused.value.status) == (Code.too_complex, 400)


def test_the_largest_policy_may_be_spelt_at_full_length() -> None:
    spelt = {
        "odrl:leftOperand": {"@id": "odrl:dateTime"},
        "odrl:operator": {"@id": "odrl:lteq"},
        "odrl:rightOperand": {"@value": "2030-01-01T00:00:00Z", "@type": "xsd:dateTime"},
    }
    long, short = (
        _offer(permission=[{"action": "use", "constraint": [one] * 999}]) for one in (spelt, ONE)
    )
    check_policy(long, "Offer")
    assert same_terms(long, short)
    members = _offer(permission=[{"action": "use", "x": dict.fromkeys(map(str, range(15_000)))}])
    with pytest.raises(HansaError, match="15000 members"):
        check_policy(members, "Offer")
