"""How much room there is for what others send: a quota of bytes, and a floor of free disk.

One for each participant. What is refused here is refused for now (507): senders of ours try again,
and go on from where they were once something was deleted or the setting raised.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from hansa.dataplane.resources import in_thread
from hansa.kernel import Code, HansaError

BYTES_MAX = 256 * 1024 * 1024 * 1024
ENTITIES_MAX = 1_000_000
FREE_BYTES_MIN = 512 * 1024 * 1024


def free_bytes(folder: Path) -> int:
    """Count the bytes that are free on the disk of a folder; it need not be there yet."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(there).free


class Quota:
    """The room of one participant. `folder` is where its received files lie."""

    def __init__(
        self,
        folder: Path,
        *,
        bytes_max: int = BYTES_MAX,
        entities_max: int = ENTITIES_MAX,
        free_bytes_min: int = FREE_BYTES_MIN,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        """`entities_max` is for the entities of one transfer; `free` asks the disk."""
        self.folder = folder
        self.bytes_max = bytes_max
        self.entities_max = entities_max
        self._free_bytes_min = free_bytes_min
        self._free = free
        self._used_bytes: int | None = None
        self._measuring = asyncio.Lock()

    async def used_bytes(self) -> int:
        """Count the bytes of all received files; nothing may be written before the first call."""
        async with self._measuring:
            if self._used_bytes is None:
                self._used_bytes = await in_thread(_size_of, self.folder)
            return self._used_bytes

    async def check(self, more: int = 0) -> None:
        """Return when so many more bytes have room; HansaError storage_full names the setting."""
        self._check_quota(await self.used_bytes(), more)
        await self.check_free(more)

    async def check_free(self, more: int = 0) -> None:
        """Return when the disk has room for so many more bytes, of whatever kind."""
        await in_thread(self.check_disk, more)

    def take(self, size: int) -> None:
        """Count bytes that are about to be written; HansaError storage_full."""
        used = self._used_bytes or 0
        self._check_quota(used, size)
        self._used_bytes = used + size

    def give_back(self, size: int) -> None:
        """Count bytes that were deleted."""
        self._used_bytes = max(0, (self._used_bytes or 0) - size)

    def check_disk(self, more: int = 0) -> None:
        """Return when the floor stays free after so many more bytes; asks the disk, in a thread."""
        free = self._free(self.folder)
        if free - more < self._free_bytes_min:
            raise _full(
                "The disk has too little room for what is received.",
                f"{free:,} bytes are free, {self._free_bytes_min:,} must stay free"
                " (`received.free_bytes_min`).",
                "received.free_bytes_min",
            )

    def check_entities(self, count: int) -> None:
        """Return when one transfer may have brought so many entities; HansaError storage_full."""
        if count > self.entities_max:
            raise _full(
                "The transfer brings more entities than are kept here.",
                f"At most {self.entities_max:,} are kept of one transfer"
                " (`received.entities_max`): raise it, or agree on less.",
                "received.entities_max",
            )

    def _check_quota(self, used: int, more: int) -> None:
        if used + more > self.bytes_max:
            raise _full(
                "There is no room left for received files.",
                f"{used:,} of {self.bytes_max:,} bytes are taken (`received.bytes_max`).",
                "received.bytes_max",
            )


_NEXT = "Delete what ended transfers brought: `hansa transfer forget <id>`."


def _full(title: str, detail: str, field: str) -> HansaError:
    return HansaError(
        Code.storage_full,
        title,
        f"{detail} {_NEXT}",
        field=field,
        next=_NEXT,
    )


def reason(error: HansaError) -> str:
    """Write why something is not taken as one line; want of room with what to do about it."""
    said = f"{error.code.value}: {error.title}"
    return f"{said} {error.detail}" if error.code is Code.storage_full else said


def told(error: HansaError) -> HansaError:
    """Give what a sender may know: for want of room no sizes and settings of ours."""
    if error.code is not Code.storage_full:
        return error
    return HansaError(error.code, error.title, "The receiver is told what to do. Send it again.")


def _size_of(folder: Path) -> int:
    return sum(
        os.lstat(os.path.join(parent, name)).st_size
        for parent, _, names in os.walk(folder)
        for name in names
    )
