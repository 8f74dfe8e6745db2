"""The consumer's side: the access that providers gave us, its secrets encrypted at rest."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

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

        One without a token is fetched without (DSP 2025-1 8.1.3 asks for none). HansaError
        invalid_field when the endpoint is missing, or endpoint or token can't be used.
        """
        if not 0 < len(address.endpoint) <= _ENDPOINT_LENGTH_MAX:
            raise HansaError(
                Code.invalid_field, "The data address has no usable endpoint.", field="endpoint"
            )
        secret = address.authorization
        visible = secret.isascii() and secret.isprintable() and secret.strip() == secret
        if not (len(secret) <= _SECRET_LENGTH_MAX and visible):
            raise HansaError(
                Code.invalid_field, "The data address has no usable token.", field="authorization"
            )
        now = self._clock.now()
        refresh, life_s = _renewal(address)
        access = Access(
            transfer_id=transfer_id,
            agreement_id=agreement_id,
            provider=provider,
            endpoint=address.endpoint,
            endpoint_type=address.endpoint_type,
            auth_type=address.auth_type,
            received=now,
            sealed=self._sealer.seal(address.authorization.encode(), self._context(transfer_id)),
            refresh=self._sealed_refresh(transfer_id, refresh),
            refresh_endpoint=address.properties.get("refreshEndpoint", address.endpoint),
            expires=None if refresh is None else now + timedelta(seconds=life_s),
            life_s=life_s,
        )

        def job(tx: Tx) -> None:
            tx.put(ACCESS, access)

        await self._store.write(job)

    async def renewed(self, before: Access, token: str, refresh: str, life_s: int) -> None:
        """Keep the tokens of a renewal, unless a newer address or the end came in between."""
        if not DataAddress(endpoint="", authorization=token).sendable:
            raise HansaError(Code.counterparty_refused, "The renewed token fits no header.")
        context = self._context(before.transfer_id)
        after = msgspec.structs.replace(
            before,
            sealed=self._sealer.seal(token.encode(), context),
            refresh=self._sealed_refresh(before.transfer_id, refresh),
            expires=self._clock.now() + timedelta(seconds=life_s),
            life_s=life_s,
        )

        def job(tx: Tx) -> None:
            if tx.get(ACCESS, before.transfer_id) == before:
                tx.put(ACCESS, after)

        await self._store.write(job)

    def refresh_token(self, access: Access) -> str | None:
        """Give the refresh token of what `describe` gave, or None."""
        if access.refresh is None:
            return None
        context = self._context(access.transfer_id) + b"/refresh"
        return self._sealer.open(access.refresh, context).decode()

    def _sealed_refresh(self, transfer_id: str, refresh: str | None) -> bytes | None:
        if refresh is None:
            return None
        return self._sealer.seal(refresh.encode(), self._context(transfer_id) + b"/refresh")

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
                tx.put(ACCESS, _dropped(known, reason))

        await self._store.write(job)


def _dropped(known: Access, reason: str | None) -> Access:
    return msgspec.structs.replace(known, sealed=None, refresh=None, reason=reason)


def _renewal(address: DataAddress) -> tuple[str | None, int]:
    """Give the refresh token and the life in seconds of a received token; None: not renewable.

    HansaError invalid_field for one without `expiresIn`, or with a way in clear from an https one.
    """
    refresh = address.properties.get("refreshToken")
    if not refresh:
        return None, 0
    life = address.properties.get("expiresIn", "")
    if len(refresh) > _SECRET_LENGTH_MAX or not (life.isdecimal() and int(life[:9]) > 0):
        raise HansaError(
            Code.invalid_field,
            "The data address can't be renewed as it says.",
            "A `refreshToken` needs `expiresIn` in seconds.",
            field="expiresIn",
        )
    endpoint, renewal = (
        urlsplit(address.endpoint),
        urlsplit(address.properties.get("refreshEndpoint", address.endpoint)),
    )
    if renewal.scheme not in ("https", endpoint.scheme) or not renewal.hostname:
        raise HansaError(
            Code.invalid_field,
            "The data address can't be renewed as it says.",
            "Its `refreshEndpoint` must be https.",
            field="refreshEndpoint",
        )
    return refresh, int(life[:9])
