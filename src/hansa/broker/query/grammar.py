"""Parse the query language `q` into one tree (NGSI-LD 1.9.1 4.9).

Names are expanded while parsing. Limits: 4,096 characters, 64 terms, 16 levels of parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import orjson

from hansa.broker.errors import bad_data, not_implemented
from hansa.broker.model import AllOf, AnyOf, Literal, Node, Range, Term, ValueClass
from hansa.broker.query.values import literal
from hansa.kernel import Code, HansaError

LENGTH_MAX = 4096
TERMS_MAX = 64
DEPTH_MAX = 16
SYSTEM_NAMES = ("observedAt", "createdAt", "modifiedAt")

_NAME = re.compile(r"[^\W\d][\w:-]*")
_MEMBER = re.compile(r"[^\]]+")
_OPERATOR = re.compile(r"==|!=|>=|<=|!~=|~=|>|<")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_BARE = re.compile(r"[^;|(),\"]+")


def parse_q(text: str, expand: Callable[[str], str]) -> Node:
    """Parse a query; HansaError invalid_field names the place of a mistake."""
    if len(text) > LENGTH_MAX:
        raise HansaError(
            Code.too_complex,
            "The query `q` is too long.",
            f"At most {LENGTH_MAX} characters are read.",
            field="q",
            limit=LENGTH_MAX,
        )
    if "\x00" in text:
        raise bad_data("The query `q` has a NUL character.", field="q")
    return _Parser(text, expand).parse()


class _Parser:
    """Recursive descent; `;` binds closer than `|`."""

    def __init__(self, text: str, expand: Callable[[str], str]) -> None:
        self._text = text
        self._expand = expand
        self._at = 0
        self._terms = 0

    def parse(self) -> Node:
        """Parse the whole text."""
        node = self._any_of(0)
        if self._at < len(self._text):
            raise self._mistake("the end, `;` or `|`")
        return node

    def _mistake(self, expected: str) -> HansaError:
        rest = self._text[self._at : self._at + 20]
        found = f"{rest!r}" if rest else "the end"
        return bad_data(
            "The query `q` can't be read.",
            f"At character {self._at + 1} {expected} was expected, found {found}.",
            field="q",
        )

    def _any_of(self, depth: int) -> Node:
        if depth > DEPTH_MAX:
            raise HansaError(
                Code.too_complex,
                "The query `q` is nested too deeply.",
                f"At most {DEPTH_MAX} levels of parentheses are read.",
                field="q",
                limit=DEPTH_MAX,
            )
        parts = [self._all_of(depth)]
        while self._take("|"):
            parts.append(self._all_of(depth))
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def _all_of(self, depth: int) -> Node:
        parts = [self._part(depth)]
        while self._take(";"):
            parts.append(self._part(depth))
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _part(self, depth: int) -> Node:
        if self._take("("):
            node = self._any_of(depth + 1)
            if not self._take(")"):
                raise self._mistake("`)`")
            return node
        self._terms += 1
        if self._terms > TERMS_MAX:
            raise HansaError(
                Code.too_complex,
                "The query `q` has too many terms.",
                f"At most {TERMS_MAX} are read.",
                field="q",
                limit=TERMS_MAX,
            )
        return self._term()

    def _take(self, sign: str) -> bool:
        if self._text.startswith(sign, self._at):
            self._at += len(sign)
            return True
        return False

    def _match(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self._text, self._at)
        if found is None:
            return None
        self._at = found.end()
        return found.group()

    def _term(self) -> Term:
        name = self._match(_NAME)
        if name is None:
            raise self._mistake("the name of an attribute")
        if self._text.startswith("{", self._at):
            raise not_implemented(
                "A query over linked entities", "Query the linked entities on their own."
            )
        attribute, path = self._expand(name), ""
        while self._take("."):
            below = self._match(_NAME)
            if below is None:
                raise self._mistake("the name of a sub-attribute")
            if below in SYSTEM_NAMES and not path:
                path = f"@{below}"
                break
            path += f".{self._expand(below)}"
        if self._take("["):
            member = self._match(_MEMBER)
            if member is None or not self._take("]"):
                raise self._mistake("a path and `]`")
            path += "" if member == "*" else f"[{member}]"
        operator = self._match(_OPERATOR)
        if operator is None:
            return Term(attribute, path, "exists")
        if operator in ("~=", "!~="):
            raise not_implemented("A pattern in `q`", "Compare with == or a list of values.")
        return Term(attribute, path, operator, self._values(operator))

    def _values(self, operator: str) -> tuple[Literal | Range, ...]:
        values: list[Literal | Range] = [self._value()]
        if operator not in ("==", "!="):
            if isinstance(values[0], Range) or values[0].kind in (
                ValueClass.boolean,
                ValueClass.uri,
            ):
                raise self._mistake(f"a number, text or time after {operator}")
            return tuple(values)
        while self._take(","):
            values.append(self._value())
        return tuple(values)

    def _value(self) -> Literal | Range:
        low, rest = self._single()
        if rest is None and not self._take(".."):
            return low
        high = self._parsed(rest) if rest is not None else self._single()[0]
        if high.kind is not low.kind or low.kind in (ValueClass.boolean, ValueClass.uri):
            raise self._mistake("a range of two numbers, two texts or two times")
        return Range(low, high)

    def _single(self) -> tuple[Literal, str | None]:
        quoted = self._match(_QUOTED)
        if quoted is not None:
            try:
                text: str = orjson.loads(quoted)
                return Literal(ValueClass.text, text=text.replace("\x00", "\ufffd")), None
            except orjson.JSONDecodeError:
                raise self._mistake("a JSON string before this place") from None
        raw = self._match(_BARE)
        if raw is None:
            raise self._mistake("a value")
        low, dots, high = raw.partition("..")
        if dots and not high:
            self._at -= 2
            return self._parsed(low), None
        return self._parsed(low), high if dots else None

    def _parsed(self, raw: str) -> Literal:
        found = literal(raw.strip())
        if found is None:
            raise bad_data(
                f"The value {raw[:40]!r} in `q` is no number, time, boolean or URI.",
                'Put text into double quotes, for example name=="Delft".',
                field="q",
            )
        return found
