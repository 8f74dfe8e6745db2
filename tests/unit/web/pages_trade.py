"""The trading half of the fake source: negotiations, agreements, transfers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pages_data as data

from hansa.identity import Caller
from hansa.kernel import Clock, Code, HansaError, iso

Json = dict[str, Any]


class Trade:
    """Keeps what was agreed, and lets it be ended."""

    def __init__(self, clock: Clock, *, empty: bool) -> None:
        self.clock = clock
        self.empty = empty
        self.ended: dict[str, str] = {}
        self.made: list[str] = []

    def stopped(self, transfer_id: str) -> str | None:
        """Say why a transfer is stopped, if it is."""
        return self.ended.get(transfer_id) or self.ended.get("a-1")

    def _messages(self) -> list[Json]:
        at = self.clock.now() - timedelta(days=20)
        kinds = [
            ("sent", "ContractRequestMessage"),
            ("received", "ContractAgreementMessage"),
            ("sent", "ContractAgreementVerificationMessage"),
            ("received", "ContractNegotiationEventMessage"),
        ]
        return [
            {"at": iso(at + timedelta(milliseconds=14 * i)), "direction": way, "type": kind,
             "body": {"@type": kind, "providerPid": "urn:uuid:p", "consumerPid": "urn:uuid:c"}}
            for i, (way, kind) in enumerate(kinds)
        ]  # fmt: skip

    def negotiation_list(self) -> list[Json]:
        """Give the negotiations."""
        if self.empty:
            return []
        now = self.clock.now()
        east = {"did": data.EAST, "title": "Delft Ost"}
        shared: Json = {
            "role": "consumer",
            "counterparty": east,
            "error": None,
            "created": iso(now - timedelta(days=20)),
            "modified": iso(now - timedelta(days=20)),
            "pids": {"consumer": "urn:uuid:c", "provider": "urn:uuid:p"},
            "dataset_id": "urn:uuid:d-east",
            "bbox": [4.3424, 52.0010, 4.3640, 52.0118],
        }
        final = {
            **shared,
            "id": "n-1",
            "state": "FINALIZED",
            "dataset_title": "Electricity of shops",
            "agreement_id": "a-1",
            "terms": data.terms(now, who="Delft Ost", whom="Delft West"),
            "messages": self._messages(),
        }
        open_ = {
            **final,
            "id": "n-2",
            "state": "TERMINATED" if "n-2" in self.ended else "REQUESTED",
            "dataset_title": "Air quality, hourly",
            "agreement_id": None,
            "error": self.ended.get("n-2"),
            "messages": self._messages()[:1],
            "modified": iso(now - timedelta(minutes=2)),
        }
        more = [{**open_, "id": n, "state": "REQUESTED", "error": None} for n in self.made]
        return [open_, final, *more]

    async def negotiations(self, caller: Caller, participant: str) -> Json:
        return {"items": self.negotiation_list()}

    def _find(self, items: list[Json], wanted: str) -> Json:
        for item in items:
            if item["id"] == wanted:
                return item
        raise HansaError(Code.not_found, "This does not exist here.", "Look at the list.")

    async def negotiation(self, caller: Caller, participant: str, negotiation_id: str) -> Json:
        return self._find(self.negotiation_list(), negotiation_id)

    async def negotiate(
        self, caller: Caller, participant: str, *, provider_did: str, dataset_id: str, offer_id: str
    ) -> Json:
        self.made.append(f"n-{len(self.made) + 3}")
        return self._find(self.negotiation_list(), self.made[-1])

    async def terminate_negotiation(
        self, caller: Caller, participant: str, negotiation_id: str, *, reason: str
    ) -> Json:
        self.ended[negotiation_id] = reason
        return {}

    def agreement_list(self) -> list[Json]:
        """Give the agreements: one in, one out, one that ended."""
        if self.empty:
            return []
        now = self.clock.now()
        east = {"did": data.EAST, "title": "Delft Ost"}
        shared: Json = {
            "counterparty": east,
            "odrl": {"@type": "Agreement", "permission": [{"action": "use", "constraint": []}]},
            "ended_reason": None,
            "signed_at": iso(now - timedelta(days=20)),
            "until": iso(now + timedelta(days=40)),
            "labels": ["derived", "synthetic"],
            "bbox": [4.3424, 52.0010, 4.3640, 52.0118],
            "usage": {"requests": 1_284, "entities": 41_088, "bytes": 18_412_330,
                      "last_at": iso(now - timedelta(seconds=40))},
            "cut": {"entities_total": 412, "entities_visible": 97,
                    "attributes_withheld": ["owner", "yearOfConstruction"],
                    "why": ["315 entities lie outside the area of the contract.",
                            "Two attributes are not granted."]},
        }  # fmt: skip
        first = {
            **shared,
            "id": "a-1",
            "role": "consumer",
            "dataset_id": "urn:uuid:d-east",
            "dataset_title": "Electricity of shops",
            "terms": data.terms(now, who="Delft Ost", whom="Delft West"),
            "transfers": [t for t in self.transfer_list() if t["agreement_id"] == "a-1"],
            "state": "active",
        }
        second = {
            **shared,
            "id": "a-2",
            "role": "provider",
            "labels": [],
            "dataset_id": "urn:uuid:d-air",
            "dataset_title": "Air quality, hourly",
            "terms": {**data.terms(now, who="Delft West", whom="Delft Ost"), "where": None},
            "transfers": [t for t in self.transfer_list() if t["agreement_id"] == "a-2"],
            "state": "active",
            "cut": None,
        }
        old = {
            **second,
            "id": "a-0",
            "dataset_title": "Traffic counts 2025",
            "state": "ended",
            "ended_reason": "The end date has passed.",
            "transfers": [],
            "until": iso(now - timedelta(days=4)),
        }
        found = [first, second, old]
        for item in found:
            if item["id"] in self.ended:
                item.update(state="ended", ended_reason=self.ended[item["id"]])
        return found

    async def agreements(self, caller: Caller, participant: str) -> Json:
        return {"items": self.agreement_list()}

    async def agreement(self, caller: Caller, participant: str, agreement_id: str) -> Json:
        return self._find(self.agreement_list(), agreement_id)

    async def end_agreement(
        self, caller: Caller, participant: str, agreement_id: str, *, reason: str
    ) -> Json:
        self.ended[agreement_id] = reason
        return {}

    def transfer_list(self) -> list[Json]:
        """Give the transfers: one in, one out."""
        if self.empty:
            return []
        now = self.clock.now()
        shared: Json = {
            "format": "HttpData-PULL",
            "counterparty": {"did": data.EAST, "title": "Delft Ost"},
            "created": iso(now - timedelta(days=20)),
            "modified": iso(now - timedelta(minutes=3)),
            "last_item": iso(now - timedelta(seconds=40)),
            "usage": {"requests": 1_284, "entities": 41_088, "bytes": 18_412_330,
                      "last_at": iso(now - timedelta(seconds=40))},
            "endpoint": "http://localhost:7712/delft-ost/data/ngsi-ld/v1",
        }  # fmt: skip
        found = [
            {**shared, "id": "t-1", "role": "consumer", "agreement_id": "a-1",
             "dataset_title": "Electricity of shops"},
            {**shared, "id": "t-2", "role": "provider", "agreement_id": "a-2",
             "dataset_title": "Air quality, hourly"},
        ]  # fmt: skip
        for item in found:
            why = self.ended.get(item["id"]) or self.ended.get(item["agreement_id"])
            item["state"] = "TERMINATED" if why else "STARTED"
            item["error"] = None
        return found

    async def transfers(self, caller: Caller, participant: str) -> Json:
        return {"items": self.transfer_list()}

    async def transfer(self, caller: Caller, participant: str, transfer_id: str) -> Json:
        return self._find(self.transfer_list(), transfer_id)

    async def request_transfer(self, caller: Caller, participant: str, agreement_id: str) -> Json:
        return self._find(self.transfer_list(), "t-1")

    async def transfer_access(
        self, caller: Caller, participant: str, transfer_id: str
    ) -> Json | None:
        if transfer_id != "t-1":
            return None
        endpoint = "http://localhost:7712/delft-ost/data/ngsi-ld/v1"
        token = "Bearer 3q2-7wQxN0lXcVb0Zr9d5e8kY1uTgH4sJ6mPaF"
        return {
            "endpoint": endpoint,
            "authorization": token,
            "curl": f"curl -H 'Authorization: {token}' '{endpoint}/entities?type=Building&limit=5'",
            "qgis": {"url": f"{endpoint}/entities?type=Building&options=keyValues",
                     "header": {"Authorization": token, "Accept": "application/geo+json"},
                     "basic": {"user": "hansa", "password": token.removeprefix("Bearer ")}},
        }  # fmt: skip

    async def probe_transfer(
        self, caller: Caller, participant: str, transfer_id: str
    ) -> Json | None:
        at = iso(self.clock.now())
        if self.stopped(transfer_id):
            return {"status": 403, "code": "transfer_ended", "title": "The transfer has ended.",
                    "detail": f"Ended by Delft West: {self.stopped(transfer_id)}.",
                    "entities": None, "ms": 4, "at": at}  # fmt: skip
        return {"status": 200, "code": None, "title": "OK", "detail": "", "entities": 97,
                "ms": 6, "at": at}  # fmt: skip

    async def terminate_transfer(
        self, caller: Caller, participant: str, transfer_id: str, *, reason: str
    ) -> Json:
        self._find(self.transfer_list(), transfer_id)
        self.ended[transfer_id] = reason
        return {}
