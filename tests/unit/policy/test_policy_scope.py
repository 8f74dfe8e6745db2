"""What a permitted use may see: windows, ages, union, intersection, pieces cut out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from policy_forms import DATASET, NOW, SQUARE, agreement, ask, assert_refused, c, compiled, rule

from hansa.kernel import Code
from hansa.policy import Cut, Scope, Window, evaluate

DEFAULT = "https://uri.etsi.org/ngsi-ld/default-context/"
TICK = timedelta(microseconds=1)
AT = datetime(2026, 11, 1, tzinfo=UTC)


def scope(
    *permissions: Any, now: datetime = NOW, selection: Cut | None = None, **more: Any
) -> Scope:
    odrl = agreement(*permissions, **more)
    decision = compiled(odrl, selection or Cut()).decide(ask(now=now))
    assert decision == evaluate(odrl, ask(now=now), target=DATASET, selection=selection)
    assert decision.permitted, decision.reasons
    return decision.scope


def only(*constraints: Any, now: datetime = NOW) -> Cut:
    found = scope(rule(*constraints), now=now)
    assert not found.denies
    (cut,) = found.permits
    return cut


def names(*short: str) -> frozenset[str]:
    return frozenset(DEFAULT + name for name in short)


def observed(operator: str, at: str = "2026-11-01T00:00:00Z") -> dict[str, Any]:
    return c("hansa:observationTime", operator, at)


def attributes(*short: str) -> dict[str, Any]:
    return c("hansa:attribute", "isAnyOf", list(short))


@pytest.mark.parametrize(
    ("operator", "window"),
    [
        ("gteq", Window(AT, None)),
        ("gt", Window(AT + TICK, None)),
        ("lt", Window(None, AT)),
        ("lteq", Window(None, AT + TICK)),
        ("eq", Window(AT, AT + TICK)),
    ],
)
def test_an_observation_time_becomes_a_window(operator: str, window: Window) -> None:
    assert only(observed(operator)).observed == window


def test_windows_intersect_and_an_impossible_one_is_empty() -> None:
    both = only(observed("gteq"), observed("lt", "2026-12-01T00:00:00Z"), observed("gt"))
    assert both.observed == Window(AT + TICK, datetime(2026, 12, 1, tzinfo=UTC))
    never = only(observed("gteq"), observed("lt", "2026-10-01T00:00:00Z"))
    assert never.observed == Window(AT, AT)


@pytest.mark.parametrize(
    ("operator", "window"),
    [
        ("lteq", Window(NOW - timedelta(days=7), None)),
        ("lt", Window(NOW - timedelta(days=7) + TICK, None)),
        ("gteq", Window(None, NOW - timedelta(days=7) + TICK)),
        ("gt", Window(None, NOW - timedelta(days=7))),
    ],
)
def test_an_age_becomes_a_window_of_the_moment(operator: str, window: Window) -> None:
    policy = compiled(agreement(rule(c("hansa:dataAge", operator, "P7D"))))
    first = policy.decide(ask())
    assert first.scope.permits[0].observed == window
    assert first.expires_at is None, "the clock moves the window but does not end the use"
    later = policy.decide(ask(now=NOW + timedelta(hours=1))).scope.permits[0].observed
    moved = Window(*(at and at + timedelta(hours=1) for at in (window.start, window.end)))
    assert later == moved


def test_ages_and_calendar_narrow_each_other() -> None:
    cut = only(
        c("hansa:dataAge", "lteq", "P30D"),
        c("hansa:dataAge", "gteq", "PT1H"),
        observed("gteq"),
        now=NOW,
    )
    assert cut.observed == Window(AT, NOW - timedelta(hours=1) + TICK)
    much_later = only(
        c("hansa:dataAge", "lteq", "P30D"), observed("gteq"), now=NOW.replace(month=12)
    )
    assert much_later.observed == Window(datetime(2026, 11, 20, 12, tzinfo=UTC), None)


@pytest.mark.parametrize(
    ("age", "now", "since"),
    [
        ("P1M", datetime(2026, 3, 31, tzinfo=UTC), datetime(2026, 2, 28, tzinfo=UTC)),
        ("P1M", datetime(2028, 3, 30, tzinfo=UTC), datetime(2028, 2, 29, tzinfo=UTC)),
        ("P1Y", datetime(2028, 2, 29, tzinfo=UTC), datetime(2027, 2, 28, tzinfo=UTC)),
        ("P1Y2M3DT4H", datetime(2026, 1, 4, 4, tzinfo=UTC), datetime(2024, 11, 1, tzinfo=UTC)),
        ("P2W", datetime(2026, 1, 15, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)),
        ("P9000Y", datetime(2026, 1, 1, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_months_go_by_the_calendar(age: str, now: datetime, since: datetime) -> None:
    window = only(c("hansa:dataAge", "lteq", age), now=now).observed
    assert window == Window(since, None)


def test_constraints_of_one_permission_intersect() -> None:
    cut = only(attributes("a", "b"), attributes("b", "d"), c("hansa:entityType", "eq", "Shop"))
    assert cut == Cut(attributes=names("b"), types=names("Shop"))


def test_the_selection_of_the_dataset_narrows_every_permission() -> None:
    selection = Cut(types=names("Shop", "Home"), id_prefix="urn:x:")
    found = scope(
        rule(c("hansa:entityType", "isAnyOf", ["Shop", "Car"])),
        rule(attributes("a")),
        selection=selection,
    )
    assert found.permits == (
        Cut(types=names("Shop"), id_prefix="urn:x:"),
        Cut(types=names("Shop", "Home"), id_prefix="urn:x:", attributes=names("a")),
    )


def test_permissions_unite_and_what_is_covered_is_dropped() -> None:
    found = scope(rule(attributes("a")), rule(attributes("b"), observed("gteq")))
    assert len(found.permits) == 2
    assert scope(rule(attributes("a")), rule()).permits == (Cut(),)
    assert scope(rule(), rule(attributes("a"))).permits == (Cut(),)
    assert scope(rule(attributes("a", "b")), rule(attributes("a"))).permits == (
        Cut(attributes=names("a", "b")),
    )


def test_pieces_of_different_ages_are_both_kept() -> None:
    recent, old = c("hansa:dataAge", "lteq", "P7D"), c("hansa:dataAge", "gteq", "P30D")
    assert {cut.observed for cut in scope(rule(recent), rule(old)).permits} == {
        Window(NOW - timedelta(days=7), None),
        Window(None, NOW - timedelta(days=30) + TICK),
    }
    assert scope(rule(recent), rule()).permits == (Cut(),)
    assert scope(rule(), rule(recent)).permits == (Cut(),)
    narrower = rule(recent, c("hansa:dataAge", "gteq", "P1D"))
    assert len(scope(rule(recent), narrower).permits) == 1


def test_terms_that_exclude_each_other_see_nothing_but_are_active() -> None:
    assert scope(rule(attributes("a"), attributes("b"))) == Scope.nothing()
    far = "POLYGON ((10 10, 11 10, 11 11, 10 10))"
    apart = rule(c("hansa:area", "isPartOf", SQUARE), c("hansa:area", "isPartOf", far))
    assert scope(apart) == Scope.nothing()


def test_a_prohibition_with_data_terms_is_a_deny_cut() -> None:
    found = scope(rule(), prohibition=[rule(attributes("owner")), rule(observed("lt"))])
    assert found == Scope(
        permits=(Cut(),),
        denies=(Cut(attributes=names("owner")), Cut(observed=Window(None, AT))),
    )


def test_a_deny_cut_holds_only_while_its_conditions_do() -> None:
    cut = rule(attributes("owner"), c("odrl:dateTime", "lt", "2026-12-01T00:00:00Z"))
    assert scope(rule(), prohibition=[cut]).denies
    after = datetime(2026, 12, 1, tzinfo=UTC)
    assert not scope(rule(), prohibition=[cut], now=after).denies


def test_or_over_data_terms_unites() -> None:
    found = scope(rule({"or": [attributes("a"), {"and": [attributes("b"), observed("gteq")]}]}))
    assert set(found.permits) == {
        Cut(attributes=names("a")),
        Cut(attributes=names("b"), observed=Window(AT, None)),
    }


def test_or_multiplies_with_what_stands_beside_it() -> None:
    found = scope(
        rule(
            {"or": [attributes("a"), attributes("b")]},
            {"or": [c("hansa:entityType", "eq", "S"), c("hansa:entityType", "eq", "T")]},
        )
    )
    assert len(found.permits) == 4


def test_a_condition_in_an_or_opens_only_its_own_branch() -> None:
    planning = {"and": [attributes("a", "b"), c("odrl:purpose", "eq", "planning")]}
    policy = compiled(agreement(rule({"or": [attributes("a"), planning]})))
    assert policy.decide(ask()).scope.permits == (Cut(attributes=names("a")),)
    wide = policy.decide(ask(purpose="planning")).scope.permits
    assert wide == (Cut(attributes=names("a", "b")),)


@pytest.mark.parametrize("kind", ["xone", "andSequence"])
def test_other_logic_over_data_terms_is_refused(kind: str) -> None:
    inner = {kind: [attributes("a"), attributes("b")]}
    where = f"permission[0].constraint[0].{kind}"
    assert_refused(agreement(rule(inner)), Code.policy_unsupported, where)
    deep = agreement(rule({"or": [{"and": [inner]}, attributes("c")]}))
    where = f"permission[0].constraint[0].or[0].and[0].{kind}"
    assert_refused(deep, Code.policy_unsupported, where)


def test_alternatives_are_bounded() -> None:
    most = {"or": [attributes(f"a{n}") for n in range(16)]}
    assert len(scope(rule(most)).permits) == 16
    over = {"or": [attributes(f"a{n}") for n in range(17)]}
    where = "permission[0].constraint[0].or"
    error = assert_refused(agreement(rule(over)), Code.policy_invalid, where)
    assert "16" in error.detail
    product = agreement(rule(*[{"or": [attributes("a"), attributes("b")]} for _ in range(5)]))
    assert_refused(product, Code.policy_invalid, "permission[0]")
    many = [rule(attributes(f"a{n}")) for n in range(65)]
    assert len(scope(*many[:64]).permits) == 64
    assert_refused(agreement(*many), Code.policy_invalid, "permission[64]")


def test_data_terms_never_decide_whether_a_rule_is_active() -> None:
    """An unmet data term shows less; it never turns a permission off or a prohibition on."""
    past = "2000-01-01T00:00:00Z"
    decision = compiled(agreement(rule(observed("lt", past)))).decide(ask())
    assert decision.permitted
    forbidding = agreement(rule(), prohibition=[rule(observed("lt", past))], conflict="prohibit")
    assert compiled(forbidding).decide(ask()).permitted
