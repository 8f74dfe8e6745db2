"""Bytes that are given under an agreement: a file of ours, or what an HTTP upstream has.

Memory is constant: one block is read when the one before it was taken. What the system has in
memory is read at once, which is twice as fast as by way of a thread; the disk is read in a thread.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Protocol, TypeVar, TypeVarTuple, Unpack

import msgspec

from hansa.dataplane.ranges import Span
from hansa.kernel import Code, HansaError

BLOCK_BYTES = 256 * 1024
"""What is read, checked and sent at once: an answer stops at most one block after its right."""

T = TypeVar("T")
A = TypeVarTuple("A")
Block = bytes | bytearray
READERS = ThreadPoolExecutor(max_workers=8, thread_name_prefix="hansa-files")
DIGEST_BLOCK_BYTES = 1024 * 1024
_FULL_DISK = frozenset({errno.EDQUOT, errno.ENOSPC})


async def in_thread(work: Callable[[Unpack[A]], T], *arguments: *A) -> T:
    """Do work on files in a thread of their own pool."""
    return await asyncio.get_running_loop().run_in_executor(READERS, work, *arguments)


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
    """A published file, open for reading; kept open for a while for the next who reads it."""

    __slots__ = ("descriptor", "used_s", "users")

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.users = 0
        self.used_s = 0.0

    async def blocks(
        self, span: Span, block_bytes: int = BLOCK_BYTES
    ) -> AsyncGenerator[Block, None]:
        """Read the bytes of a span: at once what the system holds in memory, else in a thread."""
        at, end = span.start, span.end
        while at < end:
            size = min(block_bytes, end - at)
            block: Block | None = _at_hand(self.descriptor, at, size)
            if not block:
                block = await in_thread(os.pread, self.descriptor, size, at)
            if not block:
                raise _not_as_published()
            at += len(block)
            yield block


_NO_WAIT = getattr(os, "RWF_NOWAIT", 0)


def _at_hand(descriptor: int, at: int, size: int) -> bytearray | None:
    """Read without waiting for a disk (Linux); None when it would have to."""
    if not _NO_WAIT:
        return None
    block = bytearray(size)
    try:
        got = os.preadv(descriptor, [block], at, _NO_WAIT)
    except OSError:
        return None
    del block[got:]
    return block


class _OpenFiles:
    """The files that were read last, open. They are what was published: see `_check`."""

    def __init__(self, idle_max: int) -> None:
        self._idle_max = idle_max
        self._open: OrderedDict[tuple[Path, str], OpenFile] = OrderedDict()
        self._sweeper: asyncio.AbstractEventLoop | None = None

    async def take(self, resource: FileResource) -> OpenFile:
        key = (resource.path, resource.digest)
        file = self._open.get(key)
        if file is None:
            descriptor = await in_thread(_open, resource.path)
            file = self._open.get(key)
            if file is None:
                file = self._open[key] = OpenFile(descriptor)
            else:
                os.close(descriptor)
        self._open.move_to_end(key)
        file.users += 1
        return file

    def give_back(self, file: OpenFile, *, forget: bool) -> None:
        loop = asyncio.get_running_loop()
        file.users -= 1
        file.used_s = loop.time()
        if self._sweeper is not loop:
            self._sweeper = loop
            loop.call_later(_IDLE_S, self._sweep, loop)
        if not forget and len(self._open) <= self._idle_max:
            return
        for key, held in list(self._open.items()):
            surplus = len(self._open) > self._idle_max
            if held.users == 0 and (surplus or (forget and held is file)):
                os.close(self._open.pop(key).descriptor)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close what nobody read lately: a deleted file is to free its place on the disk."""
        for key, held in list(self._open.items()):
            if held.users == 0 and loop.time() - held.used_s >= _IDLE_S:
                os.close(self._open.pop(key).descriptor)
        if self._open:
            loop.call_later(_IDLE_S, self._sweep, loop)
        else:
            self._sweeper = None


_IDLE_S = 10.0
_OPEN_FILES = _OpenFiles(idle_max=32)


@asynccontextmanager
async def opened(resource: FileResource) -> AsyncIterator[OpenFile]:
    """Open a published file; HansaError unavailable when it is gone or was changed."""
    file = await _OPEN_FILES.take(resource)
    sound = False
    try:
        _check(resource, file.descriptor)
        sound = True
        yield file
    finally:
        _OPEN_FILES.give_back(file, forget=not sound)


def _open(path: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise _not_as_published() from error
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    return descriptor


def _check(resource: FileResource, descriptor: int) -> None:
    found = os.fstat(descriptor)
    changed = resource.stamp is not None and found.st_mtime_ns != resource.stamp
    if changed or found.st_size != resource.size or found.st_nlink == 0:
        raise _not_as_published()


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
    digester = Digester()
    with _removed_on_failure(path):
        file = await in_thread(_create, path)
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
                    await in_thread(_append, file, digester, block)
            await in_thread(_append, file, digester, b"".join(held))
            await in_thread(os.fsync, file)
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
    """Write all of a block; HansaError storage_full, unavailable when the disk does not take it."""
    view = memoryview(block)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError as error:
        code = Code.storage_full if error.errno in _FULL_DISK else Code.unavailable
        raise HansaError(
            code, "The bytes can't be written here.", "Make room on the disk."
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
