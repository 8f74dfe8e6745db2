"""Cells: numbers, booleans, texts, relationships; units and their conversion; names."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hansa.ingest import Column, Kind, ValueType
from hansa.ingest.model import MISSING, CellError
from hansa.ingest.naming import NAME, RESERVED, attribute_name, distinct, local_id, type_name
from hansa.ingest.units import UNITS, converter, split_header, unit_of
from hansa.ingest.values import (
    boolean_reader,
    integer_reader,
    number_reader,
    relationship_reader,
    text_reader,
)


@pytest.mark.parametrize(
    ("text", "marks", "value"),
    [
        ("20.0", {}, 20.0),
        (" 7 ", {}, 7),
        ("-1.5e3", {}, -1500.0),
        ("1,5", {"decimal": ","}, 1.5),
        ("1.234,5", {"decimal": ",", "thousands": "."}, 1234.5),
        ("1,234,567", {"thousands": ","}, 1234567),
        ("12 345", {"thousands": " "}, 12345),
        (3, {}, 3),
        (2.5, {}, 2.5),
        (None, {}, None),
        ("", {"missing": MISSING}, None),
        ("NA", {"missing": MISSING}, None),
    ],
)
def test_numbers(text: Any, marks: dict[str, Any], value: float | None) -> None:
    assert number_reader("x", **marks)(text) == value


@pytest.mark.parametrize(
    ("text", "marks", "code"),
    [
        ("abc", {}, "not_a_number"),
        ("1,5", {}, "not_a_number"),
        ("1_000", {}, "not_a_number"),
        ("1.5", {"decimal": ","}, "not_a_number"),
        ("1,23,4", {"thousands": ","}, "not_a_number"),
        ("nan", {}, "not_finite"),
        ("inf", {}, "not_finite"),
        ("-Infinity", {}, "not_finite"),
        ("1e999", {}, "not_finite"),
        (math.nan, {}, "not_finite"),
        (True, {}, "not_a_number"),
        ([1], {}, "not_a_number"),
        ("12345678901234567890", {}, "not_a_number"),
        ("", {}, "not_a_number"),
    ],
)
def test_what_is_no_number_is_a_fault(text: Any, marks: dict[str, Any], code: str) -> None:
    with pytest.raises(CellError) as fault:
        number_reader("x", **marks)(text)

    assert fault.value.code == code
    assert fault.value.field == "x"


def test_nan_can_be_made_a_gap() -> None:
    assert number_reader("x", missing=("nan",))("nan") is None


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=3))
def test_numbers_keep_their_value(number: Decimal) -> None:
    text = f"{number:,.3f}".replace(",", "\u202f").replace(".", ",")

    read = number_reader("x", decimal=",", thousands="\u202f")

    assert read(text) == float(number)


def test_integers_booleans_texts_and_relationships() -> None:
    whole = integer_reader(Column(column="x", value=ValueType.integer))
    assert whole("3.0") == 3
    with pytest.raises(CellError, match="whole"):
        whole("3.5")
    truth = boolean_reader("x", MISSING)
    assert [truth(cell) for cell in ("Yes", "f", "1", True, "", None)] == [
        True, False, True, True, None, None,
    ]  # fmt: skip
    with pytest.raises(CellError) as fault:
        truth("maybe")
    assert fault.value.code == "not_a_boolean"
    assert text_reader("x")(3.0) == "3"
    assert text_reader("x")(True) == "true"
    for bad, code in (({"a": 1}, "not_text"), ("x" * 10_001, "too_long"), ("a\x00b", "too_long")):
        with pytest.raises(CellError) as fault:
            text_reader("x")(bad)
        assert fault.value.code == code
    link = relationship_reader(
        Column(column="x", kind=Kind.relationship, object="urn:ngsi-ld:Building:{value}")
    )
    assert link("b1") == "urn:ngsi-ld:Building:b1"
    with pytest.raises(CellError) as fault:
        link("b 1")
    assert fault.value.code == "relationship_invalid"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("µg/m³", "GQ"), ("μg/m3", "GQ"), ("ug/m3", "GQ"), ("l/s", "G51"), ("L/s", "G51"),
        ("m³/s", "MQS"), ("°C", "CEL"), ("kW", "KWT"), ("kWh", "KWH"), ("KWH", "KWH"),
        ("m", "MTR"), ("m²", "MTK"), ("m2", "MTK"), ("%", "P1"), ("MW", "MAW"), ("G51", "G51"),
        ("km/h", "KMH"), ("hPa", "A97"), ("ppb", "61"), ("dB(A)", "2N"),
    ],
)  # fmt: skip
def test_units_as_people_write_them(text: str, code: str) -> None:
    unit = unit_of(text)

    assert unit is not None
    assert unit.code == code


@pytest.mark.parametrize("text", ["mW", "mw", "furlong", "", "mwh"])
def test_units_that_are_not_known_or_not_sure(text: str) -> None:
    assert unit_of(text) is None


@pytest.mark.parametrize(
    ("value", "source", "target", "expected"),
    [
        (100.59, "G51", "MQS", 0.10059),
        (100, "CEL", "FAH", 212),
        (32, "FAH", "CEL", 0),
        (36, "KMH", "MTS", 10),
        (1.5, "MWH", "KWH", 1500),
        (250, "GQ", "GP", 0.25),
    ],
)
def test_conversion(value: float, source: str, target: str, expected: float) -> None:
    convert = converter(source, target)

    assert convert is not None
    assert convert(value) == pytest.approx(expected, abs=1e-12)


def test_units_of_other_quantities_are_not_converted() -> None:
    assert converter("KWT", "KWH") is None
    assert converter("GQ", "61") is None
    assert converter("XYZ", "KWH") is None


def test_every_unit_converts_back() -> None:
    for unit in UNITS.values():
        for other in UNITS.values():
            there, back = converter(unit.code, other.code), converter(other.code, unit.code)
            assert (there is None) == (unit.quantity != other.quantity)
            if there and back:
                assert back(there(42.0)) == pytest.approx(42.0, rel=1e-9)


@pytest.mark.parametrize(
    ("header", "name", "unit"),
    [
        ("Water flow [l/s]", "Water flow", "l/s"),
        ("Temp (°C)", "Temp", "°C"),
        ("energy_kwh", "energy", "kwh"),
        ("name (note)", "name (note)", None),
        ("dB(A)", "dB(A)", "dB(A)"),
        ("wind_speed", "wind_speed", None),
        ("no2_ug_m3", "no2", "ug/m3"),
        ("PM10_µg_m3", "PM10", "µg/m3"),
        ("radiation_W_m2", "radiation", "W/m2"),
        ("main_flow_l_s", "main_flow", "l/s"),
        ("ug_m3", "ug_m3", "ug/m3"),
        ("temp_C", "temp", "C"),
        ("zone_C", "zone_C", None),
    ],
)
def test_units_in_headers(header: str, name: str, unit: str | None) -> None:
    assert split_header(header) == (name, unit)


@given(st.text(max_size=40))
def test_every_header_gives_a_legal_name(header: str) -> None:
    name = attribute_name(header)

    assert NAME.fullmatch(name)
    assert name not in RESERVED
    assert NAME.fullmatch(type_name(header))


def test_names() -> None:
    assert attribute_name("Water flow") == "waterFlow"
    assert attribute_name("value") == "measuredValue"
    assert attribute_name("location") == "place"
    assert attribute_name("TYPPPD_KOD") == "typppdKod"
    assert type_name("water-flow.csv") == "WaterFlow"
    assert type_name("plots") == "Plot"
    taken = {"a"}
    assert [distinct("a", taken), distinct("a", taken)] == ["a2", "a3"]


@given(st.text(min_size=1, max_size=60))
def test_local_ids_are_plain(text: str) -> None:
    assert all(char.isascii() and (char.isalnum() or char in "-._~:%") for char in local_id(text))


def test_local_ids_stay_readable() -> None:
    assert local_id("London Westminster") == "London-Westminster"
    assert local_id("Průmyslová 5") == "Prumyslova-5"
    assert local_id("{C9D4}") == "C9D4"
    assert local_id("a/b") == "a%2Fb"
