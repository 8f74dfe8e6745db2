"""What identity needs from outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from hansa.identity.model import DidDocument, Membership

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
