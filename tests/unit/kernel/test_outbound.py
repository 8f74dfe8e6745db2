"""The guarded client refuses what it must, and says why."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator

import pytest

from hansa.kernel import Code, HansaError
from hansa.kernel.outbound import OutboundClient, OutboundLimits, address_permitted


@pytest.fixture
async def server() -> AsyncIterator[int]:
    handlers: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.add(task)
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ")[1]
        if path == b"/slow":
            await reader.read()  # until the caller hangs up
            return
        if path == b"/redirect":
            writer.write(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")
        elif path == b"/twice":
            links = b"Link: <a>; rel=next\r\nlink: <b>; rel=prev\r\n"
            writer.write(b"HTTP/1.1 200 OK\r\n" + links + b"Content-Length: 2\r\n\r\n{}")
        elif path == b"/big":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000)
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()

    running = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield running.sockets[0].getsockname()[1]
    running.close()
    await asyncio.gather(*handlers)
    await running.wait_closed()


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "::ffff:10.0.0.1",
     "fe80::1", "224.0.0.1", "100.64.0.1", "2002:a9fe:a9fe::", "2002:7f00:1::1"],
)  # fmt: skip
def test_addresses_that_are_not_public_are_not_permitted(address: str) -> None:
    assert not address_permitted(address, OutboundLimits())


def test_link_local_stays_forbidden_whatever_is_permitted() -> None:
    limits = OutboundLimits(allow_loopback=True, allow_private=True)
    assert not address_permitted("169.254.169.254", limits)
    assert address_permitted("10.1.2.3", limits)
    assert address_permitted("127.0.0.1", limits)
    assert address_permitted("93.184.216.34", OutboundLimits())


@pytest.mark.parametrize(
    "url", ["ftp://example.org/", "http://user:pw@example.org/", "file:///etc/passwd", "nonsense"]
)
async def test_urls_that_are_never_called(url: str) -> None:
    client = OutboundClient()
    with pytest.raises(HansaError) as caught:
        await client.request("GET", url)
    assert caught.value.code is Code.outbound_blocked


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_loopback_needs_its_permission(server: int, host: str) -> None:
    client = OutboundClient()
    with pytest.raises(HansaError) as caught:
        await client.request("GET", f"http://{host}:{server}/")
    assert caught.value.code is Code.outbound_blocked
    await client.close()
    permitted = OutboundClient(OutboundLimits(allow_loopback=True))
    answer = await permitted.request("GET", f"http://{host}:{server}/")
    assert answer.json() == {}
    await permitted.close()


async def test_bounds_of_size_time_and_redirects(server: int) -> None:
    client = OutboundClient(OutboundLimits(allow_loopback=True))
    base = f"http://localhost:{server}"
    with pytest.raises(HansaError) as big:
        await client.request("GET", f"{base}/big", body_bytes_max=1000)
    assert big.value.code is Code.outbound_too_large
    with pytest.raises(HansaError) as slow:
        await client.request("GET", f"{base}/slow", timeout_s=0.05)
    assert slow.value.code is Code.outbound_timeout
    assert (await client.request("GET", f"{base}/redirect")).status == 302
    with pytest.raises(HansaError) as dead:
        await client.request("GET", "http://localhost:1/")
    assert dead.value.code is Code.outbound_failed
    await client.close()


async def test_a_field_sent_twice_is_one_list(server: int) -> None:
    client = OutboundClient(OutboundLimits(allow_loopback=True))
    answer = await client.request("GET", f"http://127.0.0.1:{server}/twice")
    assert answer.headers["link"] == "<a>; rel=next, <b>; rel=prev"
    await client.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "10.0.0.1", "169.254.1.1"])
async def test_other_protocols_connect_to_addresses_that_were_checked(host: str) -> None:
    with pytest.raises(HansaError) as caught:
        await OutboundClient().resolve(host, 1883)
    assert caught.value.code is Code.outbound_blocked
    own = OutboundClient(OutboundLimits(allow_loopback=True))
    if host in ("127.0.0.1", "localhost"):
        assert "127.0.0.1" in await own.resolve(host, 1883)


async def test_a_host_that_is_not_there_is_said_to_be_so() -> None:
    with pytest.raises(HansaError) as caught:
        await OutboundClient().resolve("nobody.invalid", 22)
    assert caught.value.code is Code.outbound_failed


async def test_an_error_says_whether_anybody_can_have_read_the_request(server: int) -> None:
    client = OutboundClient(OutboundLimits(allow_loopback=True))
    with pytest.raises(HansaError) as slow:
        await client.request("POST", f"http://localhost:{server}/slow", body=b"{}", timeout_s=2)
    with pytest.raises(HansaError) as closed:
        await client.request("POST", "http://localhost:1/", body=b"{}")
    assert "unsent" not in slow.value.facts, "it was sent, and may have been read"
    assert closed.value.facts["unsent"] is True
    await client.close()


async def test_name_servers_that_do_not_answer_hold_up_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered = threading.Event()

    def asked(host: str, *more: object, **named: object) -> list[object]:
        answered.wait(120)
        raise socket.gaierror("no answer")

    monkeypatch.setattr(socket, "getaddrinfo", asked)
    client = OutboundClient()
    asking = [asyncio.create_task(client.resolve(f"n{n}.example", 80)) for n in range(64)]
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(60):
            assert await asyncio.to_thread(lambda: "at work") == "at work"
    finally:
        answered.set()
    found = await asyncio.gather(*asking, return_exceptions=True)
    assert {type(one) for one in found} == {HansaError}
