"""One participant, put together: every room it uses, and how they are wired to each other."""

from __future__ import annotations

from collections.abc import Sequence

from hansa.broker import Broker
from hansa.catalogue import (
    Catalogue,
    RemoteCatalogues,
    Served,
)
from hansa.dataplane import (
    TOKEN_PATH,
    AccessStore,
    Consumer,
    Controls,
    Flows,
    Grants,
    NgsiLdPull,
    ProgressLedger,
    Quota,
    Renewing,
    TokenEndpoint,
    UsageLedger,
)
from hansa.exchange import Agreement, Exchange, Ports
from hansa.identity import (
    Identity,
    Membership,
    Service,
    StatusChecker,
    TrustedIssuers,
    did_of,
)
from hansa.kernel.crypto import KeyRing, Sealer
from hansa.kernel.rate import Rate
from hansa.kernel.settings import ParticipantSettings
from hansa.kernel.store import Store
from hansa.node.adapters import Agreements, PublishedOffers, renewal_proof
from hansa.node.asking import Asking
from hansa.node.carrying import Carrying
from hansa.node.deciding import Deciding
from hansa.node.directory import Directory, KnownParty
from hansa.node.feeding import Mirrors, Pushing
from hansa.node.journal import Journal
from hansa.node.leaving import Leaving
from hansa.node.moving import OwnExchange, Plane
from hansa.node.questions import DATA_PATH, Questions
from hansa.node.shared import Shared
from hansa.node.shelf import Shelf
from hansa.node.signaling import signaling_of
from hansa.node.sources import Sources
from hansa.node.telling import Telling
from hansa.node.waits import Waits
from hansa.node.webhooks import Webhooks
from hansa.trust import (
    Anchors,
    Authority,
    JoinRequest,
    MembershipClient,
    Register,
    RequestState,
    StatusHolder,
)

DSP_PATH = "dsp/2025-1"


class Participant(Questions):
    """One participant of a node. Its parts are public: the node's own code reads them."""

    def __init__(self, given: ParticipantSettings, store: Store, shared: Shared) -> None:
        base = shared.settings.base_url
        self.id, self.title, self.role = given.id, given.title or given.id, given.role
        self.url = f"{base}/{given.id}"
        self.did = did_of(self.url)
        self.dsp_url = f"{self.url}/{DSP_PATH}"
        self.store, self.clock, self.ids = store, shared.clock, shared.ids
        self.journal = Journal(store, clock=shared.clock, ids=shared.ids)
        self.webhooks = Webhooks(
            store,
            shared.client,
            Sealer(shared.secret, "webhook"),
            self.journal,
            participant=given.id,
            clock=shared.clock,
            ids=shared.ids,
        )
        self.authority_did: str | None = None
        self.authority: Authority | None = None
        self.membership: MembershipClient | None = None
        self.status: StatusHolder | None = None
        self._build_identity(base, shared)
        self._build_data(shared)
        self._build_trade(shared)

    # -- putting together ------------------------------------------------------------------------

    def _build_identity(self, base: str, shared: Shared) -> None:
        self.register: Register | None = None
        self.anchors: Anchors | None = None
        late = _LateStatus()
        status: StatusChecker = late
        issuers: TrustedIssuers
        if self.role == "authority":
            status = issuers = self.register = Register(self.store, self.did, self.url)
        else:
            issuers = self.anchors = Anchors(self.store, shared.resolver)
        self.identity = Identity(
            self.id,
            base,
            self.store,
            KeyRing(self.store, shared.secret, controller=self.did, clock=shared.clock),
            shared.resolver,
            status=status,
            issuers=issuers,
            services=self._services(),
            clock=shared.clock,
            ids=shared.ids,
        )
        if self.register is not None:
            self._build_authority(self.register, shared)
        elif self.anchors is not None:
            late.holder = self._build_membership(self.anchors, shared)
        self.gate = shared.gate(self.identity)
        self.gate.rate = Rate(shared.settings.rates.counterparty_per_s, shared.clock)
        self.directory = Directory(
            self.store,
            self.did,
            self._fetch_directory,
            resolver=shared.resolver,
            client=shared.client,
            clock=shared.clock,
        )

    def _build_authority(self, register: Register, shared: Shared) -> None:
        self.authority = Authority(
            self.identity,
            self.store,
            register,
            shared.client,
            title=self.title,
            approve_automatically=shared.settings.trust.approve_automatically,
            clock=shared.clock,
            ids=shared.ids,
            on_request=self._asked_to_join,
        )

    def _build_membership(self, anchors: Anchors, shared: Shared) -> StatusHolder:
        self.status = StatusHolder(
            self.store,
            shared.client,
            self.identity.signatures,
            anchors,
            clock=shared.clock,
            refresh_s=shared.settings.trust.status_refresh_s,
            age_max_s=shared.settings.trust.status_age_max_s,
        )
        self.membership = MembershipClient(
            self.identity,
            self.store,
            shared.client,
            shared.resolver,
            anchors,
            self.status,
            title=self.title,
            clock=shared.clock,
            ids=shared.ids,
            on_decision=self._membership_decided,
        )
        return self.status

    def _services(self) -> tuple[Service, ...]:
        return (
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

    def _build_data(self, shared: Shared) -> None:
        clock, ids = shared.clock, shared.ids
        self.broker = Broker(
            self.store, clock=clock, ids=ids, contexts=shared.contexts, dialect=shared.dialect
        )
        self.sources = Sources(self.store, self.broker, self.journal, clock)
        self.catalogue = Catalogue(self.store, did=self.did, name=self.title, ids=ids, clock=clock)
        self.shelf = Shelf(
            shared.folder / "files" / self.id,
            self.catalogue,
            shared.client,
            Sealer(shared.secret, "resource"),
            ids,
            clock,
            bytes_max=shared.settings.files.bytes_max,
        )
        self.served = Served(self.catalogue, self.gate, self.dsp_url)
        self.remote = RemoteCatalogues(shared.client, self.gate, self.directory, clock=clock)

    def _build_trade(self, shared: Shared) -> None:
        clock, ids = shared.clock, shared.ids
        self.usage = UsageLedger(self.store, clock)
        self.agreements = Agreements(self.catalogue)
        self.grants = Grants(
            self.store,
            endpoint=f"{self.url}/{DATA_PATH}",
            refresh_endpoint=f"{self.url}/{TOKEN_PATH}",
            agreements=self.agreements,
            standing=self.gate,
            usage=self.usage,
            clock=clock,
            ids=ids,
        )
        self.access = AccessStore(self.store, Sealer(shared.secret, "access"), clock)
        renewing = Renewing(self.access, shared.client, renewal_proof(self.identity, clock), clock)
        self.consumer = Consumer(shared.client, self.access, self.usage, renewing)
        self.tokens = TokenEndpoint(self.grants, self.identity.signatures, self.did, clock)
        self.control = OwnExchange()
        self.controls = Controls(self.control)
        self.flows = Flows(
            self.store,
            grants=self.grants,
            sealer=Sealer(shared.secret, "flow"),
            progress=ProgressLedger(self.store, self.usage, clock),
            control=self.controls,
            clock=clock,
            ids=ids,
        )
        self.flows.register(
            NgsiLdPull(self.grants, self.access, has_entities=self.shelf.has_entities)
        )
        self.pushing = self._build_pushing(shared)
        self.carrying = Carrying(self, shared)
        self.gate.on_caller = self.grants.seen
        self.deciding = Deciding(self.store, self.catalogue, self.did, clock)
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
                decider=self.deciding,
                data_plane=Plane(self.flows),
                client=shared.client,
                events=Telling(self.journal, self.catalogue, self.title_of),
            ),
        )
        self.agreements.exchange = self.control.exchange = self.exchange
        self.signaling = signaling_of(self, shared)
        self.controls.foreign = self.signaling.serving
        self.agreements.vouched = self.signaling.serving.agreement
        self.leaving = Leaving(
            self.store, self.exchange, self.shelf, self.journal, clock=clock, ids=ids
        )
        self.asking = Asking(self.exchange.their_progress, clock)
        self.waits = Waits()
        self.exchange.on_change(self.waits.changed)
        self.exchange.on_agreement_ended(self._agreement_ended)

    def _build_pushing(self, shared: Shared) -> Pushing:
        def open_broker(store: Store) -> Broker:
            return Broker(
                store,
                clock=shared.clock,
                ids=shared.ids,
                contexts=shared.contexts,
                dialect=shared.dialect,
            )

        limits = shared.settings.received
        quota = Quota(
            shared.folder / "received" / self.id,
            bytes_max=limits.bytes_max,
            entities_max=limits.entities_max,
            free_bytes_min=limits.free_bytes_min,
        )
        return Pushing(
            self.store,
            self.flows,
            self.broker,
            Mirrors(self.id, shared.store_of, open_broker, quota),
            quota,
            url=self.url,
            client=shared.client,
            has_entities=self.shelf.has_entities,
            clock=shared.clock,
            ids=shared.ids,
        )

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
        await self.deciding.load()
        await self.signaling.load()

    async def start(self) -> None:
        """Begin what goes on by itself."""
        await self.usage.start()
        if self.status is not None:
            await self.status.start()
        await self.sources.start()
        await self.flows.load()

    async def stop(self) -> None:
        """End it, and write down what is counted."""
        await self.sources.stop()
        if self.status is not None:
            await self.status.stop()
        await self.pushing.pushes.close()
        await self.carrying.close()
        await self.asking.close()
        await self.flows.stop()
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

    def _asked_to_join(self, request: JoinRequest) -> None:
        self.journal.note("member.requested", f"{request.title} asks to join", request.did)
        if request.state is RequestState.approved:
            self.journal.note("member.approved", f"Took in {request.title}", request.did)

    def _membership_decided(self, authority_url: str, refused: str | None) -> None:
        if refused is None:
            self.journal.note("membership.joined", f"Became a member: {authority_url} took us in")
        else:
            text = f"{authority_url} refused the membership: {refused}"
            self.journal.note("membership.refused", text)

    async def _agreement_ended(self, agreement: Agreement) -> None:
        await self.grants.agreement_changed(agreement.id)


class _LateStatus:
    """The status holder needs the identity, and the identity asks the status holder."""

    holder: StatusHolder

    def check(self, membership: Membership) -> None:
        """Ask the holder."""
        self.holder.check(membership)
