"""What a caller wants to find, and the `filter` objects of a CatalogRequestMessage that say it.

The protocol leaves the form of a filter to the implementation and wants an unsupported one refused
(DSP 2025-1 5.2). Ours is an object of the type `https://w3id.org/hansa/catalogue/1/Filter` with any
of `text`, `theme`, `type`, `publisher` (strings) and `bbox` ([west, south, east, north]); its names
may also be written in full. What stands in it must all hold, and so must every filter of the list.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from typing import Any

import msgspec

from hansa.catalogue.model import EVERYONE, Bbox, Dataset, RemoteDataset
from hansa.catalogue.wire_dsp_2025_1 import HANSA
from hansa.catalogue.words import last_segment, words_of, words_of_dataset
from hansa.dialect import page_wanted
from hansa.kernel import Code, HansaError
from hansa.kernel.store import Condition

FILTER_TYPE = HANSA + "Filter"
QUERY_LENGTH_MAX = 500
FILTERS_MAX = 8
OFFSET_MAX = 5_000
_WORDS_MAX = 16
_VALUE_LENGTH_MAX = 1_000


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a dataset must have: every one of the words, values and boxes.

    `offset` and `limit` are a page that a foreign filter asks for inside the filter itself.
    """

    words: tuple[str, ...] = ()
    publishers: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    themes: tuple[str, ...] = ()
    boxes: tuple[Bbox, ...] = ()
    offset: int = 0
    limit: int | None = None

    def __and__(self, other: Wanted) -> Wanted:
        joined = {
            name: tuple(dict.fromkeys((*getattr(self, name), *getattr(other, name))))
            for name in ("words", "publishers", "types", "themes", "boxes")
        }
        return Wanted(
            **joined, offset=max(self.offset, other.offset), limit=other.limit or self.limit
        )

    def conditions(self, reader: str | None) -> list[Condition]:
        """Give the indexes to look into; with `reader`, only what that participant may see."""
        found: list[Condition] = [("word", (word,)) for word in self.words]
        found += [("publisher", (value,)) for value in self.publishers]
        found += [("type", (value,)) for value in self.types]
        found += [("theme", (value,)) for value in self.themes]
        if reader is not None:
            found.append(("reader", (EVERYONE, reader)))
        return found

    def accepts(self, dataset: Dataset | RemoteDataset) -> bool:
        """Say whether the dataset's box meets every wanted one; without a box it does not."""
        box = dataset.bbox
        return not self.boxes or (box is not None and all(_meet(box, o) for o in self.boxes))

    def matches(self, dataset: RemoteDataset) -> bool:
        """Say whether another participant's dataset is wanted."""
        return (
            set(self.publishers) <= {dataset.publisher}
            and set(self.types) <= set(dataset.types)
            and set(self.themes) <= set(dataset.themes)
            and self.accepts(dataset)
            and (not self.words or set(self.words) <= set(words_of_dataset(dataset)))
        )


def wanted_of(
    text: str = "",
    *,
    publisher: str | None = None,
    type: str | None = None,
    theme: str | None = None,
    bbox: Bbox | None = None,
    field: str = "q",
) -> Wanted:
    """Say what is wanted; HansaError invalid_field when the text (`field`) is too long."""
    words = words_of(text[: QUERY_LENGTH_MAX + 1])
    if len(text) > QUERY_LENGTH_MAX or len(words) > _WORDS_MAX:
        raise HansaError(
            Code.invalid_field,
            "The query is too long.",
            f"At most {QUERY_LENGTH_MAX} characters and {_WORDS_MAX} words.",
            field=field,
        )
    return Wanted(
        words=words,
        publishers=() if publisher is None else (publisher,),
        types=() if type is None else (type,),
        themes=() if theme is None else (theme,),
        boxes=() if bbox is None else (bbox,),
    )


def about(topic: str) -> Wanted:
    """Ask for what has a theme (IRI) or keyword among its words; look closer at what is found."""
    return Wanted(words=words_of(last_segment(topic))[:_WORDS_MAX])


def read_bbox(value: Any, field: str) -> Bbox:
    """Read four numbers, west, south, east, north in degrees; HansaError invalid_field."""
    try:
        west, south, east, north = (float(part) for part in value)
    except (TypeError, ValueError):
        west = math.nan
    if not math.isfinite(west) or not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise HansaError(
            Code.invalid_field,
            "The box is not a box on the earth.",
            "Give west, south, east, north in degrees (WGS84).",
            field=field,
        )
    return (west, south, east, north)


def read_hansa_filter(item: Mapping[str, Any], field: str) -> Wanted | None:
    """Read a filter of our own form; None when it is of another type."""
    if item.get("@type") != FILTER_TYPE:
        return None
    given = {
        name.removeprefix(HANSA): value
        for name, value in item.items()
        if name not in ("@type", "@id")
    }
    texts: dict[str, str] = {}
    bbox: Bbox | None = None
    for name, value in given.items():
        if name == "bbox":
            bbox = read_bbox(value, f"{field}.bbox")
        elif name not in ("text", "theme", "type", "publisher"):
            raise _unsupported(f"{field}.{name}"[:200])
        elif not isinstance(value, str) or not 0 < len(value) <= _VALUE_LENGTH_MAX:
            raise HansaError(
                Code.invalid_field, "It is a string that is not empty.", field=f"{field}.{name}"
            )
        else:
            texts[name] = value
    return wanted_of(texts.pop("text", ""), bbox=bbox, field=f"{field}.text", **texts)


def write_filter(wanted: Wanted) -> list[dict[str, Any]]:
    """Write what is wanted in our own form: one object for each value that a member can't hold."""
    items: list[dict[str, Any]] = []
    columns = {
        "text": [" ".join(wanted.words)] if wanted.words else [],
        "publisher": wanted.publishers,
        "type": wanted.types,
        "theme": wanted.themes,
        "bbox": wanted.boxes,
    }
    for number in range(max(len(values) for values in columns.values())):
        item = {name: values[number] for name, values in columns.items() if number < len(values)}
        items.append({"@type": FILTER_TYPE, **item})
    return items


def read_edc_query(item: Mapping[str, Any], field: str) -> Wanted | None:
    """Read the query that EDC sends with every request: a page, and nothing else."""
    page = page_wanted(item)
    return None if page is None else Wanted(offset=page.offset, limit=page.limit)


Reader = Callable[[Mapping[str, Any], str], Wanted | None]
READERS: tuple[Reader, ...] = (read_hansa_filter, read_edc_query)
"""The forms of filter that are understood; the first that gives something has read it."""


def read_filters(items: Any, readers: Iterable[Reader] = READERS) -> Wanted:
    """Read the `filter` member of a message, already a list or missing.

    HansaError invalid_field for a filter that nobody understands (DSP 2025-1 5.2: 400).
    """
    if items is None:
        return Wanted()
    if not isinstance(items, list):
        raise HansaError(Code.invalid_field, "A filter is a list.", field="filter")
    if len(items) > FILTERS_MAX:
        raise HansaError(
            Code.invalid_field, "There are too many filters.", f"{FILTERS_MAX}.", field="filter"
        )
    found: list[Wanted] = []
    for number, item in enumerate(items):
        field = f"filter[{number}]"
        read = None
        if isinstance(item, Mapping):
            read = next((r for reader in readers if (r := reader(item, field)) is not None), None)
        if read is None:
            raise _unsupported(field)
        found.append(read)
    return reduce(Wanted.__and__, found, Wanted())


def _unsupported(field: str) -> HansaError:
    return HansaError(
        Code.invalid_field,
        "This filter is not supported here.",
        f"Leave it out, or send objects of the type {FILTER_TYPE} with text, theme, type, "
        "publisher or bbox.",
        field=field,
    )


def _meet(one: Bbox, other: Bbox) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]
