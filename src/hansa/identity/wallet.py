"""The credentials of one participant."""

from __future__ import annotations

from datetime import datetime

import msgspec

from hansa.identity.model import MEMBERSHIP_CREDENTIAL, Membership, StoredCredential
from hansa.identity.verifier import Verifier, membership_of
from hansa.kernel import Clock, Code, HansaError
from hansa.kernel.store import Kind, ReadTx, Store, Tx

CREDENTIAL: Kind[StoredCredential] = Kind(
    "credential", StoredCredential, lambda each: each.id, {"issuer": lambda each: each.issuer}
)
CREDENTIALS_MAX = 1_000


class Wallet:
    """Keep credentials about ourselves. Only what was verified comes in."""

    def __init__(self, store: Store, verifier: Verifier, did: str, clock: Clock) -> None:
        self._store = store
        self._verifier = verifier
        self._did = did
        self._clock = clock
        self._held: tuple[StoredCredential, ...] | None = None
        self.version = 0

    async def credentials(self) -> tuple[StoredCredential, ...]:
        """List all credentials, also replaced and expired ones, the newest first."""
        if self._held is None:
            self._held = await self._store.read(_all)
        return self._held

    async def memberships(self) -> tuple[StoredCredential, ...]:
        """List the membership credentials that can be shown now, the newest first."""
        now = self._clock.now()
        return tuple(
            each
            for each in await self.credentials()
            if MEMBERSHIP_CREDENTIAL in each.types and _presentable(each, now)
        )

    async def store(self, jwt: str) -> StoredCredential:
        """Verify a credential and keep it; the same one again changes nothing.

        A credential of the same types from the same issuer takes the place of an older one.
        HansaError: as `Verifier.credential`, and conflict when the wallet is full.
        """
        found = await self._verifier.credential(jwt, subject=self._did)
        received = StoredCredential(
            id=found.id,
            types=tuple(sorted(found.types - {"VerifiableCredential"})),
            issuer=found.issuer,
            jwt=jwt,
            valid_from=found.valid_from,
            valid_until=found.valid_until,
            received=self._clock.now(),
            status_list=found.status.status_list if found.status else None,
            status_index=found.status.index if found.status else None,
        )
        if MEMBERSHIP_CREDENTIAL in found.types:
            membership_of(found)

        def job(tx: Tx) -> tuple[StoredCredential, ...]:
            _keep(tx, received)
            return _all(tx)

        self._held = await self._store.write(job)
        self.version += 1
        return received


def membership_in(credential: StoredCredential) -> Membership | None:
    """Give the membership that a stored credential states, or None."""
    if credential.status_list is None or credential.status_index is None:
        return None
    return Membership(
        authority=credential.issuer,
        credential_id=credential.id,
        status_list=credential.status_list,
        status_index=credential.status_index,
        valid_until=credential.valid_until,
    )


def _keep(tx: Tx, received: StoredCredential) -> None:
    held = tx.get(CREDENTIAL, received.id)
    if held is not None and held.jwt == received.jwt:
        return
    if held is None and tx.count(CREDENTIAL) >= CREDENTIALS_MAX:
        raise HansaError(
            Code.conflict, "The wallet is full.", f"It holds at most {CREDENTIALS_MAX} credentials."
        )
    for other in tx.find(CREDENTIAL, {"issuer": received.issuer}, limit=CREDENTIALS_MAX):
        if other.state == "held" and other.types == received.types and other.id != received.id:
            tx.put(CREDENTIAL, msgspec.structs.replace(other, state="replaced"))
    tx.put(CREDENTIAL, received)


def _all(tx: ReadTx) -> tuple[StoredCredential, ...]:
    found = tx.find(CREDENTIAL, limit=CREDENTIALS_MAX)
    return tuple(sorted(found, key=lambda each: each.received, reverse=True))


def _presentable(credential: StoredCredential, now: datetime) -> bool:
    return credential.state_at(now) == "held"
