"""Who may call the management functions, and which participant they are about."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hansa.identity import Caller
from hansa.kernel import Code, HansaError
from hansa.node.management.rates import Rates
from hansa.node.once import Once
from hansa.node.participant import Participant

if TYPE_CHECKING:
    from hansa.node.runtime import Node

Json = dict[str, Any]


@contextmanager
def given(field: str) -> Iterator[None]:
    """Name the field of the request whose address could not be reached: the caller chose it."""
    try:
        yield
    except HansaError as error:
        if error.status < 500:
            raise
        raise HansaError(
            error.code, error.title, error.detail, status=422, **{**error.facts, "field": field}
        ) from error


class Access:
    """The one decision of the management API: the operator of the node may, others may not."""

    def __init__(self, host: Node) -> None:
        self.host = host
        self.rates = Rates(host.clock)

    def operator(self, caller: Caller) -> None:
        """Raise HansaError forbidden unless the caller is this node's operator."""
        if caller.kind != "operator":
            raise HansaError(
                Code.forbidden,
                "Only the operator of this node may do this.",
                "Sign in with a link from `hansa open`.",
            )

    def participant(self, caller: Caller, participant: str) -> Participant:
        """Give a participant of this node to its operator; HansaError forbidden, not_found."""
        self.operator(caller)
        return self.host.participant(participant)

    async def once(
        self,
        caller: Caller,
        participant: str,
        key: str,
        asked: bytes,
        work: Callable[[], Awaitable[bytes]],
    ) -> bytes:
        """Do a request once under an idempotency key; see `Once.do`."""
        p = self.participant(caller, participant)
        once = Once(p.store, self.host.sealer("once"), p.clock, p.ids)
        return await once.do(key, asked, work)
