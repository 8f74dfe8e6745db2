"""Small files made in the tests, and short ways to read them."""

from __future__ import annotations

import gzip
import json
import struct as binary
from pathlib import Path
from typing import Any, TypeVar

import apsw
import msgspec
import shapely

from hansa.ingest import Column, Geometry, Mapping, ObservedAt, Result, Source, apply, read_source
from hansa.ingest.model import ValueType

DATASET = "test"


def csv_source(text: str, *, encoding: str = "utf-8", name: str = "file.csv") -> Source:
    return read_source(text.encode(encoding), name)


def number(column: str, attribute: str = "", **more: Any) -> Column:
    return Column(column=column, attribute=attribute or column, value=ValueType.number, **more)


def text(column: str, attribute: str = "", **more: Any) -> Column:
    return Column(column=column, attribute=attribute or column, **more)


def series_mapping(*columns: Column, **more: Any) -> Mapping:
    """Give a mapping for a file with the columns `id` and `time`."""
    values: dict[str, Any] = {
        "entity_type": "Thing",
        "id": "{id}",
        "columns": columns,
        "observed_at": ObservedAt(columns=("time",)),
    }
    return Mapping(**{**values, **more})


def table_mapping(*columns: Column, **more: Any) -> Mapping:
    values: dict[str, Any] = {"entity_type": "Thing", "id": "{id}", "columns": columns}
    return Mapping(**{**values, **more})


def run(mapping: Mapping, source: Source, **more: Any) -> Result:
    """Apply a mapping and read the file to its end."""
    result = apply(mapping, source, dataset=DATASET, **more)
    list(result.history())
    return result


def reasons(result: Result) -> list[tuple[int, str]]:
    """Give line and reason code of each rejection."""
    return [(rejection.line, rejection.code.value) for rejection in result.rejections]


def feature(geometry: Any, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def geojson_source(*features: Any, **more: Any) -> Source:
    document = {"type": "FeatureCollection", "features": list(features), **more}
    return read_source(json.dumps(document).encode(), "file.geojson")


def point(x: float, y: float) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [x, y]}


FEATURES = Mapping(
    entity_type="Thing",
    id="{name}",
    columns=(text("name"),),
    geometry=Geometry(kind="feature"),
)


def gpkg_blob(geometry: shapely.Geometry, *, envelope: bool = False, empty: bool = False) -> bytes:
    """Give a GeoPackage geometry (1.4, 2.1.3)."""
    flags = 0b1 | (0b10 if envelope else 0) | (0b10000 if empty else 0)
    box = binary.pack("<4d", *(geometry.bounds[i] for i in (0, 2, 1, 3))) if envelope else b""
    wkb: bytes = shapely.to_wkb(geometry)
    return b"GP\x00" + bytes([flags]) + binary.pack("<i", 28992) + box + wkb


def make_gpkg(path: Path, rows: list[tuple[Any, ...]], *, wal: bool = False) -> Path:
    """Write a GeoPackage with a feature table `trees` (EPSG:28992), a view and a plain table."""
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA synchronous=off")
    if wal:
        connection.execute("PRAGMA journal_mode=wal").fetchall()
    connection.execute(
        """
        CREATE TABLE gpkg_spatial_ref_sys (srs_name, srs_id INTEGER PRIMARY KEY, organization,
            organization_coordsys_id INTEGER, definition, description);
        CREATE TABLE gpkg_contents (table_name PRIMARY KEY, data_type, identifier, description,
            last_change, min_x, min_y, max_x, max_y, srs_id);
        CREATE TABLE gpkg_geometry_columns (table_name, column_name, geometry_type_name, srs_id,
            z, m);
        CREATE TABLE trees (fid INTEGER PRIMARY KEY, geom BLOB, kind TEXT, picture BLOB);
        CREATE VIEW spy AS SELECT * FROM sqlite_schema;
        CREATE TABLE notes (fid INTEGER PRIMARY KEY, remark TEXT);
        INSERT INTO notes VALUES (1, 'old');
        INSERT INTO gpkg_spatial_ref_sys VALUES ('RD', 28992, 'EPSG', 28992, '', '');
        INSERT INTO gpkg_contents (table_name, data_type, srs_id) VALUES
            ('trees', 'features', 28992), ('notes', 'attributes', NULL), ('spy', 'features', 0);
        INSERT INTO gpkg_geometry_columns VALUES ('trees', 'geom', 'POINT', 28992, 0, 0);
        """
    )
    connection.executemany("INSERT INTO trees VALUES (?, ?, ?, ?)", rows)
    connection.close()
    return path


SQUARE = ((0, 0), (10_000, 0), (10_000, 10_000), (0, 10_000))


def city_box(height: int = 5_000, *, semantics: bool = True) -> dict[str, Any]:
    """Give a CityJSON building: a box of 10 m x 10 m in millimetres, LoD 1.2."""
    boundaries = [
        [[0, 3, 2, 1]],
        [[4, 5, 6, 7]],
        [[0, 1, 5, 4]],
        [[1, 2, 6, 5]],
        [[2, 3, 7, 6]],
        [[3, 0, 4, 7]],
    ]
    solid: dict[str, Any] = {"type": "Solid", "lod": "1.2", "boundaries": [boundaries]}
    if semantics:
        solid["semantics"] = {
            "surfaces": [
                {"type": "GroundSurface"},
                {"type": "RoofSurface"},
                {"type": "WallSurface"},
            ],
            "values": [[0, 1, 2, 2, 2, 2]],
        }
    return {
        "object": {"type": "Building", "attributes": {"year": 1900}, "geometry": [solid]},
        "vertices": [[x, y, z] for z in (0, height) for x, y in SQUARE],
    }


def city_document(objects: dict[str, Any], vertices: list[Any], **more: Any) -> dict[str, Any]:
    return {
        "type": "CityJSON",
        "version": "2.0",
        "transform": {"scale": [0.001] * 3, "translate": [85_000.0, 446_000.0, -1.0]},
        "metadata": {"referenceSystem": "https://www.opengis.net/def/crs/EPSG/0/7415"},
        "CityObjects": objects,
        "vertices": vertices,
        **more,
    }


def city_source(document: Any, *, packed: bool = False) -> Source:
    data = json.dumps(document).encode()
    return read_source(gzip.compress(data) if packed else data, "model.city.json")


_Struct = TypeVar("_Struct", bound=msgspec.Struct)


def replaced(struct: _Struct, **changes: Any) -> _Struct:
    return msgspec.structs.replace(struct, **changes)
