"""What wraps every answer: metrics and security headers. Plain ASGI: it costs microseconds."""

from __future__ import annotations

import time
from ipaddress import ip_address, ip_network

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hansa.kernel.problem import problem_response, too_often
from hansa.kernel.rate import Rate
from hansa.kernel.telemetry import HTTP_REQUESTS, HTTP_SECONDS

_COMMON = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
)
_REFUSED = frozenset({400, 401, 403})
_CLASSES = {number: HTTP_REQUESTS.labels(status_class=f"{number}xx") for number in (1, 2, 3, 4, 5)}


class Envelope:
    """Count and time each request, and add headers that every answer carries.

    A public address whose requests are refused too often waits, before anything is looked at. A
    private one may be a proxy that does not say for whom it asks: it is never counted.
    """

    def __init__(self, app: ASGIApp, refused: Rate | None = None) -> None:
        """`refused`: how often requests of one address may be refused; None: as often as any."""
        self._app = app
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin = time.perf_counter()
        refused = self._refused

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_COMMON]
                _CLASSES[message["status"] // 100].inc()
                if refused is not None and message["status"] in _REFUSED and _public(scope):
                    refused.count(_address(scope))
                HTTP_SECONDS.observe(time.perf_counter() - begin)
            await send(message)

        if refused is not None and not refused.idle and (wait_s := refused.wait_s(_address(scope))):
            await problem_response(too_often(wait_s))(scope, receive, sending)
            return
        await self._app(scope, receive, sending)


def _address(scope: Scope) -> str:
    """Give who calls: an IPv4 address, or the network of an IPv6 address, which has one owner."""
    host = str((scope.get("client") or ("",))[0])
    if ":" not in host:
        return host
    try:
        return str(ip_network((host, 64), strict=False))
    except ValueError:
        return host


def _public(scope: Scope) -> bool:
    try:
        return ip_address(str((scope.get("client") or ("",))[0])).is_global
    except ValueError:
        return False


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
