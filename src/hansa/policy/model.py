"""What a decision is made of: scope (what may be seen), usage (what is asked), the answer.

A `Scope` is the contract turned into a filter. It is defined by a physically filtered copy: an
attribute instance is in the copy iff some permit covers it and no deny does; an entity is in the
copy iff at least one of its attribute instances is. Every read of the broker takes a scope.
"""

from __future__ import annotations

from datetime import datetime

import msgspec


class Area(msgspec.Struct, frozen=True):
    """A polygon or multipolygon in WGS84, lon/lat degrees (EPSG:4326 in axis order x, y).

    An entity lies in the area iff its `location` is covered by it (boundary included).
    `bbox` is (west, south, east, north) of the same geometry.
    """

    wkt: str
    bbox: tuple[float, float, float, float]


class Window(msgspec.Struct, frozen=True):
    """A span of observation time in UTC: `start` inclusive, `end` exclusive; None is open."""

    start: datetime | None = None
    end: datetime | None = None


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """One conjunction of restrictions; None restricts nothing.

    Types and attributes are expanded IRIs. `id_prefix` is the start of the entity id. A window
    applies to attribute instances that carry `observedAt`; an instance without one is a static
    description and passes every window.
    """

    types: frozenset[str] | None = None
    id_prefix: str | None = None
    attributes: frozenset[str] | None = None
    area: Area | None = None
    observed: Window | None = None

    @property
    def unrestricted(self) -> bool:
        """Say whether this cut lets everything through."""
        return self == _EVERYTHING


_EVERYTHING = Cut()


class Scope(msgspec.Struct, frozen=True):
    """The union of `permits` minus `denies`."""

    permits: tuple[Cut, ...]
    denies: tuple[Cut, ...] = ()

    @classmethod
    def everything(cls) -> Scope:
        """Give the owner's scope, the only one without restriction."""
        return cls(permits=(_EVERYTHING,))

    @classmethod
    def nothing(cls) -> Scope:
        """Give the scope that sees nothing."""
        return cls(permits=())

    @property
    def unrestricted(self) -> bool:
        """Say whether nothing is cut away."""
        return not self.denies and any(cut.unrestricted for cut in self.permits)


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked: who (`assignee`, a DID) wants to do `action` (ODRL term) with `target`.

    `count` is the number of this use under the agreement, from 1; None when nobody counts.
    """

    action: str
    target: str
    assignee: str
    now: datetime
    purpose: str | None = None
    member: bool = True
    roles: frozenset[str] = frozenset()
    count: int | None = None


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why a rule did not apply or did forbid: where in the policy, what was needed and found."""

    path: str
    code: str
    message: str
    needed: str | None = None
    found: str | None = None


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: permitted with a scope, or denied with reasons.

    `expires_at` is the earliest instant at which the answer can change by the clock alone.
    """

    permitted: bool
    code: str
    scope: Scope
    reasons: tuple[Reason, ...] = ()
    expires_at: datetime | None = None
