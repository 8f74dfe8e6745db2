"""Access tokens for our calls to other planes: fetched as registered, kept for most of their life.

Two grants (Data Plane Signaling 1.0, Authorization Profiles): client credentials (RFC 6749 4.4),
and token exchange (RFC 8693), where the workload's own credential buys a token of a broker.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from hansa.dataplane.model import DataAddress
from hansa.dataplane.ports import Client
from hansa.kernel import Clock, Code, HansaError
from hansa.kernel.crypto import jose

CLIENT_CREDENTIALS = "oauth2_client_credentials"
TOKEN_EXCHANGE = "oauth2_token_exchange"  # noqa: S105 - a name
ALGORITHMS = jose.ALGORITHMS | {"RS256"}
"""What signs the tokens of these profiles: authorization servers use RSA, nobody else here does."""
ANSWER_BYTES_MAX = 64 * 1024
_CACHED_MAX = 1_000
_JWT = "urn:ietf:params:oauth:token-type:jwt"
_LIFE_S_MAX = 24 * 3600
_SHARE = 0.8


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """How this participant gets tokens by exchange: at one broker, in the name of one principal.

    `credential` reads the workload's own JWT anew each time. It goes to `broker` and nowhere else,
    whatever a plane registers.
    """

    broker: str
    resource: str
    credential: Callable[[], Awaitable[str]]
    scope: str = ""


class AccessTokens:
    """The tokens that other planes take from us; one for each plane."""

    def __init__(self, client: Client, clock: Clock, workload: Workload | None) -> None:
        self._client = client
        self._clock = clock
        self._workload = workload
        self._kept: OrderedDict[str, tuple[float, str]] = OrderedDict()

    async def of(self, key: str, audience: str, given: Mapping[str, Any]) -> str:
        """Give the token for a plane by its `authorization`; HansaError unavailable."""
        held = self._kept.get(key)
        now = self._clock.monotonic_s()
        if held is not None and now < held[0]:
            return held[1]
        if given["type"] == TOKEN_EXCHANGE:
            url, form = await self._exchange(audience, given)
        else:
            url, form = given["tokenEndpoint"], _credentials(audience, given)
        answer = await self._client.request(
            "POST",
            url,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode(form).encode(),
            body_bytes_max=ANSWER_BYTES_MAX,
        )
        read = answer.json() if answer.ok else None
        found: dict[str, Any] = read if isinstance(read, dict) else {}
        token = found.get("access_token")
        if not isinstance(token, str) or not DataAddress(endpoint="", authorization=token).sendable:
            raise HansaError(
                Code.unavailable,
                "No token for the plane can be had now.",
                f"Its token endpoint answered {answer.status}.",
            )
        self._kept[key] = (now + _SHARE * self._life_s(token, found), token)
        while len(self._kept) > _CACHED_MAX:
            self._kept.popitem(last=False)
        return token

    def forget(self, key: str) -> None:
        """Forget a token: the next call fetches another."""
        self._kept.pop(key, None)

    async def _exchange(
        self, audience: str, given: Mapping[str, Any]
    ) -> tuple[str, dict[str, str]]:
        """Give where the workload's credential is exchanged, and the request."""
        workload = self._workload
        if workload is None or workload.broker != given["tokenExchangeEndpoint"]:
            raise HansaError(
                Code.unavailable,
                "No token for the plane can be had here.",
                "Its broker is not the one of this participant: see `workload` in the settings.",
            )
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": await workload.credential(),
            "subject_token_type": _JWT,
            "resource": workload.resource,
            "audience": audience,
            "requested_token_type": _JWT,
        }
        return workload.broker, form | ({"scope": workload.scope} if workload.scope else {})

    def _life_s(self, token: str, answer: Mapping[str, Any]) -> float:
        """Give how long a token lives: what its `exp` says counts more than `expires_in`."""
        told = answer.get("expires_in")
        life_s = float(min(told, _LIFE_S_MAX)) if isinstance(told, int) and told > 0 else 60.0
        try:
            expires = jose.read(token, algorithms=ALGORITHMS).claims.get("exp")
        except HansaError:
            return life_s  # an opaque token
        if not isinstance(expires, int):
            return life_s
        return float(min(max(expires - int(self._clock.now().timestamp()), 0), _LIFE_S_MAX))


def _credentials(audience: str, given: Mapping[str, Any]) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_id": given["clientId"],
        "client_secret": given["clientSecret"],
        "audience": audience,
    }
