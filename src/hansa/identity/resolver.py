"""Resolve did:web, with a short memory."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import structlog

from hansa.identity import did_web, wire_did_1_0
from hansa.identity.model import DidDocument
from hansa.identity.ports import LocalDocuments
from hansa.kernel import Clock, Code, HansaError
from hansa.kernel.outbound import Client

_log = structlog.get_logger("hansa.identity")

DOCUMENT_BYTES_MAX = 64 * 1024
_TIMEOUT_S = 3.0
_FRESH_S = 60.0
_RETRY_S = 2.0
_FIRST_RETRY_S = 0.5
_STALE_S = 600.0
_PATIENCE_S = 0.5
_ENTRIES_MAX = 2_000


class _Entry:
    __slots__ = ("document", "failure", "fetched_s", "pinned", "task", "tried_s")

    def __init__(self) -> None:
        self.document: DidDocument | None = None
        self.fetched_s = float("-inf")
        self.tried_s = float("-inf")
        self.failure: HansaError | None = None
        self.pinned = False
        self.task: asyncio.Task[None] | None = None


class DidResolver:
    """Give DID documents. One per node.

    A document counts for 60 s. While its host can't be reached the last one goes on counting for
    10 minutes, a pinned one (the authority's) for as long as it takes: its status list bounds that.
    An unknown key makes it ask again, at most every 2 s for one DID; so does a failure.
    Participants of this very node are looked up in process.
    """

    def __init__(
        self,
        client: Client,
        clock: Clock,
        *,
        allow_loopback: bool = False,
        local: LocalDocuments | None = None,
    ) -> None:
        self._client = client
        self._clock = clock
        self._allow_loopback = allow_loopback
        self._local = local
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    async def resolve(self, did: str, *, method: str | None = None) -> DidDocument:
        """Give the document of a DID; HansaError did_unresolvable.

        With `method` (a `did#fragment`) a document without that key is fetched again.
        """
        local = self._local(did) if self._local is not None else None
        if local is not None:
            return local
        entry = self._entry(did)
        now_s = self._clock.monotonic_s()
        known = entry.document
        lacks = known is not None and method is not None and method not in known.methods
        fresh = known is not None and now_s - entry.fetched_s < _FRESH_S
        wait_s = _FIRST_RETRY_S if known is None else _RETRY_S
        if (lacks or not fresh) and (entry.task is not None or now_s - entry.tried_s >= wait_s):
            await self._refresh(did, entry, patient=known is None or lacks)
        if entry.document is None:
            raise entry.failure or _unreachable(did)
        if not entry.pinned and now_s - entry.fetched_s > _STALE_S:
            raise entry.failure or _unreachable(did)
        return entry.document

    def pin(self, did: str, raw: Mapping[str, Any]) -> None:
        """Keep a DID's last document whatever happens to its host, starting with this JSON."""
        entry = self._entry(did)
        entry.pinned = True
        if entry.document is None:
            entry.document = wire_did_1_0.read(did, raw)

    def _entry(self, did: str) -> _Entry:
        entry = self._entries.get(did)
        if entry is None:
            did_web.base_url_of(did)
            entry = self._entries[did] = _Entry()
            if len(self._entries) > _ENTRIES_MAX:
                self._forget(self._entries.items())
        self._entries.move_to_end(did)
        return entry

    def _forget(self, entries: Iterable[tuple[str, _Entry]]) -> None:
        oldest = next((did for did, e in entries if not e.pinned and e.task is None), None)
        if oldest is not None:
            del self._entries[oldest]

    async def _refresh(self, did: str, entry: _Entry, *, patient: bool) -> None:
        """Fetch once for all who wait; who has an old document waits only a moment."""
        if entry.task is None:
            entry.task = asyncio.create_task(self._fetch(did, entry), name="did-fetch")
        await asyncio.wait({entry.task}, timeout=None if patient else _PATIENCE_S)

    async def _fetch(self, did: str, entry: _Entry) -> None:
        try:
            entry.document = await self._get(did)
            entry.fetched_s = self._clock.monotonic_s()
            entry.failure = None
        except HansaError as error:
            entry.failure = error
            _log.info("did.unresolved", did=did, reason=error.title)
        finally:
            entry.tried_s = self._clock.monotonic_s()
            entry.task = None

    async def _get(self, did: str) -> DidDocument:
        url = did_web.document_url_of(did, allow_loopback=self._allow_loopback)
        try:
            answer = await self._client.request(
                "GET",
                url,
                headers={"Accept": "application/did+json, application/json"},
                timeout_s=_TIMEOUT_S,
                body_bytes_max=DOCUMENT_BYTES_MAX,
            )
        except HansaError as error:
            raise HansaError(
                Code.did_unresolvable,
                f"The DID document of {did} can't be fetched.",
                error.title,
                reason=error.code.value,
            ) from error
        if answer.status != 200:
            raise HansaError(
                Code.did_unresolvable,
                f"The DID document of {did} can't be fetched.",
                f"Its host answered {answer.status}.",
                reason="status",
            )
        try:
            raw = msgspec.json.decode(answer.body)
        except (msgspec.DecodeError, RecursionError):
            raw = None
        return wire_did_1_0.read(did, raw)


def _unreachable(did: str) -> HansaError:
    return HansaError(
        Code.did_unresolvable,
        f"The DID document of {did} can't be fetched.",
        "Its host has not answered for a while.",
        reason="stale",
    )
