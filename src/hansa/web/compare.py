"""Two sets of terms side by side in plain words: what would change, and what stays."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Any

import msgspec

from hansa.kernel import HansaError
from hansa.policy import explain
from hansa.web.ports_trade import Json
from hansa.web.shapes import area_sketch
from hansa.web.words import absolute, instant


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One term, before and after, in words; `same` when both say the same."""

    title: str
    before: str
    after: str
    same: bool


def terms_of(odrl: Mapping[str, Any], names: Mapping[str, str]) -> Json | None:
    """Put an ODRL policy into the plain terms of a slip; None when these pages can't read it."""
    try:
        found: Json = msgspec.to_builtins(explain(odrl, attributes=(), names=names))
    except HansaError:
        return None
    return found


def _where(terms: Json) -> tuple[str, object]:
    where = terms.get("where") or {}
    if not where.get("wkt"):
        return "everywhere in the dataset", None
    sketch = area_sketch(where["wkt"])
    extent = f" ({sketch.extent_text})" if sketch else ""
    return f"{where.get('text') or 'an area'}{extent}", where["wkt"]


def _when(terms: Json) -> tuple[str, object]:
    when = terms.get("when") or {}
    ends = [str(when.get(name) or "")[:10] for name in ("start", "end")]
    if not any(ends):
        return "any time", None
    text = when.get("text") or f"{ends[0] or 'the beginning'} to {ends[1] or 'now'}"
    return str(text), (when.get("start"), when.get("end"))


def _attributes(terms: Json) -> tuple[str, object]:
    granted = list((terms.get("attributes") or {}).get("granted") or ())
    return (", ".join(granted) or "all attributes"), sorted(granted)


def _purpose(terms: Json) -> tuple[str, object]:
    return str(terms.get("purpose") or "any purpose"), terms.get("purpose")


def _limits(terms: Json) -> tuple[str, object]:
    limits = [str(line) for line in terms.get("limits") or ()]
    return ("; ".join(limits) or "none"), sorted(limits)


def _until(terms: Json) -> tuple[str, object]:
    return "no end date", terms.get("until")


_TERMS = (
    ("Where", _where),
    ("When observed", _when),
    ("Attributes", _attributes),
    ("For what", _purpose),
    ("Limits", _limits),
    ("Until", _until),
)


def _written(words: str, key: object, zone: tzinfo) -> str:
    """Write a term; an instant in the reader's zone."""
    at = instant(key) if isinstance(key, str) else None
    return words if at is None else absolute(at, zone)


def changes(before: Json, after: Json, zone: tzinfo) -> list[Change]:
    """Compare two slips term by term; all terms come back, those that differ first."""
    found = []
    for title, read in _TERMS:
        (old, old_key), (new, new_key) = read(before), read(after)
        old, new = _written(old, old_key, zone), _written(new, new_key, zone)
        found.append(Change(title=title, before=old, after=new, same=old_key == new_key))
    return sorted(found, key=lambda change: change.same)


def digest(template: str, parameters: Mapping[str, Any]) -> str:
    """Give a mark of filled-in terms, so that only terms that were looked at are sent."""
    given = msgspec.json.encode([template, parameters], order="sorted")
    return hashlib.sha256(given).hexdigest()


def with_changes(messages: Sequence[Json], names: Mapping[str, str], zone: tzinfo) -> list[Json]:
    """Give each message that brings other terms than the one before `changes` to show."""
    shown, last = [], None
    for message in messages:
        body = message.get("body")
        offer = body.get("offer") if isinstance(body, Mapping) else None
        terms = terms_of(offer, names) if isinstance(offer, Mapping) else None
        differing: list[Change] = []
        if terms is not None:
            differing = [c for c in changes(last, terms, zone) if not c.same] if last else []
            last = terms
        shown.append({**message, "changes": differing})
    return shown
