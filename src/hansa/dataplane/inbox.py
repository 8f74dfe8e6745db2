"""Where others push to us: `/{participant}/inbox/{flow}`, an address for each flow with a token.

`Inboxes` knows tokens and states; what arrives is taken by the `Receiver` of the flow's profile.
A token is kept as a digest and opens one flow's inbox. A suspended flow answers 503, so that the
sender waits; an ended one 403.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Protocol
from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hansa.dataplane.flow import ENDED, DataFlow, FlowRole, FlowState, Progress
from hansa.dataplane.model import TOKENS_MAX, DataAddress
from hansa.dataplane.tokens import digest, token_of
from hansa.kernel import Clock, Code, HansaError, Ids
from hansa.kernel.problem import problems
from hansa.kernel.store import Kind, Store, Tx

_METHODS = ["HEAD", "POST", "PUT", "PATCH"]
_RETRY_AFTER_S = "5"


class InboxTokens(msgspec.Struct, frozen=True):
    """The tokens of one flow's inbox, as SHA-256 hex digests, the newest last."""

    flow_id: str
    tokens: tuple[str, ...]


INBOX: Kind[InboxTokens] = Kind(
    name="dataplane_inbox", type=InboxTokens, key=lambda kept: kept.flow_id
)


class Receiver(Protocol):
    """Takes what is pushed to flows of some profiles."""

    @property
    def profiles(self) -> tuple[str, ...]:
        """Name the profiles whose flows it receives."""
        ...

    async def receive(self, flow: DataFlow, request: Request) -> Response:
        """Take a request whose token was right; HansaError when it can't be taken."""
        ...


class ReceivingFlows(Protocol):
    """What of `Flows` receiving needs."""

    async def find(self, flow_id: str) -> DataFlow | None:
        """Give a flow as it stands."""
        ...

    def progress(self, flow_id: str, progress: Progress) -> None:
        """Note how far it is."""
        ...


class Inboxes:
    """The inboxes of one participant. `endpoint` is `.../{participant}/inbox`."""

    def __init__(
        self, store: Store, *, endpoint: str, flows: ReceivingFlows, clock: Clock, ids: Ids
    ) -> None:
        self._store = store
        self._endpoint = endpoint
        self._flows = flows
        self._clock = clock
        self._ids = ids
        self._receivers: dict[str, Receiver] = {}

    def register(self, *receivers: Receiver) -> None:
        """Add those who take what arrives."""
        for receiver in receivers:
            self._receivers.update(dict.fromkeys(receiver.profiles, receiver))

    async def open(self, flow: DataFlow) -> DataAddress:
        """Give the address of a flow's inbox with a fresh token; at most four count."""
        token = self._ids.token(32)

        def job(tx: Tx) -> None:
            known = tx.get(INBOX, flow.id)
            tokens = (*(() if known is None else known.tokens), digest(token))
            tx.put(INBOX, InboxTokens(flow.id, tokens[-TOKENS_MAX:]))

        await self._store.write(job)
        endpoint = f"{self._endpoint}/{quote(flow.id, safe=':')}"
        return DataAddress(endpoint=endpoint, authorization=token)

    async def has(self, flow_id: str) -> bool:
        """Say whether a flow's data come here, and not to an address of somebody else."""
        return await self._store.read(lambda tx: tx.get(INBOX, flow_id)) is not None

    async def close(self, flow_id: str) -> None:
        """Take nothing more for a flow. Idempotent."""

        def job(tx: Tx) -> None:
            tx.delete(INBOX, flow_id)

        await self._store.write(job)

    async def receive(self, flow_id: str, request: Request) -> Response:
        """Take a request to an inbox.

        HansaError token_missing, token_malformed, token_unknown (401, also for an inbox that is
        not there), transfer_ended (403), unavailable (503) while suspended.
        """
        shown = digest(token_of(request.headers))
        kept = await self._store.read(lambda tx: tx.get(INBOX, flow_id))
        known = () if kept is None else kept.tokens
        if not any(hmac.compare_digest(shown, one) for one in known):
            raise HansaError(
                Code.token_unknown,
                "The token does not open this inbox.",
                "Use the address that the consumer sent with its request.",
            )
        flow = await self._flows.find(flow_id)
        if flow is None or flow.state in ENDED or flow.role is not FlowRole.consumer:
            raise HansaError(Code.transfer_ended, "The transfer has ended.", "Start a new one.")
        if flow.state is FlowState.SUSPENDED:
            raise HansaError(Code.unavailable, "The transfer is suspended.", "Wait, then go on.")
        receiver = self._receivers.get(flow.profile)
        if receiver is None:
            raise HansaError(Code.not_found, "Nothing is received for this transfer.")
        return await receiver.receive(flow, request)

    def received(
        self, flow: DataFlow, *, size_bytes: int, items: int, error: str | None = None
    ) -> None:
        """Count what was taken in."""
        known = flow.progress
        progress = msgspec.structs.replace(
            known,
            bytes=known.bytes + size_bytes,
            items=known.items + items,
            last_at=self._clock.now() if size_bytes or items else known.last_at,
            error=error,
        )
        self._flows.progress(flow.id, progress)


Resolve = Callable[[str], Inboxes | None]


def inbox_routes(resolve: Resolve) -> Sequence[Route]:
    """Give the route of all inboxes; `resolve` finds those of a participant."""

    async def receive(request: Request) -> Response:
        inboxes = resolve(request.path_params["participant"])
        if inboxes is None:
            raise HansaError(Code.not_found, "There is no such participant on this node.")
        return await inboxes.receive(request.path_params["flow"], request)

    guarded = problems(receive)

    async def answer(request: Request) -> Response:
        response = await guarded(request)
        if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            response.headers["Retry-After"] = _RETRY_AFTER_S
        return response

    return [Route("/{participant}/inbox/{flow}", answer, methods=_METHODS)]
