"""The registered planes of one participant, and who of them calls: nobody is let in unknown.

Three kinds of authorization, each for both directions. `bearer_secret`: one secret of the pair,
sent as bearer token. `oauth2_client_credentials` and `oauth2_token_exchange` (Data Plane Signaling
1.0): we fetch a token for our calls (`access_tokens.py`), and verify theirs, a JWT with `sub` = the
plane's id and `aud` = our own, by its keys or those of its broker.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
import structlog

from hansa.dataplane.model import DataAddress
from hansa.dataplane.ports import Client, Sealer
from hansa.dataplane.signaling.access_tokens import (
    ALGORITHMS,
    ANSWER_BYTES_MAX,
    CLIENT_CREDENTIALS,
    TOKEN_EXCHANGE,
    AccessTokens,
    Workload,
)
from hansa.dataplane.signaling.model import PEER, Peer, PeerKind, peer_key
from hansa.dataplane.signaling.wire_dps_1_0_rc3 import Registration
from hansa.dataplane.tokens import digest
from hansa.kernel import Clock, Code, HansaError
from hansa.kernel.crypto import PublicKey, jose
from hansa.kernel.store import Store, Tx

_log = structlog.get_logger("hansa.signaling")
SECRET_LENGTH_MIN = 32
PEERS_MAX = 1_000
_LEEWAY_S = 30
_LIFE_S_MAX = 24 * 3600
_KEYS_AGE_S = 300
_KEYS_AGAIN_S = 10
_KEYS_MAX = 50
BEARER_SECRET = "bearer_secret"  # noqa: S105 - a name
_TYPES = (BEARER_SECRET, CLIENT_CREDENTIALS, TOKEN_EXCHANGE)
_MEMBERS = {
    CLIENT_CREDENTIALS: ("tokenEndpoint", "clientId", "clientSecret"),
    TOKEN_EXCHANGE: ("tokenExchangeEndpoint", "issuer", "jwksUri"),
}
DATAFLOW = "signaling:dataflow"
REGISTRATION = "signaling:registration"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Peers:
    """The registered planes. `url` is our own signaling base, the audience of tokens for us."""

    def __init__(
        self,
        store: Store,
        *,
        url: str,
        did: str,
        sealer: Sealer,
        client: Client,
        clock: Clock,
        allow_http: bool = False,
        workload: Workload | None = None,
    ) -> None:
        """`allow_http` lets planes on this machine be called without TLS: for local use only.

        `workload` is how tokens are got by exchange; without it no broker is asked.
        """
        self._store = store
        self._audiences = frozenset({url, did})
        self._contexts = frozenset({did, store.participant})
        self._sealer = sealer
        self._client = client
        self._clock = clock
        self._allow_http = allow_http
        self._tokens = AccessTokens(client, clock, workload)
        self._keys: OrderedDict[str, tuple[float, dict[str, PublicKey]]] = OrderedDict()

    async def register(self, kind: PeerKind, given: Registration) -> Peer:
        """Add or replace a plane; HansaError invalid_field, too_many_requests."""
        self.check_url(given.endpoint, "endpoint")
        if kind is PeerKind.data_plane and not given.profiles:
            raise _bad("profiles", "Name at least one.")
        secret = self._check_authorization(given.authorization)
        peer = Peer(
            kind=kind,
            id=given.id,
            endpoint=given.endpoint,
            profiles=given.profiles,
            labels=given.labels,
            authorization=given.authorization["type"],
            sealed=self._sealer.seal(
                msgspec.json.encode(given.authorization), self._context(kind, given.id)
            ),
            digest=None if secret is None else digest(secret),
            modified=self._clock.now(),
        )

        def job(tx: Tx) -> None:
            key = PEER.key(peer)
            if tx.get(PEER, key) is None and tx.count(PEER) >= PEERS_MAX:
                raise HansaError(
                    Code.too_many_requests, f"At most {PEERS_MAX} planes can be registered."
                )
            same = tx.find(PEER, {"digest": peer.digest}) if peer.digest else []
            if any(PEER.key(other) != key for other in same):
                raise HansaError(
                    Code.conflict,
                    "Another plane has this secret.",
                    "Give each plane a secret of its own.",
                    field="authorization",
                )
            tx.put(PEER, peer)

        await self._store.write(job)
        self._forget(peer)
        _log.info("plane_registered", kind=kind.value, id=given.id)
        return peer

    async def remove(self, kind: PeerKind, peer_id: str) -> bool:
        """Forget a plane; False when it was not there. Its running flows stay as they are."""
        peer = await self.find(kind, peer_id)
        if peer is not None:
            self._forget(peer)
        return await self._store.write(lambda tx: tx.delete(PEER, peer_key(kind, peer_id)))

    async def find(self, kind: PeerKind, peer_id: str) -> Peer | None:
        """Give a registered plane, or None."""
        return await self._store.read(lambda tx: tx.get(PEER, peer_key(kind, peer_id)))

    async def list(self, kind: PeerKind) -> list[Peer]:
        """List the registered planes of a kind."""
        return await self._store.read(
            lambda tx: tx.find(PEER, {"kind": kind.value}, limit=PEERS_MAX)
        )

    def check_url(self, url: str, field: str) -> None:
        """Raise HansaError invalid_field unless a URL is https (or http to this very machine)."""
        parts = urlsplit(url)
        local = self._allow_http and parts.scheme == "http" and parts.hostname in _LOOPBACK
        if parts.username or parts.password or not parts.hostname:
            raise _bad(field, "It must be a URL with a host and without a user.")
        if parts.scheme != "https" and not local:
            raise _bad(field, "It must be an https URL.")

    # -- who calls ---------------------------------------------------------------------------

    async def authenticate(
        self, headers: Mapping[str, str], kind: PeerKind, scope: str = DATAFLOW
    ) -> Peer:
        """Give the plane that calls; HansaError 401 token_* says what failed.

        `scope` is what a broker's token must allow; forbidden when it does not.
        """
        scheme, _, token = headers.get("authorization", "").strip().partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise HansaError(
                Code.token_missing,
                "A token is needed.",
                "Send `Authorization: Bearer ...` as agreed in the registration.",
            )
        hashed = digest(token)
        for peer in await self._store.read(lambda tx: tx.find(PEER, {"digest": hashed})):
            if peer.kind is kind and peer.authorization == BEARER_SECRET:
                return peer
        if token.count(".") == 2:
            return await self._by_jwt(token, kind, scope)
        raise _unknown()

    async def _by_jwt(self, text: str, kind: PeerKind, scope: str) -> Peer:
        token = jose.read(text, algorithms=ALGORITHMS)
        claims = token.claims
        subject = claims.get("sub")
        peer = await self.find(kind, subject) if isinstance(subject, str) else None
        if peer is None or peer.authorization == BEARER_SECRET:
            raise _unknown()
        await self._verify(token, peer)
        if peer.authorization == TOKEN_EXCHANGE:
            self._check_exchanged(claims, peer, scope)
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if not self._audiences.intersection(each for each in audiences if isinstance(each, str)):
            raise HansaError(Code.token_audience, "The token is for somebody else.", field="aud")
        now = self._clock.now().timestamp()
        issued, expires = claims.get("iat"), claims.get("exp")
        if not isinstance(issued, int) or not isinstance(expires, int) or "iss" not in claims:
            raise jose.malformed("It needs `iss`, `iat` and `exp`.", "claims")
        if not issued - _LEEWAY_S <= now < expires + _LEEWAY_S or expires - issued > _LIFE_S_MAX:
            raise HansaError(Code.token_expired, "The token has expired.", field="exp")
        return peer

    def _check_exchanged(self, claims: Mapping[str, Any], peer: Peer, scope: str) -> None:
        """Check what a broker's token says besides; its principal is the registered plane."""
        if claims.get("iss") != self._authorization(peer)["issuer"]:
            raise HansaError(Code.token_unknown, "The token is of another issuer.", field="iss")
        context = claims.get("participant_context")
        if not isinstance(context, str) or context not in self._contexts:
            raise HansaError(
                Code.token_audience,
                "The token is for another participant.",
                field="participant_context",
            )
        if scope not in str(claims.get("scope", "")).split():
            raise HansaError(
                Code.forbidden, "The token does not allow this.", f"Needed: {scope}.", field="scope"
            )

    async def _verify(self, token: jose.Unverified, peer: Peer) -> None:
        """Check the signature with the registered keys; without keys nothing is believed."""
        given = self._authorization(peer)
        listed = given.get("jwks")
        if listed is None:
            keys = await self._fetched_keys(given.get("jwksUri"), token.kid)
        else:
            keys = _keys_of(listed)
        if token.kid is None:  # each may be tried; with several, a name is needed
            key = next(iter(keys.values())) if len(keys) == 1 else None
        else:
            key = keys.get(token.kid)
        if key is None:
            raise jose.unsigned("None of the plane's keys has this name.", "unknown_key")
        token.verify(key)

    async def _fetched_keys(self, uri: Any, kid: str | None) -> dict[str, PublicKey]:
        if not isinstance(uri, str):
            raise jose.unsigned("The plane was registered without keys.", "no_keys")
        now = self._clock.monotonic_s()
        held = self._keys.get(uri)
        age = _KEYS_AGE_S if held is None or (kid or "") in held[1] else _KEYS_AGAIN_S
        if held is not None and now - held[0] < age:
            return held[1]
        answer = await self._client.request("GET", uri, body_bytes_max=ANSWER_BYTES_MAX)
        if not answer.ok:
            raise HansaError(Code.unavailable, "The plane's keys can't be had now.")
        keys = _keys_of(answer.json())
        self._keys[uri] = (now, keys)
        while len(self._keys) > _KEYS_MAX:
            self._keys.popitem(last=False)
        return keys

    # -- whom we call ------------------------------------------------------------------------

    async def header(self, peer: Peer) -> str:
        """Give the Authorization value for a call to a plane; HansaError unavailable."""
        given = self._authorization(peer)
        if peer.authorization == BEARER_SECRET:
            return f"Bearer {given['secret']}"
        return f"Bearer {await self._tokens.of(PEER.key(peer), peer.id, given)}"

    def refused(self, peer: Peer) -> None:
        """Forget the token for a plane that it did not accept: the next call fetches another."""
        self._tokens.forget(PEER.key(peer))

    # -- within ------------------------------------------------------------------------------

    def _check_authorization(self, given: Mapping[str, Any]) -> str | None:
        """Check an authorization; give its bearer secret, if that is its kind."""
        kind = given.get("type")
        if kind not in _TYPES:
            raise _bad("authorization.type", f"Use one of {', '.join(_TYPES)}.")
        if kind == BEARER_SECRET:
            secret = given.get("secret")
            if not isinstance(secret, str) or not SECRET_LENGTH_MIN <= len(secret) <= 1_000:
                raise _bad(
                    "authorization.secret", f"It needs at least {SECRET_LENGTH_MIN} characters."
                )
            if not DataAddress(endpoint="", authorization=secret).sendable:
                raise _bad("authorization.secret", "It must be printable ASCII without spaces.")
            return secret
        for name in _MEMBERS[kind]:
            if not isinstance(given.get(name), str) or not given[name]:
                raise _bad(f"authorization.{name}", "It must be a string that is not empty.")
        endpoint = _MEMBERS[kind][0]
        self.check_url(given[endpoint], f"authorization.{endpoint}")
        if kind == TOKEN_EXCHANGE and "jwks" in given:
            raise _bad("authorization.jwks", "A broker's keys are fetched: give `jwksUri`.")
        if ("jwks" in given) == ("jwksUri" in given):
            raise _bad(
                "authorization.jwks", "Give `jwks` or `jwksUri`: tokens are verified, always."
            )
        if "jwks" in given:
            _keys_of(given["jwks"])
        elif not isinstance(given["jwksUri"], str):
            raise _bad("authorization.jwksUri", "It must be a URL.")
        else:
            self.check_url(given["jwksUri"], "authorization.jwksUri")
        return None

    def _authorization(self, peer: Peer) -> dict[str, Any]:
        plain = self._sealer.open(peer.sealed, self._context(peer.kind, peer.id))
        return msgspec.json.decode(plain, type=dict[str, Any])

    def _context(self, kind: PeerKind, peer_id: str) -> bytes:
        return f"signaling/{self._store.participant}/{peer_key(kind, peer_id)}".encode()

    def _forget(self, peer: Peer) -> None:
        self._tokens.forget(PEER.key(peer))


def _keys_of(document: Any) -> dict[str, PublicKey]:
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list) or not 0 < len(listed) <= _KEYS_MAX:
        raise _bad("authorization.jwks", f"It must be a JWK set with 1 to {_KEYS_MAX} keys.")
    keys: dict[str, PublicKey] = {}
    for jwk in listed:
        try:
            key = PublicKey.of_jwk(jwk, with_rsa=True)
        except (HansaError, AttributeError, TypeError):
            continue  # a set may hold keys of kinds that are not used here
        keys[str(jwk.get("kid", ""))] = key
    if not keys:
        raise _bad("authorization.jwks", "It has no key for ES256, ES384, EdDSA or RS256.")
    return keys


def _unknown() -> HansaError:
    return HansaError(
        Code.token_unknown,
        "No registered plane has this token.",
        "Register the plane first; its operator gives its authorization.",
    )


def _bad(field: str, detail: str) -> HansaError:
    return HansaError(Code.invalid_field, f"`{field}` is not right.", detail, field=field)
