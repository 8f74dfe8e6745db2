"""Units as people write them, their UN/CEFACT codes (Recommendation 20), and conversion.

Conversion is linear within one quantity: base = value x factor + offset.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

import msgspec


class Unit(msgspec.Struct, frozen=True):
    """A unit: UN/CEFACT common code, symbol, quantity, factor and offset to the quantity's base."""

    code: str
    symbol: str
    quantity: str
    factor: float = 1.0
    offset: float = 0.0


# code, symbol, quantity, factor, offset, other spellings (separated by blanks)
_TABLE: tuple[tuple[str, str, str, float, float, str], ...] = (
    ("MTR", "m", "length", 1, 0, "metre metres meter meters"),
    ("CMT", "cm", "length", 0.01, 0, "centimetre centimeter"),
    ("MMT", "mm", "length", 0.001, 0, "millimetre millimeter"),
    ("KMT", "km", "length", 1000, 0, "kilometre kilometer kilometers"),
    ("FOT", "ft", "length", 0.3048, 0, "foot feet"),
    ("SMI", "mi", "length", 1609.344, 0, "mile miles"),
    ("MTK", "m²", "area", 1, 0, "m2 qm sqm m^2"),
    ("CMK", "cm²", "area", 0.0001, 0, "cm2 cm^2"),
    ("KMK", "km²", "area", 1e6, 0, "km2 km^2"),
    ("HAR", "ha", "area", 1e4, 0, "hectare hektar"),
    ("MTQ", "m³", "volume", 1, 0, "m3 cbm m^3"),
    ("LTR", "l", "volume", 0.001, 0, "L litre liter litres liters"),
    ("MLT", "ml", "volume", 1e-6, 0, "mL"),
    ("HLT", "hl", "volume", 0.1, 0, "hL"),
    ("MQS", "m³/s", "volume flow", 1, 0, "m3/s m^3/s m³s-1 m3s-1 cumecs"),
    ("MQH", "m³/h", "volume flow", 1 / 3600, 0, "m3/h m^3/h"),
    ("G51", "l/s", "volume flow", 0.001, 0, "L/s ls-1"),
    ("L2", "l/min", "volume flow", 0.001 / 60, 0, "L/min"),
    ("E32", "l/h", "volume flow", 0.001 / 3600, 0, "L/h"),
    ("MTS", "m/s", "speed", 1, 0, "ms-1 mps"),
    ("KMH", "km/h", "speed", 1 / 3.6, 0, "kmh kph kmph km/hr"),
    ("KNT", "kn", "speed", 1852 / 3600, 0, "knot knots kt"),
    ("H67", "mm/h", "rain rate", 1, 0, "mmh-1"),
    ("CEL", "°C", "temperature", 1, 273.15, "C degC celsius ºC ℃"),
    ("KEL", "K", "temperature", 1, 0, "kelvin"),
    ("FAH", "°F", "temperature", 5 / 9, 459.67 * 5 / 9, "F degF fahrenheit ºF"),
    ("PAL", "Pa", "pressure", 1, 0, "pascal"),
    ("A97", "hPa", "pressure", 100, 0, "hectopascal"),
    ("KPA", "kPa", "pressure", 1000, 0, "kilopascal"),
    ("MBR", "mbar", "pressure", 100, 0, "millibar mb"),
    ("BAR", "bar", "pressure", 1e5, 0, ""),
    ("WTT", "W", "power", 1, 0, "watt watts"),
    ("KWT", "kW", "power", 1000, 0, "kilowatt kilowatts"),
    ("MAW", "MW", "power", 1e6, 0, "megawatt"),
    ("A90", "GW", "power", 1e9, 0, "gigawatt"),
    ("WHR", "Wh", "energy", 3600, 0, "watthour"),
    ("KWH", "kWh", "energy", 3.6e6, 0, "kilowatthour"),
    ("MWH", "MWh", "energy", 3.6e9, 0, "megawatthour"),
    ("GWH", "GWh", "energy", 3.6e12, 0, "gigawatthour"),
    ("JOU", "J", "energy", 1, 0, "joule"),
    ("KJO", "kJ", "energy", 1000, 0, "kilojoule"),
    ("3B", "MJ", "energy", 1e6, 0, "megajoule"),
    ("GV", "GJ", "energy", 1e9, 0, "gigajoule"),
    ("D46", "VA", "apparent power", 1, 0, ""),
    ("KVA", "kVA", "apparent power", 1000, 0, ""),
    ("KVR", "kvar", "reactive power", 1, 0, "kVAr"),
    ("VLT", "V", "voltage", 1, 0, "volt volts"),
    ("AMP", "A", "current", 1, 0, "ampere amp"),
    ("4K", "mA", "current", 0.001, 0, ""),
    ("HTZ", "Hz", "frequency", 1, 0, "hertz"),
    ("GQ", "µg/m³", "mass concentration", 1e-9, 0, "µg/m3 ug/m3 ug/m³ µg/m^3 ug/m^3 µgm-3 ugm-3"),
    ("GP", "mg/m³", "mass concentration", 1e-6, 0, "mg/m3 mg/m^3"),
    ("A93", "g/m³", "mass concentration", 1e-3, 0, "g/m3"),
    ("KMQ", "kg/m³", "mass concentration", 1, 0, "kg/m3"),
    ("M1", "mg/l", "mass concentration", 1e-3, 0, "mg/L"),
    ("59", "ppm", "fraction", 1e-6, 0, ""),
    ("61", "ppb", "fraction", 1e-9, 0, ""),
    ("P1", "%", "fraction", 0.01, 0, "pct percent prozent procent"),
    ("D54", "W/m²", "irradiance", 1, 0, "W/m2 W/m^2 wm-2"),
    ("LUX", "lx", "illuminance", 1, 0, "lux"),
    ("LUM", "lm", "luminous flux", 1, 0, "lumen"),
    ("2N", "dB", "sound level", 1, 0, "dBA dB(A) decibel"),
    ("DD", "°", "angle", 1, 0, "deg degree degrees grad"),
    ("SEC", "s", "duration", 1, 0, "sec second seconds"),
    ("C26", "ms", "duration", 0.001, 0, "millisecond"),
    ("MIN", "min", "duration", 60, 0, "minute minutes"),
    ("HUR", "h", "duration", 3600, 0, "hour hours hr"),
    ("DAY", "d", "duration", 86400, 0, "day days"),
    ("GRM", "g", "mass", 0.001, 0, "gram"),
    ("MGM", "mg", "mass", 1e-6, 0, "milligram"),
    ("KGM", "kg", "mass", 1, 0, "kilogram"),
    ("TNE", "t", "mass", 1000, 0, "tonne tonnes"),
    ("Q30", "pH", "acidity", 1, 0, ""),
    ("H61", "mS/cm", "conductivity", 1e-3, 0, ""),
    ("G42", "µS/cm", "conductivity", 1e-6, 0, "uS/cm"),
    ("BQL", "Bq", "activity", 1, 0, "becquerel"),
    ("C62", "1", "count", 1, 0, "one count pieces"),
)

UNITS: dict[str, Unit] = {row[0]: Unit(row[0], row[1], row[2], row[3], row[4]) for row in _TABLE}
"""By UN/CEFACT code. A code that is not here is kept as it is, but cannot be converted."""

CODE = re.compile(r"[A-Z0-9]{2,3}")
"""The shape of a UN/CEFACT common code."""


def _fold(text: str) -> str:
    """Make spellings alike: composed forms, one micro sign, no blanks or middle dots."""
    plain = unicodedata.normalize("NFC", text).replace("μ", "µ").replace("\N{MINUS SIGN}", "-")
    return re.sub(r"[\s·*]", "", plain)


def _spellings() -> tuple[dict[str, Unit], dict[str, Unit]]:
    exact: dict[str, Unit] = {}
    for row in _TABLE:
        for spelling in (row[1], *row[5].split()):
            assert _fold(spelling) not in exact, f"{spelling} stands for two units"
            exact[_fold(spelling)] = UNITS[row[0]]
    lower: dict[str, list[Unit]] = {}
    for spelling, unit in exact.items():
        lower.setdefault(spelling.lower(), []).append(unit)
    return exact, {spelling: found[0] for spelling, found in lower.items() if len(found) == 1}


_EXACT, _ANY_CASE = _spellings()


@lru_cache(maxsize=1024)
def unit_of(text: str) -> Unit | None:
    """Give the unit that a person wrote, such as `µg/m³`, `ug/m3` or the code itself; or None.

    Case counts where it tells units apart: `MW` is megawatt, `mW` and `mw` are not.
    """
    folded = _fold(text)
    exact = _EXACT.get(folded) or UNITS.get(folded)
    if exact is not None:
        return exact
    alike = _ANY_CASE.get(folded.lower())
    if alike is None or (alike.symbol[0] == "M" and folded[0] == "m"):
        return None
    return alike


def converter(source: str, target: str) -> Callable[[float], float] | None:
    """Give a function from one unit code to another, None when the quantities differ.

    Results keep 12 significant digits, which hides the noise of binary fractions.
    """
    one, other = UNITS.get(source), UNITS.get(target)
    if one is None or other is None or one.quantity != other.quantity:
        return None
    factor = one.factor / other.factor
    offset = (one.offset - other.offset) / other.factor

    def convert(value: float) -> float:
        return float(f"{value * factor + offset:.12g}")

    return convert


_IN_BRACKETS = re.compile(r"^(?P<name>.*?)\s*[\[(]\s*(?P<unit>[^\[\]]{1,16}?)\s*[\])]\s*$")
_SUFFIXES = frozenset(
    "kwh mwh wh kw mw w m2 m3 km mm cm kg pct percent celsius degc hpa kpa pa ppm ppb ms kmh "
    "lux db".split()
)
_RATIOS = frozenset(
    "ug_m3 µg_m3 mg_m3 g_m3 kg_m3 mg_l m3_s m3_h l_s l_min l_h m_s km_h mm_h w_m2".split()
)
_SUFFIX_UNITS = {"ms": "m/s", "kmh": "km/h", "mw": "MW", "mwh": "MWh"}


def split_header(header: str) -> tuple[str, str | None]:
    """Part a header into name and unit text: `Temp (°C)`, `energy_kwh`, `no2_ug_m3`.

    Without a unit the second is None. Brackets that hold no known unit stay in the name.
    """
    if unit_of(header):
        return header, header
    found = _IN_BRACKETS.match(header)
    if found and found["name"] and unit_of(found["unit"]):
        return found["name"], found["unit"]
    if _fold(header.lower()) in _RATIOS:
        return header, header.replace("_", "/")
    parts = header.rsplit("_", 2)
    if len(parts) == 3 and parts[0] and _fold("_".join(parts[1:]).lower()) in _RATIOS:
        return parts[0], "/".join(parts[1:])
    stem, _, last = header.rpartition("_")
    if last == "C" and stem.lower().startswith("temp"):
        return stem, last
    if stem and last.lower() in _SUFFIXES:
        return stem, _SUFFIX_UNITS.get(last.lower(), last)
    return header, None
