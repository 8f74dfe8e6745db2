"""Fetch a file through the node, going on where it was cut."""

from __future__ import annotations

import base64
import hashlib
import http.client
import time
from collections.abc import Iterator
from pathlib import Path

from hansa.client.connection import Client
from hansa.kernel.errors import Code, HansaError

_BLOCK_BYTES = 256 * 1024
_ATTEMPTS = 10
_RETRY_S = 0.5


def fetch(client: Client, path: str, file: Path) -> Iterator[tuple[int, int | None]]:
    """Write the answer of `path` to `file`; give bytes so far and in all, as they come.

    What is there of it (`<file>.part`, with the provider's tag) is kept and gone on with. The
    digest that the answer names is checked. HansaError digest_mismatch, counterparty_refused.
    """
    part, tag = file.with_name(file.name + ".part"), file.with_name(file.name + ".tag")
    failures, digest = 0, ""
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            whole: int | None = None
            with client.stream(path, _asked(before, tag)) as answer:
                whole = _whole(answer, before)
                digest = answer.headers.get("repr-digest", digest)
                if answer.status == 200:
                    part.unlink(missing_ok=True)
                tag.write_text(answer.headers.get("etag", ""), encoding="utf-8")
                if answer.status != 416:
                    yield from _written(answer, part, whole)
            size = part.stat().st_size if part.exists() else 0
            if whole is None or size == whole:
                break
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, PermissionError | IsADirectoryError | FileNotFoundError):
                raise
        grown = part.exists() and part.stat().st_size > before
        failures = 0 if grown else failures + 1
        if failures >= _ATTEMPTS:
            raise HansaError(
                Code.outbound_failed,
                "The bytes do not come any more.",
                f"What came is in {part}; the same command goes on from there.",
            )
        time.sleep(_RETRY_S)
    _check(part, digest)
    part.replace(file)
    tag.unlink(missing_ok=True)


def _asked(before: int, tag: Path) -> dict[str, str]:
    known = tag.read_text(encoding="utf-8") if tag.exists() else ""
    if not before or not known:
        return {}
    return {"Range": f"bytes={before}-", "If-Range": known}


def _whole(answer: http.client.HTTPResponse, before: int) -> int | None:
    """Give the size of the whole file, as far as the answer tells it."""
    span = answer.headers.get("content-range", "")
    if answer.status in (206, 416):
        total = span.rpartition("/")[2]
        return int(total) if total.isdigit() else None
    length = answer.headers.get("content-length", "")
    return int(length) if length.isdigit() else None


def _written(
    answer: http.client.HTTPResponse, part: Path, whole: int | None
) -> Iterator[tuple[int, int | None]]:
    with part.open("ab") as out:
        size = out.tell()
        yield size, whole
        while block := answer.read(_BLOCK_BYTES):
            out.write(block)
            size += len(block)
            yield size, whole


def _check(part: Path, digest: str) -> None:
    """Compare with `Repr-Digest` (RFC 9530), when there is one."""
    if not digest.startswith("sha-256=:") or not part.exists():
        return
    with part.open("rb") as file:
        found = base64.b64encode(hashlib.file_digest(file, "sha256").digest()).decode()
    if digest != f"sha-256=:{found}:":
        part.unlink()
        raise HansaError(
            Code.digest_mismatch,
            "The bytes are not those that the provider names.",
            "They were deleted; fetch again.",
        )
