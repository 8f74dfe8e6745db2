"""Verify tokens against the DID document of whoever signed them."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Any

from hansa.identity.resolver import DidResolver
from hansa.kernel.crypto import KeyRing, jose

_CACHED_MAX = 1_000


class Signatures:
    """Check signatures by DID. What was verified once is remembered by its hash, bounded.

    The DID document is asked every time, so a key that left it, was banned, or lost its purpose
    verifies nothing more, remembered or not.
    """

    def __init__(self, resolver: DidResolver, keys: KeyRing) -> None:
        self._resolver = resolver
        self._keys = keys
        self._seen: OrderedDict[bytes, tuple[jose.Unverified, str]] = OrderedDict()

    async def check(self, token: jose.Unverified, signer: str, purpose: str) -> dict[str, Any]:
        """Give the claims of a token that `signer` signed with a key for `purpose`.

        HansaError token_signature, key_banned, did_unresolvable.
        """
        return (await self._verify(token, signer, purpose, None))[0]

    async def check_repeated(
        self, text: str, token: jose.Unverified, signer: str, purpose: str
    ) -> dict[str, Any]:
        """Do the same for a token that comes again and again, such as a credential."""
        digest = _digest(text)
        held = self._seen.get(digest)
        known = held[1] if held else None
        claims, thumbprint = await self._verify(token, signer, purpose, known)
        self._seen[digest] = (token, thumbprint)
        self._seen.move_to_end(digest)
        if len(self._seen) > _CACHED_MAX:
            self._seen.popitem(last=False)
        return claims

    def read(self, text: str) -> jose.Unverified:
        """Take a token apart, or give what was taken apart before; not a verification."""
        held = self._seen.get(_digest(text))
        return held[0] if held else jose.read(text)

    async def _verify(
        self, token: jose.Unverified, signer: str, purpose: str, verified_by: str | None
    ) -> tuple[dict[str, Any], str]:
        kid = token.kid
        named = f"{signer}#{kid.rpartition('#')[2]}" if kid and kid != signer else None
        document = await self._resolver.resolve(signer, method=named)
        method = document.method(kid)
        self._keys.check_not_banned(method, method.rpartition("#")[2])
        key = document.key(method, purpose)
        self._keys.check_not_banned(key.thumbprint)
        if key.thumbprint != verified_by:
            token.verify(key)
        return token.claims, key.thumbprint


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
