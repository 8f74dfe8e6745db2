"""CityJSON 1.1 and 2.0, and CityJSONSeq: city objects with footprint, height and attributes.

A row is an object without parent; its parts give their geometry to it. The footprint is LoD 0
where there is one, else the ground surfaces, else what looks down. Vertices are integers:
times scale plus translate (CityJSON 2.0 4).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from hansa.ingest.content import Content
from hansa.ingest.crs import normalise
from hansa.ingest.errors import too_large, unreadable
from hansa.ingest.footprint import CityGeometry, Vertices, footprint, vertical_extent
from hansa.ingest.model import (
    CITYJSON_BYTES_MAX,
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
from hansa.ingest.values import shown

VERSIONS = ("1.1", "2.0")
ID, HEIGHT, GROUND = "id", "height above ground [m]", "ground level [m]"


class _CityObject(msgspec.Struct):
    type: str
    attributes: dict[str, Any] = {}
    geometry: list[CityGeometry] = []
    parents: list[str] = []
    children: list[str] = []


class _Outline(msgspec.Struct):
    """As much of a city object as the overview needs; the rest is skipped, not built."""

    type: str
    attributes: dict[str, Any] | None = None
    parents: list[str] | None = None


class _Transform(msgspec.Struct, frozen=True):
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    translate: tuple[float, float, float] = (0.0, 0.0, 0.0)


class _Metadata(msgspec.Struct, frozen=True, rename="camel"):
    reference_system: str = ""


class _Header(msgspec.Struct):
    type: str
    version: str = ""
    transform: _Transform = _Transform()
    metadata: _Metadata = _Metadata()


class _Outlines(msgspec.Struct):
    objects: dict[str, _Outline] = msgspec.field(name="CityObjects", default={})


class _Model(msgspec.Struct):
    objects: dict[str, _CityObject] = msgspec.field(name="CityObjects", default={})
    vertices: list[tuple[float, float, float]] = []


class CityModel:
    """The city objects of one file, a layer for each type of object without parent."""

    def __init__(self, content: Content, *, sequence: bool) -> None:
        self._content = content
        self._sequence = sequence
        if not sequence and len(content.head) and content.size_bytes > CITYJSON_BYTES_MAX:
            raise too_large(
                f"{content.size_bytes:,} bytes in one document",
                f"{CITYJSON_BYTES_MAX:,} bytes",
                "Save it as CityJSONSeq, one object per line.",
            )
        self._header = self._read_header()
        system = self._header.metadata.reference_system
        self._crs = normalise(system) if system else None
        self.layers = self._scan()

    def rows(self, layer: Layer) -> Iterator[Row | Rejection]:
        """Give the objects of one type; `line` is the line of a sequence, else their number."""
        if not self._sequence:
            model = _decode(self._content.read(), _Model)
            yield from self._objects(model, layer, number=None)
            return
        for number, line in self._lines():
            try:
                model = msgspec.json.decode(line, type=_Model)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                yield _malformed(number, line, str(error))
                continue
            yield from self._objects(model, layer, number=number)

    def _objects(self, model: _Model, layer: Layer, *, number: int | None) -> Iterator[Any]:
        transform = self._header.transform
        vertices = Vertices(model.vertices, transform.scale, transform.translate)
        count = 0
        for name, city_object in model.objects.items():
            if city_object.parents or city_object.type != layer.name:
                continue
            count += 1
            line = count if number is None else number
            try:
                yield _row(line, name, city_object, model.objects, vertices)
            except CellError as fault:
                yield Rejection(
                    line=line,
                    field=fault.field,
                    code=fault.code,
                    reason=fault.text,
                    raw=shown(name),
                )

    def _read_header(self) -> _Header:
        first = next(self._lines())[1] if self._sequence else self._content.read()
        header: _Header = _decode(first, _Header)
        if header.version[:3] not in VERSIONS:
            raise unreadable(
                f"CityJSON {header.version or 'without version'} is not read.",
                f"Versions {' and '.join(VERSIONS)} are; upgrade it with cjio.",
            )
        return header

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        number = -1
        with self._content.open() as stream:
            for number, line in enumerate(stream):
                if number > ROWS_MAX:
                    raise too_large("its lines", f"{ROWS_MAX:,} objects", "Part it.")
                if line.strip():
                    yield number + 1, line

    def _scan(self) -> tuple[Layer, ...]:
        counts: Counter[str] = Counter()
        columns: dict[str, dict[str, None]] = {}
        for outlines in self._outlines():
            for city_object in outlines.objects.values():
                if city_object.parents:
                    continue
                counts[city_object.type] += 1
                known = columns.setdefault(city_object.type, {})
                known.update(dict.fromkeys(city_object.attributes or ()))
        if not counts:
            raise unreadable("The city model holds no object.", "Choose a file with objects.")
        noun = "line" if self._sequence else "object"
        order = sorted(counts, key=lambda name: (name != "Building", -counts[name], name))
        return tuple(
            Layer(
                name=name,
                columns=_columns(columns[name]),
                noun=noun,
                geometry="Geometry",
                crs=self._crs,
                rows=counts[name],
            )
            for name in order[:LAYERS_MAX]
        )

    def _outlines(self) -> Iterator[_Outlines]:
        if not self._sequence:
            yield _decode(self._content.read(), _Outlines)
            return
        for number, line in self._lines():
            if number == 1:
                continue
            try:
                yield msgspec.json.decode(line, type=_Outlines)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                continue  # told of when the rows are read


def _columns(attributes: dict[str, None]) -> tuple[str, ...]:
    names = (ID, *(name for name in attributes if name not in (ID, HEIGHT, GROUND)), HEIGHT, GROUND)
    if len(names) > COLUMNS_MAX:
        raise too_large(f"{len(names):,} attributes", f"{COLUMNS_MAX:,}", "Leave some out.")
    return names


def _row(
    line: int,
    name: str,
    city_object: _CityObject,
    objects: dict[str, _CityObject],
    vertices: Vertices,
) -> Row:
    geometries = [*city_object.geometry]
    for child in _descendants(city_object, objects):
        geometries.extend(child.geometry)
    values: Json = {**city_object.attributes, ID: name}
    extent = vertical_extent(geometries, vertices)
    if extent is not None:
        values[HEIGHT] = round(extent[1] - extent[0], 3)
        values[GROUND] = round(extent[0], 3)
    return Row(line, values, footprint(geometries, vertices))


def _descendants(
    city_object: _CityObject, objects: dict[str, _CityObject]
) -> Iterator[_CityObject]:
    """Give all parts of parts, each once, also when the file's links run in a circle."""
    seen: set[str] = set()
    waiting = list(city_object.children)
    while waiting:
        name = waiting.pop()
        child = objects.get(name)
        if child is None or name in seen:
            continue
        seen.add(name)
        waiting.extend(child.children)
        yield child


def _malformed(number: int, line: bytes, why: str) -> Rejection:
    return Rejection(
        line=number,
        field="",
        code=Reason.malformed,
        reason=f"this line is not a CityJSONFeature: {why}",
        raw=shown(line[:400].decode("utf-8", "replace")),
    )


def _decode(data: bytes, shape: type[Any]) -> Any:
    try:
        return msgspec.json.decode(data, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable(
            "The city model cannot be read.", f"{error}. Check it with a CityJSON validator."
        ) from None
