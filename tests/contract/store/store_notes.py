"""The document that the store's contract suite keeps."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from hansa.kernel.store import Database, Kind

Open = Callable[..., Database]


class Note(msgspec.Struct, frozen=True):
    """A document for tests."""

    id: str
    state: str = "open"
    owner: str | None = None
    tags: tuple[str, ...] = ()
    text: str = ""


NOTE = Kind(
    "note",
    Note,
    lambda note: note.id,
    {
        "state": lambda note: note.state,
        "owner": lambda note: note.owner,
        "tag": lambda note: note.tags,
    },
)
