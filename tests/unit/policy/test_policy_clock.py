"""When a decision changes by the clock alone: boundaries, daylight saving time, expiry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from policy_forms import DATASET, NOW, agreement, ask, c, compiled, rule

from hansa.policy import evaluate
from hansa.policy.compiler import _PROBES_MAX

TICK = timedelta(microseconds=1)
END = datetime(2026, 12, 31, 23, tzinfo=UTC)


def clock(operator: str, at: datetime) -> dict[str, str]:
    return c("odrl:dateTime", operator, at.isoformat())


def expiry(*rules: dict[str, object], now: datetime = NOW, **more: object) -> datetime | None:
    odrl = agreement(*rules, **more)
    decision = compiled(odrl).decide(ask(now=now))
    assert evaluate(odrl, ask(now=now), target=DATASET) == decision
    return decision.expires_at


@pytest.mark.parametrize(
    ("operator", "first_change"),
    [
        ("lt", END),
        ("gteq", END),
        ("lteq", END + TICK),
        ("gt", END + TICK),
        ("eq", END),
        ("neq", END),
    ],
)
def test_the_answer_changes_at_the_expiry_and_not_a_tick_before(
    operator: str, first_change: datetime
) -> None:
    policy = compiled(agreement(rule(clock(operator, END))))
    before = policy.decide(ask())
    assert before.expires_at == first_change
    assert policy.decide(ask(now=first_change - TICK)).permitted is before.permitted
    assert policy.decide(ask(now=first_change)).permitted is not before.permitted


@pytest.mark.parametrize("operator", ["eq", "neq"])
def test_one_instant_lasts_a_tick(operator: str) -> None:
    assert expiry(rule(clock(operator, END)), now=END) == END + TICK
    assert expiry(rule(clock(operator, END)), now=END + TICK) is None


def test_what_is_over_or_undated_never_changes() -> None:
    assert expiry(rule()) is None
    assert expiry(rule(clock("lt", NOW - TICK))) is None
    assert expiry(rule(clock("lt", NOW))) is None


def test_a_second_of_two_ends_counts_only_if_it_changes_something() -> None:
    early, late = clock("lt", END), clock("lt", END + timedelta(days=9))
    assert expiry(rule(early, late)) == END
    assert expiry(rule({"or": [early, late]})) == END + timedelta(days=9)
    assert expiry(rule(early), rule()) is None, "the other permission goes on"
    assert expiry(rule(early, c("odrl:purpose", "eq", "x")), rule(late)) == END + timedelta(days=9)


def test_a_change_of_scope_alone_is_a_change() -> None:
    wide = rule(clock("lt", END))
    narrow = rule(c("hansa:attribute", "eq", "level"))
    policy = compiled(agreement(wide, narrow))
    now = policy.decide(ask())
    assert now.expires_at == END
    assert now.scope.permits[0].attributes is None
    then = policy.decide(ask(now=END))
    assert then.permitted
    assert then.scope.permits[0].attributes is not None


def test_a_prohibition_that_begins_is_a_change() -> None:
    odrl = {"prohibition": [rule(clock("gteq", END))], "conflict": "prohibit"}
    assert expiry(rule(), **odrl) == END
    assert expiry(rule(), now=END, **odrl) is None


def test_a_denied_use_tells_when_it_begins() -> None:
    assert expiry(rule(clock("gteq", END))) == END
    decision = compiled(agreement(rule(clock("gteq", END)))).decide(ask(member=False))
    assert decision.expires_at is None, "the clock makes nobody a member"


def test_many_instants_without_effect_end_in_an_early_expiry() -> None:
    """The search is bounded: it may ask to decide again too early, never too late."""
    idle = [
        rule(clock("gteq", NOW + timedelta(days=n)), c("odrl:purpose", "eq", "x"))
        for n in range(1, 200)
    ]
    odrl = agreement(rule(clock("lt", NOW + timedelta(days=500))), *idle)
    first = compiled(odrl).decide(ask()).expires_at
    assert first == NOW + timedelta(days=_PROBES_MAX + 1)
    assert first < NOW + timedelta(days=500)


AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def test_the_hour_that_comes_twice_is_two_hours() -> None:
    """25 October 2026, 02:30 is at 00:30 UTC and again, after the change, at 01:30 UTC."""
    first = datetime(2026, 10, 25, 2, 30, tzinfo=AMSTERDAM, fold=0)
    second = first.replace(fold=1)
    policy = compiled(agreement(rule(c("dateTime", "lt", "2026-10-25T02:30:00+02:00"))))
    assert policy.decide(ask(now=first - TICK)).permitted
    assert not policy.decide(ask(now=first.astimezone(UTC))).permitted
    assert not policy.decide(ask(now=second.astimezone(UTC))).permitted
    later = compiled(agreement(rule(c("dateTime", "lt", "2026-10-25T02:30:00+01:00"))))
    assert later.decide(ask(now=first.astimezone(UTC))).permitted
    assert later.decide(ask(now=(second - TICK).astimezone(UTC))).permitted
    assert not later.decide(ask(now=second.astimezone(UTC))).permitted


def test_the_hour_that_never_comes() -> None:
    """29 March 2026, 02:30 does not exist in Amsterdam; with its offset it is an instant."""
    policy = compiled(agreement(rule(c("dateTime", "lt", "2026-03-29T02:30:00+01:00"))))
    assert policy.decide(ask(now=datetime(2026, 3, 29, 1, 29, 59, tzinfo=UTC))).permitted
    assert not policy.decide(ask(now=datetime(2026, 3, 29, 1, 30, tzinfo=UTC))).permitted


@pytest.mark.parametrize("hours", [-12, -5, 0, 1, 14])
def test_the_zone_of_the_clock_does_not_matter(hours: int) -> None:
    policy = compiled(agreement(rule(clock("lt", END))))
    there = timezone(timedelta(hours=hours))
    assert policy.decide(ask(now=(END - TICK).astimezone(there))).permitted
    assert not policy.decide(ask(now=END.astimezone(there))).permitted


def test_the_ends_of_the_calendar() -> None:
    last = datetime.max.replace(tzinfo=UTC)
    assert expiry(rule(clock("lteq", last))) is None, "there is no instant after it"
    assert expiry(rule(clock("lt", last))) == last
    assert expiry(rule(clock("gt", last)), now=last) is None
