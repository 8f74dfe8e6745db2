"""How far a push is: one member of ours in the answer to `GET /transfers/{pid}`, and nowhere else.

The Dataspace Protocol has no word for it. Its name is an IRI and its value a JSON literal (JSON-LD
1.1, `@json`), so that expansion by others keeps it whole, and who doesn't know it ignores it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from hansa.exchange.model import TransferProcess, TransferProgress

PROGRESS = "https://w3id.org/hansa/ns#progress"
_TEXT_LENGTH_MAX = 500
_YEARS = range(2000, 2200)

_Count = Annotated[int, Meta(ge=0, lt=2**53)]
_Instant = Annotated[datetime, Meta(tz=True)]


class _Told(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The literal. What is not known, or not so, is left out."""

    items: _Count
    bytes: _Count
    total: _Count | None = None
    last_item: _Instant | None = None
    attempts: _Count = 0
    next_try: _Instant | None = None
    error: str | None = None


class _Literal(msgspec.Struct, frozen=True, kw_only=True):
    kind: Literal["@json"] = msgspec.field(name="@type")
    value: _Told = msgspec.field(name="@value")


class _Answer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    consumer_pid: str
    provider_pid: str
    progress: _Literal | None = msgspec.field(name=PROGRESS, default=None)


def progress_member(progress: TransferProgress | None) -> dict[str, Any]:
    """Write what a provider adds to its view of a transfer; nothing when nothing is known."""
    if progress is None:
        return {}
    told = _Told(**msgspec.structs.asdict(progress))
    return {PROGRESS: {"@type": "@json", "@value": msgspec.to_builtins(told)}}


def read_progress(body: bytes, transfer: TransferProcess) -> TransferProgress | None:
    """Read what a provider says about this very transfer; None when it says nothing of use.

    It is somebody else's word: numbers have bounds, texts are cut and hold no control characters,
    instants are left out that no calendar could show.
    """
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, OverflowError):
        return None
    same = (answer.consumer_pid, answer.provider_pid) == (
        transfer.consumer_pid,
        transfer.provider_pid,
    )
    if answer.progress is None or not same:
        return None
    told = answer.progress.value
    return TransferProgress(
        items=told.items,
        bytes=told.bytes,
        total=told.total,
        last_item=_shown(told.last_item),
        attempts=told.attempts,
        next_try=_shown(told.next_try),
        error=_text(told.error),
    )


def _shown(at: datetime | None) -> datetime | None:
    return at if at is not None and at.year in _YEARS else None


def _text(text: str | None) -> str | None:
    if text is None:
        return None
    plain = "".join(c if c.isprintable() else " " for c in text[: 2 * _TEXT_LENGTH_MAX])
    return " ".join(plain.split())[:_TEXT_LENGTH_MAX] or "It gives no reason."
