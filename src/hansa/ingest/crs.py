"""Coordinate reference systems: their names, and the way to WGS84.

WGS84 in either axis order (`EPSG:4326`, `OGC:CRS84`) and Web Mercator need no library; any other
system needs pyproj, the extra `geo`. Files of all formats read here hold x (easting, longitude)
before y, whatever the authority's axis order says, so the order is never guessed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from hansa.ingest.errors import bad_mapping

Numbers = Sequence[float]
Project = Callable[[Numbers, Numbers], tuple[Numbers, Numbers]]
"""From x and y of many positions to longitudes and latitudes; inf where there is no answer."""

WGS84 = "OGC:CRS84"
_SAME = frozenset({WGS84, "OGC:CRS84h", "EPSG:4326", "EPSG:4979", "EPSG:4258"})
_WEB_MERCATOR = frozenset({"EPSG:3857", "EPSG:900913", "EPSG:102100", "ESRI:102100"})
_EARTH_M = 6_378_137.0

_FORMS = (
    re.compile(r"(?P<authority>[A-Za-z]{3,8}):(?P<code>\w{1,20})"),
    re.compile(r"urn:(?:x-)?ogc:def:crs:(?P<authority>\w{3,8}):[\w.]*:(?P<code>\w{1,20})", re.I),
    re.compile(
        r"https?://www\.opengis\.net/def/crs/(?P<authority>\w{3,8})/[\w.]+/(?P<code>\w{1,20})", re.I
    ),
)


def normalise(text: str) -> str | None:
    """Give `AUTHORITY:CODE` for the ways in which files name a system; None for anything else.

    Only codes of an authority are taken: a definition in a file could name files of its own.
    """
    plain = text.strip()
    if plain.upper() in ("CRS84", "WGS84", "WGS 84"):
        return WGS84
    for form in _FORMS:
        found = form.fullmatch(plain)
        if found:
            name = f"{found['authority'].upper()}:{found['code']}"
            return WGS84 if name.upper() == WGS84 else name
    return None


@lru_cache(maxsize=32)
def project_from(crs: str) -> Project | None:
    """Give the way from a system to WGS84 lon/lat; None when positions are that already.

    HansaError invalid_field when the system is unknown or its library is missing. Without a
    correction grid the result of a national system is right to about a metre.
    """
    name = normalise(crs)
    if name is None:
        raise bad_mapping(
            "geometry.crs",
            f"{crs!r} does not name a coordinate system.",
            "Write an authority's code such as EPSG:28992.",
        )
    if name in _SAME:
        return None
    if name in _WEB_MERCATOR:
        return _from_web_mercator
    return _from_library(name)


def _from_web_mercator(x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
    longitudes = [math.degrees(value / _EARTH_M) for value in x]
    latitudes = [
        math.degrees(2 * math.atan(math.exp(value / _EARTH_M)) - math.pi / 2)
        if abs(value) < 1e8
        else math.inf
        for value in y
    ]
    return longitudes, latitudes


def _from_library(name: str) -> Project:
    try:
        import pyproj
    except ImportError:
        raise bad_mapping(
            "geometry.crs",
            f"Reading {name} needs the library pyproj.",
            "Install it with: pip install 'hansa[geo]'",
        ) from None
    try:
        system: Any = pyproj.CRS.from_user_input(name)
        if system.is_compound:
            system = system.sub_crs_list[0]
        transformer: Any = pyproj.Transformer.from_crs(
            system.to_2d(), WGS84, always_xy=True, allow_ballpark=False
        )
    except pyproj.exceptions.ProjError:
        raise bad_mapping(
            "geometry.crs",
            f"{name} is not a system that leads to WGS84.",
            "Look its code up at epsg.io, or move the data to EPSG:4326 first.",
        ) from None

    def project(x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
        longitudes, latitudes = transformer.transform(list(x), list(y))
        return longitudes, latitudes

    return project
