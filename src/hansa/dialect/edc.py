"""EDC 0.15: the names and shapes in which it differs (see this room's README). Pure functions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from hansa.kernel import Code, HansaError

CONTEXT_URL = "https://w3id.org/edc/dspace/v0.0.1"
"""Stands beside the protocol's own context in everything that EDC sends."""
NAMES = "https://w3id.org/edc/v0.0.1/ns/"
TOO_EARLY = frozenset({409})
"""EDC's answer to a message that is not allowed in its present state; the standard says 400."""
SETTLING_S = 0.1
"""EDC notes the end of an exchange a moment after it was answered; what comes in between is refused
(409), or taken and then overwritten: one of fifty negotiations at once ended so."""
FORGETS_S = 3.0
"""When its own change comes late enough to overwrite what it has acknowledged, it has by then."""
TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{16,4096}")
_HTTP = "https://w3id.org/idsa/v4.1/HTTP"
_HTTP_DATA = "HttpData"
_OFFSET_MAX = 1_000_000
_DEPTH_MAX = 24
_QUERY = ("QuerySpec", NAMES + "QuerySpec")
_ASKS_NOTHING: tuple[object, ...] = (None, "", [], "ASC")


class PageWanted(msgspec.Struct, frozen=True):
    """A page of the catalogue: how many datasets are skipped, and how many are wanted at most."""

    offset: int
    limit: int


# -- data addresses ------------------------------------------------------------------------------


def wrote(address: Mapping[str, Any]) -> bool:
    """Say whether a wire DataAddress has EDC's form: its names in full, no `endpoint` member."""
    names = _properties(address)
    return "endpoint" not in address and any(name.startswith(NAMES) for name in names)


def read_address(address: Mapping[str, Any], bare: str) -> dict[str, Any]:
    """Give EDC's address in the standard's form.

    The address of a pull says `bearer`, but its plane refuses the word: the type becomes `bare`.
    That of a push is an `HttpData` with `baseUrl`, and a header as `authKey` and `authCode`.
    """
    found = {name.removeprefix(NAMES): value for name, value in _properties(address).items()}
    endpoint = found.pop("endpoint", None) or found.pop("baseUrl", None)
    kind = found.pop("endpointType", None) or address.get("endpointType")
    if kind == _HTTP_DATA:
        found.pop("type", None)
        key, code = found.pop("authKey", ""), found.pop("authCode", "")
        if str(key).lower() == "authorization" and isinstance(code, str) and code:
            scheme, _, secret = code.partition(" ")
            bearer = scheme.lower() == "bearer" and bool(secret)
            found["authorization"] = secret if bearer else code
            found["authType"] = "bearer" if bearer else bare
        kind = _HTTP
    elif "authorization" in found:
        found["authType"] = bare
    written = {**address, "endpointType": kind, "endpointProperties": _listed(found)}
    return written if endpoint is None else {**written, "endpoint": endpoint}


def access(address: Mapping[str, Any]) -> dict[str, Any]:
    """Give the address of a pull in both forms at once: EDC drops the standard's `endpoint`."""
    plain = _properties(address)
    own = {NAMES + name: value for name, value in plain.items()}
    own[NAMES + "endpointType"] = address.get("endpointType", _HTTP)
    if address.get("endpoint"):
        own[NAMES + "endpoint"] = address["endpoint"]
    return {**address, "endpointProperties": _listed({**plain, **own})}


def destination(address: Mapping[str, Any]) -> dict[str, Any]:
    """Give the address of a push as EDC's data plane takes it: an `HttpData`, its names in full."""
    plain = _properties(address)
    own = {NAMES + "type": _HTTP_DATA, NAMES + "baseUrl": address.get("endpoint", "")}
    secret = plain.pop("authorization", None)
    kind = plain.pop("authType", "bearer")
    if secret is not None:
        own[NAMES + "authKey"] = "Authorization"
        own[NAMES + "authCode"] = f"Bearer {secret}" if kind == "bearer" else secret
    own |= {NAMES + name: value for name, value in plain.items()}
    return {"@type": "DataAddress", "endpointType": _HTTP_DATA, "endpointProperties": _listed(own)}


def _properties(address: Mapping[str, Any]) -> dict[str, Any]:
    """Give the endpoint properties by name; empty when they are malformed."""
    listed = address.get("endpointProperties")
    items = listed if isinstance(listed, list) else [listed]
    return {
        item["name"]: item.get("value")
        for item in items
        if isinstance(item, Mapping) and isinstance(item.get("name"), str)
    }


def _listed(properties: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"@type": "EndpointProperty", "name": name, "value": value}
        for name, value in properties.items()
    ]


# -- catalogue -----------------------------------------------------------------------------------


def page_wanted(wanted: object) -> PageWanted | None:
    """Read EDC's query, which it sends as `filter` with every request, as long as it is a page."""
    items = wanted if isinstance(wanted, list) else [wanted]
    query = items[0] if len(items) == 1 else None
    if not isinstance(query, Mapping) or query.get("@type") not in _QUERY:
        return None
    members = {name.removeprefix(NAMES): value for name, value in query.items()}
    for name in ("filterExpression", "sortField", "sortOrder"):
        if members.get(name) not in _ASKS_NOTHING:
            raise _refused(name, "Only a page can be asked for.")
    return PageWanted(
        offset=_number(members.get("offset", 0), "offset", 0, _OFFSET_MAX),
        limit=_number(members.get("limit", 50), "limit", 1, 2**31 - 1),
    )


def _number(value: object, name: str, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise _refused(name, f"It is a whole number from {least} to {most}.")
    return value


def _refused(name: str, detail: str) -> HansaError:
    return HansaError(
        Code.invalid_field, "This filter can't be answered.", detail, field=f"filter.{name}"
    )


# -- offers --------------------------------------------------------------------------------------


def restored_offer(asked: Mapping[str, Any], published: Mapping[str, Any]) -> dict[str, Any]:
    """Put back what EDC leaves out or rewrites when it repeats an offer of ours.

    It drops the name of the profile, and writes a list of values as the text of its JSON.
    """
    offer: dict[str, Any] = _with_lists(asked, _DEPTH_MAX)
    if "profile" not in offer and "profile" in published:
        offer["profile"] = published["profile"]
    return offer


def _with_lists(value: Any, depth: int) -> Any:
    if depth and isinstance(value, Mapping):
        return {
            name: _list_of(item) if name == "rightOperand" else _with_lists(item, depth - 1)
            for name, item in value.items()
        }
    if depth and isinstance(value, list):
        return [_with_lists(item, depth - 1) for item in value]
    return value


def _list_of(value: Any) -> Any:
    """Give the list that a text like `[{"@value":"a"}]` stands for; else the value itself."""
    if not isinstance(value, str) or not value.startswith("[{"):
        return value
    try:
        items = msgspec.json.decode(value, type=list[dict[str, Any]])
    except (msgspec.DecodeError, RecursionError):
        return value
    return items if all("@value" in item or "@id" in item for item in items) else value
