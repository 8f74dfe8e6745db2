"""What may be published, negotiated and enforced; every problem is told at once."""

from __future__ import annotations

from typing import Any

import pytest
from policy_forms import DATASET, SQUARE, agreement, c, refusal, rule

from hansa.kernel import Code
from hansa.policy import PROFILE_IRI, Phase, validate_policy

MEMBER = c("hansa:membership", "eq", "active")


def offer(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    members = {
        "@id": "urn:uuid:o",
        "@type": "Offer",
        "profile": PROFILE_IRI,
        "permission": list(rules) or [rule()],
        **more,
    }
    return {name: value for name, value in members.items() if value is not None}


def problems(odrl: Any, phase: Phase = Phase.publish) -> list[tuple[str, str]]:
    error = refusal(lambda: validate_policy(odrl, phase))
    listed = error.facts["problems"]
    assert listed[0]["code"] == error.code.value
    assert all(problem["title"] and problem["detail"] for problem in listed)
    return [(problem["code"], problem["path"]) for problem in listed]


def test_a_good_offer_may_be_published() -> None:
    validate_policy(offer(rule(MEMBER, c("hansa:area", "isPartOf", SQUARE))))
    validate_policy(offer(target=DATASET), Phase.negotiate)
    validate_policy(agreement(rule()), Phase.enforce)
    validate_policy({"@type": "Set", "permission": [rule()]}, Phase.enforce)


def test_every_problem_is_told_at_once() -> None:
    odrl = offer(
        rule(MEMBER, c("percentage", "lteq", "5"), c("dateTime", "lt", "2026-12-31")),
        {"action": "use", "duty": [{"action": "delete"}]},
        rule({"xone": [c("hansa:attribute", "eq", "a"), MEMBER]}),
        obligation=[{"action": "delete"}],
    )
    assert problems(odrl) == [
        ("policy_unsupported", "obligation"),
        ("policy_unsupported", "permission[0].constraint[1].leftOperand"),
        ("policy_invalid", "permission[0].constraint[2].rightOperand"),
        ("policy_unsupported", "permission[1].duty"),
        ("policy_unsupported", "permission[2].constraint[0].xone"),
    ]


@pytest.mark.parametrize(
    ("odrl", "phase", "expected"),
    [
        (agreement(rule()), Phase.negotiate, ("policy_invalid", "@type")),
        (offer(), Phase.enforce, ("policy_invalid", "@type")),
        (offer(**{"@id": None}), Phase.publish, ("policy_invalid", "@id")),
        (offer(target=DATASET), Phase.publish, ("policy_invalid", "target")),
        (agreement(rule(), assignee=None), Phase.enforce, ("policy_invalid", "assignee")),
        (
            offer(permission=None, prohibition=[rule()]),
            Phase.publish,
            ("policy_invalid", "permission"),
        ),
        (offer(rule(MEMBER), profile=None), Phase.publish, ("policy_invalid", "profile")),
        (
            offer(rule(c("inForceDate", "lt", "2027-01-01T00:00:00Z"))),
            Phase.publish,
            ("policy_unsupported", "permission[0].constraint[0].leftOperand"),
        ),
        (
            offer(
                rule(
                    c("hansa:observationTime", "gteq", "2026-02-01T00:00:00Z"),
                    c("hansa:observationTime", "lt", "2026-01-01T00:00:00Z"),
                )
            ),
            Phase.publish,
            ("policy_invalid", "permission[0].constraint"),
        ),
        (
            offer(rule(c("hansa:attribute", "eq", "a"), c("hansa:attribute", "eq", "b"))),
            Phase.publish,
            ("policy_invalid", "permission[0].constraint"),
        ),
        (
            offer(prohibition=[rule()]),
            Phase.publish,
            ("policy_conflict", "prohibition[0]"),
        ),
        (
            offer(rule(action="read"), prohibition=[rule()]),
            Phase.negotiate,
            ("policy_conflict", "prohibition[0]"),
        ),
    ],
)
def test_each_phase_has_its_rules(
    odrl: dict[str, Any], phase: Phase, expected: tuple[str, str]
) -> None:
    assert problems(odrl, phase) == [expected]


@pytest.mark.parametrize(
    "odrl",
    [
        offer(prohibition=[rule()], conflict="prohibit"),
        offer(prohibition=[rule(c("purpose", "eq", "sales"))]),
        offer(prohibition=[rule(c("hansa:attribute", "eq", "owner"))]),
        offer(rule(action="sell"), prohibition=[rule(action="read")]),
        offer(
            prohibition=[rule(assignee="did:web:other")], permission=[rule(assignee="did:web:x")]
        ),
    ],
)
def test_only_a_certain_conflict_is_claimed(odrl: dict[str, Any]) -> None:
    validate_policy(odrl)


def test_foreign_spelling_is_read_but_not_published() -> None:
    odrl = offer(rule(c("inForceDate", "lt", "2027-01-01T00:00:00Z")))
    validate_policy(odrl, Phase.negotiate)
    validate_policy(offer(rule(MEMBER), profile=None), Phase.negotiate)


def test_the_list_of_problems_is_bounded() -> None:
    odrl = offer(rule(*[c("percentage", "lteq", "5")] * 500))
    error = refusal(lambda: validate_policy(odrl))
    assert error.code is Code.policy_unsupported
    assert len(error.facts["problems"]) == 100
