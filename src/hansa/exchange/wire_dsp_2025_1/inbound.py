"""Reading messages: unknown members are accepted, and what is not in the plain compact form goes
through JSON-LD expansion first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec

from hansa.dialect import read_address, recognise
from hansa.exchange.model import DataAddress
from hansa.exchange.policies import check_policy
from hansa.exchange.state import Message
from hansa.kernel import Code, HansaError
from hansa.kernel.jsonld import DSP_CONTEXT_URL, is_plain, to_dsp_compact

_FULL_ROAD_BYTES_MAX = 64 * 1024
_PID_CHARACTERS_MAX = 512
_URL_CHARACTERS_MAX = 2048
_FORMAT_CHARACTERS_MAX = 512
_PROPERTIES_MAX = 50


class Inbound(msgspec.Struct, frozen=True, kw_only=True):
    """A message as it came in, checked in shape. `body` is the plain document for the log."""

    message: Message
    body: dict[str, Any]
    id: str = ""
    consumer_pid: str | None = None
    provider_pid: str | None = None
    callback: str | None = None
    offer: dict[str, Any] | None = None
    agreement: dict[str, Any] | None = None
    agreement_id: str = ""
    format: str = ""
    address: DataAddress | None = None
    code: str | None = None
    reason: tuple[str, ...] = ()
    dialect: str | None = None


class _Property(msgspec.Struct, frozen=True):
    name: str
    value: str


class _Address(msgspec.Struct, frozen=True, rename="camel"):
    endpoint_type: str
    endpoint: str | None = None
    endpoint_properties: list[_Property] = []


class _Pids(msgspec.Struct, frozen=True, rename="camel"):
    consumer_pid: str
    provider_pid: str


class _ContractRequest(msgspec.Struct, frozen=True, rename="camel"):
    consumer_pid: str
    offer: dict[str, Any]
    provider_pid: str | None = None
    callback_address: str | None = None


class _ContractOffer(msgspec.Struct, frozen=True, rename="camel"):
    provider_pid: str
    offer: dict[str, Any]
    consumer_pid: str | None = None
    callback_address: str | None = None


class _ContractAgreement(_Pids, frozen=True, rename="camel"):
    agreement: dict[str, Any]


class _Event(_Pids, frozen=True, rename="camel"):
    event_type: str


class _Ending(_Pids, frozen=True, rename="camel"):
    code: str | None = None
    reason: list[Any] = []


class _TransferRequest(msgspec.Struct, frozen=True, rename="camel"):
    consumer_pid: str
    agreement_id: str
    format: str
    callback_address: str
    data_address: _Address | None = None


class _TransferStart(_Pids, frozen=True, rename="camel"):
    data_address: _Address | None = None


_SHAPES: dict[str, type[msgspec.Struct]] = {
    "ContractRequestMessage": _ContractRequest,
    "ContractOfferMessage": _ContractOffer,
    "ContractAgreementMessage": _ContractAgreement,
    "ContractAgreementVerificationMessage": _Pids,
    "ContractNegotiationEventMessage": _Event,
    "ContractNegotiationTerminationMessage": _Ending,
    "TransferRequestMessage": _TransferRequest,
    "TransferStartMessage": _TransferStart,
    "TransferCompletionMessage": _Pids,
    "TransferSuspensionMessage": _Ending,
    "TransferTerminationMessage": _Ending,
}


async def read_document(body: bytes) -> dict[str, Any]:
    """Read a body as JSON-LD in plain terms; HansaError invalid_json, invalid_request."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise HansaError(
            Code.invalid_json, "The body is not JSON.", "Send one JSON object in UTF-8."
        ) from error
    if not isinstance(document, dict):
        raise HansaError(Code.invalid_json, "The body must be one JSON object.")
    if is_plain(document):
        return document
    if len(body) > _FULL_ROAD_BYTES_MAX:
        raise HansaError(
            Code.body_too_large,
            "A message of this size must be in the protocol's compact form.",
            f"Use `@context`: [{DSP_CONTEXT_URL!r}], or at most {_FULL_ROAD_BYTES_MAX} bytes.",
        )
    compact = await asyncio.to_thread(to_dsp_compact, document)
    return {**compact, "@context": document["@context"]}  # it tells the dialect


def decode(document: Mapping[str, Any], wire_type: str) -> Inbound:
    """Check a plain document against the message that its path expects.

    HansaError invalid_field names the member; policy_invalid for a malformed offer or agreement.
    """
    address = document.get("dataAddress")
    if isinstance(address, dict):
        _check_few(address)
        document = {**document, "dataAddress": read_address(address)}
    found = document.get("@type")
    if found != wire_type:
        raise _invalid("@type", f"This path takes `@type` {wire_type}, not {found!r}.")
    try:
        message: Any = msgspec.convert(document, _SHAPES[wire_type])
    except (msgspec.ValidationError, RecursionError) as error:
        raise _invalid(_path(error), f"The {wire_type} is malformed: {error}.") from error
    fields: dict[str, Any] = {"message": _name(message, wire_type), "body": _blanked(document)}
    for ours in ("consumer_pid", "provider_pid"):
        value = getattr(message, ours, None)
        if value is not None and not 0 < len(value) <= _PID_CHARACTERS_MAX:
            raise _invalid(ours, f"A pid has 1 to {_PID_CHARACTERS_MAX} characters.")
        fields[ours] = value
    fields["id"] = _message_id(document, fields)
    fields["dialect"] = recognise(document)
    if getattr(message, "callback_address", None) is not None:
        fields["callback"] = check_url(message.callback_address, "callbackAddress")
    if isinstance(message, (_ContractRequest, _ContractOffer)):
        check_policy(message.offer, "Offer")
        fields["offer"] = message.offer
    if isinstance(message, _ContractAgreement):
        check_policy(message.agreement, "Agreement")
        fields["agreement"] = message.agreement
    if isinstance(message, _TransferRequest):
        if not 0 < len(message.format) <= _FORMAT_CHARACTERS_MAX:
            raise _invalid("format", f"A format has 1 to {_FORMAT_CHARACTERS_MAX} characters.")
        fields["agreement_id"], fields["format"] = message.agreement_id, message.format
    if isinstance(message, (_TransferRequest, _TransferStart)):
        fields["address"] = _address(message.data_address)
    if isinstance(message, _Ending):
        fields["code"] = message.code
        fields["reason"] = reasons(message.reason)
    return Inbound(**fields)


def _check_few(address: Mapping[str, Any]) -> None:
    """Refuse an address with so many properties that it would be read for long."""
    listed = address.get("endpointProperties")
    if isinstance(listed, list) and len(listed) > _PROPERTIES_MAX:
        field = "dataAddress.endpointProperties"
        raise _invalid(field, f"An address has at most {_PROPERTIES_MAX} properties.")


def _message_id(document: Mapping[str, Any], fields: Mapping[str, Any]) -> str:
    """Read the message's own `@id`: optional, and of use only when it is not a process's id."""
    found = document.get("@id")
    pids = (fields["consumer_pid"], fields["provider_pid"])
    if not isinstance(found, str) or len(found) > _PID_CHARACTERS_MAX or " " in found:
        return ""
    return "" if found in pids else found


def _name(message: Any, wire_type: str) -> Message:
    if not isinstance(message, _Event):
        return Message(wire_type)
    if message.event_type not in ("ACCEPTED", "FINALIZED"):
        raise _invalid("eventType", "`eventType` is ACCEPTED or FINALIZED.")
    return Message(f"{wire_type}:{message.event_type}")


def _invalid(field: str, title: str) -> HansaError:
    return HansaError(Code.invalid_field, title, field=field)


def _path(error: Exception) -> str:
    head, _, path = str(error).partition("`$.")
    if path:
        return path.rstrip("`")
    parts = head.split("`")
    return parts[1] if len(parts) > 2 else "body"


def check_url(url: str, field: str) -> str:
    """Check a URL that we shall call later; give it without trailing slash."""
    parts = urlsplit(url) if len(url) <= _URL_CHARACTERS_MAX else urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _invalid(field, f"`{field}` must be an http or https URL.")
    if parts.query or parts.fragment or parts.username or parts.password:
        raise _invalid(field, f"`{field}` must have no query, fragment or user.")
    return url.rstrip("/")


def reasons(values: Any) -> tuple[str, ...]:
    """Read `reason`, whose items may be anything, as at most 20 texts of 1,000 characters."""
    items = values if isinstance(values, list) else [values]
    texts = [
        item if isinstance(item, str) else msgspec.json.encode(item).decode() for item in items
    ]
    return tuple(text[:1000] for text in texts[:20])


def _address(address: _Address | None) -> DataAddress | None:
    if address is None:
        return None
    return DataAddress(
        endpoint_type=address.endpoint_type,
        endpoint=address.endpoint,
        properties={item.name: item.value for item in address.endpoint_properties},
    )


def _blanked(document: Mapping[str, Any]) -> dict[str, Any]:
    """Copy a message for the log without the values of its data address (access tokens)."""
    kept = dict(document)
    address = kept.get("dataAddress")
    if isinstance(address, dict):
        names = address.get("endpointProperties", [])
        if isinstance(address.get("endpoint"), str):  # a signed URL is a secret, too
            address = {**address, "endpoint": _public(address["endpoint"])}
        kept["dataAddress"] = {
            **address,
            "endpointProperties": [
                {**item, "value": "***"} if isinstance(item, dict) else "***"
                for item in (names if isinstance(names, list) else [])
            ],
        }
    return kept


def _public(url: str) -> str:
    """Give a URL without what may be secret in it: user, query and fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "***"
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "***" if parts.query else "", ""))


class PeerAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """What is read of a counterparty's answer: a process, an error, or nothing at all."""

    consumer_pid: str | None = None
    provider_pid: str | None = None
    state: str | None = None
    code: str | None = None
    reason: Any = None
    dialect: str | None = None

    @property
    def reasons(self) -> tuple[str, ...]:
        """Give the reasons as texts."""
        return () if self.reason is None else reasons(self.reason)


def read_answer(body: bytes) -> PeerAnswer:
    """Read an answer leniently: dialects answer with an empty body or without pids."""
    try:
        document = msgspec.json.decode(body)
        dialect = recognise(document)
        if isinstance(document, dict) and not is_plain(document) and "@context" in document:
            document = to_dsp_compact(document) if len(body) <= _FULL_ROAD_BYTES_MAX else {}
        answer = msgspec.convert(document, PeerAnswer)
        return msgspec.structs.replace(answer, dialect=dialect)
    except (msgspec.DecodeError, HansaError, RecursionError, UnicodeDecodeError):
        return PeerAnswer()
