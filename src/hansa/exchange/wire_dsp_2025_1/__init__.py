"""Exact message shapes of the Dataspace Protocol 2025-1: negotiation and transfer."""

from hansa.exchange.wire_dsp_2025_1.inbound import (
    Inbound,
    PeerAnswer,
    check_url,
    decode,
    read_answer,
    read_document,
)
from hansa.exchange.wire_dsp_2025_1.outbound import (
    CONTEXT,
    NIL_PID,
    address_body,
    error_body,
    message_body,
    message_path,
    process_body,
    process_path,
)
from hansa.exchange.wire_dsp_2025_1.progress import PROGRESS, progress_member, read_progress

__all__ = [
    "CONTEXT",
    "Inbound",
    "NIL_PID",
    "PROGRESS",
    "PeerAnswer",
    "address_body",
    "check_url",
    "decode",
    "error_body",
    "message_body",
    "message_path",
    "process_body",
    "process_path",
    "read_answer",
    "progress_member",
    "read_document",
    "read_progress",
]
