"""Operations about what happens: the list of events and their stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
from starlette.responses import Response, StreamingResponse

from hansa.client import Event, Page, Webhook
from hansa.node.api.bodies import NewWebhook
from hansa.node.api.operation import Call, Operation, P, get, post
from hansa.node.journal import Moved
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
            elif isinstance(event, Moved):  # no id: it is not replayed
                yield b"event: moved\ndata: " + msgspec.json.encode(event) + b"\n\n"
            else:
                data = msgspec.json.encode(event)
                yield b"id: " + event.id.encode() + b"\nevent: change\ndata: " + data + b"\n\n"

    return StreamingResponse(
        lines(), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
    )


class Tested(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a test event."""

    ok: bool
    status: int | None
    error: str | None
    ms: int


async def _add(m: Management, c: Call) -> Any:
    body: NewWebhook = c.body
    return await m.add_webhook(*c.at, url=body.url, events=body.events, secret=body.secret)


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
    get(
        f"{P}/webhooks",
        "Who is told of what happens",
        lambda m, c: m.webhooks(*c.at),
        Page[Webhook],
    ),
    post(
        f"{P}/webhooks",
        "Tell a URL of what happens; the secret is shown once",
        _add,
        Webhook,
        NewWebhook,
        once=True,
    ),
    Operation(
        "DELETE",
        f"{P}/webhooks/{{id}}",
        "Forget a webhook",
        lambda m, c: m.remove_webhook(*c.one),
        Webhook,
    ),
    post(
        f"{P}/webhooks/{{id}}/test",
        "Send a test event now; a success ends a disabling",
        lambda m, c: m.test_webhook(*c.one),
        Tested,
    ),
)
