"""How times, numbers and sizes are written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from hansa.web import words

NOW = datetime(2026, 11, 20, 13, 20, tzinfo=UTC)
AMSTERDAM = ZoneInfo("Europe/Amsterdam")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-2, "just now"),
        (-40, "40 seconds ago"),
        (-61, "1 minute ago"),
        (-3_600, "1 hour ago"),
        (-86_400 * 3, "3 days ago"),
        (-86_400 * 13.5, "13 days ago"),
        (-86_400 * 20, "2 weeks ago"),
        (-86_400 * 70, "2 months ago"),
        (-86_400 * 800, "2 years ago"),
        (86_400 * 40, "in 5 weeks"),
        (90, "in 1 minute"),
    ],
)
def test_relative_times(seconds: float, text: str) -> None:
    assert words.relative(NOW + timedelta(seconds=seconds), NOW) == text


def test_absolute_times_name_their_zone_on_both_sides_of_a_clock_change() -> None:
    summer = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert words.absolute(summer, AMSTERDAM) == "25 Oct 2026, 02:30 CEST"
    assert words.absolute(summer + timedelta(hours=1), AMSTERDAM) == "25 Oct 2026, 02:30 CET"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1932, "1932"),
        (10_482, "10\u202f482"),
        (1_234_567.8, "1\u202f234\u202f568"),
        (3.14159, "3.14"),
        (0.01234567, "0.0123"),
        (7.0, "7"),
        (0.0, "0"),
        (-12.5, "-12.5"),
        (None, "\u2013"),
        ("n/a", "n/a"),
    ],
)
def test_numbers(value: object, text: str) -> None:
    assert words.number(value) == text


def test_sizes_and_spans() -> None:
    assert words.size(18_412_330) == "18.4 MB"
    assert words.size(512) == "512\u202fB"
    assert words.size(None) == "\u2013"
    assert words.span(45) == "45 s"
    assert words.span(540) == "9 min"
    assert words.span(7_200) == "2 h"
    assert words.span(86_400 * 3) == "3 days"


def test_an_instant_needs_a_zone_but_a_day_does_not() -> None:
    assert words.instant("2026-11-20T13:20:00") is None
    assert words.instant("2026-11-20") == datetime(2026, 11, 20, tzinfo=UTC)
    assert words.instant("in the end") is None
    assert words.instant(None) is None


def test_identifiers_break_after_separators_and_are_escaped() -> None:
    assert words.breakable("did:web:<x>") == "did:<wbr>web:<wbr>&lt;x&gt;"


def test_an_unknown_zone_is_utc() -> None:
    assert words.zone_of("Atlantis/Capital") is UTC
    assert words.zone_of("../../etc/passwd") is UTC


def test_an_error_with_a_code_is_put_into_words() -> None:
    told = words.plain_error("outbound_failed: ConnectionRefusedError")
    assert told["words"] == "The address can't be reached."
    assert told["detail"] == "outbound_failed: ConnectionRefusedError"
    assert words.plain_error("No answer: 5 s")["words"] == "No answer: 5 s"
    assert words.plain_error(None) == {"words": "", "detail": ""}


def test_why_data_is_not_delivered_is_told_in_the_sentence_behind_the_code() -> None:
    refused = "counterparty_refused: The MQTT broker refused the connection: not authorised."
    assert words.flow_error(refused) == refused.partition(": ")[2]
    assert words.flow_error("outbound_failed: ConnectionRefusedError") == (
        "The address can't be reached."
    )
    assert words.flow_error("sftp.example.org: no such host") == "sftp.example.org: no such host"
