"""What wraps every answer: metrics and security headers. Plain ASGI: it costs microseconds."""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hansa.kernel.telemetry import HTTP_REQUESTS, HTTP_SECONDS

_COMMON = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
)
_CLASSES = {number: HTTP_REQUESTS.labels(status_class=f"{number}xx") for number in (1, 2, 3, 4, 5)}


class Envelope:
    """Count and time each request, and add headers that every answer carries."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin = time.perf_counter()

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_COMMON]
                _CLASSES[message["status"] // 100].inc()
                HTTP_SECONDS.observe(time.perf_counter() - begin)
            await send(message)

        await self._app(scope, receive, sending)


_AS_GEOJSON = b"format=geojson"


class GeoJson:
    """Take `format=geojson` in a URL as the wish for `application/geo+json`.

    For programs that are given a URL and can't send an Accept header, such as QGIS.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] == "http" and _AS_GEOJSON in scope["query_string"]:
            parts = scope["query_string"].split(b"&")
            headers = [pair for pair in scope["headers"] if pair[0] != b"accept"]
            scope = {
                **scope,
                "query_string": b"&".join(part for part in parts if part != _AS_GEOJSON),
                "headers": [*headers, (b"accept", b"application/geo+json")],
            }
        await self._app(scope, receive, send)
