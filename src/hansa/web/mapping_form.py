"""The mapping of a file as a table: one line for each column, and back into the mapping."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from hansa.web import offer_form
from hansa.web.ports import Json

COLUMNS_MAX = 100
KINDS = (
    ("property", "a value"),
    ("relationship", "a link to another thing"),
    ("time", "a point in time"),
    ("geo", "a shape (WKT)"),
    ("ignore", "nothing: leave it out"),
)
VALUES = (
    ("text", "text"),
    ("number", "number"),
    ("integer", "whole number"),
    ("boolean", "yes or no"),
    ("json", "JSON"),
)
_TEXTS = ("attribute", "title", "unit_code")
_CHOICES: dict[str, tuple[tuple[str, str], ...]] = {"kind": KINDS, "value": VALUES}
_DEFAULTS = {"kind": "property", "value": "text"}


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table: a column, or one parameter of a long table, as it stands."""

    field: str
    name: str
    attribute: str
    title: str
    kind: str
    value: str
    unit_code: str
    unit: str
    fixed: bool
    choices: bool


def lines(mapping: Json) -> list[Line]:
    """Give the lines of a mapping: its columns, then the parameters of a long table."""
    found = []
    for group, key, items in _groups(mapping):
        for index, item in enumerate(items[:COLUMNS_MAX]):
            found.append(
                Line(
                    field=f"{group}.{index}",
                    name=str(item.get(key, "")),
                    attribute=str(item.get("attribute") or ""),
                    title=str(item.get("title") or ""),
                    kind=str(item.get("kind", "property")),
                    value=str(item.get("value", "text")),
                    unit_code=str(item.get("unit_code") or ""),
                    unit=str(item.get("unit") or ""),
                    fixed=bool(item.get("fixed")),
                    choices=group == "column",
                )
            )
    return found


def _groups(mapping: Json) -> list[tuple[str, str, Sequence[Json]]]:
    pivot = mapping.get("pivot")
    parameters = pivot.get("parameters") if isinstance(pivot, Mapping) else ()
    return [
        ("column", "column", _objects(mapping.get("columns"))),
        ("parameter", "value", _objects(parameters)),
    ]


def _objects(given: object) -> Sequence[Json]:
    """Give a list of objects; what a person wrote otherwise has no lines."""
    if isinstance(given, list | tuple) and all(isinstance(item, dict) for item in given):
        return given
    return ()


def digest(text: str) -> str:
    """Give a mark of the JSON as it was shown, to tell whether a person wrote in it."""
    return hashlib.sha256("".join(text.split()).encode()).hexdigest()


def read(form: offer_form.Form) -> Json | None:
    """Read the mapping: the JSON if it was written in, else the JSON with the table's changes."""
    text = "".join(form.get("mapping", ())[:1])
    mapping = offer_form.mapping(text)
    shown = "".join(form.get("mapping_shown", ())[:1])
    if mapping is None or digest(text) != shown:
        return mapping
    return _changed(mapping, form)


def _changed(mapping: Json, form: offer_form.Form) -> Json:
    changed = dict(mapping)
    kind = "".join(form.get("entity_type", ())[:1]).strip()
    if kind:
        changed["entity_type"] = kind
    for group, _, items in _groups(mapping):
        if not items:
            continue
        new = [_line(item, form, f"{group}.{index}") for index, item in enumerate(items)]
        if group == "column":
            changed["columns"] = new
        else:
            changed["pivot"] = {**mapping["pivot"], "parameters": new}
    return changed


def _line(item: Json, form: Mapping[str, Sequence[str]], field: str) -> Json:
    if f"{field}.attribute" not in form:
        return item
    new: dict[str, Any] = dict(item)
    for name in _TEXTS:
        given = "".join(form.get(f"{field}.{name}", ())[:1]).strip()
        if given != str(item.get(name) or ""):
            new[name] = given
            if name == "unit_code":
                new.pop("unit", None)
                new[name] = given or None
    for name, choices in _CHOICES.items():
        given = "".join(form.get(f"{field}.{name}", ())[:1])
        if given in dict(choices) and given != item.get(name, _DEFAULTS[name]):
            new[name] = given
    if f"{field}.kind" in form and bool(form.get(f"{field}.fixed")) != bool(item.get("fixed")):
        new["fixed"] = bool(form.get(f"{field}.fixed"))
    return new
