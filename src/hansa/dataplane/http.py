"""Where consumers fetch the bytes of a dataset: `/{participant}/data/files/v1/{dataset}`."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from hansa.dataplane.answering import send_error
from hansa.dataplane.ports import Client
from hansa.dataplane.resources import Resource, Resources
from hansa.dataplane.service import Grants
from hansa.dataplane.serving import answer
from hansa.kernel import Code, HansaError
from hansa.kernel.problem import unexpected
from hansa.kernel.telemetry import REFUSALS


class Fetched(msgspec.Struct, frozen=True):
    """One participant as the fetching of bytes needs it."""

    grants: Grants
    resources: Resources
    client: Client


Resolve = Callable[[str], Fetched]
"""From a participant's id to what serves it; HansaError not_found when there is none."""


def request_headers(scope: Scope) -> dict[str, str]:
    """Give the headers of a request by lower-case name; those that repeat joined by commas."""
    found: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def below_mount(scope: Scope) -> str:
    """Give the path below the mount, decoded, without the slash between."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    raw = scope.get("raw_path")
    whole = raw.decode("ascii", "replace") if raw else path
    return unquote(whole[len(root) :] if whole.startswith(root) else whole).removeprefix("/")


class Files:
    """The application under `/{participant}/data/files/v1`."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        begun = False

        async def sending(message: object) -> None:
            nonlocal begun
            begun = True
            await send(message)  # type: ignore[arg-type]

        try:
            await self._answer(scope, receive, sending)
        except HansaError as error:
            if not begun:
                REFUSALS.labels(code=error.code.value).inc()
                await send_error(send, error, head=scope["method"] == "HEAD")
        except Exception as error:  # noqa: BLE001 - the outermost wall of the plane
            known = unexpected(error)
            if not begun:
                await send_error(send, known, head=scope["method"] == "HEAD")

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        served = self._resolve(scope["path_params"]["participant"])
        asked = request_headers(scope)
        enforcement = await served.grants.authorise(asked)
        if scope["method"] not in ("GET", "HEAD"):
            raise HansaError(
                Code.method_not_allowed, "Bytes can only be read here.", allow="GET, HEAD"
            )
        enforcement.check_whole()
        dataset_id = enforcement.grant.dataset_id
        if below_mount(scope) != dataset_id:
            raise HansaError(
                Code.not_found,
                "The token is for other bytes.",
                "Use the endpoint that came with it, as it is.",
            )
        resource = await _resource(served, dataset_id)
        await answer(resource, scope["method"], asked, served.client, enforcement, receive, send)


async def _resource(served: Fetched, dataset_id: str) -> Resource:
    found = await served.resources.resource(dataset_id)
    if found is None:
        raise HansaError(
            Code.not_found,
            "The bytes are not published any more.",
            "Ask their provider, or look for another dataset in the catalogue.",
        )
    return found


def files(resolve: Resolve) -> ASGIApp:
    """Give the application to be mounted under `/{participant}/data/files/v1`."""
    return Files(resolve)
