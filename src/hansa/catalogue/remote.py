"""Read the catalogues of the other members over the Dataspace Protocol, side by side."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from urllib.parse import quote, urlencode, urljoin, urlsplit

import msgspec
import structlog

from hansa.catalogue.model import RemoteCatalogue, RemoteDataset
from hansa.catalogue.ports import Client, Parties, Tokens
from hansa.catalogue.wire_dsp_2025_1 import (
    CatalogueDocument,
    read_catalog_document,
    read_dataset,
)
from hansa.kernel import Clock, Code, HansaError
from hansa.kernel.jsonld import DSP_CONTEXT_URL
from hansa.kernel.outbound import OutboundResponse

_log = structlog.get_logger("hansa.catalogue")
_LINK = re.compile(r'<([^>]*)>\s*;[^,<]*\brel\s*=\s*"?next"?', re.IGNORECASE)
_REQUEST = {"@context": [DSP_CONTEXT_URL], "@type": "CatalogRequestMessage"}
_KEPT_MAX = 1_000


class RemoteLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much is read of others, and how long it counts."""

    cache_s: float = 5.0
    timeout_s: float = 5.0
    pages_max: int = 50
    datasets_max: int = 5_000
    page_bytes_max: int = 8 * 1024 * 1024
    parallel_max: int = 16


class RemoteCatalogues:
    """Reads other participants' catalogues for one participant; keeps each for a few seconds."""

    def __init__(
        self,
        client: Client,
        identity: Tokens,
        parties: Parties,
        *,
        clock: Clock,
        limits: RemoteLimits | None = None,
    ) -> None:
        self._client = client
        self._identity = identity
        self._parties = parties
        self._clock = clock
        self._limits = limits or RemoteLimits()
        self._kept: OrderedDict[str, tuple[float, RemoteCatalogue]] = OrderedDict()
        self._running: dict[str, asyncio.Task[RemoteCatalogue]] = {}
        self._places = asyncio.Semaphore(self._limits.parallel_max)

    async def fetch(self, did: str, *, title: str = "", refresh: bool = False) -> RemoteCatalogue:
        """Give one participant's catalogue, all pages within the limits.

        Never raises for the other side's faults: they stand in `error` and `code`. A catalogue
        younger than `cache_s` is given as it is, unless `refresh`.
        """
        kept = self._kept.get(did)
        now_s = self._clock.monotonic_s()
        if not refresh and kept is not None and now_s - kept[0] < self._limits.cache_s:
            return kept[1]
        task = self._running.get(did)
        if task is None:
            task = asyncio.create_task(self._bounded(did, title or did))
            self._running[did] = task
            task.add_done_callback(lambda _: self._running.pop(did, None))
        return await asyncio.shield(task)

    async def fetch_all(self, *, refresh: bool = False) -> list[RemoteCatalogue]:
        """Read all members' catalogues at once; those that fail carry their `error`."""
        parties = await self._parties.members()
        return list(
            await asyncio.gather(
                *(self.fetch(party.did, title=party.title, refresh=refresh) for party in parties)
            )
        )

    async def dataset(self, did: str, dataset_id: str) -> RemoteDataset:
        """Read one dataset of one participant, fresh (DSP 2025-1 6.3).

        HansaError not_found, counterparty_refused, or what the client raises.
        """
        base = await self._parties.dsp_endpoint(did)
        url = f"{base.rstrip('/')}/catalog/datasets/{quote(dataset_id, safe=':')}"
        answer = await self._send("GET", url, did)
        if answer.status == 404:
            raise HansaError(Code.not_found, "The provider has no such dataset for us.")
        if not answer.ok:
            raise _refused(answer)
        return await asyncio.to_thread(read_dataset, answer.json(), participant=did)

    async def _bounded(self, did: str, title: str) -> RemoteCatalogue:
        async with self._places:
            try:
                async with asyncio.timeout(self._limits.timeout_s):
                    result = await self._read(did, title)
            except TimeoutError:
                result = RemoteCatalogue(
                    did=did,
                    title=title,
                    error="It did not answer in time.",
                    code=Code.outbound_timeout.value,
                )
            except HansaError as error:
                _log.info("catalogue_unreadable", did=did, code=error.code.value)
                result = RemoteCatalogue(
                    did=did,
                    title=title,
                    error=f"{error.title} {error.detail}".strip(),
                    code=error.code.value,
                )
        self._kept[did] = (self._clock.monotonic_s(), result)
        self._kept.move_to_end(did)
        if len(self._kept) > _KEPT_MAX:
            self._kept.popitem(last=False)
        return result

    async def _read(self, did: str, title: str) -> RemoteCatalogue:
        base = (await self._parties.dsp_endpoint(did)).rstrip("/")
        url: str | None = f"{base}/catalog/request?{urlencode({'limit': 200})}"
        datasets: dict[str, RemoteDataset] = {}
        name = title
        for _ in range(self._limits.pages_max):
            assert url is not None
            answer = await self._send("POST", url, did)
            if not answer.ok:
                raise _refused(answer)
            page = await asyncio.to_thread(_page, answer, did)
            name = page.title or name
            datasets.update((d.id, d) for d in page.datasets if d.publisher == did)
            url = _next(answer, url)
            if url is None or len(datasets) >= self._limits.datasets_max:
                break
        kept = tuple(datasets.values())[: self._limits.datasets_max]
        return RemoteCatalogue(
            did=did,
            title=name if title == did else title,
            datasets=kept,
            truncated=url is not None or len(kept) < len(datasets),
        )

    async def _send(self, method: str, url: str, did: str) -> OutboundResponse:
        authorization = await self._identity.authorization_for(did)
        return await self._client.request(
            method,
            url,
            headers={"Authorization": authorization, "Accept": "application/json"},
            json=_REQUEST if method == "POST" else None,
            timeout_s=self._limits.timeout_s,
            body_bytes_max=self._limits.page_bytes_max,
        )


def _page(answer: OutboundResponse, did: str) -> CatalogueDocument:
    try:
        page = read_catalog_document(answer.json())
    except (ValueError, TypeError, RecursionError) as error:
        raise HansaError(
            Code.counterparty_refused, "What it answered can't be read as a catalogue."
        ) from error
    if page.participant != did:
        raise HansaError(
            Code.counterparty_refused,
            "The catalogue names another participant than the one that was asked.",
            f"It says {page.participant[:200] or 'nothing'}.",
        )
    return page


def _next(answer: OutboundResponse, url: str) -> str | None:
    """Give the address of the next page; only on the same origin, because our token goes there."""
    found = _LINK.search(answer.headers.get("link", ""))
    if found is None:
        return None
    try:
        target: str = urljoin(url, found.group(1))
        same_origin = urlsplit(target)[:2] == urlsplit(url)[:2]
    except ValueError:
        return None
    return target if same_origin and target != url else None


def _refused(answer: OutboundResponse) -> HansaError:
    """Turn a CatalogError into ours, with what the other side said (shortened)."""
    said = ""
    try:
        body = msgspec.json.decode(answer.body)
        if isinstance(body, dict):
            code, reason = body.get("code"), body.get("reason")
            parts = [code, *reason] if isinstance(reason, list) else [code]
            said = ": ".join(str(part) for part in parts if isinstance(part, str))[:500]
    except msgspec.DecodeError:
        said = ""
    return HansaError(
        Code.counterparty_refused, f"It answered {answer.status}.", said, peer_status=answer.status
    )
