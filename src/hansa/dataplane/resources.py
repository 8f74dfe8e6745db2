"""Bytes that are given under an agreement: a file of ours, or what an HTTP upstream has.

Memory is constant: a block is read, ahead of the one that is being written, in a thread.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import msgspec

from hansa.dataplane.ranges import Span
from hansa.kernel import Code, HansaError

BLOCK_BYTES = 256 * 1024
"""What is read, checked and sent at once: an answer stops at most one block after its right."""

READERS = ThreadPoolExecutor(max_workers=8, thread_name_prefix="hansa-files")
DIGEST_BLOCK_BYTES = 1024 * 1024


class FileResource(msgspec.Struct, frozen=True, kw_only=True):
    """A file as it was published: `digest` SHA-256 in hex, `stamp` its time of change in ns."""

    name: str
    media_type: str
    path: Path
    size: int
    digest: str
    stamp: int | None = None


class UpstreamResource(msgspec.Struct, frozen=True, kw_only=True):
    """What an HTTP address gives. `headers` are our credentials there: they go nowhere else."""

    name: str
    media_type: str
    url: str
    headers: dict[str, str] = {}
    size: int | None = None
    digest: str | None = None

    def __repr__(self) -> str:
        return f"UpstreamResource(url={self.url!r}, headers=...)"


Resource = FileResource | UpstreamResource


class Resources(Protocol):
    """Knows which datasets are bytes."""

    async def resource(self, dataset_id: str) -> Resource | None:
        """Give the bytes of a dataset, or None when it is entities or there is none."""
        ...


class OpenFile:
    """A published file, open for reading. `changed` files are refused: the digest would lie."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    async def blocks(
        self, span: Span, block_bytes: int = BLOCK_BYTES
    ) -> AsyncGenerator[bytes, None]:
        """Read the bytes of a span, the next block while the present one is being used."""
        loop = asyncio.get_running_loop()
        at, end = span.start, span.end
        ahead = loop.run_in_executor(READERS, self._read, at, min(block_bytes, end - at))
        try:
            while at < end:
                block = await ahead
                at += len(block)
                if at < end:
                    size = min(block_bytes, end - at)
                    ahead = loop.run_in_executor(READERS, self._read, at, size)
                yield block
        finally:
            if not ahead.done():
                await asyncio.wait({ahead})

    def read(self, span: Span) -> bytes:
        """Read a small span at once."""
        return self._read(span.start, span.size)

    def _read(self, at: int, size: int) -> bytes:
        block = os.pread(self._descriptor, size, at)
        if not block:
            raise _not_as_published()
        return block


@asynccontextmanager
async def opened(resource: FileResource) -> AsyncIterator[OpenFile]:
    """Open a published file; HansaError unavailable when it is gone or was changed."""
    descriptor = await asyncio.get_running_loop().run_in_executor(READERS, _open, resource)
    try:
        yield OpenFile(descriptor)
    finally:
        os.close(descriptor)


def _open(resource: FileResource) -> int:
    try:
        descriptor = os.open(resource.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise _not_as_published() from error
    found = os.fstat(descriptor)
    changed = resource.stamp is not None and found.st_mtime_ns != resource.stamp
    if changed or found.st_size != resource.size:
        os.close(descriptor)
        raise _not_as_published()
    return descriptor


def _not_as_published() -> HansaError:
    return HansaError(
        Code.unavailable,
        "The file is not there any more as it was published.",
        "Its publisher has to publish it anew.",
        permanent=True,
    )


class Digester:
    """Digest a file while it is written, or again from disk. Use it from one thread at a time."""

    def __init__(self) -> None:
        self._sum = sha256()
        self.size = 0

    def add(self, block: bytes) -> None:
        """Take in a block."""
        self._sum.update(block)
        self.size += len(block)

    def hexdigest(self) -> str:
        """Give the SHA-256 so far, in hex."""
        return self._sum.hexdigest()


def digested(path: Path) -> Digester:
    """Digest what a file holds now. Blocks: call it in a thread."""
    digester = Digester()
    for block in _file_blocks(path):
        digester.add(block)
    return digester


def _file_blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(DIGEST_BLOCK_BYTES):
            yield block


@contextmanager
def _removed_on_failure(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


async def store_stream(
    parts: AsyncIterator[bytes], path: Path, *, bytes_max: int
) -> tuple[int, str]:
    """Write a stream to a new file, digested on the way; give size and SHA-256 in hex.

    Durable on return; nothing is left on failure. HansaError body_too_large beyond `bytes_max`.
    """
    loop = asyncio.get_running_loop()
    digester = Digester()
    with _removed_on_failure(path):
        file = await loop.run_in_executor(READERS, _create, path)
        try:
            held: list[bytes] = []
            size = 0
            async for part in parts:
                held.append(part)
                size += len(part)
                if digester.size + size > bytes_max:
                    raise too_large(bytes_max)
                if size >= DIGEST_BLOCK_BYTES:
                    block, held, size = b"".join(held), [], 0
                    await loop.run_in_executor(READERS, _append, file, digester, block)
            await loop.run_in_executor(READERS, _append, file, digester, b"".join(held))
            await loop.run_in_executor(READERS, os.fsync, file)
        finally:
            os.close(file)
    return digester.size, digester.hexdigest()


def _create(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def _append(descriptor: int, digester: Digester, block: bytes) -> None:
    write_whole(descriptor, block)
    digester.add(block)


def write_whole(descriptor: int, block: bytes) -> None:
    """Write all of a block; HansaError unavailable when the disk does not take it."""
    view = memoryview(block)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError as error:
        raise HansaError(
            Code.unavailable, "The bytes can't be written here.", "Make room on the disk."
        ) from error


def too_large(bytes_max: int) -> HansaError:
    """Say that more came than is taken."""
    return HansaError(
        Code.body_too_large,
        "There are too many bytes.",
        f"At most {bytes_max} bytes are taken (`files.bytes_max`).",
        limit=bytes_max,
        permanent=True,
    )


def own_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Check headers for an upstream; HansaError invalid_field names the one that can't be sent."""
    for name, value in headers.items():
        token = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
        if not token or not value.isprintable() or name.lower() in _NOT_OURS:
            raise HansaError(
                Code.invalid_field,
                "This header can't be sent to the upstream.",
                "Names are letters, digits and hyphens; host, range and lengths are set by us.",
                field=f"resource.headers.{name[:60]}",
            )
    return dict(headers)


_NOT_OURS = frozenset(
    {"host", "range", "if-range", "content-length", "transfer-encoding", "connection", "te"}
    | {"accept-encoding", "upgrade", "trailer"}
)
