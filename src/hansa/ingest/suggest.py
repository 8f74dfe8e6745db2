"""Suggests a mapping from names, units in headers and a sample of the rows. A person decides.

What cannot be known is not guessed but said in `notes`: a missing zone, a missing CRS, dates whose
order of day and month is open.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import islice
from typing import Any

from hansa.ingest.model import (
    Column,
    Geometry,
    Json,
    Kind,
    Layer,
    Mapping,
    ObservedAt,
    Parameter,
    Pivot,
    Row,
    ValueType,
)
from hansa.ingest.naming import attribute_name, distinct, type_name, words_of
from hansa.ingest.recognise import Facts, recognise
from hansa.ingest.source import Source
from hansa.ingest.suggest_place import suggest_geometry
from hansa.ingest.units import unit_of

SAMPLE_ROWS, SAMPLE_SHAPES = 2_000, 300
PARAMETER_ROWS = 100_000
_PARAMETERS_MAX = 200

_TIME_NAMES = frozenset(
    "time timestamp date datetime zeit zeitpunkt zeitstempel datum tijd tijdstip fecha hora heure "
    "dateobserved observedat datetimeutc dateutc timeutc utc observationtime".split()
)
_ID_NAMES = (
    "id", "identifier", "identificatie", "uid", "uuid", "gid", "fid", "objectid", "lokaalid",
    "code", "ref", "key", "nr", "number", "nummer", "station", "sensor", "device", "meter", "site",
    "location", "name",
)  # fmt: skip
_PARAMETER_NAMES = frozenset(
    "parameter variable indicator pollutant measure measurand metric component property phenomenon "
    "quantity observable".split()
)
_VALUE_NAMES = frozenset("value values wert waarde valor valeur measurement result reading".split())
_UNIT_NAMES = frozenset("unit units einheit eenheid unidad uom".split())
_LAYER_TYPES = {
    "building": "Building",
    "buildings": "Building",
    "street": "RoadSegment",
    "streets": "RoadSegment",
    "road": "RoadSegment",
    "roads": "RoadSegment",
}
_AIR = frozenset("no no2 nox o3 so2 co pm1 pm10 pm25 c6h6 nh3".split())


def suggest_mapping(source: Source, *, layer: str = "", places: Source | None = None) -> Mapping:
    """Suggest how a layer of a source becomes entities; `places` is a second file with positions.

    Looks at the first 2,000 rows (300 with geometry), and for the parameters of a long table at
    the first 100,000.
    """
    return _Suggestion(source, source.layer(layer), places).mapping()


class _Suggestion:
    def __init__(self, source: Source, layer: Layer, places: Source | None) -> None:
        self._source = source
        self._layer = layer
        count = SAMPLE_ROWS if layer.geometry is None else SAMPLE_SHAPES
        self._rows = [row for row in islice(source.rows(layer.name), count) if isinstance(row, Row)]
        self._facts = {
            column: recognise(column, [row.values.get(column) for row in self._rows])
            for column in layer.columns
        }
        self._notes: list[str] = []
        self._taken: set[str] = set()
        self._used: set[str] = set()
        self._places = places

    def mapping(self) -> Mapping:
        """Suggest part by part: place, long table, time, id, then what columns are left."""
        found = suggest_geometry(
            self._source, self._layer, self._facts, self._rows, self._places, self._notes
        )
        geometry = found.geometry
        self._used |= found.columns
        if geometry.kind == "none":
            self._notes.append(
                "Nothing says where this is: to show it on a map, make geometry.kind `point` and "
                "write geometry.point as [longitude, latitude]."
            )
        if geometry.kind != "none":
            self._taken.add(geometry.attribute)
        pivot = self._pivot()
        observed_at = self._observed_at(geometry, pivot)
        template, id_column = self._id(observed_at)
        columns = tuple(self._columns(observed_at, id_column))
        return Mapping(
            entity_type=self._entity_type(columns, pivot),
            id=template,
            title=_title(self._source.name, self._layer),
            layer=self._layer.name if len(self._source.layers) > 1 else "",
            columns=columns,
            geometry=self._mark_moving(geometry, observed_at, id_column),
            observed_at=observed_at,
            pivot=pivot,
            notes=tuple(self._notes),
        )

    def _named(self, names: frozenset[str], *, kinds: frozenset[str] | None = None) -> str | None:
        for column, facts in self._facts.items():
            fits = kinds is None or facts.kind in kinds
            if fits and column not in self._used and "".join(facts.words) in names:
                return column
        return None

    def _pivot(self) -> Pivot | None:
        """Recognise a long table: a parameter column beside a value column."""
        parameter = self._named(_PARAMETER_NAMES, kinds=frozenset({"text"}))
        value = self._named(_VALUE_NAMES, kinds=frozenset({"number"}))
        if parameter is None or value is None:
            return None
        unit = self._named(_UNIT_NAMES, kinds=frozenset({"text"}))
        self._used |= {parameter, value} | ({unit} if unit else set())
        units: dict[str, str | None] = {}
        for row in islice(self._source.rows(self._layer.name), PARAMETER_ROWS):
            if isinstance(row, Row):
                name = str(row.values.get(parameter) or "").strip()
                if name and name not in units and len(units) < _PARAMETERS_MAX:
                    units[name] = str(row.values.get(unit) or "").strip() if unit else None
        facts = self._facts[value]
        return Pivot(
            parameter=parameter,
            value=value,
            unit=unit,
            parameters=tuple(self._parameter(name, text) for name, text in units.items()),
            decimal=facts.decimal,
            thousands=facts.thousands,
        )

    def _parameter(self, name: str, unit_text: str | None) -> Parameter:
        unit = unit_of(unit_text) if unit_text else None
        if unit_text and unit is None:
            self._notes.append(f"The unit {unit_text!r} of {name} is not known: write its code.")
        return Parameter(
            value=name,
            attribute=distinct(_known_name(name), self._taken),
            unit_code=unit.code if unit else None,
            unit=unit.symbol if unit else None,
        )

    def _observed_at(self, geometry: Geometry, pivot: Pivot | None) -> ObservedAt | None:
        """Find the time of the rows: a column of times with a name that says so."""
        times = [
            column
            for column, facts in self._facts.items()
            if facts.kind == "time"
            and column not in self._used
            and ("".join(facts.words) in _TIME_NAMES or _TIME_NAMES & set(facts.words))
        ]
        if not times or (geometry.kind == "feature" and self._layer.geometry != "Point"):
            return None
        exact = [column for column in times if "".join(self._facts[column].words) in _TIME_NAMES]
        column = (exact or times)[0]
        facts = self._facts[column]
        columns: tuple[str, ...] = (column,)
        pattern = facts.time_format
        clock = next((c for c, f in self._facts.items() if f.kind == "clock"), None)
        if clock is not None and _is_date_only(facts):
            columns = (column, clock)
            seconds = all(text.count(":") == 2 for text in self._facts[clock].texts)
            day = "%Y-%m-%d" if pattern == "iso" else pattern
            pattern = f"{day} %H:%M:%S" if seconds else f"{day} %H:%M"
        self._used.update(columns)
        zone = "UTC" if not facts.has_offset and "utc" in facts.words else ""
        if not facts.has_offset and not zone:
            self._notes.append(
                f"The times in {column!r} carry no zone: write the zone of local times under "
                "observed_at.zone, for example Europe/Amsterdam."
            )
        if facts.either_order:
            self._notes.append(
                f"Day and month in {column!r} could stand in either order; the day is taken to be "
                "first."
            )
        return ObservedAt(columns=columns, format=pattern, zone=zone)

    def _id(self, observed_at: ObservedAt | None) -> tuple[str, str | None]:
        """Find what names the thing: a column, the row's number, or the file itself."""
        column = self._id_column(observed_at)
        if column is not None:
            self._used.add(column)
            return f"{{{column}}}", column
        if observed_at is not None:
            return "-".join(word.lower() for word in words_of(type_name(self._source.name))), None
        self._notes.append(
            "No column names the things, so they are numbered by row: publish the file again in "
            "the same order, or choose a column for `id`."
        )
        return "{#}", None

    def _id_column(self, observed_at: ObservedAt | None) -> str | None:
        """Give the best column for the id: by its name, and by how often its cells differ.

        In a time series the id comes again and again; a number of the row is none. A file with
        one time for all is no series.
        """
        ranked = sorted(
            (rank, column)
            for column, facts in self._facts.items()
            if column not in self._used and (rank := self._rank(facts)) is not None
        )
        count = len(self._rows)
        if observed_at is not None:
            for _, column in ranked:
                if self._facts[column].distinct < count:
                    return column
            if self._facts[observed_at.columns[0]].distinct == count:
                return None
        for _, column in ranked:
            distinct_count = self._facts[column].distinct
            if distinct_count >= 0.8 * count:
                if distinct_count < count:
                    self._notes.append(
                        f"{count - distinct_count} of the first {count} rows repeat a "
                        f"{column!r}: they are set aside, the first of each counts."
                    )
                return column
        return None

    def _rank(self, facts: Facts) -> int | None:
        """Rank a column for an id; None when its cells could not be one."""
        texts = facts.texts
        if facts.kind not in ("text", "number") or not texts or len(texts) < len(self._rows):
            return None
        if facts.kind == "number" and (facts.unit or any("." in text for text in texts)):
            return None
        return _id_rank(facts)

    def _columns(self, observed_at: ObservedAt | None, id_column: str | None) -> Any:
        for column, facts in self._facts.items():
            if column not in self._used:
                yield self._column(facts, observed_at, id_column)

    def _column(
        self, facts: Facts, observed_at: ObservedAt | None, id_column: str | None
    ) -> Column:
        if facts.kind in ("empty", "nested"):
            return Column(column=facts.header, kind=Kind.ignore)
        unit = unit_of(facts.unit) if facts.unit else None
        name = distinct(_known_name(facts.name), self._taken)
        fixed = (
            observed_at is not None
            and facts.kind != "number"
            and self._constant(facts.header, id_column)
        )
        if facts.kind == "time" and not (facts.has_offset or _is_date_only(facts)):
            self._notes.append(
                f"{facts.header!r} holds local times and is kept as text: make it `time` with a "
                "zone to bring it to UTC."
            )
        elif facts.kind == "time":
            return Column(
                column=facts.header,
                kind=Kind.time,
                attribute=name,
                title=facts.name,
                time_format=facts.time_format,
                fixed=fixed,
            )
        if facts.kind == "wkt":
            return Column(
                column=facts.header, kind=Kind.geo, attribute=name, title=facts.name, fixed=fixed
            )
        return Column(
            column=facts.header,
            attribute=name,
            title=facts.name,
            value=_VALUE_TYPES.get(facts.kind, ValueType.text),
            unit_code=unit.code if unit else None,
            unit=unit.symbol if unit else None,
            decimal=facts.decimal,
            thousands=facts.thousands,
            fixed=fixed,
        )

    def _constant(self, column: str, id_column: str | None) -> bool:
        """Say whether a column has one value for each thing in the sample."""
        seen: dict[str, set[str]] = defaultdict(set)
        for row in self._rows:
            key = str(row.values.get(id_column)) if id_column else ""
            seen[key].add(str(row.values.get(column)))
        return all(len(values) == 1 for values in seen.values())

    def _mark_moving(
        self, geometry: Geometry, observed_at: ObservedAt | None, id_column: str | None
    ) -> Geometry:
        if observed_at is None or geometry.kind != "columns":
            return geometry
        moving = not (
            self._constant(geometry.longitude, id_column)
            and self._constant(geometry.latitude, id_column)
        )
        values: Json = {name: getattr(geometry, name) for name in geometry.__struct_fields__}
        return Geometry(**{**values, "moving": moving})

    def _entity_type(self, columns: tuple[Column, ...], pivot: Pivot | None) -> str:
        names = {column.attribute for column in columns}
        names |= {parameter.attribute for parameter in pivot.parameters} if pivot else set()
        if names & _AIR:
            return "AirQualityObserved"
        if self._layer.noun == "object" or self._source.media_type.startswith("application/city"):
            return type_name(self._layer.name)
        if self._layer.name.lower() in _LAYER_TYPES:
            return _LAYER_TYPES[self._layer.name.lower()]
        if len(self._source.layers) > 1:
            return type_name(self._layer.name)
        return type_name(self._source.name)


_KNOWN_NAMES = {"heightaboveground": "height", "groundlevel": "groundElevation"}
_VALUE_TYPES = {"number": ValueType.number, "boolean": ValueType.boolean}


def _known_name(text: str) -> str:
    """Give an attribute name; pollutants as in the Smart Data Model AirQualityObserved."""
    plain = "".join(word.lower() for word in words_of(text))
    return plain if plain in _AIR else _KNOWN_NAMES.get(plain) or attribute_name(text)


def _id_rank(facts: Facts) -> int | None:
    """Rank a column by its name for an id; the lower the better, None for no such name."""
    whole = "".join(facts.words)
    for rank, name in enumerate(_ID_NAMES):
        if whole in (name, f"{name}id", f"id{name}"):
            return rank
    last = facts.words[-1] if facts.words else ""
    if last in _ID_NAMES and last not in ("name", "number"):
        return len(_ID_NAMES) + _ID_NAMES.index(last)
    return None


def _is_date_only(facts: Facts) -> bool:
    return "%H" not in facts.time_format and any(len(text) <= 10 for text in facts.texts)


def _title(name: str, layer: Layer) -> str:
    stem = name.split("/")[-1].split(".")[0]
    text = " ".join(words_of(stem)).strip() or "Data"
    title = text[:1].upper() + text[1:]
    return f"{title}: {layer.name}" if layer.name not in ("table", "features") else title
