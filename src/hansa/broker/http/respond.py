"""Send answers: small ones at once, long ones in parts that stop when the right ends.

A part is at most 64 KiB or 100 entities. While the reader is slow, the right is looked at every
0.2 s; when it has ended the answer is left incomplete and the connection closed, so that nobody
takes a piece for the whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from starlette.types import Send

from hansa.broker.errors import problem_details
from hansa.broker.http.access import Access
from hansa.kernel import HansaError

PART_BYTES_MAX = 64 * 1024
PART_ENTITIES_MAX = 100
LOOK_EVERY_S = 0.2
Headers = list[tuple[bytes, bytes]]


class Answer:
    """One HTTP answer to be sent over ASGI."""

    def __init__(self, status: int, body: bytes = b"", media: str = "application/json") -> None:
        self.status = status
        self.body = body
        self.headers: Headers = []
        if body:
            self.headers.append((b"content-type", media.encode()))

    def header(self, name: str, value: str) -> Answer:
        """Add a header; gives the answer itself."""
        self.headers.append((name.lower().encode(), value.encode("latin-1", "replace")))
        return self

    async def send(self, send: Send) -> None:
        """Send it whole."""
        if self.status != 204:
            self.headers.append((b"content-length", b"%d" % len(self.body)))
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


def error_answer(error: HansaError) -> Answer:
    """Give the answer for an error (6.3.2); 411 and 415 have no body (6.3.4)."""
    if error.status in (411, 415):
        return Answer(error.status)
    answer = Answer(error.status, orjson.dumps(problem_details(error)))
    if error.status == 401:
        answer.header("WWW-Authenticate", 'Bearer, Basic realm="hansa"')
    if "allow" in error.facts:
        answer.header("Allow", str(error.facts["allow"]))
    return answer


async def send_entities(
    send: Send, access: Access, answer: Answer, items: Sequence[bytes], *, start: bytes, end: bytes
) -> None:
    """Send a list of rendered entities between `start` and `end`, joined by commas."""
    size = sum(map(len, items)) + max(0, len(items) - 1) + len(start) + len(end)
    if size <= PART_BYTES_MAX and len(items) <= PART_ENTITIES_MAX:
        answer.body = b"%b%b%b" % (start, b",".join(items), end)
        await answer.send(send)
        access.on_sent(len(items), size)
        return
    answer.headers.append((b"content-length", b"%d" % size))
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    entities = sent = 0
    try:
        for count, part in _parts(items, start, end):
            if not await _sent(send, access, part):
                return
            entities += count
            sent += len(part)
        await send({"type": "http.response.body", "body": b""})
    finally:
        access.on_sent(entities, sent)


async def _sent(send: Send, access: Access, part: bytes) -> bool:
    """Send one part unless the right has ended or ends while the reader is waited for."""
    try:
        access.still_valid()
    except HansaError:
        return False
    message: dict[str, Any] = {"type": "http.response.body", "body": part, "more_body": True}
    sending = asyncio.ensure_future(send(message))
    try:
        while True:
            done, _ = await asyncio.wait({sending}, timeout=LOOK_EVERY_S)
            if done:
                sending.result()
                return True
            access.still_valid()
    except HansaError:
        return False
    finally:
        if not sending.done():
            sending.cancel()


def _parts(items: Sequence[bytes], start: bytes, end: bytes) -> Iterator[tuple[int, bytes]]:
    """Cut an answer into parts; a huge entity is cut as well. Gives (entities ended, bytes)."""
    waiting = [start]
    size, count = len(start), 0
    for number, item in enumerate(items):
        if number:
            waiting.append(b",")
        waiting.append(item)
        size += len(item) + 1
        count += 1
        if size >= PART_BYTES_MAX or count >= PART_ENTITIES_MAX:
            yield from _cut(b"".join(waiting), count)
            waiting, size, count = [], 0, 0
    waiting.append(end)
    yield from _cut(b"".join(waiting), count)


def _cut(part: bytes, count: int) -> Iterator[tuple[int, bytes]]:
    for at in range(0, len(part), PART_BYTES_MAX):
        last = at + PART_BYTES_MAX >= len(part)
        yield count if last else 0, part[at : at + PART_BYTES_MAX]
