"""The map, samples and histories: own data and what was received, side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from hansa.catalogue import Attribute, Dataset, RemoteDataset
from hansa.exchange import Role
from hansa.identity import Caller
from hansa.kernel import Code, HansaError, iso, parse_instant
from hansa.node.management import layers as reading
from hansa.node.management.access import Access, Json
from hansa.node.management.layers import STEP, Layer
from hansa.node.participant import Participant
from hansa.policy import count_limit

_SPAN = timedelta(hours=24)
_SPAN_MAX = timedelta(days=10 * 365)
_SAMPLE = 20
_LIST_MAX = 200
_HISTORY = timedelta(days=2)
_COUNTED = "Each reading is one of the uses that were agreed: nothing is read by itself."


class Map(Access):
    """The map of a city, and looks into single datasets and entities."""

    async def map_layers(self, caller: Caller, participant: str) -> Json:
        """Give the layers with their GeoJSON addresses, the time span and the tile setting."""
        p = self.participant(caller, participant)
        drawn = await self._layers(p)
        views = await asyncio.gather(*(self._layer_view(p, layer) for layer in drawn))
        now = self.host.clock.now()
        last = _quarter(now)
        tiles = self.host.settings.map
        sources = [view["attribution"] for view in views if view["attribution"]]
        return {
            "bbox": reading.box(view.pop("bbox") for view in views),
            "attribution": _whole(sources),
            "layers": views,
            "tiles": {"url": tiles.tiles_url, "attribution": tiles.tiles_attribution}
            if tiles.tiles_url
            else None,
            "time": {"start": iso(_first(drawn, last)), "end": iso(last), "step_s": 900},
        }

    async def layer_features(
        self, caller: Caller, participant: str, layer_id: str, *, at: str | None
    ) -> tuple[int, bytes]:
        """Give a layer as a GeoJSON FeatureCollection, now or at an instant."""
        p = self.participant(caller, participant)
        instant = _instant(at)
        features = await reading.features(p, await self._layer(p, layer_id), instant)
        return 200, msgspec.json.encode({"type": "FeatureCollection", "features": features})

    async def layer_history(
        self, caller: Caller, participant: str, layer_id: str, entity: str
    ) -> Json:
        """Give the course of the layer's attribute, of one entity or as a mean of all."""
        p = self.participant(caller, participant)
        layer = await self._layer(p, layer_id)
        return await self._course(p, layer, layer.measured, entity or None)

    async def sample(
        self, caller: Caller, participant: str, dataset_id: str, *, read: bool = False
    ) -> Json:
        """Give a real sample of a dataset, as far as it may be seen from here.

        Where each reading counts as a use (`counted`), nothing is read unless `read` says so.
        """
        p = self.participant(caller, participant)
        layer = await self._layer_of(p, dataset_id)
        measured = layer.measured if layer is not None else None
        name = measured.name if measured else None
        counted = layer is not None and layer.counted
        nothing: Json = {
            **{"rows": [], "geojson": None, "total": None, "measured": name, "counted": counted}
        }
        if layer is not None and counted and not read:
            return {**nothing, "reason": _COUNTED}
        if layer is None:
            return {**nothing, "reason": "No agreement yet: the provider shows no sample."}
        try:
            most = _SAMPLE if counted else reading.ENTITIES_MAX  # one page is one use
            features = await reading.features(p, layer, None, most=most)
        except HansaError as error:
            return {**nothing, "reason": error.title}
        rows = [
            {
                "id": f["id"],
                "type": f["properties"]["type"],
                "values": {
                    name: value
                    for name, value in f["properties"].items()
                    if name not in ("id", "type")
                },
            }
            for f in features[:_SAMPLE]
        ]
        collection = {"type": "FeatureCollection", "features": features[:2_000]}
        return {
            **nothing,
            "rows": rows,
            "geojson": collection,
            "total": len(features),
            "reason": None,
        }

    async def history(
        self, caller: Caller, participant: str, dataset_id: str, attribute: str
    ) -> Json:
        """Give the course of one attribute of a dataset, as the mean of its entities.

        Not of one whose every reading counts as a use: HansaError not_found.
        """
        p = self.participant(caller, participant)
        layer = await self._layer_of(p, dataset_id)
        if layer is None or layer.counted:
            raise HansaError(Code.not_found, "There is no history of this dataset here.")
        wanted = next((a for a in layer.dataset.attributes if a.name == attribute), None)
        return await self._course(p, layer, wanted or layer.measured, None)

    async def entity(self, caller: Caller, participant: str, entity_id: str) -> Json:
        """Give one entity with the source of each value: own, or from a running transfer."""
        p = self.participant(caller, participant)
        for layer in await self._layers(p):
            found = await self._find(p, layer, entity_id)
            if found is not None:
                return _entity_view(p, layer, found)
        raise HansaError(
            Code.not_found,
            "There is no such entity here.",
            "It may lie outside what a contract lets through.",
        )

    async def entity_history(
        self, caller: Caller, participant: str, entity_id: str, attribute: str
    ) -> Json:
        """Give the course of one attribute of one entity."""
        p = self.participant(caller, participant)
        for layer in await self._layers(p):
            if await self._find(p, layer, entity_id) is not None:
                wanted = next((a for a in layer.dataset.attributes if a.name == attribute), None)
                return await self._course(p, layer, wanted, entity_id)
        raise HansaError(Code.not_found, "There is no such entity here.")

    # -- layers --------------------------------------------------------------------------------

    async def _layers(self, p: Participant) -> list[Layer]:
        page = await p.catalogue.datasets(limit=_LIST_MAX)
        own = [Layer(id=f"own-{d.name}", dataset=d) for d in page.items]
        received: dict[str, Layer] = {}
        transfers = await p.exchange.transfers(role=Role.consumer.value, limit=_LIST_MAX)
        for transfer in sorted(transfers, key=lambda transfer: not transfer.live):
            known = await p.known_dataset(transfer.dataset_id)
            if transfer.push or known is None or known.id in received:
                continue  # a push is no access: nothing can be read by it
            received[known.id] = Layer(
                id=f"received-{transfer.id}",
                dataset=known,
                transfer_id=transfer.id,
                counted=await _counted(p, transfer.agreement_id),
            )
        return [*own, *received.values()]

    async def _layer(self, p: Participant, layer_id: str) -> Layer:
        for layer in await self._layers(p):
            if layer.id == layer_id:
                return layer
        raise HansaError(Code.not_found, "There is no such layer.", "Read the layers again.")

    async def _layer_of(self, p: Participant, dataset_id: str) -> Layer | None:
        layers = await self._layers(p)
        return next((layer for layer in layers if layer.dataset.id == dataset_id), None)

    async def _layer_view(self, p: Participant, layer: Layer) -> Json:
        dataset = layer.dataset
        stopped, features = None, []
        try:
            if layer.counted:
                stopped = _COUNTED
            else:
                features = await reading.features(p, layer, None)
        except HansaError as error:
            stopped = f"{error.title} {error.detail}".strip()
        kinds = {f["geometry"]["type"] for f in features}
        url = f"/api/v1/participants/{p.id}/map/layers/{layer.id}"
        heights = any("height" in f["properties"] for f in features)
        return {
            "id": layer.id,
            "title": dataset.title,
            "kind": "own" if layer.transfer_id is None else "received",
            "url": f"{url}/features",
            "history_url": f"{url}/history",
            "geometry": "point" if kinds <= {"Point", "MultiPoint"} and kinds else "polygon",
            "attribute": _scale(layer.measured, features),
            "labels": list(dataset.labels),
            "publisher": p.title_of(dataset.publisher),
            "terms": await self._terms_line(p, layer),
            "area": await self._area(p, layer),
            "extrude": {"height": "height"} if heights else None,
            "stopped": stopped,
            "attribution": dataset.attribution or "",
            "dataset_id": dataset.id,
            "transfer_id": layer.transfer_id,
            "live": any(a.name == "power" for a in dataset.attributes),
            "bbox": dataset.bbox,
        }

    async def _terms_line(self, p: Participant, layer: Layer) -> str | None:
        slip = await self._slip_of(p, layer)
        return slip["summary"] if slip else None

    async def _area(self, p: Participant, layer: Layer) -> str | None:
        slip = await self._slip_of(p, layer)
        return slip["where"]["wkt"] if slip and slip["where"] else None

    async def _slip_of(self, p: Participant, layer: Layer) -> Json | None:
        if layer.transfer_id is None:
            return None
        transfer = await p.exchange.transfer(layer.transfer_id)
        agreement = await p.exchange.agreement(transfer.agreement_id)
        return await p.slip(agreement.policy, agreement.dataset_id)

    async def _find(self, p: Participant, layer: Layer, entity_id: str) -> Json | None:
        if layer.counted:  # to look whether it is there would be a use
            return None
        try:
            return await reading.entity(p, layer, entity_id)
        except HansaError:
            return None

    async def _course(
        self, p: Participant, layer: Layer, attribute: Attribute | None, entity: str | None
    ) -> Json:
        if attribute is None:
            raise HansaError(Code.not_found, "This has no history.", field="attribute")
        now = self.host.clock.now()
        rows = await reading.history(p, layer, attribute.name, now - _HISTORY, now + STEP, entity)
        span = layer.dataset.temporal
        if span is not None and span.end is not None and not any(rows.values()):
            end = span.end + timedelta(seconds=1)  # nothing lately: the last days that there are
            rows = await reading.history(p, layer, attribute.name, end - _HISTORY, end, entity)
        return {
            "attribute": attribute.name,
            "title": attribute.title or attribute.name,
            "unit": attribute.unit,
            "labels": list(layer.dataset.labels),
            "entity": entity,
            "aggregation": None if entity else f"mean of {len(rows)}",
            "points": _mean(rows),
        }


async def _counted(p: Participant, agreement_id: str) -> bool:
    """Say whether an agreement permits a number of uses."""
    try:
        agreement = await p.exchange.agreement(agreement_id)
        return count_limit(agreement.policy) is not None
    except HansaError:  # nothing can be read under it
        return False


def _whole(sources: list[str]) -> list[str]:
    """Give each attribution once, without those that another one begins with."""
    once = list(dict.fromkeys(sources))
    return [s for s in once if not any(o != s and o.startswith(s) for o in once)]


def _mean(rows: dict[str, list[tuple[str, Any]]]) -> list[list[Any]]:
    """Give the mean of all entities at each instant; instants without a number are gaps."""
    sums: dict[str, tuple[float, int]] = {}
    for points in rows.values():
        for at, value in points:
            if isinstance(value, int | float):
                total, count = sums.get(at, (0.0, 0))
                sums[at] = (total + value, count + 1)
    return [[at, round(total / count, 4)] for at, (total, count) in sorted(sums.items())]


def _scale(attribute: Attribute | None, features: list[Json]) -> Json | None:
    if attribute is None:
        return None
    values = [
        value
        for f in features
        if isinstance(value := f["properties"].get(attribute.name), int | float)
    ]
    return {
        "name": attribute.name,
        "unit": attribute.unit,
        "title": attribute.title or attribute.name,
        "min": min(values, default=0),
        "max": max(values, default=1),
    }


def _first(drawn: Sequence[Layer], last: datetime) -> datetime:
    """Give where the map's time begins: with the oldest observation, at least a day ago."""
    spans = (layer.dataset.temporal for layer in drawn if layer.measured is not None)
    starts = [span.start for span in spans if span is not None and span.start is not None]
    return max(_quarter(min([last - _SPAN, *starts])), last - _SPAN_MAX)


def _quarter(at: datetime) -> datetime:
    return at.replace(minute=at.minute - at.minute % 15, second=0, microsecond=0)


def _instant(at: str | None) -> datetime | None:
    if not at:
        return None
    try:
        return _quarter(parse_instant(at))
    except ValueError as error:
        raise HansaError(
            Code.invalid_field, "`at` is no instant.", str(error), field="at"
        ) from error


def _entity_view(p: Participant, layer: Layer, entity: Json) -> Json:
    dataset: Dataset | RemoteDataset = layer.dataset
    described = {a.name: a for a in dataset.attributes}
    attributes = []
    for name, value in entity.items():
        if name in ("id", "type", "@context") or not isinstance(value, dict):
            continue
        known = described.get(name)
        attributes.append(
            {
                "name": name,
                "title": known.title if known and known.title else name,
                "kind": value.get("type", "Property"),
                "value": value.get("value", value.get("object")),
                "unit": known.unit if known else value.get("unitCode"),
                "observed_at": value.get("observedAt"),
                "modified": value.get("modifiedAt"),
                "provider": p.title_of(dataset.publisher),
            }
        )
    location = entity.get("location", {})
    title = entity.get("name", {}).get("value") if isinstance(entity.get("name"), dict) else None
    return {
        "id": entity["id"],
        "type": entity["type"],
        "title": title or entity["id"].rsplit(":", 1)[-1],
        "labels": list(dataset.labels),
        "attribution": dataset.attribution or "",
        "source": {
            "kind": "own" if layer.transfer_id is None else "received",
            "title": dataset.title,
            "transfer_id": layer.transfer_id,
        },
        "geometry": location.get("value") if isinstance(location, dict) else None,
        "attributes": attributes,
    }
