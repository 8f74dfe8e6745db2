"""Whatever parts are asked for and wherever a line is cut, the bytes are exactly the file's."""

from __future__ import annotations

import asyncio
import email
import tempfile
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hansa.dataplane import FileResource
from hansa.dataplane.quota import Quota
from hansa.dataplane.ranges import (
    Span,
    Unsatisfiable,
    digest_header,
    read_content_range,
    read_digest,
    spans_of,
)
from hansa.dataplane.received import Part
from hansa.dataplane.serving import answer

SIZES = st.integers(0, 3_000)
EDGE = st.one_of(st.none(), st.integers(0, 4_000))


class Right:
    """Lets everything through and remembers what was counted."""

    def __init__(self) -> None:
        self.bytes = 0

    def check(self) -> None:
        """Let it go on."""

    def record(self, entities: int, bytes: int, requests: int = 1) -> None:
        self.bytes += bytes


async def ask(resource: FileResource, **asked: str) -> tuple[int, dict[str, str], bytes]:
    """Ask for the bytes of a file as a server would be asked."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        await asyncio.Event().wait()

    right = Right()
    client: Any = None
    await answer(resource, "GET", asked, client, right, receive, send)
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    body = b"".join(bytes(message["body"]) for message in sent[1:])
    assert right.bytes == len(body)
    assert int(headers.get("content-length", len(body))) == len(body)
    return sent[0]["status"], headers, body


def resource(folder: str, data: bytes) -> FileResource:
    path = Path(folder) / "f"
    path.write_bytes(data)
    return FileResource(
        name="f",
        media_type="text/plain",
        path=path,
        size=len(data),
        digest=sha256(data).hexdigest(),
        stamp=path.stat().st_mtime_ns,
    )


def ranges(edges: list[tuple[int | None, int | None]]) -> str:
    return "bytes=" + ",".join(
        f"{'' if a is None else a}-{'' if b is None else b}" for a, b in edges
    )


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=3_000), st.lists(st.tuples(EDGE, EDGE), min_size=1, max_size=6))
def test_each_part_is_what_its_content_range_says(
    data: bytes, edges: list[tuple[int | None, int | None]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = resource(folder, data)
        try:
            spans = spans_of(ranges(edges), len(data))
        except Unsatisfiable:
            assert all(a is None or a >= len(data) or b == 0 for a, b in edges) or not data
            return
        status, headers, body = asyncio.run(ask(file, range=ranges(edges)))
    if spans is None:
        assert (status, body) == (200, data)
        return
    assert status == 206
    if len(spans) == 1:
        found = read_content_range(headers["content-range"])
        assert found == (spans[0], len(data))
        assert body == data[spans[0].start : spans[0].end]
        assert read_digest(headers["content-digest"]) == sha256(body).hexdigest()
        return
    head = f"Content-Type: {headers['content-type']}\r\n\r\n".encode("latin-1")
    parts: Any = email.message_from_bytes(head + body).get_payload()
    told = [read_content_range(part["Content-Range"]) for part in parts]
    assert told == [(span, len(data)) for span in spans]
    for span in spans:
        assert data[span.start : span.end] in body


@given(SIZES, st.lists(st.tuples(EDGE, EDGE), min_size=1, max_size=70))
def test_parts_lie_inside_and_apart_and_cover_what_was_asked(
    size: int, edges: list[tuple[int | None, int | None]]
) -> None:
    try:
        spans = spans_of(ranges(edges), size)
    except Unsatisfiable:
        return
    if spans is None:
        return
    wanted: set[int] = set()
    for first, last in edges:
        if first is None:
            assert last is not None
            wanted |= set(range(max(0, size - last), size))
        else:
            wanted |= set(range(first, size if last is None else min(last + 1, size)))
    covered = [at for span in spans for at in range(span.start, span.end)]
    assert len(covered) == len(set(covered)), "no byte twice"
    assert set(covered) == wanted
    assert all(0 <= span.start < span.end <= size for span in spans)


@given(st.text(max_size=60))
def test_no_header_breaks_the_reading(text: str) -> None:
    try:
        spans = spans_of(text, 100)
    except Unsatisfiable:
        spans = None
    assert spans is None or all(isinstance(span, Span) for span in spans)
    read_content_range(text)
    read_digest(text)


@given(st.binary(max_size=64))
def test_a_digest_is_read_as_it_was_written(data: bytes) -> None:
    digest = sha256(data).hexdigest()
    assert read_digest(digest_header(digest)) == digest
    assert read_digest(f"md5=:AAAA:, {digest_header(digest)}") == digest


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=5_000), st.lists(st.integers(0, 5_000), max_size=6), st.booleans())
def test_a_file_that_arrives_in_pieces_is_the_file(
    data: bytes, cuts: list[int], forgotten: bool
) -> None:
    """`forgotten`: the process is new after each cut, and only the disk knows how far it was."""

    async def arrive(folder: str) -> tuple[str, int]:
        path = Path(folder) / "in" / "x.part"
        quota = Quota(path.parent)
        part = Part(path, 10_000, quota)
        for cut in [*cuts, len(data)]:
            if forgotten:
                part = Part(path, 10_000, quota)
            await part.open()
            upto = max(part.size, min(cut, len(data)))
            async for block in blocks(data[part.size : upto]):
                await part.append(block)
            await part.close()
        digest = await part.digest()
        await part.close()
        assert path.read_bytes() == data
        assert await quota.used_bytes() == len(data)
        return digest, part.size

    with tempfile.TemporaryDirectory() as folder:
        assert asyncio.run(arrive(folder)) == (sha256(data).hexdigest(), len(data))


async def blocks(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), 700):
        yield data[at : at + 700]
