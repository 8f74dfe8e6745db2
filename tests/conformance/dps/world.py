"""Scripted peers on loopback: a control plane, and a plane of ours that behaves by dataset."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from tests.conformance.dps.schemas import validate

from hansa.dataplane import NOT_READY, DataAddress, DataFlow, FlowRole, Flows, PlaneAnswer, is_push

PULL = "http-pull"
PUSH = "http-push"
WAIT_S = 60.0


class Answer:
    """An HTTP answer."""

    def __init__(self, status: int, headers: dict[str, str], raw: bytes) -> None:
        self.status = status
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.raw = raw

    @property
    def body(self) -> Any:
        return json.loads(self.raw) if self.raw else {}


def call(
    method: str, url: str, body: Any = None, *, authorization: str | None = None, raw: bytes = b""
) -> Answer:
    """Make one request."""
    data = json.dumps(body).encode() if body is not None else raw
    headers = {"Content-Type": "application/json"} if body is not None else {}
    if raw:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    if authorization is not None:
        headers["Authorization"] = authorization
    request = urllib.request.Request(url, data or None, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
            return Answer(answer.status, dict(answer.headers), answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, dict(error.headers), error.read())


def until(found: Callable[[], Any], what: str) -> Any:
    """Wait for something and give it."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        value = found()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"waited in vain for {what}")


class Call:
    """A request that a scripted peer got."""

    def __init__(self, method: str, path: str, headers: dict[str, str], body: Any) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body


class Peer:
    """A server on loopback that notes each request and answers as `answer` says."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                """Be quiet."""

            def _take(self) -> None:
                size = int(self.headers.get("content-length") or 0)
                raw = self.rfile.read(size)
                try:
                    body = json.loads(raw) if raw else None
                except ValueError:
                    body = raw.decode()
                headers = {name.lower(): value for name, value in self.headers.items()}
                got = Call(self.command, unquote(self.path), headers, body)
                outer.calls.append(got)
                status, answer = outer.answer(got)
                text = b"" if answer is None else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PUT = do_DELETE = _take  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://localhost:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def answer(self, got: Call) -> tuple[int, Any]:
        """Answer a request: status and JSON body."""
        raise NotImplementedError

    def find(self, tail: str) -> Call | None:
        """Give the first request whose path ends so."""
        return next((got for got in list(self.calls) if got.path.endswith(tail)), None)

    def wait(self, tail: str) -> Call:
        """Wait for a request whose path ends so."""
        found: Call = until(lambda: self.find(tail), tail)
        return found

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class ControlPlane(Peer):
    """A foreign control plane: it knows agreements, and what our data plane tells it is held to
    the schema and to the authorization that was agreed."""

    def __init__(self, authorization: str) -> None:
        super().__init__()
        self.authorization = authorization
        self.agreements: dict[str, dict[str, Any]] = {}
        self.faults: list[str] = []
        self.documents: dict[str, Any] = {}

    @property
    def endpoint(self) -> str:
        return f"{self.url}/signaling"

    def answer(self, got: Call) -> tuple[int, Any]:
        if got.path in self.documents:
            return 200, self.documents[got.path]
        if got.headers.get("authorization") != self.authorization:
            self.faults.append(f"{got.path}: without authorization")
            return 401, None
        if got.path.endswith("/agreement"):
            process = got.path.split("/")[-2]
            found = self.agreements.get(process)
            return (200, found) if found else (404, None)
        try:
            validate("DataFlowStatusMessage", got.body)
        except Exception as error:  # noqa: BLE001 - told by the fixture at the end
            self.faults.append(f"{got.path}: {error}")
        return 200, {}


class ScriptedPlane:
    """A plane of ours that behaves by dataset id, as the scenarios ask: 03_01 completes by itself,
    04_01 needs time."""

    profiles = (PULL, PUSH)

    def __init__(self, flows: Flows) -> None:
        self._flows = flows
        self._tasks: set[asyncio.Task[None]] = set()

    async def serves(self, flow: DataFlow) -> bool:
        return True

    async def check(self, flow: DataFlow, address: DataAddress | None) -> None:
        """Take everything."""

    async def prepare(self, flow: DataFlow, address: DataAddress | None) -> PlaneAnswer:
        given = _address(flow, "inbox") if is_push(flow.profile) else None
        return self._perhaps_later(flow, given)

    async def start(self, flow: DataFlow, address: DataAddress | None) -> PlaneAnswer:
        if "03_01" in flow.dataset_id:
            self._later(self._flows.on_done(flow.id))
        given = None if is_push(flow.profile) else _address(flow, "data")
        return self._perhaps_later(flow, given)

    async def started(self, flow: DataFlow, address: DataAddress | None) -> None:
        if "03_01" in flow.dataset_id and flow.role is FlowRole.consumer:
            self._later(self._flows.on_done(flow.id))

    async def suspend(self, flow: DataFlow, reason: str | None) -> None:
        """Nothing runs."""

    async def complete(self, flow: DataFlow) -> None:
        """Nothing runs."""

    async def terminate(self, flow: DataFlow, reason: str | None) -> None:
        """Nothing runs."""

    def _perhaps_later(self, flow: DataFlow, given: DataAddress | None) -> PlaneAnswer:
        if "04_01" not in flow.dataset_id:
            return given
        self._later(self._flows.ready(flow.id, given))
        return NOT_READY

    def _later(self, work: Any) -> None:
        async def run() -> None:
            await asyncio.sleep(0.05)
            await work

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _address(flow: DataFlow, name: str) -> DataAddress:
    return DataAddress(endpoint=f"https://plane.example/{name}/{flow.id}", authorization="opaque")
