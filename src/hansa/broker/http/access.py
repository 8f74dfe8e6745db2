"""Who is asking, and what exists for them: given by whoever mounts the routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request

from hansa.broker.service import Broker
from hansa.policy import Scope


def _always() -> None:
    """Stay valid."""


def _uncounted(entities: int, size_bytes: int) -> None:
    """Count nothing."""


@dataclass(frozen=True)
class Access:
    """One request's rights.

    `still_valid` raises HansaError as soon as the right has ended; it is asked before each part of
    a long answer and at least every 0.2 s while a slow reader is waited for. `on_sent` gets the
    number of entities and bytes that left.
    """

    broker: Broker
    scope: Scope
    may_write: bool = False
    still_valid: Callable[[], None] = _always
    on_sent: Callable[[int, int], None] = _uncounted


Resolve = Callable[[Request], Awaitable[Access]]
