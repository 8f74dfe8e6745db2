"""Fetch from a provider with the access of a transfer, whole or as a stream."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import unquote

import msgspec

from hansa.dataplane.access import AccessStore
from hansa.dataplane.model import Access, DataAddress, FetchedAnswer
from hansa.dataplane.ports import Client
from hansa.dataplane.renewing import Renewing
from hansa.dataplane.usage import UsageLedger
from hansa.dialect import authorization
from hansa.kernel import Code, HansaError
from hansa.kernel.outbound import OutboundResponse

BODY_BYTES_MAX = 64 * 1024 * 1024
STREAM_BYTES_MAX = 4 * 1024 * 1024 * 1024
_TIMEOUT_S = 30.0
_STREAM_TIMEOUT_S = 600.0
_REQUEST_BODY_BYTES_MAX = 1024 * 1024
_METHODS = frozenset({"GET", "HEAD", "POST"})
_BULK_IDLE_S = 60.0
_SENT = frozenset(
    {
        *("accept", "link", "content-type", "if-none-match", "prefer", "ngsild-tenant"),
        *("range", "if-range", "accept-encoding"),
    }
)
_SHOWN = frozenset(
    {
        *("content-type", "link", "etag", "last-modified", "ngsild-results-count", "retry-after"),
        *("content-disposition", "www-authenticate", "ngsild-warning"),
        *("content-length", "content-range", "content-encoding", "accept-ranges"),
        *("repr-digest", "content-digest"),
    }
)
_PATH = re.compile(r"(?:[A-Za-z0-9._~:@!$&'()*+,;=/-]|%[0-9A-Fa-f]{2})*")
_QUERY = re.compile(r"(?:[A-Za-z0-9._~:@!$&'()*+,;=/?\[\]|\"<>-]|%[0-9A-Fa-f]{2})*")
_LENGTH_MAX = 8_000


class StreamedAnswer:
    """A provider's answer as it arrives. Header names are lower case; only harmless ones."""

    def __init__(self, status: int, headers: dict[str, str], parts: AsyncIterator[bytes]) -> None:
        self.status = status
        self.headers = headers
        self.parts = parts


def _url(address: DataAddress, path: str, query: str) -> str:
    """Join endpoint, path and query, all percent-encoded; nothing may climb out of the endpoint."""
    segments = unquote(path).split("/")
    if (
        len(path) + len(query) > _LENGTH_MAX
        or not _PATH.fullmatch(path)
        or ".." in segments
        or "." in segments
    ):
        raise HansaError(
            Code.invalid_field,
            "This path can't be fetched.",
            "Give a path below the endpoint, percent-encoded, for example `entities`.",
            field="path",
        )
    if not _QUERY.fullmatch(query):
        raise HansaError(Code.invalid_field, "The query is not percent-encoded.", field="query")
    base = address.endpoint.rstrip("/")
    below = path.strip("/")
    url = f"{base}/{below}" if below else base
    return f"{url}?{query}" if query else url


def _sent(address: DataAddress, headers: Mapping[str, str] | None) -> dict[str, str]:
    sent = {name: value for name, value in (headers or {}).items() if name.lower() in _SENT}
    if address.authorization:
        sent["Authorization"] = authorization(address.auth_type, address.authorization)
    return sent


def _shown(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items() if name.lower() in _SHOWN}


class Consumer:
    """Fetches for one participant; each answer counts against the transfer."""

    def __init__(
        self,
        client: Client,
        access: AccessStore,
        usage: UsageLedger,
        renewing: Renewing | None = None,
    ) -> None:
        """Without `renewing` a token is used as it was received, to its end."""
        self._client = client
        self._access = access
        self._usage = usage
        self._renewing = renewing

    async def address(self, transfer_id: str) -> tuple[Access, DataAddress]:
        """Give what is kept of a transfer's access, and the address with a token that lasts.

        HansaError not_found, transfer_ended, counterparty_refused (the renewal), outbound_*.
        """
        if self._renewing is not None:
            return await self._renewing.address(transfer_id)
        access = await self._access.describe(transfer_id)
        address = self._access.open(access)
        assert access is not None
        return access, address

    async def _again(
        self, status: int, access: Access, address: DataAddress
    ) -> tuple[Access, DataAddress] | None:
        """Give another address to try after a 401, or None: the answer stands."""
        if status != 401 or self._renewing is None:
            return None
        return await self._renewing.after_refusal(access, address)

    async def fetch(
        self,
        transfer_id: str,
        path: str,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
        body: bytes | None = None,
        body_bytes_max: int = BODY_BYTES_MAX,
    ) -> FetchedAnswer:
        """Fetch one answer whole. Any status of the provider is an answer, a refusal too.

        `path` is below the transfer's endpoint; it and `query` are percent-encoded. HansaError
        not_found, transfer_ended, invalid_field, or outbound_* from the guarded client.
        """
        _check(method, body)
        access, address = await self.address(transfer_id)
        for last in (False, True):
            answer = await self._client.request(
                method,
                _url(address, path, query),
                headers=_sent(address, headers),
                body=body,
                timeout_s=_TIMEOUT_S,
                body_bytes_max=body_bytes_max,
            )
            other = None if last else await self._again(answer.status, access, address)
            if other is None:
                break
            access, address = other
        self._count(access, answer.status, len(answer.body), _entities_in(answer))
        return FetchedAnswer(answer.status, _shown(answer.headers), answer.body)

    @asynccontextmanager
    async def stream(
        self,
        transfer_id: str,
        path: str,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
        body: bytes | None = None,
        bytes_max: int = STREAM_BYTES_MAX,
        timeout_s: float = _STREAM_TIMEOUT_S,
        bulk: bool = False,
    ) -> AsyncIterator[StreamedAnswer]:
        """Open an answer and give it before its body is read, for passing it on in parts.

        `bulk`: for as long as bytes keep coming, and as they are, not decompressed. HansaError as
        `fetch`; outbound_too_large while reading beyond `bytes_max`.
        """
        _check(method, body)
        access, address = await self.address(transfer_id)
        size = 0
        bound: dict[str, float] = {"idle_s": _BULK_IDLE_S} if bulk else {"timeout_s": timeout_s}
        async with AsyncExitStack() as stack:
            for last in (False, True):
                response = await stack.enter_async_context(
                    self._client.stream(
                        method,
                        _url(address, path, query),
                        headers=_sent(address, headers),
                        body=body,
                        **bound,
                    )
                )
                other = None if last else await self._again(response.status, access, address)
                if other is None:
                    break
                await stack.aclose()
                access, address = other

            async def parts() -> AsyncIterator[bytes]:
                nonlocal size
                async for part in response.content.iter_any():
                    size += len(part)
                    if size > bytes_max:
                        raise HansaError(
                            Code.outbound_too_large,
                            "The provider's answer is too large.",
                            f"At most {bytes_max} bytes are read.",
                        )
                    yield part

            try:
                yield StreamedAnswer(response.status, _shown(response.headers), parts())
            finally:
                self._count(access, response.status, size)

    def _count(self, access: Access, status: int, size_bytes: int, entities: int = 0) -> None:
        if status < 400:
            self._usage.count(
                access.transfer_id, access.agreement_id, entities=entities, bytes=size_bytes
            )


def _entities_in(answer: OutboundResponse) -> int:
    """Count the entities of a JSON answer: the items of a list, or one object."""
    if answer.status >= 400 or "json" not in answer.headers.get("content-type", ""):
        return 0
    try:
        found = msgspec.json.decode(answer.body, type=list[msgspec.Raw] | msgspec.Raw)
    except (msgspec.DecodeError, TypeError):
        return 0
    return len(found) if isinstance(found, list) else 1


def _check(method: str, body: bytes | None) -> None:
    if method not in _METHODS:
        raise HansaError(
            Code.method_not_allowed,
            "This method can't be used on received data.",
            f"Use one of {', '.join(sorted(_METHODS))}.",
        )
    if body is not None and len(body) > _REQUEST_BODY_BYTES_MAX:
        raise HansaError(
            Code.body_too_large,
            "The body is too large.",
            f"At most {_REQUEST_BODY_BYTES_MAX} bytes are sent.",
        )
