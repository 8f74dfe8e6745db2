"""The bytes of a file: a path or bytes in memory, gzipped or not, never more than the limit."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import BinaryIO

from hansa.ingest.errors import too_large, unreadable
from hansa.ingest.model import FILE_BYTES_MAX

_GZIP = b"\x1f\x8b"
_HEAD_BYTES = 65_536


class Content:
    """A file to be read from its start, as often as needed. HansaError beyond 200 MB."""

    def __init__(self, source: Path | bytes, *, bytes_max: int = FILE_BYTES_MAX) -> None:
        self._source = source
        self._bytes_max = bytes_max
        if isinstance(source, Path):
            try:
                self.size_bytes = source.stat().st_size
            except OSError as error:
                raise unreadable(
                    "The file cannot be read.", f"{error.strerror}. Check the path."
                ) from None
        else:
            self.size_bytes = len(source)
        if self.size_bytes > bytes_max:
            raise self._too_large()
        if self.size_bytes == 0:
            raise unreadable("The file is empty.", "Choose a file with a table or features in it.")
        with self._open_stored() as stored:
            self.gzipped = stored.read(2) == _GZIP
        self._opened: BinaryIO | None = None
        self.head = self._read(_HEAD_BYTES)

    @property
    def path(self) -> Path | None:
        """Give the path, when the file stands on disk as it is."""
        return self._source if isinstance(self._source, Path) and not self.gzipped else None

    def open(self) -> BinaryIO:
        """Open the expanded bytes from their start."""
        stored = self._opened = self._open_stored()
        if not self.gzipped:
            return stored
        expanding: BinaryIO = io.BufferedReader(_Expanding(stored, self._bytes_max))
        return expanding

    def read(self) -> bytes:
        """Give all bytes."""
        return self._read(-1)

    def share(self) -> float | None:
        """Give how much of the file was read since it was last opened, 0 to 1."""
        opened = self._opened
        if opened is None or opened.closed:
            return None
        return min(1.0, opened.tell() / self.size_bytes)

    def _read(self, count: int) -> bytes:
        with self.open() as stream:
            return stream.read(count)

    def _open_stored(self) -> BinaryIO:
        if isinstance(self._source, Path):
            return self._source.open("rb")
        return io.BytesIO(self._source)

    def _too_large(self) -> Exception:
        return too_large(
            f"{self.size_bytes:,} bytes", f"{self._bytes_max:,} bytes", "Part it and publish each."
        )


class _Expanding(io.RawIOBase):
    """Expands gzip and stops at the limit, so that a small file cannot become endless."""

    def __init__(self, stored: BinaryIO, bytes_max: int) -> None:
        self._stored = stored
        self._gzip = gzip.GzipFile(fileobj=stored, mode="rb")
        self._bytes_max = bytes_max
        self._given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]  # typeshed's Buffer needs 3.12
        try:
            chunk = self._gzip.read(len(view))
        except (OSError, EOFError, zlib.error) as error:
            raise unreadable(
                "The gzipped file is damaged.", f"{error}. Compress it again."
            ) from None
        self._given += len(chunk)
        if self._given > self._bytes_max:
            raise too_large(
                "it expands further",
                f"{self._bytes_max:,} bytes when expanded",
                "Part it and publish each.",
            )
        view[: len(chunk)] = chunk
        return len(chunk)

    def close(self) -> None:
        self._gzip.close()
        self._stored.close()
        super().close()
