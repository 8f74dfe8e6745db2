"""Derived energy use: the same everywhere, true to its yearly sum, right at the clock changes."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from hansa.story import (
    GRANTED,
    Replay,
    building_entities,
    energy_dataset,
    energy_entities,
    energy_history,
    shops,
)
from hansa.story.calendar_nl import SATURDAY, SUNDAY, day_kind, easter_sunday, holidays, season
from hansa.story.profiles import (
    QUARTER,
    day_values,
    load_factor,
    quarter_start,
    slots_of,
    table,
    year_kwh,
)
from hansa.story.trades import FLOOR_MAX_M2, FLOOR_MIN_M2, SHOPS_PER_HALF

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
NOW = datetime(2026, 11, 20, 9, 37, 12, tzinfo=UTC)


def _midnight(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=AMSTERDAM)


@pytest.mark.parametrize("half", ["delft-west", "delft-east"])
def test_shops_are_plausible_and_all_different(half: str) -> None:
    chosen = shops(half)

    assert len(chosen) == SHOPS_PER_HALF
    assert len({shop.name for shop in chosen}) == len({shop.entity_id for shop in chosen}) == 120
    for shop in chosen:
        assert FLOOR_MIN_M2 <= shop.floor_area_m2 <= FLOOR_MAX_M2
        assert shop.building.status.startswith("in use")
        low, high = shop.trade.floor_m2
        assert low <= shop.building.area_m2 <= high
        use = shop.annual_kwh / shop.floor_area_m2
        assert 0.79 < use / shop.trade.specific_kwh_m2 < 1.21
    assert len({shop.trade.category for shop in chosen}) == 6


def test_another_process_draws_the_same() -> None:
    program = (
        "from hansa.story import shops, energy_entities\n"
        "from datetime import datetime, UTC\n"
        "print(hash(1), [(s.entity_id, s.name, s.annual_kwh) for s in shops('delft-west')][:40])\n"
        "print(energy_entities('delft-west', datetime(2026, 11, 20, tzinfo=UTC))[7]['power'])"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "TZ": zone},
            capture_output=True,
            check=True,
        ).stdout
        for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo"))
    }

    assert len(answers) == 1


def test_entities_are_labelled_and_point_at_their_building() -> None:
    buildings = {entity["id"] for entity in building_entities("delft-west")}
    dataset = energy_dataset("delft-west")

    for entity in energy_entities("delft-west", NOW):
        assert entity["dataOrigin"]["value"] == "derived, synthetic"
        assert entity["refBuilding"]["object"] in buildings
        assert entity["id"].startswith(dataset.id_prefix)
        assert "3DBAG" in entity["source"]["value"]
        assert entity["power"]["observedAt"] == "2026-11-20T09:30:00Z"
        assert entity["power"]["unitCode"] == "KWT"
        assert entity["energy"]["unitCode"] == entity["annualEnergy"]["unitCode"] == "KWH"
        assert entity["floorArea"]["unitCode"] == "MTK"
        assert set(entity) - {"id", "type"} == {one.name for one in dataset.attributes}
    assert dataset.labels == ("derived", "synthetic")
    assert "BDEW" in dataset.attribution
    assert "3DBAG" in dataset.attribution
    assert set(GRANTED) < {one.name for one in dataset.attributes}


@pytest.mark.parametrize("year", [2025, 2028])
def test_a_year_of_quarter_hours_sums_to_the_yearly_use(year: int) -> None:
    at = _midnight(year, 1, 1).astimezone(UTC)
    end = _midnight(year + 1, 1, 1).astimezone(UTC)
    total_h = dict.fromkeys(table().profiles, 0.0)

    while at < end:
        for profile in total_h:
            total_h[profile] += load_factor(profile, at) / 4
        at += QUARTER

    assert total_h == pytest.approx(dict.fromkeys(total_h, 1.0), rel=1e-9)


def test_rounding_keeps_the_energy_within_one_percent() -> None:
    start = _midnight(2026, 2, 2).astimezone(UTC)
    week = list(energy_history("delft-west", start, start + timedelta(days=7)))

    for shop, temporal in zip(shops("delft-west"), week, strict=True):
        exact = shop.annual_kwh * sum(
            load_factor(shop.trade.profile, start + QUARTER * step) / 4 for step in range(7 * 96)
        )
        assert temporal["id"] == shop.entity_id
        assert sum(one["value"] for one in temporal["energy"]) == pytest.approx(exact, rel=0.01)


@pytest.mark.parametrize(
    ("day", "quarters"),
    [((2026, 3, 29), 92), ((2026, 10, 25), 100), ((2026, 6, 1), 96)],
)
def test_the_clock_change_shortens_and_lengthens_the_day(
    day: tuple[int, int, int], quarters: int
) -> None:
    start = _midnight(*day)
    following = date(*day) + timedelta(days=1)
    end = _midnight(following.year, following.month, following.day)

    temporal = next(energy_history("delft-east", start.astimezone(UTC), end.astimezone(UTC)))
    stamps = [one["observedAt"] for one in temporal["power"]]

    assert len(stamps) == len(set(stamps)) == quarters == len(slots_of(date(*day)))
    assert stamps == sorted(stamps)


def test_power_follows_local_time() -> None:
    bakery = next(s for s in shops("delft-west") if s.trade.category == "bakery")
    summer = datetime(2026, 7, 1, 2, 0, tzinfo=UTC)  # 04:00 in Delft
    winter = datetime(2026, 12, 2, 3, 0, tzinfo=UTC)  # 04:00 in Delft

    for at in (summer, winter):
        entity = next(e for e in energy_entities("delft-west", at) if e["id"] == bakery.entity_id)
        expected = day_values("g5", at.date())[16] / year_kwh("g5", 2026) * bakery.annual_kwh
        assert entity["power"]["value"] == pytest.approx(expected, abs=1e-4)


def test_seasons_and_holidays() -> None:
    assert season(date(2026, 5, 14)) == "transition"
    assert season(date(2026, 5, 15)) == season(date(2026, 9, 14)) == "summer"
    assert season(date(2026, 10, 31)) == season(date(2026, 3, 21)) == "transition"
    assert season(date(2026, 11, 1)) == season(date(2026, 3, 20)) == "winter"
    assert [easter_sunday(year) for year in (2024, 2025, 2026, 2027)] == [
        date(2024, 3, 31),
        date(2025, 4, 20),
        date(2026, 4, 5),
        date(2027, 3, 28),
    ]
    assert date(2025, 4, 26) in holidays(2025)  # the 27th is a Sunday
    assert date(2025, 5, 5) in holidays(2025)
    assert date(2026, 5, 5) not in holidays(2026)
    assert day_kind(date(2026, 12, 25)) == SUNDAY
    assert day_kind(date(2026, 12, 24)) == SATURDAY
    assert day_kind(date(2026, 11, 20)) == 4


def test_the_replay_gives_the_current_quarter_hour_and_the_next_boundary() -> None:
    replay = Replay("delft-west")

    upsert = replay.upsert(NOW)

    assert len(upsert) == SHOPS_PER_HALF
    assert set(upsert[0]) == {"id", "type", "power", "energy"}
    assert upsert == replay.upsert(quarter_start(NOW))
    assert replay.next_boundary(NOW) == datetime(2026, 11, 20, 9, 45, tzinfo=UTC)
    boundary = datetime(2026, 11, 20, 9, 45, tzinfo=UTC)
    assert replay.next_boundary(boundary) == datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


def test_what_was_missed_is_had_without_overlap() -> None:
    replay = Replay("delft-west")

    missed = next(replay.missed(NOW - timedelta(hours=1), NOW))

    stamps = [one["observedAt"] for one in missed["power"]]
    assert stamps == ["2026-11-20T08:45:00Z", "2026-11-20T09:00:00Z", "2026-11-20T09:15:00Z"]


def test_history_starts_at_the_first_whole_quarter_and_excludes_the_end() -> None:
    start = datetime(2026, 11, 20, 9, 1, tzinfo=UTC)
    temporal = next(energy_history("delft-west", start, datetime(2026, 11, 20, 9, 45, tzinfo=UTC)))

    assert [one["observedAt"][11:16] for one in temporal["power"]] == ["09:15", "09:30"]


def test_a_day_of_history_is_had_quickly() -> None:
    list(energy_history("delft-east", NOW - timedelta(days=1), NOW))  # tables loaded
    started = time.process_time()

    list(energy_history("delft-east", NOW - timedelta(days=1), NOW))

    assert time.process_time() - started < 2.0  # a guard against mistakes; a bench has the figure


def test_only_profiles_in_use_are_shipped() -> None:
    used = {shop.trade.profile for half in ("west", "east") for shop in shops(half)}

    assert set(table().profiles) == used
