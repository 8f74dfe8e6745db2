"""Routes of identity: the DID document."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hansa.identity.service import Identity
from hansa.kernel.problem import problems

Lookup = Callable[[str], Identity]
"""Gives the identity of a participant; HansaError not_found for one that is not here."""


def routes(lookup: Lookup) -> list[Route]:
    """Give `GET /{participant}/did.json`, public."""

    async def did_document(request: Request) -> Response:
        identity = lookup(request.path_params["participant"])
        return Response(
            msgspec.json.encode(await identity.document()),
            media_type="application/json",
            headers={"Cache-Control": "public, max-age=60", "Access-Control-Allow-Origin": "*"},
        )

    return [Route("/{participant}/did.json", problems(did_document), methods=["GET"])]
