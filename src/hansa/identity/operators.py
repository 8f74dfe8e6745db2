"""The people of a node: its operator's token, sign-in links and sessions."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import msgspec

from hansa.identity.model import Caller
from hansa.kernel import Clock, Code, HansaError, Ids
from hansa.kernel.store import Kind, Store, Tx

SIGN_IN_LIFE = timedelta(minutes=10)
SESSION_IDLE = timedelta(hours=12)
SESSION_LIFE = timedelta(days=30)
_SEEN_EVERY = timedelta(minutes=5)
_SESSIONS_MAX = 1_000
_SIGN_INS_MAX = 100
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_TOKEN_CHARS_MIN = 20


class SignIn(msgspec.Struct, frozen=True, kw_only=True):
    """A one-time token, as its hash."""

    digest: str
    expires: datetime


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A signed-in browser, as the hash of its cookie."""

    digest: str
    created: datetime
    seen: datetime

    def is_open(self, now: datetime) -> bool:
        """Say whether it still counts: 12 hours idle, 30 days in all."""
        return now < self.seen + SESSION_IDLE and now < self.created + SESSION_LIFE


SIGN_IN: Kind[SignIn] = Kind("sign-in", SignIn, lambda each: each.digest)
SESSION: Kind[Session] = Kind("session", Session, lambda each: each.digest)


class Operators:
    """Who may operate this node.

    `store` is that of the node itself. `token` is the operator's (for commands and integrators);
    people come by one-time links and then have a session. Secrets are kept as hashes.
    """

    def __init__(
        self, store: Store, token: str, *, did: str, name: str, clock: Clock, ids: Ids
    ) -> None:
        if len(token) < _TOKEN_CHARS_MIN:
            raise HansaError(
                Code.settings_invalid,
                "The operator's token is too short.",
                f"It must have at least {_TOKEN_CHARS_MIN} characters: make a new one.",
                field="operator.token",
            )
        self._store = store
        self._digest = _digest(token)
        self._clock = clock
        self._ids = ids
        self._caller = Caller(did=did, kind="operator", name=name)

    async def invite(self) -> str:
        """Make a one-time sign-in token that counts for 10 minutes."""
        token, now = self._ids.token(), self._clock.now()

        def job(tx: Tx) -> None:
            for old in tx.find(SIGN_IN, limit=_SIGN_INS_MAX):
                if old.expires <= now:
                    tx.delete(SIGN_IN, old.digest)
            if tx.count(SIGN_IN) >= _SIGN_INS_MAX:
                raise HansaError(
                    Code.too_many_requests,
                    "There are too many unused sign-in links.",
                    "Use one of them, or wait 10 minutes.",
                )
            tx.put(SIGN_IN, SignIn(digest=_digest(token), expires=now + SIGN_IN_LIFE))

        await self._store.write(job)
        return token

    async def sign_in(self, token: str) -> str | None:
        """Trade a one-time token for the value of a session cookie; None if it does not count.

        Hand the cookie out as HttpOnly and SameSite=Strict.
        """
        cookie, now, digest = self._ids.token(), self._clock.now(), _digest(token)

        def job(tx: Tx) -> bool:
            link = tx.get(SIGN_IN, digest)
            tx.delete(SIGN_IN, digest)
            if link is None or link.expires <= now:
                return False
            sessions = tx.find(SESSION, limit=_SESSIONS_MAX)
            stale = [each for each in sessions if not each.is_open(now)]
            if not stale and len(sessions) == _SESSIONS_MAX:
                stale = [min(sessions, key=lambda each: each.seen)]
            for each in stale:
                tx.delete(SESSION, each.digest)
            tx.put(SESSION, Session(digest=_digest(cookie), created=now, seen=now))
            return True

        return cookie if await self._store.write(job) else None

    async def sign_out(self, cookie: str) -> None:
        """End the session behind a cookie value."""
        digest = _digest(cookie)
        await self._store.write(lambda tx: tx.delete(SESSION, digest))

    async def caller(self, cookie: str) -> Caller | None:
        """Give the operator behind a cookie value; None when there is no open session."""
        digest, now = _digest(cookie), self._clock.now()
        session = await self._store.read(lambda tx: tx.get(SESSION, digest))
        if session is None or not session.is_open(now):
            return None
        if now - session.seen >= _SEEN_EVERY:
            await self._store.write(lambda tx: _touch(tx, digest, now))
        return self._caller

    async def authenticate_operator(
        self, headers: Mapping[str, str], cookie: str | None, *, method: str
    ) -> Caller:
        """Give the operator behind a request: by `Authorization: Bearer`, else by the cookie.

        A cookie alone does not change anything unless the request comes from our own page
        (`check_origin`). HansaError token_unknown, sign_in_required (401), forbidden (403).
        """
        value = headers.get("authorization") or headers.get("Authorization")
        if value:
            scheme, _, token = value.partition(" ")
            if scheme.lower() == "bearer" and hmac.compare_digest(
                self._digest, _digest(token.strip())
            ):
                return self._caller
            raise HansaError(
                Code.token_unknown,
                "The operator's token is wrong.",
                "It stands in the file operator.token of the node's folder.",
                field="Authorization",
            )
        found = await self.caller(cookie) if cookie else None
        if found is None:
            raise HansaError(
                Code.sign_in_required,
                "Sign in first.",
                "Get a new link from the node's operator.",
                next="hansa open",
            )
        if method.upper() not in _SAFE_METHODS:
            check_origin(headers)
        return found


def check_origin(headers: Mapping[str, str]) -> None:
    """Raise HansaError forbidden unless a request comes from a page of the host it goes to.

    `Sec-Fetch-Site` must be `same-origin` where the browser sends it (another port is only
    `same-site`), and `Origin`, when there, must name the host and port of this request. A request
    with neither is refused.
    """
    site, origin = _header(headers, "Sec-Fetch-Site"), _header(headers, "Origin")
    own_host = _header(headers, "Host")
    fits = site == "same-origin" if site else origin is not None
    if origin is not None and (own_host is None or urlsplit(origin).netloc != own_host):
        fits = False
    if not fits:
        raise HansaError(
            Code.forbidden,
            "This request was not sent from a page of this node.",
            "Open the page again on this node and send it from there.",
        )


def _header(headers: Mapping[str, str], name: str) -> str | None:
    value = headers.get(name)
    return headers.get(name.lower()) if value is None else value


def _touch(tx: Tx, digest: str, now: datetime) -> None:
    session = tx.get(SESSION, digest)
    if session is not None:
        tx.put(SESSION, msgspec.structs.replace(session, seen=now))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
