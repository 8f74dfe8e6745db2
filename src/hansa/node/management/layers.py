"""Read the entities of a map layer, own or received, as GeoJSON features; now or at an instant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from hansa.broker import SIMPLIFIED, Query, Slice
from hansa.catalogue import Attribute, Dataset, RemoteDataset
from hansa.kernel import Code, HansaError, iso, parse_instant
from hansa.kernel.jsonld import compact_ngsi_ld_name
from hansa.node.management import answers
from hansa.node.participant import Participant
from hansa.policy import Scope

Json = dict[str, Any]
STEP = timedelta(minutes=15)
HOLDS_MAX = timedelta(hours=1)
ENTITIES_MAX = 5_000
_PAGE = 1_000
_PREFERRED = ("power", "no2", "pm25", "pm10", "flow", "waterflow", "level", "value")
_NOT_SHOWN = frozenset({"id", "type", "location", "@context", "scope"})


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset on the map. `transfer_id` is set for a received one.

    `counted` when the agreement permits a number of uses: then a person decides about each.
    """

    id: str
    dataset: Dataset | RemoteDataset
    transfer_id: str | None = None
    counted: bool = False

    @property
    def measured(self) -> Attribute | None:
        """Give the attribute that colours the layer: of observed data the first with a unit.

        A dataset without observed time, such as buildings, is ground: it is drawn muted.
        """
        if self.dataset.temporal is None:
            return None
        units = [a for a in self.dataset.attributes if a.unit and a.kind == "Property"]
        for wanted in _PREFERRED:
            for attribute in units:
                if attribute.name.lower().startswith(wanted):
                    return attribute
        return units[0] if units else None


async def features(
    p: Participant, layer: Layer, at: datetime | None, *, most: int = ENTITIES_MAX
) -> list[Json]:
    """Give the features of a layer; with `at`, measured values that hold in that quarter-hour.

    HansaError as the provider refuses for a received layer.
    """
    entities = await _entities(p, layer, most)
    attribute = layer.measured
    if at is not None and attribute is not None:
        values = await _values_at(p, layer, attribute.name, at)
        for entity in entities:
            if attribute.name in entity or entity["id"] in values:
                entity[attribute.name] = values.get(entity["id"])
    return [feature for entity in entities if (feature := _feature(entity)) is not None]


def _feature(entity: Json) -> Json | None:
    geometry = entity.get("location")
    if not isinstance(geometry, dict) or "coordinates" not in geometry:
        return None
    properties = {name: value for name, value in entity.items() if name not in _NOT_SHOWN}
    return {
        "type": "Feature",
        "id": entity["id"],
        "geometry": geometry,
        "properties": {"id": entity["id"], "type": entity.get("type"), **properties},
    }


async def _entities(p: Participant, layer: Layer, most: int) -> list[Json]:
    if layer.transfer_id is None:
        assert isinstance(layer.dataset, Dataset), "an own layer has an own dataset"
        scope = Scope(permits=(layer.dataset.selection.cut(),))
        found: list[Json] = []
        after: str | None = None
        while len(found) < ENTITIES_MAX:
            page = await p.broker.query(scope, Query(), Slice(limit=_PAGE, after=after), SIMPLIFIED)
            found += [msgspec.json.decode(item) for item in page.items]
            after = page.next
            if after is None:
                break
        return found
    found, size = [], min(_PAGE, most)
    while len(found) < most:
        query = {"limit": size, "offset": len(found), "options": "keyValues"}
        batch = await _fetch(p, layer, "entities", query)
        found += batch
        if len(batch) < size:
            break
    return found


async def entity(p: Participant, layer: Layer, entity_id: str) -> Json | None:
    """Give one entity of a layer, normalized, or None."""
    if layer.transfer_id is None:
        assert isinstance(layer.dataset, Dataset), "an own layer has an own dataset"
        scope = Scope(permits=(layer.dataset.selection.cut(),))
        found: Json = msgspec.json.decode(await p.broker.retrieve(scope, entity_id))
        return found
    path = f"entities/{quote(entity_id, safe=':')}"
    answer = await p.consumer.fetch(
        layer.transfer_id, path, "options=sysAttrs", {"Accept": "application/json"}
    )
    if answer.status != 200:
        return None
    return next(iter(answers.entities([answers.decoded(answer.body)])), None)


async def _values_at(p: Participant, layer: Layer, name: str, at: datetime) -> dict[str, Any]:
    return holding(await history(p, layer, name, at - HOLDS_MAX, at + STEP, None), at)


def holding(rows: dict[str, list[tuple[str, Any]]], at: datetime) -> dict[str, Any]:
    """Give what holds in the quarter-hour from `at`: hourly values for an hour, others a quarter.

    How often a layer is measured is read from its instants, so that a gap stays a gap.
    """
    instants = sorted({parse_instant(instant) for points in rows.values() for instant, _ in points})
    steps = [later - earlier for earlier, later in pairwise(instants)]
    holds = max(min(steps, default=HOLDS_MAX), STEP)
    values: dict[str, Any] = {}
    for identifier, points in rows.items():
        if points and parse_instant(points[-1][0]) > at - holds:
            values[identifier] = points[-1][1]
    return values


async def history(
    p: Participant,
    layer: Layer,
    name: str,
    start: datetime,
    end: datetime,
    entity: str | None,
) -> dict[str, list[tuple[str, Any]]]:
    """Give (instant, value) pairs of an attribute by entity, in [start, end), oldest first."""
    query: Json = {
        "timerel": "between",
        "timeAt": iso(start),
        "endTimeAt": iso(end),
        "attrs": name,
        "options": "temporalValues",
        "limit": _PAGE,
    }
    if entity is not None:
        query["id"] = entity
    if layer.transfer_id is not None:
        found = await _fetch(p, layer, "temporal/entities", query)
    else:
        assert isinstance(layer.dataset, Dataset), "an own layer has an own dataset"
        scope = Scope(permits=(layer.dataset.selection.cut(),))
        found = await p.temporal(scope, name, start, end, entity)
    return {item["id"]: answers.points(item.get(name)) for item in found}


async def _fetch(p: Participant, layer: Layer, path: str, query: Json) -> list[Json]:
    assert layer.transfer_id is not None, "an own layer is not fetched"
    types = ",".join(compact_ngsi_ld_name(name) for name in layer.dataset.types)
    asked = {"type": types, **query} if types else query
    answer = await p.consumer.fetch(
        layer.transfer_id, path, urlencode(asked), {"Accept": "application/json"}
    )
    if answer.status not in (200, 206):
        raise refused(answer.status, answer.body)
    return answers.entities(answers.decoded(answer.body))


def refused(status: int, body: bytes) -> HansaError:
    """Give the provider's refusal as an error of ours."""
    try:
        problem = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        problem = {}
    return HansaError(
        Code.counterparty_refused,
        str(problem.get("title") or "The provider refuses."),
        str(problem.get("detail") or f"It answered {status}."),
        reason=problem.get("code"),
        provider_status=status,
    )


def box(collections: Iterable[Sequence[float] | None]) -> list[float] | None:
    """Give the box around boxes (west, south, east, north)."""
    boxes = [b for b in collections if b]
    if not boxes:
        return None
    return [
        min(b[0] for b in boxes),
        min(b[1] for b in boxes),
        max(b[2] for b in boxes),
        max(b[3] for b in boxes),
    ]
