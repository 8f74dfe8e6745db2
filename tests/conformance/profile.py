"""A node for test kits and foreign connectors: real in everything but who calls.

It is the node of the product (its rooms, its server, its SQLite) with another gate. The gate stands
here, not in the package, and reaches the node by an argument of its constructor only: no setting,
variable, flag or file of an installed Hansa leads to it. It serves on loopback and nowhere else.

Who calls is said by a static `Authorization` value, or by the mock token of EDC: a bare JSON object
whose `clientId` is the participant. Counterparties that are named by a DID are made known with
`introduce`, which serves a DID document for them.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send
from tests.ports import PATIENCE_S, listening

from hansa.client import Client
from hansa.identity import Caller, Identity, Membership
from hansa.kernel import Code, HansaError
from hansa.kernel.settings import (
    NodeSettings,
    OutboundSettings,
    ParticipantSettings,
    Settings,
)
from hansa.node.adapters import Gate
from hansa.node.app import application
from hansa.node.participant import Participant
from hansa.node.protocol import BoundedHttp
from hansa.node.runtime import Node

T = TypeVar("T")
Shim = Callable[[Request], Awaitable[Response]]
PARTICIPANT = "city"
_OWN = "/profile/"


class ProfileGate(Gate):
    """Believe who calls, by a static header value or by EDC's mock token; everybody is a member."""

    def __init__(self, identity: Identity, callers: Mapping[str, str]) -> None:
        super().__init__(identity)
        self._did = identity.did
        self._known = callers

    async def authenticate(self, headers: Mapping[str, str], *, membership: bool = True) -> Caller:
        """Give the caller that the header names; HansaError token_missing, token_malformed."""
        value = headers.get("authorization", "")
        if not value:
            raise HansaError(Code.token_missing, "A token is needed.")
        named = self._known.get(value) or _client_id(value)
        if named is None:
            raise HansaError(Code.token_malformed, "The token is not one of this profile.")
        return Caller(did=named, kind="participant")

    async def authorization_for(self, did: str) -> str:
        """Give EDC's mock token in our name: a bare JSON object without a scheme."""
        return json.dumps({"region": "eu", "audience": did, "clientId": self._did})

    def check(self, consumer: str, membership: Membership | None) -> None:
        """Return: in this profile everybody is a member in good standing."""


def _client_id(value: str) -> str | None:
    try:
        token = json.loads(value)
    except ValueError:
        return None
    named = token.get("clientId") if isinstance(token, dict) else None
    return named if isinstance(named, str) and named else None


class Profile:
    """A running node with the participant `city`: `with Profile() as profile:`.

    `callers` maps static `Authorization` values to participants. `others` more participants,
    `city-1` and so on, live in the same node; `acting` names the one that this object speaks of.
    ValueError unless `host` is an address of the loopback.
    """

    def __init__(
        self,
        *,
        callers: Mapping[str, str] | None = None,
        host: str = "127.0.0.1",
        others: int = 0,
    ) -> None:
        if not ipaddress.ip_address(host).is_loopback:
            raise ValueError(f"the test profile serves on loopback only, not on {host}")
        self.acting = PARTICIPANT
        names = [PARTICIPANT, *(f"{PARTICIPANT}-{number}" for number in range(1, others + 1))]
        self.folder = Path(tempfile.mkdtemp(prefix="hansa-profile-"))
        self._on = listening(host=host)
        self.port = self._on.getsockname()[1]
        self.url = f"http://localhost:{self.port}"
        self._operator = secrets.token_urlsafe(32)
        (self.folder / "operator.token").write_text(self._operator, encoding="ascii")
        self._documents: dict[str, dict[str, Any]] = {}
        self._shims: dict[str, Shim] = {}
        settings = Settings(
            node=NodeSettings(name="profile", host=host, port=self.port),
            participants=tuple(
                ParticipantSettings(id=name, role="city", title=name.capitalize()) for name in names
            ),
            outbound=OutboundSettings(allow_loopback=True),
        )
        self.node = Node(
            settings,
            self.folder,
            secrets.token_bytes(32),
            gate=lambda identity: ProfileGate(identity, callers or {}),
        )
        self._app = application(self.node)
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._serve,
                http=BoundedHttp,
                ws="none",
                interface="asgi3",
                lifespan="on",
                access_log=False,
                log_config=None,
                timeout_graceful_shutdown=2,
            )
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="profile", daemon=True)

    # -- life ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the node and wait until it serves."""
        self._thread.start()
        ends_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < ends_s:
            if self._server.started:
                return
            if not self._thread.is_alive():
                break
            time.sleep(0.02)
        raise AssertionError("the profile's node did not start")

    def stop(self) -> None:
        """Stop the node and remove its folder."""
        self._server.should_exit = True
        self._thread.join(PATIENCE_S)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Profile:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # -- use -------------------------------------------------------------------------------------

    @property
    def did(self) -> str:
        """Give the participant's DID."""
        return f"did:web:localhost%3A{self.port}:{self.acting}"

    @property
    def dsp_url(self) -> str:
        """Give the participant's Dataspace Protocol 2025-1 base URL."""
        return f"{self.url}/{self.acting}/dsp/2025-1"

    @property
    def participant(self) -> Participant:
        """Give the participant; its rooms are used on the node's own loop, by `call`."""
        return self.node.participants[self.acting]

    def client(self) -> Client:
        """Give a client of the management API as the operator."""
        return Client(self.url, self._operator)

    def call(self, work: Coroutine[Any, Any, T], timeout_s: float = PATIENCE_S) -> T:
        """Run something on the node's loop and give what came of it."""
        assert self._loop is not None, "the profile is not running"
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout_s)

    def introduce(self, name: str, version_url: str) -> str:
        """Make a counterparty known by its version document; give the DID that names it."""
        did = f"did:web:localhost%3A{self.port}:profile:{name}"
        service = {"id": f"{did}#dsp", "type": "DataService", "serviceEndpoint": version_url}
        self._documents[f"{name}/did.json"] = {"id": did, "service": [service]}
        return did

    def shim(self, path: str, answer: Shim) -> str:
        """Serve one more path, for what a kit calls to begin with; give its URL."""
        self._shims[path] = answer
        return f"{self.url}{_OWN}{path}"

    # -- serving ---------------------------------------------------------------------------------

    def _run(self) -> None:
        self._server.run([self._on])

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._loop = asyncio.get_running_loop()
        path = str(scope.get("path", ""))
        if scope["type"] != "http" or not path.startswith(_OWN):
            await self._app(scope, receive, send)
            return
        name = path.removeprefix(_OWN)
        response: Response = JSONResponse({"error": f"nothing at {path}"}, 404)
        if name in self._documents:
            response = JSONResponse(self._documents[name])
        elif name in self._shims:
            response = await self._shims[name](Request(scope, receive))
        await response(scope, receive, send)
