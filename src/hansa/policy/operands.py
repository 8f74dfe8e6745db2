"""Right operands: every JSON-LD value form, then the type that the left operand wants."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from hansa.kernel import parse_instant
from hansa.policy.duration import Duration, parse_duration
from hansa.policy.errors import invalid, shorten, too_large, unsupported
from hansa.policy.geometry import read_area
from hansa.policy.tree import Value
from hansa.policy.vocabulary import (
    GEOSPARQL,
    IN_FORCE_DATE,
    LEFT_OPERANDS,
    ODRL,
    OPERANDS,
    XSD,
    Operand,
    ValueKind,
    expand_term,
)

VALUES_MAX = 100_000
VALUE_CHARS_MAX = 2_048
NUMBER_MAX = 10**15
_LIST_DEPTH_MAX = 4

NameExpander = Callable[[str], str]
"""Gives the IRI of a short NGSI-LD attribute or type name."""

_TYPES: Mapping[ValueKind, frozenset[str]] = {
    ValueKind.instant: frozenset({XSD + "dateTime", XSD + "dateTimeStamp", XSD + "string"}),
    ValueKind.duration: frozenset({XSD + "duration", XSD + "dayTimeDuration", XSD + "string"}),
    ValueKind.area: frozenset({GEOSPARQL + "wktLiteral", XSD + "string"}),
    ValueKind.number: frozenset(
        XSD + name
        for name in (
            *("string", "integer", "int", "long", "decimal"),
            *("nonNegativeInteger", "positiveInteger", "unsignedInt", "unsignedLong"),
        )
    ),
}
_STRING_TYPES = frozenset({XSD + "string", XSD + "anyURI", XSD + "token"})
_ONE_VALUE = frozenset({"eq", "neq", "lt", "lteq", "gt", "gteq", "isPartOf"})
_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,12})?)?(?P<zone>Z|[+-]\d\d:\d\d)?", re.ASCII
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d(Z|[+-]\d\d:\d\d)?", re.ASCII)
_FROM_AGREEMENT = re.compile(r"contractAgreement\s*[+-].*")
_DID = re.compile(r"did:[a-z0-9]+:[A-Za-z0-9._:%\-]+", re.ASCII)
_NUMBER = re.compile(r"\+?\d{1,16}", re.ASCII)
_NAME = re.compile(r"[A-Za-z][\w\-]*")
_IRI = re.compile(r"(https?://[^\s<>\"{}|\\^`]+|urn:[A-Za-z0-9][^\s<>\"{}|\\^`]+)")


class Literal(msgspec.Struct, frozen=True):
    """One right operand as written: its text, its declared type (IRI), and where it stood."""

    text: str
    path: str
    type: str | None = None
    is_iri: bool = False


def read_literals(value: Any, path: str, prefixes: Mapping[str, str]) -> list[Literal]:
    """Read string, `{"@value","@type"}`, `{"@id"}` and lists of these, in the order written.

    DSP 2025-1 allows string, object and array; a bare number or boolean is refused.
    """
    found: list[Literal] = []
    _collect(value, path, prefixes, found, 0)
    if not found:
        raise invalid(path, "There is no value.", "Write at least one.")
    return found


def _collect(
    value: Any, path: str, prefixes: Mapping[str, str], found: list[Literal], depth: int
) -> None:
    if depth > _LIST_DEPTH_MAX:
        raise too_large(path, "levels of lists", _LIST_DEPTH_MAX)
    if isinstance(value, str):
        found.append(Literal(value, path))
    elif isinstance(value, list | tuple):
        if len(value) + len(found) > VALUES_MAX:
            raise too_large(path, "values", VALUES_MAX)
        for index, item in enumerate(value):
            _collect(item, f"{path}[{index}]", prefixes, found, depth + 1)
    elif isinstance(value, Mapping):
        _collect_object(value, path, prefixes, found, depth)
    else:
        raise invalid(
            path,
            f"{value!r} is neither a string nor an object."[:200],
            'Write it as a string, for example "5" (DSP 2025-1 allows no bare numbers).',
        )


def _collect_object(
    value: Mapping[Any, Any],
    path: str,
    prefixes: Mapping[str, str],
    found: list[Literal],
    depth: int,
) -> None:
    members = set(value)
    if members in ({"@list"}, {"@set"}):
        key = next(iter(members))
        _collect(value[key], f"{path}.{key}", prefixes, found, depth + 1)
        return
    if members == {"@id"} and isinstance(value["@id"], str):
        text = expand_term(value["@id"], prefixes) or value["@id"]
        found.append(Literal(text, f"{path}.@id", is_iri=True))
        return
    if members in ({"@value"}, {"@value", "@type"}) and isinstance(value["@value"], str):
        kind = value.get("@type")
        if kind is not None and not isinstance(kind, str):
            raise invalid(f"{path}.@type", "The type is no string.", "Write one type.")
        iri = None if kind is None else (expand_term(kind, prefixes) or kind)
        found.append(Literal(value["@value"], f"{path}.@value", iri))
        return
    forms = ('a string, {"@value", "@type"} with string members', '{"@id"}')
    odd = sorted(str(key) for key in members - {"@id", "@value", "@type"})
    raise unsupported(
        path,
        ", ".join(odd) or "right operand",
        "It is no value form that is read.",
        supported=forms,
    )


def read_value(
    operand: Operand, operator: str, literals: list[Literal], expand: NameExpander
) -> Value:
    """Turn right operands into the type that the left operand compares with.

    Errors: `policy_invalid` for a value that can't be read, `policy_unsupported` for a type that
    can't be compared with this operand; both with the path of the value.
    """
    if operator in _ONE_VALUE and len(literals) > 1:
        second = literals[1]
        raise invalid(
            second.path, f"`{operator}` compares with one value.", "Use `isAnyOf` for several."
        )
    for literal in literals:
        _check_form(operand, literal)
    first = literals[0]
    if operand.value is ValueKind.instant:
        return _read_instant(first)
    if operand.value is ValueKind.duration:
        return _read_duration(first)
    if operand.value is ValueKind.area:
        return read_area(first.text, first.path)
    if operand.value is ValueKind.number:
        return _read_number(first)
    return frozenset(_READERS[operand.value](literal, expand) for literal in literals)


def _check_form(operand: Operand, literal: Literal) -> None:
    allowed = _TYPES.get(operand.value, _STRING_TYPES)
    if literal.type is not None and literal.type not in allowed:
        raise unsupported(
            literal.path.removesuffix("@value") + "@type",
            literal.type,
            f"It can't be compared with {operand.name}.",
            supported=sorted(allowed),
        )
    if literal.is_iri and operand.value in _TYPES:
        raise invalid(literal.path, f"{operand.name} needs a value.", "Write it as a string.")
    if operand.value is not ValueKind.area and len(literal.text) > VALUE_CHARS_MAX:
        raise too_large(literal.path, "characters", VALUE_CHARS_MAX)
    if not literal.text.strip():
        raise invalid(literal.path, "The value is blank.", "Write a value or leave it out.")


def _read_instant(literal: Literal) -> datetime:
    text = literal.text
    match = _INSTANT.fullmatch(text)
    if match is None and _FROM_AGREEMENT.fullmatch(text):
        raise unsupported(
            literal.path,
            text,
            "Times that count from the signing are not enforced.",
            next_step="Write the instant itself, for example 2026-12-31T23:00:00Z.",
        )
    if match is None and _DATE.fullmatch(text):
        raise invalid(
            literal.path,
            f"`{text}` is a day, and a day begins at another instant in every zone.",
            f"Write the instant, for example {text[:10]}T00:00:00Z.",
        )
    if match is None:
        raise invalid(
            literal.path,
            f"`{shorten(text)}` is no instant.",
            "Write for example 2026-12-31T23:00:00Z.",
        )
    if match["zone"] is None:
        raise invalid(
            literal.path,
            f"`{text}` has no time zone, so it is no instant.",
            f"Write for example {text}Z for UTC.",
        )
    try:
        return parse_instant(text)
    except (ValueError, OverflowError):
        raise invalid(
            literal.path, f"`{text}` is no day and time of the calendar.", "Correct it."
        ) from None


def _read_duration(literal: Literal) -> Duration:
    try:
        return parse_duration(literal.text)
    except ValueError:
        raise invalid(
            literal.path,
            f"`{shorten(literal.text)}` is no ISO 8601 duration longer than zero.",
            "Write for example PT15M, P7D or P3M.",
        ) from None


def _read_number(literal: Literal) -> int:
    number = int(literal.text) if _NUMBER.fullmatch(literal.text) else 0
    if not 1 <= number <= NUMBER_MAX:
        raise invalid(
            literal.path,
            f"`{shorten(literal.text)}` is no whole number from 1 to {NUMBER_MAX:,}.",
            "Write for example 100.",
        )
    return number


def _read_word(literal: Literal, _: NameExpander) -> str:
    return literal.text


def _read_did(literal: Literal, _: NameExpander) -> str:
    if not _DID.fullmatch(literal.text):
        raise invalid(
            literal.path,
            f"`{shorten(literal.text)}` is no DID.",
            "Write for example did:web:city.example.",
        )
    return literal.text


def _read_membership(literal: Literal, _: NameExpander) -> str:
    if literal.text != "active":
        raise unsupported(
            literal.path, literal.text, "No other state can use data.", supported=("active",)
        )
    return literal.text


def _read_name(literal: Literal, expand: NameExpander) -> str:
    if literal.is_iri or ":" in literal.text:
        iri = expand(literal.text)
        if not _IRI.fullmatch(iri):
            raise invalid(
                literal.path,
                f"`{shorten(literal.text)}` is neither a short name nor a whole IRI.",
                "Write the short name, or the IRI without a prefix.",
            )
        return iri
    iri = expand(literal.text) if _NAME.fullmatch(literal.text) else "@"
    if iri.startswith("@"):
        raise invalid(
            literal.path,
            f"`{shorten(literal.text)}` can't name an attribute or type in NGSI-LD.",
            "A name begins with a letter and has letters, digits, `_` and `-`.",
        )
    return iri


_READERS: Mapping[ValueKind, Callable[[Literal, NameExpander], str]] = {
    ValueKind.words: _read_word,
    ValueKind.dids: _read_did,
    ValueKind.membership: _read_membership,
    ValueKind.names: _read_name,
}


_BY_SHORT_NAME = {op.name.partition(":")[2]: op for op in OPERANDS.values()}


def read_left(value: Any, path: str, prefixes: Mapping[str, str]) -> Operand:
    """Read a left operand: plain ODRL name, CURIE, IRI or `{"@id"}`; refuse what isn't enforced.

    A plain name that DSP's context does not define would become a relative IRI (measured); names
    of ODRL itself and EDC's `inForceDate` are read as what they mean, all others refused.
    """
    text = value.get("@id") if isinstance(value, Mapping) and set(value) == {"@id"} else value
    if not isinstance(text, str) or not text.strip():
        raise invalid(path, "The left operand is no name.", "Write for example odrl:dateTime.")
    iri = expand_term(text, prefixes)
    if iri is None:
        iri = IN_FORCE_DATE if text == "inForceDate" else ODRL + text
    if iri in OPERANDS:
        return OPERANDS[iri]
    supported = [operand.name for operand in OPERANDS.values()]
    if iri.removeprefix(ODRL) in LEFT_OPERANDS:
        why = "Nothing here can measure it and stop a use by it."
        raise unsupported(path, text, why, supported=supported)
    near = _BY_SHORT_NAME.get(text)
    raise unsupported(
        path,
        text,
        "It belongs to no vocabulary that is enforced here.",
        supported=supported,
        next_step=f"Write {near.iri}." if near else "",
    )
