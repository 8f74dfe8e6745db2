"""The provider's token endpoint: new tokens for a consumer that proves who it is.

Data Plane Signaling 1.0, token renewal: the OAuth 2 refresh grant (RFC 6749 6), authenticated by a
token that the consumer's DID signed, with the present access token in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hansa.dataplane.ports import Signatures
from hansa.dataplane.service import Grants
from hansa.dataplane.tokens import token_of
from hansa.kernel import Clock, Code, HansaError
from hansa.kernel.crypto import jose
from hansa.kernel.problem import read_body, wall

TOKEN_PATH = "data/token"  # noqa: S105 - a path
_PURPOSES = ("authentication", "capabilityInvocation")
_BODY_BYTES_MAX = 64 * 1024
_LEEWAY_S = 30
_GRANT_TYPE = "refresh_token"


class TokenEndpoint:
    """Renews the access of the transfers of one participant."""

    def __init__(self, grants: Grants, signatures: Signatures, did: str, clock: Clock) -> None:
        self._grants = grants
        self._signatures = signatures
        self._did = did
        self._clock = clock

    async def renew(self, headers: Mapping[str, str], form: Mapping[str, str]) -> dict[str, Any]:
        """Give the answer of RFC 6749 5.1 for a refresh request.

        HansaError invalid_field; token_missing, token_malformed, token_audience, token_expired,
        token_signature, token_unknown (401); and what ends a transfer's right, as `authorise`.
        """
        if form.get("grant_type") != _GRANT_TYPE:
            raise HansaError(
                Code.invalid_field, "`grant_type` must be `refresh_token`.", field="grant_type"
            )
        refresh = form.get("refresh_token", "")
        if not refresh:
            raise HansaError(
                Code.invalid_field, "`refresh_token` is missing.", field="refresh_token"
            )
        token = jose.read(token_of(headers))
        consumer, access = self._claims(token)
        await self._grants.check_renewable(refresh, access, consumer)
        await self._verify(token, consumer)
        made = await self._grants.renew(refresh, access, consumer)
        return {
            "access_token": made.access,
            "token_type": "Bearer",
            "expires_in": made.life_s,
            "refresh_token": made.refresh,
        }

    def _claims(self, token: jose.Unverified) -> tuple[str, str]:
        claims, now = token.claims, self._clock.now().timestamp()
        issuer, access = claims.get("iss"), claims.get("token")
        if not isinstance(issuer, str) or issuer != claims.get("sub"):
            raise jose.malformed("`iss` and `sub` must be the consumer's DID.", "issuer", "iss")
        audience = claims.get("aud")
        if self._did not in (audience if isinstance(audience, list) else [audience]):
            raise HansaError(
                Code.token_audience,
                "The token is for somebody else.",
                "`aud` must be the provider's DID.",
                field="aud",
            )
        if not isinstance(access, str) or not access:
            raise jose.malformed("`token` must be the present access token.", "token", "token")
        for name, bound in (("exp", now - _LEEWAY_S), ("iat", None), ("nbf", None)):
            value = claims.get(name)
            if value is None:
                continue
            if not isinstance(value, int | float) or isinstance(value, bool):
                raise jose.malformed(f"`{name}` is not a number.", "claims", name)
            late = value <= bound if bound is not None else value > now + _LEEWAY_S
            if late:
                raise HansaError(Code.token_expired, "The token is not valid now.", field=name)
        return issuer, access.removeprefix("Bearer ")

    async def _verify(self, token: jose.Unverified, consumer: str) -> None:
        """Check the signature by the consumer's DID document, for either purpose that fits."""
        try:
            await self._signatures.check(token, consumer, _PURPOSES[0])
        except HansaError as error:
            if error.facts.get("reason") != "key_purpose":
                raise
            await self._signatures.check(token, consumer, _PURPOSES[1])


def token_routes(lookup: Callable[[str], TokenEndpoint]) -> list[Route]:
    """Give the token endpoint of every participant; errors are those of RFC 6749 5.2."""

    @wall(_refusal)
    async def renew(request: Request) -> Response:
        endpoint = lookup(request.path_params["participant"])
        body = await read_body(request, _BODY_BYTES_MAX)
        # The prose of the profile shows a form, its example a query: the body counts first.
        form = dict(request.query_params) | dict(parse_qsl(body.decode("utf-8", "replace")))
        return _answer(200, await endpoint.renew(request.headers, form))

    return [Route(f"/{{participant}}/{TOKEN_PATH}", renew, methods=["POST"])]


_INVALID_CLIENT = ("token_signature", "token_audience", "token_expired", "did_unresolvable")


def _refusal(error: HansaError) -> Response:
    code = error.code.value
    if error.code in (Code.invalid_field, Code.body_too_large):
        status, word = error.status, "invalid_request"
    elif code in _INVALID_CLIENT or code in ("token_missing", "token_malformed", "key_banned"):
        status, word = 401, "invalid_client"
    elif error.status >= 500:
        status, word = error.status, "temporarily_unavailable"
    else:
        status, word = 400, "invalid_grant"
    body = {"error": word, "error_description": error.title, "code": code}
    return _answer(status, body)


def _answer(status: int, body: Mapping[str, Any]) -> Response:
    headers = {"Cache-Control": "no-store", "Pragma": "no-cache"}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(
        msgspec.json.encode(body), status, media_type="application/json", headers=headers
    )
