"""Who may do what: default deny, parties, actions, prohibitions, conflicts, reasons."""

from __future__ import annotations

from typing import Any

import pytest
from policy_forms import (
    CITY,
    DATASET,
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
from hansa.policy import Cut, Scope, compile_policy, evaluate
from hansa.policy.vocabulary import INCLUDED_IN, requests_of

PLANNING = c("odrl:purpose", "eq", "planning")
RESEARCH = c("odrl:purpose", "eq", "research")
ENDED = c("odrl:dateTime", "lt", "2026-01-01T00:00:00Z")


def codes(odrl: dict[str, Any], **asked: Any) -> tuple[str, list[tuple[str, str]]]:
    """Give the code of a decision and the (code, path) of its reasons; both roads must agree."""
    decision = compiled(odrl).decide(ask(**asked))
    assert evaluate(odrl, ask(**asked), target=DATASET) == decision
    if not decision.permitted:
        assert decision.scope == Scope.nothing()
        assert decision.reasons, "a refusal says why"
    return decision.code, [(reason.code, reason.path) for reason in decision.reasons]


def test_a_plain_permission_permits_everything_selected() -> None:
    selection = Cut(types=frozenset({"urn:t"}), id_prefix="urn:ngsi-ld:Shop:")
    decision = compiled(agreement(rule()), selection).decide(ask())
    assert decision.permitted
    assert decision.code == "permitted"
    assert decision.scope == Scope(permits=(selection,))
    assert decision.expires_at is None


def test_an_offer_grants_nothing() -> None:
    offer = {"@id": "urn:x", "@type": "Offer", "permission": [rule()]}
    assert codes(offer) == ("policy_denied", [("offer_grants_nothing", "@type")])


def test_a_set_is_evaluated() -> None:
    assert codes({"@type": "Set", "permission": [rule()]}) == ("permitted", [])


def test_another_dataset_is_denied() -> None:
    decision = compiled(agreement(rule())).decide(ask(target="urn:uuid:other"))
    assert (decision.code, decision.reasons[0].code) == ("policy_denied", "target_mismatch")


def test_another_party_is_denied() -> None:
    expected = ("policy_denied", [("party_mismatch", "permission[0].assignee")])
    assert codes(agreement(rule()), assignee=OTHER) == expected


def test_a_set_without_assignee_is_for_anyone_and_a_rule_may_name_its_own() -> None:
    odrl = {"@type": "Set", "permission": [rule(ENDED), rule(assignee=[CITY, OTHER])]}
    assert codes(odrl, assignee=OTHER)[0] == "permitted"
    assert codes(odrl, assignee="did:web:third")[0] == "policy_denied"


def test_a_rule_about_another_asset_permits_nothing_here() -> None:
    odrl = {"@type": "Set", "permission": [rule(target="urn:uuid:other")]}
    assert codes(odrl)[1] == [("target_mismatch", "permission[0].target")]
    both = {"@type": "Set", "permission": [rule(target=["urn:uuid:other", DATASET])]}
    assert codes(both)[0] == "permitted"


def test_who_is_no_member_is_denied_whatever_the_policy_says() -> None:
    expected = ("membership_missing", [("membership_required", "")])
    assert codes(agreement(rule()), member=False) == expected


@pytest.mark.parametrize("action", sorted(INCLUDED_IN))
def test_use_includes_all_but_transfer(action: str) -> None:
    outside = {"transfer", "sell", "give"}
    expected = "policy_denied" if action in outside else "permitted"
    assert codes(agreement(rule()), action=action)[0] == expected


def test_inclusion_is_transitive_and_not_symmetric() -> None:
    assert requests_of("reproduce") == {"reproduce", "extract"}
    assert requests_of("play") == {"play", "display"}
    assert requests_of("transfer") == {"transfer", "sell", "give"}
    reading = agreement(rule(action="read"))
    assert codes(reading, action="read")[0] == "permitted"
    expected = ("policy_denied", [("action_not_permitted", "permission[0].action")])
    assert codes(reading, action="use") == expected
    assert codes(agreement(rule(action="write")), action="modify")[0] == "permitted"
    assert codes(agreement(rule(action=["read", "sell"])), action="sell")[0] == "permitted"


def test_an_unknown_action_is_denied() -> None:
    assert codes(agreement(rule()), action="dance")[0] == "policy_denied"


def test_constraints_of_a_rule_must_all_hold() -> None:
    odrl = agreement(rule(PLANNING, c("hansa:role", "isAnyOf", "operator")))
    assert codes(odrl, purpose="planning", roles=frozenset({"operator"}))[0] == "permitted"
    code, reasons = codes(odrl, purpose="sales")
    assert code == "policy_denied"
    assert reasons == [
        ("constraint_unsatisfied", "permission[0].constraint[0]"),
        ("constraint_unsatisfied", "permission[0].constraint[1]"),
    ]


def test_one_of_several_permissions_is_enough() -> None:
    odrl = agreement(rule(PLANNING), rule(RESEARCH))
    assert codes(odrl, purpose="research")[0] == "permitted"
    assert len(codes(odrl, purpose="sales")[1]) == 2


@pytest.mark.parametrize(
    ("kind", "purposes", "permitted"),
    [
        ("and", "", False),
        ("and", "planning", False),
        ("or", "planning", True),
        ("or", "research", True),
        ("or", "sales", False),
        ("xone", "planning", True),
        ("xone", "sales", False),
        ("andSequence", "planning", False),
    ],
)
def test_logical_constraints(kind: str, purposes: str, permitted: bool) -> None:
    odrl = agreement(rule({kind: [PLANNING, RESEARCH]}))
    assert (codes(odrl, purpose=purposes)[0] == "permitted") is permitted


def test_exactly_one_is_not_at_least_one() -> None:
    twice = agreement(rule({"xone": [PLANNING, c("odrl:purpose", "neq", "sales")]}))
    assert codes(twice, purpose="planning")[0] == "policy_denied"
    assert codes(twice, purpose="research")[0] == "permitted"
    assert codes(twice, purpose=None)[0] == "policy_denied"


@pytest.mark.parametrize("kind", ["and", "or", "xone", "andSequence"])
def test_unknown_beside_known(kind: str) -> None:
    """Kleene: `or` with a true branch holds, xone with an unknown one never does."""
    always = c("odrl:dateTime", "gt", "2020-01-01T00:00:00Z")
    odrl = agreement(rule({kind: [PLANNING, always]}))
    assert (codes(odrl, purpose=None)[0] == "permitted") is (kind == "or")
    forbidding = agreement(
        rule(), prohibition=[rule({kind: [PLANNING, always]})], conflict="prohibit"
    )
    assert codes(forbidding, purpose=None)[0] == "policy_denied"


def test_an_old_spelling_is_read() -> None:
    odrl = agreement(rule({"xor": [PLANNING, RESEARCH]}))
    assert codes(odrl, purpose="planning")[0] == "permitted"


@pytest.mark.parametrize(
    ("strategy", "code"),
    [
        ("perm", "permitted"),
        ("odrl:perm", "permitted"),
        ({"@id": "odrl:prohibit"}, "policy_denied"),
        ("prohibit", "policy_denied"),
        ("invalid", "policy_conflict"),
        (None, "policy_conflict"),
    ],
)
def test_conflict_strategies(strategy: Any, code: str) -> None:
    odrl = agreement(rule(), prohibition=[rule(PLANNING)], conflict=strategy)
    assert codes(odrl, purpose="planning")[0] == code
    assert codes(odrl, purpose="research")[0] == "permitted"


def test_a_conflict_is_told_with_the_rule_that_forbids() -> None:
    odrl = agreement(rule(), prohibition=[rule(PLANNING)])
    assert codes(odrl, purpose="planning")[1] == [
        ("policy_conflict", "conflict"),
        ("prohibited", "prohibition[0]"),
    ]


def test_a_prohibition_alone_denies_and_no_permission_denies() -> None:
    only = agreement(prohibition=[rule()], permission=None)
    code, reasons = codes(only)
    assert code == "policy_denied"
    assert reasons == [("prohibited", "prohibition[0]"), ("nothing_permits", "permission")]
    asleep = agreement(prohibition=[rule(ENDED)], permission=None)
    assert codes(asleep)[0] == "policy_denied"


def test_a_prohibition_for_another_party_does_not_concern_this_one() -> None:
    odrl = {
        "@type": "Set",
        "permission": [rule()],
        "prohibition": [rule(assignee=OTHER)],
        "conflict": "prohibit",
    }
    assert codes(odrl)[0] == "permitted"
    assert codes(odrl, assignee=OTHER)[0] == "policy_denied"


def test_a_prohibition_meets_every_overlapping_action() -> None:
    """Who asks for `use` while `read` is forbidden asks for what is forbidden."""
    odrl = agreement(rule(), prohibition=[rule(action="read")], conflict="prohibit")
    assert codes(odrl, action="read")[0] == "policy_denied"
    assert codes(odrl, action="use")[0] == "policy_denied"
    assert codes(odrl, action="delete")[0] == "permitted"


@pytest.mark.parametrize("action", ["distribute", "sell", "delete", "transfer"])
def test_a_prohibition_that_can_not_be_stopped_here_is_refused(action: str) -> None:
    odrl = agreement(rule(), prohibition=[rule(action=action)])
    assert_refused(odrl, Code.policy_unsupported, "prohibition[0].action")


def test_a_prohibition_of_data_never_conflicts() -> None:
    for strategy in ("perm", "prohibit", "invalid"):
        cut = rule(c("hansa:attribute", "eq", "owner"))
        odrl = agreement(rule(), prohibition=[cut], conflict=strategy)
        decision = compiled(odrl).decide(ask())
        assert decision.permitted
        assert len(decision.scope.denies) == 1


def test_a_mixed_prohibition_cuts_in_one_branch_and_stops_in_the_other() -> None:
    mixed = rule({"or": [PLANNING, c("hansa:attribute", "eq", "owner")]})
    odrl = agreement(rule(), prohibition=[mixed], conflict="prohibit")
    assert codes(odrl, purpose="research")[0] == "permitted"
    assert codes(odrl, purpose="planning") == ("policy_denied", [("prohibited", "prohibition[0]")])
    assert codes(odrl, purpose=None)[0] == "policy_denied"


def test_reasons_are_told_when_every_branch_over_data_fails() -> None:
    branch = {"and": [PLANNING, c("hansa:area", "isPartOf", SQUARE)]}
    odrl = agreement(rule({"or": [branch, {"and": [RESEARCH, c("hansa:attribute", "eq", "a")]}]}))
    assert codes(odrl, purpose="research")[0] == "permitted"
    assert codes(odrl, purpose="sales")[1] == [
        ("constraint_unsatisfied", "permission[0].constraint[0].or[0].and[0]"),
        ("constraint_unsatisfied", "permission[0].constraint[0].or[1].and[0]"),
    ]


def test_a_reason_names_needed_found_and_the_instant_with_its_zone() -> None:
    reason = compiled(agreement(rule(ENDED))).decide(ask()).reasons[0]
    assert reason.message == "Use is allowed only before 1 January 2026, 00:00 UTC."
    assert reason.needed == "before 1 January 2026, 00:00 UTC"
    assert reason.found == "20 November 2026, 12:00 UTC"


def test_what_was_found_stays_out_of_the_message() -> None:
    for usage in (ask(purpose="secret-plan"), ask(assignee=OTHER), ask(action="dance")):
        for reason in compiled(agreement(rule(PLANNING))).decide(usage).reasons:
            assert "secret-plan" not in reason.message
            assert OTHER not in reason.message


def test_reasons_are_bounded() -> None:
    odrl = agreement(*[rule(PLANNING) for _ in range(200)])
    assert len(compiled(odrl).decide(ask()).reasons) == 50


def test_a_clock_without_zone_is_a_mistake_of_the_program() -> None:
    with pytest.raises(AssertionError):
        compiled(agreement(rule())).decide(ask(now=NOW.replace(tzinfo=None)))


def test_the_policy_of_another_dataset_does_not_compile() -> None:
    assert compile_policy(agreement(rule()), target=DATASET, selection=Cut()).target == DATASET
    foreign = agreement(rule(), target="urn:uuid:foreign")
    assert_refused(foreign, Code.policy_invalid, "target")
