"""GeoJSON (RFC 7946), also with the `crs` member of its 2008 ancestor.

The document is cut into features without parsing them; each is parsed when its turn comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from hansa.ingest.content import Content
from hansa.ingest.crs import WGS84, normalise
from hansa.ingest.errors import too_large, unreadable
from hansa.ingest.model import COLUMNS_MAX, ROWS_MAX, Layer, Reason, Rejection, Row
from hansa.ingest.values import shown

_SCANNED_MAX = 20_000


class _Collection(msgspec.Struct):
    type: str = ""
    features: list[msgspec.Raw] = []
    crs: msgspec.Raw = msgspec.Raw(b"null")


class _Feature(msgspec.Struct):
    type: str
    properties: dict[str, Any] | None = None
    geometry: Any = None
    id: str | int | float | None = None


class _CrsProperties(msgspec.Struct, frozen=True):
    name: str = ""


class _Crs(msgspec.Struct):
    properties: _CrsProperties = _CrsProperties()


class GeoJsonTable:
    """The features of one document."""

    def __init__(self, content: Content) -> None:
        data = content.read()
        self._features = _features(data)
        if len(self._features) > ROWS_MAX:
            raise too_large(f"{len(self._features):,} features", f"{ROWS_MAX:,}", "Part it.")
        self._crs = _crs_of(data)
        self._columns, self._geometry, self._id = self._scan()

    def layer(self) -> Layer:
        """Describe the features; columns are those of the first 20,000."""
        return Layer(
            name="features",
            columns=self._columns,
            noun="feature",
            geometry=self._geometry,
            crs=self._crs,
            rows=len(self._features),
        )

    def rows(self) -> Iterator[Row | Rejection]:
        """Give each feature with its number, or why it is none."""
        for number, raw in enumerate(self._features, 1):
            feature = _decode(raw)
            if feature is None:
                yield Rejection(
                    line=number,
                    field="",
                    code=Reason.malformed,
                    reason="this is not a GeoJSON feature",
                    raw=shown(bytes(raw)[:400].decode("utf-8", "replace")),
                )
                continue
            values = feature.properties or {}
            if feature.id is not None and self._id:
                values[self._id] = feature.id
            yield Row(number, values, feature.geometry)

    def _scan(self) -> tuple[tuple[str, ...], str | None, str]:
        columns: dict[str, None] = {}
        kinds: set[str] = set()
        has_id = False
        for raw in self._features[:_SCANNED_MAX]:
            feature = _decode(raw)
            if feature is None:
                continue
            columns.update(dict.fromkeys(feature.properties or ()))
            has_id = has_id or feature.id is not None
            if isinstance(feature.geometry, dict):
                kinds.add(str(feature.geometry.get("type")))
        if len(columns) > COLUMNS_MAX:
            raise too_large(f"{len(columns):,} properties", f"{COLUMNS_MAX:,}", "Leave some out.")
        id_column = ""
        if has_id:
            id_column = "id" if "id" not in columns else "feature id"
            columns = {id_column: None, **columns}
        kind = None if not kinds else kinds.pop() if len(kinds) == 1 else "Geometry"
        return tuple(columns), kind, id_column


def _features(data: bytes) -> list[msgspec.Raw]:
    try:
        document = msgspec.json.decode(data, type=_Collection)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable(
            "The file is not valid JSON.", f"{error}. Save it again as GeoJSON (RFC 7946)."
        ) from None
    if document.type == "Feature":
        return [msgspec.Raw(data)]
    if document.type != "FeatureCollection":
        raise unreadable(
            f"The JSON file is of type {document.type or 'unknown'!r}.",
            "GeoJSON needs a FeatureCollection, a city model CityJSON or CityJSONSeq.",
        )
    if not document.features:
        raise unreadable("The collection holds no feature.", "Choose a file with features.")
    return document.features


def _decode(raw: msgspec.Raw) -> _Feature | None:
    try:
        feature = msgspec.json.decode(raw, type=_Feature)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return feature if feature.type == "Feature" else None


def _crs_of(data: bytes) -> str | None:
    """Give the system of the old `crs` member, else WGS84 (RFC 7946 4)."""
    raw = msgspec.json.decode(data, type=_Collection).crs
    try:
        crs = msgspec.json.decode(raw, type=_Crs | None)
    except msgspec.DecodeError:
        return None
    if crs is None:
        return WGS84
    return normalise(crs.properties.name)
