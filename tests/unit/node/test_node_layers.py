"""What of a layer's history holds at an instant of the map's slider."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hansa.kernel import iso
from hansa.node.management.layers import holding

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _rows(step_min: int, *minutes: int) -> dict[str, list[tuple[str, Any]]]:
    points = [(iso(NOON + timedelta(minutes=m)), m) for m in minutes]
    return {"other": [(iso(NOON + timedelta(minutes=m)), m) for m in (0, step_min)], "a": points}


def test_an_hourly_value_holds_for_its_hour() -> None:
    for minutes in (0, 15, 30, 45):
        assert holding(_rows(60, 0), NOON + timedelta(minutes=minutes))["a"] == 0
    assert "a" not in holding(_rows(60, 0), NOON + timedelta(minutes=60))


def test_a_missing_quarter_hour_stays_a_gap() -> None:
    assert holding(_rows(15, 0, 15), NOON + timedelta(minutes=15))["a"] == 15
    assert "a" not in holding(_rows(15, 0, 15), NOON + timedelta(minutes=30))


def test_a_single_instant_holds_for_an_hour() -> None:
    rows: dict[str, list[tuple[str, Any]]] = {"a": [(iso(NOON), 1)], "b": []}
    assert holding(rows, NOON + timedelta(minutes=45)) == {"a": 1}
    assert holding(rows, NOON + timedelta(minutes=60)) == {}
