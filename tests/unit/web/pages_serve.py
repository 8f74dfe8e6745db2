"""Serve every page on made-up data: `python tests/unit/web/pages_serve.py [FLAVOUR [PORT]]`.

Flavours: full, empty, much, broken.

Open http://localhost:7799/signin?token=let-me-in.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pages_data as data
import uvicorn
from pages_source import FakeSource
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from hansa.kernel import Clock, parse_instant
from hansa.kernel.commands import pasteable
from hansa.web import routes

PASTEABLE = partial(pasteable, node="delft-west", home=Path("/srv/my space"))


def app(flavour: str = "full", clock: Clock | None = None) -> Starlette:
    """Build the pages and the few API routes that the map calls."""
    source = FakeSource(flavour, clock)
    caller = None
    told: list[bool] = []

    async def layers(request: Request) -> Response:
        return JSONResponse(await source.map_layers(caller, "delft-west"))  # type: ignore[arg-type]

    async def layer(request: Request) -> Response:
        given = request.query_params.get("at")
        at = data.quarter(parse_instant(given) if given else source.now)
        name = request.path_params["layer"]
        if name == "buildings":
            return JSONResponse(data.base_layer(west=True))
        if name == "shops-east" and source.stopped("t-1"):
            return JSONResponse(
                {"title": "The transfer has ended.", "status": 403, "code": "transfer_ended"}, 403
            )
        return JSONResponse(
            data.shops(west=name == "shops-west", at=at, border_only=name == "shops-east")
        )

    async def stream(request: Request) -> Response:
        async def ticks() -> AsyncIterator[str]:
            yield ": hello\n\n"
            while True:
                await asyncio.sleep(0.1)
                if told:
                    told.clear()
                    yield "event: change\ndata: {}\n\n"

        return StreamingResponse(ticks(), media_type="text/event-stream")

    api = "/api/v1/participants/{p}"
    made = Starlette(
        routes=[
            Route(f"{api}/map/layers", layers),
            Route(f"{api}/map/layers/{{layer}}", layer),
            Route(f"{api}/events/stream", stream),
            *routes(source, clock=clock, pasteable=PASTEABLE),
        ]
    )
    made.state.source = source
    made.state.tell = lambda: told.append(True)
    return made


if __name__ == "__main__":
    uvicorn.run(
        app(sys.argv[1] if len(sys.argv) > 1 else "full"),
        port=int(sys.argv[2]) if len(sys.argv) > 2 else 7799,
        log_level="warning",
    )
