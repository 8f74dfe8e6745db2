"""Reads what a person filled in about terms and mapping into the API's objects."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any

import msgspec
from starlette.datastructures import FormData

from hansa.kernel import Code, HansaError
from hansa.web.ports import Json
from hansa.web.shapes import box_wkt, rings_of
from hansa.web.words import instant

_DURATIONS = {"minutes": "PT{}M", "hours": "PT{}H", "days": "P{}D"}

_ISO_DURATION = re.compile(r"P(?=.)(\d+[YMWD])*(T(\d+[HMS])+)?")
_COUNTED = re.compile(r"P(?:(\d+)D|T(\d+)H|T(\d+)M)")

Form = Mapping[str, Sequence[str]]


def _bad(field: str, what: str, then: str) -> HansaError:
    return HansaError(Code.invalid_field, what, then, field=field)


def _one(form: Form, name: str) -> str:
    values = form.get(name, ())
    return values[0].strip() if values else ""


def _moment(text: str, field: str) -> str:
    """Check a day or an instant; the policy room places days in the zone that was chosen."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise _bad(field, f"{text!r} is not a date.", "Write it as 2026-01-31.") from None
    return text


def _area(form: Form, name: str) -> str | None:
    wkt = _one(form, f"{name}.wkt")
    if wkt:
        if not rings_of(wkt):
            raise _bad(
                name,
                "The area cannot be read.",
                "Write a polygon as POLYGON ((west south, ...)), longitude first.",
            )
        return wkt
    edges = [_one(form, f"{name}.{edge}") for edge in ("west", "south", "east", "north")]
    if not any(edges):
        return None
    try:
        west, south, east, north = (float(edge) for edge in edges)
    except ValueError:
        raise _bad(name, "The area needs four numbers.", "Give all four edges.") from None
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise _bad(
            name,
            "The area's edges are not in order.",
            "West is less than east, south less than north, in degrees (WGS 84).",
        )
    return box_wkt((west, south, east, north))


def _period(form: Form, name: str) -> Json | None:
    start, end = _one(form, f"{name}.start"), _one(form, f"{name}.end")
    if not start and not end:
        return None
    given = {
        "start": _moment(start, name) if start else None,
        "end": _moment(end, name) if end else None,
    }
    if given["start"] and given["end"] and given["start"] > given["end"]:
        raise _bad(name, "The period ends before it starts.", "Choose a later end.")
    return dict(given)


def _duration(form: Form, name: str) -> str | None:
    count = _one(form, name)
    if not count:
        return None
    if _ISO_DURATION.fullmatch(count):
        return count
    if not count.isdigit() or not 0 < int(count) < 100_000:
        raise _bad(name, "The time span is not a whole number.", "Write for example 24.")
    return _DURATIONS.get(_one(form, f"{name}.unit"), "PT{}H").format(int(count))


def parameter(form: Form, name: str, kind: str) -> Any:
    """Read one parameter of a template; None when it was left empty."""
    if kind == "area":
        return _area(form, name)
    if kind == "attributes":
        return [v for v in form.get(name, ()) if v] or None
    if kind == "period":
        return _period(form, name)
    if kind == "duration":
        return _duration(form, name)
    text = _one(form, name)
    if kind == "date" and text:
        return _moment(text, name)
    return text or None


def parameters(form: Form, template: Json) -> Json:
    """Read all parameters of the chosen template; HansaError names the field at fault."""
    found: Json = {}
    for spec in template.get("parameters", []):
        field = f"{template['id']}.{spec['name']}"
        value = parameter(form, field, spec["kind"])
        if value is None and spec.get("required"):
            raise _bad(field, f"{spec['title']} is missing.", "Fill in the field.")
        if value is not None:
            found[spec["name"]] = value
    return found


def texts(form: FormData) -> dict[str, list[str]]:
    """Give the text fields of a form, each with all its values."""
    return {name: [v for v in form.getlist(name) if isinstance(v, str)] for name in form}


def chosen(form: Form, templates: Sequence[Json]) -> tuple[str, Json]:
    """Read which template was chosen and its parameters; HansaError names the field at fault."""
    wanted = _one(form, "template")
    template = next((t for t in templates if t["id"] == wanted), None)
    if template is None:
        raise _bad("template", "There are no such terms.", "Choose one.")
    return wanted, parameters(form, template)


def filled_in(filled: Json | None, zone: tzinfo, zone_name: str) -> FormData:
    """Write a template's parameters into form fields, as a person would have filled them in."""
    if not filled:
        return FormData()
    template = str(filled["template"])
    fields: list[tuple[str, str]] = [("template", template)]
    for name, value in (filled.get("parameters") or {}).items():
        for part, text in _fields_of(name, value, zone):
            fields.append((f"{template}.{part}", text))
    return FormData([*fields, (f"{template}.time_zone", zone_name)])


def _fields_of(name: str, value: Any, zone: tzinfo) -> list[tuple[str, str]]:
    if name == "area":
        return [("area.wkt", str(value))]
    if name == "attributes":
        return [(name, str(item)) for item in value]
    if name == "period":
        ends = {"start": False, "end": True}
        return [
            (f"period.{end}", _day_of(str(value[end]), zone, last=last))
            for end, last in ends.items()
            if value.get(end)
        ]
    if name == "until":
        return [(name, _day_of(str(value), zone, last=True))]
    if counted := _COUNTED.fullmatch(str(value)):
        unit = next(
            u for u, n in zip(("days", "hours", "minutes"), counted.groups(), strict=True) if n
        )
        return [(name, next(n for n in counted.groups() if n)), (f"{name}.unit", unit)]
    return [(name, ", ".join(value) if isinstance(value, list) else str(value))]


def _day_of(text: str, zone: tzinfo, *, last: bool) -> str:
    """Write an instant as a day when it is one's beginning (`last`: the day before)."""
    at = instant(text)
    if at is None:
        return text
    local = at.astimezone(zone)
    if (local.hour, local.minute, local.second, local.microsecond) != (0, 0, 0, 0):
        return text
    return (local - timedelta(microseconds=1) if last else local).date().isoformat()


def mapping(text: str) -> Json | None:
    """Read the mapping as it was edited; None when it was left empty."""
    if not text.strip():
        return None
    try:
        return msgspec.json.decode(text.encode(), type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise _bad(
            "mapping", "The mapping is not a JSON object.", f"{error}. Correct it and try again."
        ) from None


def preview_rows(entities: Sequence[Json], columns_max: int = 8) -> Json:
    """Lay NGSI-LD entities out as a table: `{"columns": [...], "rows": [[id, type, ...]]}`."""
    skipped = {"id", "type", "@context"}
    columns = list(dict.fromkeys(k for e in entities for k in e if k not in skipped))[:columns_max]
    rows = [
        [e.get("id", ""), e.get("type", ""), *(_plain(e.get(c)) for c in columns)]
        for e in entities[:20]
    ]
    return {"columns": columns, "rows": rows}


def _plain(attribute: Any) -> Any:
    if isinstance(attribute, list):
        attribute = attribute[-1] if attribute else None
    if not isinstance(attribute, dict):
        return attribute
    for member in ("value", "object", "languageMap"):
        if member in attribute:
            return attribute[member]
    return attribute


def attribute_names(suggestion: Json, columns: Sequence[str]) -> list[Json]:
    """Give the attributes to choose from: `[{"name", "title"}]`."""
    told = suggestion.get("attributes")
    if told:
        return [{"name": a["name"], "title": a.get("title") or a["name"]} for a in told]
    return [{"name": name, "title": name} for name in columns]


def heads(suggestion: Json, columns: Sequence[str]) -> list[str]:
    """Give the columns' headings: title and unit, as far as they are known."""
    told = {a["name"]: a for a in suggestion.get("attributes") or ()}
    found = []
    for name in columns:
        about = told.get(name, {})
        unit = about.get("unit") or about.get("unit_code")
        title = about.get("title") or name
        found.append(f"{title} ({unit})" if unit else title)
    return found


def places(entities: Sequence[Json]) -> Json:
    """Give the places of entities as a FeatureCollection, for drawing."""
    found = []
    for entity in entities:
        geometry = _plain(entity.get("location"))
        if isinstance(geometry, dict) and "coordinates" in geometry:
            found.append({"type": "Feature", "geometry": geometry, "properties": {}})
    return {"type": "FeatureCollection", "features": found}
