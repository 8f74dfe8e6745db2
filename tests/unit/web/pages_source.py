"""A PageSource in memory: a realistic space, an empty one, one with very much, one that fails."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pages_data as data
from pages_trade import Trade
from starlette.requests import Request

from hansa.identity import Caller
from hansa.kernel import Clock, Code, HansaError, SystemClock, iso
from hansa.web import Upload, check_same_origin

Json = dict[str, Any]
TOKEN = "let-me-in"
COOKIE = "a-session"


class FakeSource(Trade):
    """Everything the pages need. `flavour`: full, empty, much, or broken."""

    def __init__(self, flavour: str = "full", clock: Clock | None = None) -> None:
        super().__init__(clock or SystemClock(), empty=flavour == "empty", much=flavour == "much")
        self.flavour = flavour
        self.signed_in = {COOKIE}
        self.suspended: dict[str, str] = {}
        self.requests = [] if self.empty else self._requests()
        self.membership = "none" if self.empty else "member"
        self.published: list[Json] = []
        self.approval = "automatic"
        self.hooks: list[Json] = [] if self.empty else [self._hook("https://example.org/events")]

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def _broken(self) -> None:
        if self.flavour == "broken":
            raise HansaError(
                Code.unavailable,
                "The node's database does not answer.",
                "It is tried again by itself. If this stays, look at the log.",
                next="hansa doctor",
            )

    # sessions
    async def sign_in(self, token: str) -> str | None:
        return COOKIE if token == TOKEN else None

    async def sign_out(self, cookie: str) -> None:
        self.signed_in.discard(cookie)

    async def caller(self, cookie: str) -> Caller | None:
        if cookie not in self.signed_in:
            return None
        return Caller(did=data.WEST, kind="operator", name="operator")

    def check_origin(self, request: Request) -> None:
        check_same_origin(request)

    # the space
    async def node(self, caller: Caller) -> Json:
        people = [
            {"id": "delft-west", "title": "Delft West", "did": data.WEST, "role": "city"},
            {"id": "authority", "title": "Hansa of the Delta", "did": data.HANSA,
             "role": "authority"},
        ]  # fmt: skip
        if self.flavour == "much":
            people[0]["title"] = data.LONG
        return {
            "name": "delft",
            "version": "0.1.0",
            "role": "city",
            "url": "http://localhost:7711",
            "started_at": iso(self.now - timedelta(hours=3)),
            "participants": people,
            "rss_mb": 61,
            "backend": "sqlite",
            "timezone": "Europe/Amsterdam",
        }

    async def overview(self, caller: Caller, participant: str) -> Json:
        self._broken()
        authority = participant == "authority"
        waiting = [r for r in self.requests if r["state"] == "pending"]
        flows = [] if authority or self.empty else self._flows()
        sentence = "All is well. One flow brings in data, one takes it out."
        if self.empty:
            sentence = "All is well, and nothing is moving yet."
        if authority and waiting:
            sentence = f"{len(waiting)} requests to join wait for your decision."
        well = self.membership == "member" and not (authority and waiting)
        return {
            "participant": (await self.node(caller))["participants"][int(authority)],
            "state": "well" if well else "attention",
            "sentence": sentence,
            "counts": {
                "datasets": len(self._own()),
                "agreements": len([a for a in self.agreement_list() if a["state"] == "active"]),
                "transfers": len(flows),
                "members": 0 if self.empty else 3,
                "requests": len(waiting),
                "entities": 0 if self.empty else 10_482,
            },
            "flows": flows,
            "events": (await self.events(caller, participant, after=None))["items"][:8],
            "authority": {
                "did": data.HANSA,
                "title": "Hansa of the Delta",
                "url": "http://localhost:7710",
                "status_age_s": 0.8,
                "reachable": True,
            },
            "membership": {
                "state": self.membership,
                "since": iso(self.now - timedelta(days=21)) if not self.empty else None,
                "credential_id": "urn:uuid:5b0c7d8e-7a55-4d3b-9d2f-0d6ad1a7a0f1",
            },
        }

    def _flows(self) -> list[Json]:
        west = {"did": data.WEST, "title": "Delft West"}
        east = {"did": data.EAST, "title": "Delft Ost"}
        live = {t["id"]: t["state"] for t in self.transfer_list()}
        flows = [
            {"transfer_id": "t-1", "from": east, "to": west, "state": live.get("t-1", "STARTED"),
             "title": "Electricity of shops", "items_per_min": 12.4, "direction": "in",
             "last_at": iso(self.now - timedelta(seconds=40))},
            {"transfer_id": "t-2", "from": west, "to": east, "state": live.get("t-2", "STARTED"),
             "title": "Air quality, hourly", "items_per_min": 0.6, "direction": "out",
             "last_at": iso(self.now - timedelta(minutes=31))},
        ]  # fmt: skip
        if self.flavour == "much":
            for i in range(7):
                other = {"did": f"did:web:x%3A1:c{i}", "title": f"Gemeinde {i + 1} an der Schie"}
                flows.append({**flows[i % 2], "transfer_id": f"x{i}", "from": other, "to": west,
                              "direction": "in", "title": data.LONG})  # fmt: skip
        return flows

    def _requests(self) -> list[Json]:
        return [
            {"id": "r-1", "did": "did:web:localhost%3A7713:rijswijk", "title": "Rijswijk",
             "url": "http://localhost:7713", "state": "pending", "reason": None,
             "message": "Neighbour to the north; we want to plan district heating together.",
             "at": iso(self.now - timedelta(minutes=12))},
            {"id": "r-2", "did": "did:web:nowhere.example", "title": "Somebody",
             "url": "https://nowhere.example", "state": "refused", "message": "",
             "reason": "No proof of who you are.", "at": iso(self.now - timedelta(days=9))},
        ]  # fmt: skip

    async def members(self, caller: Caller, participant: str) -> Json:
        self._broken()
        people = [("Delft West", data.WEST), ("Delft Ost", data.EAST)]
        if self.flavour == "much":
            people += [(f"{data.LONG} {i}", f"did:web:c{i}.example") for i in range(60)]
        items = [
            {"did": did, "title": title, "url": "http://localhost:7711", "roles": ["city"],
             "state": "suspended" if did in self.suspended else "active",
             "reason": self.suspended.get(did), "since": iso(self.now - timedelta(days=21)),
             "credential_id": "urn:uuid:1"}
            for title, did in people
        ]  # fmt: skip
        return {"items": [] if self.empty else items}

    async def join_requests(self, caller: Caller, participant: str) -> Json:
        return {"items": self.requests}

    def _decide(self, request_id: str, state: str, reason: str | None) -> Json:
        for request in self.requests:
            if request["id"] == request_id:
                request.update(state=state, reason=reason)
                return request
        raise HansaError(Code.not_found, "There is no such request.", "Reload the page.")

    async def approve_request(self, caller: Caller, participant: str, request_id: str) -> Json:
        return self._decide(request_id, "approved", None)

    async def refuse_request(
        self, caller: Caller, participant: str, request_id: str, *, reason: str
    ) -> Json:
        return self._decide(request_id, "refused", reason)

    async def suspend_member(
        self, caller: Caller, participant: str, did: str, *, reason: str
    ) -> Json:
        self.suspended[did] = reason
        return {}

    async def reinstate_member(self, caller: Caller, participant: str, did: str) -> Json:
        self.suspended.pop(did, None)
        return {}

    async def join(
        self, caller: Caller, participant: str, *, authority_url: str, message: str
    ) -> Json:
        self.membership = "requested"
        return {"state": "requested"}

    async def events(self, caller: Caller, participant: str, *, after: str | None) -> Json:
        self._broken()
        told = [
            ("transfer.started", "t-1", "Transfer of “Electricity of shops” started", 1),
            ("negotiation.finalized", "n-1", "Agreed with Delft Ost: “Electricity of shops”", 2),
            ("negotiation.requested", "n-1", "Asked Delft Ost for “Electricity of shops”", 12),
            ("call.refused", None, "A call with an expired token was refused", 64),
            ("dataset.published", "urn:uuid:d-west", "Published “Energy of craftsmen”", 180),
            ("transfer.terminated", "t-0", "Delft Ost stopped “Traffic counts 2025”", 8_640),
            ("membership.received", None, "Hansa of the Delta gave the membership", 30_240),
        ]
        count = 0 if self.empty else 60 if self.flavour == "much" else 1
        items = [
            {"id": f"e-{n}-{i}", "at": iso(self.now - timedelta(minutes=ago + n * 7)),
             "kind": kind, "subject": subject, "text": text}
            for n in range(count)
            for i, (kind, subject, text, ago) in enumerate(told)
        ]  # fmt: skip
        return {"items": items, "next": "e-9" if self.flavour == "much" else None}

    # data
    def _own(self) -> list[Json]:
        return [] if self.empty else [d for d in self.datasets() if d["own"]]

    def datasets(self) -> list[Json]:
        """Give own and received datasets."""
        found = [*data.dataset_views(self.now, much=self.flavour == "much"), *self.published]
        return [{**d, "approval": self.approval if d["own"] else None} for d in found]

    async def catalogue(
        self, caller: Caller, participant: str, *, q: str, publisher: str, theme: str
    ) -> Json:
        self._broken()
        items = [] if self.empty else self.datasets()
        if self.flavour == "much":
            items = items + [
                {**items[i % 3], "id": f"urn:uuid:many-{i}", "title": f"{data.LONG} {i}"}
                for i in range(10_000)
            ]
        items = [
            d
            for d in items
            if q.lower() in (d["title"] + d["description"]).lower()
            and publisher in ("", d["publisher"]["did"])
            and (not theme or theme in d["themes"])
        ]
        west = {"did": data.WEST, "title": "Delft West", "reachable": True, "error": None}
        east = {"did": data.EAST, "title": "Delft Ost", "reachable": True, "error": None}
        north = {"did": "did:web:rijswijk", "title": "Rijswijk", "reachable": False,
                 "error": "No answer within 5 s."}  # fmt: skip
        people = [west, east, north] if self.flavour != "empty" else [west]
        return {"items": items, "publishers": people}

    async def dataset(self, caller: Caller, participant: str, dataset_id: str) -> Json:
        self._broken()
        for found in self.datasets():
            if found["id"] == dataset_id:
                return found
        raise HansaError(Code.not_found, "There is no such dataset.", "Search the catalogue.")

    async def sample(
        self, caller: Caller, participant: str, dataset_id: str, *, read: bool = False
    ) -> Json:
        found = await self.dataset(caller, participant, dataset_id)
        if not found["own"] and not found["agreement_id"]:
            return {"rows": [], "geojson": None, "total": None,
                    "reason": "A sample is shown when you have an agreement."}  # fmt: skip
        geojson = data.shops(west=found["own"], at=data.quarter(self.now), border_only=False)
        rows = [
            {"id": f["id"], "type": "Building", "values": {
                "electricityDemand": f["properties"]["electricityDemand"], "floorArea": 96.5,
                "location": f["geometry"], "yearOfConstruction": 1932, "owner": None}}
            for f in geojson["features"][:10]
        ]  # fmt: skip
        return {"rows": rows, "geojson": geojson, "total": 412, "reason": None}

    async def history(
        self, caller: Caller, participant: str, dataset_id: str, attribute: str
    ) -> Json:
        return await self.entity_history(caller, participant, data.HOUSES[3]["id"], attribute)

    async def entity_history(
        self, caller: Caller, participant: str, entity_id: str, attribute: str
    ) -> Json:
        house = next((h for h in data.HOUSES if h["id"] == entity_id), data.HOUSES[3])
        return {
            "attribute": attribute,
            "title": "Electricity demand",
            "unit": "kW",
            "labels": ["derived", "synthetic"],
            "entity": house["id"],
            "aggregation": None,
            "points": data.course(house, self.now),
        }

    async def entity(self, caller: Caller, participant: str, entity_id: str) -> Json:
        self._broken()
        house = next((h for h in data.HOUSES if h["id"] == entity_id), None)
        if house is None:
            raise HansaError(Code.not_found, "There is no such entity.", "Look on the map.")
        at = data.quarter(self.now)
        static: Json = {"observed_at": None, "modified": None, "provider": None, "unit": None}
        return {
            "id": house["id"],
            "type": "Building",
            "title": f"{house['trade']} {house['id'][-5:]}",
            "labels": ["derived", "synthetic"],
            "attribution": data.ATTRIBUTION,
            "source": {"kind": "received", "title": "Delft Ost", "transfer_id": "t-1"},
            "geometry": {"type": "Polygon", "coordinates": [house["ring"]]},
            "attributes": [
                {**static, "name": "electricityDemand", "title": "Electricity demand",
                 "kind": "number", "value": data.load_kw(house, at), "unit": "kW",
                 "observed_at": iso(at)},
                {**static, "name": "floorArea", "title": "Floor area", "kind": "number",
                 "value": float(house["area"]), "unit": "m²"},
                {**static, "name": "location", "title": "Location", "kind": "geometry",
                 "value": {"type": "Polygon", "coordinates": []}},
            ],
        }  # fmt: skip

    async def map_layers(self, caller: Caller, participant: str) -> Json:
        self._broken()
        if self.empty:
            return {"bbox": None, "attribution": [], "layers": [], "tiles": None, "time": None}
        found = data.map_layers(self.now, stopped=self.stopped("t-1"))
        if self.much:
            year = timedelta(days=365)
            found["time"]["start"] = iso(data.quarter(self.now) - year)
        return found

    async def templates(self, caller: Caller) -> Json:
        return {"items": data.TEMPLATES}

    async def suggest(
        self, caller: Caller, participant: str, upload: Upload, *, mapping: Json | None
    ) -> Json:
        await asyncio.sleep(0)
        if upload.name.endswith(".exe"):
            raise HansaError(
                Code.unsupported_media_type,
                "This is no file that Hansa can read.",
                "Give a CSV, GeoJSON, GeoPackage or CityJSON.",
                field="file",
            )
        preview = [
            {"id": f"urn:ngsi-ld:AirQualityObserved:S{i}", "type": "AirQualityObserved",
             "no2": {"type": "Property", "value": 21.5 + i, "unitCode": "GQ",
                     "observedAt": "2026-11-21T08:00:00Z"},
             "location": {"type": "GeoProperty", "value": {
                 "type": "Point", "coordinates": [4.342 + i * 0.005, 51.993 + i * i % 4 * 0.007]}}}
            for i in range(6)
        ]  # fmt: skip
        return {
            "mapping": mapping
            or {
                "entity_type": "AirQualityObserved",
                "id": "air",
                "columns": (
                    {"column": "station", "attribute": "station", "title": "Station"},
                    {
                        "column": "no2",
                        "attribute": "no2",
                        "title": "Nitrogen dioxide",
                        "value": "number",
                        "unit_code": "GQ",
                        "unit": "µg/m³",
                    },
                ),
                "observed_at": {"columns": ["time"]},
            },
            "preview": preview,
            "accepted": 2_157,
            "rejected_count": 3,
            "attributes": [
                {"name": "no2", "title": "Nitrogen dioxide", "unit": "µg/m³"},
                {"name": "location", "title": "Place"},
            ],
            "bbox": [4.34, 51.99, 4.37, 52.02],
            "rejected": [
                {"line": 17, "field": "time", "reason": "“25:61” is not a time of day."},
                {"line": 903, "field": "no2", "reason": "“n/a” is not a number."},
                {"line": 1_204, "field": "lon", "reason": "412.7 is not a longitude."},
            ],
        }

    async def publish(
        self,
        caller: Caller,
        participant: str,
        upload: Upload,
        *,
        mapping: Json | None,
        title: str,
        template: str,
        parameters: Mapping[str, Any],
        licence: str = "",
        attribution: str = "",
        approval: str = "automatic",
    ) -> Json:
        self.sent.append({"publish": title, "approval": approval})
        self.mapping = mapping
        made = {**self.datasets()[0], "id": f"urn:uuid:pub-{len(self.published)}", "title": title}
        self.published.append(made)
        rejected = (await self.suggest(caller, participant, upload, mapping=mapping))["rejected"]
        if "clean" in upload.name:
            rejected = []
        return {"dataset": made, "accepted": 2_157, "rejected": rejected,
                "parameters": dict(parameters)}  # fmt: skip

    async def publish_file(
        self,
        caller: Caller,
        participant: str,
        upload: Upload,
        *,
        title: str,
        template: str,
        **more: Any,
    ) -> Json:
        if template == "area-period-attributes":
            raise HansaError(
                Code.policy_unsupported,
                "A file can't be cut.",
                "Choose terms without area, period and attributes.",
                field="template",
            )
        self.sent.append({"publish_file": title, "name": upload.name, **more})
        file = {
            "name": upload.name,
            "media_type": "application/zip",
            "size": 9_400_000,
            "digest": "9f2c41d0" * 8,
        }
        made = {
            **self.datasets()[1],
            "id": "urn:uuid:file",
            "title": title,
            "resource": file,
            "formats": ["HttpData-PULL", "HttpData-PUSH", "Sftp-PUSH"],
        }
        self.published.append(made)
        return {"dataset": made}

    async def change_dataset(
        self, caller: Caller, participant: str, dataset_id: str, change: Any
    ) -> Json:
        self.approval = change.approval
        return {}

    def _hook(self, url: str, **more: Any) -> Json:
        return {
            "id": f"w-{url[-6:]}",
            "url": url,
            "events": ["negotiation.*"],
            "state": "active",
            "delivered": 41,
            "waiting": 2,
            "attempts": 3,
            "failing_since": None,
            "last_at": iso(self.now - timedelta(minutes=1)),
            "error": "outbound_timeout: 10 s",
            "created": iso(self.now),
            **more,
        }

    async def webhooks(self, caller: Caller, participant: str) -> Json:
        return {"items": self.hooks}

    async def add_webhook(
        self,
        caller: Caller,
        participant: str,
        *,
        url: str,
        events: tuple[str, ...],
        secret: str | None,
    ) -> Json:
        if "127.0.0.1" in url:
            raise HansaError(Code.outbound_blocked, "This address may not be called.", field="url")
        hook = self._hook(url, events=list(events), error=None, waiting=0, delivered=0)
        self.hooks.append(hook)
        return {**hook, "secret": "whsec_c2VjcmV0"}

    async def remove_webhook(self, caller: Caller, participant: str, hook_id: str) -> Json:
        self.hooks = [h for h in self.hooks if h["id"] != hook_id]
        return {}

    async def test_webhook(self, caller: Caller, participant: str, hook_id: str) -> Json:
        return {"ok": False, "status": 500, "error": "It answered 500.", "ms": 12}
