"""Bytes that are pushed to our inbox: to disk as they come, from where they were cut.

Uploads resume as the IETF draft "Resumable Uploads for HTTP" (draft-ietf-httpbis-resumable-upload)
has it: HEAD tells `Upload-Offset`, PATCH appends there. A plain POST or PUT sends all at once.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive

from hansa.dataplane.flow import DataFlow, Progress
from hansa.dataplane.inbox import ReceivingFlows
from hansa.dataplane.planes.http_profile import HTTP_PUSH
from hansa.dataplane.quota import reason, told
from hansa.dataplane.ranges import digest_header, read_digest
from hansa.dataplane.received import Part, Received, ReceivedFiles, digest_mismatch
from hansa.dataplane.usage import UsageLedger
from hansa.kernel import Code, HansaError
from hansa.kernel.problem import problem_response

_OFFSET = re.compile(r"\d{1,18}")
_PARTIAL = "application/partial-upload"
_FILE_NAME = re.compile(r"filename\*=UTF-8''([^;]+)|filename=\"([^\"]+)\"|filename=([^;\s]+)", re.I)


class _Arriving:
    """What arrives for one flow: one writer at a time, the newest."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.digest: str | None = None
        self.length: int | None = None
        self.name = "data"
        self.media_type = "application/octet-stream"
        self.lock = asyncio.Lock()
        self.writer: asyncio.Task[object] | None = None


class BytesInbox:
    """Receives `HttpData-PUSH` for one participant."""

    profiles = ("HttpData-PUSH", HTTP_PUSH)

    def __init__(self, files: ReceivedFiles, flows: ReceivingFlows, usage: UsageLedger) -> None:
        self._files = files
        self._flows = flows
        self._usage = usage
        self._arriving: dict[str, _Arriving] = {}

    async def receive(self, flow: DataFlow, request: Request) -> Response:
        """Answer HEAD, PATCH, POST or PUT; a refusal closes the connection, unread bytes or not."""
        try:
            return await self._take(flow, request.method, request.headers, request.receive)
        except HansaError as error:
            arriving = self._arriving.get(flow.id)
            if error.code is Code.storage_full and arriving is not None:
                self._note(flow, arriving, reason(error))
            response = problem_response(told(error))
            response.headers["Connection"] = "close"
            if "upload_offset" in error.facts:
                response.headers["Upload-Offset"] = str(error.facts["upload_offset"])
            return response

    async def _take(
        self, flow: DataFlow, method: str, asked: Mapping[str, str], receive: Receive
    ) -> Response:
        """Take or tell. To a sender that was cut off the answer does not matter.

        HansaError conflict (409, the offset is another), digest_mismatch, body_too_large,
        storage_full, invalid_field, unsupported_media_type, transfer_ended.
        """
        known = await self._files.get(flow.id)
        if known is not None:
            return _done(known, method, asked)
        arriving = self._arriving.get(flow.id)
        if arriving is None:
            arriving = self._arriving[flow.id] = _Arriving(self._files.part(flow.id))
        await self._take_over(arriving)
        async with arriving.lock:
            if method == "HEAD":
                await arriving.part.open()
                await arriving.part.close()
                await self._check_room(arriving)
                return _offset(arriving.part.size, arriving.length)
            return await self._write(flow, arriving, method, asked, receive)

    async def stop(self, flow_id: str) -> None:
        """Break off what arrives for a flow; what came stays."""
        arriving = self._arriving.pop(flow_id, None)
        if arriving is not None:
            await self._take_over(arriving)

    async def discard(self, flow_id: str) -> None:
        """Break off, and delete what came in part."""
        await self.stop(flow_id)
        await self._files.discard(flow_id)

    async def _take_over(self, arriving: _Arriving) -> None:
        writer = arriving.writer
        if writer is not None and writer is not asyncio.current_task():
            arriving.writer = None
            writer.cancel()
            async with arriving.lock:
                return

    async def _write(
        self,
        flow: DataFlow,
        arriving: _Arriving,
        method: str,
        asked: Mapping[str, str],
        receive: Receive,
    ) -> Response:
        part = arriving.part
        await part.open()
        task = arriving.writer = asyncio.current_task()
        begun = part.size
        try:
            await _placed(part, method, asked)
            begun = part.size
            _told(arriving, asked, flow)
            await self._check_room(arriving)
            whole = await self._append(flow, arriving, receive)
        except asyncio.CancelledError:
            if arriving.writer is task or task is None:
                raise
            task.uncancel()
            raise HansaError(
                Code.transfer_ended, "The upload was broken off.", "Ask with HEAD where it stands."
            ) from None
        finally:
            if arriving.writer is task:
                arriving.writer = None
            try:
                await part.close()
            finally:
                size = part.size - begun
                self._usage.count(flow.id, flow.agreement_id, entities=0, bytes=size)
                self._note(flow, arriving)
        if not whole:
            return Response(status_code=400)
        if asked.get("upload-complete", "?1") == "?0":
            return _offset(part.size, arriving.length)
        return await self._complete(flow, arriving)

    async def _check_room(self, arriving: _Arriving) -> None:
        """Refuse before the bytes come what would have no room when they are all here."""
        more = 1 if arriving.length is None else max(0, arriving.length - arriving.part.size)
        await self._files.quota.check(more)

    async def _append(self, flow: DataFlow, arriving: _Arriving, receive: Receive) -> bool:
        part, noted = arriving.part, 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return False
            body = message.get("body", b"")
            if body:
                if arriving.length is not None and part.size + len(body) > arriving.length:
                    raise HansaError(
                        Code.invalid_field,
                        "More bytes come than were announced.",
                        field="Upload-Length",
                    )
                await part.append(body)
                noted += len(body)
                if noted >= _NOTE_BYTES:
                    noted = 0
                    self._note(flow, arriving)
            if not message.get("more_body", False):
                return True

    def _note(self, flow: DataFlow, arriving: _Arriving, error: str | None = None) -> None:
        size = arriving.part.size
        self._flows.progress(
            flow.id,
            Progress(bytes=size, total_bytes=arriving.length, position=str(size), error=error),
        )

    async def _complete(self, flow: DataFlow, arriving: _Arriving) -> Response:
        part = arriving.part
        if arriving.length is not None and part.size != arriving.length:
            raise HansaError(
                Code.conflict,
                "The upload ends before all came that was announced.",
                f"{part.size} of {arriving.length} bytes are here.",
            )
        found = await part.digest()
        await part.close()
        if arriving.digest is not None and found != arriving.digest:
            await self._files.discard(flow.id)
            self._arriving.pop(flow.id, None)
            error = digest_mismatch(arriving.digest, found)
            self._flows.progress(flow.id, Progress(error=f"{error.code.value}: {error.title}"))
            raise error
        received = await self._files.keep(
            part,
            transfer_id=flow.id,
            agreement_id=flow.agreement_id,
            name=arriving.name,
            media_type=arriving.media_type,
        )
        self._arriving.pop(flow.id, None)
        self._flows.progress(
            flow.id,
            Progress(
                bytes=received.size,
                total_bytes=received.size,
                items=1,
                position=str(received.size),
                digest=f"sha-256:{received.digest}",
            ),
        )
        return _done(received, "PATCH", {})


_NOTE_BYTES = 4 * 1024 * 1024


async def _placed(part: Part, method: str, asked: Mapping[str, str]) -> None:
    """Bring the part to where the request's bytes belong, or raise why they can't."""
    if "content-range" in asked:
        raise HansaError(
            Code.invalid_field,
            "Parts are not taken with Content-Range.",
            "Send all, or append with PATCH and Upload-Offset.",
            field="Content-Range",
        )
    if method != "PATCH":
        if part.size:
            await part.restart()
        return
    if asked.get("content-type", "").partition(";")[0].strip().lower() != _PARTIAL:
        raise HansaError(
            Code.unsupported_media_type, f"A PATCH here is {_PARTIAL}.", field="Content-Type"
        )
    offset = asked.get("upload-offset", "")
    if not _OFFSET.fullmatch(offset):
        raise HansaError(
            Code.invalid_field, "A PATCH needs the offset of its bytes.", field="Upload-Offset"
        )
    if int(offset) != part.size:
        raise HansaError(
            Code.conflict,
            "The upload stands elsewhere.",
            f"It has {part.size} bytes: ask with HEAD, then append there.",
            upload_offset=part.size,
        )


def _told(arriving: _Arriving, asked: Mapping[str, str], flow: DataFlow) -> None:
    """Take what the sender says of the whole: length, digest, media type, name."""
    media_type = asked.get("content-type", "").strip()
    if media_type and media_type.partition(";")[0].lower() != _PARTIAL:
        arriving.media_type = media_type
    arriving.digest = read_digest(asked.get("repr-digest", "")) or arriving.digest
    arriving.name = file_name(asked.get("content-disposition", "")) or arriving.name
    length = asked.get("upload-length", "")
    if not length and "upload-offset" not in asked and asked.get("upload-complete") != "?0":
        length = asked.get("content-length", "")
    if _OFFSET.fullmatch(length):
        arriving.length = int(length)


def file_name(disposition: str) -> str:
    """Give the file name of a Content-Disposition (RFC 6266), or the empty string."""
    matched = _FILE_NAME.search(disposition)
    if matched is None:
        return ""
    return unquote(matched[1]) if matched[1] else matched[2] or matched[3]


def _offset(size: int, length: int | None) -> Response:
    headers = {
        "Upload-Offset": str(size),
        "Upload-Complete": "?0",
        "Cache-Control": "no-store",
    }
    if length is not None:
        headers["Upload-Length"] = str(length)
    return Response(status_code=204, headers=headers)


def _done(received: Received, method: str, asked: Mapping[str, str]) -> Response:
    """Say that all is here; another content than that is refused."""
    other = read_digest(asked.get("repr-digest", ""))
    if method != "HEAD" and other is not None and other != received.digest:
        raise HansaError(
            Code.conflict, "The transfer has brought another content already.", "Start a new one."
        )
    return Response(
        status_code=204,
        headers={
            "Upload-Offset": str(received.size),
            "Upload-Complete": "?1",
            "Upload-Length": str(received.size),
            "Repr-Digest": digest_header(received.digest),
            "Cache-Control": "no-store",
        },
    )
