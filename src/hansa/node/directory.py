"""Who is in the space, by the authority's directory, and where each one's connector answers."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from hansa.catalogue import Party
from hansa.identity import DidResolver
from hansa.kernel import Clock, Code, HansaError
from hansa.kernel.outbound import OutboundClient
from hansa.kernel.store import Kind, Store, Tx

_FRESH_S = 3.0
_VERSION = "2025-1"


class KnownParty(msgspec.Struct, frozen=True, kw_only=True):
    """A participant that was in the directory: its title outlives its membership."""

    did: str
    title: str
    url: str
    state: str


KNOWN_PARTIES = Kind("node_party", KnownParty, key=lambda party: party.did)
Fetch = Callable[[], Awaitable[Sequence[KnownParty]]]


class Directory:
    """The other participants of the space, for one participant. `fetch` asks the authority."""

    def __init__(
        self,
        store: Store,
        did: str,
        fetch: Fetch,
        *,
        resolver: DidResolver,
        client: OutboundClient,
        clock: Clock,
    ) -> None:
        self._store = store
        self._did = did
        self._fetch = fetch
        self._resolver = resolver
        self._client = client
        self._clock = clock
        self._known: dict[str, KnownParty] = {}
        self._fetched_s = float("-inf")
        self._bases: dict[str, str] = {}

    async def load(self) -> None:
        """Read the titles that were known before."""
        found = await self._store.read(lambda tx: tx.find(KNOWN_PARTIES, limit=10_000))
        self._known = {party.did: party for party in found}

    def title_of(self, did: str) -> str:
        """Give a participant's title, or the last part of its DID."""
        known = self._known.get(did)
        return known.title if known and known.title else did.rsplit(":", 1)[-1]

    async def members(self) -> list[Party]:
        """List the other active members; the last known ones while the authority is away."""
        now_s = self._clock.monotonic_s()
        if now_s - self._fetched_s > _FRESH_S:
            try:
                fetched = await self._fetch()
            except HansaError:
                if not self._known:
                    raise
            else:
                self._fetched_s = now_s
                await self._keep(fetched)
        return [
            Party(party.did, party.title)
            for party in self._known.values()
            if party.did != self._did and party.state == "active"
        ]

    async def meet(self, did: str) -> None:
        """Ask who a participant is that was not heard of before; nothing happens otherwise."""
        if did == self._did or did in self._known:
            return
        with contextlib.suppress(HansaError):  # its DID stands for its title until we know more
            await self.members()

    def parties(self) -> list[KnownParty]:
        """List everybody who was in the directory, by title."""
        return sorted(self._known.values(), key=lambda party: party.title)

    async def refresh(self) -> None:
        """Ask again at the next call."""
        self._fetched_s = float("-inf")

    async def _keep(self, fetched: Sequence[KnownParty]) -> None:
        current = {party.did: party for party in fetched}
        gone = {
            did: msgspec.structs.replace(party, state="left")
            for did, party in self._known.items()
            if did not in current
        }
        after = {**gone, **current}
        changed = [party for did, party in after.items() if self._known.get(did) != party]
        self._known = after
        if changed:

            def job(tx: Tx) -> None:
                for party in changed:
                    tx.put(KNOWN_PARTIES, party)

            await self._store.write(job)

    async def dsp_endpoint(self, did: str) -> str:
        """Give the DSP 2025-1 base URL of a participant, from its DID and version documents."""
        known = self._bases.get(did)
        if known is not None:
            return known
        document = await self._resolver.resolve(did)
        url = document.service("DataService")
        if url is None:
            raise HansaError(
                Code.did_unresolvable,
                "The participant names no Dataspace Protocol endpoint.",
                "Its DID document needs a DataService.",
                field=did,
            )
        base = await self._versioned(url)
        self._bases[did] = base
        return base

    async def dsp_base(self, did: str) -> str:
        """Give the same; the name that negotiation uses."""
        return await self.dsp_endpoint(did)

    async def _versioned(self, url: str) -> str:
        """Read the version document behind a DataService and give the base of our version."""
        answer = await self._client.request("GET", url, timeout_s=5, body_bytes_max=64 * 1024)
        body = answer.json() if answer.ok else {}
        versions = body.get("protocolVersions", []) if isinstance(body, dict) else []
        root = url.removesuffix("/.well-known/dspace-version")
        for entry in versions:
            if isinstance(entry, dict) and entry.get("version") == _VERSION:
                return root.rstrip("/") + "/" + str(entry.get("path", "")).strip("/")
        raise HansaError(
            Code.counterparty_refused,
            "The participant does not speak Dataspace Protocol 2025-1.",
            "Its version document lists no such version.",
        )
