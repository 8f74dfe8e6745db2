"""Names that nobody answers for shut out no others."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable

import pytest

from hansa.kernel import Code, HansaError
from hansa.kernel.names import Found, HostNames, NoAnswerError
from hansa.kernel.outbound import OutboundClient, OutboundLimits

FOUND: Found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))]
LONG_S = 60.0
"""Longer than any test: nothing here waits for time to pass."""


class NameServer:
    """Stands where the system's resolver stands: some names it answers, some it never does."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.silent: Callable[[str], bool] = lambda host: host.startswith("silent")
        self.heard = asyncio.Event()
        self._end = threading.Event()
        self._loop = asyncio.get_running_loop()

    def getaddrinfo(self, host: str, *_: object, **__: object) -> Found:
        self.asked[host] += 1
        with contextlib.suppress(RuntimeError):  # a late thread: the test is over
            self._loop.call_soon_threadsafe(self.heard.set)
        if self.silent(host):
            self._end.wait(LONG_S)
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        if host.startswith("missing"):
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return FOUND

    async def hears(self, names: int) -> None:
        """Return when so many different names were asked for."""
        while len(self.asked) < names:
            self.heard.clear()
            await self.heard.wait()

    def end(self) -> None:
        """Let go of every thread."""
        self._end.set()


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NameServer]:
    server = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", server.getaddrinfo)
    yield server
    server.end()


async def _asking(names: HostNames, hosts: list[str]) -> list[asyncio.Task[Found]]:
    tasks = [asyncio.create_task(names.ask(host)) for host in hosts]
    await asyncio.sleep(0)
    return tasks


async def _ended(names: HostNames, tasks: list[asyncio.Task[Found]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    names.close()


async def test_hundreds_of_silent_names_leave_room_for_others(server: NameServer) -> None:
    names = HostNames(LONG_S)
    silent = await _asking(names, [f"silent.site{n}.example" for n in range(200)])
    await server.hears(1)
    assert await names.ask("city.example") == FOUND
    await _ended(names, silent)


async def test_silent_names_of_one_site_take_few_threads(server: NameServer) -> None:
    names = HostNames(LONG_S)
    silent = await _asking(names, [f"silent{n}.stranger.example" for n in range(200)])
    await server.hears(8)
    assert await names.ask("city.example") == FOUND
    assert sum(server.asked[host] for host in server.asked if "stranger" in host) == 8
    await _ended(names, silent)


async def test_a_name_that_answered_is_asked_though_all_other_threads_hang(
    server: NameServer,
) -> None:
    names = HostNames(LONG_S)
    assert await names.ask("city.example") == FOUND
    silent = await _asking(names, [f"silent.s{n}.x{n}" for n in range(400)])
    await server.hears(1 + 256)
    stranger = await _asking(names, ["new.elsewhere"])
    assert await names.ask("city.example") == FOUND
    assert not stranger[0].done(), "no thread is left for names that never answered"
    await _ended(names, silent + stranger)


async def test_all_who_ask_for_one_name_share_one_look_up(server: NameServer) -> None:
    names = HostNames(LONG_S)
    silent = await _asking(names, ["silent.example"] * 500)
    await server.hears(1)
    assert server.asked["silent.example"] == 1
    server.end()
    ends = await asyncio.gather(*silent, return_exceptions=True)
    assert {type(end) for end in ends} == {socket.gaierror}


async def test_who_waits_gives_up_in_time_and_the_name_is_not_asked_again(
    server: NameServer,
) -> None:
    names = HostNames(0.01)
    for _ in range(2):
        with pytest.raises(NoAnswerError, match=r"silent\.example was not looked up within 0\.01"):
            await names.ask("silent.example")
    await server.hears(1)
    assert server.asked["silent.example"] == 1, "its thread still waits: one is enough"
    names.close()


async def test_a_missing_name_is_remembered_for_a_moment(server: NameServer) -> None:
    names = HostNames(LONG_S)
    for _ in range(3):
        with pytest.raises(socket.gaierror, match="no such name"):
            await names.ask("missing.example")
    assert server.asked["missing.example"] == 1
    names.close()


async def test_too_many_names_of_one_site_are_refused_at_once(server: NameServer) -> None:
    names = HostNames(LONG_S)
    silent = await _asking(names, [f"silent{n}.stranger.example" for n in range(256)])
    with pytest.raises(NoAnswerError, match="too many names are waited for"):
        await names.ask("silent-one-more.stranger.example")
    assert await names.ask("city.example") == FOUND
    await _ended(names, silent)


async def test_the_client_says_which_name_was_not_answered(server: NameServer) -> None:
    client = OutboundClient(OutboundLimits(name_timeout_s=0.01))
    try:
        for call in (
            lambda: client.resolve("silent.example", 80),
            lambda: client.request("GET", "http://silent.example/"),
        ):
            with pytest.raises(HansaError) as refused:
                await call()
            assert refused.value.code is Code.outbound_timeout
            assert refused.value.title.startswith("silent.example was not looked up")
            assert refused.value.facts["unsent"] is True
    finally:
        await client.close()
