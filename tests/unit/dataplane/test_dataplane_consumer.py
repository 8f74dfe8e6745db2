"""The consumer's side: access kept sealed, fetched with, and dropped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from dataplane_world import ENDPOINT, NORTH, Base64Sealer, Plane, Provider

from hansa.dataplane import AccessStore, Consumer, DataAddress
from hansa.dialect import BARE
from hansa.kernel import Code, HansaError
from hansa.kernel.crypto import Sealer
from hansa.kernel.outbound import OutboundResponse

SECRET = "secret-token-of-the-provider"
ADDRESS = DataAddress(endpoint=ENDPOINT, authorization=SECRET)
ANSWER = OutboundResponse(
    200,
    {"content-type": "application/json", "Set-Cookie": "x=1", "ngsild-results-count": "3"},
    b'[{"id":"urn:x"}]',
)


@pytest.fixture
def access(plane: Plane) -> AccessStore:
    return AccessStore(plane.store, Base64Sealer(), plane.clock)


@pytest.fixture
def provider() -> Provider:
    return Provider(ANSWER)


@pytest.fixture
async def consumer(plane: Plane, access: AccessStore, provider: Provider) -> Consumer:
    await access.received("t1", ADDRESS, agreement_id="a1", provider=NORTH)
    return Consumer(provider, access, plane.usage)


async def code_of(attempt: Any) -> Code:
    with pytest.raises(HansaError) as refused:
        await attempt
    return refused.value.code


async def test_what_was_received_is_given_back_also_after_a_restart(
    plane: Plane, access: AccessStore
) -> None:
    await access.received("t1", ADDRESS, agreement_id="a1", provider=NORTH)
    assert await access.get("t1") == ADDRESS
    await plane.restart()
    again = AccessStore(plane.store, Base64Sealer(), plane.clock)
    assert await again.get("t1") == ADDRESS
    (held,) = await again.held()
    assert (held.transfer_id, held.agreement_id, held.provider) == ("t1", "a1", NORTH)


async def test_the_kernels_sealer_fits_and_a_secret_is_bound_to_its_transfer(
    plane: Plane,
) -> None:
    access = AccessStore(plane.store, Sealer(b"s" * 32, "dataplane/access"), plane.clock)
    await access.received("t1", ADDRESS, agreement_id="a1", provider=NORTH)
    assert await access.get("t1") == ADDRESS
    files = b"".join(path.read_bytes() for path in plane.path.parent.iterdir())
    assert SECRET.encode() not in files
    other = AccessStore(plane.database.store("west"), Sealer(b"s" * 32, "x"), plane.clock)
    assert await code_of(other.get("t1")) is Code.not_found


async def test_a_newer_address_replaces_and_a_dropped_one_is_gone(access: AccessStore) -> None:
    assert await code_of(access.get("t1")) is Code.not_found
    await access.received("t1", ADDRESS, agreement_id="a1", provider=NORTH)
    await access.dropped("t1", "The provider ended the transfer.")
    await access.dropped("t1", "again")
    await access.dropped("unknown")
    with pytest.raises(HansaError) as refused:
        await access.get("t1")
    assert refused.value.code is Code.transfer_ended
    assert refused.value.detail == "The provider ended the transfer."
    assert await access.held() == []
    newer = DataAddress(endpoint=ENDPOINT, authorization="newer")
    await access.received("t1", newer, agreement_id="a1", provider=NORTH)
    assert await access.get("t1") == newer


@pytest.mark.parametrize(
    ("address", "field"),
    [
        (DataAddress(endpoint="", authorization="x"), "endpoint"),
        (DataAddress(endpoint="x" * 2_001, authorization="x"), "endpoint"),
        (DataAddress(endpoint="x", authorization="x" * 16_001), "authorization"),
        (DataAddress(endpoint="x", authorization="x\r\nHost: y"), "authorization"),
        (DataAddress(endpoint="x", authorization="\u0442oken"), "authorization"),
        (DataAddress(endpoint="x", authorization="token "), "authorization"),
    ],
)
async def test_an_address_that_cannot_be_used_is_refused(
    access: AccessStore, address: DataAddress, field: str
) -> None:
    with pytest.raises(HansaError) as refused:
        await access.received("t1", address, agreement_id="a1", provider=NORTH)
    assert (refused.value.code, refused.value.facts["field"]) == (Code.invalid_field, field)


async def test_an_address_without_a_token_is_fetched_without(
    consumer: Consumer, access: AccessStore, provider: Provider
) -> None:
    await access.received("t2", DataAddress(endpoint=ENDPOINT), agreement_id="a", provider=NORTH)
    await consumer.fetch("t2", "entities")
    assert "Authorization" not in provider.calls[0][2]


async def test_the_secret_of_a_bare_address_is_the_whole_header(
    consumer: Consumer, access: AccessStore, provider: Provider
) -> None:
    bare = DataAddress(endpoint=ENDPOINT, authorization=SECRET, auth_type=BARE)
    await access.received("t2", bare, agreement_id="a1", provider=NORTH)
    await consumer.fetch("t2", "entities")
    assert provider.calls[0][2]["Authorization"] == SECRET


async def test_a_fetch_carries_the_token_and_only_harmless_headers(
    plane: Plane, consumer: Consumer, provider: Provider
) -> None:
    answer = await consumer.fetch(
        "t1",
        "/entities/urn:ngsi-ld:B:1",
        "attrs=energy&q=energy%3E5",
        {"Accept": "application/ld+json", "Cookie": "session=1", "Authorization": "Bearer mine"},
    )
    assert (answer.status, answer.body) == (200, ANSWER.body)
    assert answer.headers == {"content-type": "application/json", "ngsild-results-count": "3"}
    method, url, headers, _ = provider.calls[0]
    assert method == "GET"
    assert url == f"{ENDPOINT}/entities/urn:ngsi-ld:B:1?attrs=energy&q=energy%3E5"
    assert headers == {"Accept": "application/ld+json", "Authorization": f"Bearer {SECRET}"}
    usage = await plane.usage.usage("t1")
    assert (usage.agreement_id, usage.requests, usage.bytes) == ("a1", 1, len(ANSWER.body))


async def test_a_refusal_of_the_provider_is_an_answer(
    plane: Plane, consumer: Consumer, provider: Provider
) -> None:
    provider.answer = OutboundResponse(403, {"content-type": "application/json"}, b"{}")
    assert (await consumer.fetch("t1", "entities")).status == 403
    assert (await plane.usage.usage("t1")).requests == 0


async def test_queries_may_be_posted(consumer: Consumer, provider: Provider) -> None:
    await consumer.fetch("t1", "entityOperations/query", method="POST", body=b"{}")
    assert provider.calls[0][0] == "POST"
    assert provider.calls[0][3] == b"{}"
    for method in ("DELETE", "PATCH", "CONNECT"):
        attempt = consumer.fetch("t1", "entities", method=method)
        assert await code_of(attempt) is Code.method_not_allowed
    large = consumer.fetch("t1", "entities", method="POST", body=b"x" * (1024 * 1024 + 1))
    assert await code_of(large) is Code.body_too_large


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("../../admin", ""),
        ("entities/%2e%2e/%2e%2e/x", ""),
        ("entities/./x", ""),
        ("entities?x", ""),
        ("entities#x", ""),
        ("entities\r\nHost: evil", ""),
        ("a" * 9_000, ""),
        ("entities", "a b"),
        ("entities", "x=1\r\n"),
        ("entities", "x=%zz"),
    ],
)
async def test_nothing_climbs_out_of_the_endpoint(
    consumer: Consumer, provider: Provider, path: str, query: str
) -> None:
    assert await code_of(consumer.fetch("t1", path, query)) is Code.invalid_field
    assert not provider.calls


async def test_without_access_nothing_is_sent(
    access: AccessStore, consumer: Consumer, provider: Provider
) -> None:
    assert await code_of(consumer.fetch("t2", "entities")) is Code.not_found
    await access.dropped("t1")
    assert await code_of(consumer.fetch("t1", "entities")) is Code.transfer_ended
    assert not provider.calls


async def test_an_answer_is_passed_on_in_parts_within_a_bound(
    plane: Plane, consumer: Consumer, provider: Provider
) -> None:
    async with consumer.stream("t1", "entities", headers={"Accept": "*/*"}) as answer:
        headers: Mapping[str, str] = answer.headers
        parts = [part async for part in answer.parts]
    assert (answer.status, b"".join(parts), len(parts)) == (200, ANSWER.body, 2)
    assert headers == {"content-type": "application/json", "ngsild-results-count": "3"}
    assert provider.calls[0][2]["Authorization"] == f"Bearer {SECRET}"
    assert (await plane.usage.usage("t1")).bytes == len(ANSWER.body)
    async with consumer.stream("t1", "entities", bytes_max=10) as answer:
        assert await code_of(anext(_drained(answer.parts))) is Code.outbound_too_large


async def _drained(parts: Any) -> Any:
    yield [part async for part in parts]
