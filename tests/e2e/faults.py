"""A proxy between two nodes that does what networks do: it loses, repeats, delays, reorders, cuts.

It stands at the address that others know a node by; the node itself listens elsewhere. Only the
protocol's own messages (`/dsp/...`) are harmed; what an operator asks the node passes through.
"""

from __future__ import annotations

import asyncio
import random
import re
import threading
from collections import Counter
from dataclasses import dataclass, field

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, web
from tests.ports import PATIENCE_S

_MESSAGES = re.compile(r"/dsp/2025-1/(negotiations|transfers)/")
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "date"})
_BODY_BYTES_MAX = 64 * 1024 * 1024


@dataclass(frozen=True)
class Weather:
    """How likely each fault is for one message; they exclude each other, in this order."""

    drop: float = 0.0
    """The message is lost."""
    lose_answer: float = 0.0
    """The message arrives and its answer is lost."""
    duplicate: float = 0.0
    """The message arrives twice at once."""
    late_copy: float = 0.0
    """The message arrives, and a copy of it much later."""
    delay: float = 0.0
    """The message arrives late, so that others overtake it."""
    delay_s: tuple[float, float] = (0.02, 0.8)


CALM = Weather()
STORM = Weather(drop=0.15, lose_answer=0.15, duplicate=0.1, late_copy=0.1, delay=0.2)


@dataclass
class Proxy:
    """Listen at `port` and pass on to `target`, harming messages by the seeded weather."""

    port: int
    target: int
    seed: int = 0
    weather: Weather = CALM
    cut: bool = False
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._held: dict[str, asyncio.Event] = {}
        self._caught: Counter[str] = Counter()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"proxy-{self.port}", daemon=True)
        self._copies: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()
        assert self._ready.wait(PATIENCE_S), "the proxy does not start"

    def stop(self) -> None:
        """Close everything."""
        if self._ready.is_set():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(PATIENCE_S)

    def hold(self, ending: str) -> None:
        """Keep back each message whose path ends so, until it is released."""
        self._call(self._hold, ending)

    def release(self) -> None:
        """Let go what is kept back, and hold nothing more."""
        self._call(self._release)

    def caught(self, ending: str) -> int:
        """Count the messages that were kept back."""
        return self._caught[ending]

    # -- in the proxy's own thread ---------------------------------------------------------------

    def _call(self, function: object, *arguments: object) -> None:
        done = threading.Event()

        def run() -> None:
            function(*arguments)  # type: ignore[operator]
            done.set()

        self._loop.call_soon_threadsafe(run)
        assert done.wait(PATIENCE_S)

    def _hold(self, ending: str) -> None:
        self._held[ending] = asyncio.Event()
        self._caught[ending] = 0

    def _release(self) -> None:
        for event in self._held.values():
            event.set()
        self._held.clear()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stopping = asyncio.Event()
        self._client = ClientSession(
            connector=TCPConnector(limit=0, force_close=False),
            timeout=ClientTimeout(total=120),
            auto_decompress=False,
        )
        app = web.Application(client_max_size=_BODY_BYTES_MAX)
        app.router.add_route("*", "/{path:.*}", self._pass)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        for host in ("127.0.0.1", "::1"):
            try:
                await web.TCPSite(runner, host, self.port).start()
            except OSError:
                assert host == "::1"
        self._ready.set()
        await self._stopping.wait()
        for task in self._copies:
            task.cancel()
        self._release()
        await runner.cleanup()
        await self._client.close()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        message = request.method == "POST" and _MESSAGES.search(request.path) is not None
        if not _MESSAGES.search(request.path):
            return await self._forward(request, body)
        if message:
            await self._keep_back(request.path)
        if self.cut:
            self.counts["cut"] += 1
            return self._abort(request)
        if not message:
            return await self._forward(request, body)
        return await self._harm(request, body, self._fault())

    async def _keep_back(self, path: str) -> None:
        for ending, event in list(self._held.items()):
            if path.endswith(ending):
                self._caught[ending] += 1
                await event.wait()

    def _fault(self) -> str:
        roll = self._chance.random()
        for name in ("drop", "lose_answer", "duplicate", "late_copy", "delay"):
            roll -= getattr(self.weather, name)
            if roll < 0:
                return name
        return "pass"

    async def _harm(self, request: web.Request, body: bytes, fault: str) -> web.StreamResponse:
        self.counts[fault] += 1
        pause_s = self._chance.uniform(*self.weather.delay_s)
        if fault == "drop":
            return self._abort(request)
        if fault == "delay":
            await asyncio.sleep(pause_s)
        if fault == "late_copy":
            task = asyncio.create_task(self._copy(request, body, pause_s * 2))
            self._copies.add(task)
            task.add_done_callback(self._copies.discard)
        if fault == "duplicate":
            answers = await asyncio.gather(
                self._forward(request, body), self._forward(request, body)
            )
            return answers[self._chance.randrange(2)]
        answer = await self._forward(request, body)
        return self._abort(request) if fault == "lose_answer" else answer

    async def _copy(self, request: web.Request, body: bytes, pause_s: float) -> None:
        await asyncio.sleep(pause_s)
        if not self.cut:
            await self._forward(request, body)

    async def _forward(self, request: web.Request, body: bytes) -> web.Response:
        url = f"http://127.0.0.1:{self.target}{request.raw_path}"
        try:
            async with self._client.request(
                request.method,
                url,
                data=body or None,
                headers={k: v for k, v in request.headers.items() if k.lower() != "connection"},
                allow_redirects=False,
            ) as answer:
                kept = [
                    (name, value)
                    for name, value in answer.headers.items()
                    if name.lower() not in _HOP_BY_HOP
                ]
                response = web.Response(status=answer.status, body=await answer.read())
        except (ClientError, OSError, TimeoutError):
            self.counts["unreachable"] += 1
            return web.Response(status=503)
        response.headers.clear()
        for name, value in kept:
            response.headers.add(name, value)
        return response

    @staticmethod
    def _abort(request: web.Request) -> web.Response:
        """Close the connection without an answer."""
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=503)
