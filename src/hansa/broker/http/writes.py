"""The writing operations (NGSI-LD 1.9.1 6.4, 6.5, 6.6, 6.14-6.17)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import orjson
from starlette.types import Receive, Send
from starlette.types import Scope as Connection

from hansa.broker.batch import Written
from hansa.broker.errors import bad_data, invalid_request, not_implemented, problem_details
from hansa.broker.http.access import Access
from hansa.broker.http.negotiate import JSON, JSON_LD, context_link
from hansa.broker.http.parameters import read_parameters
from hansa.broker.http.reads import entity_id, header
from hansa.broker.http.respond import Answer
from hansa.broker.http.routes import Call
from hansa.broker.model import BATCH_MAX
from hansa.broker.query import is_uri
from hansa.broker.store import Mode
from hansa.kernel import Code, HansaError
from hansa.kernel.jsonld import CORE, TermMap

Write = Callable[[Connection, Send, Access, Call, bytes], Awaitable[None]]
_NONE: frozenset[str] = frozenset({"local"})
_BODILESS = ("delete",)


async def read_body(scope: Connection, receive: Receive, most: int, call: Call) -> bytes:
    """Read the body after checking the headers (6.3.4): 415, 411, 413."""
    if call.operation in _BODILESS:
        return b""
    kinds: tuple[str, ...] = (JSON, JSON_LD)
    if scope["method"] == "PATCH":
        kinds = (*kinds, "application/merge-patch+json")
    if _media(scope) not in kinds:
        raise HansaError(Code.unsupported_media_type, f"Send {' or '.join(kinds)}.")
    declared = header(scope, b"content-length")
    if declared is None:
        raise HansaError(Code.invalid_request, "Content-Length is missing.", status=411)
    too_large = HansaError(
        Code.body_too_large,
        "The body is too large.",
        f"At most {most} bytes are accepted: send fewer entities at once.",
        limit=most,
    )
    if not declared.isdigit() or int(declared) > most:
        raise too_large
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise invalid_request("The connection ended before the body did.")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise too_large
        if not message.get("more_body"):
            return b"".join(parts)


def _media(scope: Connection) -> str:
    return (header(scope, b"content-type") or "").partition(";")[0].strip().lower()


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise HansaError(
            Code.invalid_json, "The body is not valid JSON.", f"{error}"[:200]
        ) from None


class _Contexts:
    """Find the context of each object in a body (6.3.5); compiled ones are kept."""

    def __init__(self, scope: Connection, access: Access) -> None:
        self._linked = context_link(header(scope, b"link"))
        self._inside = _media(scope) == JSON_LD
        self._contexts = access.broker.contexts
        self._known: dict[bytes, TermMap] = {}

    async def of(self, body: Any) -> TermMap:
        """Give the names under which an object is read."""
        context = body.get("@context") if isinstance(body, dict) else None
        if self._inside:
            if self._linked is not None:
                raise bad_data(
                    "A JSON-LD body can't come with a context in the Link header.", field="Link"
                )
            if context is None:
                raise bad_data("A JSON-LD body needs an `@context`.", field="@context")
        elif context is not None:
            raise bad_data(
                "An `@context` in the body needs the Content-Type application/ld+json.",
                field="@context",
            )
        else:
            context = self._linked
        if context is None:
            return CORE
        key = orjson.dumps(context)
        if key not in self._known:
            self._known[key] = await self._contexts.term_map(context)
        return self._known[key]


async def create(scope: Connection, send: Send, access: Access, call: Call, body: bytes) -> None:
    """Answer POST /entities (6.4.3.1): 201 with Location."""
    read_parameters(scope["query_string"], _NONE)
    raw = _parsed(body)
    terms = await _Contexts(scope, access).of(raw)
    written = await access.broker.create([raw], terms=terms)
    if written.failed:
        raise written.failed[0][1]
    path = scope["path"].rstrip("/")
    place = quote(written.created[0], safe=":@!$&'()*+,;=")
    await Answer(201).header("location", f"{path}/{place}").send(send)


async def create_batch(
    scope: Connection, send: Send, access: Access, call: Call, body: bytes
) -> None:
    """Answer POST /entityOperations/create (6.14.3.1): 201 with ids, or 207."""
    read_parameters(scope["query_string"], _NONE)
    written = await _batch(scope, access, body, Mode.create)
    if written.failed:
        await _partial(written).send(send)
        return
    await Answer(201, orjson.dumps(written.created)).send(send)


async def upsert_batch(
    scope: Connection, send: Send, access: Access, call: Call, body: bytes
) -> None:
    """Answer POST /entityOperations/upsert (6.15.3.1): 201 with created ids, 204, or 207."""
    given = read_parameters(scope["query_string"], _NONE | {"options"})
    options = [one for one in given.get("options", "").split(",") if one]
    if not set(options) <= {"replace", "update"} or len(options) > 1:
        raise invalid_request("`options` is neither replace nor update.", field="options")
    mode = Mode.append if options == ["update"] else Mode.replace_all
    written = await _batch(scope, access, body, mode)
    if written.failed:
        await _partial(written).send(send)
    elif written.created:
        await Answer(201, orjson.dumps(written.created)).send(send)
    else:
        await Answer(204).send(send)


async def _batch(scope: Connection, access: Access, body: bytes, mode: Mode) -> Written:
    listed = _listed(_parsed(body), "entities")
    contexts = _Contexts(scope, access)
    terms = [await contexts.of(raw) for raw in listed]
    return await access.broker.write(listed, mode, terms=terms)


def _listed(parsed: Any, what: str) -> list[Any]:
    if not isinstance(parsed, list) or not 0 < len(parsed) <= BATCH_MAX:
        raise bad_data(
            f"The body is not a list of 1 to {BATCH_MAX} {what}.",
            "Send more in several calls.",
            limit=BATCH_MAX,
        )
    return parsed


def _partial(written: Written) -> Answer:
    """Give the answer for a batch of which not all succeeded (5.2.16, 5.2.17)."""
    errors = [
        {"entityId": identifier or "", "error": problem_details(error)}
        for identifier, error in written.failed
    ]
    result = {"success": written.created + written.changed, "errors": errors}
    return Answer(207, orjson.dumps(result))


async def delete(scope: Connection, send: Send, access: Access, call: Call, body: bytes) -> None:
    """Answer DELETE /entities/{id} (6.5.3.2): 204."""
    read_parameters(scope["query_string"], _NONE)
    identifier = entity_id(call)
    if not await access.broker.delete([identifier]):
        raise HansaError(Code.not_found, f"The entity {identifier} is not here.")
    await Answer(204).send(send)


async def delete_batch(
    scope: Connection, send: Send, access: Access, call: Call, body: bytes
) -> None:
    """Answer POST /entityOperations/delete (6.17.3.1): 204 or 207."""
    read_parameters(scope["query_string"], _NONE)
    ids = _listed(_parsed(body), "ids")
    written = Written()
    for one in ids:
        if not isinstance(one, str) or not is_uri(one):
            raise bad_data("An id in the body is not a URI.", field="id")
    gone = await access.broker.delete(ids)
    written.changed = gone
    for one in dict.fromkeys(ids):
        if one not in gone:
            error = HansaError(Code.not_found, f"The entity {one} is not here.")
            written.failed.append((one, error))
    await (_partial(written) if written.failed else Answer(204)).send(send)


async def append(scope: Connection, send: Send, access: Access, call: Call, body: bytes) -> None:
    """Answer POST /entities/{id}/attrs (6.6.3.1): 204; what is there is overwritten."""
    given = read_parameters(scope["query_string"], _NONE | {"options"})
    if "options" in given:
        raise not_implemented("options=noOverwrite", "Send only attributes that are new.")
    await _attributes(scope, send, access, call, body, Mode.extend)


async def update(scope: Connection, send: Send, access: Access, call: Call, body: bytes) -> None:
    """Answer PATCH /entities/{id}/attrs (6.6.3.2): 204, or 207 with what was not there."""
    read_parameters(scope["query_string"], _NONE)
    await _attributes(scope, send, access, call, body, Mode.update)


async def _attributes(
    scope: Connection, send: Send, access: Access, call: Call, body: bytes, mode: Mode
) -> None:
    identifier = entity_id(call)
    raw = _parsed(body)
    if not isinstance(raw, dict):
        raise bad_data("The body is not an object with attributes.")
    terms = await _Contexts(scope, access).of(raw)
    fragment = {**raw, "id": raw.get("id", identifier)}
    if fragment["id"] != identifier:
        raise bad_data("The id in the body is not that of the path.", field="id")
    written = await access.broker.write([fragment], mode, terms=terms)
    if written.failed:
        raise written.failed[0][1]
    left_out = written.ignored.get(identifier, [])
    if not left_out:
        await Answer(204).send(send)
        return
    reason = "The attribute is not there: add it with POST /entities/{id}/attrs."
    given = {terms.expand(name) for name in raw if name not in ("id", "type", "@context")}
    result = {
        "updated": sorted(given.difference(left_out)),
        "notUpdated": [{"attributeName": name, "reason": reason} for name in left_out],
    }
    await Answer(207, orjson.dumps(result)).send(send)


OPERATIONS: dict[str, Write] = {
    "create": create,
    "create_batch": create_batch,
    "upsert_batch": upsert_batch,
    "delete": delete,
    "delete_batch": delete_batch,
    "append": append,
    "update": update,
}
