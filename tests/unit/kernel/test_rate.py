"""A token bucket for each caller, and what an answer asks to wait."""

from __future__ import annotations

import pytest

from hansa.kernel import FixedClock
from hansa.kernel.rate import BURST_S, Rate, retry_after_s

PER_S = 5


def came(rate: Rate, caller: str, times: int) -> int:
    """Come so often at once; count how often that was permitted."""
    permitted = 0
    for _ in range(times):
        if rate.wait_s(caller) == 0:
            rate.count(caller)
            permitted += 1
    return permitted


def test_a_burst_and_then_as_many_as_the_seconds_allow() -> None:
    clock = FixedClock()
    rate = Rate(PER_S, clock)
    assert came(rate, "a", 1_000) == PER_S * BURST_S
    assert rate.wait_s("a") == pytest.approx(1 / PER_S)
    assert came(rate, "b", 3) == 3, "each has a bucket of its own"
    clock.move(2)
    assert came(rate, "a", 1_000) == 2 * PER_S
    clock.move(3_600)
    assert came(rate, "a", 1_000) == PER_S * BURST_S, "the bucket is full, and not fuller"


def test_zero_is_no_limit() -> None:
    rate = Rate(0, FixedClock())
    assert came(rate, "a", 100_000) == 100_000
    assert rate.idle


def test_so_many_callers_are_known_and_no_more() -> None:
    rate = Rate(PER_S, FixedClock())
    came(rate, "first", 1_000)
    for number in range(9_999):
        rate.count(str(number))
    assert rate.wait_s("first") > 0
    rate.count("one more")
    assert rate.wait_s("first") == 0
    assert rate.wait_s("5") == 0


def test_who_keeps_coming_is_not_forgotten_for_others() -> None:
    rate = Rate(PER_S, FixedClock())
    came(rate, "first", 1_000)
    for number in range(20_000):
        rate.count(str(number))
        if number % 5_000 == 0:
            rate.count("first")
    assert rate.wait_s("first") > 0


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("99999999999999999999", 600.0),
        ("Wed, 21 Oct 2026 07:28:30 GMT", 30.0),
        ("Wed, 21 Oct 2020 07:28:30 GMT", 0.0),
        ("Wed, 21 Oct 2026 07:28:30", 0.0),
        ("-5", 0.0),
        ("soon", 0.0),
        ("Wed, 21 Oct 99999999999999999999 07:28:30 GMT", 0.0),
        ("Wed, 21 Oct 2026 07:28:30 +99999999999999999999", 0.0),
        ("", 0.0),
    ],
)
def test_what_an_answer_asks_to_wait(told: str, seconds: float) -> None:
    headers = {"retry-after": told, "date": "Wed, 21 Oct 2026 07:28:00 GMT"}
    assert retry_after_s(headers) == seconds
    assert retry_after_s({}) == 0
