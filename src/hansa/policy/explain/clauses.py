"""Clauses about one piece of data and about the conditions of its use."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, tzinfo

from hansa.kernel.jsonld import compact_ngsi_ld_name
from hansa.policy.model import Window
from hansa.policy.normal import Alternative
from hansa.policy.scopes import Age
from hansa.policy.tree import Atom, Logic, Node
from hansa.policy.vocabulary import PURPOSE
from hansa.policy.windows import TICK
from hansa.policy.words import _, area_text, duration_text, instant_text, list_text, quoted


def capital(text: str) -> str:
    """Give the text with a capital first letter; an identifier such as a DID stays as it is."""
    if ":" in text.partition(" ")[0]:
        return text
    return text[:1].upper() + text[1:]


def short_names(iris: Iterable[str]) -> list[str]:
    """Give names as the core context writes them, in alphabetical order."""
    return sorted(compact_ngsi_ld_name(iri) for iri in iris)


def types_clause(part: Alternative) -> str | None:
    """Say which types of things the piece holds."""
    types = part.piece.cut.types
    if types is None:
        return None
    return _("things of type {names}").format(
        names=list_text(short_names(types), last=_("or")) or _("none")
    )


def area_clause(part: Alternative) -> str | None:
    """Say where the piece lies."""
    area = part.piece.cut.area
    return None if area is None else _("wholly inside {area}").format(area=area_text(area))


def time_clause(part: Alternative, zone: tzinfo) -> str | None:
    """Say when the values of the piece were observed, by the calendar and by age."""
    texts = [_window_text(part.piece.cut.observed, zone)]
    texts.extend(age_text(age) for age in sorted_ages(part.piece.ages))
    found = [text for text in texts if text]
    return _(", and ").join(found) or None


def attributes_clause(part: Alternative) -> str | None:
    """Say which attributes the piece holds."""
    names = part.piece.cut.attributes
    if names is None:
        return None
    return _("only the attributes {names}").format(names=list_text(short_names(names)) or _("none"))


def clauses(part: Alternative, zone: tzinfo) -> list[str]:
    """Give everything that cuts the piece, or nothing for all of the data."""
    found = (types_clause(part), area_clause(part), time_clause(part, zone))
    return [clause for clause in (*found, attributes_clause(part)) if clause]


def sorted_ages(ages: Iterable[Age]) -> list[Age]:
    """Give ages in a stable order."""
    return sorted(ages, key=lambda a: (a.operator, a.duration.months, a.duration.span))


def age_text(age: Age) -> str:
    """Write an age, for example `no older than 7 days`."""
    forms = {
        "lteq": _("no older than {span}"),
        "lt": _("younger than {span}"),
        "gteq": _("no younger than {span}"),
        "gt": _("older than {span}"),
    }
    return forms[age.operator].format(span=duration_text(age.duration))


def _window_text(window: Window | None, zone: tzinfo) -> str:
    if window is None or (window.start is None and window.end is None):
        return ""
    span = [_start_text(window.start, zone)] if window.start else []
    if window.end:
        span.append(_end_text(window.end, zone, alone=not span))
    return _("observed {span}").format(span=" ".join(span))


def _start_text(at: datetime, zone: tzinfo) -> str:
    if at.microsecond == 1:  # made from `gt`: what was written is a tick earlier
        return _("after {at}").format(at=instant_text(at - TICK, zone))
    return _("from {at}").format(at=instant_text(at, zone))


def _end_text(at: datetime, zone: tzinfo, *, alone: bool) -> str:
    if at.microsecond == 1:  # made from `lteq`
        return _("up to and including {at}").format(at=instant_text(at - TICK, zone))
    form = _("before {at}") if alone else _("until just before {at}")
    return form.format(at=instant_text(at, zone))


def purpose_text(conditions: Iterable[Node]) -> str | None:
    """Give the purposes that are asked for, in quotation marks; None when any will do."""
    for node in conditions:
        if isinstance(node, Atom) and node.left == PURPOSE and isinstance(node.value, frozenset):
            names = quoted(sorted(node.value))
            other = node.operator in ("neq", "isNoneOf")
            return _("anything but {names}").format(names=names) if other else names
    return None


def last_use(conditions: Iterable[Node]) -> datetime | None:
    """Give the instant at which use ends by the clock; None when it does not."""
    ends = [end for node in conditions if (end := _last_use(node)) is not None]
    return min(ends, default=None)


def _last_use(node: Node) -> datetime | None:
    if isinstance(node, Logic):
        found = [_last_use(part) for part in node.parts]
        bounded = [end for end in found if end is not None]
        if node.kind in ("and", "andSequence"):
            return min(bounded, default=None)
        return max(bounded) if node.kind == "or" and len(bounded) == len(found) else None
    ends = node.operator in ("lt", "lteq", "eq")
    return node.value if ends and isinstance(node.value, datetime) else None
