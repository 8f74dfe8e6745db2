"""Finds the place of a row: coordinate columns, WKT, its own geometry, another file, one point."""

from __future__ import annotations

from collections.abc import Callable

from hansa.ingest.crs import WGS84, Project, project_from
from hansa.ingest.errors import bad_mapping
from hansa.ingest.geometry import from_wkt, point, to_wgs84
from hansa.ingest.model import (
    PLACES_MAX,
    CellError,
    Geometry,
    Json,
    Places,
    Reason,
    Rejection,
    Row,
)
from hansa.ingest.source import Source
from hansa.ingest.values import Read, number_reader, shown, text_reader

Locate = Callable[[Row], Json | None]
"""From a row to its GeoJSON geometry in WGS84; None when it has none and need not."""

Positions = dict[str, tuple[float, float]]
_CACHED_MAX = 20_000


def projection(crs: str) -> Project | None:
    """Give the way from a system to WGS84; HansaError when it is not named or not known."""
    if not crs:
        raise bad_mapping(
            "geometry.crs",
            "The file names no coordinate system.",
            "Write the one that its coordinates are in, for example EPSG:28992.",
        )
    return project_from(crs)


def locator(spec: Geometry, layer_crs: str | None, positions: Positions) -> Locate | None:
    """Compile a geometry spec; None for `none`."""
    if spec.kind == "none":
        return None
    if spec.kind == "point":
        assert spec.point is not None, "checked before"
        fixed = point(spec.point[0], spec.point[1], None, "geometry.point")
        return lambda row: fixed
    if spec.kind == "places":
        assert spec.places is not None, "checked before"
        return _from_places(spec, spec.places, positions)
    if spec.kind == "columns":
        return _from_columns(spec, project_from(spec.crs or WGS84))
    if spec.kind == "wkt":
        return _from_wkt_column(spec)
    return _from_feature(spec, projection(spec.crs or layer_crs or ""))


def _from_columns(spec: Geometry, project: Project | None) -> Locate:
    x_of = number_reader(spec.longitude, decimal=spec.decimal, missing=("",))
    y_of = number_reader(spec.latitude, decimal=spec.decimal, missing=("",))
    field = f"{spec.longitude}, {spec.latitude}"
    cache: dict[tuple[object, object], Json] = {}

    def locate(row: Row) -> Json | None:
        key = (row.values.get(spec.longitude), row.values.get(spec.latitude))
        known = cache.get(key)
        if known is not None:
            return known
        x, y = x_of(key[0]), y_of(key[1])
        if x is None or y is None:
            _absent(spec, Reason.coordinates_missing, field)
            return None
        found = point(x, y, project, field, spec.near)
        if len(cache) < _CACHED_MAX:
            cache[key] = found
        return found

    return locate


def _from_wkt_column(spec: Geometry) -> Locate:
    default = spec.crs or WGS84

    def locate(row: Row) -> Json | None:
        cell = str(row.values.get(spec.wkt) or "").strip()
        if not cell:
            _absent(spec, Reason.geometry_missing, spec.wkt)
            return None
        geometry, crs = from_wkt(cell, spec.wkt)
        project = project_from(crs or default)
        return to_wgs84(geometry, project, spec.wkt, near=spec.near, repair=spec.repair)

    return locate


def _from_feature(spec: Geometry, project: Project | None) -> Locate:
    def locate(row: Row) -> Json | None:
        if row.geometry is None:
            _absent(spec, Reason.geometry_missing, "geometry")
            return None
        return to_wgs84(row.geometry, project, "geometry", near=spec.near, repair=spec.repair)

    return locate


def _from_places(spec: Geometry, places: Places, positions: Positions) -> Locate:
    key_of = text_reader(places.key)
    known = {key: point(x, y, None, places.key) for key, (x, y) in positions.items()}

    def locate(row: Row) -> Json | None:
        key = key_of(row.values.get(places.key))
        found = known.get(key or "")
        if found is not None:
            return found
        if not spec.required:
            return None
        raise CellError(
            Reason.place_unknown,
            places.key,
            f"{places.source or 'the list of places'} has no {key!r}",
            row.values.get(places.key),
        )

    return locate


def _absent(spec: Geometry, code: Reason, field: str) -> None:
    """Refuse a row without a place, unless the mapping takes it."""
    if spec.required:
        raise CellError(code, field, "the row has no place; set `required` to false to take it")


def read_places(spec: Geometry, source: Source) -> tuple[Positions, list[Rejection]]:
    """Read the positions of a second file, by key; rows that cannot be read are told.

    A key that comes again with another position is told too: the first one counts.
    """
    places = spec.places
    assert places is not None, "checked before"
    project = project_from(spec.crs or WGS84)
    key_of: Read = text_reader(places.place_key, ("",))
    x_of = number_reader(places.longitude, decimal=spec.decimal)
    y_of = number_reader(places.latitude, decimal=spec.decimal)
    positions: Positions = {}
    rejections: list[Rejection] = []
    field = f"{places.longitude}, {places.latitude}"
    for row in source.rows():
        if isinstance(row, Rejection):
            rejections.append(row)
            continue
        try:
            key = key_of(row.values.get(places.place_key))
            x, y = x_of(row.values.get(places.longitude)), y_of(row.values.get(places.latitude))
            if key is None:
                raise CellError(Reason.id_missing, places.place_key, "the place has no key")
            if x is None or y is None:
                raise CellError(Reason.coordinates_missing, field, "the place has no position")
            longitude, latitude = point(x, y, project, field)["coordinates"]
            if positions.setdefault(key, (longitude, latitude)) != (longitude, latitude):
                raise CellError(
                    Reason.duplicate,
                    places.place_key,
                    "this key stood already with another position; the first one counts",
                    key,
                )
        except CellError as fault:
            rejections.append(
                Rejection(
                    line=row.line,
                    field=fault.field,
                    code=fault.code,
                    reason=fault.text,
                    raw=shown(fault.raw) if fault.raw is not None else "",
                    file=source.name,
                )
            )
        if len(positions) > PLACES_MAX:
            raise bad_mapping("geometry.places", f"More than {PLACES_MAX:,} places.")
    return positions, rejections
