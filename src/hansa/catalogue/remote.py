"""Read the catalogues of the other members over the Dataspace Protocol, side by side."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

import msgspec
import structlog

from hansa.catalogue.filtering import Wanted, write_filter
from hansa.catalogue.model import RemoteCatalogue, RemoteDataset, RemotePage
from hansa.catalogue.ports import Parties, Tokens
from hansa.catalogue.wire_dsp_2025_1 import (
    CatalogueDocument,
    read_catalog_document,
    read_dataset,
)
from hansa.kernel import Clock, Code, HansaError
from hansa.kernel.jsonld import DSP_CONTEXT_URL, is_plain
from hansa.kernel.outbound import Client, OutboundResponse

_log = structlog.get_logger("hansa.catalogue")
_LINK = re.compile(r'<([^>]*)>\s*;[^,<]*\brel\s*=\s*"?next\b', re.IGNORECASE)
_KEPT_MAX = 1_000
_SHORT_BYTES = 16 * 1024
_UNSUPPORTED = 400
_Key = tuple[str, Wanted]


class RemoteLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much is read of others, and how long it counts."""

    cache_s: float = 5.0
    timeout_s: float = 5.0
    pages_max: int = 50
    datasets_max: int = 5_000
    kept_datasets_max: int = 20_000
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
        self._kept: OrderedDict[_Key, tuple[float, RemoteCatalogue]] = OrderedDict()
        self._held = 0
        self._running: dict[_Key, asyncio.Task[RemoteCatalogue]] = {}
        self._without_filter: set[str] = set()
        self._places = asyncio.Semaphore(self._limits.parallel_max)

    async def fetch(
        self, did: str, *, title: str = "", wanted: Wanted | None = None, refresh: bool = False
    ) -> RemoteCatalogue:
        """Give one participant's catalogue, or what is `wanted` of it, within the limits.

        Never raises for the other side's faults: they stand in `error` and `code`. A catalogue
        younger than `cache_s` is given as it is, unless `refresh`. What is wanted is asked of the
        provider; one that takes no filter of ours is read, and looked through here.
        """
        key = (did, wanted or Wanted())
        kept = None if refresh else self._fresh(key)
        if kept is not None:
            return kept
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(self._bounded(did, title or did, key[1]))
            self._running[key] = task
            task.add_done_callback(lambda _: self._running.pop(key, None))
        return await asyncio.shield(task)

    async def fetch_all(
        self, *, wanted: Wanted | None = None, refresh: bool = False
    ) -> list[RemoteCatalogue]:
        """Read all members' catalogues at once; those that fail carry their `error`."""
        parties = await self._parties.members()
        return list(
            await asyncio.gather(
                *(
                    self.fetch(party.did, title=party.title, wanted=wanted, refresh=refresh)
                    for party in parties
                )
            )
        )

    async def locate(self, dataset_id: str) -> RemoteDataset | None:
        """Ask every member for one dataset, side by side; None when nobody gives it to us."""
        parties = await self._parties.members()
        found = await asyncio.gather(*(self._ask_for(party.did, dataset_id) for party in parties))
        return next((dataset for dataset in found if dataset is not None), None)

    async def _ask_for(self, did: str, dataset_id: str) -> RemoteDataset | None:
        async with self._places:
            try:
                async with asyncio.timeout(self._limits.timeout_s):
                    return await self.dataset(did, dataset_id)
            except (TimeoutError, HansaError):
                return None

    async def pages(
        self, did: str, wanted: Wanted | None = None
    ) -> AsyncGenerator[RemotePage, None]:
        """Read a catalogue page by page, so that only one page of it is ever held.

        Follows `Link` rel `next` by posting the same message to it again, on the origin that was
        asked only, at most `pages_max` times. HansaError counterparty_refused (fact `peer_status`),
        invalid_request, or what the client raises.
        """
        base = (await self._parties.dsp_endpoint(did)).rstrip("/")
        message = _request(wanted)
        url: str | None = f"{base}/catalog/request?{urlencode({'limit': 200})}"
        seen: set[str] = set()
        while url is not None and url not in seen and len(seen) < self._limits.pages_max:
            seen.add(url)
            answer = await self._send("POST", url, did, message)
            if not answer.ok:
                raise _refused(answer)
            page = await asyncio.to_thread(_page, answer, did)
            if page.dialect is not None and message.get("filter"):
                raise _not_filtered()
            url = _next(answer, url)
            datasets = tuple(d for d in page.datasets if d.publisher == did)
            yield RemotePage(title=page.title, datasets=datasets, more=url is not None)

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
        document = answer.json()
        if len(answer.body) <= _SHORT_BYTES and isinstance(document, dict) and is_plain(document):
            return read_dataset(document, participant=did)  # microseconds: no thread for that
        return await asyncio.to_thread(read_dataset, document, participant=did)

    def _fresh(self, key: _Key) -> RemoteCatalogue | None:
        kept = self._kept.get(key)
        if kept is None or self._clock.monotonic_s() - kept[0] >= self._limits.cache_s:
            return None
        return kept[1]

    async def _bounded(self, did: str, title: str, wanted: Wanted) -> RemoteCatalogue:
        async with self._places:
            try:
                async with asyncio.timeout(self._limits.timeout_s):
                    result = await self._find(did, title, wanted)
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
        self._keep((did, wanted), result)
        return result

    def _keep(self, key: _Key, result: RemoteCatalogue) -> None:
        """Keep a result for a while, and in all no more datasets than the limits say."""
        before = self._kept.pop(key, None)
        self._kept[key] = (self._clock.monotonic_s(), result)
        self._held += len(result.datasets) - (0 if before is None else len(before[1].datasets))
        while len(self._kept) > 1 and (
            len(self._kept) > _KEPT_MAX or self._held > self._limits.kept_datasets_max
        ):
            _, (_, oldest) = self._kept.popitem(last=False)
            self._held -= len(oldest.datasets)

    async def _find(self, did: str, title: str, wanted: Wanted) -> RemoteCatalogue:
        """Ask the provider to search; when it takes no filter, read it and search here."""
        if wanted == Wanted():
            return await self._read(did, title)
        if did not in self._without_filter:
            try:
                return await self._read(did, title, wanted, pages_max=1)
            except HansaError as error:
                if error.facts.get("peer_status") != _UNSUPPORTED:
                    raise
            self._without_filter.add(did)
        whole = self._fresh((did, Wanted()))
        if whole is None:
            whole = await self._read(did, title)
            self._keep((did, Wanted()), whole)
        chosen = tuple(dataset for dataset in whole.datasets if wanted.matches(dataset))
        return msgspec.structs.replace(whole, datasets=chosen)

    async def _read(
        self, did: str, title: str, wanted: Wanted | None = None, pages_max: int | None = None
    ) -> RemoteCatalogue:
        datasets: dict[str, RemoteDataset] = {}
        name, more, read = title, False, 0
        async with aclosing(self.pages(did, wanted)) as pages:
            async for page in pages:
                name = page.title or name
                datasets.update((dataset.id, dataset) for dataset in page.datasets)
                more, read = page.more, read + 1
                if len(datasets) >= self._limits.datasets_max or read == pages_max:
                    break
        kept = tuple(datasets.values())[: self._limits.datasets_max]
        return RemoteCatalogue(
            did=did,
            title=name if title == did else title,
            datasets=kept,
            truncated=more or len(kept) < len(datasets),
        )

    async def _send(
        self, method: str, url: str, did: str, message: Mapping[str, Any] | None = None
    ) -> OutboundResponse:
        authorization = await self._identity.authorization_for(did)
        return await self._client.request(
            method,
            url,
            headers={"Authorization": authorization, "Accept": "application/json"},
            json=message,
            timeout_s=self._limits.timeout_s,
            body_bytes_max=self._limits.page_bytes_max,
        )


def _request(wanted: Wanted | None) -> dict[str, Any]:
    """Write the message; without a wish it has no filter, so that every provider takes it."""
    message = {"@context": [DSP_CONTEXT_URL], "@type": "CatalogRequestMessage"}
    return message if wanted in (None, Wanted()) else {**message, "filter": write_filter(wanted)}


def _not_filtered() -> HansaError:
    """Refuse a page of a dialect that overlooks our filter instead of refusing it (EDC)."""
    return HansaError(
        Code.counterparty_refused, "It takes no filter of ours.", peer_status=_UNSUPPORTED
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
