"""Documents and instants as rows: what both adapters write into a column, and what they read out.

Limits stand here, so that a name that one database takes is one that every database takes: a
PostgreSQL B-tree row holds 2,704 bytes, and its text holds no NUL.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, TypeVar

import msgspec

from hansa.kernel.errors import Code, HansaError
from hansa.kernel.store.ports import Action, Condition, Kind

T = TypeVar("T", bound=msgspec.Struct)

NAME_BYTES_MAX = 64
"""Longest participant, kind, field, machine or scope."""
KEY_BYTES_MAX = 512
"""Longest key of a document, identifier of an action, process or once-only key."""
VALUE_BYTES_MAX = 1024
"""Longest value of an index."""
BODY_BYTES_MAX = 16 * 1024 * 1024
"""Largest document or action body."""
FIND_MAX = 10_000
"""Most documents that one `find` lists."""
ERROR_CHARS_MAX = 1000
"""Longest note of what went wrong with an action; the rest is cut off."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_ENTRIES = msgspec.json.Decoder(list[tuple[str, str]])
_BODY = msgspec.json.Decoder(dict[str, Any])
_OFTEN_MAX = 256
_OFTEN_BYTES_MAX = 16 * 1024
_OFTEN: OrderedDict[tuple[str, bytes], Any] = OrderedDict()


def fits(text: str, bytes_max: int) -> bool:
    """Say whether `text` may stand in a key column: not empty, no NUL, valid UTF-8, short."""
    if not 0 < len(text) <= bytes_max or "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        return len(text.encode()) <= bytes_max
    except UnicodeEncodeError:
        return False


def checked(text: str, field: str, bytes_max: int = KEY_BYTES_MAX) -> str:
    """Give `text` back when it may stand in a key column, else HansaError invalid_field."""
    if fits(text, bytes_max):
        return text
    raise HansaError(
        Code.invalid_field,
        f"The {field} can't be stored.",
        f"It must have 1 to {bytes_max} bytes of UTF-8 without NUL: shorten or correct it.",
        field=field,
    )


def entries(kind: Kind[T], document: T) -> list[tuple[str, str]]:
    """Give the (field, value) pairs that a document is found by, sorted, each once."""
    found: list[tuple[str, str]] = []
    for field, index in kind.indexes.items():
        value = index(document)
        if value is None:
            continue
        if isinstance(value, str):
            found.append((field, checked(value, field, VALUE_BYTES_MAX)))
        else:
            found += ((field, checked(each, field, VALUE_BYTES_MAX)) for each in set(value))
    return sorted(found)


def encode_entries(pairs: list[tuple[str, str]]) -> bytes:
    """Write index pairs as one column."""
    return msgspec.json.encode(pairs)


def decode_entries(column: bytes) -> list[tuple[str, str]]:
    """Read index pairs from their column."""
    return _ENTRIES.decode(column)


@cache
def _decoder(document: type[T]) -> msgspec.json.Decoder[T]:
    return msgspec.json.Decoder(document)


def encode(document: object) -> bytes:
    """Write a document or body as JSON; HansaError body_too_large over `BODY_BYTES_MAX`."""
    body = msgspec.json.encode(document)
    if len(body) > BODY_BYTES_MAX:
        raise HansaError(
            Code.body_too_large,
            "The document is too large to be stored.",
            f"It has {len(body)} bytes; at most {BODY_BYTES_MAX} are kept: split it.",
        )
    return body


def decode(kind: Kind[T], body: bytes) -> T:
    """Read a document from its JSON, or give what was read from the same bytes of late."""
    found: T | None = _OFTEN.get((kind.name, body)) if kind.often else None
    if found is None:
        found = _decoder(kind.type).decode(body)
        assert found is not None
        if kind.often and len(body) <= _OFTEN_BYTES_MAX:
            _OFTEN[kind.name, body] = found
        if len(_OFTEN) > _OFTEN_MAX:
            _OFTEN.popitem(last=False)
    return found


def micros(at: datetime) -> int:
    """Write an aware instant as microseconds since 1970, exactly."""
    assert at.tzinfo is not None, "an instant in the store carries a zone"
    return (at - _EPOCH) // _MICROSECOND


def instant(microseconds: int) -> datetime:
    """Read an instant from microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=microseconds)


def action(row: tuple[Any, ...]) -> Action:
    """Read an action from (id, machine, process, name, body, due, attempts, error, dead)."""
    return Action(
        id=row[0],
        machine=row[1],
        process=row[2],
        name=row[3],
        body=_BODY.decode(row[4]),
        due=instant(row[5]),
        attempts=row[6],
        error=row[7],
        dead=bool(row[8]),
    )


def known_fields(kind: Kind[T], where: Mapping[str, str] | None) -> list[tuple[str, str]] | None:
    """Give `where` as pairs; None when a value can't be in the store, so nothing is found."""
    pairs = list((where or {}).items())
    for field, value in pairs:
        assert field in kind.indexes, f"kind {kind.name!r} declares no index {field!r}"
        if not fits(value, VALUE_BYTES_MAX):
            return None
    return pairs


def known_conditions(kind: Kind[T], conditions: Sequence[Condition]) -> list[Condition] | None:
    """Give conditions with the values that can be in the store; None when one has none left."""
    known: list[Condition] = []
    for field, values in conditions:
        assert field in kind.indexes, f"kind {kind.name!r} declares no index {field!r}"
        possible = tuple(dict.fromkeys(v for v in values if fits(v, VALUE_BYTES_MAX)))
        if not possible:
            return None
        known.append((field, possible))
    return known
