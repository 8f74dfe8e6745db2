"""The provider's side: grants of transfers, and the way of every governed request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import TypeVar

import msgspec
import structlog

from hansa.dataplane.enforcement import Enforcement, LiveGrant, agreement_ended, transfer_ended
from hansa.dataplane.governing import Governing
from hansa.dataplane.issue import Issue, issue, renewed, restarted, used
from hansa.dataplane.live import LiveGrants
from hansa.dataplane.model import GRANT, MEMBER, DataAddress, Grant, GrantState, Member
from hansa.dataplane.ports import AgreementSource, Standing
from hansa.dataplane.tokens import digest, refresh_unknown, token_of
from hansa.dataplane.usage import UsageLedger
from hansa.identity import Caller
from hansa.kernel import Clock, Code, HansaError, Ids
from hansa.kernel.store import Kind, ReadTx, Store, Tx
from hansa.policy import only_as_a_whole

_log = structlog.get_logger("hansa.dataplane")
_LOAD_PAGE = 1_000
T = TypeVar("T", bound=msgspec.Struct)


class Grants:
    """The grants of one participant as provider. Call `load` before the first request."""

    def __init__(
        self,
        store: Store,
        *,
        endpoint: str,
        refresh_endpoint: str = "",
        agreements: AgreementSource,
        standing: Standing,
        usage: UsageLedger,
        clock: Clock,
        ids: Ids,
    ) -> None:
        """`endpoint` is the address that consumers fetch from: `.../data/ngsi-ld/v1`.

        `refresh_endpoint` is where they renew their tokens: `.../data/token`.
        """
        self.refresh_endpoint = refresh_endpoint
        self._store = store
        self._endpoint = endpoint
        self._agreements = agreements
        self._standing = standing
        self._usage = usage
        self._clock = clock
        self._ids = ids
        self._live = LiveGrants()
        self._governing = Governing(agreements, self._live)

    async def load(self) -> int:
        """Take up the grants that are not ended, as after a restart; give their number."""
        for member in await self._everything(MEMBER, {}):
            self._live.take_member(member)
        for state in (GrantState.started, GrantState.suspended):
            for grant in await self._everything(GRANT, {"state": state.value}):
                self._live.take_up(grant)
        return len(self._live)

    async def _everything(self, kind: Kind[T], where: Mapping[str, str]) -> list[T]:
        found: list[T] = []
        while True:
            after = kind.key(found[-1]) if found else None
            page = await self._store.read(partial(_page, kind=kind, where=where, after=after))
            found += page
            if len(page) < _LOAD_PAGE:
                return found

    async def start(
        self,
        transfer_id: str,
        agreement_id: str,
        consumer: Caller,
        *,
        renewable: bool = False,
        vouched: bool = False,
    ) -> DataAddress:
        """Grant a transfer its access, and give the address with a fresh token.

        May be repeated (a lost answer): earlier tokens of the same run still count. `renewable`:
        the token lasts an hour and brings a refresh token; else it lasts as long as the transfer.
        HansaError not_found when the agreement is not the consumer's, agreement_ended,
        transfer_ended, or policy_unsupported when its terms cannot be enforced.
        """
        await self.seen(consumer)
        made = issue(self._ids, renewable=renewable)
        await self._grant(transfer_id, agreement_id, consumer.did, made, vouched)
        return made.address(self._endpoint, self.refresh_endpoint)

    async def allow(
        self, transfer_id: str, agreement_id: str, consumer: str, *, vouched: bool = False
    ) -> None:
        """Grant a transfer that we send ourselves: no token; `enforce` decides. Raises as `start`.

        Idempotent; a suspended one runs again. `vouched`: a foreign control plane, which asked for
        it, answers for the consumer's membership.
        """
        await self._grant(transfer_id, agreement_id, consumer, None, vouched)

    async def _grant(
        self,
        transfer_id: str,
        agreement_id: str,
        consumer: str,
        made: Issue | None,
        vouched: bool,
    ) -> None:
        agreement = (await self._governing.of(agreement_id)).agreement
        if agreement.assignee != consumer:
            raise HansaError(Code.not_found, "There is no such agreement for this consumer.")
        if not agreement.active:
            raise agreement_ended(agreement.ended_reason)
        now = self._clock.now()

        def job(tx: Tx) -> Grant:
            known = tx.get(GRANT, transfer_id)
            if known is None:
                fresh = Grant(
                    transfer_id=transfer_id,
                    agreement_id=agreement_id,
                    dataset_id=agreement.target,
                    consumer=consumer,
                    state=GrantState.started,
                    tokens=(),
                    created=now,
                    modified=now,
                    vouched=vouched,
                )
                grant = restarted(fresh, made, now)
            else:
                if (known.agreement_id, known.consumer) != (agreement_id, consumer):
                    raise HansaError(Code.conflict, "The transfer has another agreement.")
                grant = _next(known, _restarted(known, made, now), now)
            if grant is not known:
                tx.put(GRANT, grant)
            return grant

        self._live.take_up(await self._store.write(job))
        _log.info("grant_started", transfer=transfer_id, consumer=consumer)

    async def renew(self, refresh: str, access: str, consumer: str) -> Issue:
        """Give new tokens for a refresh token and the access token that it came with.

        The caller has shown to be `consumer`. HansaError token_unknown (401) unless both tokens
        are of one running grant of this consumer; else as `authorise` when it has no right now.
        """
        hashed = digest(refresh)
        grant = await self.check_renewable(refresh, access, consumer)
        live = await self._taken_up(grant)
        if await self._following(live) is None:
            live.scope_or_refusal(self._clock.now(), self._standing)
        made, now = issue(self._ids, renewable=True), self._clock.now()

        def change(known: Grant) -> Grant:
            if all(each.refresh != hashed for each in known.renewals):
                raise refresh_unknown()
            if known.state is not GrantState.started:
                raise transfer_ended(known)
            return renewed(known, made, hashed, now)

        await self._change(grant.transfer_id, change)
        _log.info("access_renewed", transfer=grant.transfer_id)
        return made

    async def check_renewable(self, refresh: str, access: str, consumer: str) -> Grant:
        """Give the grant that both tokens are of, for this consumer; HansaError token_unknown."""
        hashed = digest(refresh)
        found = await self._store.read(lambda tx: tx.find(GRANT, {"refresh": hashed}, limit=1))
        if not found or found[0].consumer != consumer or digest(access) not in found[0].tokens:
            raise refresh_unknown()
        return found[0]

    async def suspend(self, transfer_id: str, reason: str | None = None) -> None:
        """Let the transfer fetch nothing until it is resumed. Idempotent; an ended one stays so."""
        await self._stop(transfer_id, GrantState.suspended, reason)

    async def terminate(self, transfer_id: str, reason: str | None = None) -> None:
        """End the access of a transfer for good. Idempotent; nothing happens when there is none."""
        await self._stop(transfer_id, GrantState.ended, reason)

    async def _stop(self, transfer_id: str, state: GrantState, reason: str | None) -> None:
        def stopped(known: Grant) -> Grant:
            if known.state in (state, GrantState.ended):
                return known
            return msgspec.structs.replace(known, state=state, reason=reason)

        try:
            grant = await self._change(transfer_id, stopped)
        except HansaError as error:
            if error.code is not Code.not_found:
                raise
            return
        _log.info("grant_stopped", transfer=transfer_id, state=grant.state.value)

    async def get(self, transfer_id: str) -> Grant | None:
        """Give a grant, ended or not, or None."""
        return await self._store.read(lambda tx: tx.get(GRANT, transfer_id))

    async def of_agreement(self, agreement_id: str) -> list[Grant]:
        """List the grants under an agreement (at most 1,000)."""
        return await self._store.read(
            lambda tx: tx.find(GRANT, {"agreement": agreement_id}, limit=1_000)
        )

    async def agreement_changed(self, agreement_id: str) -> None:
        """Note that an agreement ended or changed: from now on it is decided by its new state.

        Running answers see it at their next check.
        """
        await self._governing.changed(agreement_id)

    async def seen(self, caller: Caller) -> None:
        """Take over what a consumer showed in a message that was authenticated.

        Costs a comparison; only what is new is written, so that it still counts after a restart.
        """
        if caller.membership is None:
            return
        member = Member(
            did=caller.did, membership=caller.membership, roles=tuple(sorted(caller.roles))
        )
        if self._live.member(caller.did) == member:
            return

        def job(tx: Tx) -> None:
            tx.put(MEMBER, member)

        await self._store.write(job)
        self._live.take_member(member)

    async def authorise(self, headers: Mapping[str, str]) -> Enforcement:
        """Let a request through with its scope, or raise why not.

        HansaError token_missing, token_malformed, token_unknown (401); membership_suspended,
        membership_expired, status_unavailable (401); agreement_ended, transfer_ended,
        policy_denied (403). Warm, it costs two dictionary look-ups and one digest.
        """
        hashed = digest(token_of(headers))
        live = self._live.by_token(hashed)
        if live is None:
            live = await self._not_in_use(hashed)
        grant = live.grant
        if grant.lives:
            live.check_token(hashed, self._clock.now())
            if grant.renewals and grant.renewals[0].access != hashed:
                await self._first_use(grant, hashed)
        return await self._enforced(live)

    async def _first_use(self, grant: Grant, hashed: str) -> None:
        """Void what a new access token replaced, durably, when it arrives for the first time."""
        if used(grant, hashed) is not grant:
            await self._change(grant.transfer_id, lambda known: used(known, hashed))

    async def enforce(self, transfer_id: str) -> Enforcement:
        """Let a transfer that we send ourselves go on, or raise why not, as `authorise`.

        HansaError not_found when nothing was granted.
        """
        live = self._live.by_transfer(transfer_id)
        if live is None:
            grant = await self.get(transfer_id)
            if grant is None:
                raise HansaError(Code.not_found, "There is no grant for this transfer.")
            live = await self._taken_up(grant)
        return await self._enforced(live)

    async def _enforced(self, live: LiveGrant) -> Enforcement:
        limit = await self._following(live)
        counts, agreement_id = self._usage.counts, live.grant.agreement_id
        count = None if limit is None else await counts.take(agreement_id, limit)
        scope = live.scope_or_refusal(self._clock.now(), self._standing, count)
        return Enforcement(live, scope, self._clock, self._standing, self._usage, count)

    async def _following(self, live: LiveGrant) -> int | None:
        """Raise unless a use is let through; where the terms limit their number, give the limit."""
        if live.governed is None:
            await self._governing.govern(live)
        limit = None if live.governed is None else live.governed.policy.count_limit
        if limit is not None:
            following = await self._usage.counts.used(live.grant.agreement_id) + 1
            live.scope_or_refusal(self._clock.now(), self._standing, following)
        return limit

    async def check_whole(self, agreement_id: str) -> None:
        """Return, or raise policy_unsupported when the terms cut data: bytes can't be filtered."""
        terms = (await self._governing.of(agreement_id)).policy.data_terms
        if terms:
            raise only_as_a_whole(terms[0])

    async def _not_in_use(self, hashed: str) -> LiveGrant:
        """Say why a token that no running grant has is refused; give the grant if it has one."""
        found = await self._store.read(lambda tx: tx.find(GRANT, {"token": hashed}, limit=1))
        if not found:
            raise HansaError(
                Code.token_unknown,
                "The access token is not known.",
                "Ask for the access of the transfer again, or start a new one.",
            )
        return await self._taken_up(found[0])

    async def _taken_up(self, grant: Grant) -> LiveGrant:
        live = self._live.take_up(grant)
        if live is not None:
            return live
        if not grant.vouched:
            self._live.check_member(grant.consumer, self._clock.now(), self._standing)
        agreement = await self._agreements.agreement(grant.agreement_id)
        if agreement is None or not agreement.active:
            raise agreement_ended(None if agreement is None else agreement.ended_reason)
        raise transfer_ended(grant)

    async def _change(self, transfer_id: str, change: Callable[[Grant], Grant]) -> Grant:
        now = self._clock.now()

        def job(tx: Tx) -> Grant:
            known = tx.get(GRANT, transfer_id)
            if known is None:
                raise HansaError(Code.not_found, "There is no grant for this transfer.")
            changed = _next(known, change(known), now)
            if changed is not known:
                tx.put(GRANT, changed)
            return changed

        grant = await self._store.write(job)
        self._live.take_up(grant)
        self._governing.leave(grant.agreement_id)
        return grant


def _page(tx: ReadTx, *, kind: Kind[T], where: Mapping[str, str], after: str | None) -> list[T]:
    return tx.find(kind, where, after=after, limit=_LOAD_PAGE)


def _next(known: Grant, changed: Grant, now: datetime) -> Grant:
    """Give the next revision of a grant, or the known one when nothing changed."""
    if changed == known:
        return known
    return msgspec.structs.replace(changed, modified=now, revision=known.revision + 1)


def _restarted(known: Grant, made: Issue | None, now: datetime) -> Grant:
    if known.state is GrantState.ended:
        raise transfer_ended(known)
    return restarted(known, made, now)
