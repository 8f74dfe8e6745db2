"""Files that came from others: growing while they arrive, whole and digested when they are kept."""

from __future__ import annotations

import asyncio
import os
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import msgspec

from hansa.dataplane.quota import Quota
from hansa.dataplane.resources import (
    DIGEST_BLOCK_BYTES,
    Digester,
    digested,
    in_thread,
    too_large,
    write_whole,
)
from hansa.kernel import Clock, Code, HansaError
from hansa.kernel.store import Kind, Store, Tx

_NAME_MAX = 200


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """A file that came whole with a transfer; `location` is below the folder of received files."""

    transfer_id: str
    agreement_id: str
    name: str
    media_type: str
    size: int
    digest: str
    location: str
    at: datetime


RECEIVED: Kind[Received] = Kind(
    name="dataplane_received",
    type=Received,
    key=lambda received: received.transfer_id,
    indexes={"agreement": lambda received: received.agreement_id},
)


class Part:
    """A file that is arriving. What is on disk counts: after a crash it goes on from there."""

    def __init__(self, path: Path, bytes_max: int, quota: Quota) -> None:
        self.path = path
        self._bytes_max = bytes_max
        self._quota = quota
        self._digester = Digester()
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._descriptor: int | None = None

    @property
    def size(self) -> int:
        """Count the bytes that have come."""
        return self._digester.size + self._held_bytes

    async def open(self) -> None:
        """Open for appending; what was there before is digested again when it is not known."""
        if self._descriptor is None:
            await self._quota.used_bytes()
            self._descriptor = await in_thread(self._opened)

    def _opened(self) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self.path, flags, 0o600)
        if os.fstat(descriptor).st_size != self._digester.size:
            self._digester = digested(self.path)
        return descriptor

    async def append(self, block: bytes) -> None:
        """Take in bytes; returns when they are on their way to disk.

        HansaError body_too_large, storage_full.
        """
        if self.size + len(block) > self._bytes_max:
            raise too_large(self._bytes_max)
        self._held.append(block)
        self._held_bytes += len(block)
        if self._held_bytes >= DIGEST_BLOCK_BYTES:
            await self._flush()

    async def _flush(self) -> None:
        if self._held:
            block, self._held, self._held_bytes = b"".join(self._held), [], 0
            before = self._digester.size
            self._quota.take(len(block))
            writing = asyncio.ensure_future(in_thread(self._write, block))
            writing.add_done_callback(  # also when nobody waits for it any more
                lambda _: self._quota.give_back(before + len(block) - self._digester.size)
            )
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                await asyncio.wait({writing})
                raise

    def _write(self, block: bytes) -> None:
        assert self._descriptor is not None, "it is open while it is written"
        self._quota.check_disk(len(block))
        try:
            write_whole(self._descriptor, block)
        except HansaError:
            os.ftruncate(self._descriptor, self._digester.size)
            raise
        self._digester.add(block)

    async def close(self) -> None:
        """Write what is held and close; it can be opened again."""
        if self._descriptor is not None:
            try:
                await self._flush()
            finally:
                descriptor, self._descriptor = self._descriptor, None
                await in_thread(os.close, descriptor)

    async def restart(self) -> None:
        """Forget what came, as for another content."""
        await self.open()
        self._quota.give_back(self._digester.size)
        self._held, self._held_bytes, self._digester = [], 0, Digester()
        assert self._descriptor is not None, "it was opened"
        await in_thread(os.ftruncate, self._descriptor, 0)

    async def digest(self) -> str:
        """Give the SHA-256 (hex) of all that has come, durable on disk."""
        await self.open()
        await self._flush()
        assert self._descriptor is not None, "it was opened"
        await in_thread(os.fsync, self._descriptor)
        return self._digester.hexdigest()


class ReceivedFiles:
    """The folder of one participant for what it receives, and what is known of it."""

    def __init__(self, quota: Quota, store: Store, clock: Clock, *, bytes_max: int) -> None:
        """`bytes_max` bounds one file; the `room` has the folder, and bounds all."""
        self.quota = quota
        self.folder = quota.folder
        self.bytes_max = bytes_max
        self._store = store
        self._clock = clock

    def part(self, transfer_id: str) -> Part:
        """Give the growing file of a transfer."""
        return Part(self.folder / f"{_plain(transfer_id)}.part", self.bytes_max, self.quota)

    async def part_size(self, transfer_id: str) -> int:
        """Count the bytes of a transfer's growing file."""
        path = self.part(transfer_id).path
        try:
            return (await in_thread(path.stat)).st_size
        except FileNotFoundError:
            return 0

    async def get(self, transfer_id: str) -> Received | None:
        """Give what came whole with a transfer, or None."""
        return await self._store.read(lambda tx: tx.get(RECEIVED, transfer_id))

    def path(self, received: Received) -> Path:
        """Give where a received file lies."""
        return self.folder / received.location

    async def keep(
        self, part: Part, *, transfer_id: str, agreement_id: str, name: str, media_type: str
    ) -> Received:
        """Take a file that is whole: under its own name, in the folder of its transfer."""
        digest = await part.digest()
        await part.close()
        place = f"{_plain(transfer_id)}/{plain_name(name)}"
        received = Received(
            transfer_id=transfer_id,
            agreement_id=agreement_id,
            name=plain_name(name),
            media_type=media_type[:255] or "application/octet-stream",
            size=part.size,
            digest=digest,
            location=place,
            at=self._clock.now(),
        )
        await in_thread(_moved, part.path, self.folder / place)

        def job(tx: Tx) -> None:
            tx.put(RECEIVED, received)

        await self._store.write(job)
        return received

    async def discard(self, transfer_id: str) -> None:
        """Delete what came in part; a file that came whole stays."""
        await self._delete(self.part(transfer_id).path)

    async def forget(self, transfer_id: str) -> bool:
        """Delete what came, whole or in part; say whether a whole file was there.

        One that a crash kept from being noted is deleted, too.
        """
        await self.discard(transfer_id)
        for path in await in_thread(_files_in, self.folder / _plain(transfer_id)):
            await self._delete(path)
        return await self._store.write(lambda tx: tx.delete(RECEIVED, transfer_id))

    async def _delete(self, path: Path) -> None:
        await self.quota.used_bytes()
        self.quota.give_back(await in_thread(_unlinked, path))


def _moved(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    source.replace(target)


def _files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _unlinked(path: Path) -> int:
    """Delete a file if it is there; give how many bytes it had."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return 0
    path.unlink(missing_ok=True)
    return size


def _plain(transfer_id: str) -> str:
    """Give an id as the name of a file: nothing in it can leave the folder, no two are one."""
    name = quote(transfer_id, safe="").replace(".", "%2E")
    return name if len(name) <= _NAME_MAX else sha256(transfer_id.encode()).hexdigest()


def plain_name(name: str) -> str:
    """Give the last part of a name, fit for a header and a file system."""
    last = name.replace("\\", "/").rpartition("/")[2].strip()
    plain = "".join(letter for letter in last if letter.isprintable())[:200].lstrip(".")
    return plain.encode()[:200].decode(errors="ignore") or "data"


def digest_mismatch(announced: str, found: str) -> HansaError:
    """Say that what came is not what was announced."""
    return HansaError(
        Code.digest_mismatch,
        "The bytes that came are not those that were announced.",
        f"Announced is SHA-256 {announced}, these have {found}. They were thrown away: start anew.",
    )
