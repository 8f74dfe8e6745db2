"""What the contract slip shows; encodes to the `PlainTerms` JSON of the management API."""

from __future__ import annotations

import msgspec


class AttributeInfo(msgspec.Struct, frozen=True, kw_only=True):
    """An attribute that a dataset has: its name (short or IRI) and a title for people."""

    name: str
    title: str = ""


class Where(msgspec.Struct, frozen=True, kw_only=True):
    """The area as WKT with its bounds [west, south, east, north], and in words."""

    wkt: str
    bbox: tuple[float, float, float, float]
    text: str


class When(msgspec.Struct, frozen=True, kw_only=True):
    """The observation times: ISO 8601 in UTC, start included, end not; and in words."""

    start: str | None
    end: str | None
    text: str


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """Attributes by name: visible under the terms, and existing but withheld."""

    granted: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()


class PlainTerms(msgspec.Struct, frozen=True, kw_only=True):
    """Terms for people. `limits` hold what no other member shows."""

    summary: str
    sentences: tuple[str, ...]
    who: str
    what: str
    whom: str
    where: Where | None
    when: When | None
    purpose: str | None
    attributes: Shown
    limits: tuple[str, ...]
    until: str | None
