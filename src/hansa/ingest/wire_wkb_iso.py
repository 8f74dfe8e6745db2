"""Well-known binary (ISO 13249-3, OGC 06-103r4 8.2) to GeoJSON geometries.

Read here and not by GEOS, because its reader follows nested collections without a bound: a file
made for the purpose ends the process. Only the six simple kinds are read, never a collection.
"""

from __future__ import annotations

import math
import struct
from typing import Any

from hansa.ingest.model import POSITIONS_MAX, CellError, Json, Reason

_KINDS = {
    1: "Point",
    2: "LineString",
    3: "Polygon",
    4: "MultiPoint",
    5: "MultiLineString",
    6: "MultiPolygon",
}
_EWKB_Z, _EWKB_M, _EWKB_SRID = 0x80000000, 0x40000000, 0x20000000
_PART_OF = {4: 1, 5: 2, 6: 3}


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._positions = 0

    def geometry(self, expected: int | None = None) -> tuple[int, Any]:
        """Read one geometry: its kind and coordinates; `expected` is the kind of a part."""
        mark = "<" if self._data[self._at] else ">"
        (code,) = struct.unpack_from(f"{mark}I", self._data, self._at + 1)
        self._at += 5
        size = 2 + bool(code & _EWKB_Z) + bool(code & _EWKB_M)
        if code & _EWKB_SRID:
            self._at += 4
        thousands, kind = divmod(code & 0xFFFF, 1000)
        size += (0, 1, 1, 2)[thousands]
        if kind not in _KINDS or (expected is not None and kind != expected):
            raise KeyError(kind)
        if kind == 1:
            return kind, self._run(mark, size, 1)[0]
        if kind == 2:
            return kind, self._run(mark, size, self._count(mark))
        if kind == 3:
            rings = self._count(mark)
            return kind, [self._run(mark, size, self._count(mark)) for _ in range(rings)]
        parts = self._count(mark)
        return kind, [self.geometry(_PART_OF[kind])[1] for _ in range(parts)]

    def _count(self, mark: str) -> int:
        (count,) = struct.unpack_from(f"{mark}I", self._data, self._at)
        self._at += 4
        self._positions += int(count)
        if self._positions > POSITIONS_MAX:
            raise OverflowError
        return int(count)

    def _run(self, mark: str, size: int, count: int) -> list[list[float]]:
        numbers = struct.unpack_from(f"{mark}{size * count}d", self._data, self._at)
        self._at += 8 * size * count
        return [[numbers[i], numbers[i + 1]] for i in range(0, len(numbers), size)]


def read_wkb(data: bytes, field: str) -> Json | None:
    """Read a geometry, heights left out; None when it is empty. `CellError` when it is damaged."""
    try:
        kind, coordinates = _Reader(data).geometry()
    except KeyError as error:
        raise CellError(
            Reason.geometry_kind, field, f"kind {error} is no point, line or polygon"
        ) from None
    except OverflowError:
        raise CellError(
            Reason.geometry_too_large, field, f"more than {POSITIONS_MAX:,} positions"
        ) from None
    except (struct.error, IndexError, ValueError):
        raise CellError(Reason.geometry_invalid, field, "the geometry is damaged") from None
    empty = math.isnan(coordinates[0]) if kind == 1 else not coordinates
    return None if empty else {"type": _KINDS[kind], "coordinates": coordinates}
