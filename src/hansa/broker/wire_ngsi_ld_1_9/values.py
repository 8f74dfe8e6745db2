"""Find the scalars of an attribute that queries can compare with (NGSI-LD 1.9.1 4.9).

A compound value is indexed by member paths, a list by its elements. Limits: the first 256 scalars
of an attribute, four levels of members in paths of 200 characters, the first 400 characters of a
text (a longer one is found by no equality).
"""

from __future__ import annotations

from typing import Any

from hansa.broker.errors import bad_data
from hansa.broker.model import AttributeType, IndexedValue, ValueClass
from hansa.broker.query import instant, is_uri
from hansa.broker.wire_ngsi_ld_1_9.names import Names

INDEXED_MAX = 256
LEVELS_MAX = 4
PATH_MAX = 200
TEXT_MAX = 400
_NUMBER, _BOOLEAN, _INSTANT = ValueClass.number, ValueClass.boolean, ValueClass.instant
_TEXT, _URI, _STRUCTURE = ValueClass.text, ValueClass.uri, ValueClass.structure


def indexed(
    kind: AttributeType,
    value: Any,
    field: str,
    path: str,
    names: Names,
    into: list[IndexedValue],
) -> Any:
    """Add the scalars of a value to `into`; give the value as it is kept."""
    if len(path) > PATH_MAX:
        into = []
    if kind == AttributeType.Property:
        _scalars(value, path, into)
        return value
    if kind in (AttributeType.Relationship, AttributeType.ListRelationship):
        for one in value if isinstance(value, list) else [value]:
            uri = one.get("object") if isinstance(one, dict) else one
            if not isinstance(uri, str) or not is_uri(uri):
                raise bad_data(f"`{field}` is not a URI or a list of URIs.", field=field)
            into.append(IndexedValue(path, _URI, text=searchable(uri)))
        return value
    if kind == AttributeType.LanguageProperty:
        _languages(value, field, path, into)
        return value
    if kind == AttributeType.VocabProperty:
        return _vocabulary(value, field, path, names, into)
    if kind == AttributeType.ListProperty:
        if not isinstance(value, list):
            raise bad_data(f"`{field}` is not a list.", field=field)
        for one in value:
            _scalars(one, path, into)
        return value
    _members(value, path, into)
    return value


def _scalars(value: Any, path: str, into: list[IndexedValue]) -> None:
    if isinstance(value, bool):
        into.append(IndexedValue(path, _BOOLEAN, number=float(value)))
    elif isinstance(value, (int, float)):
        into.append(IndexedValue(path, _NUMBER, number=float(value)))
    elif isinstance(value, str):
        _text(value, path, into)
    elif isinstance(value, list):
        if not value:
            into.append(IndexedValue(path, _STRUCTURE, number=0.0))
        for one in value[:INDEXED_MAX]:
            _scalars(one, path, into)
    elif isinstance(value, dict):
        if "@value" in value:
            _scalars(value["@value"], path, into)
        else:
            into.append(IndexedValue(path, _STRUCTURE, number=0.0))
            _members(value, path, into)


def _text(value: str, path: str, into: list[IndexedValue]) -> None:
    into.append(IndexedValue(path, _TEXT, text=searchable(value)))
    if len(value) >= 20 and value[4] == "-":
        at = instant(value)
        if at is not None:
            into.append(IndexedValue(path, _INSTANT, number=float(at)))


def searchable(text: str) -> str:
    """Give a text as it stands in the index: a long one is cut and marked, NUL is replaced.

    An index entry has to fit into a third of a page, and PostgreSQL keeps no NUL.
    """
    if len(text) > TEXT_MAX:
        text = text[: TEXT_MAX - 1] + "\U0010ffff"
    return text.replace("\x00", "\ufffd")


def _members(value: Any, path: str, into: list[IndexedValue]) -> None:
    """Index the members of a compound value as `[a.b]` behind the path of its attribute."""
    if not isinstance(value, dict):
        return
    stack: list[tuple[str, Any, int]] = [(name, one, 1) for name, one in value.items()]
    while stack and len(into) < INDEXED_MAX:
        name, one, level = stack.pop()
        place = f"{path}[{name}]"
        if one is None or len(place) > PATH_MAX or not name.isprintable():
            continue
        if isinstance(one, dict):
            into.append(IndexedValue(place, _STRUCTURE, number=0.0))
            if level < LEVELS_MAX:
                stack.extend((f"{name}.{below}", two, level + 1) for below, two in one.items())
        else:
            _scalars(one, place, into)


def _languages(value: Any, field: str, path: str, into: list[IndexedValue]) -> None:
    if not isinstance(value, dict) or not value:
        raise bad_data(f"`{field}` is not a map from language to text.", field=field)
    for language, texts in value.items():
        for text in texts if isinstance(texts, list) else [texts]:
            if not isinstance(text, str):
                raise bad_data(f"`{field}.{language}` is not a text.", field=f"{field}.{language}")
            into.append(IndexedValue(path, _TEXT, text=searchable(text)))
            into.append(IndexedValue(f"{path}[{language[:64]}]", _TEXT, text=searchable(text)))


def _vocabulary(
    value: Any, field: str, path: str, names: Names, into: list[IndexedValue]
) -> list[str] | str:
    words = value if isinstance(value, list) else [value]
    kept: list[str] = []
    for word in words:
        if not isinstance(word, str):
            raise bad_data(f"`{field}` is not a word or a list of words.", field=field)
        iri, short = names.of(word)
        kept.append(short)
        into.append(IndexedValue(path, _URI, text=searchable(iri)))
        into.append(IndexedValue(path, _TEXT, text=short))
    return kept if isinstance(value, list) else kept[0]
