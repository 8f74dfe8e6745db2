"""Who is calling, DID documents and credentials as values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from hansa.kernel.crypto import PublicKey, jose

MEMBERSHIP_CREDENTIAL = "MembershipCredential"
"""Type of the credential that makes its subject a member of a data space."""
AUTHORITY_ROLE = "authority"
"""Role of the authority itself when it calls its members."""


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """A membership credential that was checked: who issued it and where its status stands.

    `status_list` is the URL of the authority's status list and `status_index` the bit in it.
    """

    authority: str
    credential_id: str
    status_list: str
    status_index: int
    valid_until: datetime


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """An authenticated party. `did` is its participant id; the operator's is the node's own."""

    did: str
    kind: str  # "participant" or "operator"
    name: str = ""
    roles: frozenset[str] = frozenset()
    membership: Membership | None = None


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """A service of a DID document (DID Core 1.0 5.4). `id` is its fragment."""

    id: str
    type: str
    endpoint: str


class DidDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What a DID document says: keys by `did#fragment`, what each may do, and services."""

    did: str
    methods: Mapping[str, PublicKey]
    relationships: Mapping[str, frozenset[str]]
    services: tuple[Service, ...] = ()

    def method(self, kid: str | None) -> str:
        """Give the full id of the method that `kid` names: absolute, `#fragment` or fragment.

        Without a kid, or with the bare DID, only a document with one key is unambiguous.
        HansaError token_signature.
        """
        if kid is None or kid == self.did:
            if len(self.methods) == 1:
                return next(iter(self.methods))
            raise jose.unsigned("It does not name its key by `kid`.", "key_ambiguous")
        if kid.startswith("did:"):
            if kid.split("#", 1)[0] != self.did:
                raise jose.unsigned("Its key belongs to someone else.", "key_foreign")
            return kid
        return f"{self.did}#{kid.removeprefix('#')}"

    def key(self, method: str, purpose: str) -> PublicKey:
        """Give the key of a method that stands in a relationship such as `assertionMethod`.

        HansaError token_signature for an unknown key or one that may not do this.
        """
        key = self.methods.get(method)
        if key is None:
            raise jose.unsigned("Its key is not in the sender's DID document.", "key_unknown")
        if method not in self.relationships.get(purpose, frozenset()):
            raise jose.unsigned(f"Its key is not listed under `{purpose}`.", "key_purpose")
        return key

    def service(self, service_type: str) -> str | None:
        """Give the endpoint of the first service of a type, or None."""
        return next((each.endpoint for each in self.services if each.type == service_type), None)


class StatusEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Where a credential's status stands (Bitstring Status List 1.0 2.1)."""

    status_list: str
    index: int
    purpose: str


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """A verifiable credential (VCDM 2.0), as read; `claims` are those about its one subject."""

    id: str
    types: frozenset[str]
    issuer: str
    subject: str
    claims: Mapping[str, Any]
    valid_from: datetime
    valid_until: datetime
    status: StatusEntry | None


class Presentation(msgspec.Struct, frozen=True, kw_only=True):
    """A verifiable presentation with enveloped credentials (VCDM 2.0), as read."""

    holder: str
    audience: str | None
    expires: datetime | None
    credentials: tuple[str, ...]


class StoredCredential(msgspec.Struct, frozen=True, kw_only=True):
    """A credential in the wallet. `state` is `held` or `replaced`; a date makes it `expired`."""

    id: str
    types: tuple[str, ...]
    issuer: str
    jwt: str
    valid_from: datetime
    valid_until: datetime
    received: datetime
    state: str = "held"
    status_list: str | None = None
    status_index: int | None = None

    def state_at(self, now: datetime) -> str:
        """Give `held`, `replaced` or `expired`."""
        return "expired" if self.state == "held" and now >= self.valid_until else self.state
