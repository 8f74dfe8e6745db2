"""One pass over a file: rows to entities with history; bad rows set aside, each with its reason.

A row is taken whole or not at all: when one of its cells is wrong, all its faults are listed and
nothing of it is used. The first of two rows for the same entity, attribute and instant counts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from hansa.ingest.attributes import PivotReader, column_maker
from hansa.ingest.errors import too_large
from hansa.ingest.geometry import bounds_of
from hansa.ingest.locations import Positions, locator
from hansa.ingest.model import (
    REJECTIONS_LISTED_MAX,
    ROWS_MAX,
    CellError,
    Instance,
    Json,
    Kind,
    Layer,
    Mapping,
    OnProgress,
    Progress,
    Reason,
    Rejection,
    Row,
    Summary,
)
from hansa.ingest.naming import local_id
from hansa.ingest.series import Series
from hansa.ingest.source import Source
from hansa.ingest.times import TimeReader, join_cells
from hansa.ingest.values import shown, text_reader
from hansa.kernel import iso

_PROGRESS_ROWS = 5_000
_TEMPLATE = re.compile(r"\{([^{}]+)\}")
_text = text_reader("id", ("",))


def moves(mapping: Mapping) -> bool:
    """Say whether the location changes with time and so has a history."""
    return mapping.geometry.moving and mapping.observed_at is not None


class Reading:
    """What one row says: entity, instant, attributes that change with time and those that don't."""

    __slots__ = ("at", "fixed", "key", "location", "observed")

    def __init__(self) -> None:
        self.key = ""
        self.at: datetime | None = None
        self.fixed: dict[str, Json] = {}
        self.observed: dict[str, Json] = {}
        self.location: Json | None = None


class RowReader:
    """Reads one row by a mapping that was checked."""

    def __init__(self, mapping: Mapping, layer: Layer, positions: Positions) -> None:
        self._mapping = mapping
        self._id_parts = _TEMPLATE.split(mapping.id)
        spec = mapping.observed_at
        self._time = TimeReader(spec) if spec else None
        self._time_columns = spec.columns if spec else ()
        self._locate = locator(mapping.geometry, layer.crs, positions)
        self._moving = moves(mapping)
        self._pivot = PivotReader(mapping.pivot) if mapping.pivot else None
        makers = [
            (
                column.column,
                column.attribute,
                column_maker(column, mapping.geometry, layer.crs),
                spec is None or column.fixed,
            )
            for column in mapping.columns
            if column.kind is not Kind.ignore
        ]
        self._makers = makers

    def read(self, row: Row, number: int, faults: list[CellError]) -> Reading:
        """Give what a row says; every fault in it is added to `faults`."""
        reading = Reading()
        values = row.values
        try:
            reading.key = self._key(values, number)
            series: Any = reading.key
            if self._pivot is not None:
                name, body = self._pivot.read(values)
                (reading.observed if self._time else reading.fixed)[name] = body
                series = (reading.key, name)
            if self._time is not None:
                reading.at = self._time.read(join_cells(values, self._time_columns), series)
        except CellError as fault:
            faults.append(fault)
        for column, attribute, make, fixed in self._makers:
            try:
                made = make(values.get(column))
            except CellError as fault:
                faults.append(fault)
                continue
            if made is not None:
                (reading.fixed if fixed else reading.observed)[attribute] = made
        if self._locate is not None:
            try:
                reading.location = self._locate(row)
            except CellError as fault:
                faults.append(fault)
        if self._moving and reading.location is not None:
            place: Json = {"type": "GeoProperty", "value": reading.location}
            reading.observed[self._mapping.geometry.attribute] = place
        return reading

    def _key(self, values: Json, number: int) -> str:
        parts = self._id_parts
        if len(parts) == 1:
            return parts[0]
        out = [parts[0]]
        for column, literal in zip(parts[1::2], parts[2::2], strict=True):
            cell = str(number) if column == "#" else _text(values.get(column))
            if cell is None:
                raise CellError(Reason.id_missing, column, "the row does not say which thing it is")
            out.append(cell)
            out.append(literal)
        return "".join(out)


class _State:
    """One entity as far as it is known."""

    __slots__ = ("at", "fixed", "key", "location", "newest", "series")

    def __init__(self, key: str) -> None:
        self.key = key
        self.at: datetime | None = None
        self.fixed: dict[str, Json] = {}
        self.newest: dict[str, tuple[datetime, Json]] = {}
        self.series: dict[str, Series] = {}
        self.location: Json | None = None


class Pass:
    """The state of one pass. `run` gives the history; afterwards `entities` and `summary`."""

    def __init__(
        self,
        mapping: Mapping,
        source: Source,
        *,
        dataset: str,
        positions: Positions,
        progress: OnProgress | None = None,
        rows_max: int | None = None,
    ) -> None:
        self._mapping = mapping
        self._source = source
        self._layer = source.layer(mapping.layer)
        self._prefix = f"urn:ngsi-ld:{mapping.entity_type}:{dataset}:"
        self._reader = RowReader(mapping, self._layer, positions)
        self._progress = progress
        self._rows_max = rows_max
        self._moving = moves(mapping)
        self._states: dict[str, _State] = {}
        self._rejected_by: Counter[str] = Counter()
        self._rejected = self._rows = self._instances = 0
        self._bbox: list[float] | None = None
        self._start: datetime | None = None
        self._end: datetime | None = None
        self.rejections: list[Rejection] = []

    def run(self) -> Iterator[Instance]:
        """Read all rows; give each observed instance once, in the order of the file."""
        for item in islice(self._source.rows(self._layer.name), self._rows_max):
            self._rows += 1
            if self._rows > ROWS_MAX:
                raise too_large("its rows", f"{ROWS_MAX:,} rows", "Part it and publish each.")
            if isinstance(item, Rejection):
                self._set_aside(item)
            else:
                yield from self._take(item)
            if self._progress is not None and self._rows % _PROGRESS_ROWS == 0:
                self._progress(Progress(self._rows, self._share()))
        if self._progress is not None:
            self._progress(Progress(self._rows, 1.0))

    def _take(self, row: Row) -> Iterator[Instance]:
        faults: list[CellError] = []
        reading = self._reader.read(row, self._rows, faults)
        entity_id = self._prefix + local_id(reading.key)
        state = self._states.get(entity_id)
        if not faults:
            fault = self._clash(state, reading)
            if fault is not None:
                faults.append(fault)
        if faults:
            self._set_aside(*(_rejection(row.line, fault) for fault in faults))
            return
        if state is None:
            state = self._states[entity_id] = _State(reading.key)
        self._describe(state, reading)
        at = reading.at
        if at is None:
            return
        self._start = at if self._start is None or at < self._start else self._start
        self._end = at if self._end is None or at > self._end else self._end
        stamp = iso(at)
        for name, body in reading.observed.items():
            body["observedAt"] = stamp
            series = state.series.get(name)
            if series is None:
                series = state.series[name] = Series()
            series.add(at)
            known = state.newest.get(name)
            if known is None or at > known[0]:
                state.newest[name] = (at, body)
            self._instances += 1
            yield Instance(entity_id, self._mapping.entity_type, name, body)

    def _clash(self, state: _State | None, reading: Reading) -> CellError | None:
        """Say why a readable row is not taken: nothing in it, said before, or two ids in one."""
        if reading.at is not None and not reading.observed:
            return CellError(Reason.value_missing, "", "the row has a time but no value")
        if state is None:
            return None
        if state.key != reading.key:
            return CellError(
                Reason.id_collision,
                "id",
                f"its id would be that of {state.key!r}; choose another id column",
                reading.key,
            )
        at = reading.at
        if at is None:
            known = state.fixed.keys() & reading.fixed.keys() if self._mapping.pivot else True
        else:
            known = any(at in state.series[name] for name in reading.observed.keys() & state.series)
        if not known:
            return None
        when = "" if at is None else f" at {iso(at)}"
        return CellError(
            Reason.duplicate,
            "",
            f"{reading.key!r} stood already{when} in an earlier row; the first one counts",
            reading.key,
        )

    def _describe(self, state: _State, reading: Reading) -> None:
        """Keep what does not change with time: of several rows the newest counts."""
        newest = state.at is None or (reading.at is not None and reading.at >= state.at)
        if newest:
            state.fixed.update(reading.fixed)
            state.at = reading.at
        else:
            for name, body in reading.fixed.items():
                state.fixed.setdefault(name, body)
        if reading.location is None or reading.location is state.location:
            return
        if newest or state.location is None:
            state.location = reading.location
        self._stretch(reading.location)

    def _stretch(self, location: Json) -> None:
        west, south, east, north = bounds_of(location)
        box = self._bbox
        if box is None:
            self._bbox = [west, south, east, north]
            return
        box[0], box[1] = min(box[0], west), min(box[1], south)
        box[2], box[3] = max(box[2], east), max(box[3], north)

    def _set_aside(self, *rejections: Rejection) -> None:
        self._rejected += 1
        for rejection in rejections:
            self._rejected_by[rejection.code.value] += 1
            if len(self.rejections) < REJECTIONS_LISTED_MAX:
                self.rejections.append(rejection)

    def _share(self) -> float | None:
        if self._layer.rows:
            return min(1.0, self._rows / self._layer.rows)
        return self._source.share()

    def entities(self) -> Iterator[Json]:
        """Give each entity with its newest values, in the order in which they came."""
        mapping = self._mapping
        for entity_id, state in self._states.items():
            entity: Json = {"id": entity_id, "type": mapping.entity_type}
            if state.location is not None and not self._moving:
                entity[mapping.geometry.attribute] = {
                    "type": "GeoProperty",
                    "value": state.location,
                }
            entity.update(state.fixed)
            entity.update((name, body) for name, (_, body) in state.newest.items())
            for constant in mapping.constants:
                entity[constant.attribute] = {"type": "Property", "value": constant.value}
            yield entity

    def summary(self) -> Summary:
        """Count what came of the file; complete after `run`."""
        box = self._bbox
        return Summary(
            rows=self._rows,
            accepted=self._rows - self._rejected,
            rejected=self._rejected,
            rejected_by=dict(self._rejected_by),
            entities=len(self._states),
            instances=self._instances,
            id_prefix=self._prefix,
            bbox=(box[0], box[1], box[2], box[3]) if box else None,
            start=self._start,
            end=self._end,
        )


def _rejection(line: int, fault: CellError) -> Rejection:
    return Rejection(
        line=line,
        field=fault.field,
        code=fault.code,
        reason=fault.text,
        raw=shown(fault.raw) if fault.raw is not None else "",
    )
