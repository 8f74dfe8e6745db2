"""One participant, put together: every room it uses, and how they are wired to each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from hansa.broker import Broker, Dialect, Query, Slice, TemporalQuery
from hansa.catalogue import (
    Attribute,
    Catalogue,
    Dataset,
    RemoteCatalogues,
    RemoteDataset,
    Served,
    matches,
)
from hansa.dataplane import AccessStore, Consumer, Grants, UsageLedger
from hansa.exchange import Agreement, Change, Exchange, Ports, Role, TransferProcess
from hansa.identity import DidResolver, Identity, Service, did_of
from hansa.kernel import Clock, Code, HansaError, Ids
from hansa.kernel.crypto import KeyRing, Sealer
from hansa.kernel.jsonld import ContextRegistry, compact_ngsi_ld_name, expand_ngsi_ld_name
from hansa.kernel.outbound import OutboundClient
from hansa.kernel.settings import ParticipantSettings, Settings
from hansa.kernel.store import Kind, Store
from hansa.kernel.telemetry import NEGOTIATIONS
from hansa.node.adapters import (
    Agreements,
    Gate,
    MemberStanding,
    Plane,
    PolicyNegotiator,
    PublishedOffers,
)
from hansa.node.directory import Directory, KnownParty
from hansa.node.journal import Journal
from hansa.node.sources import Sources
from hansa.policy import AttributeInfo, Cut, Scope, Usage, compile_policy, explain
from hansa.trust import Anchors, Authority, MembershipClient, Register, StatusHolder

DSP_PATH = "dsp/2025-1"
DATA_PATH = "data/ngsi-ld/v1"
_WORDS = {
    ("negotiation", "REQUESTED"): "Negotiation began with",
    ("negotiation", "FINALIZED"): "Contract concluded with",
    ("negotiation", "TERMINATED"): "Negotiation ended with",
    ("agreement", "ended"): "Agreement ended with",
    ("transfer", "STARTED"): "Data flow opened with",
    ("transfer", "SUSPENDED"): "Data flow paused with",
    ("transfer", "COMPLETED"): "Data flow completed with",
    ("transfer", "TERMINATED"): "Data flow stopped with",
}
KNOWN_DATASETS = Kind("node_known_dataset", RemoteDataset, key=lambda dataset: dataset.id)


@dataclass(frozen=True)
class Shared:
    """What all participants of a node share."""

    settings: Settings
    secret: bytes
    clock: Clock
    ids: Ids
    client: OutboundClient
    resolver: DidResolver
    contexts: ContextRegistry
    dialect: Dialect


class Participant:
    """One participant of a node. Its parts are public: the node's own code reads them."""

    def __init__(self, given: ParticipantSettings, store: Store, shared: Shared) -> None:
        base = shared.settings.base_url
        self.id, self.title, self.role = given.id, given.title or given.id, given.role
        self.url = f"{base}/{given.id}"
        self.did = did_of(self.url)
        self.dsp_url = f"{self.url}/{DSP_PATH}"
        self.store, self.clock, self.ids = store, shared.clock, shared.ids
        self.journal = Journal(store, clock=shared.clock, ids=shared.ids)
        self.authority_did: str | None = None
        self.authority: Authority | None = None
        self.membership: MembershipClient | None = None
        self.status: StatusHolder | None = None
        self._build_identity(base, shared)
        self._build_data(shared)
        self._build_trade(shared)

    # -- putting together ------------------------------------------------------------------------

    def _build_identity(self, base: str, shared: Shared) -> None:
        keys = KeyRing(self.store, shared.secret, controller=self.did, clock=shared.clock)
        services = (
            Service(
                id=f"{self.did}#dsp",
                type="DataService",
                endpoint=f"{self.url}/.well-known/dspace-version",
            ),
            Service(
                id=f"{self.did}#catalogue",
                type="CatalogService",
                endpoint=f"{self.dsp_url}/catalog",
            ),
        )
        settings = shared.settings.trust
        self.register: Register | None = None
        self.anchors: Anchors | None = None
        if self.role == "authority":
            self.register = Register(self.store, self.did, self.url)
            checker: Any = self.register
            issuers: Any = self.register
        else:
            self.anchors = issuers = Anchors(self.store, shared.resolver)
            checker = _LateStatus()
        self.identity = Identity(
            self.id,
            base,
            self.store,
            keys,
            shared.resolver,
            status=checker,
            issuers=issuers,
            services=services,
            clock=shared.clock,
            ids=shared.ids,
        )
        if self.register is not None:
            self.authority = Authority(
                self.identity,
                self.store,
                self.register,
                shared.client,
                title=self.title,
                approve_automatically=settings.approve_automatically,
                clock=shared.clock,
                ids=shared.ids,
            )
        elif self.anchors is not None:
            self.status = StatusHolder(
                self.store,
                shared.client,
                self.identity.signatures,
                self.anchors,
                clock=shared.clock,
                refresh_s=settings.status_refresh_s,
                age_max_s=settings.status_age_max_s,
            )
            checker.holder = self.status
            self.membership = MembershipClient(
                self.identity,
                self.store,
                shared.client,
                shared.resolver,
                self.anchors,
                self.status,
                title=self.title,
                clock=shared.clock,
                ids=shared.ids,
            )
        self.gate = Gate(self.identity)
        self.directory = Directory(
            self.store,
            self.did,
            self._fetch_directory,
            resolver=shared.resolver,
            client=shared.client,
            clock=shared.clock,
        )

    def _build_data(self, shared: Shared) -> None:
        clock, ids = shared.clock, shared.ids
        self.broker = Broker(
            self.store, clock=clock, ids=ids, contexts=shared.contexts, dialect=shared.dialect
        )
        self.sources = Sources(self.store, self.broker, self.journal, clock)
        self.catalogue = Catalogue(self.store, did=self.did, name=self.title, ids=ids, clock=clock)
        self.served = Served(self.catalogue, self.gate, self.dsp_url)
        self.remote = RemoteCatalogues(shared.client, self.gate, self.directory, clock=clock)

    def _build_trade(self, shared: Shared) -> None:
        clock, ids = shared.clock, shared.ids
        self.usage = UsageLedger(self.store, clock)
        self._agreements = Agreements(self.catalogue)
        self.grants = Grants(
            self.store,
            endpoint=f"{self.url}/{DATA_PATH}",
            agreements=self._agreements,
            standing=MemberStanding(self.identity),
            usage=self.usage,
            clock=clock,
            ids=ids,
        )
        self.access = AccessStore(self.store, Sealer(shared.secret, "access"), clock)
        self.consumer = Consumer(shared.client, self.access, self.usage)
        self.gate.on_caller = self.grants.seen
        self.exchange = Exchange(
            did=self.did,
            base_url=self.dsp_url,
            store=self.store,
            clock=clock,
            ids=ids,
            ports=Ports(
                identity=self.gate,
                parties=self.directory,
                offers=PublishedOffers(self.catalogue, self.gate),
                negotiator=PolicyNegotiator(self.catalogue, self.did, clock),
                data_plane=Plane(self.grants, self.access, self.gate),
                client=shared.client,
            ),
        )
        self._agreements.exchange = self.exchange
        self.exchange.on_change(self._changed)
        self.exchange.on_agreement_ended(self._agreement_ended)

    # -- life ------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read what must be in memory before the first request."""
        if self.anchors is not None:
            await self.anchors.load()
        await self.identity.load()
        if self.register is not None:
            await self.register.load()
        if self.status is not None:
            await self.status.load()
        if self.membership is not None:
            await self.membership.load()
        await self.directory.load()
        await self.grants.load()

    async def start(self) -> None:
        """Begin what goes on by itself."""
        await self.usage.start()
        if self.status is not None:
            await self.status.start()
        await self.sources.start()

    async def stop(self) -> None:
        """End it, and write down what is counted."""
        await self.sources.stop()
        if self.status is not None:
            await self.status.stop()
        await self.usage.stop()
        await self.journal.close()

    async def _fetch_directory(self) -> Sequence[KnownParty]:
        if self.authority is not None:
            entries = await self.authority.directory()
        elif self.membership is not None:
            entries = await self.membership.directory()
            view = await self.membership.view()
            self.authority_did = view.authority_did
        else:
            entries = []
        return [KnownParty(did=e.did, title=e.title, url=e.url, state=e.state) for e in entries]

    async def _changed(self, change: Change) -> None:
        word = _WORDS.get((change.kind, change.state))
        if word is None or change.pending is not None:
            return
        if change.kind == "agreement":
            agreement = await self.exchange.agreement(change.id)
            dataset_id, other = agreement.dataset_id, agreement.counterparty
        elif change.kind == "transfer":
            transfer = await self.exchange.transfer(change.id)
            dataset_id, other = transfer.dataset_id, transfer.counterparty
        else:
            negotiation = await self.exchange.negotiation(change.id)
            dataset_id, other = negotiation.dataset_id, negotiation.counterparty
        if change.state in ("FINALIZED", "TERMINATED") and change.kind == "negotiation":
            NEGOTIATIONS.labels(state=change.state).inc()
        known = await self.known_dataset(dataset_id)
        title = known.title if known else dataset_id
        kind = f"{change.kind}.{change.state.lower()}"
        self.journal.note(kind, f"{word} {self.title_of(other)}: {title}", change.id)

    async def _agreement_ended(self, agreement: Agreement) -> None:
        await self.grants.agreement_changed(agreement.id)

    # -- questions that several pages ask --------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """Give id, title, did, role."""
        return {"id": self.id, "title": self.title, "did": self.did, "role": self.role}

    def title_of(self, did: str) -> str:
        """Give the title of a participant."""
        return self.title if did == self.did else self.directory.title_of(did)

    def matches(self, dataset: RemoteDataset, query: str) -> bool:
        """Say whether a remote dataset has every word of a query."""
        return matches(dataset, query)

    async def remember(self, dataset: RemoteDataset) -> None:
        """Keep what a provider said of a dataset when we asked for it."""
        await self.store.write(lambda tx: tx.put(KNOWN_DATASETS, dataset))

    async def known_dataset(self, dataset_id: str) -> Dataset | RemoteDataset | None:
        """Give a dataset of ours, or one that we asked for, or None."""
        try:
            return await self.catalogue.get(dataset_id)
        except HansaError as error:
            if error.code is not Code.not_found:
                raise
        return await self.store.read(lambda tx: tx.get(KNOWN_DATASETS, dataset_id))

    async def slip(self, odrl: Mapping[str, Any], dataset_id: str) -> dict[str, Any]:
        """Give the contract slip of an offer or agreement on a dataset, in plain words."""
        known = await self.known_dataset(dataset_id)
        names = {dataset_id: known.title} if known else {}
        for side in ("assigner", "assignee"):
            if odrl.get(side):
                names[str(odrl[side])] = self.title_of(str(odrl[side]))
        plain = explain(
            {**odrl, "target": dataset_id},
            attributes=attribute_infos(known.attributes if known else ()),
            names=names,
        )
        slip: dict[str, Any] = msgspec.to_builtins(plain)
        return slip

    async def temporal(
        self, scope: Scope, name: str, start: datetime, end: datetime, entity: str | None
    ) -> list[dict[str, Any]]:
        """Give an attribute's instances in [start, end) as simplified temporal entities."""
        page = await self.broker.temporal(
            scope,
            Query(ids=(entity,) if entity else ()),
            TemporalQuery(
                start=_micros(start), end=_micros(end), attributes=(expand_ngsi_ld_name(name),)
            ),
            Slice(limit=1_000),
            values=True,
        )
        return [msgspec.json.decode(item) for item in page.items]

    async def count_entities(self, cut: Cut | None = None) -> int:
        """Count the entities of a selection, or all."""
        scope = Scope.everything() if cut is None else Scope(permits=(cut,))
        page = await self.broker.query(scope, Query(), Slice(limit=0, count=True))
        return page.count or 0

    async def type_query(self, dataset_id: str) -> str:
        """Give `type=A,B&` for a dataset, or nothing when it is not known."""
        known = await self.known_dataset(dataset_id)
        if known is None or not known.types:
            return ""
        return "type=" + ",".join(compact_ngsi_ld_name(name) for name in known.types) + "&"

    async def endpoint_of(self, transfer: TransferProcess) -> str | None:
        """Give the address that a transfer is read from."""
        if transfer.role is Role.provider:
            return f"{self.url}/{DATA_PATH}"
        access = await self.access.describe(transfer.id)
        return access.endpoint if access is not None else None

    async def cut_of(self, agreement: Agreement) -> dict[str, Any] | None:
        """Say what an agreement cuts away; only its provider knows."""
        if agreement.role is not Role.provider:
            return None
        governing = await self._agreements.governing(agreement)
        policy = compile_policy(
            governing.odrl, target=governing.target, selection=governing.selection
        )
        decision = policy.decide(
            Usage(
                action="use",
                target=governing.target,
                assignee=governing.assignee,
                purpose=governing.purpose,
                now=self.clock.now(),
            )
        )
        summary = await self.broker.summary(decision.scope, governing.selection)
        withheld = [compact_ngsi_ld_name(name) for name in summary.attributes_withheld]
        return {
            "entities_total": summary.entities_total,
            "entities_visible": summary.entities_visible,
            "attributes_withheld": withheld,
            "why": [reason.message for reason in decision.reasons],
        }


def attribute_infos(attributes: Sequence[Attribute]) -> list[AttributeInfo]:
    """Give what the explanation of terms needs to know of attributes."""
    return [AttributeInfo(name=a.name, title=a.title or a.name) for a in attributes]


def _micros(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)


class _LateStatus:
    """The status holder needs the identity, and the identity asks the status holder."""

    holder: StatusHolder

    def check(self, membership: Any) -> None:
        """Ask the holder."""
        self.holder.check(membership)
