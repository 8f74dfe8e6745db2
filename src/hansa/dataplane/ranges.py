"""Parts of a representation: ranges, conditions, digests (RFC 9110 13 and 14, RFC 9530). No I/O."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence

import msgspec

RANGES_MAX = 64
"""Ranges of one request; one with more is answered whole (RFC 9110 14.2 lets us ignore it)."""

_RANGE = re.compile(r"(\d{0,18})-(\d{0,18})")
_DIGEST = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]{44}):")
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")


class Span(msgspec.Struct, frozen=True):
    """Bytes from `start` up to, not including, `end`."""

    start: int
    end: int

    @property
    def size(self) -> int:
        """Count its bytes."""
        return self.end - self.start


class Unsatisfiable(Exception):  # noqa: N818 - a name of RFC 9110
    """No range of the request lies in the representation: 416."""


def spans_of(header: str | None, size: int) -> tuple[Span, ...] | None:
    """Give the parts that a `Range` header asks for; None: the whole (absent or to be ignored).

    Overlapping parts are joined, then in order; else they keep the order asked for. `Unsatisfiable`
    when none of them begins within `size` bytes.
    """
    unit, equals, text = (header or "").partition("=")
    if not equals or unit.strip().lower() != "bytes":
        return None
    specs = [spec.strip() for spec in text.split(",") if spec.strip()]
    if not 0 < len(specs) <= RANGES_MAX:
        return None
    found: list[Span] = []
    for spec in specs:
        matched = _RANGE.fullmatch(spec)
        if matched is None or spec == "-":
            return None
        first, last = matched[1], matched[2]
        if first and last and int(last) < int(first):
            return None
        span = _span(first, last, size)
        if span is not None:
            found.append(span)
    if not found:
        raise Unsatisfiable
    return _apart(found)


def _span(first: str, last: str, size: int) -> Span | None:
    if not first:
        span = Span(max(0, size - int(last)), size)
    else:
        span = Span(int(first), min(int(last) + 1, size) if last else size)
    return span if span.size > 0 and span.start < size else None


def _apart(spans: list[Span]) -> tuple[Span, ...]:
    ordered = sorted(spans, key=lambda span: span.start)
    joined = [ordered[0]]
    for span in ordered[1:]:
        if span.start < joined[-1].end:
            joined[-1] = Span(joined[-1].start, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return tuple(spans if len(joined) == len(spans) else joined)


def content_range(span: Span, size: int) -> str:
    """Write `Content-Range` (RFC 9110 14.4)."""
    return f"bytes {span.start}-{span.end - 1}/{size}"


def read_content_range(header: str) -> tuple[Span, int | None] | None:
    """Read `Content-Range` into the part and the whole size; None when it can't be read."""
    matched = _CONTENT_RANGE.fullmatch(header.strip())
    if matched is None:
        return None
    span = Span(int(matched[1]), int(matched[2]) + 1)
    whole = None if matched[3] == "*" else int(matched[3])
    if span.size <= 0 or (whole is not None and span.end > whole):
        return None
    return span, whole


def etag_of(digest: str) -> str:
    """Give the strong entity tag of content with this SHA-256 (hex): its digest."""
    return f'"{digest}"'


def digest_header(digest: str) -> str:
    """Write a SHA-256 (hex) as RFC 9530 `Repr-Digest` or `Content-Digest`."""
    return f"sha-256=:{base64.b64encode(bytes.fromhex(digest)).decode()}:"


def read_digest(header: str) -> str | None:
    """Read the SHA-256 (hex) out of `Repr-Digest` or `Content-Digest`; None when it has none."""
    matched = _DIGEST.search(header)
    if matched is None:
        return None
    try:
        return base64.b64decode(matched[1], validate=True).hex()
    except binascii.Error:
        return None


def _tags(header: str) -> list[str]:
    return [tag.strip() for tag in header.split(",")]


def _names(header: str, etag: str, *, weak: bool) -> bool:
    if header.strip() == "*":
        return True
    found = _tags(header)
    return etag in found or (weak and f"W/{etag}" in found)


def condition(headers: Mapping[str, str], etag: str, method: str = "GET") -> int | None:
    """Give 412 or 304 when a condition of the request says so, else None (RFC 9110 13.2.2).

    Dates are no condition here: the entity tag is the digest, and there is none better.
    """
    if "if-match" in headers and not _names(headers["if-match"], etag, weak=False):
        return 412
    if "if-none-match" in headers and _names(headers["if-none-match"], etag, weak=True):
        return 304 if method in ("GET", "HEAD") else 412
    return None


def wanted_spans(headers: Mapping[str, str], etag: str, size: int) -> tuple[Span, ...] | None:
    """Give the parts that a GET asks for, None for the whole.

    `If-Range` other than our own strong tag (a date too) means the whole (RFC 9110 13.1.5).
    """
    if "if-range" in headers and headers["if-range"].strip() != etag:
        return None
    return spans_of(headers.get("range"), size)


def multipart(
    spans: Sequence[Span], *, size: int, media_type: str, boundary: str
) -> tuple[list[bytes], bytes, int]:
    """Give the head before each part, the end, and the length in all (RFC 9110 14.6)."""
    heads = [
        (
            f"\r\n--{boundary}\r\nContent-Type: {media_type}\r\n"
            f"Content-Range: {content_range(span, size)}\r\n\r\n"
        ).encode("latin-1", "replace")
        for span in spans
    ]
    end = f"\r\n--{boundary}--\r\n".encode()
    return heads, end, sum(map(len, heads)) + sum(span.size for span in spans) + len(end)
