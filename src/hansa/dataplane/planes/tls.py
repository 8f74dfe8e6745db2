"""TLS with a host that a consumer named, while connected to an address of it that was checked."""

from __future__ import annotations

import socket
import ssl
from functools import cache
from typing import Any

from hansa.kernel import Code, HansaError


class Tls:
    """Stands where a client wants an `ssl.SSLContext`, and checks the certificate by the host.

    The machine's own authorities take about 20 ms to read: once for all, and not here but where
    the first connection is made, which is a thread. A consumer's own takes little.
    """

    check_hostname = True

    def __init__(self, host: str, authority: str | None) -> None:
        """`authority` is PEM, None for those that the machine trusts; HansaError invalid_field."""
        self._host = host
        self._own = None if authority is None else _trusting(authority)
        self._wrapped: ssl.SSLSocket | None = None

    def wrap_socket(self, sock: socket.socket, **named: Any) -> ssl.SSLSocket:
        """Wrap, with the name in place of the address."""
        named["server_hostname"] = self._host
        self._wrapped = (self._own or known_authorities()).wrap_socket(sock, **named)
        return self._wrapped

    def close(self) -> None:
        """Close what was wrapped last: a handshake that fails leaves it open."""
        if self._wrapped is not None:
            self._wrapped.close()


@cache
def known_authorities() -> ssl.SSLContext:
    """Give the context that trusts whom the machine trusts; call it first in a thread."""
    context = _context()
    context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    return context


def _trusting(authority: str) -> ssl.SSLContext:
    context = _context()
    try:
        context.load_verify_locations(cadata=authority)
    except (ssl.SSLError, ValueError) as error:
        raise HansaError(
            Code.invalid_field, "`caCertificate` is no PEM certificate.", field="caCertificate"
        ) from error
    return context


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
