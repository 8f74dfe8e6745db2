"""HTTP/1.1 as uvicorn speaks it, with a bound on what it keeps in memory while it waits."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_STATUS_LINE = b"HTTP/1."
WAITING_BYTES_MAX = 64 * 1024
SENDING_BYTES = 128 * 1024
"""Send buffer of a connection. An answer whose right ends stops about this far ahead of its reader;
on a line of 100 ms round trip it allows 10 Mbit/s."""
_BODY = (
    b'{"type":"urn:hansa:error:body_too_large","title":"The head of the request is too large.",'
    b'"status":431,"detail":"At most 65536 bytes of request line and header fields are read."}'
)
_REFUSAL = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/problem+json\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (len(_BODY), _BODY)
)


class Joining:
    """A transport that sends the head of an answer together with the body that follows at once.

    One packet instead of two: one system call less here, one wake-up less over there. What does not
    follow at once (events, streams) is not waited for.
    """

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._head = b""

    def write(self, data: bytes) -> None:
        """Send, or hold back a head for the rest of this turn of the event loop."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(_STATUS_LINE):
            self._head = data
            asyncio.get_running_loop().call_soon(self._flush)
            return
        self._transport.write(data)

    def close(self) -> None:
        """Send what is held back and close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._head:
            data, self._head = self._head, b""
            self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        """Leave the rest to the transport."""
        return getattr(self._transport, name)


class BoundedHttp(HttpToolsProtocol):
    """Close a connection that sends a head, or trailers, without end.

    The parser keeps them until they are complete, and nobody is authenticated before that.
    Counted is what came since a head was complete or a piece of a body was handed on.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._waiting_bytes = 0

    def connection_made(self, transport: Any) -> None:
        """Keep little of an answer in the kernel: what lies there can't be taken back."""
        wire = transport.get_extra_info("socket")
        if wire is not None:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SENDING_BYTES)
        super().connection_made(Joining(transport))  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        """Take what came; refuse with 431 when too much of it is kept."""
        if self.transport.is_closing():
            return
        self._waiting_bytes += len(data)
        super().data_received(data)
        if self._waiting_bytes > WAITING_BYTES_MAX and not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete:
                self.transport.write(_REFUSAL)
            self.transport.close()

    def on_headers_complete(self) -> None:
        """Begin to answer."""
        self._waiting_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Hand on a piece of the body."""
        self._waiting_bytes = 0
        super().on_body(body)
