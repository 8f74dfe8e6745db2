"""The resolver's memory: short, bounded, and kind to a host that is away."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from hansa.identity import DidResolver
from hansa.kernel import Code, HansaError
from hansa.kernel.outbound import OutboundResponse
from trust_world import Node, World

DID = "did:web:localhost%3A7711:delft"
URL = "http://localhost:7711/delft/did.json"


@pytest.fixture
async def city(world: World) -> Node:
    return await world.city("delft", 7711)


@pytest.fixture
def resolver(world: World) -> DidResolver:
    return DidResolver(world.wire, world.clock, allow_loopback=True)


def fetches(world: World) -> int:
    return world.wire.calls.count(("GET", URL))


async def refused(resolver: DidResolver) -> HansaError:
    with pytest.raises(HansaError) as caught:
        await resolver.resolve(DID)
    assert caught.value.code is Code.did_unresolvable
    return caught.value


async def test_a_document_counts_for_a_minute(
    world: World, city: Node, resolver: DidResolver
) -> None:
    found = await resolver.resolve(DID)
    assert found.service("DataService") == "http://localhost:7711/delft/x"
    assert found.service("CatalogService") is None
    world.clock.move(59)
    await resolver.resolve(DID)
    assert fetches(world) == 1
    world.clock.move(2)
    await resolver.resolve(DID)
    assert fetches(world) == 2


async def test_one_fetch_serves_all_who_wait(
    world: World, city: Node, resolver: DidResolver
) -> None:
    await asyncio.gather(*(resolver.resolve(DID) for _ in range(20)))
    assert fetches(world) == 1


async def test_an_unknown_key_is_looked_for_again_but_not_without_end(
    world: World, city: Node, resolver: DidResolver
) -> None:
    await resolver.resolve(DID)
    new = await city.keys.rotate(publish_until=world.clock.now() + timedelta(days=1))
    world.clock.move(3)
    assert f"{DID}#{new}" in (await resolver.resolve(DID, method=f"{DID}#{new}")).methods
    for _ in range(10):
        await resolver.resolve(DID, method=f"{DID}#never")
    assert fetches(world) == 2


async def test_the_last_document_counts_while_the_host_is_away(
    world: World, city: Node, resolver: DidResolver
) -> None:
    await resolver.resolve(DID)
    world.wire.cut.add("localhost:7711")
    world.clock.move(599)
    assert (await resolver.resolve(DID)).did == DID
    world.clock.move(2)
    assert (await refused(resolver)).facts["reason"] == "outbound_failed"
    world.wire.cut.clear()
    world.clock.move(3)
    assert (await resolver.resolve(DID)).did == DID


async def test_a_pinned_document_counts_as_long_as_it_takes(
    world: World, city: Node, resolver: DidResolver
) -> None:
    document = await city.identity.document()
    world.wire.cut.add("localhost:7711")
    resolver.pin(DID, document)
    world.clock.move(10_000)
    assert (await resolver.resolve(DID)).did == DID


async def test_a_host_that_hangs_delays_nobody_who_has_a_document(
    world: World, city: Node, resolver: DidResolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await resolver.resolve(DID)
    never = asyncio.Event()

    async def hang(*_: Any, **__: Any) -> OutboundResponse:
        await never.wait()
        raise HansaError(Code.outbound_timeout, "too late")

    monkeypatch.setattr("hansa.identity.resolver._PATIENCE_S", 0.01)
    monkeypatch.setattr(world.wire, "request", hang)
    world.clock.move(61)
    assert (await asyncio.wait_for(resolver.resolve(DID), 60)).did == DID
    never.set()
    await asyncio.sleep(0.01)


async def test_a_failure_is_not_repeated_at_once(world: World, resolver: DidResolver) -> None:
    for _ in range(5):
        await refused(resolver)
    assert fetches(world) == 1
    world.clock.move(1)
    await refused(resolver)
    assert fetches(world) == 2


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (404, b"{}", "status"),
        (301, b"{}", "status"),
        (200, b"<html>", "document"),
        (200, b"[" * 60000, "document"),
        (200, b'{"id":"did:web:other.example"}', "document"),
    ],
)
async def test_a_wrong_answer_is_refused(
    world: World, resolver: DidResolver, status: int, body: bytes, reason: str
) -> None:
    world.wire.answers[URL] = OutboundResponse(status=status, headers={}, body=body)
    assert (await refused(resolver)).facts["reason"] == reason


async def test_a_document_that_is_too_large_is_not_read(
    world: World, city: Node, resolver: DidResolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hansa.identity.resolver.DOCUMENT_BYTES_MAX", 100)
    assert (await refused(resolver)).facts["reason"] == "outbound_too_large"


async def test_a_participant_of_this_node_is_found_in_process(world: World, city: Node) -> None:
    local = DidResolver(
        world.wire,
        world.clock,
        local=lambda did: city.identity.described() if did == DID else None,
    )
    assert (await local.resolve(DID)).did == DID
    assert fetches(world) == 0


async def test_the_memory_is_bounded(
    world: World, resolver: DidResolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hansa.identity.resolver._ENTRIES_MAX", 5)
    for number in range(20):
        did = f"did:web:localhost%3A7711:c{number}"
        body = msgspec.json.encode({"id": did})
        url = f"http://localhost:7711/c{number}/did.json"
        world.wire.answers[url] = OutboundResponse(status=200, headers={}, body=body)
        await resolver.resolve(did)
    assert len(resolver._entries) == 5
