"""The one mapper from our errors to the protocol's error objects (DSP 2025-1 6.3.8 and 8.3.6)."""

from __future__ import annotations

from typing import Any

import msgspec
import structlog
from starlette.responses import Response

from hansa.exchange.model import ContractNegotiation, Process
from hansa.exchange.state import Message
from hansa.exchange.wire_dsp_2025_1 import error_body
from hansa.kernel import Code, HansaError
from hansa.kernel.problem import error_headers

_log = structlog.get_logger("hansa.exchange")
_STATUS = {403: 400, 409: 400, 412: 400, 422: 400}
NEGOTIATION_ERROR = "ContractNegotiationError"
TRANSFER_ERROR = "TransferError"


def not_found(what: str) -> HansaError:
    """Refuse alike what is unknown and what is somebody else's."""
    return HansaError(Code.not_found, f"There is no such {what}.", "Check the id.")


def illegal(process: Process, message: Message) -> HansaError:
    """Refuse a message that the present state does not allow; names both."""
    kind = "negotiation" if isinstance(process, ContractNegotiation) else "transfer"
    pending = f" (sending {process.pending.message})" if process.pending else ""
    return HansaError(
        Code.illegal_state,
        f"{message.value.replace(':', ' ')} is not allowed in state {process.state}{pending}.",
        f"Read the {kind} and go on from its state.",
        consumer_pid=process.consumer_pid,
        provider_pid=process.provider_pid,
    )


def wrong_pid(field: str, process: Process) -> HansaError:
    """Refuse a message whose pids are not those of the process in its path."""
    return HansaError(
        Code.invalid_field,
        f"`{field}` is not that of the process in the path.",
        field=field,
        consumer_pid=process.consumer_pid,
        provider_pid=process.provider_pid,
    )


def conflict(title: str, detail: str, **facts: Any) -> HansaError:
    """Refuse what contradicts something that is settled."""
    return HansaError(Code.conflict, title, detail, **facts)


def error_response(error: HansaError, wire_type: str) -> Response:
    """Give the HTTP answer for an error: always the protocol's own error object."""
    reason = f"{error.title} {error.detail}".strip()
    body = error_body(
        wire_type,
        code=error.code.value,
        reason=[reason],
        consumer_pid=error.facts.get("consumer_pid"),
        provider_pid=error.facts.get("provider_pid"),
    )
    status = _STATUS.get(error.status, error.status)
    return Response(
        msgspec.json.encode(body),
        status_code=status,
        media_type="application/json",
        headers=error_headers(error),
    )


def unexpected(error: Exception) -> HansaError:
    """Log a defect of ours and give the error that the counterparty may see."""
    _log.error("unexpected", error=type(error).__name__, exc_info=error)
    return HansaError(Code.internal, "Something failed inside this node.", "Try again later.")
