"""How cuts combine: intersect, cover, and the union without what is superfluous.

A `Piece` is a cut whose window may still depend on the clock (age of data); `at` gives the cut of
one instant.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from hansa.policy.duration import Duration, before
from hansa.policy.geometry import intersect_areas
from hansa.policy.model import Area, Cut, Window
from hansa.policy.windows import holds, intersect_windows, window_of

_NOBODY: frozenset[str] = frozenset()


class Age(msgspec.Struct, frozen=True):
    """How old a value may or must be: lt, lteq, gt or gteq a duration, at the moment of use."""

    operator: str
    duration: Duration


class Piece(msgspec.Struct, frozen=True):
    """A cut together with the ages that narrow its window at each decision."""

    cut: Cut
    ages: frozenset[Age] = frozenset()


def intersect(one: Cut, other: Cut) -> Cut:
    """Give the cut that lets through what both let through."""
    area, apart = _both_areas(one.area, other.area)
    prefix, foreign = _both_prefixes(one.id_prefix, other.id_prefix)
    types = _NOBODY if apart or foreign else _both(one.types, other.types)
    return Cut(
        types=types,
        id_prefix=prefix,
        attributes=_both(one.attributes, other.attributes),
        area=area,
        observed=intersect_windows(one.observed, other.observed),
    )


def covers(wide: Cut, narrow: Cut) -> bool:
    """Say whether `wide` surely lets through all that `narrow` does.

    Areas are compared as texts only: a False may be wrong, a True never is.
    """
    return (
        (wide.types is None or (narrow.types is not None and narrow.types <= wide.types))
        and (wide.id_prefix is None or (narrow.id_prefix or "").startswith(wide.id_prefix))
        and (
            wide.attributes is None
            or (narrow.attributes is not None and narrow.attributes <= wide.attributes)
        )
        and (wide.area is None or wide.area == narrow.area)
        and holds(wide.observed, narrow.observed)
    )


def is_empty(cut: Cut) -> bool:
    """Say whether the cut lets nothing through at all.

    An empty window does not make it so: static descriptions pass every window.
    """
    return cut.types == _NOBODY or cut.attributes == _NOBODY


def simplify(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """Give the same union without the pieces that are empty or covered by another."""
    kept: list[Piece] = []
    for piece in pieces:
        if is_empty(piece.cut) or any(_includes(other, piece) for other in kept):
            continue
        kept = [other for other in kept if not _includes(piece, other)]
        kept.append(piece)
    return tuple(kept)


def at(piece: Piece, now: datetime) -> Cut:
    """Give the cut at an instant: every age becomes a bound of its window."""
    if not piece.ages:
        return piece.cut
    window = piece.cut.observed
    for age in piece.ages:
        window = intersect_windows(window, _observed(age, now))
    cut = piece.cut
    return Cut(
        types=cut.types,
        id_prefix=cut.id_prefix,
        attributes=cut.attributes,
        area=cut.area,
        observed=window,
    )


def join(one: Piece, other: Piece) -> Piece:
    """Give the piece that lies in both."""
    return Piece(intersect(one.cut, other.cut), one.ages | other.ages)


_MIRRORED = {"lteq": "gteq", "lt": "gt", "gteq": "lteq", "gt": "lt"}


def _observed(age: Age, now: datetime) -> Window:
    """Give the observation times of an age: no older than a day is since a day ago."""
    return window_of(_MIRRORED[age.operator], before(now, age.duration))


def _includes(wide: Piece, narrow: Piece) -> bool:
    return wide.ages <= narrow.ages and covers(wide.cut, narrow.cut)


def _both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _both_areas(one: Area | None, other: Area | None) -> tuple[Area | None, bool]:
    if one is None or other is None:
        return (other if one is None else one), False
    common = intersect_areas(one, other)
    return (common or one), common is None


def _both_prefixes(one: str | None, other: str | None) -> tuple[str | None, bool]:
    if one is None or other is None:
        return (other if one is None else one), False
    longer, shorter = (one, other) if len(one) >= len(other) else (other, one)
    return longer, not longer.startswith(shorter)
