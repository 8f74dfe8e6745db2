"""Participants in one process for the tests of identity and trust: real stores, an ASGI wire.

The fixtures at the end are an authority and two cities that joined it.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.routing import BaseRoute

from hansa.identity import DidResolver, Identity, Service, Signatures, did_of
from hansa.identity import routes as identity_routes
from hansa.kernel import Code, FixedClock, HansaError, SystemIds
from hansa.kernel.crypto import KeyRing
from hansa.kernel.outbound import OutboundResponse
from hansa.kernel.outbox import Reconciler
from hansa.kernel.store import Action, Store
from hansa.kernel.store.sqlite import SqliteDatabase
from hansa.trust import (
    AUTHORITY_MACHINE,
    MEMBER_MACHINE,
    Anchors,
    Authority,
    MembershipClient,
    Register,
    StatusHolder,
    authority_routes,
    member_routes,
)

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECRET = b"a node's secret of 32 bytes or so"


@dataclass
class Wire:
    """Carries requests to ASGI applications by host and port, as the guarded client would."""

    apps: dict[str, Starlette] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)
    answers: dict[str, OutboundResponse] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)

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
        self.calls.append((method, url))
        if url in self.answers:
            return self.answers[url]
        parts = urlsplit(url)
        app = self.apps.get(parts.netloc)
        if app is None or parts.netloc in self.cut:
            raise HansaError(Code.outbound_failed, f"{parts.netloc} could not be reached.")
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        sent.setdefault("host", parts.netloc)
        if json is not None:
            body = msgspec.json.encode(json)
            sent.setdefault("content-type", "application/json")
        answer = await call(app, method, parts.path, parts.query, sent, body or b"")
        if body_bytes_max is not None and len(answer.body) > body_bytes_max:
            raise HansaError(Code.outbound_too_large, "The other side's answer is too large.")
        return answer


async def call(
    app: Starlette, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
) -> OutboundResponse:
    sent: list[dict[str, Any]] = []
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return waiting.pop() if waiting else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
    }
    await app(scope, receive, send)
    start = next(each for each in sent if each["type"] == "http.response.start")
    return OutboundResponse(
        status=start["status"],
        headers={name.decode().lower(): value.decode() for name, value in start["headers"]},
        body=b"".join(each.get("body", b"") for each in sent),
    )


@dataclass
class Node:
    """One node with one participant."""

    name: str
    database: SqliteDatabase
    store: Store
    keys: KeyRing
    resolver: DidResolver
    identity: Identity
    reconciler: Reconciler
    authority: Authority | None = None
    register: Register | None = None
    member: MembershipClient | None = None
    anchors: Anchors | None = None
    status: StatusHolder | None = None

    @property
    def did(self) -> str:
        return self.identity.did

    @property
    def url(self) -> str:
        return self.identity.url

    async def close(self) -> None:
        if self.status is not None:
            await self.status.stop()
        await self.reconciler.stop()
        await self.database.close()


class World:
    """Nodes on one wire under one clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = FixedClock(START)
        self.ids = SystemIds()
        self.wire = Wire()
        self.nodes: list[Node] = []

    def _foundation(self, name: str, port: int) -> tuple[Any, ...]:
        base_url = f"http://localhost:{port}"
        database = SqliteDatabase.open(self.folder / f"{name}.sqlite", clock=self.clock)
        store = database.store(name)
        keys = KeyRing(store, SECRET, controller=did_of(f"{base_url}/{name}"), clock=self.clock)
        resolver = DidResolver(self.wire, self.clock, allow_loopback=True)
        reconciler = Reconciler(database, self.clock, self.ids, owner=name, chance=lambda: 0.0)
        return base_url, database, store, keys, resolver, reconciler

    async def _begin(self, node: Node, port: int, routes: list[BaseRoute]) -> None:
        await node.identity.load()

        def identity(participant: str) -> Identity:
            if participant != node.name:
                raise HansaError(Code.not_found, "There is no such participant.")
            return node.identity

        self.wire.apps[f"localhost:{port}"] = Starlette(
            routes=[*identity_routes(identity), *routes]
        )
        self.nodes.append(node)
        await node.reconciler.start()

    async def authority(
        self, name: str = "authority", port: int = 7710, *, automatic: bool = False
    ) -> Node:
        base_url, database, store, keys, resolver, reconciler = self._foundation(name, port)
        register = Register(store, did_of(f"{base_url}/{name}"), f"{base_url}/{name}")
        identity = Identity(
            name, base_url, store, keys, resolver,
            status=register, issuers=register, clock=self.clock, ids=self.ids,
        )  # fmt: skip
        authority = Authority(
            identity, store, register, self.wire,
            title="The authority", clock=self.clock, ids=self.ids, approve_automatically=automatic,
        )  # fmt: skip
        await register.load()
        node = Node(
            name, database, store, keys, resolver, identity, reconciler,
            authority=authority, register=register,
        )  # fmt: skip

        async def work(_: Store, action: Action) -> None:
            await authority.work(action)

        reconciler.register(AUTHORITY_MACHINE, work)
        await self._begin(node, port, list(authority_routes(lambda _: authority)))
        return node

    async def city(self, name: str, port: int) -> Node:
        base_url, database, store, keys, resolver, reconciler = self._foundation(name, port)
        anchors = Anchors(store, resolver)
        status = StatusHolder(
            store, self.wire, Signatures(resolver, keys), anchors, clock=self.clock
        )
        identity = Identity(
            name, base_url, store, keys, resolver,
            status=status, issuers=anchors, clock=self.clock, ids=self.ids,
            services=[Service(id="dsp", type="DataService", endpoint=f"{base_url}/{name}/x")],
        )  # fmt: skip
        member = MembershipClient(
            identity, store, self.wire, resolver, anchors, status,
            title=name.title(), clock=self.clock, ids=self.ids,
        )  # fmt: skip
        node = Node(
            name, database, store, keys, resolver, identity, reconciler,
            member=member, anchors=anchors, status=status,
        )  # fmt: skip

        async def work(_: Store, action: Action) -> None:
            await member.work(action)

        reconciler.register(MEMBER_MACHINE, work)
        await anchors.load()
        await status.load()
        await self._begin(node, port, list(member_routes(lambda _: member)))
        await member.load()
        return node

    async def stop(self, node: Node) -> None:
        """Stop a node; its file stays, so that it can be made again."""
        self.nodes.remove(node)
        await node.close()

    async def close(self) -> None:
        for node in self.nodes:
            await node.close()


async def settle(condition: Callable[[], Any], timeout_s: float = 60.0) -> None:
    """Wait until a condition holds (a function, or one that gives an awaitable)."""
    async with asyncio.timeout(timeout_s):
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            await asyncio.sleep(0.005)


async def joined(world: World, authority: Node, name: str, port: int) -> Node:
    """Make a city that is a member."""
    node = await world.city(name, port)
    assert node.member is not None
    await node.member.join(authority.url)
    await settle(lambda: _has_state(node, "member"))
    return node


async def _has_state(node: Node, state: str) -> bool:
    assert node.member is not None
    return (await node.member.view()).state == state


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Give a folder in memory where there is such a place: a commit costs no disk then."""
    memory = Path("/dev/shm")
    place = memory if memory.is_dir() else tmp_path
    with tempfile.TemporaryDirectory(dir=place, prefix="hansa-") as name:
        yield Path(name)


@pytest.fixture
async def world(folder: Path) -> AsyncIterator[World]:
    made = World(folder)
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture
async def authority(world: World) -> Node:
    return await world.authority(automatic=True)


@pytest.fixture
async def delft(world: World, authority: Node) -> Node:
    return await joined(world, authority, "delft", 7711)


@pytest.fixture
async def rijswijk(world: World, authority: Node) -> Node:
    return await joined(world, authority, "rijswijk", 7712)
