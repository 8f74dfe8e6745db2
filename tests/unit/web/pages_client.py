"""A browser without a browser: calls the pages in this process and keeps cookies."""

from __future__ import annotations

from http.cookies import SimpleCookie
from urllib.parse import urlencode, urlsplit

import msgspec
from starlette.applications import Starlette

HOST = "localhost:7799"


class Answer(msgspec.Struct, frozen=True):
    """What came back."""

    status: int
    headers: dict[str, str]
    text: str


class Client:
    """Sends requests to an ASGI app as a browser on one of its own pages would."""

    def __init__(self, app: Starlette) -> None:
        self.app = app
        self.cookies: dict[str, str] = {}

    async def send(
        self, method: str, url: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        """Send one request."""
        parts = urlsplit(url)
        sent = {"host": HOST, "content-length": str(len(body)), **(headers or {})}
        if self.cookies:
            sent["cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
            "scheme": "http", "path": _decoded(parts.path), "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(), "root_path": "", "server": ("localhost", 7799),
            "client": ("127.0.0.1", 1),
            "headers": [(k.lower().encode(), v.encode()) for k, v in sent.items()],
        }  # fmt: skip
        status, got, chunks = 0, {}, []

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def take(message: dict[str, object]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]  # type: ignore[assignment]
                for name, value in message["headers"]:  # type: ignore[attr-defined]
                    got[name.decode()] = value.decode()
                    if name == b"set-cookie":
                        self._keep(value.decode())
            else:
                chunks.append(message.get("body", b""))

        await self.app(scope, receive, take)  # type: ignore[arg-type]
        return Answer(status, got, b"".join(chunks).decode("utf-8", "replace"))  # type: ignore[arg-type]

    def _keep(self, header: str) -> None:
        for name, morsel in SimpleCookie(header).items():
            if morsel["max-age"] == "0":
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = morsel.value

    async def get(self, url: str, **headers: str) -> Answer:
        """Get a page."""
        return await self.send("GET", url, headers=headers)

    async def post(self, url: str, form: dict[str, str], **headers: str) -> Answer:
        """Send a form as a page of this node does."""
        own = {"origin": f"http://{HOST}", "sec-fetch-site": "same-origin"}
        kind = {"content-type": "application/x-www-form-urlencoded"}
        return await self.send("POST", url, urlencode(form).encode(), {**kind, **own, **headers})


def _decoded(path: str) -> str:
    from urllib.parse import unquote

    return unquote(path)
