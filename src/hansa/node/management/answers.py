"""Read what another city's endpoint answers: anything may stand there."""

from __future__ import annotations

from typing import Any

import msgspec

from hansa.kernel import Code, HansaError, parse_instant

Json = dict[str, Any]


def decoded(body: bytes) -> Any:
    """Read an answer as JSON; HansaError counterparty_refused when it is none."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise HansaError(
            Code.counterparty_refused, "What the provider answered can't be read as JSON."
        ) from error


def entities(items: Any) -> list[Json]:
    """Give the entities of a list; what is none is left out."""
    return [
        item
        for item in (items if isinstance(items, list) else [])
        if isinstance(item, dict) and isinstance(item.get("id"), str) and item.get("type")
    ]


def points(evolution: Any) -> list[tuple[str, Any]]:
    """Give (instant, value) pairs of an attribute's temporal values; others are left out."""
    values = evolution.get("values") if isinstance(evolution, dict) else None
    return [
        (pair[1], pair[0])
        for pair in (values if isinstance(values, list) else [])
        if isinstance(pair, list) and len(pair) == 2 and _is_instant(pair[1])
    ]


def _is_instant(value: Any) -> bool:
    try:
        return isinstance(value, str) and parse_instant(value) is not None
    except ValueError:
        return False
