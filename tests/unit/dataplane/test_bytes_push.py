"""HttpData-PUSH of bytes over real sockets: resume, digests, stops from both sides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from bytes_world import AGREEMENT, TRANSFER, World, content, served, sha, until, world_in
from dataplane_world import NORTH, ONE_ATTRIBUTE, SOUTH, TARGET, caller, constraint
from starlette.types import Receive, Scope, Send

from hansa.dataplane import DataAddress, FileResource, FlowState, UpstreamResource
from hansa.dataplane.ranges import digest_header
from hansa.kernel import Code, HansaError

SIZE = 3_000_000
SLOW = 1_000


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with world_in(tmp_path) as world:
        yield world


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def done(world: World) -> None:
    async def completed() -> bool:
        return (await world.provider.flows.get(TRANSFER)).state is FlowState.COMPLETED

    await until(completed, "the push to be done")


async def arrived(world: World, size: int) -> None:
    async def came() -> bool:
        return await world.consumer.received.part_size(TRANSFER) >= size

    await until(came, f"{size} bytes")


@pytest.mark.parametrize(
    "cuts", [[], [1_000_000], [10, 700, 2_000_000, 1], [SIZE + 5_000]], ids=str
)
async def test_a_push_goes_on_where_it_was_cut_and_is_done_when_all_is_there(
    world: World, cuts: list[int]
) -> None:
    data = content(SIZE)
    world.provider.publish(data, "houses.bin")
    world.to_consumer.cuts = [("up", size) for size in cuts]
    await world.push()
    await done(world)
    received = await world.consumer.received.get(TRANSFER)
    assert received is not None
    assert (received.name, received.size, received.digest) == ("houses.bin", SIZE, sha(data))
    assert world.consumer.received.path(received).read_bytes() == data
    assert world.to_consumer.passed["up"] < SIZE + len(cuts) * 600_000 + 20_000
    mine = (await world.consumer.flows.get(TRANSFER)).progress
    theirs = (await world.provider.flows.get(TRANSFER)).progress
    for progress in (mine, theirs):
        assert (progress.bytes, progress.total_bytes) == (SIZE, SIZE)
        assert progress.digest == f"sha-256:{sha(data)}"
        assert progress.error is None
    assert (await world.provider.usage.usage(TRANSFER)).bytes >= SIZE
    await world.consumer.flows.complete(TRANSFER)
    assert world.consumer.received.path(received).exists(), "what came whole stays"


async def test_the_answer_to_the_last_byte_may_be_lost(world: World) -> None:
    data = content(300_000)
    world.provider.publish(data)
    world.to_consumer.cuts = [("down", 400)]
    await world.push()
    await done(world)
    received = await world.consumer.received.get(TRANSFER)
    assert received is not None
    assert received.digest == sha(data)


async def test_an_empty_file_is_sent(world: World) -> None:
    world.provider.publish(b"")
    await world.push()
    await done(world)
    received = await world.consumer.received.get(TRANSFER)
    assert received is not None
    assert (received.size, received.digest) == (0, sha(b""))


async def stalled(world: World, size: int) -> None:
    """Begin a push whose receiver takes some bytes and then is out of reach."""
    world.provider.publish(content(size))
    world.to_consumer.cuts = [("up", size // 2)] + [("up", 0)] * SLOW
    await world.push()
    await arrived(world, size // 4)


@pytest.mark.parametrize("side", ["provider", "consumer"])
async def test_a_push_that_was_suspended_by_either_side_is_resumed(world: World, side: str) -> None:
    await stalled(world, SIZE)
    for flows in (
        (world.provider.flows, world.consumer.flows)
        if side == "provider"
        else (world.consumer.flows, world.provider.flows)
    ):
        await flows.suspend(TRANSFER, "Wait.")
    world.to_consumer.cuts = []
    assert not world.provider.pushes.running(TRANSFER)
    size = await world.consumer.received.part_size(TRANSFER)
    await asyncio.sleep(0.1)
    assert await world.consumer.received.part_size(TRANSFER) == size < SIZE
    before = world.to_consumer.passed["up"]
    await world.push()
    await done(world)
    received = await world.consumer.received.get(TRANSFER)
    assert received is not None
    assert received.digest == sha(content(SIZE))
    assert world.to_consumer.passed["up"] - before < SIZE - size + 20_000, "it went on from there"


async def test_a_consumer_that_suspended_alone_takes_nothing_and_the_sender_waits(
    world: World,
) -> None:
    await stalled(world, SIZE)
    await world.consumer.flows.suspend(TRANSFER, "Disk full.")
    world.to_consumer.cuts = []
    size = await world.consumer.received.part_size(TRANSFER)

    async def refused() -> bool:
        error = (await world.provider.flows.get(TRANSFER)).progress.error
        return "503" in (error or "")

    await until(refused, "the refusal to be seen by the sender")
    assert await world.consumer.received.part_size(TRANSFER) == size
    assert world.provider.pushes.running(TRANSFER)


@pytest.mark.parametrize("stop", ["terminate", "agreement", "member"])
async def test_a_push_ends_with_its_right(world: World, stop: str) -> None:
    await stalled(world, SIZE)
    if stop == "terminate":
        await world.provider.flows.terminate(TRANSFER, "Enough.")
    elif stop == "agreement":
        await world.end_agreement("Ended by the provider.")
    else:
        world.provider.roll.suspended.add(SOUTH)
    world.to_consumer.cuts = []
    size = await world.consumer.received.part_size(TRANSFER)
    if stop != "terminate":
        reason = "agreement_ended" if stop == "agreement" else "membership_suspended"

        async def shown() -> bool:
            return any(reason in error for error in await told(world))

        await until(shown, reason)
    await asyncio.sleep(0.2)
    assert await world.consumer.received.part_size(TRANSFER) - size <= 1_000_000
    assert await world.consumer.received.get(TRANSFER) is None
    await world.consumer.flows.terminate(TRANSFER, "Enough.")
    assert await world.consumer.received.part_size(TRANSFER) == 0, "what came in part is deleted"


async def test_a_running_push_stops_within_a_block_of_the_agreement(world: World) -> None:
    size = 40_000_000
    world.provider.publish(b"\0" * size)
    await world.push()
    await arrived(world, 1_000_000)
    await world.end_agreement("Over.")

    async def ended() -> bool:
        return not world.provider.pushes.running(TRANSFER)

    await until(ended, "the push to end")
    assert await world.consumer.received.get(TRANSFER) is None
    assert any("agreement_ended" in error for error in await told(world))


async def told(world: World) -> list[str]:
    """Give the errors that the provider's flow shows."""
    return [(await world.provider.flows.get(TRANSFER)).progress.error or ""]


@pytest.mark.parametrize("side", ["provider", "consumer"])
async def test_a_push_goes_on_after_a_crash_of_either_side(world: World, side: str) -> None:
    await stalled(world, SIZE)
    crashed = world.provider if side == "provider" else world.consumer
    await crashed.crash()
    world.to_consumer.cuts = []
    before = world.to_consumer.passed["up"]
    await done(world)
    received = await world.consumer.received.get(TRANSFER)
    assert received is not None
    assert received.digest == sha(content(SIZE))
    assert world.to_consumer.passed["up"] - before < SIZE


async def test_other_bytes_than_announced_are_refused_with_the_reason(world: World) -> None:
    data = content(100_000)
    path = world.provider.publish(data)
    wrong = bytes([data[0] ^ 1]) + data[1:]
    path.write_bytes(wrong)
    known = world.provider.shelf.known[TARGET]
    assert isinstance(known, FileResource)
    world.provider.shelf.known[TARGET] = msgspec.structs.replace(known, stamp=None)
    await world.push()

    async def stopped() -> bool:
        return not world.provider.pushes.running(TRANSFER)

    await until(stopped, "the push to stop")
    (error,) = await told(world)
    assert "422" in error
    assert "not those that were announced" in error
    assert await world.consumer.received.get(TRANSFER) is None
    assert await world.consumer.received.part_size(TRANSFER) == 0
    shown = (await world.consumer.flows.get(TRANSFER)).progress.error or ""
    assert "digest_mismatch" in shown


async def test_more_than_is_permitted_is_refused_with_the_bound(world: World) -> None:
    world.consumer.received.bytes_max = 1_000_000
    world.provider.publish(content(SIZE))
    await world.push()

    async def stopped() -> bool:
        return not world.provider.pushes.running(TRANSFER)

    await until(stopped, "the push to stop")
    assert "413" in (await told(world))[0]
    assert await world.consumer.received.part_size(TRANSFER) <= 1_000_000


# -- the inbox as anybody may call it --------------------------------------------------------------


async def inbox(world: World) -> tuple[str, dict[str, str]]:
    prepared = await world.consumer.flows.prepare(world.consumer.flow("HttpData-PUSH", NORTH))
    assert prepared.address is not None
    return prepared.address.endpoint, {"Authorization": f"Bearer {prepared.address.authorization}"}


async def test_a_plain_post_is_taken_whole_as_from_any_connector(
    world: World, http: aiohttp.ClientSession
) -> None:
    url, token = await inbox(world)
    data = content(500_000)

    async def parts() -> AsyncIterator[bytes]:
        yield data[:1]
        yield data[1:]

    async with http.post(url, headers={**token, "Content-Type": "text/csv"}, data=parts()) as done:
        assert done.status == 204
        assert done.headers["Repr-Digest"] == digest_header(sha(data))
    received = await world.consumer.received.get(TRANSFER)
    assert received is not None
    assert (received.media_type, received.digest) == ("text/csv", sha(data))
    async with http.head(url, headers=token) as head:
        assert head.headers["Upload-Complete"] == "?1"


PATCH = {"Content-Type": "application/partial-upload", "Upload-Complete": "?0"}


async def test_an_upload_in_pieces_as_the_draft_has_it(
    world: World, http: aiohttp.ClientSession
) -> None:
    url, token = await inbox(world)
    data = content(1_000)
    async with http.head(url, headers=token) as head:
        assert (head.status, head.headers["Upload-Offset"]) == (204, "0")
    async with http.patch(
        url, headers={**token, **PATCH, "Upload-Offset": "0"}, data=data[:400]
    ) as sent:
        assert (sent.status, sent.headers["Upload-Offset"]) == (204, "400")
        assert sent.headers["Upload-Complete"] == "?0"
    async with http.patch(
        url, headers={**token, **PATCH, "Upload-Offset": "0"}, data=data
    ) as again:
        assert again.status == 409
        assert again.headers["Upload-Offset"] == "400"
    last = {**PATCH, "Upload-Complete": "?1", "Upload-Offset": "400"}
    last["Repr-Digest"] = digest_header(sha(data))
    async with http.patch(url, headers={**token, **last}, data=data[400:]) as sent:
        assert (sent.status, sent.headers["Upload-Complete"]) == (204, "?1")


@pytest.mark.parametrize(
    ("method", "headers", "status", "code"),
    [
        ("POST", {"Authorization": "Bearer x"}, 401, "token_unknown"),
        ("POST", {"Authorization": ""}, 401, "token_missing"),
        ("PUT", {"Content-Range": "bytes 0-3/10"}, 400, "invalid_field"),
        ("PATCH", {"Content-Type": "text/plain", "Upload-Offset": "0"}, 415, None),
        ("PATCH", {"Content-Type": "application/partial-upload"}, 400, "invalid_field"),
        ("PATCH", {**PATCH, "Upload-Offset": "-1"}, 400, "invalid_field"),
        ("POST", {"Repr-Digest": digest_header(sha(b"other"))}, 422, "digest_mismatch"),
        ("POST", {"Upload-Length": "3"}, 400, "invalid_field"),
        ("POST", {"Upload-Length": "30"}, 409, "conflict"),
    ],
)
async def test_what_the_inbox_does_not_take_is_refused_with_the_reason(
    world: World,
    http: aiohttp.ClientSession,
    method: str,
    headers: dict[str, str],
    status: int,
    code: str | None,
) -> None:
    url, token = await inbox(world)
    async with http.request(method, url, headers={**token, **headers}, data=b"1234") as answer:
        assert answer.status == status
        if code is not None:
            assert (await answer.json())["code"] == code
    assert await world.consumer.received.get(TRANSFER) is None


async def test_the_newest_sender_takes_over(world: World, http: aiohttp.ClientSession) -> None:
    url, token = await inbox(world)
    data = content(400_000)
    going = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield data[:200_000]
        await going.wait()
        yield data[200_000:]

    old = asyncio.create_task(post(http, url, token, slow()))

    async def half() -> bool:
        found = world.consumer.receiver._arriving.get(TRANSFER)
        return found is not None and found.part.size == 200_000

    await until(half, "the half to come")
    async with http.head(url, headers=token) as head:
        offset = head.headers["Upload-Offset"]
    assert offset == "200000"
    headers = {**token, **PATCH, "Upload-Complete": "?1", "Upload-Offset": offset}
    async with http.patch(url, headers=headers, data=data[int(offset) :]) as sent:
        assert sent.status == 204
    going.set()
    assert await old in (0, 403), "it was broken off"
    received = await world.consumer.received.get(TRANSFER)
    assert received is not None
    assert received.digest == sha(data)


async def post(http: aiohttp.ClientSession, url: str, headers: Any, data: Any) -> int:
    try:
        async with http.post(url, headers=headers, data=data) as answer:
            return answer.status
    except aiohttp.ClientError:
        return 0


async def test_an_ended_transfer_takes_nothing(world: World, http: aiohttp.ClientSession) -> None:
    url, token = await inbox(world)
    await world.consumer.flows.terminate(TRANSFER, "Over.")
    async with http.post(url, headers=token, data=b"1") as answer:
        assert answer.status in (401, 403)


# -- other receivers ---------------------------------------------------------------------------


class Sink:
    """A plain HTTP server that takes uploads, and fails the first `failures` of them."""

    def __init__(self, failures: int = 0, status: int = 500) -> None:
        self.failures = failures
        self.status = status
        self.taken: list[tuple[str, dict[str, str], bytes]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = {name.decode(): value.decode() for name, value in scope["headers"]}
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        status = 405 if scope["method"] == "HEAD" else 200
        if status == 200 and self.failures:
            self.failures -= 1
            status = self.status
        elif status == 200:
            self.taken.append((scope["method"], asked, body))
        headers = [(b"content-length", b"0")]
        if status == 429:
            headers.append((b"retry-after", b"40"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_plain_server_gets_one_upload_and_a_whole_one_again_after_a_failure(
    world: World, method: str
) -> None:
    data = content(SIZE)
    world.provider.publish(data, "houses.bin")
    await world.provider.grants.seen(caller())
    sink = Sink(failures=2)
    async with served(sink) as port:
        properties = {"method": method} if method != "POST" else {}
        flow = world.provider.flow("HttpData-PUSH", SOUTH)
        to = DataAddress(
            endpoint=f"http://127.0.0.1:{port}/in?x=1",
            authorization="t0k3n",
            properties=properties,
        )
        await world.provider.flows.requested(flow, to)
        await world.provider.flows.start(flow)
        await done(world)
    ((used, headers, body),) = sink.taken
    assert (used, body) == (method, data)
    assert headers["content-length"] == str(SIZE)
    assert headers["authorization"] == "Bearer t0k3n"
    assert headers["repr-digest"] == digest_header(sha(data))
    assert "upload-offset" not in headers


async def test_a_server_that_refuses_for_good_ends_the_push_with_its_reason(
    world: World,
) -> None:
    world.provider.publish(content(10))
    await world.provider.grants.seen(caller())
    async with served(Sink(failures=1, status=401)) as port:
        flow = world.provider.flow("HttpData-PUSH", SOUTH)
        to = DataAddress(endpoint=f"http://127.0.0.1:{port}/")
        await world.provider.flows.requested(flow, to)
        await world.provider.flows.start(flow)

        async def stopped() -> bool:
            return not world.provider.pushes.running(TRANSFER)

        await until(stopped, "the push to stop")
    assert "401" in (await told(world))[0]


async def test_a_server_that_asks_for_time_gets_it(world: World) -> None:
    world.provider.publish(content(10))
    await world.provider.grants.seen(caller())
    async with served(Sink(failures=1, status=429)) as port:
        flow = world.provider.flow("HttpData-PUSH", SOUTH)
        to = DataAddress(endpoint=f"http://127.0.0.1:{port}/")
        await world.provider.flows.requested(flow, to)
        await world.provider.flows.start(flow)

        async def failed() -> bool:
            return (await world.provider.flows.get(TRANSFER)).progress.attempts > 0

        await until(failed, "the first try")
        progress = (await world.provider.flows.get(TRANSFER)).progress
        assert "429" in (progress.error or "")
        assert progress.next_at is not None
        assert progress.next_at - world.provider.clock.now() == timedelta(seconds=40)
        await world.provider.pushes.stop(TRANSFER)


@pytest.mark.parametrize(
    ("address", "code"),
    [
        (DataAddress(endpoint="mqtt://host/"), Code.invalid_field),
        (DataAddress(endpoint="http://user:pw@host/"), Code.invalid_field),
        (DataAddress(endpoint="http://host/", authorization="a\r\nb"), Code.invalid_field),
        (DataAddress(endpoint="http://h/", properties={"method": "DELETE"}), Code.invalid_field),
        (None, Code.invalid_field),
    ],
)
async def test_an_address_that_cannot_be_sent_to_is_refused(
    world: World, address: DataAddress | None, code: Code
) -> None:
    world.provider.publish(content(10))
    flow = world.provider.flow("HttpData-PUSH", SOUTH)
    await world.provider.grants.seen(caller())
    with pytest.raises(HansaError) as refused:
        await world.provider.flows.start(flow, address)
    assert refused.value.code is code


async def test_terms_that_would_cut_bytes_are_not_sent_under(world: World) -> None:
    world.provider.publish(content(10))
    world.agreements.add(AGREEMENT, ONE_ATTRIBUTE)
    flow = world.provider.flow("HttpData-PUSH", SOUTH)
    with pytest.raises(HansaError) as refused:
        await world.provider.flows.check(flow, DataAddress(endpoint="http://127.0.0.1:1/"))
    assert refused.value.code is Code.policy_unsupported


async def test_a_receiver_that_names_its_own_offset_does_not_poll_for_one_use(
    world: World,
) -> None:
    """A source that changes, and a receiver that has always one byte and is never satisfied."""
    world.agreements.add(AGREEMENT, constraint("odrl:count", "lteq", "2"))
    rendered, read = [0], list[bytes]()

    async def source(scope: Scope, receive: Receive, send: Send) -> None:
        rendered[0] += 1
        body = b"-%03d" % rendered[0]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async def greedy(scope: Scope, receive: Receive, send: Send) -> None:
        head = scope["method"] == "HEAD"
        body = b""
        while not head:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        if body:
            read.append(body)
        headers = [(b"upload-offset", b"1")]
        await send(
            {"type": "http.response.start", "status": 204 if head else 503, "headers": headers}
        )
        await send({"type": "http.response.body", "body": b""})

    async with served(source) as upstream, served(greedy) as receiver:
        world.provider.shelf.known[TARGET] = UpstreamResource(
            name="now.txt", media_type="text/plain", url=f"http://127.0.0.1:{upstream}/"
        )
        await world.provider.grants.seen(caller())
        flow = world.provider.flow("HttpData-PUSH", SOUTH)
        address = DataAddress(endpoint=f"http://127.0.0.1:{receiver}/")
        await world.provider.flows.requested(flow, address)
        await world.provider.flows.start(flow)

        async def exhausted() -> bool:
            error = (await world.provider.flows.get(TRANSFER)).progress.error or ""
            return "policy_denied" in error

        await until(exhausted, "the uses to be spent")
        seen = len(read)
        await asyncio.sleep(0.3)
        assert len(read) == seen, "nothing more is sent when the uses are spent"
        assert seen <= 4, f"two uses gave {read}"


async def test_long_ids_that_begin_alike_are_files_of_their_own(world: World) -> None:
    """A foreign control plane names its flows itself."""
    files = world.consumer.received
    one, other = (files.part("x" * 300 + end) for end in "ab")
    assert one.path != other.path
    assert files.part("../" * 90).path.parent == files.folder
