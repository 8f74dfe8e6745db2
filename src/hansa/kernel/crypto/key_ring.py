"""The keys of one participant: rotated, banned, and sealed at rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from hansa.kernel.clock import Clock
from hansa.kernel.crypto import jose
from hansa.kernel.crypto.keys import PublicKey, SigningKey
from hansa.kernel.crypto.sealer import Sealer
from hansa.kernel.errors import Code, HansaError
from hansa.kernel.store import Kind, ReadTx, Store, Tx

_KEYS_MAX = 1_000
_BANNED_MAX = 10_000


class KeyState(StrEnum):
    """What a key may do: sign; only verify what it signed; nothing, ever again."""

    active = "active"
    retired = "retired"
    banned = "banned"


class StoredKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key of ours as it is kept. `sealed` is the private part, gone once it is not needed."""

    kid: str
    created: datetime
    state: KeyState
    jwk: dict[str, str]
    sealed: bytes | None
    published_until: datetime | None = None


class BannedKey(msgspec.Struct, frozen=True, kw_only=True):
    """The name of a key, ours or another's, that verifies nothing here any more."""

    name: str
    at: datetime
    reason: str


class PublishedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A public key that stands in the DID document."""

    kid: str
    key: PublicKey


KEY: Kind[StoredKey] = Kind("key", StoredKey, lambda key: key.kid)
BANNED: Kind[BannedKey] = Kind("banned-key", BannedKey, lambda banned: banned.name)


class KeyRing:
    """Sign as one participant, and say which keys others may verify that with.

    A `kid` is the JWK thumbprint (RFC 7638); in tokens it reads `<controller>#<kid>`. Private keys
    are sealed with the node's secret for this participant and kid. Call `load` before use; it makes
    the first key.
    """

    def __init__(self, store: Store, secret: bytes, *, controller: str, clock: Clock) -> None:
        self._store = store
        self._sealer = Sealer(secret, "key-ring")
        self._clock = clock
        self.controller = controller
        self.version = 0
        self._active: tuple[str, SigningKey] | None = None
        self._keys: tuple[StoredKey, ...] = ()
        self._banned: frozenset[str] = frozenset()

    async def load(self) -> None:
        """Read the keys, making the first one; HansaError settings_invalid for a wrong secret."""
        if not self._take(await self._store.read(_state)):
            await self._change(lambda tx, fresh: tx.put(KEY, fresh))

    def _take(self, state: tuple[list[StoredKey], list[BannedKey]]) -> bool:
        keys, banned = state
        active = next((key for key in keys if key.state is KeyState.active), None)
        if active is None:
            return False
        assert active.sealed is not None
        opened = SigningKey.of_der(self._sealer.open(active.sealed, self._context(active.kid)))
        self._active = (active.kid, opened)
        self._keys = tuple(sorted(keys, key=lambda key: key.created, reverse=True))
        self._banned = frozenset(item.name for item in banned)
        self.version += 1
        return True

    def _context(self, kid: str) -> bytes:
        return f"{self._store.participant}\0{kid}".encode()

    def _fresh(self) -> StoredKey:
        key = SigningKey.generate()
        kid = key.public.thumbprint
        return StoredKey(
            kid=kid,
            created=self._clock.now(),
            state=KeyState.active,
            jwk=key.public.jwk,
            sealed=self._sealer.seal(key.der(), self._context(kid)),
        )

    async def _change(self, job: Callable[[Tx, StoredKey], object]) -> StoredKey:
        fresh = self._fresh()

        def write(tx: Tx) -> tuple[list[StoredKey], list[BannedKey]]:
            job(tx, fresh)
            return _state(tx)

        taken = self._take(await self._store.write(write))
        assert taken, "a ring has an active key"
        return fresh

    @property
    def kid(self) -> str:
        """Give the name of the key that signs now."""
        return self._signing()[0]

    def _signing(self) -> tuple[str, SigningKey]:
        assert self._active is not None, "load the key ring before use"
        return self._active

    def history(self) -> tuple[StoredKey, ...]:
        """List all keys of the ring with their states, the newest first."""
        return self._keys

    def published(self) -> tuple[PublishedKey, ...]:
        """List the keys of the DID document: the active one first, then retired ones in time."""
        now = self._clock.now()
        shown = [key for key in self._keys if key.state is KeyState.active]
        shown += [
            key
            for key in self._keys
            if key.state is KeyState.retired and key.published_until and key.published_until > now
        ]
        return tuple(PublishedKey(kid=key.kid, key=PublicKey.of_jwk(key.jwk)) for key in shown)

    async def rotate(self, *, publish_until: datetime) -> str:
        """Sign with a new key from now on; give its kid.

        The old one's public part stays published until `publish_until`: choose the end of the last
        credential that it signed. Its private part is deleted.
        """
        old, now = self.kid, self._clock.now()
        past = [key.kid for key in self._keys if key.published_until and key.published_until <= now]

        def job(tx: Tx, fresh: StoredKey) -> None:
            for kid in past:
                tx.delete(KEY, kid)
            held = tx.get(KEY, old)
            if held is not None and held.state is KeyState.active:
                retired = msgspec.structs.replace(
                    held, state=KeyState.retired, sealed=None, published_until=publish_until
                )
                tx.put(KEY, retired)
            tx.put(KEY, fresh)

        return (await self._change(job)).kid

    async def ban(self, name: str, reason: str = "") -> None:
        """Never again verify with a key, ours or another participant's.

        `name` is a kid (thumbprint) or a whole `did#fragment`. A key of ours leaves the DID
        document at once, and when it was the active one a new key takes its place.
        """
        kid = name.removeprefix(f"{self.controller}#")
        banned = BannedKey(name=kid, at=self._clock.now(), reason=reason)
        own = next((key for key in self._keys if key.kid == kid), None)

        def job(tx: Tx, fresh: StoredKey | None) -> None:
            tx.put(BANNED, banned)
            if own is not None:
                tx.put(KEY, msgspec.structs.replace(own, state=KeyState.banned, sealed=None))
            if fresh is not None:
                tx.put(KEY, fresh)

        if own is not None and own.state is KeyState.active:
            await self._change(job)
            return

        def write(tx: Tx) -> tuple[list[StoredKey], list[BannedKey]]:
            job(tx, None)
            return _state(tx)

        self._take(await self._store.write(write))

    def check_not_banned(self, *names: str) -> None:
        """Raise HansaError key_banned when a kid, thumbprint or `did#fragment` was banned."""
        if not self._banned.isdisjoint(names):
            raise HansaError(
                Code.key_banned,
                "The key was banned here.",
                "Sign with another key of your DID document.",
            )

    def sign(
        self, payload: Mapping[str, Any], typ: str, headers: Mapping[str, Any] | None = None
    ) -> str:
        """Give a compact JWS over JSON claims, signed with the active key (ES256)."""
        kid, key = self._signing()
        name = f"{self.controller}#{kid}"
        return jose.sign(payload, key, {"typ": typ, "kid": name, **(headers or {})})


def _state(tx: ReadTx) -> tuple[list[StoredKey], list[BannedKey]]:
    return tx.find(KEY, limit=_KEYS_MAX), tx.find(BANNED, limit=_BANNED_MAX)
