"""Lists in pages: a bounded number of items, and the cursor that the next page goes on from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from hansa.exchange import Agreement, ContractNegotiation, TransferProcess
from hansa.kernel import Code, HansaError

Json = dict[str, Any]
LIMIT_MAX = 200
T = TypeVar("T", bound=ContractNegotiation | Agreement | TransferProcess)


async def page_of(
    read: Callable[..., Awaitable[Sequence[T]]],
    view: Callable[[T], Awaitable[Json]],
    *,
    limit: int,
    **where: str | None,
) -> Json:
    """Give `{items, next}` of at most `limit` items; `next` None at the end.

    `read` takes `limit` and the rest as filters; `view` gives an item as it is shown. HansaError
    invalid_field for a limit outside 1 to 200.
    """
    if not 1 <= limit <= LIMIT_MAX:
        raise HansaError(
            Code.invalid_field, "The limit is out of bounds.", f"1 to {LIMIT_MAX}.", field="limit"
        )
    found = await read(limit=limit + 1, **where)
    shown = found[:limit]
    items = [await view(item) for item in shown]
    return {"items": items, "next": shown[-1].id if len(found) > limit else None}
