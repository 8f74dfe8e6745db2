"""Lists in pages: a bounded number of items, and the cursor that the next page goes on from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from hansa.kernel import Code, HansaError

Json = dict[str, Any]
T = TypeVar("T")
LIMIT_MAX = 200


def checked_limit(limit: int) -> int:
    """Give a limit back; HansaError invalid_field outside 1 to 200."""
    if not 1 <= limit <= LIMIT_MAX:
        raise HansaError(
            Code.invalid_field, "The limit is out of bounds.", f"1 to {LIMIT_MAX}.", field="limit"
        )
    return limit


async def page_of(
    found: Sequence[T], limit: int, key: Callable[[T], str], view: Callable[[T], Awaitable[Json]]
) -> Json:
    """Give `{items, next}` of what was read with one more than `limit`; `next` None at the end."""
    shown = found[:limit]
    more = len(found) > limit
    items = [await view(item) for item in shown]
    return {"items": items, "next": key(shown[-1]) if more and shown else None}
