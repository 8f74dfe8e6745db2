"""Errors of our own management API: RFC 9457 problem+json."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from functools import wraps

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response

from hansa.kernel.errors import Code, HansaError

_log = structlog.get_logger("hansa.problem")
_SHOWN = ("field", "next", "line", "path", "needed", "limit", "supported")


def problem(error: HansaError) -> dict[str, object]:
    """Give the problem object, with those facts that are meant to be seen."""
    body: dict[str, object] = {
        "type": f"urn:hansa:error:{error.code.value}",
        "title": error.title,
        "status": error.status,
        "code": error.code.value,
    }
    if error.detail:
        body["detail"] = error.detail
    body.update({name: error.facts[name] for name in _SHOWN if name in error.facts})
    return body


def problem_response(error: HansaError) -> Response:
    """Give the HTTP answer for an error."""
    return Response(
        msgspec.json.encode(problem(error)),
        status_code=error.status,
        media_type="application/problem+json",
        headers=error_headers(error),
    )


def error_headers(error: HansaError) -> dict[str, str]:
    """Give the header fields that belong to an error, in whatever form its body is."""
    if error.status == 401:
        return {"WWW-Authenticate": "Bearer"}
    wait_s = error.facts.get("retry_after_s")
    return {} if wait_s is None else {"Retry-After": str(math.ceil(wait_s))}


def too_often(wait_s: float) -> HansaError:
    """Refuse who comes too often; `wait_s` is when it is worth to come again."""
    return HansaError(
        Code.too_many_requests,
        "These are too many requests.",
        f"Come again in {math.ceil(wait_s)} s.",
        retry_after_s=wait_s,
    )


def unexpected(error: Exception) -> HansaError:
    """Log a defect of ours and give the error that the outside may see."""
    _log.error("unexpected", error=type(error).__name__, exc_info=error)
    return HansaError(
        Code.internal, "Something failed inside this node.", "The log has the details."
    )


Endpoint = Callable[[Request], Awaitable[Response]]


def wall(refusal: Callable[[HansaError], Response]) -> Callable[[Endpoint], Endpoint]:
    """Give what stands around endpoints: whatever one raises, `refusal` writes the answer."""

    def around(endpoint: Endpoint) -> Endpoint:
        @wraps(endpoint)
        async def guarded(request: Request) -> Response:
            try:
                return await endpoint(request)
            except HansaError as error:
                return refusal(error)
            except Exception as error:  # noqa: BLE001 - a defect must not pass without an answer
                return refusal(unexpected(error))

        return guarded

    return around


problems = wall(problem_response)
"""Turns what an endpoint raises into problem+json."""


async def read_body(request: Request, body_bytes_max: int) -> bytes:
    """Read a request body; HansaError body_too_large beyond the bound, before it is read whole."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > body_bytes_max:
        raise _too_large(body_bytes_max)
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > body_bytes_max:
            raise _too_large(body_bytes_max)
        parts.append(part)
    return b"".join(parts)


def _too_large(body_bytes_max: int) -> HansaError:
    return HansaError(
        Code.body_too_large,
        "The body is too large.",
        f"At most {body_bytes_max} bytes are accepted.",
        limit=body_bytes_max,
    )
