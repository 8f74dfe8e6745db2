"""The NGSI-LD API as an ASGI application (NGSI-LD 1.9.1 6).

Plain ASGI: a page of rendered bytes costs less than the usual middleware around it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Connection

from hansa.broker.http import reads, writes
from hansa.broker.http.access import Access, Resolve
from hansa.broker.http.respond import error_answer
from hansa.broker.http.routes import Call, route
from hansa.kernel import Code, HansaError
from hansa.kernel.problem import unexpected

BODY_BYTES_MAX = 10 * 1024 * 1024
Operation = Callable[["NgsiLd", Connection, Receive, Send, Access, Call], Awaitable[None]]


class NgsiLd:
    """The API of whichever broker `resolve` finds for a request."""

    def __init__(self, resolve: Resolve, *, body_bytes_max: int = BODY_BYTES_MAX) -> None:
        self._resolve = resolve
        self.body_bytes_max = body_bytes_max

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Serve one request."""
        started = False

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._serve(scope, receive, noted)
        except HansaError as error:
            if started:
                raise
            await error_answer(error).send(send)
        except Exception as error:
            if started:
                raise
            await error_answer(unexpected(error)).send(send)

    async def _serve(self, scope: Connection, receive: Receive, send: Send) -> None:
        access = await self._resolve(Request(scope, receive))
        call = route(scope["method"], _path(scope))
        read = reads.OPERATIONS.get(call.operation)
        if read is not None:
            await read(scope, send, access, call)
            return
        if not access.may_write:
            raise HansaError(
                Code.forbidden,
                "These entities can only be read here.",
                "Changes go to the owner's own API.",
            )
        body = await writes.read_body(scope, receive, self.body_bytes_max, call)
        await writes.OPERATIONS[call.operation](scope, send, access, call, body)


def _path(scope: Connection) -> str:
    """Give the path below the mount, still encoded: an id may hold an encoded slash."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    raw = scope.get("raw_path")
    whole = raw.decode("ascii", "replace") if raw else path
    return whole[len(root) :] if root and whole.startswith(root) else whole


def app(resolve: Resolve, *, body_bytes_max: int = BODY_BYTES_MAX) -> ASGIApp:
    """Give the API as an application."""
    return NgsiLd(resolve, body_bytes_max=body_bytes_max)


def routes(resolve: Resolve, *, body_bytes_max: int = BODY_BYTES_MAX) -> list[BaseRoute]:
    """Give the API as routes to be mounted under `/.../ngsi-ld/v1`."""
    return [Mount("/", app=app(resolve, body_bytes_max=body_bytes_max))]
