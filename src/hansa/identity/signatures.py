"""Verify tokens against the DID document of whoever signed them."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from hansa.identity.resolver import DidResolver
from hansa.kernel.crypto import KeyRing, jose

_CACHED_MAX = 1_000
T = TypeVar("T")


class Repeated:
    """A token that comes again and again, such as a credential: read, and maybe verified before."""

    __slots__ = ("_said", "digest", "token", "verified_by")

    def __init__(self, digest: bytes, token: jose.Unverified) -> None:
        self.digest = digest
        self.token = token
        self.verified_by: str | None = None
        self._said: tuple[object, Any] | None = None

    def said(self, read: Callable[[Mapping[str, Any]], T]) -> T:
        """Give what `read` makes of the claims; the same reader is asked once."""
        if self._said is None or self._said[0] is not read:
            self._said = (read, read(self.token.claims))
        found: T = self._said[1]
        return found


class Signatures:
    """Check signatures by DID. What was verified once is remembered by its hash, bounded.

    The DID document is asked every time, so a key that left it, was banned, or lost its purpose
    verifies nothing more, remembered or not.
    """

    def __init__(self, resolver: DidResolver, keys: KeyRing) -> None:
        self._resolver = resolver
        self._keys = keys
        self._seen: OrderedDict[bytes, Repeated] = OrderedDict()

    async def check(self, token: jose.Unverified, signer: str, purpose: str) -> dict[str, Any]:
        """Give the claims of a token that `signer` signed with a key for `purpose`.

        HansaError token_signature, key_banned, did_unresolvable.
        """
        await self._verify(token, signer, purpose, None)
        return token.claims

    def read(self, text: str) -> Repeated:
        """Take a token apart, or give what was taken apart before; not a verification."""
        digest = hashlib.sha256(text.encode()).digest()
        return self._seen.get(digest) or Repeated(digest, jose.read(text))

    async def check_repeated(self, shown: Repeated, signer: str, purpose: str) -> None:
        """Do the same as `check` for a token that was read here, and remember it."""
        shown.verified_by = await self._verify(shown.token, signer, purpose, shown.verified_by)
        self._seen[shown.digest] = shown
        self._seen.move_to_end(shown.digest)
        if len(self._seen) > _CACHED_MAX:
            self._seen.popitem(last=False)

    async def _verify(
        self, token: jose.Unverified, signer: str, purpose: str, verified_by: str | None
    ) -> str:
        """Give the thumbprint of the key that it was signed with."""
        kid = token.kid
        named = f"{signer}#{kid.rpartition('#')[2]}" if kid and kid != signer else None
        document = await self._resolver.resolve(signer, method=named)
        method = document.method(kid)
        self._keys.check_not_banned(method, method.rpartition("#")[2])
        key = document.key(method, purpose)
        self._keys.check_not_banned(key.thumbprint)
        if key.thumbprint != verified_by:
            token.verify(key)
        return key.thumbprint
