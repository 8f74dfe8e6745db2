"""Times: to UTC, never guessed; both clock changes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from ingest_files import csv_source, number, reasons, run, series_mapping, table_mapping

from hansa.ingest import Column, Kind, ObservedAt
from hansa.ingest.model import CellError
from hansa.ingest.times import TimeReader


def _reader(**spec: object) -> TimeReader:
    return TimeReader(ObservedAt(columns=("t",), **spec))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "spec", "expected"),
    [
        ("2022-03-20T11:00:00+01:00", {}, "2022-03-20T10:00"),
        ("2019-06-21 00:00:00+00:00", {}, "2019-06-21T00:00"),
        ("2019-06-21T00:00:00Z", {}, "2019-06-21T00:00"),
        ("2019-06-21 08:00 UTC", {}, "2019-06-21T08:00"),
        ("2022-07-01 12:00", {"zone": "Europe/Amsterdam"}, "2022-07-01T10:00"),
        ("2022-01-01 12:00", {"zone": "Europe/Amsterdam"}, "2022-01-01T11:00"),
        ("2022-01-01", {"zone": "Europe/Amsterdam"}, "2021-12-31T23:00"),
        ("20.03.2022 11:00", {"format": "%d.%m.%Y %H:%M", "zone": "UTC"}, "2022-03-20T11:00"),
        ("20.03.22 11:00 +0200", {"format": "%d.%m.%y %H:%M %z"}, "2022-03-20T09:00"),
        ("1647774000", {"format": "epoch_s"}, "2022-03-20T11:00"),
        (1647774000000, {"format": "epoch_ms"}, "2022-03-20T11:00"),
    ],
)
def test_times_become_utc(text: object, spec: dict[str, str], expected: str) -> None:
    at = _reader(**spec).read(text)

    assert at.tzinfo is UTC
    assert at == datetime.fromisoformat(f"{expected}+00:00")


@pytest.mark.parametrize(
    ("text", "spec", "code"),
    [
        ("", {}, "time_missing"),
        (None, {}, "time_missing"),
        ("yesterday", {}, "time_unreadable"),
        ("31.02.2022", {"format": "%d.%m.%Y"}, "time_unreadable"),
        ("2022-03-20T11:00:00", {}, "time_without_zone"),
        ("2022-03-27T02:30", {"zone": "Europe/Amsterdam"}, "time_nonexistent"),
        ("2022-10-30T02:30", {"zone": "Europe/Amsterdam", "fold": "reject"}, "time_ambiguous"),
        ("0099-01-01T00:00Z", {}, "time_range"),
        ("99999999999999", {"format": "epoch_s"}, "time_unreadable"),
        ("nan", {"format": "epoch_s"}, "time_unreadable"),
    ],
)
def test_what_is_no_instant_is_a_fault(text: object, spec: dict[str, str], code: str) -> None:
    with pytest.raises(CellError) as fault:
        _reader(**spec).read(text)

    assert fault.value.code == code


AUTUMN = ["01:30", "02:00", "02:30", "02:00", "02:30", "03:00"]
AUTUMN_UTC = ["23:30", "00:00", "00:30", "01:00", "01:30", "02:00"]


def test_the_doubled_hour_is_told_apart_by_the_order_of_the_rows() -> None:
    reader = _reader(zone="Europe/Amsterdam")

    read = [reader.read(f"2022-10-30T{text}", "a").strftime("%H:%M") for text in AUTUMN]

    assert read == AUTUMN_UTC


def test_the_doubled_hour_of_a_file_that_runs_backward() -> None:
    reader = _reader(zone="Europe/Amsterdam")

    read = [
        reader.read(f"2022-10-30T{text}", "a").strftime("%H:%M")
        for text in ["03:30", *reversed(AUTUMN)]
    ]

    assert read == ["02:30", *reversed(AUTUMN_UTC)]


def test_a_third_doubled_hour_is_ambiguous() -> None:
    reader = _reader(zone="Europe/Amsterdam")
    for text in AUTUMN[:5]:
        reader.read(f"2022-10-30T{text}", "a")

    with pytest.raises(CellError) as fault:
        reader.read("2022-10-30T02:15", "a")

    assert fault.value.code == "time_ambiguous"


def test_series_do_not_disturb_each_other() -> None:
    reader = _reader(zone="Europe/Amsterdam")

    read = [
        reader.read(f"2022-10-30T{text}", series).strftime("%H:%M")
        for text in AUTUMN
        for series in ("a", "b")
    ]

    assert read == [text for text in AUTUMN_UTC for _ in "ab"]


@pytest.mark.parametrize(("fold", "hour"), [("earlier", 0), ("later", 1)])
def test_the_fold_can_be_fixed(fold: str, hour: int) -> None:
    at = _reader(zone="Europe/Amsterdam", fold=fold).read("2022-10-30T02:30")

    assert at == datetime(2022, 10, 30, hour, 30, tzinfo=UTC)


def test_rows_at_the_clock_changes_keep_their_order_or_are_told() -> None:
    lines = [f"a,2022-10-30 {text},{n}" for n, text in enumerate(AUTUMN)]
    source = csv_source("\n".join(["id,time,x", *lines, "a,2023-03-26 02:10,9"]))
    mapping = series_mapping(
        number("x"), observed_at=ObservedAt(columns=("time",), zone="Europe/Amsterdam")
    )

    result = run(mapping, source)

    assert [i.body["observedAt"][11:16] for i in result.history()] == AUTUMN_UTC
    assert reasons(result) == [(8, "time_nonexistent")]


def test_date_and_clock_in_two_columns() -> None:
    source = csv_source("id,date,clock,x\na,20.03.2022,11:00,1\n")
    spec = ObservedAt(columns=("date", "clock"), format="%d.%m.%Y %H:%M", zone="UTC")

    result = run(series_mapping(number("x"), observed_at=spec), source)

    assert next(result.history()).body["observedAt"] == "2022-03-20T11:00:00Z"


def test_a_column_of_times_becomes_date_or_datetime() -> None:
    source = csv_source("id,since\na,1994-04-17\nb,2010-10-13T12:43:04Z\nc,\nd,2010-10-13T12:43\n")
    column = Column(column="since", kind=Kind.time, attribute="since")

    result = run(table_mapping(column), source)

    first, second, third = result.entities()
    assert first["since"]["value"] == {"@type": "Date", "@value": "1994-04-17"}
    assert second["since"]["value"] == {"@type": "DateTime", "@value": "2010-10-13T12:43:04Z"}
    assert "since" not in third
    assert reasons(result) == [(5, "time_without_zone")]
