"""Form values to canonical ones: text as a person or a page sends it, then one exact form.

Every refusal is `invalid_field` with the field (`parameters.<name>`) and the next step.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from hansa.kernel import Code, HansaError, iso, parse_instant
from hansa.kernel.jsonld import expand_ngsi_ld_name
from hansa.policy.duration import duration_iso, parse_duration
from hansa.policy.geometry import VERTICES_MAX, area_of_bbox, read_area
from hansa.policy.operands import Literal, read_value
from hansa.policy.vocabulary import ATTRIBUTE, COUNT, OPERANDS

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_WORDS_MAX = 1_000


def refuse(name: str, why: str, next_step: str) -> HansaError:
    """Make the refusal of one field of the form."""
    return HansaError(
        Code.invalid_field,
        why,
        next_step,
        field=f"parameters.{name}",
        next=next_step,
    )


def area_wkt(name: str, value: Any) -> str:
    """Read WKT, `{"wkt"}`, a GeoJSON polygon or [west, south, east, north]; give checked WKT."""
    try:
        if isinstance(value, Mapping):
            value = value["geometry"] if value.get("type") == "Feature" else value
            value = value["wkt"] if "wkt" in value else _wkt_of_geojson(value)
        if isinstance(value, list | tuple):
            west, south, east, north = (float(bound) for bound in value)
            return area_of_bbox(west, south, east, north, name).wkt
        if isinstance(value, str):
            return read_area(value, name).wkt
    except HansaError as error:
        why = error.detail.removesuffix(error.facts["next"]).strip()
        raise refuse(name, why, error.facts["next"]) from None
    except (LookupError, TypeError, ValueError):
        pass
    raise refuse(
        name,
        "This is no area.",
        "Send WKT, a GeoJSON polygon, or the bounds [west, south, east, north] in degrees.",
    )


def _wkt_of_geojson(value: Mapping[str, Any]) -> str:
    polygons = {"Polygon": [value["coordinates"]], "MultiPolygon": value["coordinates"]}
    texts: list[str] = []
    vertices = 0
    for polygon in polygons[value["type"]]:
        rings = []
        for ring in polygon:
            vertices += len(ring)
            if vertices > VERTICES_MAX:
                raise refuse_vertices()
            rings.append(", ".join(f"{float(p[0])!r} {float(p[1])!r}" for p in ring))
        texts.append(f"({', '.join(f'({ring})' for ring in rings)})")
    return f"MULTIPOLYGON ({', '.join(texts)})" if len(texts) > 1 else f"POLYGON {texts[0]}"


def refuse_vertices() -> HansaError:
    """Make the refusal of a drawing with too many points."""
    return refuse("area", f"It has more than {VERTICES_MAX:,} points.", "Simplify the drawing.")


def names(name: str, value: Any) -> list[str]:
    """Read a list, or a text separated by commas, of NGSI-LD attribute names."""
    found = words(name, value)
    literals = [Literal(text, name) for text in found]
    try:
        read_value(OPERANDS[ATTRIBUTE], "isAnyOf", literals, expand_ngsi_ld_name)
    except HansaError as error:
        why = error.detail.removesuffix(error.facts["next"]).strip()
        raise refuse(name, why, error.facts["next"]) from None
    return found


def words(name: str, value: Any) -> list[str]:
    """Read a list, or a text separated by commas; each once, in the order given."""
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        raise refuse(name, "This is no list of words.", "Send a list, or words with commas.")
    found = list(dict.fromkeys(item.strip() for item in items if item.strip()))
    if not found:
        raise refuse(name, "It is empty.", "Name at least one.")
    if len(found) > _WORDS_MAX:
        raise refuse(name, f"There are more than {_WORDS_MAX:,}.", f"Name at most {_WORDS_MAX:,}.")
    return found


def duration(name: str, value: Any) -> str:
    """Read an ISO 8601 duration; give its canonical form."""
    try:
        return duration_iso(parse_duration(str(value).strip().upper()))
    except ValueError:
        raise refuse(
            name,
            "This is no duration.",
            "Write for example PT15M (fifteen minutes), P7D (seven days) or P1Y (a year).",
        ) from None


def number(name: str, value: Any) -> str:
    """Read a whole number from 1, as a number or as text; give its digits."""
    literal = Literal(str(value).strip() if isinstance(value, int | str) else "", name)
    try:
        return str(read_value(OPERANDS[COUNT], "lteq", [literal], expand_ngsi_ld_name))
    except HansaError:
        raise refuse(name, "This is no whole number from 1.", "Write for example 100.") from None


def time_zone(value: Any) -> tzinfo:
    """Read an IANA zone name; UTC when there is none."""
    if value is None or value == "" or value == "UTC":
        return UTC
    try:
        return ZoneInfo(str(value))
    except (OSError, ValueError, KeyError):
        raise refuse(
            "time_zone", "This time zone is not known here.", "Write for example Europe/Amsterdam."
        ) from None


def end(name: str, value: Any, zone: tzinfo) -> datetime:
    """Read the end of a span: an instant, or a day that is still included."""
    return _moment(name, value, zone, days=1)


def start(name: str, value: Any, zone: tzinfo) -> datetime:
    """Read the start of a span: an instant, or the day that begins it."""
    return _moment(name, value, zone, days=0)


def period(name: str, value: Any, zone: tzinfo) -> tuple[datetime | None, datetime | None]:
    """Read {"start", "end"} or `start/end`; one side may be missing (`..` in the text)."""
    first: Any
    last: Any
    if isinstance(value, str) and value.count("/") == 1:
        first, last = (part.strip().removeprefix("..") for part in value.split("/"))
    elif isinstance(value, Mapping) and set(value) <= {"start", "end"}:
        first, last = value.get("start"), value.get("end")
    else:
        raise refuse(name, "This is no period.", 'Send {"start": …, "end": …}.')
    begins = start(name, first, zone) if first else None
    ends = end(name, last, zone) if last else None
    if begins is None and ends is None:
        raise refuse(name, "The period has neither start nor end.", "Set one of them.")
    if begins is not None and ends is not None and begins >= ends:
        raise refuse(
            name,
            f"The period ends ({iso(ends)}) before it starts ({iso(begins)}).",
            "Set the end after the start.",
        )
    return begins, ends


def _moment(name: str, value: Any, zone: tzinfo, *, days: int) -> datetime:
    text = str(value).strip()
    try:
        if _DAY.fullmatch(text):
            day = date.fromisoformat(text) + timedelta(days=days)
            return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
        return parse_instant(text)
    except (ValueError, OverflowError):
        raise refuse(
            name,
            "This is neither a day nor an instant with a time zone.",
            "Write for example 2026-12-31, or 2026-12-31T18:00:00+01:00.",
        ) from None
