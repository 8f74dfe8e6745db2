"""GeoPackage 1.4 (OGC 12-128r19), read with SQLite alone: features and attributes tables.

A GeoPackage is a database from a stranger: it is opened read-only, its triggers, views and
virtual tables are never run, and only tables that its own list names are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import apsw

from hansa.ingest.content import Content
from hansa.ingest.errors import too_large, unreadable
from hansa.ingest.model import (
    COLUMNS_MAX,
    LAYERS_MAX,
    ROWS_MAX,
    CellError,
    Json,
    Layer,
    Reason,
    Rejection,
    Row,
)
from hansa.ingest.wire_wkb_iso import read_wkb

SIGNATURE = b"SQLite format 3\x00"
_ENVELOPE_BYTES = (0, 32, 48, 48, 64)
_KINDS = {
    "POINT": "Point",
    "LINESTRING": "LineString",
    "POLYGON": "Polygon",
    "MULTIPOINT": "MultiPoint",
    "MULTILINESTRING": "MultiLineString",
    "MULTIPOLYGON": "MultiPolygon",
}


class GeoPackageTables:
    """The feature and attribute tables of one file."""

    def __init__(self, content: Content) -> None:
        self._content = content
        connection = self._connect()
        try:
            self.layers = tuple(_layers(connection))
        except apsw.Error as error:
            raise unreadable(
                "The file is not a GeoPackage that can be read.",
                f"SQLite says: {error}. Save it again as GeoPackage.",
            ) from None
        finally:
            connection.close()
        if not self.layers:
            raise unreadable(
                "The GeoPackage holds no table of features.",
                "Rasters and views are not read; save a vector layer.",
            )

    def rows(self, layer: Layer) -> Iterator[Row | Rejection]:
        """Give the rows of a table in the order of their ids; `line` counts them from 1."""
        connection = self._connect()
        try:
            geometry = _geometry_column(connection, layer.name)
            cursor = connection.execute(f"SELECT * FROM {_quoted(layer.name)}")  # noqa: S608
            names = [column[0] for column in cursor.get_description()] if layer.rows else []
            for number, cells in enumerate(cursor, 1):
                values: Json = dict(zip(names, cells, strict=True))
                blob = values.pop(geometry, None) if geometry else None
                try:
                    yield Row(number, _plain(values), parse_geometry(blob, geometry or ""))
                except CellError as fault:
                    yield Rejection(
                        line=number, field=fault.field, code=fault.code, reason=fault.text
                    )
        except apsw.Error as error:
            raise unreadable(
                f"The table {layer.name} is damaged.", f"SQLite says: {error}."
            ) from None
        finally:
            connection.close()

    def _connect(self) -> apsw.Connection:
        path = self._content.path
        if path is not None:
            uri = f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1"
            connection = apsw.Connection(
                uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
            )
        else:
            data = bytearray(self._content.read())
            data[18:20] = b"\x01\x01"  # a copy in memory has no write-ahead log beside it
            connection = apsw.Connection(":memory:")
            connection.deserialize("main", bytes(data))
        connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
        connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_VIEW, 0)
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
        return connection


def _layers(connection: apsw.Connection) -> Iterator[Layer]:
    contents = connection.execute(
        "SELECT c.table_name, c.data_type FROM gpkg_contents c JOIN sqlite_schema s "
        "ON s.name = c.table_name AND s.type = 'table' "
        "AND s.sql NOT LIKE 'CREATE VIRTUAL%' "
        "WHERE c.data_type IN ('features', 'attributes') ORDER BY c.table_name LIMIT ?",
        (LAYERS_MAX,),
    ).fetchall()
    for name, data_type in contents:
        geometry = kind = crs = None
        if data_type == "features":
            geometry, kind, crs = _geometry_of(connection, str(name))
        columns = [
            str(column)
            for (column,) in connection.execute("SELECT name FROM pragma_table_info(?)", (name,))
            if column != geometry
        ]
        if len(columns) > COLUMNS_MAX:
            raise too_large(f"{len(columns):,} columns", f"{COLUMNS_MAX:,}", "Leave some out.")
        rows = connection.execute(f"SELECT count(*) FROM {_quoted(name)}").get  # noqa: S608
        if rows > ROWS_MAX:
            raise too_large(f"{rows:,} rows in {name}", f"{ROWS_MAX:,}", "Part it.")
        yield Layer(
            name=str(name),
            columns=tuple(columns),
            noun="row",
            geometry=kind,
            crs=crs,
            rows=int(rows),
        )


def _geometry_of(
    connection: apsw.Connection, table: str
) -> tuple[str | None, str | None, str | None]:
    """Give geometry column, GeoJSON type and CRS of a table (GeoPackage 1.4, 2.1.5, 1.1.2)."""
    found = connection.execute(
        "SELECT g.column_name, g.geometry_type_name, r.organization, r.organization_coordsys_id "
        "FROM gpkg_geometry_columns g "
        "LEFT JOIN gpkg_spatial_ref_sys r ON r.srs_id = g.srs_id WHERE g.table_name = ?",
        (table,),
    ).fetchall()
    if not found:
        return None, None, None
    column, kind, organisation, code = found[0]
    named = organisation and str(organisation).upper() != "NONE" and int(code or 0) > 0
    crs = f"{str(organisation).upper()}:{code}" if named else None
    return str(column), _KINDS.get(str(kind).upper(), "Geometry"), crs


def _geometry_column(connection: apsw.Connection, table: str) -> str | None:
    return _geometry_of(connection, table)[0]


def parse_geometry(blob: Any, field: str) -> Json | None:
    """Read a GeoPackage geometry (GeoPackage 1.4, 2.1.3): header, then ISO well-known binary."""
    if blob is None:
        return None
    if not isinstance(blob, bytes) or len(blob) < 8 or blob[:2] != b"GP":
        raise CellError(Reason.geometry_invalid, field, "this is not a GeoPackage geometry")
    flags = blob[3]
    envelope = flags >> 1 & 0b111
    if blob[2] != 0 or flags & 0b100000 or envelope >= len(_ENVELOPE_BYTES):
        raise CellError(
            Reason.geometry_invalid, field, "the geometry is of an extended or unknown form"
        )
    if flags & 0b10000:
        return None
    return read_wkb(blob[8 + _ENVELOPE_BYTES[envelope] :], field)


def _plain(values: Json) -> Json:
    """Leave blobs out: a picture is no attribute."""
    return {name: None if isinstance(cell, bytes) else cell for name, cell in values.items()}


def _quoted(name: Any) -> str:
    return '"' + str(name).replace('"', '""') + '"'
