"""HttpData-PULL of bytes over real sockets: parts, conditions, digests, stops, resumes."""

from __future__ import annotations

import asyncio
import email
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import msgspec
import pytest
from bytes_world import AGREEMENT, TRANSFER, World, content, served, sha, until, world_in
from dataplane_world import ONE_ATTRIBUTE, SOUTH, TARGET
from starlette.types import Receive, Scope, Send

from hansa.dataplane import FileResource, FlowState, UpstreamResource
from hansa.dataplane.ranges import digest_header
from hansa.kernel import Code, HansaError

SIZE = 3_000_000


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with world_in(tmp_path) as world:
        yield world


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def address(world: World) -> tuple[str, dict[str, str]]:
    await world.pull()
    given = await world.consumer.access.get(TRANSFER)
    return given.endpoint, {"Authorization": f"Bearer {given.authorization}"}


async def test_the_whole_comes_with_its_digest_name_and_type(
    world: World, http: aiohttp.ClientSession
) -> None:
    data = content(SIZE)
    world.provider.publish(data, "Häuser 1.bin")
    url, token = await address(world)
    async with http.get(url, headers=token) as answer:
        assert answer.status == 200
        assert await answer.read() == data
        for name in ("Repr-Digest", "Content-Digest"):
            assert answer.headers[name] == digest_header(sha(data)), name
        assert answer.headers["ETag"] == f'"{sha(data)}"'
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert "filename*=UTF-8''H%C3%A4user%201.bin" in answer.headers["Content-Disposition"]
    async with http.head(url, headers=token) as answer:
        assert (answer.status, answer.headers["Content-Length"]) == (200, str(SIZE))
        assert answer.headers["Repr-Digest"] == digest_header(sha(data))
    usage = await world.provider.usage.usage(TRANSFER)
    assert usage.bytes == SIZE


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("bytes=0-99", [(0, 100)]),
        ("bytes=100-", [(100, SIZE)]),
        ("bytes=-7", [(SIZE - 7, SIZE)]),
        ("bytes=0-0,-1", [(0, 1), (SIZE - 1, SIZE)]),
        ("bytes=500-999, 0-99", [(500, 1000), (0, 100)]),
        ("bytes=0-1999999,1000000-", [(0, SIZE)]),
        (f"bytes=2-{SIZE * 2}", [(2, SIZE)]),
    ],
)
async def test_parts_are_exact(
    world: World, http: aiohttp.ClientSession, asked: str, found: list[tuple[int, int]]
) -> None:
    data = content(SIZE)
    world.provider.publish(data)
    url, token = await address(world)
    async with http.get(url, headers={**token, "Range": asked}) as answer:
        body = await answer.read()
        assert answer.status == 206
        assert int(answer.headers["Content-Length"]) == len(body)
        if len(found) == 1:
            start, end = found[0]
            assert body == data[start:end]
            assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/{SIZE}"
            if end - start <= 1000:
                assert answer.headers["Content-Digest"] == digest_header(sha(body))
            return
        head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
        parts = email.message_from_bytes(head + body).get_payload()
        assert [part["Content-Range"] for part in parts] == [
            f"bytes {start}-{end - 1}/{SIZE}" for start, end in found
        ]
    assert body.count(data[found[0][0] : found[0][1]]) >= 1
    assert data[found[1][0] : found[1][1]] in body


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-None-Match": "{etag}"}, 304),
        ({"If-None-Match": 'W/{etag}, "other"'}, 304),
        ({"If-None-Match": '"other"'}, 200),
        ({"If-Match": '"other"'}, 412),
        ({"If-Match": "{etag}"}, 200),
        ({"If-Match": "W/{etag}"}, 412),
        ({"Range": "bytes=3-5", "If-Range": "{etag}"}, 206),
        ({"Range": "bytes=3-5", "If-Range": '"other"'}, 200),
        ({"Range": "bytes=3-5", "If-Range": "Sat, 01 Jan 2026 00:00:00 GMT"}, 200),
        ({"Range": "bytes=100-200"}, 416),
        ({"Range": "bytes=5-3"}, 200),
        ({"Range": "rows=1-2"}, 200),
        ({"Range": "bytes=0-1,a-b"}, 200),
        ({"Range": "bytes=" + "0-0," * 65}, 200),
    ],
)
async def test_conditions_and_odd_ranges(
    world: World, http: aiohttp.ClientSession, headers: dict[str, str], status: int
) -> None:
    data = content(20)
    world.provider.publish(data)
    url, token = await address(world)
    sent = {name: value.replace("{etag}", f'"{sha(data)}"') for name, value in headers.items()}
    async with http.get(url, headers={**token, **sent}) as answer:
        body = await answer.read()
        assert answer.status == status
        if status == 200:
            assert body == data
        if status == 206:
            assert body == data[3:6]
        if status == 416:
            assert answer.headers["Content-Range"] == "bytes */20"
            assert "No part that you ask for" in body.decode()
        if status == 304:
            assert (body, answer.headers["ETag"]) == (b"", f'"{sha(data)}"')


async def test_an_empty_file_is_given(world: World, http: aiohttp.ClientSession) -> None:
    world.provider.publish(b"")
    url, token = await address(world)
    async with http.get(url, headers=token) as answer:
        assert (answer.status, await answer.read()) == (200, b"")
    async with http.get(url, headers={**token, "Range": "bytes=0-"}) as answer:
        assert answer.status == 416


async def test_what_is_not_entitled_is_refused_with_the_reason(
    world: World, http: aiohttp.ClientSession
) -> None:
    world.provider.publish(content(10))
    url, token = await address(world)
    for sent, path, method, expected in (
        ({}, url, "GET", (401, "token_missing")),
        ({"Authorization": "Bearer x"}, url, "GET", (401, "token_unknown")),
        (token, f"{url}x", "GET", (404, "not_found")),
        (token, url, "POST", (405, "method_not_allowed")),
    ):
        async with http.request(method, path, headers=sent) as answer:
            assert (answer.status, (await answer.json())["code"]) == expected
    await world.provider.flows.suspend(TRANSFER, "Maintenance.")
    async with http.get(url, headers=token) as answer:
        problem = await answer.json()
        assert (answer.status, problem["code"]) == (403, "transfer_ended")
        assert problem["detail"] == "Maintenance."


async def test_a_changed_file_is_not_given_under_the_old_digest(
    world: World, http: aiohttp.ClientSession
) -> None:
    path = world.provider.publish(content(10))
    url, token = await address(world)
    path.write_bytes(content(10, seed=2))
    async with http.get(url, headers=token) as answer:
        assert answer.status == 503
        assert "not there any more as it was published" in (await answer.json())["title"]


def held_open() -> list[str]:
    """Name the files that this process holds open, as far as the system tells."""
    found = []
    if os.path.isdir("/proc/self/fd"):
        for name in os.listdir("/proc/self/fd"):
            with suppress(OSError):
                found.append(os.readlink(f"/proc/self/fd/{name}"))
    return found


async def test_a_file_is_closed_when_nobody_reads_it_any_more(
    world: World, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hansa.dataplane.resources._IDLE_S", 0.05)
    path = world.provider.publish(content(10))
    url, token = await address(world)
    for _ in range(2):
        async with http.get(url, headers=token) as answer:
            assert await answer.read() == content(10)
    path.unlink()

    async def closed() -> bool:
        return not any(str(path) in each for each in held_open())

    await until(closed, "the file to be closed")
    async with http.get(url, headers=token) as answer:
        assert answer.status == 503


async def test_terms_that_would_cut_bytes_start_nothing_and_give_nothing(
    world: World, http: aiohttp.ClientSession
) -> None:
    world.provider.publish(content(10))
    world.agreements.add(AGREEMENT, ONE_ATTRIBUTE)
    flow = world.provider.flow("HttpData-PULL", SOUTH)
    for refused in (world.provider.flows.check(flow), world.provider.flows.start(flow)):
        with pytest.raises(HansaError) as error:
            await refused
        assert error.value.code is Code.policy_unsupported
        assert "as a whole or not at all" in error.value.detail
    world.agreements.add(AGREEMENT)
    url, token = await address(world)
    world.agreements.add(AGREEMENT, ONE_ATTRIBUTE)
    await world.provider.grants.agreement_changed(AGREEMENT)
    async with http.get(url, headers=token) as answer:
        assert (await answer.json())["code"] == "policy_unsupported"


STOPS = ("suspend", "terminate", "agreement", "member")


@pytest.mark.parametrize("stop", STOPS)
async def test_a_running_answer_stops_within_a_block_of_its_right(
    world: World, http: aiohttp.ClientSession, stop: str
) -> None:
    size = 40_000_000
    world.provider.publish(b"\0" * size)
    url, token = await address(world)
    async with http.get(url, headers=token) as answer:
        await answer.content.readexactly(500_000)
        if stop == "suspend":
            await world.provider.flows.suspend(TRANSFER, "Enough.")
        elif stop == "terminate":
            await world.provider.flows.terminate(TRANSFER, "Enough.")
        elif stop == "agreement":
            await world.end_agreement("Ended by the provider.")
        else:
            world.provider.roll.suspended.add(SOUTH)
        rest = 500_000
        try:
            while block := await answer.content.readany():
                rest += len(block)
        except aiohttp.ClientPayloadError as error:
            assert "not enough data" in str(error).lower()  # noqa: PT017
        else:
            raise AssertionError("the answer came whole")
    assert rest < 15_000_000, "what was under way, not the whole"
    usage = await world.provider.usage.usage(TRANSFER)
    assert 500_000 <= usage.bytes < size


async def test_a_reader_that_does_not_read_is_let_go_when_the_right_ends(
    world: World, http: aiohttp.ClientSession
) -> None:
    size = 60_000_000
    world.provider.publish(b"\0" * size)
    url, token = await address(world)
    async with http.get(url, headers=token) as answer:
        await answer.content.readexactly(1)
        await asyncio.sleep(0.3)
        await world.end_agreement("Over.")

        async def counted() -> bool:
            return (await world.provider.usage.usage(TRANSFER)).requests == 1

        await until(counted, "the answer to be broken off")
        assert (await world.provider.usage.usage(TRANSFER)).bytes < size


async def test_a_reader_that_leaves_costs_no_more_reading(
    world: World, http: aiohttp.ClientSession
) -> None:
    size = 60_000_000
    world.provider.publish(b"\0" * size)
    url, token = await address(world)
    async with http.get(url, headers=token) as answer:
        await answer.content.readexactly(1_000)

    async def counted() -> bool:
        return (await world.provider.usage.usage(TRANSFER)).requests == 1

    await until(counted, "the answer to be broken off")
    assert (await world.provider.usage.usage(TRANSFER)).bytes < size


# -- downloads ---------------------------------------------------------------------------------


@pytest.mark.parametrize("cuts", [[], [900_000], [100, 5_000, 1_000_000, 1]])
async def test_a_download_goes_on_where_it_was_cut_and_completes_the_transfer(
    world: World, cuts: list[int]
) -> None:
    data = content(SIZE)
    world.provider.publish(data, "houses.bin")
    await world.pull()
    world.to_provider.cuts = [("down", size) for size in cuts]
    received = await world.consumer.downloads.download(TRANSFER)
    assert (received.name, received.size, received.digest) == ("houses.bin", SIZE, sha(data))
    assert world.consumer.received.path(received).read_bytes() == data
    assert world.to_provider.cuts == []
    world.consumer.usage.count(TRANSFER, AGREEMENT, entities=0, bytes=SIZE * 9)
    flow = await world.consumer.flows.get(TRANSFER)
    assert flow.state is FlowState.COMPLETED
    assert (flow.progress.bytes, flow.progress.total_bytes) == (SIZE, SIZE)
    assert flow.progress.digest == f"sha-256:{sha(data)}"
    # no byte came twice but those that a cut lost on the way
    assert world.to_provider.passed["down"] < SIZE + len(cuts) * 400_000 + 20_000
    assert await world.consumer.downloads.download(TRANSFER) == received


async def test_a_download_goes_on_after_a_crash(world: World) -> None:
    data = content(SIZE)
    world.provider.publish(data)
    await world.pull()
    world.to_provider.cuts = [("down", 1_500_000)] + [("down", 0)] * 1_000
    await world.consumer.downloads.start(TRANSFER)
    size_of = world.consumer.received.part_size

    async def arrived() -> bool:
        return await size_of(TRANSFER) >= 1_000_000

    await until(arrived, "a part")
    await world.consumer.crash()
    world.to_provider.cuts = []
    before = world.to_provider.passed["down"]
    received = await world.consumer.downloads.download(TRANSFER)
    assert received.digest == sha(data)
    assert world.to_provider.passed["down"] - before < 2_200_000


async def test_a_download_waits_for_a_suspended_transfer_and_takes_the_new_token(
    world: World,
) -> None:
    data = content(20_000_000)
    world.provider.publish(data)
    await world.pull()
    world.to_provider.cuts = [("down", 4_000_000)] + [("down", 0)] * 5
    await world.provider.flows.suspend(TRANSFER, "Wait.")
    await world.consumer.flows.suspend(TRANSFER, "Wait.")
    await world.consumer.downloads.start(TRANSFER)

    async def refused() -> bool:
        return bool((await world.consumer.flows.get(TRANSFER)).progress.error)

    await until(refused, "a refusal")
    await world.pull()
    received = await world.consumer.downloads.download(TRANSFER)
    assert received.digest == sha(data)


async def test_other_bytes_after_a_cut_are_not_mixed(world: World) -> None:
    world.provider.publish(content(SIZE))
    await world.pull()
    other = content(SIZE, seed=2)
    world.to_provider.cuts = [("down", 1_000_000)]

    async def swap() -> None:
        while world.to_provider.cuts:  # noqa: ASYNC110 - the wire has no event for it
            await asyncio.sleep(0)
        world.provider.publish(other, "other.bin")

    swapping = asyncio.create_task(swap())
    received = await world.consumer.downloads.download(TRANSFER)
    await swapping
    assert received.digest in (sha(other), sha(content(SIZE)))
    assert world.consumer.received.path(received).read_bytes() in (other, content(SIZE))


async def test_bytes_that_are_not_those_announced_are_refused_with_the_reason(
    world: World,
) -> None:
    data = content(100_000)
    path = world.provider.publish(data)
    wrong = bytes([data[0] ^ 1]) + data[1:]
    path.write_bytes(wrong)
    known = world.provider.shelf.known[TARGET]
    assert isinstance(known, FileResource)
    world.provider.shelf.known[TARGET] = msgspec.structs.replace(known, stamp=None)
    await world.pull()
    with pytest.raises(HansaError) as refused:
        await world.consumer.downloads.download(TRANSFER)
    assert refused.value.code is Code.digest_mismatch
    assert sha(wrong) in refused.value.detail
    assert await world.consumer.received.get(TRANSFER) is None
    assert (await world.consumer.flows.get(TRANSFER)).state is FlowState.STARTED


async def test_more_than_is_permitted_is_not_taken(world: World) -> None:
    world.consumer.received.bytes_max = 1_000_000
    world.provider.publish(content(SIZE))
    await world.pull()
    with pytest.raises(HansaError) as refused:
        await world.consumer.downloads.download(TRANSFER)
    assert refused.value.code in (Code.body_too_large, Code.outbound_too_large)
    assert await world.consumer.received.part_size(TRANSFER) <= 1_000_000


# -- upstreams ---------------------------------------------------------------------------------


class Upstream:
    """An HTTP server with one content, and what it was asked."""

    def __init__(self, data: bytes, status: int = 200) -> None:
        self.data = data
        self.status = status
        self.asked: list[dict[str, str]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.asked.append(asked)
        status, body = self.status, self.data
        headers = [
            (b"etag", b'"v1"'),
            (b"set-cookie", b"secret=1"),
            (b"x-internal", b"10.0.0.1"),
        ]
        span = asked.get("range", "")
        if span and status == 200:
            first, _, last = span.removeprefix("bytes=").partition("-")
            end = int(last) + 1 if last else len(body)
            headers.append((b"content-range", f"bytes {first}-{end - 1}/{len(body)}".encode()))
            status, body = 206, body[int(first) : end]
        headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def test_an_upstream_is_relayed_with_parts_and_its_secrets_stay(
    world: World, http: aiohttp.ClientSession
) -> None:
    upstream = Upstream(content(SIZE))
    async with served(upstream) as port:
        world.provider.shelf.known[TARGET] = UpstreamResource(
            name="feed.bin",
            media_type="application/x-feed",
            url=f"http://127.0.0.1:{port}/feed?key=hidden",
            headers={"X-Api-Key": "s3cret"},
        )
        url, token = await address(world)
        async with http.get(url, headers={**token, "Cookie": "a=b"}) as answer:
            assert (answer.status, await answer.read()) == (200, upstream.data)
            shown = {name.lower() for name in answer.headers}
            assert not shown & {"set-cookie", "x-internal", "x-api-key"}
            assert answer.headers["Content-Type"] == "application/x-feed"
        async with http.get(url, headers={**token, "Range": "bytes=10-19"}) as answer:
            assert (answer.status, await answer.read()) == (206, upstream.data[10:20])
            assert answer.headers["Content-Range"] == f"bytes 10-19/{SIZE}"
        for asked in upstream.asked:
            assert asked["x-api-key"] == "s3cret"
            assert not {"authorization", "cookie"} & set(asked), "ours goes nowhere"
        world.to_provider.cuts = [("down", 1_000_000)]
        received = await world.consumer.downloads.download(TRANSFER)
        assert received.digest == hashlib.sha256(upstream.data).hexdigest()
        assert upstream.asked[-1]["range"].startswith("bytes=")


@pytest.mark.parametrize("status", [302, 401, 500])
async def test_an_upstream_that_refuses_is_our_matter(
    world: World, http: aiohttp.ClientSession, status: int
) -> None:
    upstream = Upstream(b"internal details", status)
    async with served(upstream) as port:
        world.provider.shelf.known[TARGET] = UpstreamResource(
            name="f", media_type="text/plain", url=f"http://127.0.0.1:{port}/"
        )
        url, token = await address(world)
        async with http.get(url, headers=token) as answer:
            body = await answer.text()
            assert answer.status == 502
            assert f"answered {status}" in body
            assert "internal details" not in body
