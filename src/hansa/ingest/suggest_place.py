"""Suggests where the place of a row is: coordinates, WKT, the feature itself, or a second file."""

from __future__ import annotations

from collections.abc import Mapping as Map
from collections.abc import Sequence
from itertools import islice
from statistics import median

import msgspec

from hansa.ingest.model import Geometry, Layer, Places, Row
from hansa.ingest.recognise import Facts, recognise
from hansa.ingest.source import Source

_LATITUDES = frozenset("lat latitude breite breitengrad breedte breedtegraad latitud y".split())
_LONGITUDES = frozenset(
    "lon lng long longitude lange laenge langengrad laengengrad lengte lengtegraad "
    "longitud x".split()
)
_EASTINGS = frozenset("x easting rechtswert xcoord xcoordinate xcoordinaat xrd rdx".split())
_NORTHINGS = frozenset("y northing hochwert ycoord ycoordinate ycoordinaat yrd rdy".split())
_PLACES_ROWS = 20_000
_RD_X, _RD_Y = (0.0, 300_000.0), (300_000.0, 625_000.0)


class Found(msgspec.Struct, frozen=True):
    """A suggested geometry and the columns that it uses up."""

    geometry: Geometry
    columns: frozenset[str] = frozenset()


def suggest_geometry(
    source: Source,
    layer: Layer,
    facts: Map[str, Facts],
    rows: Sequence[Row],
    places: Source | None,
    notes: list[str],
) -> Found:
    """Suggest the geometry; adds to `notes` what a person has to decide."""
    if layer.geometry is not None and any(row.geometry for row in rows):
        return Found(_from_feature(layer, rows, notes))
    pair = _degrees(facts) or None
    if pair is not None:
        longitude, latitude = pair
        geometry = Geometry(
            kind="columns",
            longitude=longitude,
            latitude=latitude,
            decimal=facts[longitude].decimal,
            near=_middle(facts[longitude], facts[latitude]),
        )
        return Found(geometry, frozenset(pair))
    metres = _metres(facts)
    if metres is not None:
        return Found(_from_metres(facts, *metres, notes), frozenset(metres))
    wkt = next((name for name, one in facts.items() if one.kind == "wkt"), None)
    if wkt is not None:
        return Found(Geometry(kind="wkt", wkt=wkt), frozenset({wkt}))
    if places is not None:
        return Found(_from_places(facts, places, notes))
    return Found(Geometry())


def _from_feature(layer: Layer, rows: Sequence[Row], notes: list[str]) -> Geometry:
    if layer.crs is None:
        message = "The file names no coordinate system: write it under geometry.crs."
        if _fits_rd(rows):
            message += " Its numbers would fit EPSG:28992 (RD New, Netherlands)."
        notes.append(message)
    without = sum(1 for row in rows if row.geometry is None)
    if without:
        notes.append(
            f"{without} of the first {len(rows)} rows have no geometry: they are set aside unless "
            "geometry.required is false."
        )
    return Geometry(kind="feature")


def _fits_rd(rows: Sequence[Row]) -> bool:
    """Say whether the first position of each geometry lies where RD New lies."""
    firsts = [first for row in rows if (first := _first_position(row)) is not None]
    return bool(firsts) and all(
        _RD_X[0] < x < _RD_X[1] and _RD_Y[0] < y < _RD_Y[1] for x, y in firsts
    )


def _first_position(row: Row) -> tuple[float, float] | None:
    part = row.geometry.get("coordinates") if isinstance(row.geometry, dict) else None
    while isinstance(part, list) and part and isinstance(part[0], list):
        part = part[0]
    match part:
        case [int() | float() as x, int() | float() as y, *_]:
            return float(x), float(y)
    return None


def _is_named(facts: Facts, names: frozenset[str]) -> bool:
    return "".join(facts.words) in names or (bool(facts.words) and facts.words[-1] in names)


def _numbers(facts: Facts) -> list[float]:
    plain = (text.replace(facts.decimal, ".") for text in facts.texts)
    return [float(text) for text in plain if text.replace(".", "", 1).lstrip("+-").isdigit()]


def _pair(
    facts: Map[str, Facts], first: frozenset[str], second: frozenset[str]
) -> tuple[str, str] | None:
    numeric = {name: one for name, one in facts.items() if one.kind == "number"}
    one = next((name for name, fact in numeric.items() if _is_named(fact, first)), None)
    other = next((name for name, fact in numeric.items() if _is_named(fact, second)), None)
    return (one, other) if one and other and one != other else None


def _degrees(facts: Map[str, Facts]) -> tuple[str, str] | None:
    """Give the longitude and latitude columns, when their numbers can be degrees."""
    pair = _pair(facts, _LONGITUDES, _LATITUDES)
    if pair is None:
        return None
    longitudes, latitudes = _numbers(facts[pair[0]]), _numbers(facts[pair[1]])
    if not longitudes or not latitudes:
        return None
    fits = abs(median(longitudes)) <= 180 and abs(median(latitudes)) <= 90
    return pair if fits else None


def _metres(facts: Map[str, Facts]) -> tuple[str, str] | None:
    return _pair(facts, _EASTINGS, _NORTHINGS)


def _middle(longitude: Facts, latitude: Facts) -> tuple[float, float] | None:
    longitudes, latitudes = _numbers(longitude), _numbers(latitude)
    if len(longitudes) < 3:
        return None
    return round(median(longitudes), 3), round(median(latitudes), 3)


def _from_metres(facts: Map[str, Facts], easting: str, northing: str, notes: list[str]) -> Geometry:
    x, y = median(_numbers(facts[easting])), median(_numbers(facts[northing]))
    crs = ""
    if _RD_X[0] < x < _RD_X[1] and _RD_Y[0] < y < _RD_Y[1]:
        crs = "EPSG:28992"
        notes.append(
            f"{easting!r} and {northing!r} are taken as RD New (EPSG:28992), because their numbers "
            "fit; change geometry.crs if they are not."
        )
    else:
        notes.append(
            f"{easting!r} and {northing!r} are no degrees: write their system under geometry.crs."
        )
    return Geometry(
        kind="columns",
        longitude=easting,
        latitude=northing,
        decimal=facts[easting].decimal,
        crs=crs,
    )


def _from_places(facts: Map[str, Facts], places: Source, notes: list[str]) -> Geometry:
    """Join a second file by the pair of columns that share the most texts."""
    layer = places.layer()
    rows = [row for row in islice(places.rows(), _PLACES_ROWS) if isinstance(row, Row)]
    there = {
        column: recognise(column, [row.values.get(column) for row in rows])
        for column in layer.columns
    }
    pair = _degrees(there)
    best: tuple[int, str, str] = (0, "", "")
    for name, one in facts.items():
        wanted = set(one.texts)
        for other, fact in there.items():
            shared = len(wanted & set(fact.texts))
            if shared > best[0] and other not in (pair or ()):
                best = (shared, name, other)
    if pair is None or not best[0]:
        notes.append(f"{places.name} gives no places that fit this file.")
        return Geometry()
    return Geometry(
        kind="places",
        decimal=there[pair[0]].decimal,
        places=Places(
            key=best[1],
            source=places.name,
            place_key=best[2],
            longitude=pair[0],
            latitude=pair[1],
        ),
    )
