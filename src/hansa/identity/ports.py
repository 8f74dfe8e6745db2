"""What identity needs from outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from hansa.identity.model import DidDocument, Membership
from hansa.kernel.outbound import OutboundResponse

LocalDocuments = Callable[[str], DidDocument | None]
"""Gives the document of a participant of this very node, or None."""


class StatusChecker(Protocol):
    """Knows which memberships are suspended now. It does no I/O."""

    def check(self, membership: Membership) -> None:
        """Return, or raise HansaError membership_suspended or status_unavailable."""
        ...


class TrustedIssuers(Protocol):
    """Knows whose credentials count."""

    def trusts(self, issuer: str, credential_type: str) -> bool:
        """Say whether credentials of this type count when this DID issued them."""
        ...

    def is_authority(self, did: str) -> bool:
        """Say whether this DID is the authority of our data space."""
        ...


class Client(Protocol):
    """The guarded outbound client."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        json: Any = None,
        timeout_s: float | None = None,
        body_bytes_max: int | None = None,
    ) -> OutboundResponse:
        """Send a request and read the answer whole; HansaError outbound_* when it fails."""
        ...
