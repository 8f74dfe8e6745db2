"""Two exchanges joined by an in-process wire, on real databases: a world for exchange tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
from starlette.applications import Starlette

from hansa.exchange import (
    Agreement,
    DataAddress,
    Decide,
    Decider,
    Exchange,
    ExchangeLimits,
    OfferedDataset,
    Opened,
    Ports,
    Step,
    TransferProcess,
    TransferProgress,
    register,
    routes,
)
from hansa.identity import Caller
from hansa.kernel import Code, HansaError, SystemClock, SystemIds
from hansa.kernel.outbound import OutboundResponse
from hansa.kernel.outbox import Reconciler
from hansa.kernel.store import Action
from hansa.kernel.store.sqlite import SqliteDatabase

DATASET = "urn:uuid:3dd1add8-4d2d-569e-d634-8394a8836a88"
OFFER: dict[str, Any] = {
    "@id": "urn:uuid:offer-1",
    "permission": [
        {
            "action": "use",
            "constraint": [
                {
                    "leftOperand": "dateTime",
                    "operator": "lteq",
                    "rightOperand": "2030-01-01T00:00:00Z",
                }
            ],
        }
    ],
}
QUICK = ExchangeLimits(
    backoff_s=0.01, backoff_max_s=0.05, refusal_backoff_s=0.005, refusals_max=4, attempts_shown=3
)
Fault = Callable[[str, str, bytes], str | None]


def message(wire_type: str, **members: Any) -> dict[str, Any]:
    """Make a message in the protocol's plain form."""
    context = ["https://w3id.org/dspace/2025/1/context.jsonld"]
    return {"@context": context, "@type": wire_type, **members}


class Wire:
    """Deliver requests to the app of a host; a fault may drop a request or an answer.

    `fault(host, path, body)` gives None, `down`, `lose-answer`, `twice`, or a status to answer,
    `429 7` with the seconds to wait.
    """

    def __init__(self) -> None:
        self.apps: dict[str, Starlette] = {}
        self.fault: Fault | None = None
        self.sent: list[tuple[str, str, str, int]] = []

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        json: Any = None,
        timeout_s: float | None = None,
        body_bytes_max: int | None = None,
    ) -> OutboundResponse:
        parts = urlsplit(url)
        host = str(parts.hostname)
        sent = dict(headers or {})
        if json is not None:
            body = msgspec.json.encode(json)
            sent.setdefault("content-type", "application/json")
        fault = self.fault(host, parts.path, body or b"") if self.fault else None
        if fault == "down" or host not in self.apps:
            raise HansaError(Code.outbound_failed, f"{host} could not be reached.")
        if fault is not None and fault[0].isdigit():
            status, _, wait = fault.partition(" ")
            return OutboundResponse(int(status), {"retry-after": wait} if wait else {}, b"")
        if fault == "twice":
            await call(self.apps[host], method, parts.path, sent, body or b"")
        answer = await call(self.apps[host], method, parts.path, sent, body or b"")
        self.sent.append((host, method, parts.path, answer.status))
        if fault == "lose-answer":
            raise HansaError(Code.outbound_timeout, f"{host} did not answer in time.")
        return answer


async def call(
    app: Starlette, method: str, path: str, headers: Mapping[str, str], body: bytes
) -> OutboundResponse:
    """Make one request to an ASGI app."""
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
        "scheme": "http", "path": unquote(path), "raw_path": path.encode(), "query_string": b"",
        "root_path": "", "server": ("test", 80), "client": ("test", 1),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    messages = [{"type": "http.request", "body": body, "more_body": False}]
    status, found, parts = 0, dict[str, str](), list[bytes]()

    async def receive() -> dict[str, Any]:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            found.update({name.decode(): value.decode() for name, value in message["headers"]})
        else:
            parts.append(message.get("body", b""))

    await app(scope, receive, send)
    return OutboundResponse(status, found, b"".join(parts))


class FakeIdentity:
    """A token is `<did>-><audience>`; `suspended` callers are refused."""

    def __init__(self, did: str) -> None:
        self.did = did
        self.suspended: set[str] = set()

    async def authenticate(self, headers: Mapping[str, str]) -> Caller:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        did, arrow, audience = token.partition("->")
        if scheme != "Bearer" or not arrow:
            raise HansaError(Code.token_missing, "A token is needed.")
        if audience != self.did:
            raise HansaError(Code.token_audience, "The token is for somebody else.")
        if did in self.suspended:
            raise HansaError(Code.membership_suspended, "The membership is suspended.")
        return Caller(did=did, kind="participant")

    async def authorization_for(self, did: str) -> str:
        return f"Bearer {self.did}->{did}"


class FakePlane:
    """Remembers who may read what."""

    def __init__(self) -> None:
        self.open: dict[str, str] = {}
        self.addresses: dict[str, DataAddress] = {}
        self.stops: list[str] = []
        self.told: dict[str, TransferProgress] = {}
        self.starts = 0
        self.tokens: dict[str, str] = {}
        self.refuse: HansaError | None = None
        self.ready = True
        self.prepared = 0
        self.starts_seen = 0
        self.inboxes: dict[str, DataAddress] = {}
        self.destinations: dict[str, DataAddress] = {}

    async def check(self, transfer: TransferProcess, agreement: Agreement) -> None:
        if transfer.format not in ("HttpData-PULL", "HttpData-PUSH"):
            raise HansaError(Code.invalid_field, "Not this format.", field="format")

    async def prepare(
        self, transfer: TransferProcess, agreement: Agreement, address: DataAddress | None
    ) -> Opened:
        if self.refuse is not None:
            raise self.refuse
        if not transfer.push:
            return Opened(ready=self.ready)
        if address is not None:
            self.inboxes[transfer.id] = address
        self.prepared += 1
        inbox = DataAddress(endpoint_type="urn:inbox", endpoint=f"http://in/{transfer.id}")
        place = self.inboxes.setdefault(transfer.id, inbox)
        if transfer.state == "SUSPENDED":
            self.addresses[transfer.id] = place
        return Opened(place, ready=self.ready)

    async def requested(self, transfer: TransferProcess, address: DataAddress) -> None:
        self.destinations[transfer.id] = address

    async def start(self, transfer: TransferProcess, agreement: Agreement) -> Opened:
        if self.refuse is not None:
            raise self.refuse
        assert agreement.assignee == transfer.counterparty
        self.starts += 1
        if not self.ready:
            return Opened(ready=False)
        if transfer.push:
            self.open[transfer.id] = str(self.destinations[transfer.id].endpoint)
            return Opened()
        assert transfer.pending is not None
        token = self.tokens.setdefault(transfer.pending.action, f"token-{self.starts}")
        self.open[transfer.id] = token
        return Opened(
            DataAddress(
                endpoint_type="https://w3id.org/idsa/v4.1/HTTP",
                endpoint="http://provider/data",
                properties={"authorization": token, "authType": "bearer"},
            )
        )

    async def received(self, transfer: TransferProcess, address: DataAddress | None) -> None:
        self.starts_seen += 1
        if address is not None:
            self.addresses[transfer.id] = address
        elif transfer.push:
            self.addresses[transfer.id] = self.inboxes[transfer.id]

    async def stop(self, transfer: TransferProcess) -> None:
        self.stops.append(transfer.id)
        self.open.pop(transfer.id, None)
        self.addresses.pop(transfer.id, None)

    async def progress(self, transfer: TransferProcess) -> TransferProgress | None:
        return self.told.get(transfer.id)


class Side:
    """One participant on its own database."""

    def __init__(self, name: str, wire: Wire, folder: Path, limits: ExchangeLimits) -> None:
        self.name = name
        self.did = f"did:web:{name}"
        self.base = f"http://{name}/{name}/dsp/2025-1"
        self.wire = wire
        self.path = folder / f"{name}.db"
        self.limits = limits
        self.identity = FakeIdentity(self.did)
        self.plane = FakePlane()
        self.decision: Decide = Decide.follow()
        self.decisions: dict[str, Decide] = {}
        self.asked: list[Step] = []
        self.decider: Decider | None = None
        self.offers: dict[str, OfferedDataset] = {}
        self.hidden_from: set[str] = set()
        self.parties_known = True
        self.reconciler: Reconciler | None = None
        self.client: Any = wire
        self.ids = SystemIds()
        self.open()

    def open(self) -> None:
        """Open the database and serve: what a process start does."""
        self.database = SqliteDatabase.open(self.path, clock=SystemClock())
        self.store = self.database.store(self.name)
        self.exchange = Exchange(
            did=self.did,
            base_url=self.base,
            store=self.store,
            ports=Ports(
                identity=self.identity,
                parties=self,
                offers=self,
                decider=self,
                data_plane=self.plane,
                client=self.client,
            ),
            ids=self.ids,
            limits=self.limits,
        )
        lookup = {self.name: self.exchange}.get
        self.app = Starlette(routes=routes(lookup))
        self.wire.apps[self.name] = self.app
        self._reconciler = Reconciler(
            self.database, SystemClock(), SystemIds(), owner=self.name, lease_s=5.0
        )
        register(self._reconciler, lookup)

    async def start(self) -> None:
        """Begin to send."""
        self.reconciler = self._reconciler
        await self.reconciler.start()

    async def close(self) -> None:
        """Stop as a clean exit does."""
        if self.reconciler is not None:
            await self.reconciler.stop()
            self.reconciler = None
        await self.database.close()

    async def crash(self) -> None:
        """Lose all memory and come back on the same file."""
        await self.close()
        self.open()

    async def dsp_base(self, did: str) -> str:
        if not self.parties_known:
            raise HansaError(Code.did_unresolvable, "The directory does not know it.")
        name = did.removeprefix("did:web:")
        return f"http://{name}/{name}/dsp/2025-1/"

    async def find(
        self, caller_did: str, dataset_id: str | None, offer_id: str
    ) -> OfferedDataset | None:
        found = self.offers.get(offer_id)
        if found is None or caller_did in self.hidden_from:
            return None
        return found if dataset_id in (None, found.dataset_id) else None

    async def decide(self, step: Step) -> Decide:
        """Give what is set for the state, or, when an offer of ours is answered, `decision`."""
        self.asked.append(step)
        if self.decider is not None:
            return await self.decider.decide(step)
        usual = self.decision if step.published is not None else Decide.follow()
        return self.decisions.get(step.process.state, usual)

    async def actions(self) -> list[Action]:
        return await self.store.read(lambda tx: tx.actions())

    async def work(self, action: Action) -> None:
        """Work one action by hand, as the reconciler would."""
        current = await self.store.read(lambda tx: tx.action(action.id))
        if current is None:
            return
        if action.machine == "exchange.plane":
            await self.exchange.work_plane(current)
        else:
            await self.exchange.work_action(current)

    async def work_all(self) -> int:
        """Work what is in the outbox now, once."""
        found = await self.actions()
        for action in found:
            await self.work(action)
        return len(found)


class World:
    """A consumer, a provider, and a stranger who only knows how to ask."""

    def __init__(self, folder: Path, limits: ExchangeLimits = QUICK) -> None:
        self.wire = Wire()
        self.consumer = Side("consumer", self.wire, folder, limits)
        self.provider = Side("provider", self.wire, folder, limits)
        self.provider.offers[OFFER["@id"]] = OfferedDataset(DATASET, OFFER)

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.consumer, self.provider

    async def start(self) -> None:
        for side in self.sides:
            await side.start()

    async def close(self) -> None:
        for side in self.sides:
            await side.close()

    async def settle(self, rounds: int = 60) -> None:
        """Work both outboxes by hand until they are empty."""
        for _ in range(rounds):
            if not sum([await side.work_all() for side in self.sides]):
                return
        raise AssertionError("the outboxes do not become empty")

    async def steps(self, rounds: int = 6) -> None:
        """Work both outboxes by hand a few times, whatever stays in them."""
        for _ in range(rounds):
            for side in self.sides:
                await side.work_all()

    def cut(self, *endings: str) -> None:
        """Let no message through whose path ends so."""
        self.wire.fault = lambda host, path, body: "down" if path.endswith(endings) else None

    def heal(self) -> None:
        """Let everything through."""
        self.wire.fault = None

    async def states(self) -> tuple[str, str]:
        """Give the states of the newest negotiation, consumer first."""
        mine = await self.consumer.exchange.negotiations(limit=1)
        theirs = await self.provider.exchange.negotiations(limit=1)
        return str(mine[0].state), str(theirs[0].state) if theirs else "-"

    async def transfer_states(self) -> tuple[str, str]:
        """Give the states of the newest transfer, consumer first."""
        mine = await self.consumer.exchange.transfers(limit=1)
        theirs = await self.provider.exchange.transfers(limit=1)
        return str(mine[0].state), str(theirs[0].state) if theirs else "-"

    async def pids(self) -> dict[str, Any]:
        """Give context and pids for a message of the newest negotiation."""
        (mine,) = await self.consumer.exchange.negotiations(limit=1)
        (theirs,) = await self.provider.exchange.negotiations(limit=1)
        return message("", consumerPid=mine.id, providerPid=theirs.id)

    async def post(
        self, side: Side, path: str, body: Any, *, token: str | None = None, **headers: str
    ) -> tuple[int, Any]:
        """Post a message to a side, by default as the other side."""
        other = self.provider if side is self.consumer else self.consumer
        given = {"authorization": f"Bearer {token or f'{other.did}->{side.did}'}"}
        given |= {"content-type": "application/json", **headers}
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        answer = await call(side.app, "POST", f"/{side.name}/dsp/2025-1{path}", given, raw)
        return answer.status, answer.json() if answer.body else None

    async def get(self, side: Side, path: str, *, token: str | None = None) -> tuple[int, Any]:
        other = self.provider if side is self.consumer else self.consumer
        given = {"authorization": f"Bearer {token or f'{other.did}->{side.did}'}"}
        answer = await call(side.app, "GET", f"/{side.name}/dsp/2025-1{path}", given, b"")
        return answer.status, answer.json()

    async def negotiated(self) -> str:
        """Negotiate by hand to the end; give the agreement's id."""
        began = await self.consumer.exchange.negotiate(self.provider.did, DATASET, OFFER)
        await self.settle()
        done = await self.consumer.exchange.negotiation(began.id)
        assert done.state == "FINALIZED", done
        assert done.agreement_id is not None
        return done.agreement_id

    async def transferring(self) -> tuple[str, str]:
        """Start a transfer by hand; give the consumer's and the provider's pid."""
        agreement = await self.negotiated()
        began = await self.consumer.exchange.request_transfer(agreement)
        await self.settle()
        running = await self.consumer.exchange.transfer(began.id)
        assert running.state == "STARTED", running
        assert running.provider_pid is not None
        return running.id, running.provider_pid


def memory_folder() -> Path | None:
    """Give a folder in memory where there is one: the disk is tested with the store."""
    folder = Path("/dev/shm")
    return folder if folder.is_dir() else None


@asynccontextmanager
async def world_in(folder: Path, limits: ExchangeLimits = QUICK) -> AsyncIterator[World]:
    """Give a world whose outboxes are worked by hand."""
    world = World(folder, limits)
    try:
        yield world
    finally:
        await world.close()


async def until(check: Callable[[], Awaitable[bool]], timeout_s: float = 60.0) -> None:
    """Wait until a check holds."""
    async with asyncio.timeout(timeout_s):
        while not await check():  # noqa: ASYNC110 - the check reads a database
            await asyncio.sleep(0.005)
