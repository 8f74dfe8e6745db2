"""One participant's identity: its document, its tokens, and who calls it."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import structlog

from hansa.identity import did_web, wire_dcp_1_0, wire_did_1_0, wire_vcdm_2_0
from hansa.identity.model import (
    AUTHORITY_ROLE,
    MEMBERSHIP_CREDENTIAL,
    Caller,
    Credential,
    DidDocument,
    Membership,
    Service,
)
from hansa.identity.ports import StatusChecker, TrustedIssuers
from hansa.identity.resolver import DidResolver
from hansa.identity.signatures import Signatures
from hansa.identity.verifier import Verifier
from hansa.identity.wallet import Wallet
from hansa.kernel import Clock, Code, HansaError, Ids
from hansa.kernel.crypto import KeyRing, b64url, jose
from hansa.kernel.store import Store

_log = structlog.get_logger("hansa.identity")
_REPLAY_SCOPE = "si-token"
_PRESENTED_MAX = 4
_PRESENTATION_LIFE_S = 600
_PRESENTATION_LEFT_S = 300
_PRESENTATIONS_MAX = 1_000
_ROLES_MAX = 64


class Identity:
    """The identity of one participant.

    `base_url` is the node's; the participant lives at `<base_url>/<participant>`. `services` go
    into the DID document. `status` and `issuers` say whose membership counts now.
    """

    def __init__(
        self,
        participant: str,
        base_url: str,
        store: Store,
        keys: KeyRing,
        resolver: DidResolver,
        *,
        status: StatusChecker,
        issuers: TrustedIssuers,
        clock: Clock,
        ids: Ids,
        services: Sequence[Service] = (),
    ) -> None:
        self.participant = participant
        self.url = f"{base_url.rstrip('/')}/{participant}"
        self.did = did_web.did_of(self.url)
        assert keys.controller == self.did, "the key ring signs for another DID"
        self.keys = keys
        self.signatures = Signatures(resolver, keys)
        self.verifier = Verifier(self.signatures, issuers, clock)
        self.wallet = Wallet(store, self.verifier, self.did, clock)
        self._store = store
        self._resolver = resolver
        self._status = status
        self._issuers = issuers
        self._clock = clock
        self._ids = ids
        self._services = tuple(services)
        self._noting: set[str] = set()
        self._described: tuple[int, datetime, DidDocument] | None = None
        self._presentations: OrderedDict[str, tuple[int, int, datetime, str]] = OrderedDict()

    async def load(self) -> None:
        """Open the key ring, making the first key; before anything else is asked."""
        await self.keys.load()

    def described(self) -> DidDocument:
        """Give our DID document as a value, for who shares the process."""
        now = self._clock.now()
        held = self._described
        if held is None or held[0] != self.keys.version or (now - held[1]).total_seconds() > 1:
            document = wire_did_1_0.describe(self.did, self.keys.published(), self._services)
            held = self._described = (self.keys.version, now, document)
        return held[2]

    async def document(self) -> dict[str, Any]:
        """Give our DID document as JSON (DID Core 1.0)."""
        return wire_did_1_0.write(self.described())

    async def token_for(self, audience_did: str, *, presentation: bool = True) -> str:
        """Give a fresh token for one message to one participant (DCP 1.0 4.3).

        With `presentation` it carries the membership, when there is one in the wallet.
        """
        shown = await self._presentation_for(audience_did) if presentation else None
        claims = wire_dcp_1_0.write(
            self.did, audience_did, self._ids.uuid(), self._clock.now(), shown
        )
        return self.keys.sign(claims, "JWT")

    async def _presentation_for(self, audience: str) -> str | None:
        """Give a presentation for an audience; one serves several messages, so peers can cache."""
        memberships = await self.wallet.memberships()
        if not memberships:
            return None
        now = self._clock.now()
        held = self._presentations.get(audience)
        if held is not None and held[:2] == (self.wallet.version, self.keys.version):
            age_s = (now - held[2]).total_seconds()
            if 0 <= age_s < _PRESENTATION_LIFE_S - _PRESENTATION_LEFT_S:
                self._presentations.move_to_end(audience)
                return held[3]
        claims = wire_vcdm_2_0.presentation(
            self.did,
            [each.jwt for each in memberships[:_PRESENTED_MAX]],
            audience=audience,
            at=now,
            life_s=_PRESENTATION_LIFE_S,
        )
        made = self.keys.sign(claims, wire_vcdm_2_0.PRESENTATION_TYP, {"cty": "vp"})
        self._presentations[audience] = (self.wallet.version, self.keys.version, now, made)
        self._presentations.move_to_end(audience)
        if len(self._presentations) > _PRESENTATIONS_MAX:
            self._presentations.popitem(last=False)
        return made

    async def authenticate(self, headers: Mapping[str, str], *, membership: bool = True) -> Caller:
        """Give the caller behind request headers: the one place where that is decided.

        Every refusal is a HansaError with status 401: token_missing, token_malformed,
        token_audience, token_expired, did_unresolvable, token_signature, key_banned,
        membership_missing, membership_expired, issuer_untrusted, membership_suspended,
        status_unavailable, token_replayed. A token counts once, also across a restart: it is noted
        no later than whatever its message changes. One that only reads may be answered before its
        note is durable: a kill in that moment lets it read once more while it lasts. With
        `membership=False` (who asks to join) what is presented is not looked at.
        """
        try:
            token = jose.read(_bearer(headers))
            if token.typ not in ("", "jwt"):
                raise jose.malformed("Its `typ` must be JWT.", "typ", "typ")
            claims = wire_dcp_1_0.read(token.claims, self.did, self._clock.now())
            await self.signatures.check(token, claims.issuer, wire_did_1_0.INVOCATION)
            caller = await self._caller(claims, membership)
        except HansaError as error:
            if error.code is not Code.did_unresolvable:
                raise
            raise HansaError(
                error.code, error.title, error.detail, status=401, **error.facts
            ) from error
        await self._once(claims)
        return caller

    async def _caller(self, claims: wire_dcp_1_0.SelfIssued, membership: bool) -> Caller:
        did = claims.issuer
        if self._issuers.is_authority(did):
            return Caller(did=did, kind="participant", roles=frozenset({AUTHORITY_ROLE}))
        if not membership:
            return Caller(did=did, kind="participant")
        credential, found = await self.verifier.membership(
            claims.presentation, holder=did, audience=self.did
        )
        self.check_standing(did, found)
        return Caller(
            did=did,
            kind="participant",
            name=_title(credential),
            roles=_roles(credential),
            membership=found,
        )

    def check_standing(self, did: str, membership: Membership | None) -> None:
        """Return when `did` is still a member in good standing; it does no I/O.

        For what goes on after a call was authenticated. HansaError membership_missing,
        membership_expired, issuer_untrusted, membership_suspended, status_unavailable.
        """
        if self._issuers.is_authority(did):
            return
        if membership is None:
            raise HansaError(Code.membership_missing, "A membership credential is needed.")
        if self._clock.now() >= membership.valid_until:
            raise HansaError(
                Code.membership_expired,
                "The membership has expired.",
                "Ask the authority for a new credential.",
                reason="expired",
            )
        if not self._issuers.trusts(membership.authority, MEMBERSHIP_CREDENTIAL):
            raise HansaError(
                Code.issuer_untrusted,
                "The issuer of the credential is not trusted here.",
                f"{membership.authority} is not the authority of this data space.",
                issuer=membership.authority,
            )
        self._status.check(membership)

    async def _once(self, claims: wire_dcp_1_0.SelfIssued) -> None:
        name = hashlib.sha256(f"{claims.issuer}\0{claims.token_id}".encode()).digest()
        key = b64url(name)
        expires = datetime.fromtimestamp(claims.expires_s + wire_dcp_1_0.LEEWAY_S + 1, UTC)
        known = key in self._noting or await self._store.read(
            lambda tx: tx.remembered(_REPLAY_SCOPE, key)
        )
        if known or key in self._noting:
            raise _replayed()
        self._noting.add(key)
        try:
            noted = await self._store.write_ahead(
                lambda tx: tx.remember(_REPLAY_SCOPE, key, expires)
            )
        except BaseException:
            self._noting.discard(key)
            raise
        if noted.done() and not noted.result():  # another process was faster
            self._noting.discard(key)
            raise _replayed()
        noted.add_done_callback(lambda done: self._noted(key, done))

    def _noted(self, key: str, done: asyncio.Future[bool]) -> None:
        """Leave it to the store, which knows it now; what could not be kept is held here."""
        if done.cancelled() or done.exception() is not None:
            _log.error("token_not_noted", exc_info=None if done.cancelled() else done.exception())
        else:
            self._noting.discard(key)

    async def resolve(self, did: str) -> DidDocument:
        """Give the DID document of a counterparty; HansaError did_unresolvable."""
        return await self._resolver.resolve(did)


def _replayed() -> HansaError:
    return HansaError(
        Code.token_replayed,
        "The token was used before.",
        "Make a new one, with its own `jti`, for each message.",
        field="jti",
    )


def _bearer(headers: Mapping[str, str]) -> str:
    value = headers.get("authorization") or headers.get("Authorization") or ""
    scheme, _, token = value.strip().partition(" ")
    if not value.strip() or (scheme.lower() == "bearer" and not token.strip()):
        raise HansaError(
            Code.token_missing,
            "A token is needed.",
            "Send `Authorization: Bearer <self-issued token>`.",
            field="Authorization",
        )
    if scheme.lower() != "bearer":
        raise jose.malformed(
            "The header does not read `Bearer <self-issued token>`.", "scheme", "Authorization"
        )
    return token.strip()


def _title(credential: Credential) -> str:
    title = credential.claims.get("title")
    return title[:200] if isinstance(title, str) else ""


def _roles(credential: Credential) -> frozenset[str]:
    """Give the roles that the credential states; none can make a member the authority."""
    roles = credential.claims.get("roles")
    listed = roles[:_ROLES_MAX] if isinstance(roles, list) else []
    return frozenset(each for each in listed if isinstance(each, str)) - {AUTHORITY_ROLE}
