"""How the pages write times, numbers and sizes. Times: absolute with zone, relative beside it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from markupsafe import Markup, escape

from hansa.kernel import Code, iso, parse_instant

if TYPE_CHECKING:
    from jinja2.runtime import Context

_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_STEPS = ((60, "second"), (3_600, "minute"), (86_400, "hour"), (7 * 86_400, "day"))
_NARROW_NBSP = "\u202f"
NOTHING = "\u2013"
"""What stands where there is no value."""


def zone_of(name: str) -> tzinfo:
    """Give the zone of an IANA name; UTC when the machine does not know it."""
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def instant(value: object) -> datetime | None:
    """Read what may be an instant (datetime, or ISO 8601 with zone); None when it is not one."""
    if isinstance(value, datetime):
        return value if value.tzinfo else None
    if not isinstance(value, str) or len(value) < 10:
        return None
    try:
        return parse_instant(value)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(value).replace(tzinfo=UTC) if len(value) == 10 else None
    except ValueError:
        return None


def absolute(at: datetime, zone: tzinfo, *, seconds: bool = False) -> str:
    """Write an instant as `21 Nov 2026, 09:14 CET`."""
    local = at.astimezone(zone)
    clock = f"{local:%H:%M:%S}" if seconds else f"{local:%H:%M}"
    return f"{local.day} {_MONTHS[local.month - 1]} {local.year}, {clock} {local.tzname()}"


def relative(at: datetime, now: datetime) -> str:
    """Write how long ago or ahead: `3 minutes ago`, `in 2 days`; months and years rounded."""
    delta = at - now
    seconds = abs(delta.total_seconds())
    if seconds < 5:
        return "just now"
    unit, size = "year", 365 * 86_400
    if seconds < 365 * 86_400:
        unit, size = "month", 30 * 86_400
    if seconds < 60 * 86_400:
        unit, size = "week", 7 * 86_400
    before = 1
    for limit, name in _STEPS:
        if seconds < limit * (2 if name == "day" else 1):
            unit, size = name, before
            break
        before = limit
    count = max(int(seconds // size), 1)
    text = f"{count} {unit}{'' if count == 1 else 's'}"
    return f"in {text}" if delta > timedelta(0) else f"{text} ago"


def when(context: Context, value: object, *, seconds: bool = False) -> Markup | str:
    """Write a `<time>` with the absolute time, its zone, and the relative time beside it."""
    at = instant(value)
    if at is None:
        return str(value) if value else NOTHING
    shown = absolute(at, context["zone"], seconds=seconds)
    beside = relative(at, context["now"])
    return Markup(
        '<time datetime="{}"><span class="abs">{}</span> <span class="rel">{}</span></time>'
    ).format(iso(at), shown, beside)


def ago(context: Context, value: object) -> Markup | str:
    """Write a `<time>` with the relative time first and the absolute one in its title."""
    at = instant(value)
    if at is None:
        return str(value) if value else NOTHING
    return Markup('<time datetime="{}" title="{}"><span class="rel">{}</span></time>').format(
        iso(at), absolute(at, context["zone"]), relative(at, context["now"])
    )


def day(context: Context, value: object) -> str:
    """Write the day of an instant: `21 Nov 2026`; other text is given back as it is."""
    at = instant(value)
    if at is None:
        return str(value) if value else NOTHING
    local = at.astimezone(context["zone"])
    return f"{local.day} {_MONTHS[local.month - 1]} {local.year}"


def last_day(context: Context, value: object) -> str:
    """Write the last day of a span whose end is not included (midnight: the day before)."""
    at = instant(value)
    if at is None:
        return str(value) if value else NOTHING
    return str(day(context, at - timedelta(microseconds=1)))


def number(value: object) -> str:
    """Write a number with thin spaces between thousands (from 10 000) and few decimals."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return NOTHING if value is None else str(value)
    if isinstance(value, int):
        return f"{value:,}".replace(",", _NARROW_NBSP) if abs(value) >= 10_000 else str(value)
    if value == 0:
        return "0"
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2 if abs(value) >= 1 else 4
    text = f"{value:,.{digits}f}" if abs(value) >= 10_000 else f"{value:.{digits}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.replace(",", _NARROW_NBSP)


def size(value_bytes: object) -> str:
    """Write a number of bytes: `1.4 MB` (powers of ten)."""
    if not isinstance(value_bytes, int | float):
        return NOTHING
    left = float(value_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if left < 1000:
            return f"{left:.0f}{_NARROW_NBSP}{unit}" if unit == "B" else f"{left:.3g} {unit}"
        left /= 1000
    return f"{left:.3g} TB"


def span(seconds: object) -> str:
    """Write a duration given in seconds: `45 s`, `12 min`, `3 h`, `2 days`."""
    if not isinstance(seconds, int | float):
        return NOTHING
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86_400:.0f} days"


def value_text(value: Any) -> str:
    """Write any attribute value in one short line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float) or value is None:
        return number(value)
    if isinstance(value, dict) and "type" in value and "coordinates" in value:
        return str(value["type"])
    if isinstance(value, list | tuple):
        return ", ".join(value_text(item) for item in value[:8])
    return str(value)


def breakable(value: object) -> Markup:
    """Let a long identifier break after its separators."""
    text = str(escape("" if value is None else value))
    for mark in (":", "/", "_", "."):
        text = text.replace(mark, mark + "<wbr>")
    return Markup(text)  # noqa: S704 - escaped above


def clock_time(context: Context, value: object) -> str:
    """Write an instant for a dense table: `21 Nov 09:15 CET`."""
    at = instant(value)
    if at is None:
        return str(value or NOTHING)
    local = at.astimezone(context["zone"])
    return f"{local.day} {_MONTHS[local.month - 1]} {local:%H:%M} {local.tzname()}"


def moment(context: Context, value: object) -> str:
    """Write an instant to the second as plain text: `21 Nov 2026, 09:14:05 CET`."""
    at = instant(value)
    return str(value or NOTHING) if at is None else absolute(at, context["zone"], seconds=True)


_PLAIN: dict[str, str] = {
    Code.outbound_failed: "The address can't be reached.",
    Code.outbound_timeout: "The address does not answer in time.",
    Code.outbound_blocked: "This node must not call that address.",
    Code.outbound_too_large: "The answer is larger than this node takes.",
    Code.did_unresolvable: "The other side's identity can't be looked up.",
    Code.counterparty_refused: "The other side refused it.",
    Code.policy_denied: "The contract does not allow it.",
    Code.agreement_ended: "The agreement has ended.",
    Code.transfer_ended: "The transfer has ended.",
    Code.membership_suspended: "The membership is suspended.",
    Code.status_unavailable: "Whether the other side is a member can't be checked now.",
    Code.unavailable: "The other side can't answer now.",
}


def plain_error(text: object) -> dict[str, str]:
    """Put an error that begins with its code into words: `{"words", "detail"}`."""
    given = str(text or "")
    code = given.partition(": ")[0]
    words = _PLAIN.get(code)
    return {"words": words, "detail": given} if words else {"words": given, "detail": ""}


def flow_error(text: object) -> str:
    """Give why data can't be delivered: the sentence behind the code, or words for the code."""
    code, _, sentence = str(text or "").partition(": ")
    known = code in Code.__members__
    return sentence if known and " " in sentence else plain_error(text)["words"]


def tail(value: object) -> str:
    """Give the telling end of an identifier: what follows its last colon, else the whole."""
    text = str(value or "")
    return text.rsplit(":", 1)[-1] or text


def short_id(value: object) -> str:
    """Give an identifier that fits a table: the last part, cut to its first 8 characters."""
    return str(value or "").rsplit(":", 1)[-1][:8]
