"""Operations about what happens: the list of events and their stream."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
from starlette.responses import Response, StreamingResponse

from hansa.client import Event, Page
from hansa.node.api.operation import Call, Operation, P, get
from hansa.node.management import Management


async def _stream(m: Management, c: Call) -> Response:
    after = c.request.headers.get("last-event-id") or c.text("after")
    gap = after is not None and not await m.keeps(*c.at, after)
    follow = m.follow(*c.at, after=after)

    async def lines() -> AsyncIterator[bytes]:
        yield b": connected\n\n"
        if gap:  # what came in between is kept no more: read the lists again
            yield b"event: gap\ndata: {}\n\n"
        async for event in follow:
            if event is None:
                yield b": still here\n\n"
            else:
                data = msgspec.json.encode(event)
                yield b"id: " + event.id.encode() + b"\nevent: change\ndata: " + data + b"\n\n"

    return StreamingResponse(
        lines(), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
    )


OPERATIONS: tuple[Operation, ...] = (
    get(
        f"{P}/events",
        "What happened, newest first",
        lambda m, c: m.events(*c.at, after=c.text("after")),
        Page[Event],
        "after",
    ),
    get(
        f"{P}/events/stream",
        "What happens, as server-sent events",
        _stream,
        None,
        "after",
        raw=True,
        media="text/event-stream",
    ),
)
