"""The trading half of the fake source: negotiations, agreements, transfers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pages_data as data
import pages_talk as talk

from hansa.identity import Caller
from hansa.kernel import Clock, Code, HansaError, iso

Json = dict[str, Any]


class Trade:
    """Keeps what was agreed, and lets it be ended."""

    def __init__(self, clock: Clock, *, empty: bool, much: bool = False) -> None:
        self.clock = clock
        self.empty = empty
        self.much = much
        self.ended: dict[str, str] = {}
        self.done: dict[str, str] = {}
        self.sent: list[Json] = []
        self.more: dict[str, str] = {}
        self.made: list[str] = []

    def stopped(self, transfer_id: str) -> str | None:
        """Say why a transfer is stopped, if it is."""
        return self.ended.get(transfer_id) or self.ended.get("a-1")

    def negotiation_list(self) -> list[Json]:
        """Give the negotiations."""
        if self.empty:
            return []
        now = self.clock.now()
        then = now - timedelta(days=20)
        shared: Json = {
            "role": "consumer",
            "counterparty": talk.THEM,
            "error": None,
            "refusal": None,
            "pending": None,
            "delivery": None,
            "waiting": False,
            "actions": [],
            "filled": {"template": "purpose", "parameters": {"purpose": "planning"}},
            "created": iso(then),
            "modified": iso(then),
            "pids": {"consumer": "urn:uuid:c", "provider": "urn:uuid:p"},
            "dataset_id": "urn:uuid:d-east",
            "bbox": [4.3424, 52.0010, 4.3640, 52.0118],
            "agreement_id": None,
            "attributes": data.dataset_views(now, much=False)[0]["attributes"],
            "odrl": talk.offer(),
            "terms": data.terms(now, who="Delft Ost", whom="Delft West"),
        }
        late = iso(now - timedelta(minutes=2))
        open_ = talk.on_its_way(now, talk.agreed(now - timedelta(minutes=2))[0])
        found = [
            {**shared, "id": "n-2", "state": "START", "dataset_title": "Air quality, hourly",
             "pending": "ContractRequestMessage", "actions": ["retry", "terminate"],
             "delivery": {k: open_[k] for k in ("attempts", "due", "error")},
             "messages": [open_], "modified": late},
            {**shared, "id": "n-ask", "state": "REQUESTED", "role": "provider", "waiting": True,
             "dataset_title": "Energy of craftsmen, west of the canal",
             "actions": ["counter", "agree", "terminate"], "modified": late,
             "messages": talk.asked_of_us(now - timedelta(minutes=9)),
             "terms": {**data.terms(now, who="Delft West", whom="Delft Ost"), "where": None}},
            {**shared, "id": "n-offer", "state": "OFFERED", "waiting": True, "modified": late,
             "dataset_title": self.long("Electricity of shops"),
             "actions": ["counter", "accept", "terminate"],
             "messages": talk.offered(now - timedelta(hours=2))},
            {**shared, "id": "n-refused", "state": "TERMINATED", "refusal": talk.REFUSAL,
             "dataset_title": "Air quality, hourly", "actions": ["replay"],
             "messages": talk.refused(now - timedelta(days=1)), "error": "Refused"},
            {**shared, "id": "n-1", "state": "FINALIZED", "agreement_id": "a-1",
             "dataset_title": "Electricity of shops", "actions": ["replay"],
             "messages": talk.agreed(then)},
        ]  # fmt: skip
        if self.much:
            found[-1]["messages"] = talk.agreed(then)[:2] * 60 + talk.agreed(then)[2:]
            found += [{**found[2], "id": f"n-much-{i}"} for i in range(150)]
        for item in found:
            self._moved(item)
        return [*found, *({**found[0], "id": n} for n in self.made)]

    def _moved(self, item: Json) -> None:
        """Let a view show what was done to it."""
        done = self.done.get(item["id"])
        if text := self.more.get(item["id"]):
            last = item["messages"][-1]
            item["messages"] = [*item["messages"], {**last, "id": "m-more", "summary": text}]
        if reason := self.ended.get(item["id"]):
            item.update(state="TERMINATED", error=reason, actions=["replay"], waiting=False,
                        pending=None, delivery=None)  # fmt: skip
        elif done:
            item.update(waiting=False, pending=done, actions=["retry", "terminate"])

    def long(self, title: str) -> str:
        """Give a very long title in the flavour of very much."""
        return data.LONG if self.much else title

    def _done(self, item_id: str, message: str) -> Json:
        self.done[item_id] = message
        return {"id": item_id}

    async def approvals(self, caller: Caller, participant: str) -> Json:
        asked = [{**n, "kind": "negotiation"} for n in self.negotiation_list() if n["waiting"]]
        asked += [{**t, "kind": "transfer"} for t in self.transfer_list() if t["waiting"]]
        changes = {"added": ["Only for research."], "left_out": ["Only for planning."]}
        return {
            "items": [
                {**item, "summary": item["messages"][-1]["summary"],
                 "changes": changes if item["id"] == "n-ask" else None}
                for item in asked
            ]
        }  # fmt: skip

    async def draft_terms(
        self,
        caller: Caller,
        participant: str,
        negotiation_id: str,
        *,
        template: str,
        parameters: Mapping[str, Any],
    ) -> Json:
        if parameters.get("purpose") == "unreadable":
            raise HansaError(Code.invalid_field, "The purpose is not known.", "Choose another.")
        before = (await self.negotiation(caller, participant, negotiation_id))["terms"]
        purpose = parameters.get("purpose") or before["purpose"]
        after = {**before, "purpose": purpose, "summary": f"The same, but for {purpose}."}
        return {"terms": after, "odrl": talk.offer(str(purpose))}

    async def counter(
        self,
        caller: Caller,
        participant: str,
        negotiation_id: str,
        *,
        template: str,
        parameters: Mapping[str, Any],
    ) -> Json:
        self.sent.append({"template": template, "parameters": dict(parameters)})
        return self._done(negotiation_id, "ContractOfferMessage")

    async def accept(self, caller: Caller, participant: str, negotiation_id: str) -> Json:
        return self._done(negotiation_id, "ContractNegotiationEventMessage:ACCEPTED")

    async def agree(self, caller: Caller, participant: str, negotiation_id: str) -> Json:
        return self._done(negotiation_id, "ContractAgreementMessage")

    async def verify(self, caller: Caller, participant: str, negotiation_id: str) -> Json:
        return self._done(negotiation_id, "ContractAgreementVerificationMessage")

    async def finalize(self, caller: Caller, participant: str, negotiation_id: str) -> Json:
        return self._done(negotiation_id, "ContractNegotiationEventMessage:FINALIZED")

    async def retry_negotiation(
        self, caller: Caller, participant: str, negotiation_id: str
    ) -> Json:
        self.sent.append({"retry": negotiation_id})
        return {"id": negotiation_id}

    async def adopt_negotiation(
        self, caller: Caller, participant: str, negotiation_id: str
    ) -> Json:
        self.sent.append({"adopt": negotiation_id})
        return {"id": negotiation_id}

    async def replay_negotiation(
        self, caller: Caller, participant: str, negotiation_id: str
    ) -> Json:
        return await self.negotiate(
            caller, participant, provider_did=data.EAST, dataset_id="", offer_id=""
        )

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
        east = talk.THEM
        shared: Json = {
            "counterparty": east,
            "odrl": {"@type": "Agreement", "permission": [{"action": "use", "constraint": []}]},
            "ended_reason": None,
            "signed_at": iso(now - timedelta(days=20)),
            "until": iso(now + timedelta(days=40)),
            "formats": ["HttpData-PULL", "HttpData-PUSH", "NgsiLd-PUSH", "Mqtt-PUSH", "Sftp-PUSH"],
            "labels": ["derived", "synthetic"],
            "bbox": [4.3424, 52.0010, 4.3640, 52.0118],
            "usage": {"requests": 1_284, "entities": 41_088, "bytes": 18_412_330,
                      "last_at": iso(now - timedelta(seconds=40)), "limit": 5_000},
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
            "ended_at": iso(now - timedelta(days=4)),
            "ended_by": data.EAST,
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

    async def timeline(self, caller: Caller, participant: str, agreement_id: str) -> Json:
        found = self._find(self.agreement_list(), agreement_id)
        signed = self.clock.now() - timedelta(days=20)
        items = [
            {**m, "kind": "negotiation", "process": "n-1"}
            for m in talk.agreed(signed - timedelta(days=1))
        ]
        plain: Json = {"process": None, "kind": "signed", "id": "signed", "at": iso(signed)}
        items.append({**plain, "summary": "The contract with Delft Ost is in force."})
        for transfer in found["transfers"]:
            for m in transfer["messages"]:
                items.append({**m, "kind": "transfer", "process": transfer["id"]})
            items.append({"id": f"{transfer['id']}/u", "kind": "usage", "process": transfer["id"],
                          "at": transfer["last_item"], "requests": 1_284, "entities": 41_088,
                          "bytes": 18_412_330, "summary": "Delft West has read so far."}
                         )  # fmt: skip
        if found["state"] != "active":
            items.append({**plain, "kind": "ended", "id": "ended", "by": talk.THEM,
                          "at": iso(self.clock.now() - timedelta(days=4)),
                          "reason": found["ended_reason"],
                          "summary": "The contract ended."})  # fmt: skip
        return {"items": sorted(items, key=lambda item: str(item["at"]))}

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
            "state": "STARTED", "error": None, "refusal": None, "pending": None, "delivery": None,
            "waiting": False, "suspended_by": None, "progress": None, "actions": [],
        }  # fmt: skip
        then = now - timedelta(days=20)
        ask, go = "TransferRequestMessage", "TransferStartMessage"
        rest, end = "TransferSuspensionMessage", "TransferCompletionMessage"
        progress = {"state": "STARTED", "bytes": 6_412_000_000, "items": 1, "error": None,
                    "total_bytes": 10_000_000_000, "rate_bytes_s": 84_000_000, "digest": None,
                    "last_at": iso(now - timedelta(seconds=1))}  # fmt: skip
        both = {"agreement_id": "a-1", "dataset_title": self.long("Electricity of shops")}
        air = {"agreement_id": "a-2", "dataset_title": "Air quality, hourly", "role": "provider"}
        shop = {**both, "role": "consumer"}
        came = {**air, "role": "consumer"}
        found = [
            {**shared, **shop, "id": "t-1", "actions": ["suspend", "complete", "terminate"],
             "messages": talk.moved(then, ask, go, rest, go, ours=True)},
            {**shared, **air, "id": "t-2", "actions": ["suspend", "complete", "terminate"],
             "messages": talk.moved(then, ask, go, ours=False)},
            {**shared, **air, "id": "t-ask", "state": "REQUESTED", "waiting": True,
             "actions": ["start", "terminate"], "format": "NgsiLd-PUSH",
             "terms": data.terms(now, who="Delft West", whom="Delft Ost"),
             "messages": talk.moved(now - timedelta(minutes=4), ask, ours=False)},
            {**shared, **shop, "id": "t-push", "state": "SUSPENDED", "suspended_by": "provider",
             "actions": ["terminate"], "format": "HttpData-PUSH",
             "progress": {**progress, "state": "SUSPENDED", "rate_bytes_s": None},
             "messages": talk.moved(then + timedelta(days=3), ask, go, rest, ours=True)},
            {**shared, **air, "id": "t-sftp", "actions": ["suspend", "complete", "terminate"],
             "format": "Sftp-PUSH",
             "progress": {**progress, "error": "sftp.example.org refused the password.",
                          "next_try": iso(now + timedelta(seconds=30))},
             "messages": talk.moved(then + timedelta(days=6), ask, go, ours=False)},
            {**shared, **came, "id": "t-mqtt", "actions": ["suspend", "complete", "terminate"],
             "format": "Mqtt-PUSH",
             "progress": {**progress, "source": "provider", "bytes": 34_000, "items": 12,
                          "total_bytes": None, "attempts": 3,
                          "due": iso(now + timedelta(seconds=30)),
                          "error": "The broker <b>refused</b> the connection: not authorised."},
             "messages": talk.moved(then + timedelta(days=6), ask, go, ours=True)},
            {**shared, **came, "id": "t-untold", "actions": ["suspend", "complete", "terminate"],
             "format": "Mqtt-PUSH",
             "progress": {**progress, "source": "provider", "bytes": None, "items": None,
                          "total_bytes": None, "rate_bytes_s": None, "last_at": None,
                          "attempts": 0, "due": None},
             "messages": talk.moved(then + timedelta(days=6), ask, go, ours=True)},
            {**shared, **shop, "id": "t-done", "state": "COMPLETED", "format": "HttpData-PUSH",
             "progress": {**progress, "state": "COMPLETED", "bytes": 10_000_000_000,
                          "digest": "sha-256:" + "9f2c41d0" * 8},
             "messages": talk.moved(then + timedelta(days=1), ask, go, end, ours=True)},
        ]  # fmt: skip
        if self.much:
            found += [{**found[0], "id": f"t-much-{i}"} for i in range(130)]
        for item in found:
            why = self.ended.get(item["id"]) or self.ended.get(item["agreement_id"])
            if why:
                item.update(state="TERMINATED", actions=[])
            elif item["id"] in self.done:
                item.update(pending=self.done[item["id"]], waiting=False,
                            actions=["retry", "terminate"])  # fmt: skip
        return found

    async def transfers(self, caller: Caller, participant: str) -> Json:
        return {"items": self.transfer_list()}

    async def transfer(self, caller: Caller, participant: str, transfer_id: str) -> Json:
        return self._find(self.transfer_list(), transfer_id)

    async def request_transfer(
        self,
        caller: Caller,
        participant: str,
        agreement_id: str,
        *,
        format: str,
        data_address: Mapping[str, Any] | None,
    ) -> Json:
        if data_address and "refused" in data_address["endpoint"]:
            raise HansaError(
                Code.invalid_field, "This address can't be used.", "Give another.",
                field=f"{format}.endpoint",
            )  # fmt: skip
        self.sent.append({"format": format, "address": data_address})
        return self._find(self.transfer_list(), "t-1")

    async def start_transfer(self, caller: Caller, participant: str, transfer_id: str) -> Json:
        return self._done(transfer_id, "TransferStartMessage")

    async def suspend_transfer(
        self, caller: Caller, participant: str, transfer_id: str, *, reason: str
    ) -> Json:
        self.sent.append({"suspend": transfer_id, "reason": reason})
        return self._done(transfer_id, "TransferSuspensionMessage")

    async def resume_transfer(self, caller: Caller, participant: str, transfer_id: str) -> Json:
        return self._done(transfer_id, "TransferStartMessage")

    async def complete_transfer(self, caller: Caller, participant: str, transfer_id: str) -> Json:
        return self._done(transfer_id, "TransferCompletionMessage")

    async def retry_transfer(self, caller: Caller, participant: str, transfer_id: str) -> Json:
        self.sent.append({"retry": transfer_id})
        return {"id": transfer_id}

    async def adopt_transfer(self, caller: Caller, participant: str, transfer_id: str) -> Json:
        self.sent.append({"adopt": transfer_id})
        return {"id": transfer_id}

    async def forget_transfer(self, caller: Caller, participant: str, transfer_id: str) -> Json:
        self.sent.append({"forget": transfer_id})
        return {"id": transfer_id, "entities": 1, "file": False}

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

    async def received(
        self, caller: Caller, participant: str, transfer_id: str
    ) -> tuple[Path, str, str, str] | None:
        if transfer_id != "t-done":
            return None
        return Path("never-opened"), "shops.ndjson", "application/x-ndjson", "9f2c41d0" * 8

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
