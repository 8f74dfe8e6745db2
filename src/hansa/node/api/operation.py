"""An operation of the management API, and a call of it: routes and OpenAPI come from one list."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from hansa.identity import Caller
from hansa.kernel import Code, HansaError
from hansa.kernel.problem import read_body
from hansa.node.management import Management

BODY_BYTES_MAX = 1024 * 1024
WAIT_S, WAIT_S_MAX = 30.0, 60.0
P = "/participants/{p}"


@dataclass(frozen=True)
class Call:
    """One request by an authenticated caller; `body` is the operation's type, decoded."""

    request: Request
    caller: Caller
    body: Any = None

    @property
    def p(self) -> str:
        """Give the participant's id from the path."""
        return str(self.request.path_params["p"])

    @property
    def id(self) -> str:
        """Give the id from the path."""
        return str(self.request.path_params["id"])

    @property
    def at(self) -> tuple[Caller, str]:
        """Give caller and participant, with which every management function begins."""
        return self.caller, self.p

    @property
    def one(self) -> tuple[Caller, str, str]:
        """Give caller, participant and id."""
        return self.caller, self.p, self.id

    def text(self, name: str) -> str | None:
        """Give a query parameter, or None when it is empty or missing."""
        return self.request.query_params.get(name) or None

    def number(self, name: str, default: float, *, most: float) -> float:
        """Give a number of the query; HansaError invalid_field when it is none or out of bounds."""
        given = self.text(name)
        if given is None:
            return default
        try:
            value = float(given)
        except ValueError:
            value = -1.0
        if not 0 <= value <= most:
            raise HansaError(
                Code.invalid_field, f"`{name}` is out of bounds.", f"0 to {most:g}.", field=name
            )
        return value

    def page(self, *filters: str) -> dict[str, Any]:
        """Give `limit`, `after` and the filters of a list as keyword arguments."""
        known: dict[str, Any] = {name: self.text(name) for name in (*filters, "after")}
        if self.text("limit") is not None:
            known["limit"] = int(self.number("limit", 0, most=10_000))
        return known


Handler = Callable[[Management, Call], Awaitable[Any]]


@dataclass(frozen=True)
class Operation:
    """What can be asked: `body` and `answer` are types, `query` the names of its parameters.

    A `raw` operation answers with a Response of its own; `media` names its kinds of answer. One
    that is to be done `once` takes an `Idempotency-Key`.
    """

    method: str
    path: str
    summary: str
    call: Handler
    answer: Any = None
    body: type[msgspec.Struct] | None = None
    query: tuple[str, ...] = ()
    raw: bool = False
    media: str = "application/json"
    once: bool = False


def get(
    path: str, summary: str, call: Handler, answer: Any = None, *query: str, **more: Any
) -> Operation:
    """Describe an operation that reads."""
    return Operation("GET", path, summary, call, answer, query=query, **more)


def post(
    path: str,
    summary: str,
    call: Handler,
    answer: Any = None,
    body: type[msgspec.Struct] | None = None,
    **more: Any,
) -> Operation:
    """Describe an operation that does something."""
    return Operation("POST", path, summary, call, answer, body or Nothing, **more)


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A body without members; it may be left out."""


async def read_json(request: Request, kind: type[msgspec.Struct]) -> msgspec.Struct:
    """Read a JSON body as a type; HansaError names the member at fault."""
    raw = await read_body(request, BODY_BYTES_MAX)
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if raw and media not in ("application/json", ""):
        raise HansaError(
            Code.unsupported_media_type,
            f"A body of type {media} is not read here.",
            "Send application/json.",
        )
    try:
        body = msgspec.json.decode(raw) if raw else {}
    except (msgspec.DecodeError, RecursionError) as error:
        raise HansaError(Code.invalid_json, "The body is not JSON.", str(error)) from error
    if not isinstance(body, dict):
        raise HansaError(Code.invalid_json, "The body must be a JSON object.")
    try:
        return msgspec.convert(body, kind)
    except msgspec.ValidationError as error:
        raise _misfit(error, kind) from error


def _misfit(error: msgspec.ValidationError, kind: type[msgspec.Struct]) -> HansaError:
    """Say which member does not fit, whether it is unknown, missing or of a wrong kind."""
    text = str(error)
    what, _, where = text.partition(" - at `$")
    path = where.rstrip("`").lstrip(".")
    quoted = what.split("`")[1] if what.count("`") >= 2 else ""
    if "unknown field" in what:
        known = ", ".join(kind.__struct_encode_fields__) or "no members"
        step = f"Known: {known}." if not path else ""
        return HansaError(
            Code.unknown_field, f"`{quoted}` is not known here.", step, field=_join(path, quoted)
        )
    if "missing required" in what:
        field = _join(path, quoted)
        return HansaError(
            Code.invalid_field, f"`{field}` is missing.", f"Give `{field}`.", field=field
        )
    field = path or "body"
    return HansaError(Code.invalid_field, f"`{field}` does not fit.", what + ".", field=field)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Give a JSON answer."""
    return Response(
        msgspec.json.encode(body), status, media_type="application/json", headers=headers
    )
