"""A small client that calls an ASGI application in the same process."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
from starlette.types import ASGIApp

ROOT = "/delft/ngsi-ld/v1"
ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"


class Reply(msgspec.Struct):
    """An answer: header names in lower case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key == name]
        return ", ".join(found) if found else None

    @property
    def error(self) -> tuple[int, str]:
        """Give (status, NGSI-LD error name or our own URN)."""
        assert self.header("content-type") == "application/json"
        assert set(self.json) >= {"type", "title", "status"}
        assert self.json["status"] == self.status
        return self.status, self.json["type"].removeprefix(ERRORS)


class Client:
    """Call the API below its root."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def call(
        self,
        method: str,
        target: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        **headers: str,
    ) -> Reply:
        """Send one request; header names are written with `_` for `-`."""
        sent = raw if raw is not None else b"" if body is None else orjson.dumps(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None or raw is not None:
            named = {"content-type": "application/json", "content-length": str(len(sent)), **named}
        path, _, query = target.partition("?")
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": ROOT + path,
            "raw_path": (ROOT + path).encode(),
            "root_path": ROOT,
            "query_string": query.encode(),
            "headers": [(k.lower().encode(), v.encode()) for k, v in named.items() if v],
            "scheme": "http",
            "server": ("localhost", 80),
            "client": ("127.0.0.1", 1),
        }
        reply = Reply(0, [], b"")
        pending = [{"type": "http.request", "body": sent, "more_body": False}]

        async def receive() -> Any:
            return pending.pop() if pending else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                reply.status = message["status"]
                reply.headers = [(k.decode(), v.decode()) for k, v in message["headers"]]
            else:
                reply.body += message.get("body", b"")

        await self._application(scope, receive, send)
        return reply

    async def get(self, target: str, **headers: str) -> Reply:
        """Read."""
        return await self.call("GET", target, **headers)

    async def post(self, target: str, body: Any, **headers: str) -> Reply:
        """Write."""
        return await self.call("POST", target, body, **headers)
