"""Access tokens: opaque, random, kept only as digests."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from hashlib import sha256

from hansa.dialect import bare_token
from hansa.kernel import Code, HansaError

_HEADER_LENGTH_MAX = 4_096
_NEXT = "Use the token of the transfer: `Authorization: Bearer ...`, or as password (Basic)."


def digest(token: str) -> str:
    """Give the SHA-256 of a token in hex, the only form that is kept."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def refresh_unknown() -> HansaError:
    """Say that a refresh token does not count (any more) for who showed it."""
    return HansaError(
        Code.token_unknown,
        "The refresh token is not known.",
        "Use the newest one, or let the transfer be suspended and resumed.",
    )


def token_of(headers: Mapping[str, str]) -> str:
    """Give the token of a request: `Bearer`, or `Basic` with the token as password (RFC 7617).

    A token and nothing else is one too: so EDC sends what it was given. Header names must be lower
    case or the mapping case-insensitive. HansaError token_missing, token_malformed.
    """
    header = headers.get("authorization", "")
    if header.startswith("Bearer ") and len(header) <= _HEADER_LENGTH_MAX:
        return header[7:].strip()
    if not header:
        raise HansaError(Code.token_missing, "There is no access token.", _NEXT)
    if len(header) > _HEADER_LENGTH_MAX:
        raise HansaError(
            Code.token_malformed,
            "The Authorization header is too long.",
            f"At most {_HEADER_LENGTH_MAX} characters.",
        )
    bare = bare_token(header)
    if bare is not None:
        return bare
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        return _password(rest)
    raise HansaError(Code.token_malformed, "The authorization scheme is not known.", _NEXT)


def _password(credentials: str) -> str:
    try:
        text = base64.b64decode(credentials.strip(), validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise HansaError(
            Code.token_malformed, "The Basic credentials can't be read.", _NEXT
        ) from error
    _, colon, password = text.partition(":")
    if not colon or not password:
        raise HansaError(Code.token_missing, "There is no access token as password.", _NEXT)
    return password
