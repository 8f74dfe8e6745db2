"""The one guarded client: every request that leaves a node goes through it.

Rules against server-side request forgery: only http and https; the host is resolved here and each
address must be public, unless loopback or private networks were permitted in the settings; the
connection goes to the address that was checked, so a second DNS answer cannot slip in. Redirects
are not followed. Size and time are bounded. Credentials in URLs are refused.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from hansa.kernel.errors import Code, HansaError
from hansa.kernel.names import HostNames, NoAnswerError

BULK_BUFFER_BYTES = 256 * 1024
"""What is read ahead of whoever takes a bulk answer; twice that pauses the sender."""


class OutboundResponse(msgspec.Struct, frozen=True):
    """An answer, read whole. Header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """Say whether the status is 2xx."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """Read the body as JSON; HansaError outbound_failed when it is none."""
        try:
            return msgspec.json.decode(self.body)
        except msgspec.DecodeError as error:
            raise HansaError(
                Code.outbound_failed, "The other side did not answer with JSON."
            ) from error


class Client(Protocol):
    """The guarded client as a room needs it that only asks and reads answers whole."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        json: Any = None,
        timeout_s: float | None = None,
        body_bytes_max: int | None = None,
    ) -> OutboundResponse:
        """Send a request and read the answer whole; HansaError outbound_* when it fails."""
        ...


class OutboundLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What the client permits."""

    allow_loopback: bool = False
    allow_private: bool = False
    timeout_s: float = 10.0
    connect_timeout_s: float = 3.0
    name_timeout_s: float = 2.0
    body_bytes_max: int = 16 * 1024 * 1024
    connections_max: int = 200


def address_permitted(address: str, limits: OutboundLimits) -> bool:
    """Say whether a resolved IP address may be called."""
    ip = ipaddress.ip_address(address.split("%", 1)[0])
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ip.sixtofour or ip
    if ip.is_loopback:
        return limits.allow_loopback
    if ip.is_link_local or ip.is_multicast or ip.is_unspecified or ip.is_reserved:
        return False
    return limits.allow_private if not ip.is_global else True


def _blocked(host: str) -> HansaError:
    return HansaError(
        Code.outbound_blocked,
        f"Calls to {host} are not permitted.",
        "Set `outbound.allow_loopback` or `outbound.allow_private` if this is your own network.",
    )


def _unanswered(error: NoAnswerError) -> HansaError:
    return HansaError(
        Code.outbound_timeout,
        str(error),
        "Check the name of the host, and the name server of this machine. It is tried again.",
        unsent=True,
    )


def _unsent(error: Exception) -> dict[str, Any]:
    never = isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
    return {"unsent": True} if never else {}


class _GuardedResolver(AbstractResolver):
    def __init__(self, limits: OutboundLimits) -> None:
        self._limits = limits
        self._names = HostNames(limits.name_timeout_s)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = list(await self._names.ask(host, family))
        if host == "localhost":
            found.sort(key=lambda item: item[0] != socket.AF_INET)
        results: list[ResolveResult] = []
        for item_family, _, proto, _, address in found:
            ip = str(address[0])
            if not address_permitted(ip, self._limits):
                raise _RefusedError(host)
            results.append(
                ResolveResult(
                    hostname=host, host=ip, port=port, family=item_family, proto=proto, flags=0
                )
            )
        return results

    async def close(self) -> None:
        """Wait for no name any more."""
        self._names.close()


class _RefusedError(OSError):
    pass


class OutboundClient:
    """Send requests under `OutboundLimits`. One per node; connections are kept and reused."""

    def __init__(self, limits: OutboundLimits | None = None) -> None:
        self._limits = limits or OutboundLimits()
        self._resolver = _GuardedResolver(self._limits)
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            connector = aiohttp.TCPConnector(
                resolver=self._resolver,
                limit=self._limits.connections_max,
                ttl_dns_cache=10,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=True,
                trust_env=False,
                headers={"User-Agent": "hansa"},
            )
        return self._session

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
        await self._resolver.close()

    def check(self, url: str) -> URL:
        """Check a URL before anything is sent; HansaError outbound_blocked names what is wrong."""
        try:
            parsed = URL(url)
        except ValueError as error:
            raise HansaError(Code.outbound_blocked, f"{url!r} is not a URL.") from error
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise HansaError(Code.outbound_blocked, "Only http and https URLs are called.")
        if parsed.user or parsed.password:
            raise HansaError(Code.outbound_blocked, "A URL with a user or password is not called.")
        if parsed.host[-1].isalpha() and ":" not in parsed.host:
            return parsed  # a name, not an address: what it resolves to is checked
        try:
            permitted = address_permitted(parsed.host, self._limits)
        except ValueError:
            return parsed
        if not permitted:
            raise _blocked(parsed.host)
        return parsed

    async def resolve(self, host: str, port: int) -> list[str]:
        """Give the IP addresses of a host, each permitted: for protocols other than HTTP.

        Connect to one of these, not to the name: a second DNS answer could be another. HansaError
        outbound_blocked when one of them is not permitted, outbound_failed when there is none.
        """
        try:
            found = await self._resolver.resolve(host, port)
        except _RefusedError:
            raise _blocked(host) from None
        except NoAnswerError as error:
            raise _unanswered(error) from None
        except OSError as error:
            raise HansaError(
                Code.outbound_failed,
                f"{host} could not be found.",
                "Check the name of the host.",
            ) from error
        return [result["host"] for result in found]

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | AsyncIterable[bytes] | None = None,
        timeout_s: float | None = None,
        idle_s: float | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Open a request and give the answer before its body is read.

        `idle_s` is for bulk: any size and duration, as long as no more than so many seconds pass
        without a byte read; the answer is given as it is, not decompressed. A `body` that is
        iterated is sent as it comes, no faster than it is taken. An error with the fact `unsent`
        says that there was no connection: nobody has read anything.
        """
        target = self.check(url)
        timeout = aiohttp.ClientTimeout(
            total=None if idle_s else timeout_s or self._limits.timeout_s,
            connect=self._limits.connect_timeout_s,
            sock_read=idle_s,
        )
        bulk: dict[str, Any] = {}
        if idle_s is not None:
            bulk = {"auto_decompress": False, "read_bufsize": BULK_BUFFER_BYTES}
        try:
            async with self._open().request(
                method,
                target,
                headers=dict(headers or {}),
                data=body,
                timeout=timeout,
                allow_redirects=False,
                **bulk,
            ) as response:
                yield response
        except TimeoutError as error:
            raise HansaError(
                Code.outbound_timeout,
                f"{target.host}:{target.port} did not answer in time.",
                **_unsent(error),
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error.__cause__, _RefusedError) or isinstance(error, _RefusedError):
                raise _blocked(str(target.host)) from None
            if isinstance(error.__cause__, NoAnswerError):
                raise _unanswered(error.__cause__) from None
            raise HansaError(
                Code.outbound_failed,
                f"{target.host}:{target.port} could not be reached.",
                "Check that it runs and that the address is right.",
                **_unsent(error),
            ) from error

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        json: Any = None,
        timeout_s: float | None = None,
        body_bytes_max: int | None = None,
    ) -> OutboundResponse:
        """Send a request and read the answer whole.

        Raises HansaError outbound_blocked, outbound_failed, outbound_timeout, outbound_too_large.
        Any HTTP status is an answer, not an error; a redirect is an answer too.
        """
        sent = dict(headers or {})
        if json is not None:
            body = msgspec.json.encode(json)
            sent.setdefault("Content-Type", "application/json")
        bound = body_bytes_max or self._limits.body_bytes_max
        async with self.stream(
            method, url, headers=sent, body=body, timeout_s=timeout_s
        ) as response:
            parts: list[bytes] = []
            size = 0
            async for part in response.content.iter_any():
                size += len(part)
                if size > bound:
                    raise HansaError(
                        Code.outbound_too_large,
                        "The other side's answer is too large.",
                        f"At most {bound} bytes are read.",
                    )
                parts.append(part)
            return OutboundResponse(
                status=response.status,
                headers=_joined(response.headers),
                body=b"".join(parts),
            )


def _joined(headers: Mapping[str, str]) -> dict[str, str]:
    """Give header fields by lower-case name; one sent several times is one list (RFC 9110 5.3)."""
    found: dict[str, str] = {}
    for name, value in headers.items():
        key = name.lower()
        found[key] = f"{found[key]}, {value}" if key in found else value
    return found
