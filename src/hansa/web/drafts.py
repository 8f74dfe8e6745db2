"""Uploaded files between the two steps of publishing, so that the pages work without scripts.

Files lie in a private temporary folder, are named by a secret, belong to one caller, and go after
half an hour, when they are published, or when the process ends.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import weakref
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from hansa.kernel import Clock, Code, HansaError, Ids
from hansa.web.ports import Upload

FILE_BYTES_MAX = 200 * 1024 * 1024
_DRAFTS_MAX = 16
_LIFE = timedelta(minutes=30)


class _Draft(msgspec.Struct, frozen=True, kw_only=True):
    owner: str
    upload: Upload
    expires: datetime


class Drafts:
    """Keeps at most 16 uploads of at most 200 MiB each."""

    def __init__(self, clock: Clock, ids: Ids) -> None:
        self._clock = clock
        self._ids = ids
        self._folder: Path | None = None
        self._drafts: dict[str, _Draft] = {}

    def _place(self, key: str) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="hansa-drafts-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        return self._folder / key

    async def _remember(self, key: str, owner: str, upload: Upload) -> str:
        await self._sweep()
        while len(self._drafts) >= _DRAFTS_MAX:
            await self.drop(next(iter(self._drafts)))
        expires = self._clock.now() + _LIFE
        self._drafts[key] = _Draft(owner=owner, upload=upload, expires=expires)
        return key

    async def _sweep(self) -> None:
        now = self._clock.now()
        for key in [k for k, draft in self._drafts.items() if draft.expires <= now]:
            await self.drop(key)

    async def keep_file(self, owner: str, name: str, body: AsyncIterator[bytes]) -> str:
        """Store an uploaded file and give its key; HansaError body_too_large beyond the bound."""
        key = self._ids.token(16)
        path = self._place(key)
        total = 0
        with path.open("wb") as file:
            async for chunk in body:
                total += len(chunk)
                if total > FILE_BYTES_MAX:
                    path.unlink(missing_ok=True)
                    raise HansaError(
                        Code.body_too_large,
                        "The file is too large for this page.",
                        f"At most {FILE_BYTES_MAX // 1_048_576} MiB; use `hansa publish FILE`.",
                        field="file",
                    )
                await asyncio.to_thread(file.write, chunk)
        safe = Path(name.replace("\\", "/")).name[:200] or "file"
        return await self._remember(key, owner, Upload(name=safe, path=path, size_bytes=total))

    async def keep_url(self, owner: str, url: str) -> str:
        """Remember an address and give its key."""
        name = url.split("?", 1)[0].rstrip("/").rsplit("/", 1)[-1] or url
        return await self._remember(self._ids.token(16), owner, Upload(name=name, url=url))

    async def get(self, owner: str, key: str) -> Upload:
        """Give a draft of this owner; HansaError not_found when it is gone or another's."""
        await self._sweep()
        draft = self._drafts.get(key)
        if draft is None or draft.owner != owner:
            raise HansaError(
                Code.not_found,
                "The uploaded file is no longer here.",
                "Uploads are kept for 30 minutes. Choose the file again.",
                field="draft",
            )
        return draft.upload

    async def drop(self, key: str) -> None:
        """Forget a draft and delete its file."""
        draft = self._drafts.pop(key, None)
        if draft is not None and draft.upload.path is not None:
            await asyncio.to_thread(draft.upload.path.unlink, missing_ok=True)
