"""What the data plane needs from outside; the node wires it."""

from __future__ import annotations

from collections.abc import AsyncIterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from hansa.dataplane.flow import DataFlow
from hansa.dataplane.model import GoverningAgreement
from hansa.identity import Membership
from hansa.kernel.crypto.jose import Unverified
from hansa.kernel.outbound import Client as Asking


class AgreementSource(Protocol):
    """Knows the agreements that grants are made under."""

    async def agreement(self, agreement_id: str) -> GoverningAgreement | None:
        """Give an agreement as it stands now, or None."""
        ...


class Standing(Protocol):
    """Knows who is a member in good standing, now."""

    def check(self, consumer: str, membership: Membership | None) -> None:
        """Return, or raise HansaError membership_suspended, status_unavailable or another 401.

        Called for every request and while an answer runs: it must not do I/O.
        """
        ...


class Signatures(Protocol):
    """Checks signatures by DID."""

    async def check(self, token: Unverified, signer: str, purpose: str) -> dict[str, Any]:
        """Give the claims that `signer` signed with a key for `purpose`; else HansaError."""
        ...


class ControlPlane(Protocol):
    """Who asked for a flow and decides what follows. Every method is idempotent."""

    async def ready(self, flow: DataFlow) -> None:
        """Note that a flow that was not ready at once is: ask for it again."""
        ...

    async def completed(self, flow: DataFlow) -> None:
        """Note that all data were moved."""
        ...

    async def errored(self, flow: DataFlow, reason: str) -> None:
        """Note what went wrong; nothing follows by itself."""
        ...


class Sealer(Protocol):
    """Encrypts secrets at rest; `context` must be the same at both calls."""

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Encrypt and authenticate."""
        ...

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Decrypt; HansaError when it was changed or belongs to another context."""
        ...


class Client(Asking, Protocol):
    """The guarded client: asks, reads whole or in parts, and checks an address beforehand."""

    def check(self, url: str) -> Any:
        """Return unless the URL may not be called: HansaError outbound_blocked says why."""
        ...

    def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | AsyncIterable[bytes] | None = None,
        timeout_s: float | None = None,
        idle_s: float | None = None,
    ) -> AbstractAsyncContextManager[Any]:
        """Open a request and give the answer before its body is read.

        It has `status`, `headers` and `content.iter_any()`. `idle_s` is for bulk: any size and
        duration, given as it is, as long as bytes keep coming.
        """
        ...
