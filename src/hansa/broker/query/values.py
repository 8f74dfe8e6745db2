"""Read instants and literals of the query language (NGSI-LD 1.9.1 4.6.3, 4.9)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from hansa.broker.errors import bad_data
from hansa.broker.model import Literal, ValueClass

_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:[.,]\d{1,6})?(?:Z|[+-]\d{2}:\d{2})")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"\d{2}:\d{2}:\d{2}(?:[.,]\d{1,6})?Z?")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20\x7f\s<>\"{}|\\^`]+")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(at: datetime) -> int:
    """Give an aware instant as microseconds since 1970."""
    passed = at - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds


def iso_from_micros(at: int) -> str:
    """Write microseconds since 1970 as an ISO 8601 instant in UTC with `Z`."""
    seconds, fraction = divmod(at, 1_000_000)
    text = (_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]
    if not fraction:
        return text + "Z"
    return f"{text}.{fraction:06d}".rstrip("0") + "Z"


@lru_cache(maxsize=16_384)
def instant(text: str) -> int | None:
    """Give a DateTime (4.6.3) as microseconds since 1970; None when it is none."""
    if _DATE_TIME.fullmatch(text) is None:
        return None
    try:
        return micros(datetime.fromisoformat(text.replace(",", ".")).astimezone(UTC))
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=16_384)
def canonical_instant(text: str) -> tuple[int, str] | None:
    """Give a DateTime as microseconds and as it is kept: in UTC with `Z`; None when it is none."""
    at = instant(text)
    return None if at is None else (at, iso_from_micros(at))


def required_instant(text: str, field: str) -> int:
    """Give a DateTime as microseconds since 1970; HansaError invalid_field when it is none."""
    at = instant(text)
    if at is None:
        raise bad_data(
            f"`{field}` is not a DateTime.",
            "Write it like 2026-01-31T08:00:00Z (NGSI-LD 1.9.1 4.6.3).",
            field=field,
        )
    return at


def is_uri(text: str) -> bool:
    """Say whether a text is an absolute URI (RFC 3986), without spaces or brackets."""
    return _URI.fullmatch(text) is not None


def literal(raw: str) -> Literal | None:
    """Read an unquoted value of a query; None when it is none of the known forms."""
    if raw in ("true", "false"):
        return Literal(ValueClass.boolean, number=1.0 if raw == "true" else 0.0)
    if _NUMBER.fullmatch(raw):
        return Literal(ValueClass.number, number=float(raw))
    at = instant(raw)
    if at is not None:
        return Literal(ValueClass.instant, number=float(at))
    if _DATE.fullmatch(raw) or _TIME.fullmatch(raw):
        return Literal(ValueClass.text, text=raw)
    if is_uri(raw):
        return Literal(ValueClass.uri, text=raw)
    return None
