"""ISO 8601 durations."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hansa.policy.duration import Duration, duration_iso, parse_duration
from hansa.policy.words import duration_text


@pytest.mark.parametrize(
    ("text", "months", "span", "canonical", "words"),
    [
        ("PT15M", 0, timedelta(minutes=15), "PT15M", "15 minutes"),
        ("P7D", 0, timedelta(days=7), "P7D", "7 days"),
        ("P2W", 0, timedelta(days=14), "P14D", "14 days"),
        ("P1Y", 12, timedelta(), "P1Y", "1 year"),
        ("P18M", 18, timedelta(), "P1Y6M", "1 year 6 months"),
        ("PT36H", 0, timedelta(hours=36), "P1DT12H", "1 day 12 hours"),
        ("PT90S", 0, timedelta(seconds=90), "PT1M30S", "1 minute 30 seconds"),
        ("PT0.5S", 0, timedelta(milliseconds=500), "PT0.5S", "500000 µs"),
        (
            "P1Y2M3DT4H5M6.000007S",
            14,
            timedelta(days=3, hours=4, minutes=5, seconds=6, microseconds=7),
            "P1Y2M3DT4H5M6.000007S",
            "1 year 2 months 3 days 4 hours 5 minutes 6 seconds 7 µs",
        ),
    ],
)
def test_durations_are_read_and_written(
    text: str, months: int, span: timedelta, canonical: str, words: str
) -> None:
    duration = parse_duration(text)
    assert duration == Duration(months, span)
    assert duration_iso(duration) == canonical
    assert parse_duration(canonical) == duration
    assert duration_text(duration) == words


@pytest.mark.parametrize(
    "text",
    [
        *("", "P", "PT", "P1DT", "7D", "P-1D", "-P1D", "P1H", "PT1D", "P1.5D", "PT0S", "P0Y"),
        *("P1W1D", "P1D ", "p1d", "P1S", "P٣D", "P1234567D", "PT1.1234567S"),
    ],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|no time"):
        parse_duration(text)
