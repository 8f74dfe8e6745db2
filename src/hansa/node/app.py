"""The whole node as one ASGI application."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from hansa import __version__, broker, catalogue, dataplane, exchange, identity, trust, web
from hansa.broker import Access
from hansa.kernel import Code, HansaError
from hansa.kernel.commands import pasteable
from hansa.kernel.problem import problem_response, problems, unexpected
from hansa.kernel.rate import Rate
from hansa.kernel.settings import Settings
from hansa.kernel.telemetry import GOVERNED_ENTITIES, REFUSALS, metrics_text
from hansa.node.api import Api
from hansa.node.home import Home, default_home
from hansa.node.management import Management
from hansa.node.middleware import Envelope, GeoJson
from hansa.node.runtime import Node
from hansa.node.signaling import operator_only
from hansa.policy import Scope, profile_document


def build(settings: Settings, folder: Path, secret: bytes) -> Envelope:
    """Give the application of one node; it opens its database when the server starts."""
    return application(Node(settings, folder, secret))


def application(node: Node) -> Envelope:
    """Give the application of a node that was made; it is started with the server."""
    management = Management(node)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await node.start()
        try:
            yield
        finally:
            await node.stop()

    app = Starlette(
        routes=routes(node, management),
        lifespan=lifespan,
        exception_handlers={404: _not_found, 405: _not_allowed, Exception: _failed},
    )
    return Envelope(app, Rate(node.settings.rates.refused_per_s, node.clock))


def routes(node: Node, management: Management) -> list[BaseRoute]:
    """Give every route: health, API, pages, and each room's own under the participant's path."""
    return [
        # First what is called most: routes are tried one after another.
        *exchange.routes(
            lambda name: p.exchange if (p := node.participants.get(name)) is not None else None
        ),
        Mount("/{participant}/data/ngsi-ld/v1", GeoJson(broker.app(lambda r: _governed(node, r)))),
        Mount("/{participant}/data/files/v1", dataplane.files(lambda name: _fetched(node, name))),
        Mount("/{participant}/ngsi-ld/v1", GeoJson(broker.app(lambda r: _owner(node, r)))),
        Mount(
            "/{participant}/received/{flow}/ngsi-ld/v1",
            GeoJson(broker.app(lambda r: _received(node, r))),
        ),
        *dataplane.inbox_routes(
            lambda name: p.pushing.inboxes if (p := node.participants.get(name)) else None
        ),
        *_health(node),
        *Api(management).routes(),
        *identity.routes(lambda name: node.participant(name).identity),
        *trust.authority_routes(node.authority),
        *trust.member_routes(node.membership),
        *catalogue.routes("/{participant}", lambda r: _served(node, r)),
        *dataplane.token_routes(lambda name: node.participant(name).tokens),
        *dataplane.signaling_routes(
            lambda name: node.participant(name).signaling,
            lambda r: operator_only(node.operators, r),
        ),
        *web.routes(management, pasteable=_pasteable(node)),
    ]


def _pasteable(node: Node) -> Callable[[str], str]:
    """Complete the commands on the pages for this node, where its terminal has no other choice."""
    home = Home(node.folder.resolve().parent)
    if not home.exists:
        return lambda text: text
    usual = home.path == default_home().resolve()
    return partial(pasteable, node=node.settings.node.name, home=None if usual else home.path)


async def _served(node: Node, request: Request) -> catalogue.Served:
    return node.participant(request.path_params["participant"]).served


def _fetched(node: Node, name: str) -> dataplane.Fetched:
    return node.participant(name).carrying.fetched


async def _owner(node: Node, request: Request) -> Access:
    participant = node.participant(request.path_params["participant"])
    await node.operators.authenticate_operator(
        request.headers, node.session_cookie(request), method=request.method
    )
    return Access(broker=participant.broker, scope=Scope.everything(), may_write=True)


async def _received(node: Node, request: Request) -> Access:
    participant = node.participant(request.path_params["participant"])
    await node.operators.authenticate_operator(
        request.headers, node.session_cookie(request), method=request.method
    )
    flow = await participant.flows.get(request.path_params["flow"])
    return Access(broker=participant.pushing.mirrors.broker(flow.id), scope=Scope.everything())


async def _governed(node: Node, request: Request) -> Access:
    participant = node.participant(request.path_params["participant"])
    try:
        enforcement = await participant.grants.authorise(request.headers)
    except HansaError as error:
        REFUSALS.labels(code=error.code.value).inc()
        raise

    def sent(entities: int, size: int) -> None:
        GOVERNED_ENTITIES.inc(entities)
        enforcement.record(entities, size)

    return Access(
        broker=participant.broker,
        scope=enforcement.scope,
        may_write=False,
        still_valid=enforcement.check,
        on_sent=sent,
    )


def _health(node: Node) -> list[Route]:
    async def live(request: Request) -> Response:
        return _json(
            {
                "node": node.settings.node.name,
                "mark": node.mark,
                "pid": os.getpid(),
                "version": __version__,
                "rss_mb": node.rss_mb(),
            }
        )

    async def ready(request: Request) -> Response:
        return _json({"ready": node.ready}, 200 if node.ready else 503)

    async def metrics(request: Request) -> Response:
        return Response(metrics_text(), media_type="text/plain; version=0.0.4")

    async def profile(request: Request) -> Response:
        return Response(msgspec.json.encode(profile_document()), media_type="application/ld+json")

    async def credentials(request: Request) -> Response:
        return Response(msgspec.json.encode(trust.CONTEXT), media_type="application/ld+json")

    return [
        Route("/livez", live),
        Route("/readyz", ready),
        Route("/metrics", metrics),
        Route("/ns/odrl", problems(profile)),
        Route("/ns/credentials", problems(credentials)),
    ]


def _json(body: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")


async def _not_found(request: Request, _: Exception) -> Response:
    return problem_response(HansaError(Code.not_found, f"There is nothing at {request.url.path}."))


async def _not_allowed(request: Request, _: Exception) -> Response:
    return problem_response(
        HansaError(
            Code.method_not_allowed, f"{request.method} is not possible at {request.url.path}."
        )
    )


async def _failed(request: Request, error: Exception) -> Response:
    return problem_response(unexpected(error))
