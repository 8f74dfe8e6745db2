"""Transfers: what an operator sees and does."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

import msgspec

from hansa.catalogue import RemoteResource, Resource
from hansa.dataplane import DataAddress as PlaneAddress
from hansa.dataplane import FetchedAnswer
from hansa.exchange import DataAddress, Role, TransferProcess
from hansa.identity import Caller
from hansa.kernel import Code, HansaError, iso
from hansa.node.management.access import Json
from hansa.node.management.pages import LIMIT_MAX, page_of
from hansa.node.management.trade import Trade, reached, reached_at
from hansa.node.participant import Participant


class Transfers(Trade):
    """Transfers of both roles, and the data behind those that we consume."""

    async def transfers(
        self,
        caller: Caller,
        participant: str,
        *,
        limit: int = LIMIT_MAX,
        after: str | None = None,
        **where: str | None,
    ) -> Json:
        """List transfers of both roles, newest first; filters as `Exchange.transfers`."""
        p = self.participant(caller, participant)
        view = partial(self._transfer, p)
        return await page_of(p.exchange.transfers, view, limit=limit, after=after, **where)

    async def transfer(
        self,
        caller: Caller,
        participant: str,
        transfer_id: str,
        *,
        wait: frozenset[str] = frozenset(),
        since: str | None = None,
        timeout_s: float = 0.0,
    ) -> Json:
        """Give one transfer with its messages, on the provider's side with what the contract cuts.

        `wait`, `since` and `timeout_s` as in `negotiation`.
        """
        p = self.participant(caller, participant)
        process = await p.waits.until(
            transfer_id,
            lambda: p.exchange.transfer(transfer_id),
            lambda found: reached(found, wait, since),
            timeout_s,
        )
        view = await self._transfer(p, process, with_messages=True)
        agreement = await p.exchange.agreement(process.agreement_id)
        view["cut"] = await p.cut_of(agreement)
        view["terms"] = await p.slip(agreement.policy, agreement.dataset_id)
        view["agreement_state"] = agreement.state.value
        return view

    async def request_transfer(
        self,
        caller: Caller,
        participant: str,
        agreement_id: str,
        *,
        format: str = "HttpData-PULL",
        data_address: Mapping[str, Any] | None = None,
        counterparty_url: str | None = None,
    ) -> Json:
        """Ask for the data of an agreement, as its consumer.

        `data_address` (`{endpoint_type, endpoint, properties}`) says where a push goes; without one
        it comes to this node's own inbox.
        """
        p = self.participant(caller, participant)
        more: Json = reached_at(counterparty_url)
        if data_address is not None:
            more["address"] = msgspec.convert(data_address, DataAddress)
        process = await p.exchange.request_transfer(agreement_id, format, **more)
        return await self._transfer(p, process)

    async def start_transfer(self, caller: Caller, participant: str, transfer_id: str) -> Json:
        """Start a transfer that waits for the operator, as its provider."""
        p = self.participant(caller, participant)
        return await self._transfer(p, await p.exchange.start_transfer(transfer_id))

    async def retry_transfer(self, caller: Caller, participant: str, transfer_id: str) -> Json:
        """Send the message that is on its way now, instead of at its next try."""
        p = self.participant(caller, participant)
        process = await p.exchange.transfer(transfer_id)
        await self._send_now(p, process)
        return await self._transfer(p, process)

    async def adopt_transfer(self, caller: Caller, participant: str, transfer_id: str) -> Json:
        """Take over the state that the counterparty shows now."""
        p = self.participant(caller, participant)
        await p.exchange.transfer(transfer_id)
        await p.exchange.adopt_state(transfer_id)
        return await self._transfer(p, await p.exchange.transfer(transfer_id))

    async def suspend_transfer(
        self, caller: Caller, participant: str, transfer_id: str, *, reason: str
    ) -> Json:
        """Pause a transfer; only this side can resume it."""
        p = self.participant(caller, participant)
        return await self._transfer(p, await p.exchange.suspend_transfer(transfer_id, reason))

    async def resume_transfer(self, caller: Caller, participant: str, transfer_id: str) -> Json:
        """Go on with a transfer that this side paused."""
        p = self.participant(caller, participant)
        return await self._transfer(p, await p.exchange.resume_transfer(transfer_id))

    async def complete_transfer(self, caller: Caller, participant: str, transfer_id: str) -> Json:
        """Say that all data have been moved."""
        p = self.participant(caller, participant)
        return await self._transfer(p, await p.exchange.complete_transfer(transfer_id))

    async def terminate_transfer(
        self, caller: Caller, participant: str, transfer_id: str, *, reason: str
    ) -> Json:
        """End a transfer; its token stops working at once."""
        p = self.participant(caller, participant)
        process = await p.exchange.terminate_transfer(transfer_id, reason=reason)
        return await self._transfer(p, process)

    async def transfer_access(
        self, caller: Caller, participant: str, transfer_id: str
    ) -> Json | None:
        """Give URL, token, curl line and QGIS settings; None on the provider's side."""
        p = self.participant(caller, participant)
        process = await p.exchange.transfer(transfer_id)
        if process.role is not Role.consumer or not process.live:
            return None
        try:
            _, address = await p.consumer.address(transfer_id)
        except HansaError as error:
            if error.code in (Code.not_found, Code.transfer_ended):
                return None
            raise
        known = await p.known_dataset(process.dataset_id)
        if known is not None and known.resource is not None:
            return self._bytes_access(p, process, known.resource, address)
        url = f"{address.endpoint}/entities?{await p.type_query(process.dataset_id)}limit=100"
        bearer = f"Bearer {address.authorization}"
        geojson = f"{url}&options=keyValues&format=geojson"
        return {
            "endpoint": address.endpoint,
            "authorization": bearer,
            "curl": _curl("-H", f"Authorization: {bearer}", url),
            "qgis": {
                "url": geojson,
                "header": {"Authorization": bearer, "Accept": "application/geo+json"},
                "basic": {"user": "hansa", "password": address.authorization},
            },
        }

    def _bytes_access(
        self,
        p: Participant,
        process: TransferProcess,
        resource: Resource | RemoteResource,
        address: PlaneAddress,
    ) -> Json:
        """Give the same of a transfer of bytes, and where this node passes them on."""
        bearer = f"Bearer {address.authorization}"
        path = f"/api/v1/participants/{p.id}/transfers/{quote(process.id, safe='')}/file"
        return {
            "endpoint": address.endpoint,
            "authorization": bearer,
            "curl": _curl("-OJ", "-H", f"Authorization: {bearer}", address.endpoint),
            "qgis": None,
            "download": {
                "url": path,
                "name": resource.name,
                "size_bytes": resource.size,
                "media_type": resource.media_type,
            },
        }

    async def fetch(
        self,
        caller: Caller,
        participant: str,
        transfer_id: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
    ) -> FetchedAnswer:
        """Read the provider's data through a transfer, as its consumer."""
        p = self.participant(caller, participant)
        return await p.consumer.fetch(transfer_id, path, query, headers)

    async def probe_transfer(
        self, caller: Caller, participant: str, transfer_id: str
    ) -> Json | None:
        """Ask the provider now with the transfer's last token and say what came."""
        p = self.participant(caller, participant)
        process = await p.exchange.transfer(transfer_id)
        if process.role is not Role.consumer:
            return None
        begin = time.perf_counter()
        result: Json = {"at": iso(self.host.clock.now()), "entities": None, "code": None}
        try:
            answer = await p.consumer.fetch(
                transfer_id,
                "entities",
                f"{await p.type_query(process.dataset_id)}limit=1&count=true",
            )
        except HansaError as error:
            result |= {
                "status": error.status,
                "code": error.code.value,
                "title": error.title,
                "detail": error.detail,
            }
        else:
            result |= _probed(answer)
        result["ms"] = round((time.perf_counter() - begin) * 1000)
        return result


def _curl(*words: str) -> str:
    """Give a command to paste: the address is the other side's word, and must stay one word."""
    return shlex.join(("curl", *words))


def _probed(answer: FetchedAnswer) -> Json:
    if answer.status == 200:
        count = answer.headers.get("ngsild-results-count", "")
        return {
            "status": 200,
            "title": "The provider answers.",
            "detail": "",
            "entities": int(count) if count.isdigit() else None,
        }
    try:
        body = msgspec.json.decode(answer.body, type=dict[str, Any])
    except msgspec.DecodeError:
        body = {}
    return {
        "status": answer.status,
        "code": body.get("code"),
        "title": str(body.get("title", "The provider refuses.")),
        "detail": str(body.get("detail", "")),
    }
