"""The node at work: its database, its participants, and what goes on by itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import structlog
from starlette.requests import Request

from hansa import __version__
from hansa.broker import MIGRATIONS, Dialect, SqliteDialect, sqlite_functions
from hansa.dataplane import register as register_flows
from hansa.exchange import register as register_exchange
from hansa.identity import DidDocument, DidResolver, Identity, Operators
from hansa.kernel import Clock, Code, HansaError, Ids, SystemClock, SystemIds, iso
from hansa.kernel.crypto import Sealer
from hansa.kernel.jsonld import ContextRegistry
from hansa.kernel.outbound import OutboundClient, OutboundLimits
from hansa.kernel.outbox import Reconciler
from hansa.kernel.settings import Settings
from hansa.kernel.store import NODE, Action, Database, Kind, Store, Tx
from hansa.node import leaving, webhooks
from hansa.node.adapters import Gate
from hansa.node.home import node_mark
from hansa.node.participant import Participant
from hansa.node.shared import Shared
from hansa.trust import AUTHORITY_MACHINE, MEMBER_MACHINE, Authority, MembershipClient
from hansa.web import session_cookie

_log = structlog.get_logger("hansa.node")
_STATM = Path("/proc/self/statm")


class Claim(msgspec.Struct, frozen=True):
    """Whose database this is."""

    node: str
    url: str


CLAIM: Kind[Claim] = Kind("node_claim", Claim, key=lambda _: "node")


class Node:
    """One node. `start` opens everything, `stop` closes it."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        secret: bytes,
        *,
        clock: Clock | None = None,
        ids: Ids | None = None,
        gate: Callable[[Identity], Gate] = Gate,
    ) -> None:
        self.settings = settings
        self.folder = folder
        self.base_url = settings.base_url
        self.clock = clock or SystemClock()
        self.ids = ids or SystemIds()
        self._secret = secret
        self._gate = gate
        self.participants: dict[str, Participant] = {}
        self.ready = False
        self.started_at: datetime = self.clock.now()
        self.mark: str
        self.database: Database
        self.operators: Operators
        self.client: OutboundClient
        self.reconciler: Reconciler

    # -- life ------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the database, put the participants together, begin to work."""
        settings = self.settings
        self.database, dialect = self._open_database()
        self.client = OutboundClient(
            OutboundLimits(
                allow_loopback=settings.outbound.allow_loopback,
                allow_private=settings.outbound.allow_private,
                timeout_s=settings.outbound.timeout_s,
                body_bytes_max=settings.outbound.body_bytes_max,
            )
        )
        shared = Shared(
            settings=settings,
            folder=self.folder,
            secret=self._secret,
            clock=self.clock,
            ids=self.ids,
            client=self.client,
            resolver=DidResolver(
                self.client,
                self.clock,
                allow_loopback=settings.outbound.allow_loopback,
                local=self._local_document,
            ),
            contexts=self._contexts(),
            dialect=dialect,
            store_of=self.database.store,
            gate=self._gate,
        )
        token = (self.folder / "operator.token").read_text(encoding="ascii").strip()
        self.mark = node_mark(token)
        self.operators = Operators(
            self.database.store(NODE),
            token,
            did=f"{self.base_url}/operator",
            name="operator",
            clock=self.clock,
            ids=self.ids,
        )
        await self._claim_database()
        for given in settings.participants:
            store = self.database.store(given.id)
            self.participants[given.id] = Participant(given, store, shared)
        self.reconciler = self._reconciler()
        for participant in self.participants.values():
            await participant.load()
        await self.reconciler.start()
        for participant in self.participants.values():
            await participant.start()
        self.ready = True
        _log.info("ready", node=settings.node.name, participants=len(self.participants))

    def _reconciler(self) -> Reconciler:
        """Give what works the outbox, with everybody who works in it."""
        name = self.settings.node.name
        reconciler = Reconciler(self.database, self.clock, self.ids, owner=name)
        register_exchange(reconciler, lambda name: self.participants[name].exchange)
        register_flows(reconciler, lambda name: self.participants[name].flows)
        reconciler.register(AUTHORITY_MACHINE, self._work_authority)
        reconciler.register(MEMBER_MACHINE, self._work_membership)
        reconciler.register(
            webhooks.MACHINE,
            self._work_webhook,
            attempts=webhooks.ATTEMPTS,
            backoff_s=webhooks.BACKOFF_S,
            backoff_max_s=webhooks.BACKOFF_MAX_S,
        )
        reconciler.register(
            leaving.MACHINE,
            self._work_leaving,
            attempts=leaving.ATTEMPTS,
            backoff_s=leaving.BACKOFF_S,
            backoff_max_s=leaving.BACKOFF_MAX_S,
        )
        return reconciler

    async def _claim_database(self) -> None:
        """Make the database this node's own; HansaError conflict when it is another node's."""
        mine = Claim(node=self.settings.node.name, url=self.base_url)

        def claim(tx: Tx) -> Claim:
            found = tx.get(CLAIM, "node")
            if found is None:
                tx.put(CLAIM, mine)
            return found or mine

        found = await self.database.store(NODE).write(claim)
        if found != mine:
            raise HansaError(
                Code.conflict,
                f"This database belongs to node {found.node} at {found.url}.",
                "Give each node a database of its own, and keep its name and address.",
                field="store",
            )

    async def stop(self) -> None:
        """Finish what runs and close."""
        self.ready = False
        for participant in self.participants.values():
            await participant.stop()
        await self.reconciler.stop()
        await self.client.close()
        await self.database.close()

    def _open_database(self) -> tuple[Database, Dialect]:
        given = self.settings.store
        if given.backend == "postgres":
            from hansa.broker import PostgresDialect
            from hansa.kernel.store.postgres import PostgresDatabase

            database: Database = PostgresDatabase.open(given.dsn, MIGRATIONS, clock=self.clock)
            return database, PostgresDialect()
        from hansa.kernel.store.sqlite import SqliteDatabase

        embedded = SqliteDatabase.open(
            self.folder / given.path,
            MIGRATIONS,
            clock=self.clock,
            functions=sqlite_functions,
        )
        return embedded, SqliteDialect()

    def _contexts(self) -> ContextRegistry:
        import msgspec

        given = self.settings.jsonld
        pinned = {
            url: msgspec.json.decode((self.folder / name).read_bytes())
            for url, name in given.pinned.items()
        }

        async def fetch(url: str) -> dict[str, Any]:
            answer = await self.client.request(
                "GET", url, headers={"Accept": "application/ld+json"}, body_bytes_max=1024 * 1024
            )
            body = answer.json() if answer.ok else None
            if not isinstance(body, dict):
                raise HansaError(Code.outbound_failed, f"{url} gave no context.")
            return body

        return ContextRegistry(pinned, fetch if given.fetch else None)

    def _local_document(self, did: str) -> DidDocument | None:
        for participant in self.participants.values():
            if participant.did == did:
                return participant.identity.described()
        return None

    async def _work_authority(self, store: Store, action: Action) -> None:
        await self.authority(store.participant).work(action)

    async def _work_webhook(self, store: Store, action: Action) -> None:
        await self.participant(store.participant).webhooks.work(action)

    async def _work_leaving(self, store: Store, action: Action) -> None:
        await self.participant(store.participant).leaving.work(action)

    async def _work_membership(self, store: Store, action: Action) -> None:
        await self.membership(store.participant).work(action)

    # -- questions -------------------------------------------------------------------------------

    def sealer(self, purpose: str) -> Sealer:
        """Give what encrypts secrets at rest for a purpose, with the node's secret."""
        return Sealer(self._secret, purpose)

    def participant(self, name: str) -> Participant:
        """Give a participant by its id; HansaError not_found."""
        found = self.participants.get(name)
        if found is None:
            raise HansaError(
                Code.not_found,
                "There is no such participant on this node.",
                "Ask for /api/v1/node to see which there are.",
            )
        return found

    def authority(self, name: str) -> Authority:
        """Give a participant in its role as authority; HansaError not_found when it is none."""
        found = self.participant(name).authority
        if found is None:
            raise HansaError(Code.not_found, "This participant is no authority.")
        return found

    def membership(self, name: str) -> MembershipClient:
        """Give a participant's own membership; HansaError not_found for an authority."""
        found = self.participant(name).membership
        if found is None:
            raise HansaError(Code.not_found, "An authority has no membership of its own.")
        return found

    def session_cookie(self, request: Request) -> str | None:
        """Give the session cookie of a request to this node."""
        return session_cookie(request)

    def rss_mb(self) -> float:
        """Give the memory that the process holds, in MB."""
        if _STATM.exists():
            held_bytes = int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        else:
            import psutil

            held_bytes = psutil.Process().memory_info().rss
        return round(held_bytes / 1e6, 1)

    def describe(self) -> dict[str, Any]:
        """Give the node for the management API."""
        participants = [p.describe() for p in self.participants.values()]
        authority = any(p["role"] == "authority" for p in participants)
        return {
            "name": self.settings.node.name,
            "version": __version__,
            "role": "authority" if authority else "city",
            "url": self.base_url,
            "started_at": iso(self.started_at),
            "participants": participants,
            "rss_mb": self.rss_mb(),
            "backend": self.database.backend,
            "pid": os.getpid(),
        }
