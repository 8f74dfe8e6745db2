"""Pieces of SQL with their parameters, put together so that both stay in step.

Written with `?` for a parameter; an adapter turns that into its own sign.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple


class Sql(NamedTuple):
    """A piece of a statement and the parameters in it, in order."""

    text: str
    parameters: tuple[Any, ...] = ()

    def with_last(self, *parameters: Any) -> Sql:
        """Give the same text with parameters for the places at its end."""
        return Sql(self.text, (*self.parameters, *parameters))


TRUE = Sql("TRUE")
FALSE = Sql("FALSE")


def all_of(parts: Iterable[Sql]) -> Sql:
    """Give the conjunction, simplified."""
    return _joined(parts, " AND ", TRUE, FALSE)


def any_of(parts: Iterable[Sql]) -> Sql:
    """Give the disjunction, simplified."""
    return _joined(parts, " OR ", FALSE, TRUE)


def no(part: Sql) -> Sql:
    """Give the negation of a condition that is never NULL."""
    if part == TRUE:
        return FALSE
    return TRUE if part == FALSE else Sql(f"NOT ({part.text})", part.parameters)


def sql(template: str, *parts: Sql) -> Sql:
    """Put pieces into `{}` places, in order."""
    parameters: list[Any] = []
    for part in parts:
        parameters.extend(part.parameters)
    return Sql(template.format(*(part.text for part in parts)), tuple(parameters))


def _joined(parts: Iterable[Sql], word: str, neutral: Sql, decided: Sql) -> Sql:
    kept: list[Sql] = []
    for part in parts:
        if part == decided:
            return decided
        if part != neutral and part not in kept:
            kept.append(part)
    if len(kept) < 2:
        return kept[0] if kept else neutral
    text = word.join(part.text for part in kept)
    return Sql(f"({text})", tuple(value for part in kept for value in part.parameters))
