"""The consumer's side of token renewal: before the end of a token, and when it is refused.

One renewal per transfer at a time, shared by all who wait. The new tokens are written before they
are used: a crash in between costs nothing, because the old refresh token counts until then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

import structlog

from hansa.dataplane.access import AccessStore
from hansa.dataplane.model import Access, DataAddress
from hansa.dataplane.ports import Client
from hansa.kernel import Clock, Code, HansaError, fault
from hansa.kernel.outbound import OutboundResponse

_log = structlog.get_logger("hansa.dataplane")
_TIMEOUT_S = 10.0
_ANSWER_BYTES_MAX = 64 * 1024
_EARLY_PART = 0.1
_EARLY_S_MAX = 300.0
_LIFE_S_MAX = 10**9
"""A provider may say any number; beyond this it is no instant that a clock can show."""
SignRenewal = Callable[[str, str], Awaitable[str]]
"""Gives a token signed by our DID for a provider's DID, with an access token in it."""


class Renewing:
    """Gives addresses whose token counts. `sign` proves who we are to the provider."""

    def __init__(
        self, access: AccessStore, client: Client, sign: SignRenewal, clock: Clock
    ) -> None:
        self._access = access
        self._client = client
        self._sign = sign
        self._clock = clock
        self._running: dict[str, asyncio.Task[None]] = {}

    async def address(self, transfer_id: str) -> tuple[Access, DataAddress]:
        """Give what is kept and the address with a token that lasts; it is renewed if need be.

        HansaError not_found, transfer_ended; counterparty_refused or outbound_* when the token is
        over and can't be renewed.
        """
        access = await self._access.describe(transfer_id)
        address = self._access.open(access)
        assert access is not None
        if not self._due(access):
            return access, address
        try:
            await self._renewed(transfer_id)
        except HansaError as error:
            if access.expires is None or self._clock.now() >= access.expires:
                raise
            _log.warning("renewal_failed", transfer=transfer_id, code=error.code.value)
            return access, address
        return await self._kept(transfer_id)

    async def after_refusal(
        self, access: Access, refused: DataAddress
    ) -> tuple[Access, DataAddress] | None:
        """Give another address after a 401, or None when there is nothing to be renewed."""
        now = await self._access.describe(access.transfer_id)
        if now is None or now.sealed is None:
            return None
        address = self._access.open(now)
        if address.authorization != refused.authorization:
            return now, address  # somebody else renewed it, or a start brought another
        if now.refresh is None:
            return None
        try:
            await self._renewed(access.transfer_id)
            return await self._kept(access.transfer_id)
        except HansaError as error:  # the refusal itself says more than that it can't be renewed
            _log.warning("renewal_failed", transfer=access.transfer_id, code=error.code.value)
            return None

    async def _kept(self, transfer_id: str) -> tuple[Access, DataAddress]:
        access = await self._access.describe(transfer_id)
        address = self._access.open(access)
        assert access is not None
        return access, address

    def _due(self, access: Access) -> bool:
        if access.refresh is None or access.expires is None:
            return False
        early_s = min(access.life_s * _EARLY_PART, _EARLY_S_MAX)
        return (access.expires - self._clock.now()).total_seconds() <= early_s

    async def _renewed(self, transfer_id: str) -> None:
        task = self._running.get(transfer_id)
        if task is None:
            task = asyncio.create_task(self._renew(transfer_id), name=f"renew-{transfer_id}")
            self._running[transfer_id] = task
            task.add_done_callback(lambda _: self._running.pop(transfer_id, None))
        await asyncio.shield(task)

    async def _renew(self, transfer_id: str) -> None:
        access = await self._access.describe(transfer_id)
        address = self._access.open(access)
        assert access is not None
        refresh = self._access.refresh_token(access)
        if refresh is None or access.refresh_endpoint is None:
            return
        proof = await self._sign(access.provider, address.authorization)
        form = {"grant_type": "refresh_token", "refresh_token": refresh}
        answer = await self._client.request(
            "POST",
            access.refresh_endpoint,
            headers={
                "Authorization": f"Bearer {proof}",
                "Content-Type": "application/x-www-form-urlencoded",
            },
            body=urlencode(form).encode(),
            timeout_s=_TIMEOUT_S,
            body_bytes_max=_ANSWER_BYTES_MAX,
        )
        token, refresh, life_s = _tokens(answer, refresh)
        fault.point("renewal.answered")
        await self._access.renewed(access, token, refresh, life_s)
        _log.info("access_renewed", transfer=transfer_id)


def _tokens(answer: OutboundResponse, refresh: str) -> tuple[str, str, int]:
    """Read RFC 6749 5.1: the access token, the refresh token that counts now, and its life."""
    found = answer.json() if answer.body else {}
    found = found if isinstance(found, dict) else {}
    if not answer.ok:
        code = found.get("code") or found.get("error") or answer.status
        raise HansaError(
            Code.counterparty_refused,
            "The provider does not renew the access.",
            f"It answered {answer.status} ({str(code)[:100]}). Suspend and resume the transfer, "
            "or start a new one.",
        )
    token, life_s = found.get("access_token"), found.get("expires_in")
    fresh = found.get("refresh_token") or refresh
    if (
        isinstance(token, str)
        and isinstance(fresh, str)
        and isinstance(life_s, int)
        and 0 < life_s <= _LIFE_S_MAX
        and str(found.get("token_type", "")).lower() == "bearer"
    ):
        return token, fresh, life_s
    raise HansaError(Code.counterparty_refused, "The provider's answer to a renewal can't be read.")
