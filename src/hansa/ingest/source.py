"""A source: a file whose format is known, with its layers and rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from hansa.ingest.content import Content
from hansa.ingest.errors import bad_mapping, unreadable, unsupported
from hansa.ingest.model import Layer, Rejection, Row
from hansa.ingest.wire_cityjson_2_0 import CityModel
from hansa.ingest.wire_csv_rfc4180 import CsvTable
from hansa.ingest.wire_geojson_rfc7946 import GeoJsonTable
from hansa.ingest.wire_geopackage_1_4 import SIGNATURE, GeoPackageTables

CSV, GEOJSON = "text/csv", "application/geo+json"
GEOPACKAGE, CITYJSON = "application/geopackage+sqlite3", "application/city+json"
CITYJSONSEQ = "application/city+json-seq"

Rows = Callable[[Layer], Iterator[Row | Rejection]]

_REFUSED = (
    (b"PK\x03\x04", "a zip archive, perhaps a spreadsheet or shapefile",
     "Unpack it, or save the table as CSV (UTF-8) and features as GeoPackage or GeoJSON."),
    (b"\xd0\xcf\x11\xe0", "an old spreadsheet", "Save the table as CSV (UTF-8)."),
    (b"%PDF", "a PDF", "Ask for the table behind it."),
    (b"<", "XML or HTML", "Save the data as CSV, GeoJSON or GeoPackage."),
    (b"PAR1", "Parquet", "Save the data as CSV, GeoJSON or GeoPackage."),
)  # fmt: skip


class Source:
    """A file that was recognised. Rows can be read as often as needed.

    `written` tells how: for CSV the encoding and the delimiter.
    """

    def __init__(
        self,
        name: str,
        media_type: str,
        layers: tuple[Layer, ...],
        rows: Rows,
        content: Content,
        written: dict[str, str] | None = None,
    ) -> None:
        self.name = name
        self.media_type = media_type
        self.layers = layers
        self.size_bytes = content.size_bytes
        self.share = content.share
        self.written = written or {}
        self._rows = rows

    def layer(self, name: str = "") -> Layer:
        """Give a layer, the first without a name; HansaError invalid_field lists the names."""
        if not name:
            return self.layers[0]
        for layer in self.layers:
            if layer.name == name:
                return layer
        names = ", ".join(layer.name for layer in self.layers[:20])
        raise bad_mapping("layer", f"{self.name} has no layer {name!r}.", f"It has {names}.")

    def rows(self, name: str = "") -> Iterator[Row | Rejection]:
        """Give the rows of a layer, and a rejection for each line that is none."""
        return self._rows(self.layer(name))


def read_source(source: Path | bytes, name: str, media_type: str | None = None) -> Source:
    """Recognise a file by its first bytes; `media_type` and `name` decide what these leave open.

    CSV, GeoJSON, GeoPackage, CityJSON and CityJSONSeq, each also gzipped; at most 200 MB, also
    expanded. HansaError unsupported_media_type, invalid_request or body_too_large says what to do.
    """
    content = Content(source)
    head = content.head
    for signature, what, next_step in _REFUSED:
        if head.lstrip()[: len(signature)] == signature:
            raise unsupported(f"{name} is {what}.", next_step)
    if head.startswith(SIGNATURE):
        tables = GeoPackageTables(content)
        return Source(name, GEOPACKAGE, tables.layers, tables.rows, content)
    if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"["):
        return _json_source(content, name)
    if media_type and media_type.partition(";")[0] in (GEOJSON, CITYJSON, CITYJSONSEQ, GEOPACKAGE):
        raise unreadable(
            f"{name} is not the {media_type} that it is said to be.", "Check the file."
        )
    table = CsvTable(content)
    return Source(
        name,
        CSV,
        (table.layer(),),
        lambda _: table.rows(),
        content,
        {"encoding": table.encoding, "delimiter": table.delimiter},
    )


class _Typed(msgspec.Struct):
    type: str = ""


def _json_source(content: Content, name: str) -> Source:
    first = content.head.split(b"\n", 1)[0]
    kind = _type_of(first)
    rest = content.head[len(first) :].strip()
    sequence = kind == "CityJSON" and bool(rest)
    if kind is None:
        kind = _type_of(content.read())
    if kind in ("CityJSON", "CityJSONFeature"):
        if kind == "CityJSONFeature":
            raise unreadable(
                "The sequence has no header.", "Its first line must be the CityJSON object."
            )
        model = CityModel(content, sequence=sequence)
        media_type = CITYJSONSEQ if sequence else CITYJSON
        return Source(name, media_type, model.layers, model.rows, content)
    table = GeoJsonTable(content)
    return Source(name, GEOJSON, (table.layer(),), lambda _: table.rows(), content)


def _type_of(text: bytes) -> str | None:
    try:
        return msgspec.json.decode(text, type=_Typed).type
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
