"""Two participants that move bytes over real sockets, and a wire between them that can be cut."""

from __future__ import annotations

import asyncio
import hashlib
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from dataplane_world import NORTH, SOUTH, TARGET, Agreements, Base64Sealer, Roll, caller
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from hansa.dataplane import (
    AccessStore,
    BytesInbox,
    Consumer,
    DataFlow,
    Downloads,
    Fetched,
    FileResource,
    FlowRole,
    Flows,
    Grants,
    HttpPull,
    HttpPush,
    Inboxes,
    NgsiLdPull,
    ProgressLedger,
    Pushes,
    Quota,
    ReceivedFiles,
    Resource,
    UsageLedger,
    digested,
    files,
    inbox_routes,
)
from hansa.dataplane.push import Retry
from hansa.kernel import FixedClock, SystemIds
from hansa.kernel.outbound import OutboundClient, OutboundLimits
from hansa.kernel.store.sqlite import SqliteDatabase
from hansa.node.protocol import BoundedHttp

AGREEMENT = "urn:uuid:agreement"
TRANSFER = "transfer-1"
QUICK = Retry(first_s=0.01, most_s=0.05, told_after=50, item_s=5.0, finish_s=5.0)


@asynccontextmanager
async def served(app: ASGIApp, **options: Any) -> AsyncIterator[int]:
    """Serve an application as a node does; give its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(
            app, http=BoundedHttp, lifespan="off", log_config=None, log_level="critical", **options
        )
        server = uvicorn.Server(config)
        running = asyncio.create_task(server._serve([listening]))
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.005)
        try:
            yield listening.getsockname()[1]
        finally:
            server.force_exit = server.should_exit = True
            await running


class Wire:
    """A TCP relay that cuts a connection after so many bytes from the client or the server.

    `cuts` are used up one after the other, each by one connection: ("up" or "down", bytes).
    `held` stops what flows down, as a reader that does not read.
    """

    def __init__(self) -> None:
        self.cuts: list[tuple[str, int]] = []
        self.connections = 0
        self.passed = {"up": 0, "down": 0}

    @asynccontextmanager
    async def to(self, port: int) -> AsyncIterator[int]:
        """Relay to a port; give the port to connect to."""
        tasks: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks[asyncio.create_task(self._relay(port, reader, writer))] = writer

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for writer in tasks.values():  # also of those who had no turn yet
                writer.transport.abort()

    async def _relay(
        self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connections += 1
        writers, directions = [writer], list[asyncio.Task[None]]()
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
            writers.append(far_writer)
            directions += [
                asyncio.create_task(self._pass("up", reader, far_writer)),
                asyncio.create_task(self._pass("down", far_reader, writer)),
            ]
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in directions:
                task.cancel()
            await asyncio.gather(*directions, return_exceptions=True)
            for each in writers:
                with suppress(OSError):
                    each.transport.abort()

    async def _pass(
        self, way: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        done = 0
        while block := await reader.read(16 * 1024):
            if self.cuts and self.cuts[0][0] == way and done + len(block) > self.cuts[0][1]:
                _, size = self.cuts.pop(0)
                writer.write(block[: max(0, size - done)])
                await writer.drain()
                await asyncio.sleep(0.02)
                return
            writer.write(block)
            await writer.drain()
            done += len(block)
            self.passed[way] += len(block)


class Shelf:
    """The resources of one side, by dataset."""

    def __init__(self) -> None:
        self.known: dict[str, Resource] = {}

    async def resource(self, dataset_id: str) -> Resource | None:
        return self.known.get(dataset_id)

    async def has_entities(self, dataset_id: str) -> bool:
        return dataset_id not in self.known


class Told:
    """The control plane of one side: what its flows told."""

    def __init__(self) -> None:
        self.completed_flows: list[str] = []
        self.errors: list[str] = []

    async def ready(self, flow: DataFlow) -> None:
        raise AssertionError("no plane of bytes is late")

    async def completed(self, flow: DataFlow) -> None:
        self.completed_flows.append(flow.id)

    async def errored(self, flow: DataFlow, reason: str) -> None:
        self.errors.append(reason)


class Side:
    """One participant: a provider or a consumer, on a database and folder of its own."""

    def __init__(self, name: str, did: str, folder: Path, agreements: Agreements) -> None:
        self.name, self.did, self.folder = name, did, folder / name
        self.folder.mkdir()
        self.clock = FixedClock()
        self.database = SqliteDatabase.open(self.folder / "hansa.db", clock=self.clock)
        self.agreements = agreements
        self.roll = Roll()
        self.shelf = Shelf()
        self.told = Told()
        self.client = OutboundClient(OutboundLimits(allow_loopback=True))
        self.bytes_max = 64 * 1024 * 1024
        self.room_bytes = 1024 * 1024 * 1024
        self.free_bytes = 1024 * 1024 * 1024
        self.url = ""

    def wire(self, url: str) -> None:
        """Put the participant together; `url` is where others reach it."""
        self.url = f"{url}/{self.name}"
        store = self.store = self.database.store(self.name)
        self.usage = UsageLedger(store, self.clock, block_s=0.05)
        self.grants = Grants(
            store,
            endpoint=f"{self.url}/data/ngsi-ld/v1",
            agreements=self.agreements,
            standing=self.roll,
            usage=self.usage,
            clock=self.clock,
            ids=SystemIds(),
        )
        self.access = AccessStore(store, Base64Sealer(), self.clock)
        self.consumer = Consumer(self.client, self.access, self.usage)
        self.flows = Flows(
            store,
            grants=self.grants,
            sealer=Base64Sealer(),
            progress=ProgressLedger(store, self.usage, self.clock, write_s=0.02),
            control=self.told,
            clock=self.clock,
            ids=SystemIds(),
        )
        self.pushes = Pushes(self.flows, self.clock, retry=QUICK)
        self.inboxes = Inboxes(
            store,
            endpoint=f"{self.url}/inbox",
            flows=self.flows,
            clock=self.clock,
            ids=SystemIds(),
        )
        quota = Quota(
            self.folder / "received",
            bytes_max=self.room_bytes,
            free_bytes_min=0,
            free=lambda _: self.free_bytes,
        )
        self.received = ReceivedFiles(quota, store, self.clock, bytes_max=self.bytes_max)
        receiver = BytesInbox(self.received, self.flows, self.usage)
        self.inboxes.register(receiver)
        self.receiver = receiver
        self.downloads = Downloads(
            self.consumer, self.flows, self.received, self.clock, retry=QUICK
        )
        self.flows.register(
            HttpPull(
                self.grants,
                self.access,
                resources=self.shelf,
                endpoint=f"{self.url}/data/files/v1",
            ),
            NgsiLdPull(self.grants, self.access, has_entities=self.shelf.has_entities),
            HttpPush(
                self.grants,
                self.pushes,
                self.client,
                resources=self.shelf,
                inboxes=self.inboxes,
                receiver=receiver,
            ),
        )

    def app(self) -> Starlette:
        """Give the application; what `wire` made last answers."""
        return Starlette(
            routes=[
                Mount(
                    "/{participant}/data/files/v1",
                    files(lambda _: Fetched(self.grants, self.shelf, self.client)),
                ),
                *inbox_routes(lambda _: self.inboxes),
            ]
        )

    async def stop(self) -> None:
        """Stop what runs, as a clean exit does."""
        await self.pushes.close()
        await self.downloads.close()
        await self.flows.stop()
        await self.usage.stop()

    async def close(self) -> None:
        await self.stop()
        await self.client.close()
        await self.database.close()

    async def crash(self) -> None:
        """Lose all memory and come back on the same files."""
        await self.stop()
        await self.database.close()
        self.database = SqliteDatabase.open(self.folder / "hansa.db", clock=self.clock)
        url = self.url.removesuffix(f"/{self.name}")
        self.wire(url)
        await self.grants.load()
        await self.flows.load()

    def publish(self, content: bytes, name: str = "data.bin", dataset: str = TARGET) -> Path:
        """Put bytes on the shelf."""
        path = self.folder / name
        path.write_bytes(content)
        self.shelf.known[dataset] = FileResource(
            name=name,
            media_type="application/octet-stream",
            path=path,
            size=len(content),
            digest=digested(path).hexdigest(),
            stamp=path.stat().st_mtime_ns,
        )
        return path

    def flow(self, profile: str, other: str, flow_id: str = TRANSFER) -> DataFlow:
        """Give the flow that a transfer asks of this side."""
        return DataFlow(
            id=flow_id,
            role=FlowRole.provider if self.did == NORTH else FlowRole.consumer,
            profile=profile,
            agreement_id=AGREEMENT,
            dataset_id=TARGET,
            renews=False,
            counterparty=other,
            created=self.clock.now(),
            modified=self.clock.now(),
        )


class World:
    """A provider (north) and a consumer (south), each behind a wire of its own."""

    def __init__(self, folder: Path) -> None:
        self.agreements = Agreements()
        self.agreements.add(AGREEMENT)
        self.provider = Side("north", NORTH, folder, self.agreements)
        self.consumer = Side("south", SOUTH, folder, self.agreements)
        self.to_provider, self.to_consumer = Wire(), Wire()

    async def pull(self) -> None:
        """Start a pull as the two exchanges would."""
        await self.provider.grants.seen(caller())
        await self.consumer.flows.prepare(self.consumer.flow("HttpData-PULL", NORTH))
        opened = await self.provider.flows.start(self.provider.flow("HttpData-PULL", SOUTH))
        assert opened.address is not None
        await self.consumer.flows.started(
            self.consumer.flow("HttpData-PULL", NORTH), opened.address
        )

    async def push(self) -> None:
        """Start a push as the two exchanges would."""
        await self.provider.grants.seen(caller())
        asked = self.consumer.flow("HttpData-PUSH", NORTH)
        prepared = await self.consumer.flows.prepare(asked)
        assert prepared.address is not None
        flow = self.provider.flow("HttpData-PUSH", SOUTH)
        await self.provider.flows.requested(flow, prepared.address)
        await self.provider.flows.start(flow)
        await self.consumer.flows.started(asked)

    async def end_agreement(self, reason: str) -> None:
        """End the agreement, as the exchange would tell it."""
        self.agreements.end(AGREEMENT, reason)
        await self.provider.grants.agreement_changed(AGREEMENT)


@asynccontextmanager
async def world_in(folder: Path) -> AsyncIterator[World]:
    """Give the two, serving."""
    world = World(folder)
    async with (
        served(world.provider.app()) as north,
        served(world.consumer.app()) as south,
        world.to_provider.to(north) as north_wire,
        world.to_consumer.to(south) as south_wire,
    ):
        world.provider.wire(f"http://127.0.0.1:{north_wire}")
        world.consumer.wire(f"http://127.0.0.1:{south_wire}")
        try:
            yield world
        finally:
            await world.consumer.close()
            await world.provider.close()


def content(size: int, seed: int = 1) -> bytes:
    """Give bytes that look random and are the same each time."""
    return random.Random(seed).randbytes(size)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def until(check: Callable[[], Awaitable[bool]], what: str, timeout_s: float = 60.0) -> None:
    """Wait until a check holds."""
    try:
        async with asyncio.timeout(timeout_s):
            while not await check():  # noqa: ASYNC110 - the check reads a database
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"waited {timeout_s} s for {what}") from None


def with_size(resource: Resource, size: int) -> Resource:
    return msgspec.structs.replace(resource, size=size)
