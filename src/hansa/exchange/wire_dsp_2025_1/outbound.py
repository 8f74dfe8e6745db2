"""Writing messages: `@context` is a list of strings and `@type` a plain term."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from hansa.dialect import write_address
from hansa.exchange.model import (
    ContractNegotiation,
    DataAddress,
    NegotiationState,
    Process,
    Role,
    TransferState,
)
from hansa.exchange.state import Message
from hansa.kernel.jsonld import DSP_CONTEXT_URL

CONTEXT = [DSP_CONTEXT_URL]
NIL_PID = "urn:uuid:00000000-0000-0000-0000-000000000000"


def _envelope(wire_type: str, **members: Any) -> dict[str, Any]:
    present = {name: value for name, value in members.items() if value is not None}
    return {"@context": CONTEXT, "@type": wire_type, **present}


def process_body(process: Process) -> dict[str, Any]:
    """Write a process as `ContractNegotiation` or `TransferProcess`."""
    state: str = process.state
    if isinstance(process, ContractNegotiation):
        wire_type = "ContractNegotiation"
        if process.state is NegotiationState.START:
            state = "REQUESTED" if process.role == "consumer" else "OFFERED"
    else:
        wire_type = "TransferProcess"
        if process.state is TransferState.START:
            state = "REQUESTED"
    return _envelope(
        wire_type,
        providerPid=process.provider_pid or NIL_PID,
        consumerPid=process.consumer_pid or NIL_PID,
        state=str(state),
    )


def error_body(
    wire_type: str,
    *,
    code: str,
    reason: list[str],
    consumer_pid: str | None = None,
    provider_pid: str | None = None,
) -> dict[str, Any]:
    """Write a `ContractNegotiationError` or `TransferError`; unknown pids are the nil UUID."""
    return _envelope(
        wire_type,
        providerPid=provider_pid or NIL_PID,
        consumerPid=consumer_pid or NIL_PID,
        code=code,
        reason=reason or [code],
    )


def message_body(
    process: Process,
    message: Message,
    action_id: str,
    *,
    callback: str,
    address: DataAddress | None = None,
) -> dict[str, Any]:
    """Write the message of a process that is sent next; `callback` is our own base URL.

    The `@id` is that of the action in the outbox, so that a repeat is known for one.
    """
    members: dict[str, Any] = {
        "@id": f"urn:uuid:{action_id}",
        "providerPid": process.provider_pid,
        "consumerPid": process.consumer_pid,
    }
    first = process.peer_pid is None
    if isinstance(process, ContractNegotiation):
        members |= _negotiation_members(process, message)
    elif message is Message.transfer_request:
        members |= {"agreementId": process.agreement_id, "format": process.format}
    elif message in (Message.transfer_suspension, Message.transfer_termination):
        members |= {"code": process.code, "reason": list(process.reason) or None}
    if address is not None:
        destination = process.role is Role.consumer
        plain = address_body(address)
        members["dataAddress"] = write_address(plain, process.dialect, destination=destination)
    if first:
        members["callbackAddress"] = callback
    return _envelope(message.wire_type, **members)


def _negotiation_members(process: ContractNegotiation, message: Message) -> dict[str, Any]:
    if message in (Message.request, Message.offer):
        return {"offer": {**process.offer, "@type": "Offer", "target": process.dataset_id}}
    if message is Message.agreement:
        return {"agreement": process.agreement}
    if message in (Message.accepted, Message.finalized):
        return {"eventType": message.value.partition(":")[2]}
    if message is Message.termination:
        return {"code": process.code, "reason": list(process.reason) or None}
    return {}


def address_body(address: DataAddress) -> dict[str, Any]:
    """Write a DataAddress (DSP 2025-1 8.1.3)."""
    properties = [
        {"@type": "EndpointProperty", "name": name, "value": value}
        for name, value in address.properties.items()
    ]
    members = {"endpoint": address.endpoint, "endpointProperties": properties or None}
    return {
        "@type": "DataAddress",
        "endpointType": address.endpoint_type,
        **{name: value for name, value in members.items() if value is not None},
    }


def message_path(process: Process, message: Message) -> str:
    """Give the path, below the counterparty's base URL, that a message is posted to."""
    pid = None if process.peer_pid is None else quote(process.peer_pid, safe=":")
    if message in (Message.request, Message.offer):
        tail = "request" if message is Message.request else "offers"
        return f"/negotiations/{pid}/{tail}" if pid else f"/negotiations/{tail}"
    if message is Message.transfer_request:
        return "/transfers/request"
    room = "negotiations" if isinstance(process, ContractNegotiation) else "transfers"
    return f"/{room}/{pid}/{_TAILS[message]}"


def process_path(process: Process) -> str:
    """Give the path, below the counterparty's base URL, where it shows its side of a process."""
    room = "negotiations" if isinstance(process, ContractNegotiation) else "transfers"
    return f"/{room}/{quote(process.peer_pid or NIL_PID, safe=':')}"


_TAILS = {
    Message.accepted: "events",
    Message.finalized: "events",
    Message.agreement: "agreement",
    Message.verification: "agreement/verification",
    Message.termination: "termination",
    Message.transfer_start: "start",
    Message.transfer_suspension: "suspension",
    Message.transfer_completion: "completion",
    Message.transfer_termination: "termination",
}
