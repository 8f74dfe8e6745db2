"""Messages of Data Plane Signaling 1.0 (RC3): read leniently, written by the schemas.

Two dialects are read: that of the specification, and that of EDC 0.18 (`transferType` for
`profile`, `callbackAddress`, an empty object where a body is empty). Pure functions on documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from hansa.dataplane.flow import DataFlow, FlowState
from hansa.dataplane.model import DataAddress
from hansa.kernel import Code, HansaError

VERSION = "1.0-rc3"
BODY_BYTES_MAX = 256 * 1024
_TEXT_LENGTH_MAX = 2_000
_PROPERTIES_MAX = 50
_VALUE_LENGTH_MAX = 16_000
_LABELS_MAX = 100


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """A DataFlowPrepareMessage or DataFlowStartMessage. `callback` is EDC's member."""

    message_id: str
    participant: str
    counterparty: str
    process_id: str
    agreement_id: str
    dataset_id: str
    profile: str
    address: DataAddress | None = None
    callback: str | None = None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """A DataFlowStatusMessage; a member that a lenient peer leaves out is None."""

    state: FlowState | None = None
    flow_id: str | None = None
    address: DataAddress | None = None
    error: str | None = None


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """A DataPlaneRegistrationMessage or ControlPlaneRegistrationMessage."""

    id: str
    endpoint: str
    profiles: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    authorization: dict[str, Any] = {}


# -- read ----------------------------------------------------------------------------------------


def read_document(body: bytes) -> dict[str, Any]:
    """Read a body: a JSON object, or nothing (an empty body). HansaError invalid_json."""
    if not body.strip():
        return {}
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise HansaError(Code.invalid_json, "The body is not JSON.") from error
    if not isinstance(found, dict):
        raise HansaError(Code.invalid_json, "The body is not a JSON object.")
    return found


def read_opening(document: Mapping[str, Any]) -> Opening:
    """Read a prepare or start; HansaError invalid_field names the member."""
    profile = "profile" if "profile" in document else "transferType"
    claims = document.get("claims", {})
    if claims is not None and not isinstance(claims, dict):
        raise _bad("claims", "It must be an object.")
    return Opening(
        message_id=_text(document, "messageId"),
        participant=_text(document, "participantId"),
        counterparty=_text(document, "counterPartyId"),
        process_id=_text(document, "processId"),
        agreement_id=_text(document, "agreementId"),
        dataset_id=_text(document, "datasetId"),
        profile=_text(document, profile),
        address=read_address(document),
        callback=_text(document, "callbackAddress") if "callbackAddress" in document else None,
    )


def read_status(document: Mapping[str, Any]) -> Status:
    """Read a status message; HansaError invalid_field for an unknown state."""
    state = document.get("state")
    if state is not None and state not in tuple(FlowState):
        raise _bad("state", f"Use one of {', '.join(FlowState)}.")
    return Status(
        state=None if state is None else FlowState(state),
        flow_id=_text(document, "dataFlowId") if document.get("dataFlowId") else None,
        address=read_address(document),
        error=_text(document, "error") if document.get("error") else None,
    )


def read_reason(document: Mapping[str, Any]) -> str | None:
    """Read the reason of a suspension or termination."""
    return _text(document, "reason") if document.get("reason") else None


def read_registration(document: Mapping[str, Any], id_member: str) -> Registration:
    """Read a registration; `id_member` is `dataplaneId` or `controlplaneId`."""
    given = document.get("authorization") or {}
    if not isinstance(given, dict):
        raise _bad("authorization", "It must be an object with a `type`.")
    profiles = "profiles" if "profiles" in document else "transferTypes"
    return Registration(
        id=_text(document, id_member),
        endpoint=_text(document, "endpoint").rstrip("/"),
        profiles=_texts(document, profiles),
        labels=_texts(document, "labels"),
        authorization=given,
    )


def read_address(document: Mapping[str, Any]) -> DataAddress | None:
    """Read `dataAddress`, with or without `@type`; HansaError invalid_field."""
    found = document.get("dataAddress")
    if found is None:
        return None
    if not isinstance(found, dict):
        raise _bad("dataAddress", "It must be an object.")
    listed = found.get("endpointProperties") or []
    if not isinstance(listed, list) or len(listed) > _PROPERTIES_MAX:
        raise _bad("dataAddress.endpointProperties", f"A list of at most {_PROPERTIES_MAX}.")
    properties: dict[str, str] = {}
    for item in listed:
        name, value = (item.get("name"), item.get("value")) if isinstance(item, dict) else (0, 0)
        if not isinstance(name, str) or not isinstance(value, str):
            raise _bad("dataAddress.endpointProperties", "Each has a name and a value.")
        if len(name) + len(value) > _VALUE_LENGTH_MAX:
            raise _bad("dataAddress.endpointProperties", "One is too long.")
        properties[name] = value
    secret = properties.pop("authorization", "")
    if secret and "authType" not in properties:
        raise _bad("dataAddress.endpointProperties", "`authorization` needs an `authType`.")
    return DataAddress(
        endpoint=_text(found, "endpoint") if found.get("endpoint") else "",
        endpoint_type=_text(found, "endpointType"),
        authorization=secret.removeprefix("Bearer "),
        auth_type=properties.pop("authType", "bearer"),
        properties=properties,
    )


# -- write ---------------------------------------------------------------------------------------


def opening_message(
    flow: DataFlow,
    message_id: str,
    *,
    participant: str,
    dataspace: str,
    claims: Mapping[str, Any],
    address: DataAddress | None = None,
) -> dict[str, Any]:
    """Write a DataFlowPrepareMessage or, with an address for a push, a DataFlowStartMessage."""
    body: dict[str, Any] = {
        "messageId": message_id,
        "participantId": participant,
        "counterPartyId": flow.counterparty,
        "dataspaceContext": dataspace,
        "processId": flow.id,
        "agreementId": flow.agreement_id,
        "datasetId": flow.dataset_id,
        "profile": flow.profile,
        "claims": dict(claims),
    }
    return body if address is None else body | {"dataAddress": address_document(address)}


def notice_message(message_id: str, address: DataAddress | None = None) -> dict[str, Any]:
    """Write a DataFlowStartedNotificationMessage or a DataFlowResumeMessage."""
    if address is None:
        return {"messageId": message_id}
    return {"messageId": message_id, "dataAddress": address_document(address)}


def stop_message(message_id: str, reason: str | None) -> dict[str, Any]:
    """Write a DataFlowSuspendMessage or a DataFlowTerminateMessage."""
    return {"messageId": message_id} | ({"reason": reason} if reason else {})


def status_message(
    message_id: str,
    flow_id: str,
    state: FlowState,
    address: DataAddress | None = None,
    error: str | None = None,
) -> dict[str, Any]:
    """Write a DataFlowStatusMessage."""
    body: dict[str, Any] = {"messageId": message_id, "dataFlowId": flow_id, "state": state.value}
    if address is not None:
        body["dataAddress"] = address_document(address)
    return body | ({"error": error} if error else {})


def status_response(flow: DataFlow) -> dict[str, str]:
    """Write a DataFlowStatusResponseMessage."""
    return {"dataFlowId": flow.id, "state": flow.state.value}


def address_document(address: DataAddress) -> dict[str, Any]:
    """Write a DataAddress (DSP 2025-1 8.1.3)."""
    properties = dict(address.properties)
    if address.authorization:
        properties |= {"authorization": address.authorization, "authType": address.auth_type}
    body: dict[str, Any] = {"@type": "DataAddress", "endpointType": address.endpoint_type}
    if address.endpoint:
        body["endpoint"] = address.endpoint
    if properties:
        body["endpointProperties"] = [
            {"@type": "EndpointProperty", "name": name, "value": value}
            for name, value in properties.items()
        ]
    return body


# -- paths ---------------------------------------------------------------------------------------


def flow_url(endpoint: str, *segments: str) -> str:
    """Give a URL of a data plane; an endpoint that ends in `/dataflows` is taken as it is."""
    base = endpoint.rstrip("/")
    if not base.endswith("/dataflows"):
        base += "/dataflows"
    return "/".join([base, *(quote(segment, safe="") for segment in segments)])


def transfer_url(endpoint: str, process_id: str, *segments: str) -> str:
    """Give a URL of a control plane for one transfer."""
    return "/".join([endpoint.rstrip("/"), "transfers", quote(process_id, safe=""), *segments])


def same_origin(url: str, other: str) -> bool:
    """Say whether two URLs have scheme, host and port in common."""
    a, b = urlsplit(url), urlsplit(other)
    return (a.scheme, a.netloc.lower()) == (b.scheme, b.netloc.lower()) and bool(a.netloc)


def _text(document: Mapping[str, Any], name: str) -> str:
    found = document.get(name)
    if not isinstance(found, str) or not found.strip():
        raise _bad(name, "It must be a string that is not empty.")
    if len(found) > _TEXT_LENGTH_MAX:
        raise _bad(name, f"It has more than {_TEXT_LENGTH_MAX} characters.")
    return found


def _texts(document: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = document.get(name) or []
    if not isinstance(found, list) or len(found) > _LABELS_MAX:
        raise _bad(name, f"It must be a list of at most {_LABELS_MAX} strings.")
    return tuple(_text({name: item}, name) for item in found)


def _bad(field: str, detail: str) -> HansaError:
    return HansaError(Code.invalid_field, f"`{field}` is not right.", detail, field=field)
