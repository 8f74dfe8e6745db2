"""The authority that a participant trusts: pinned when it asks to join, kept across restarts."""

from __future__ import annotations

import msgspec

from hansa.identity import MEMBERSHIP_CREDENTIAL, DidResolver, document_json
from hansa.kernel.store import Kind, Store, Tx
from hansa.trust.model import Anchor

ANCHOR: Kind[Anchor] = Kind("trust-anchor", Anchor, lambda _: "authority")


class Anchors:
    """Whose memberships count for a participant (`TrustedIssuers`): one authority's, once pinned.

    Its last DID document is kept, so that signatures can be checked while it can't be reached.
    """

    def __init__(self, store: Store, resolver: DidResolver) -> None:
        self._store = store
        self._resolver = resolver
        self.authority: Anchor | None = None

    async def load(self) -> None:
        """Read the pinned authority."""
        self.take(await self._store.read(lambda tx: tx.get(ANCHOR, "authority")))

    def take(self, anchor: Anchor | None) -> None:
        """Trust this authority from now on; its pin was written by `pin_in`."""
        self.authority = anchor
        if anchor is not None:
            self._resolver.pin(anchor.did, anchor.document)

    async def keep_document(self) -> None:
        """Keep the authority's newest DID document for the time after a restart."""
        held = self.authority
        if held is None:
            return
        document = document_json(await self._resolver.resolve(held.did))
        if document != held.document and self.authority is held:
            self.authority = newer = msgspec.structs.replace(held, document=document)
            await self._store.write(lambda tx: tx.put(ANCHOR, newer))

    @staticmethod
    def pin_in(tx: Tx, anchor: Anchor) -> None:
        """Write the pin in a transaction; follow with `take` after its commit."""
        tx.put(ANCHOR, anchor)

    def trusts(self, issuer: str, credential_type: str) -> bool:
        """Say whether this is a membership credential of the pinned authority."""
        return self.is_authority(issuer) and credential_type == MEMBERSHIP_CREDENTIAL

    def is_authority(self, did: str) -> bool:
        """Say whether this is the pinned authority."""
        return self.authority is not None and self.authority.did == did
