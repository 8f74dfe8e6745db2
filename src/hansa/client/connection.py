"""A small client of the management API, on the standard library alone: commands start fast.

    node = Client("http://localhost:7711", token)
    node.get("/participants/delft-east/agreements")

Answers are the JSON objects of docs/reference/management-api.md.
"""

from __future__ import annotations

import http.client
import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any
from urllib.parse import urlencode, urlsplit

from hansa.kernel.errors import Code, HansaError

Json = dict[str, Any]


class Client:
    """Call one node's `/api/v1` as its operator. Not for use by several threads at once."""

    def __init__(self, url: str, token: str, *, timeout_s: float = 60.0) -> None:
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        self._kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._host = parts.hostname or "localhost"
        self._port = parts.port or (443 if secure else 80)
        self._token = token
        self._timeout_s = timeout_s
        self._connection: http.client.HTTPConnection | None = None

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Json:
        """GET `/api/v1` + path; HansaError carries the node's own code, title and next step."""
        return self._json("GET", path, None, query)

    def post(self, path: str, body: Any = None, *, once: str | None = None) -> Json:
        """POST a JSON body to `/api/v1` + path; `once` is an `Idempotency-Key`."""
        return self._json("POST", path, {} if body is None else body, None, once)

    def put(self, path: str, body: Any) -> Json:
        """PUT a JSON body to `/api/v1` + path."""
        return self._json("PUT", path, body, None)

    def patch(self, path: str, body: Any) -> Json:
        """PATCH `/api/v1` + path with a JSON body."""
        return self._json("PATCH", path, body, None)

    def delete(self, path: str) -> Json:
        """DELETE `/api/v1` + path."""
        return self._json("DELETE", path, None, None)

    def send(self, path: str, query: Mapping[str, str], file: IO[bytes]) -> Json:
        """POST a file as it is, read in parts, to `/api/v1` + path."""
        size = file.seek(0, 2)
        file.seek(0)
        target = f"/api/v1{path}?{urlencode(query)}"
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        connection, response = self._open("POST", target, headers, file)
        try:
            return _checked(response.status, response.read())
        finally:
            connection.close()

    @contextmanager
    def stream(
        self, path: str, headers: Mapping[str, str] | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        """GET `/api/v1` + path on a connection of its own; give the answer before its body."""
        connection, response = self._open("GET", f"/api/v1{path}", headers or {}, None)
        try:
            if response.status >= 400 and response.status != 416:
                _checked(response.status, response.read())
            yield response
        finally:
            connection.close()

    def _open(
        self, method: str, target: str, headers: Mapping[str, str], body: IO[bytes] | None
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        connection = self._kind(self._host, self._port, timeout=self._timeout_s)
        sent = {"Authorization": f"Bearer {self._token}", **headers}
        try:
            connection.request(method, target, body=body, headers=sent)
            return connection, connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise self._unreachable() from error

    def upload(
        self, path: str, files: Mapping[str, tuple[str, bytes]], fields: Mapping[str, str]
    ) -> Json:
        """POST files, by form field as (name, content), and form fields (multipart/form-data)."""
        boundary = f"hansa-{secrets.token_hex(16)}"
        parts: list[bytes] = []
        for name, value in fields.items():
            head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
            parts.append(f"{head}{value}\r\n".encode())
        for name, (file_name, content) in files.items():
            safe = file_name.replace('"', "").replace("\r", "").replace("\n", "")
            head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; '
            head += f'filename="{safe}"\r\nContent-Type: application/octet-stream\r\n\r\n'
            parts += [head.encode(), content, b"\r\n"]
        body = b"".join(parts) + f"--{boundary}--\r\n".encode()
        status, _, answer = self.raw(
            "POST",
            f"/api/v1{path}",
            body,
            {"Content-Type": f"multipart/form-data; boundary={boundary}"},
        )
        return _checked(status, answer)

    def raw(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """Send any request to the node; give status, headers (lower case) and body."""
        sent = {"Authorization": f"Bearer {self._token}", **(headers or {})}
        for attempt in (1, 2):
            if self._connection is None:
                self._connection = self._kind(self._host, self._port, timeout=self._timeout_s)
            try:
                self._connection.request(method, path, body=body, headers=sent)
                response = self._connection.getresponse()
                answer = response.read()
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as error:
                self.close()
                if attempt == 2:
                    raise self._unreachable() from error
            except OSError as error:
                self.close()
                raise self._unreachable() from error
            else:
                return (
                    response.status,
                    {name.lower(): value for name, value in response.getheaders()},
                    answer,
                )
        raise AssertionError("unreachable")

    def _json(
        self,
        method: str,
        path: str,
        body: Any,
        query: Mapping[str, Any] | None,
        once: str | None = None,
    ) -> Json:
        target = f"/api/v1{path}"
        if query:
            target += "?" + urlencode({k: v for k, v in query.items() if v is not None})
        encoded = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if encoded is not None else {}
        if once is not None:
            headers["Idempotency-Key"] = once
        status, _, answer = self.raw(method, target, encoded, headers)
        return _checked(status, answer)

    def _unreachable(self) -> HansaError:
        return HansaError(
            Code.outbound_failed,
            f"No node answers on port {self._port}.",
            "Start it with `hansa up`, and look at `hansa status`.",
        )


def _checked(status: int, answer: bytes) -> Json:
    body: Any = json.loads(answer) if answer else {}
    if status < 400:
        return body if isinstance(body, dict) else {"items": body}
    problem = body if isinstance(body, dict) else {}
    code = problem.get("code", "internal")
    facts = {
        name: value
        for name, value in problem.items()
        if name not in ("type", "title", "status", "detail", "code")
    }
    raise HansaError(
        Code(code) if code in Code.__members__ else Code.internal,
        problem.get("title", f"The node answered {status}."),
        problem.get("detail", ""),
        status=status,
        **facts,
    )
