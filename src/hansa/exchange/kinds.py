"""The documents of the exchange and the indexes they are found by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hansa.exchange.model import (
    Agreement,
    ContractNegotiation,
    LogEntry,
    Process,
    TransferProcess,
)
from hansa.kernel.store import Kind


def peer_key(counterparty: str, pid: str) -> str:
    """Give the key under which a counterparty's own pid is found, so that repeats are known."""
    return f"{counterparty} {pid}"


def _peer(process: Process) -> str | None:
    pid = process.peer_pid
    return None if pid is None else peer_key(process.counterparty, pid)


def _waiting(process: Process) -> str | None:
    return "yes" if process.waiting else None


# What each of them is found by: an index reads the same member of every type.
_HELD: dict[str, Callable[[Any], str | None]] = {
    "state": lambda item: item.state.value,
    "role": lambda item: item.role.value,
    "counterparty": lambda item: item.counterparty,
    "dataset": lambda item: item.dataset_id,
}
_PROCESS = {
    **_HELD,
    "agreement": lambda item: item.agreement_id,
    "waiting": _waiting,
    "peer": _peer,
}

NEGOTIATIONS = Kind(
    "exchange_negotiation", ContractNegotiation, key=lambda item: item.id, indexes=_PROCESS,
    often=True,
)  # fmt: skip
AGREEMENTS = Kind("exchange_agreement", Agreement, key=lambda item: item.id, indexes=_HELD)
TRANSFERS = Kind("exchange_transfer", TransferProcess, key=lambda item: item.id, indexes=_PROCESS)
MESSAGES = Kind(
    "exchange_message",
    LogEntry,
    key=lambda item: item.id,
    indexes={"process": lambda item: item.process},
)
