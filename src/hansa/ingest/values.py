"""Reads cells: numbers, booleans, texts, relationships. One compiled function per column.

A reader takes the raw cell and gives a JSON value, None for a cell that means `no value`, or
raises `CellError`. Cells of text formats are strings; those of JSON formats may be anything.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from hansa.ingest.model import (
    RAW_CHARACTERS_MAX,
    TEXT_CHARACTERS_MAX,
    CellError,
    Column,
    Reason,
    ValueType,
)
from hansa.ingest.units import converter

Read = Callable[[Any], Any]

_BOOLEANS = {
    "true": True,
    "t": True,
    "yes": True,
    "y": True,
    "1": True,
    "false": False,
    "f": False,
    "no": False,
    "n": False,
    "0": False,
}
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+")
_INTEGER_MAX = 2**53


def shown(raw: Any) -> str:
    """Give a cell for a rejection, cut to 200 characters."""
    text = raw if isinstance(raw, str) else repr(raw)
    return text if len(text) <= RAW_CHARACTERS_MAX else f"{text[: RAW_CHARACTERS_MAX - 1]}…"


def number_reader(
    field: str,
    *,
    decimal: str = ".",
    thousands: str = "",
    missing: tuple[str, ...] = (),
    convert: Callable[[float], float] | None = None,
) -> Read:
    """Compile a reader of numbers. Whole numbers written without a decimal mark stay integers."""
    grouped = _grouped(decimal, thousands) if thousands else None
    absent = frozenset(missing)

    def read(raw: Any) -> int | float | None:
        if isinstance(raw, str):
            text = raw.strip()
            if text in absent:
                return None
            number = _parse(text)
        elif raw is None:
            return None
        elif isinstance(raw, bool) or not isinstance(raw, int | float):
            raise CellError(Reason.not_a_number, field, "this is not a number", raw)
        else:
            number = raw
        if isinstance(number, float) and not math.isfinite(number):
            raise CellError(
                Reason.not_finite,
                field,
                "nan and infinity are no values; list the word under `missing` to read it as a gap",
                raw,
            )
        if convert is not None:
            return convert(number)
        if isinstance(number, int) and abs(number) > _INTEGER_MAX:
            raise CellError(
                Reason.not_a_number, field, "too large for a number; read it as text", raw
            )
        return number

    def _parse(text: str) -> int | float:
        plain = text
        if grouped is not None and thousands in text:
            if not grouped.fullmatch(text):
                raise CellError(
                    Reason.not_a_number, field, f"{thousands!r} does not part thousands here", text
                )
            plain = plain.replace(thousands, "")
        if decimal != ".":
            if "." in plain:
                raise CellError(
                    Reason.not_a_number,
                    field,
                    f"the decimal mark is {decimal!r}, not a point",
                    text,
                )
            plain = plain.replace(decimal, ".")
        try:
            if "_" in plain:
                raise ValueError
            return int(plain) if plain.lstrip("+-").isdecimal() else float(plain)
        except ValueError:
            raise CellError(Reason.not_a_number, field, "this is not a number", text) from None

    return read


def _grouped(decimal: str, thousands: str) -> re.Pattern[str]:
    group, mark = re.escape(thousands), re.escape(decimal)
    return re.compile(rf"[+-]?\d{{1,3}}({group}\d{{3}})+({mark}\d*)?")


def text_reader(field: str, missing: tuple[str, ...] = ()) -> Read:
    """Compile a reader of texts: blanks around them go, at most 10,000 characters."""
    absent = frozenset(missing)

    def read(raw: Any) -> str | None:
        if raw is None:
            return None
        if isinstance(raw, bool):
            text = "true" if raw else "false"
        elif isinstance(raw, int | float):
            text = f"{raw:g}" if isinstance(raw, float) and raw.is_integer() else str(raw)
        elif isinstance(raw, str):
            text = raw.strip()
        else:
            raise CellError(Reason.not_text, field, "an object or array; read it as `json`", raw)
        if text in absent:
            return None
        if len(text) > TEXT_CHARACTERS_MAX or "\x00" in text:
            raise CellError(
                Reason.too_long, field, f"more than {TEXT_CHARACTERS_MAX} characters, or NUL", raw
            )
        return text

    return read


def boolean_reader(field: str, missing: tuple[str, ...] = ()) -> Read:
    """Compile a reader of booleans: true/false, yes/no, t/f, y/n, 1/0."""
    absent = frozenset(missing)

    def read(raw: Any) -> bool | None:
        if raw is None or isinstance(raw, bool):
            return raw
        text = str(raw).strip()
        if text in absent:
            return None
        value = _BOOLEANS.get(text.lower())
        if value is None:
            raise CellError(Reason.not_a_boolean, field, "neither true nor false", raw)
        return value

    return read


def integer_reader(column: Column) -> Read:
    """Compile a reader of whole numbers; `3.0` is one, `3.5` is not."""
    number = number_reader(
        column.column,
        decimal=column.decimal,
        thousands=column.thousands,
        missing=column.missing,
    )

    def read(raw: Any) -> int | None:
        value = number(raw)
        if value is None:
            return None
        if value != int(value):
            raise CellError(Reason.not_an_integer, column.column, "this is not a whole number", raw)
        return int(value)

    return read


def relationship_reader(column: Column) -> Read:
    """Compile a reader of relationships: the template with the value in it must be a URI."""
    text = text_reader(column.column, column.missing)

    def read(raw: Any) -> str | None:
        value = text(raw)
        if value is None:
            return None
        uri = column.object.replace("{value}", value)
        if not _URI.fullmatch(uri):
            raise CellError(
                Reason.relationship_invalid,
                column.column,
                "a relationship needs a URI; write a template such as urn:ngsi-ld:Type:{value}",
                raw,
            )
        return uri

    return read


def json_reader(column: Column) -> Read:
    """Compile a reader that takes JSON as it is: objects and arrays of JSON formats."""
    absent = frozenset(column.missing)

    def read(raw: Any) -> Any:
        return None if isinstance(raw, str) and raw.strip() in absent else raw

    return read


def value_reader(column: Column) -> Read:
    """Compile the reader of a property column by its value type."""
    if column.value is ValueType.number:
        convert = None
        if column.convert_to and column.unit_code:
            convert = converter(column.unit_code, column.convert_to)
        return number_reader(
            column.column,
            decimal=column.decimal,
            thousands=column.thousands,
            missing=column.missing,
            convert=convert,
        )
    if column.value is ValueType.integer:
        return integer_reader(column)
    if column.value is ValueType.boolean:
        return boolean_reader(column.column, column.missing)
    if column.value is ValueType.json:
        return json_reader(column)
    return text_reader(column.column, column.missing)
