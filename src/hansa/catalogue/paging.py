"""Pages of datasets in order of id, forwards and backwards, each with a bound on its work."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import NamedTuple

from hansa.catalogue.model import DATASET, Dataset, Page
from hansa.kernel import Code, HansaError
from hansa.kernel.store import Condition, ReadTx

SCAN_MAX = 1_000
"""How many datasets one page reads to compare boxes, before it is given as it is with a `next`."""
_KEY_BYTES_MAX = 512


class Cursor(NamedTuple):
    """A place between two datasets: `key` is left out, `backwards` is the direction.

    It names a place in the order of ids, not a number: what is published or withdrawn meanwhile
    neither repeats nor hides another dataset.
    """

    key: str | None
    backwards: bool = False

    @classmethod
    def parse(cls, text: str | None) -> Cursor:
        """Read a cursor that we gave out; HansaError invalid_field for anything else."""
        if text is None:
            return cls(None)
        try:
            plain = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
        except (binascii.Error, ValueError):
            plain = ""
        direction, key = plain[:1], plain[1:]
        if direction not in ("<", ">") or not key or len(key.encode()) > _KEY_BYTES_MAX:
            raise HansaError(
                Code.invalid_field,
                "The cursor is not one of ours.",
                "Follow the links of the page before, or leave it out to start at the beginning.",
                field="cursor",
            )
        return cls(key, direction == "<")

    def __str__(self) -> str:
        plain = ("<" if self.backwards else ">") + (self.key or "")
        return urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def page_of(
    tx: ReadTx,
    conditions: Sequence[Condition],
    accept: Callable[[Dataset], bool] | None,
    at: Cursor,
    limit: int,
    *,
    skip: int = 0,
) -> Page:
    """Give up to `limit` datasets that meet all conditions and that `accept` takes.

    Cost: proportional to `limit` when there is nothing to accept, else bounded by `SCAN_MAX`; to
    `skip` as well. A page that the bound cut short has a `next`.
    """
    taken: list[Dataset] = []
    edge, skipped, scanned = at.key, 0, 0
    while True:
        wanted = limit + 1 + skip - skipped - len(taken)
        batch = wanted if accept is None else max(wanted, 100)
        found = tx.scan(DATASET, conditions, after=edge, limit=batch, newest_first=at.backwards)
        for dataset in found.items:
            edge = dataset.id
            if accept is not None and not accept(dataset):
                continue
            if skipped < skip:
                skipped += 1
                continue
            taken.append(dataset)
            if len(taken) > limit:
                break
        else:
            edge = found.edge
        scanned += len(found.items)
        cut_short = len(found.items) < batch or scanned >= SCAN_MAX + skip
        if len(taken) > limit or edge is None or cut_short:
            break
    full = len(taken) > limit
    items = taken[:limit]
    return _page(items, at, items[-1].id if full else edge)


def _page(items: list[Dataset], at: Cursor, beyond: str | None) -> Page:
    """Put the items in ascending order and name the cursors at both ends."""
    if at.backwards:
        items = items[::-1]
        return Page(
            items=tuple(items),
            next=str(Cursor(items[-1].id)) if items else None,
            previous=None if beyond is None else str(Cursor(beyond, True)),
        )
    return Page(
        items=tuple(items),
        next=None if beyond is None else str(Cursor(beyond)),
        previous=str(Cursor(items[0].id, True)) if items and at.key is not None else None,
    )
