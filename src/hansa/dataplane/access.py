"""The consumer's side: the access that providers gave us, its secrets encrypted at rest."""

from __future__ import annotations

import msgspec

from hansa.dataplane.model import ACCESS, Access, DataAddress
from hansa.dataplane.ports import Sealer
from hansa.kernel import Clock, Code, HansaError
from hansa.kernel.store import Store, Tx

_ENDPOINT_LENGTH_MAX = 2_000
_SECRET_LENGTH_MAX = 16_000


class AccessStore:
    """The received data addresses of one participant, by transfer."""

    def __init__(self, store: Store, sealer: Sealer, clock: Clock) -> None:
        self._store = store
        self._sealer = sealer
        self._clock = clock

    def _context(self, transfer_id: str) -> bytes:
        return f"dataplane/access/{self._store.participant}/{transfer_id}".encode()

    async def received(
        self, transfer_id: str, address: DataAddress, *, agreement_id: str, provider: str
    ) -> None:
        """Keep the address of a transfer; a newer one (after a resumption) replaces it.

        HansaError invalid_field when endpoint or secret is missing or too long.
        """
        if not 0 < len(address.endpoint) <= _ENDPOINT_LENGTH_MAX:
            raise HansaError(
                Code.invalid_field, "The data address has no usable endpoint.", field="endpoint"
            )
        secret = address.authorization
        visible = secret.isascii() and secret.isprintable() and secret.strip() == secret
        if not (0 < len(secret) <= _SECRET_LENGTH_MAX and visible):
            raise HansaError(
                Code.invalid_field, "The data address has no usable token.", field="authorization"
            )
        access = Access(
            transfer_id=transfer_id,
            agreement_id=agreement_id,
            provider=provider,
            endpoint=address.endpoint,
            endpoint_type=address.endpoint_type,
            auth_type=address.auth_type,
            received=self._clock.now(),
            sealed=self._sealer.seal(address.authorization.encode(), self._context(transfer_id)),
        )

        def job(tx: Tx) -> None:
            tx.put(ACCESS, access)

        await self._store.write(job)

    async def get(self, transfer_id: str) -> DataAddress:
        """Give the address with its secret.

        HansaError not_found before anything was received, transfer_ended after it was dropped.
        """
        return self.open(await self.describe(transfer_id))

    def open(self, access: Access | None) -> DataAddress:
        """Give the address with its secret out of what `describe` gave; raises as `get`."""
        if access is None:
            raise HansaError(
                Code.not_found,
                "This transfer has no access yet.",
                "Wait until the provider has started it.",
            )
        if access.sealed is None:
            raise HansaError(
                Code.transfer_ended,
                "The access of this transfer is gone.",
                access.reason or "Start a new transfer under the agreement.",
            )
        secret = self._sealer.open(access.sealed, self._context(access.transfer_id))
        return DataAddress(
            endpoint=access.endpoint,
            authorization=secret.decode(),
            endpoint_type=access.endpoint_type,
            auth_type=access.auth_type,
        )

    async def describe(self, transfer_id: str) -> Access | None:
        """Give what is kept about a transfer's access, the secret sealed; None when nothing is."""
        return await self._store.read(lambda tx: tx.get(ACCESS, transfer_id))

    async def held(self) -> list[Access]:
        """List the transfers that we can fetch from (at most 1,000)."""
        return await self._store.read(lambda tx: tx.find(ACCESS, {"state": "held"}, limit=1_000))

    async def dropped(self, transfer_id: str, reason: str | None = None) -> None:
        """Forget the secret of a transfer that was suspended or ended. Idempotent."""

        def job(tx: Tx) -> None:
            known = tx.get(ACCESS, transfer_id)
            if known is not None and known.sealed is not None:
                tx.put(ACCESS, msgspec.structs.replace(known, sealed=None, reason=reason))

        await self._store.write(job)
