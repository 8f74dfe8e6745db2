"""Words for people: instants, durations, areas, lists, conditions. Every text goes through `_`.

Texts are whole sentences or clauses with named places, so that a translation may reorder them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

from hansa.policy.duration import Duration, duration_parts
from hansa.policy.geometry import area_km2
from hansa.policy.model import Area
from hansa.policy.tree import Atom, Logic, Node
from hansa.policy.vocabulary import COUNT, MEMBERSHIP, PURPOSE, RECIPIENT, ROLE

_NAMES_SHOWN_MAX = 20


def _(text: str) -> str:
    """Mark a text for translation; gives it unchanged until a catalogue is installed."""
    return text


def _n(one: str, many: str, number: int) -> str:
    """Mark a text with a number for translation and choose its form."""
    return (one if number == 1 else many).format(n=number)


_MONTHS = (
    *(_("January"), _("February"), _("March"), _("April"), _("May"), _("June"), _("July")),
    *(_("August"), _("September"), _("October"), _("November"), _("December")),
)


def instant_text(at: datetime, zone: tzinfo = UTC) -> str:
    """Write an instant with its zone, for example `31 December 2026, 23:00 UTC`."""
    try:
        there = at.astimezone(zone)
    except OverflowError:
        there = at
    clock = f"{there:%H:%M}"
    if there.second or there.microsecond:
        clock += f":{there:%S}"
    if there.microsecond:
        clock += f".{there.microsecond:06d}".rstrip("0")
    return _("{day} {month} {year}, {clock} {zone}").format(
        day=there.day,
        month=_(_MONTHS[there.month - 1]),
        year=there.year,
        clock=clock,
        zone=there.tzname(),
    )


def duration_text(duration: Duration) -> str:
    """Write a duration, for example `1 year 6 months` or `15 minutes`."""
    forms = {
        "year": ("{n} year", "{n} years"),
        "month": ("{n} month", "{n} months"),
        "day": ("{n} day", "{n} days"),
        "hour": ("{n} hour", "{n} hours"),
        "minute": ("{n} minute", "{n} minutes"),
        "second": ("{n} second", "{n} seconds"),
    }
    parts = [_n(_(forms[u][0]), _(forms[u][1]), number) for number, u in duration_parts(duration)]
    micro = duration.span.microseconds
    return " ".join([*parts, *([_n(_("{n} µs"), _("{n} µs"), micro)] if micro else [])])


def size_text(area: Area) -> str:
    """Write the size of an area with two digits, in m² below a hundredth of a km²."""
    km2 = area_km2(area)
    if km2 < 0.01:
        return _("{size} m²").format(size=f"{float(f'{km2 * 1e6:.2g}'):,.12g}")
    return _("{size} km²").format(size=f"{float(f'{km2:.2g}'):,.12g}")


def area_text(area: Area) -> str:
    """Describe an area by its size and bounds."""
    west, south, east, north = area.bbox
    return _(
        "an area of about {size} between longitude {west} and {east} and latitude "
        "{south} and {north}"
    ).format(
        size=size_text(area),
        west=f"{west:.4f}°",
        east=f"{east:.4f}°",
        south=f"{south:.4f}°",
        north=f"{north:.4f}°",
    )


def list_text(words: Sequence[str], *, last: str = "") -> str:
    """Join words as `a, b and c`; long lists end with how many are not shown."""
    last = last or _("and")
    shown = list(words[:_NAMES_SHOWN_MAX])
    if len(words) > len(shown):
        more = len(words) - len(shown)
        shown.append(_n(_("{n} more"), _("{n} more"), more))
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} {last} {shown[-1]}"


def quoted(words: Sequence[str]) -> str:
    """Join words in quotation marks as alternatives."""
    return list_text([_("“{word}”").format(word=word) for word in words], last=_("or"))


def condition_text(node: Node, zone: tzinfo = UTC) -> str:
    """Write a condition as what follows "Use is allowed only"."""
    return _logic_text(node, zone) if isinstance(node, Logic) else _atom_text(node, zone)


def _atom_text(node: Atom, zone: tzinfo) -> str:
    if isinstance(node.value, datetime):
        forms = {
            "lt": _("before {at}"),
            "lteq": _("up to and including {at}"),
            "gt": _("after {at}"),
            "gteq": _("from {at} on"),
            "eq": _("at {at} exactly"),
            "neq": _("at any time but {at}"),
        }
        return forms[node.operator].format(at=instant_text(node.value, zone))
    if isinstance(node.value, int):
        assert node.left == COUNT, node.left
        most = node.value - (node.operator == "lt")
        return _n(_("once in all"), _("up to {n} times in all"), most)
    if node.left == MEMBERSHIP:
        return _("by members of the data space in good standing")
    words = sorted(node.value) if isinstance(node.value, frozenset) else list(node.words)
    if node.left == RECIPIENT:
        return _("by {names}").format(names=list_text(words, last=_("or")))
    if node.left == ROLE:
        return _("by who has the role {names}").format(names=quoted(words))
    assert node.left == PURPOSE, node.left
    if node.operator in ("neq", "isNoneOf"):
        return _("for another purpose than {names}").format(names=quoted(words))
    return _("for the purpose {names}").format(names=quoted(words))


def _logic_text(node: Logic, zone: tzinfo) -> str:
    parts = [condition_text(part, zone) for part in node.parts]
    if len(parts) == 1:
        return parts[0]
    if node.kind == "or":
        return _("{first}, or {last}").format(first=", ".join(parts[:-1]), last=parts[-1])
    if node.kind == "xone":
        return _("under exactly one of these conditions: {all}").format(all="; ".join(parts))
    joined = _(", and then ") if node.kind == "andSequence" else _(", and ")
    return joined.join(parts)
