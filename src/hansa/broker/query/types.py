"""Parse the selector of entity types (NGSI-LD 1.9.1 4.17): `A,B`, `(A;B)|C`."""

from __future__ import annotations

import re
from collections.abc import Callable

from hansa.broker.errors import bad_data
from hansa.broker.model import TypeSelection
from hansa.kernel import Code, HansaError

LENGTH_MAX = 4096
ALTERNATIVES_MAX = 64
DEPTH_MAX = 16
_TOKEN = re.compile(r"[();|,]|[^();|,\s]+")


def parse_type_selection(text: str, expand: Callable[[str], str]) -> TypeSelection | None:
    """Parse a selector to a disjunction of sets; None for `*` (every type)."""
    if text == "*":
        return None
    tokens = _TOKEN.findall(text) if len(text) <= LENGTH_MAX else []
    parser = _Parser(tokens, expand)
    found = parser.any_of() if tokens else None
    if found is None or parser.at < len(tokens):
        raise bad_data(
            "The selector `type` can't be read.",
            "Write names with `,` or `|` for any and `;` for all, for example (A;B)|C.",
            field="type",
        )
    return TypeSelection(tuple(found))


class _Parser:
    def __init__(self, tokens: list[str], expand: Callable[[str], str]) -> None:
        self._tokens = tokens
        self._expand = expand
        self._depth = 0
        self.at = 0

    def _peek(self) -> str:
        return self._tokens[self.at] if self.at < len(self._tokens) else ""

    def any_of(self) -> list[frozenset[str]] | None:
        """Parse alternatives; None at a mistake."""
        found: list[frozenset[str]] = []
        while True:
            part = self._all_of()
            if part is None:
                return None
            found.extend(part)
            if self._peek() not in (",", "|"):
                return found
            self.at += 1

    def _all_of(self) -> list[frozenset[str]] | None:
        found = self._one()
        while found is not None and self._peek() == ";":
            self.at += 1
            other = self._one()
            if other is None:
                return None
            found = [left | right for left in found for right in other]
            if len(found) > ALTERNATIVES_MAX:
                raise HansaError(
                    Code.too_complex,
                    "The selector `type` has too many alternatives.",
                    f"At most {ALTERNATIVES_MAX} are read.",
                    field="type",
                    limit=ALTERNATIVES_MAX,
                )
        return found

    def _one(self) -> list[frozenset[str]] | None:
        word = self._peek()
        if word == "(":
            return self._in_parentheses()
        if not word or word in ");|,":
            return None
        self.at += 1
        return [frozenset((self._expand(word),))]

    def _in_parentheses(self) -> list[frozenset[str]] | None:
        if self._depth == DEPTH_MAX:
            raise HansaError(
                Code.too_complex,
                "The selector `type` is nested too deeply.",
                f"At most {DEPTH_MAX} levels of parentheses are read.",
                field="type",
                limit=DEPTH_MAX,
            )
        self._depth += 1
        self.at += 1
        found = self.any_of()
        self._depth -= 1
        if self._peek() != ")":
            return None
        self.at += 1
        return found
