"""Looks at a sample of a column and says what is in it: numbers, times, booleans, WKT, text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from hansa.ingest.model import MISSING
from hansa.ingest.naming import words_of
from hansa.ingest.times import parser
from hansa.ingest.units import split_header

ENOUGH = 0.95
"""Share of the cells that must fit; the others are set aside when the file is read."""

_POINT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_COMMA = re.compile(r"[+-]?\d+(,\d+)?")
_POINT_GROUPED = re.compile(r"[+-]?\d{1,3}([,'\u2019 \u00a0\u202f])\d{3}(\1\d{3})*(\.\d+)?")
_COMMA_GROUPED = re.compile(r"[+-]?\d{1,3}([.'\u2019 \u00a0\u202f])\d{3}(\1\d{3})*(,\d+)?")
_LEADING_ZERO = re.compile(r"0\d+")
_LONG = re.compile(r"\d{12,}")
_WKT = re.compile(r"(SRID=\d+;)?\s*(MULTI)?(POINT|LINESTRING|POLYGON)\s*(Z|M|ZM)?\s*\(", re.I)
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2})?")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}(:?\d{2}.*)?)?")
_OFFSET = re.compile(r"\d{2}:?\d{2}.*(Z|[+-]\d{2}:?\d{2}| UTC| GMT)$")
_BOOLEANS = frozenset({"true", "false", "yes", "no"})

_DATES = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%Y/%m/%d", "%Y.%m.%d")
_CLOCKS = (" %H:%M:%S", " %H:%M", "", " %H:%M:%S.%f")
PATTERNS = tuple(date + clock for date in _DATES for clock in _CLOCKS)
_TIME_WORDS = frozenset(
    "time timestamp date datetime zeit zeitpunkt zeitstempel datum tijd tijdstip fecha hora heure "
    "observed measured utc epoch".split()
)


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a sample shows of one column.

    `kind`: number, time, clock (a time of day), boolean, wkt, nested, text, or empty.
    """

    header: str
    name: str
    unit: str | None
    words: tuple[str, ...]
    kind: str
    cells: tuple[Any, ...]
    decimal: str = "."
    thousands: str = ""
    time_format: str = "iso"
    has_offset: bool = False
    either_order: bool = False

    @property
    def texts(self) -> list[str]:
        """Give the cells that hold something, as text."""
        return [str(cell).strip() for cell in self.cells if not is_missing(cell)]

    @property
    def distinct(self) -> int:
        """Count the different texts of the sample."""
        return len(set(self.texts))


def is_missing(cell: Any) -> bool:
    """Say whether a cell means `no value`."""
    return cell is None or (isinstance(cell, str) and cell.strip() in MISSING)


def recognise(header: str, cells: Sequence[Any]) -> Facts:
    """Give the facts of a column from its header and sample."""
    name, unit = split_header(header)
    words = tuple(word.lower() for word in words_of(name))
    kind, more = _look([cell for cell in cells if not is_missing(cell)], words)
    return Facts(
        header=header, name=name, unit=unit, words=words, cells=tuple(cells), kind=kind, **more
    )


def _look(cells: list[Any], words: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
    if not cells:
        return "empty", {}
    if any(isinstance(cell, dict | list) for cell in cells):
        return "nested", {}
    if all(isinstance(cell, bool) for cell in cells):
        return "boolean", {}
    if all(isinstance(cell, int | float) for cell in cells):
        return _epoch(cells, words) or ("number", {})
    texts = [str(cell).strip() for cell in cells]
    if _share(texts, _WKT.match) >= ENOUGH:
        return "wkt", {}
    if _share(texts, lambda text: text.lower() in _BOOLEANS) >= ENOUGH:
        return "boolean", {}
    if _share(texts, _CLOCK.fullmatch) >= ENOUGH:
        return "clock", {}
    return _number(texts, words) or _time(texts) or ("text", {})


def _share(texts: Sequence[Any], fits: Any) -> float:
    return sum(1 for text in texts if fits(text)) / len(texts)


def _number(texts: list[str], words: tuple[str, ...]) -> tuple[str, dict[str, Any]] | None:
    plain = [float(text) for text in texts if _POINT.fullmatch(text)]
    epoch = _epoch(plain, words) if len(plain) == len(texts) else None
    if epoch is not None:
        return epoch
    if any(_LEADING_ZERO.fullmatch(text) or _LONG.fullmatch(text) for text in texts):
        return None  # codes, not quantities
    if len(plain) / len(texts) >= ENOUGH:
        return "number", {}
    if _share(texts, _COMMA.fullmatch) >= ENOUGH:
        return "number", {"decimal": ","}
    for pattern, single, decimal in (
        (_POINT_GROUPED, _POINT, "."),
        (_COMMA_GROUPED, _COMMA, ","),
    ):
        marks = {found[1] for text in texts if (found := pattern.fullmatch(text))}
        share = _share(texts, lambda t, g=pattern, p=single: g.fullmatch(t) or p.fullmatch(t))
        if len(marks) == 1 and share >= ENOUGH:
            return "number", {"decimal": decimal, "thousands": marks.pop()}
    return None


def _epoch(numbers: Sequence[float], words: tuple[str, ...]) -> tuple[str, dict[str, Any]] | None:
    if not _TIME_WORDS & set(words):
        return None
    for pattern, low, high in (("epoch_s", 3e8, 4e9), ("epoch_ms", 3e11, 4e12)):
        if all(low <= number <= high for number in numbers):
            return "time", {"time_format": pattern, "has_offset": True}
    return None


def _time(texts: list[str]) -> tuple[str, dict[str, Any]] | None:
    offset = _share(texts, _OFFSET.search) >= ENOUGH
    if _share(texts, _ISO.fullmatch) >= ENOUGH and _parses(texts, "iso"):
        return "time", {"has_offset": offset}
    fitting = [pattern for pattern in PATTERNS if _parses(texts, pattern)]
    if not fitting:
        return None
    first = fitting[0]
    either = first.startswith("%d/") and any(other.startswith("%m/") for other in fitting)
    return "time", {"time_format": first, "either_order": either}


def _parses(texts: list[str], pattern: str) -> bool:
    parse = parser(pattern)

    def fits(text: str) -> bool:
        try:
            return isinstance(parse(text), datetime)
        except (ValueError, OverflowError):
            return False

    return fits(texts[0]) and _share(texts, fits) >= ENOUGH
