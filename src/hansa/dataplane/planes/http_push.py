"""Bytes sent by the provider to the consumer's HTTP address; our own inbox takes them.

A receiver that answers HEAD with `Upload-Offset` (IETF draft "Resumable Uploads for HTTP") is sent
what it lacks by PATCH; any other gets one POST, or PUT when its address has a property `method`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

import msgspec

from hansa.dataplane.flow import DataFlow, FlowRole
from hansa.dataplane.inbox import Inboxes
from hansa.dataplane.inbox_bytes import BytesInbox
from hansa.dataplane.model import DataAddress
from hansa.dataplane.planes.ngsi_ld_push import authorization, refused
from hansa.dataplane.ports import Client
from hansa.dataplane.push import Allowance, Item, Pushes, Sink, Source
from hansa.dataplane.ranges import Span, digest_header
from hansa.dataplane.resources import (
    Block,
    FileResource,
    Resource,
    Resources,
    UpstreamResource,
    opened,
)
from hansa.dataplane.service import Grants
from hansa.kernel import Code, HansaError
from hansa.kernel.outbound import OutboundResponse

PROFILE = "HttpData-PUSH"
_IDLE_S = 300.0
_NO_SUCH_METHOD = 501
_ASK_S = 10.0
_ANSWER_BYTES_MAX = 4_096
_WORDS_MAX = 200
_METHODS = ("POST", "PUT")


class Exports(Protocol):
    """Gives a dataset of entities as one file."""

    def export(self, flow: DataFlow) -> Source:
        """Give the governed entities of a flow's dataset as NDJSON."""
        ...


class ResourceSource:
    """A resource as something to send: from any offset, in blocks, read ahead.

    Where it goes on is said by the receiver, which may say what it likes: what is sent again under
    one use is at most as much as was sent, then the next time is a use of its own.
    """

    def __init__(self, resource: Resource, client: Client) -> None:
        self._resource = resource
        self._client = client
        self._etag: str | None = None
        self._furthest = 0
        self._repeated = 0
        self.name = resource.name
        self.media_type = resource.media_type

    @property
    def total_bytes(self) -> int | None:
        """Give the size, if it is known."""
        return self._resource.size

    @property
    def digest(self) -> str | None:
        """Give the digest, if it is known."""
        known = self._resource.digest
        return None if known is None else f"sha-256:{known}"

    def bytes_before(self, position: str) -> int | None:
        """Give the offset that a position is."""
        return int(position or 0)

    async def items(self, position: str, allowance: Allowance) -> AsyncGenerator[Item, None]:
        """Give the blocks from an offset on."""
        await allowance.scope()
        at = int(position or 0)
        first = at == 0 or self._too_often(at)
        blocks: AsyncGenerator[Block, None]
        if isinstance(self._resource, UpstreamResource):
            blocks = self._upstream(self._resource, at)
        else:
            blocks = _file(self._resource, at)
        async with aclosing(blocks):
            async for block in blocks:
                at += len(block)
                self._furthest = max(self._furthest, at)
                yield Item(position=str(at), body=bytes(block), requests=int(first))
                if first:  # it was let through as a use of its own
                    first, self._repeated = False, 0

    def _too_often(self, at: int) -> bool:
        """Say whether more was sent again by now than there was sent."""
        self._repeated += max(0, self._furthest - at)
        return self._repeated > self._furthest

    async def _upstream(self, resource: UpstreamResource, at: int) -> AsyncGenerator[bytes, None]:
        headers = {**resource.headers, "Accept-Encoding": "identity"}
        if at:
            headers["Range"] = f"bytes={at}-"
        async with self._client.stream(
            "GET", resource.url, headers=headers, idle_s=_IDLE_S
        ) as response:
            if response.status == 416 and at:
                return
            if response.status not in (200, 206):
                raise HansaError(
                    Code.outbound_failed,
                    "The bytes could not be got from where they come from.",
                    f"The source answered {response.status}.",
                )
            tag = response.headers.get("ETag")
            if at and self._etag is not None and tag != self._etag:
                raise HansaError(
                    Code.unavailable,
                    "The source has other bytes now than those sent before.",
                    "Start a new transfer.",
                    permanent=True,
                )
            self._etag = tag
            skip = at if response.status == 200 else 0
            async for block in response.content.iter_any():
                rest, skip = block[skip:], max(0, skip - len(block))
                if rest:
                    yield rest


async def _file(resource: FileResource, at: int) -> AsyncGenerator[Block, None]:
    async with opened(resource) as file, aclosing(file.blocks(Span(at, resource.size))) as blocks:
        if at < resource.size:
            async for block in blocks:
                yield block


class HttpSink:
    """One HTTP address that bytes are sent to."""

    def __init__(self, client: Client, address: DataAddress, source: Source) -> None:
        self._client = client
        self._address = address
        self._source = source
        self._resumable = False
        self._whole = False
        self._offset = 0
        self._sent = 0
        self._blocks: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=1)
        self._sending: asyncio.Task[None] | None = None

    async def open(self) -> str | None:
        """Ask the receiver how much it has; the empty position when it can't tell."""
        await self.close()
        self._blocks = asyncio.Queue(maxsize=1)
        self._offset, self._whole, self._resumable = 0, False, False
        async with self._client.stream(
            "HEAD", self._address.endpoint, headers=authorization(self._address), timeout_s=_ASK_S
        ) as response:
            status, headers = int(response.status), response.headers
            if status == 429 or (status >= 500 and status != _NO_SUCH_METHOD):
                raise await _refused(response)
            offset = headers.get("Upload-Offset", "")
            if status < 300 and offset.isascii() and offset.isdigit():
                self._resumable = True
                self._whole = headers.get("Upload-Complete") == "?1"
                self._offset = int(offset)
        if self._source.bytes_before("") is None and not self._whole:
            self._offset = 0  # what is rendered anew does not fit to what is there
        total = self._source.total_bytes
        if total is not None and self._offset > total:
            self._offset = 0
        return str(self._offset) if self._offset else ""

    async def write(self, item: Item) -> None:
        """Hand a block to the connection; returns when it wants the next one."""
        if item.body and not self._whole:
            await self._put(item.body)

    async def _put(self, block: bytes | None) -> None:
        if self._sending is None:
            self._sending = asyncio.create_task(self._send(self._body()))
        putting = asyncio.ensure_future(self._blocks.put(block))
        try:
            await asyncio.wait({putting, self._sending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not putting.done():
                putting.cancel()
        if self._sending.done():
            self._sending.result()
            if block is not None:
                raise HansaError(Code.outbound_failed, "The receiver ended before all was sent.")

    async def finish(self, digest: str | None) -> None:
        """End the upload, and wait until the receiver says that it has it whole."""
        if self._whole:
            return
        if self._sending is not None or not self._resumable:
            await self._put(None)
            assert self._sending is not None, "putting begins to send"
            await self._sending
        if self._resumable and (self._sending is None or not self._announces):
            await self._send(None, final=digest)

    async def close(self) -> None:
        """Break off what is being sent."""
        sending, self._sending = self._sending, None
        if sending is not None:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    @property
    def _announces(self) -> bool:
        """Say whether one request can carry all that is to be told: its end and the digest."""
        return self._source.digest is not None and self._source.total_bytes is not None

    async def _body(self) -> AsyncGenerator[bytes, None]:
        while (block := await self._blocks.get()) is not None:
            yield block

    async def _send(
        self, body: AsyncGenerator[bytes, None] | None, final: str | None = None
    ) -> None:
        headers = authorization(self._address) | self._described(final)
        total = self._source.total_bytes
        method = str(self._address.properties.get("method", "POST")).upper()
        if self._resumable:
            if self._offset or body is None:
                method = "PATCH"
                headers["Content-Type"] = "application/partial-upload"
            headers["Upload-Complete"] = "?1" if body is None or self._announces else "?0"
            headers["Upload-Offset"] = str(self._sent if body is None else self._offset)
            if total is not None:
                headers["Upload-Length"] = str(total)
        if body is not None and total is not None:
            headers["Content-Length"] = str(total - self._offset)
        async with self._client.stream(
            method,
            self._address.endpoint,
            headers=headers,
            body=b"" if body is None else self._counted(body),
            idle_s=_IDLE_S,
        ) as response:
            if not 200 <= response.status < 300:
                raise await _refused(response)

    async def _counted(self, body: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
        self._sent = self._offset
        async for block in body:
            yield block
            self._sent += len(block)

    def _described(self, final: str | None) -> dict[str, str]:
        source: Any = self._source
        name = getattr(source, "name", "") or "data"
        told = {
            "Content-Type": getattr(source, "media_type", "") or "application/octet-stream",
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        }
        digest = final or self._source.digest
        if digest is not None:
            told["Repr-Digest"] = digest_header(digest.removeprefix("sha-256:"))
        return told


async def _refused(response: Any) -> HansaError:
    """Say why the receiver did not take it, in its own words where it has some."""
    body = await response.content.read(_ANSWER_BYTES_MAX)
    headers = {name.lower(): value for name, value in response.headers.items()}
    error = refused(OutboundResponse(int(response.status), headers, body))
    try:
        told = str(msgspec.json.decode(body)["title"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return error
    words = "".join(letter for letter in told[:_WORDS_MAX] if letter.isprintable())
    return HansaError(error.code, f"{error.title} {words}", error.detail, **error.facts)


class HttpPush:
    """`HttpData-PUSH`: `Pushes` sends, `BytesInbox` receives."""

    profiles = (PROFILE,)

    def __init__(
        self,
        grants: Grants,
        pushes: Pushes,
        client: Client,
        *,
        resources: Resources,
        inboxes: Inboxes,
        receiver: BytesInbox,
        exports: Exports | None = None,
    ) -> None:
        """`exports` gives datasets of entities as one file; None: only bytes are sent."""
        self._grants = grants
        self._pushes = pushes
        self._client = client
        self._resources = resources
        self._inboxes = inboxes
        self._receiver = receiver
        self._exports = exports

    async def serves(self, flow: DataFlow) -> bool:
        """Say whether the dataset can be sent."""
        if flow.role is FlowRole.consumer or self._exports is not None:
            return True
        return await self._resources.resource(flow.dataset_id) is not None

    async def check(self, flow: DataFlow, address: DataAddress | None) -> None:
        """Refuse an address that can't be sent to, and terms that would need a filter."""
        if address is not None:
            _check_address(address)
            self._client.check(address.endpoint)
        if flow.role is not FlowRole.provider:
            return
        if await self._resources.resource(flow.dataset_id) is not None:
            await self._grants.check_whole(flow.agreement_id)

    async def prepare(self, flow: DataFlow, address: DataAddress | None) -> DataAddress:
        """Give where to send: the address that was asked for, or our own inbox."""
        return address if address is not None else await self._inboxes.open(flow)

    async def start(self, flow: DataFlow, address: DataAddress | None) -> None:
        """Begin to send, or go on."""
        if address is None:
            raise HansaError(
                Code.invalid_field,
                "A push needs the address that the data go to.",
                "Give `dataAddress` with an `endpoint`.",
                field="dataAddress",
            )
        _check_address(address)
        resource = await self._resources.resource(flow.dataset_id)
        if resource is not None:
            source: Source = ResourceSource(resource, self._client)
        elif self._exports is not None:
            source = self._exports.export(flow)
        else:
            raise HansaError(Code.not_found, "The bytes are not published any more.")
        sink: Sink = HttpSink(self._client, address, source)
        self._pushes.start(flow, source, sink)

    async def started(self, flow: DataFlow, address: DataAddress | None) -> None:
        """Nothing: the inbox takes what comes since it was prepared."""

    async def suspend(self, flow: DataFlow, reason: str | None) -> None:
        """Stop sending; break off what arrives."""
        await self._pushes.stop(flow.id)
        await self._receiver.stop(flow.id)

    async def complete(self, flow: DataFlow) -> None:
        """Close the inbox of the flow."""
        await self._pushes.stop(flow.id)
        await self._inboxes.close(flow.id)
        await self._receiver.discard(flow.id)

    async def terminate(self, flow: DataFlow, reason: str | None) -> None:
        """Stop, close, and delete what came in part."""
        await self.complete(flow)


def _check_address(address: DataAddress) -> None:
    parts = urlsplit(address.endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise HansaError(
            Code.invalid_field,
            "The data address has no http or https endpoint.",
            "Give `endpoint`, without user and password in it.",
            field="dataAddress",
        )
    method = str(address.properties.get("method", "POST")).upper()
    if not address.sendable or method not in _METHODS:
        raise HansaError(
            Code.invalid_field,
            "The data address has a secret or method that can't be used.",
            f"The method is one of {', '.join(_METHODS)}; the token printable ASCII.",
            field="dataAddress",
        )
