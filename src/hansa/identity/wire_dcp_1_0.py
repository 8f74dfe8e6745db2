"""Self-issued tokens (Decentralized Claims Protocol 1.0 4.3).

`iss` = `sub` = the sender's DID, `aud` = the receiver's, `jti` single use, a short life. Until
presentations are queried, ours stands in the claim `presentation`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from hansa.kernel import Code, HansaError
from hansa.kernel.crypto.jose import malformed

LIFE_S = 120
"""Life of our own tokens."""
LIFE_S_MAX = 300
"""Longest life that is accepted."""
LEEWAY_S = 30
"""How far two clocks may differ."""
_TEXT_MAX = 1024
_PRESENTATION = "presentation"


class SelfIssued(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of a self-issued token whose shape, audience and time are right."""

    issuer: str
    token_id: str
    expires_s: float
    presentation: str | None


def write(
    sender: str, audience: str, token_id: str, at: datetime, presentation: str | None
) -> dict[str, Any]:
    """Give the claims of a token of ours."""
    issued = int(at.timestamp())
    claims: dict[str, Any] = {
        "iss": sender,
        "sub": sender,
        "aud": audience,
        "jti": token_id,
        "iat": issued,
        "exp": issued + LIFE_S,
    }
    if presentation is not None:
        claims[_PRESENTATION] = presentation
    return claims


def read(claims: Mapping[str, Any], own_did: str, at: datetime) -> SelfIssued:
    """Check the claims of a token for `own_did`, before its signature costs anything.

    HansaError token_malformed, token_audience, token_expired.
    """
    issuer, token_id = _text(claims, "iss"), _text(claims, "jti")
    if claims.get("sub") != issuer:
        raise malformed("Its `sub` is not its `iss`.", "sub", "sub")
    issued_s, expires_s = _seconds(claims, "iat"), _seconds(claims, "exp")
    presentation = claims.get(_PRESENTATION)
    if presentation is not None and not isinstance(presentation, str):
        raise malformed("Its `presentation` is not a JWT.", "presentation", _PRESENTATION)
    audience = claims.get("aud")
    if audience != own_did and audience != [own_did]:
        raise HansaError(
            Code.token_audience,
            "The token is for someone else.",
            f"Its `aud` must be {own_did} and nothing else.",
            field="aud",
        )
    if expires_s - issued_s > LIFE_S_MAX:
        raise malformed(f"It lives longer than {LIFE_S_MAX} seconds.", "life", "exp")
    check_time(at.timestamp(), not_before_s=issued_s, expires_s=expires_s)
    if "nbf" in claims:
        check_time(at.timestamp(), not_before_s=_seconds(claims, "nbf"), expires_s=expires_s)
    return SelfIssued(
        issuer=issuer, token_id=token_id, expires_s=expires_s, presentation=presentation
    )


def check_time(now_s: float, *, not_before_s: float, expires_s: float) -> None:
    """Raise HansaError token_expired outside a time span, with 30 s for clocks that differ."""
    if now_s >= expires_s + LEEWAY_S:
        raise HansaError(
            Code.token_expired,
            "The token has expired.",
            "Make a new one for each message.",
            field="exp",
            reason="expired",
        )
    if now_s < not_before_s - LEEWAY_S:
        raise HansaError(
            Code.token_expired,
            "The token is not valid yet.",
            "Compare the clocks of both sides: they may differ by 30 seconds.",
            field="iat",
            reason="not_yet_valid",
        )


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _TEXT_MAX:
        raise malformed(f"Its `{name}` is missing or not a short string.", "claim", name)
    return value


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**33:
        raise malformed(f"Its `{name}` is missing or not a time in seconds.", "claim", name)
    return float(value)
