"""What is read of the address of a broker or server, and who finds where it may be called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

from hansa.kernel import Code, HansaError

_SECRET_LENGTH_MAX = 16_000


class Resolver(Protocol):
    """Finds the addresses that may be called (`OutboundClient.resolve`)."""

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """Give the permitted IP addresses of a host."""
        ...


def split_endpoint(endpoint: str, ports: dict[str, int]) -> tuple[Any, int]:
    """Split an endpoint of one of these schemes, and give its port or the scheme's own."""
    try:
        parts = urlsplit(endpoint)
        port = parts.port or ports.get(parts.scheme, 0)
    except ValueError:
        parts, port = urlsplit(""), 0
    if parts.scheme not in ports or not parts.hostname or parts.username or parts.query:
        raise HansaError(
            Code.invalid_field,
            f"The endpoint must be {' or '.join(f'{name}://host[:port]' for name in ports)}.",
            "User and password are properties of their own.",
            field="endpoint",
        )
    return parts, port


def secret_of(told: dict[str, str], name: str) -> str | None:
    """Give a property of the consumer's access; HansaError invalid_field when it is too long."""
    secret = told.get(name)
    if secret is not None and len(secret) > _SECRET_LENGTH_MAX:
        raise HansaError(Code.invalid_field, f"`{name}` is too long.", field=name)
    return secret
