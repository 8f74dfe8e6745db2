"""Entities pushed as NGSI-LD notifications over HTTP; the consumer's own inbox is the default."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable

from hansa.dataplane.feed import Entities, Feed
from hansa.dataplane.flow import DataFlow, FlowRole
from hansa.dataplane.inbox import Inboxes
from hansa.dataplane.model import DataAddress
from hansa.dataplane.ports import Client
from hansa.dataplane.push import Item, Pushes, Sink
from hansa.dataplane.wire_ngsi_ld_1_9 import LINK, MEDIA_TYPE
from hansa.dialect import BARE
from hansa.kernel import Clock, Code, HansaError
from hansa.kernel.outbound import OutboundResponse
from hansa.kernel.rate import retry_after_s

PROFILE = "NgsiLd-PUSH"
_TIMEOUT_S = 30.0
_ANSWER_BYTES_MAX = 64 * 1024
_FULL = 507
_FOR_NOW = frozenset({408, 425, 429})


class HttpNotifier:
    """A sink: each item is the body of a POST."""

    def __init__(self, client: Client, address: DataAddress) -> None:
        self._client = client
        self._url = address.endpoint
        self._headers = {"Content-Type": MEDIA_TYPE, "Link": LINK, **authorization(address)}

    async def open(self) -> str | None:
        """Nothing to open: the client keeps connections."""
        return None

    async def write(self, item: Item) -> None:
        """Send one notification; 2xx is an acknowledgement."""
        assert item.body is not None
        answer = await self._client.request(
            "POST",
            self._url,
            headers=self._headers,
            body=item.body,
            timeout_s=_TIMEOUT_S,
            body_bytes_max=_ANSWER_BYTES_MAX,
        )
        if not answer.ok:
            raise refused(answer)

    async def finish(self, digest: str | None) -> None:
        """Notifications have no end."""

    async def close(self) -> None:
        """Nothing to close."""


def authorization(address: DataAddress) -> dict[str, str]:
    """Give the Authorization header for an address, or none when it has no secret."""
    secret = address.authorization
    if not secret:
        return {}
    known = address.auth_type == BARE or secret.lower().startswith(("bearer ", "basic "))
    return {"Authorization": secret if known else f"{address.auth_type.capitalize()} {secret}"}


def refused(answer: OutboundResponse) -> HansaError:
    """Say that the receiver did not take it; only some refusals can pass by themselves.

    A transfer that the receiver suspended is one: it goes on, or we are told to stop.
    """
    status = answer.status
    suspended = status == 403 and b'"code":"transfer_ended"' in answer.body
    full = " It has no room for this now." if status == _FULL else ""
    return HansaError(
        Code.counterparty_refused,
        f"The receiver answered {status}.{full}",
        "Check the address and its token.",
        permanent=status < 500 and status not in _FOR_NOW and not suspended,
        retry_after_s=retry_after_s(answer.headers),
    )


class EntityPush(ABC):
    """What all pushes of entities share: the feed as source, a sink by the address.

    `has_entities` says of a dataset id whether it is entities.
    """

    profiles: tuple[str, ...] = ()

    def __init__(
        self,
        pushes: Pushes,
        entities: Entities,
        clock: Clock,
        *,
        has_entities: Callable[[str], Awaitable[bool]],
    ) -> None:
        self._pushes = pushes
        self._entities = entities
        self._clock = clock
        self._has_entities = has_entities

    @abstractmethod
    def sink(self, address: DataAddress) -> Sink:
        """Give what delivers to an address; HansaError invalid_field, outbound_blocked."""

    async def serves(self, flow: DataFlow) -> bool:
        """Say whether the dataset is entities; a consumer takes any."""
        return flow.role is FlowRole.consumer or await self._has_entities(flow.dataset_id)

    async def check(self, flow: DataFlow, address: DataAddress | None) -> None:
        """Return when it can be sent there; HansaError invalid_field, outbound_blocked."""
        if address is not None:
            self.sink(address)

    async def prepare(self, flow: DataFlow, address: DataAddress | None) -> DataAddress | None:
        """Give the address where to send."""
        if address is None:
            raise needs_address(self.profiles[0])
        await self.check(flow, address)
        return address

    async def start(self, flow: DataFlow, address: DataAddress | None) -> None:
        """Begin to send, or go on."""
        if address is None:
            raise needs_address(flow.profile)
        feed = Feed(flow.id, self._entities, self._clock)
        self._pushes.start(flow, feed, self.sink(address))

    async def started(self, flow: DataFlow, address: DataAddress | None) -> None:  # noqa: B027 - the default
        """Nothing to do: it comes by itself."""

    async def suspend(self, flow: DataFlow, reason: str | None) -> None:
        """Send nothing more for now."""
        await self._pushes.stop(flow.id)

    async def complete(self, flow: DataFlow) -> None:
        """Send nothing more."""
        await self.terminate(flow, None)

    async def terminate(self, flow: DataFlow, reason: str | None) -> None:
        """Send nothing more, and forget what was told."""
        await self._pushes.stop(flow.id)
        if flow.role is FlowRole.provider:
            await self._entities.followed(flow.id).end()


def needs_address(profile: str) -> HansaError:
    """Say that a push needs to know where to."""
    return HansaError(
        Code.invalid_field,
        f"{profile} needs a data address to send to.",
        "Say where to: `data_address` with its endpoint; in the terminal --to URL.",
        field="dataAddress",
        permanent=True,
    )


class NgsiLdPush(EntityPush):
    """`NgsiLd-PUSH`: notifications over HTTP."""

    profiles = (PROFILE,)

    def __init__(
        self,
        pushes: Pushes,
        entities: Entities,
        clock: Clock,
        *,
        has_entities: Callable[[str], Awaitable[bool]],
        client: Client,
        inboxes: Inboxes,
    ) -> None:
        super().__init__(pushes, entities, clock, has_entities=has_entities)
        self._client = client
        self._inboxes = inboxes

    def sink(self, address: DataAddress) -> Sink:
        """Give what sends POST requests to the endpoint."""
        if not address.endpoint.startswith(("https://", "http://")):
            raise HansaError(
                Code.invalid_field,
                "Notifications are sent to an http or https address.",
                field="endpoint",
            )
        if not address.sendable:
            raise HansaError(
                Code.invalid_field,
                "The token of the address fits no header.",
                field="authorization",
            )
        self._client.check(address.endpoint)
        return HttpNotifier(self._client, address)

    async def prepare(self, flow: DataFlow, address: DataAddress | None) -> DataAddress | None:
        """Give the address that was asked for, or one of our own inbox."""
        if address is not None:
            return await super().prepare(flow, address)
        return await self._inboxes.open(flow)

    async def terminate(self, flow: DataFlow, reason: str | None) -> None:
        """Send nothing more, take nothing more."""
        await super().terminate(flow, reason)
        if flow.role is FlowRole.consumer:
            await self._inboxes.close(flow.id)
