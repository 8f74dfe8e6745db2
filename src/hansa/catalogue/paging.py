"""Pages of datasets in order of id, forwards and backwards, merged over several views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hansa.catalogue.model import DATASET, Dataset, Page
from hansa.kernel import Code, HansaError
from hansa.kernel.store import ReadTx

SCAN_MAX = 2_000
"""How many candidates one page looks at before it is given as it is, with a `next`."""

_PROBE = 32


class Cursor(NamedTuple):
    """A place between two datasets: `key` is left out, `backwards` is the direction."""

    key: str | None
    backwards: bool = False

    @classmethod
    def parse(cls, text: str | None) -> Cursor:
        """Read a cursor that we gave out; HansaError invalid_field for anything else."""
        if text is None:
            return cls(None)
        direction, colon, key = text.partition(":")
        if not colon or direction not in ("after", "before") or not key or len(key) > 400:
            raise HansaError(
                Code.invalid_field,
                "The cursor is not one of ours.",
                "Follow the links of the page before, or leave it out to start at the beginning.",
                field="cursor",
            )
        return cls(key, direction == "before")


def sparsest(tx: ReadTx, words: tuple[str, ...], at: Cursor) -> str:
    """Give the word whose datasets lie furthest apart from here on: the best index to walk.

    Looks at `_PROBE` datasets per word, however many there are: the further the last of them is,
    the rarer the word. A word that runs out before is rarer still.
    """
    if len(words) == 1:
        return words[0]
    found: list[tuple[int, str, str]] = []
    for word in words:
        hits = tx.find(
            DATASET, {"word": word}, after=at.key, limit=_PROBE, newest_first=at.backwards
        )
        found.append((len(hits), hits[-1].id if hits else "", word))
    fewest = min(count for count, _, _ in found)
    if fewest < _PROBE:
        return next(word for count, _, word in found if count == fewest)
    furthest = min if at.backwards else max
    return furthest((last, word) for _, last, word in found)[1]


def page_of(
    tx: ReadTx,
    views: Sequence[Mapping[str, str]],
    words: frozenset[str],
    at: Cursor,
    limit: int,
) -> Page:
    """Give up to `limit` datasets that are in any of the views and have all of `words`.

    The views are disjoint; each is an indexed search. Cost: proportional to `limit` when `words`
    is empty, else bounded by `SCAN_MAX`.
    """
    taken: list[Dataset] = []
    edge = at.key
    exhausted = False
    scanned = 0
    batch_size = limit + 1 if not words else max(limit + 1, 100)
    while len(taken) <= limit and scanned < SCAN_MAX and not exhausted:
        batch = _merged(tx, views, edge, at.backwards, batch_size)
        exhausted = len(batch) < batch_size
        for dataset in batch:
            edge = dataset.id
            scanned += 1
            if words <= set(dataset.words) if words else True:
                taken.append(dataset)
                if len(taken) > limit:
                    break
    more = len(taken) > limit or not exhausted
    items = taken[:limit]
    last = items[-1].id if len(taken) > limit else edge
    return _page(items, at, last if more else None)


def _page(items: list[Dataset], at: Cursor, beyond: str | None) -> Page:
    """Put the items in ascending order and name the cursors at both ends."""
    if at.backwards:
        items = items[::-1]
        following = f"after:{items[-1].id}" if items else None
        return Page(
            items=tuple(items),
            next=following,
            previous=None if beyond is None else f"before:{beyond}",
        )
    preceding = f"before:{items[0].id}" if items and at.key is not None else None
    return Page(
        items=tuple(items),
        next=None if beyond is None else f"after:{beyond}",
        previous=preceding,
    )


def _merged(
    tx: ReadTx,
    views: Sequence[Mapping[str, str]],
    edge: str | None,
    backwards: bool,
    size: int,
) -> list[Dataset]:
    found: list[Dataset] = []
    for view in views:
        found += tx.find(DATASET, view, after=edge, limit=size, newest_first=backwards)
    if len(views) > 1:
        found.sort(key=lambda dataset: dataset.id, reverse=backwards)
    return found[:size]
