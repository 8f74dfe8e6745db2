"""What the catalogue needs from outside; the node wires it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from hansa.catalogue.model import Party
from hansa.identity import Caller


class Authenticator(Protocol):
    """The one function from request headers to caller."""

    async def authenticate(self, headers: Mapping[str, str], *, membership: bool = True) -> Caller:
        """Give the caller; HansaError 401 says what is wrong with the token or membership."""
        ...


class Tokens(Protocol):
    """Makes what we show to another participant to say who we are."""

    async def authorization_for(self, did: str) -> str:
        """Give the whole `Authorization` header value for a request to one participant."""
        ...


class Parties(Protocol):
    """Knows the other participants."""

    async def members(self) -> Sequence[Party]:
        """List the participants whose catalogues we read, ourselves left out."""
        ...

    async def dsp_endpoint(self, did: str) -> str:
        """Give the base URL of a participant's Dataspace Protocol 2025-1 endpoints."""
        ...
