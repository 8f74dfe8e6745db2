"""Transfer processes, both roles (DSP 2025-1 8)."""

from __future__ import annotations

from typing import Any

import msgspec

from hansa.exchange.errors import conflict, illegal, not_found
from hansa.exchange.kinds import NEGOTIATIONS, TRANSFERS, peer_key
from hansa.exchange.model import (
    Agreement,
    DataAddress,
    Role,
    Step,
    TransferProcess,
    TransferState,
)
from hansa.exchange.service.agreements import AGREEMENT_ENDED, Agreements, known_agreement
from hansa.exchange.service.core import Asked
from hansa.exchange.service.judging import check_active, check_pids, judge, moved, owned
from hansa.exchange.service.work import Work
from hansa.exchange.state import Message, Verdict, entry
from hansa.exchange.wire_dsp_2025_1 import Inbound, check_url
from hansa.kernel import Code, HansaError
from hansa.kernel.store import ReadTx


class Transfers(Agreements):
    """What can be done with transfers and agreements, by us and by the counterparty."""

    # -- decided here ------------------------------------------------------------------------

    async def request_transfer(
        self,
        agreement_id: str,
        format: str = "HttpData-PULL",
        *,
        address: DataAddress | None = None,
        callback: str | None = None,
    ) -> TransferProcess:
        """Ask the provider for the data of an agreement, as consumer.

        `address` is where a push is to go; without one the data plane has a place of its own.
        HansaError not_found, agreement_ended, conflict (we are the provider), invalid_field
        (format, dataAddress, callback), policy_unsupported.
        """
        agreement = await self.store.read(lambda tx: known_agreement(tx, agreement_id))
        check_active(agreement)
        if agreement.role is not Role.consumer:
            raise conflict(
                "The data of this agreement is our own.", "Its consumer asks for transfers."
            )
        base, dialect = await self._reached(agreement, callback)
        process = self._new_transfer(Role.consumer, agreement, base, format)
        process = msgspec.structs.replace(process, dialect=dialect)
        if address is not None and not process.push:
            raise _no_address("A pull has no address of ours: the provider gives one.")
        await self.ports.data_plane.check(process, agreement)
        if address is not None:
            await self.ports.data_plane.prepare(process, agreement, address)

        def job(work: Work) -> TransferProcess:
            check_active(known_agreement(work.tx, agreement_id))
            return work.decide(process, Message.transfer_request)

        return await self.commit(job)

    async def _reached(self, agreement: Agreement, callback: str | None) -> tuple[str, str | None]:
        """Give where the provider is reached, and the dialect that it spoke when it agreed."""
        negotiation = await self.store.read(
            lambda tx: tx.get(NEGOTIATIONS, agreement.negotiation_id or "-")
        )
        dialect = None if negotiation is None else negotiation.dialect
        if callback is not None:
            return check_url(callback, "callback"), dialect
        if agreement.callback is not None:
            return agreement.callback, dialect
        if negotiation is not None:
            return negotiation.callback, dialect
        base = await self.ports.parties.dsp_base(agreement.counterparty)
        return base.rstrip("/"), dialect

    def _new_transfer(
        self,
        role: Role,
        agreement: Agreement,
        callback: str,
        format: str,
        peer_pid: str | None = None,
    ) -> TransferProcess:
        pid, now = self.new_pid(), self.clock.now()
        return TransferProcess(
            id=pid,
            role=role,
            counterparty=agreement.counterparty,
            callback=callback,
            consumer_pid=pid if role is Role.consumer else peer_pid,
            provider_pid=pid if role is Role.provider else peer_pid,
            agreement_id=agreement.id,
            dataset_id=agreement.dataset_id,
            format=format,
            created=now,
            modified=now,
        )

    async def start_transfer(self, transfer_id: str) -> TransferProcess:
        """Start what a consumer requested and a decision left waiting, as provider."""

        def job(work: Work) -> TransferProcess:
            process = _known(work.tx, transfer_id)
            if process.state is not TransferState.REQUESTED:
                raise illegal(process, Message.transfer_start)
            return self.start_now(work, process)

        return await self.commit(job)

    async def suspend_transfer(
        self, transfer_id: str, reason: str, *, code: str = "suspended"
    ) -> TransferProcess:
        """Stop the data for now; only this side may resume."""
        return await self.commit(
            lambda work: self.suspend_now(work, _known(work.tx, transfer_id), reason, code)
        )

    async def resume_transfer(self, transfer_id: str) -> TransferProcess:
        """Go on with a transfer that this side suspended; a pull gets a new data address."""

        def job(work: Work) -> TransferProcess:
            process = _known(work.tx, transfer_id)
            if process.state is not TransferState.SUSPENDED:
                raise illegal(process, Message.transfer_start)
            return self.start_now(work, process)

        return await self.commit(job)

    async def complete_transfer(self, transfer_id: str) -> TransferProcess:
        """Say that all data has been moved."""
        return await self.commit(
            lambda work: work.decide(_known(work.tx, transfer_id), Message.transfer_completion)
        )

    async def terminate_transfer(
        self, transfer_id: str, reason: str, *, code: str = "terminated"
    ) -> TransferProcess:
        """End a transfer with a reason. Access is cut when this returns."""
        return await self.commit(
            lambda work: self.terminate_now(work, _known(work.tx, transfer_id), reason, code)
        )

    # -- sent by the counterparty ------------------------------------------------------------

    async def receive_transfer_request(self, caller: str, inbound: Inbound) -> TransferProcess:
        """Take a consumer's request (DSP 2025-1 8.3.1); a repeat gives the same process.

        HansaError not_found unless the caller is the assignee, agreement_ended, and what the data
        plane says of format and address.
        """
        assert inbound.consumer_pid is not None
        process: TransferProcess | None = None
        try:
            known, agreement = await self._known_or_agreed(caller, inbound)
            if known is None and agreement is not None:
                process = await self._planned(agreement, inbound)
            result = await self._request(caller, inbound, process)
        except HansaError as error:
            error.facts.setdefault("consumer_pid", inbound.consumer_pid)
            raise
        if process is not None and process.push and result.id != process.id:
            over = TransferState.TERMINATED  # a copy was faster: forget the address of this one
            await self.ports.data_plane.stop(msgspec.structs.replace(process, state=over))
        return result

    async def _known_or_agreed(
        self, caller: str, inbound: Inbound
    ) -> tuple[TransferProcess | None, Agreement | None]:
        """Give what `_asked_for` gives, also while the finalization is being acknowledged.

        It is committed before the data plane is asked, which knows the agreement by its id only.
        """

        def look(tx: ReadTx) -> tuple[TransferProcess | None, Agreement | None]:
            return self._asked_for(tx, caller, inbound)

        try:
            return await self.store.read(look)
        except HansaError as error:
            if error.code is not Code.not_found:
                raise
        await self.finalize_for(caller, inbound.agreement_id)
        return await self.store.read(look)

    def _asked_for(
        self, tx: ReadTx, caller: str, inbound: Inbound
    ) -> tuple[TransferProcess | None, Agreement | None]:
        """Give the transfer that a request began already, or the agreement that it is under."""
        for known in tx.find(TRANSFERS, {"peer": peer_key(caller, inbound.consumer_pid or "")}):
            if known.role is Role.provider:
                if known.agreement_id != inbound.agreement_id:
                    raise conflict("This pid belongs to another transfer.", "Use a fresh one.")
                return known, None
        return None, self.agreed(tx, caller, inbound.agreement_id)

    async def _planned(self, agreement: Agreement, inbound: Inbound) -> TransferProcess:
        """Make the process of a request that the data plane can serve; keep its address."""
        process = self._new_transfer(
            Role.provider, agreement, inbound.callback or "", inbound.format, inbound.consumer_pid
        )
        await self.ports.data_plane.check(process, agreement)
        if process.push:
            if inbound.address is None:
                raise _no_address("A push needs an address to send to.")
            await self.ports.data_plane.requested(process, inbound.address)
        return process

    async def _request(
        self, caller: str, inbound: Inbound, process: TransferProcess | None
    ) -> TransferProcess:
        state, changes = TransferState.REQUESTED, {"dialect": inbound.dialect}

        async def foresee() -> Step | None:
            if process is None:
                return None
            entered = moved(process, state, self.clock.now(), **changes)
            return Step(process=entered, message=inbound.message.value)

        def job(work: Work, asked: Asked | None) -> TransferProcess:
            known, _ = self._asked_for(work.tx, caller, inbound)
            if known is not None:
                started = known.state is TransferState.STARTED and known.pending is None
                return work.restart(known) if started else known
            assert process is not None, "a transfer is never deleted"
            return self.follow(work, work.take(process, inbound, state, **changes), asked)

        return await self.settle(foresee, job)

    async def receive_transfer_message(
        self,
        caller: str,
        pid: str,
        inbound: Inbound,
        found: TransferProcess | None = None,
    ) -> TransferProcess:
        """Take any later message of a transfer; a repeat changes nothing.

        The data address of a start is kept before the start takes effect and before the other
        side is answered, so that no acknowledged address is lost. `found` is the process as it
        was just read, if it was.
        HansaError not_found (unknown or foreign), invalid_field (pids), illegal_state.
        """
        seen = [found] if found is not None else []
        kept = False

        def find(tx: ReadTx) -> TransferProcess:
            return owned(tx, TransferProcess, pid, caller)

        async def foresee() -> Step | None:
            nonlocal kept
            process = seen.pop() if seen else await self.store.read(find)
            check_pids(process, inbound)
            verdict, after = judge(process, inbound)
            if inbound.message is Message.transfer_start and verdict is not Verdict.illegal:
                kept = await self._keep(process, inbound, verdict) or kept
            if verdict is not Verdict.apply:
                return None
            changes = _effects(process, inbound)
            entered = moved(process, after, self.clock.now(), pending=None, **changes)
            return Step(process=entered, message=inbound.message.value)

        def job(work: Work, asked: Asked | None) -> TransferProcess:
            process = find(work.tx)
            check_pids(process, inbound)
            verdict, after = judge(process, inbound)
            if verdict is Verdict.repeat:
                return work.renewed(process, inbound)
            if verdict is Verdict.illegal:
                raise illegal(process, inbound.message)
            return self._take(work, process, inbound, after, asked)

        try:
            return await self.settle(foresee, job)
        finally:
            if kept:  # unless it is live: something that ends it came in between
                await self.stop_access(pid)

    async def _keep(self, process: TransferProcess, inbound: Inbound, verdict: Verdict) -> bool:
        """Tell the data plane of a start that is going to take effect, with its address."""
        if verdict is Verdict.repeat:
            newer = process.live and _newest_start(process, inbound)
            if inbound.address is None or not newer:
                return False
        if process.role is Role.consumer:
            await self.ports.data_plane.received(process, inbound.address)
        elif process.push and inbound.address is not None:
            await self.ports.data_plane.requested(process, inbound.address)
        else:
            return False
        return True

    def _take(
        self,
        work: Work,
        process: TransferProcess,
        inbound: Inbound,
        after: str,
        asked: Asked | None,
    ) -> TransferProcess:
        message = inbound.message
        taken = work.take(process, inbound, after, **_effects(process, inbound))
        if message is Message.transfer_termination and inbound.code == AGREEMENT_ENDED:
            reason = "; ".join(inbound.reason) or "The counterparty ended the agreement."
            agreement = known_agreement(work.tx, taken.agreement_id)
            work.end_agreement(agreement, by=taken.counterparty, reason=reason)
        taken = self.follow(work, taken, asked)
        resumed = message is Message.transfer_start and taken.role is Role.provider
        if resumed and taken.pending is None:
            if taken.push:
                work.start_plane(taken)
            else:  # a pull needs a new address, sent in a start of ours
                taken = work.restart(taken)
        return taken


def _effects(process: TransferProcess, inbound: Inbound) -> dict[str, Any]:
    """Give what a message that takes effect changes, besides the state."""
    changes = dict[str, Any]()
    if inbound.dialect is not None:
        changes["dialect"] = inbound.dialect
    if inbound.message in (Message.transfer_suspension, Message.transfer_termination):
        changes |= {"code": inbound.code, "reason": inbound.reason}
    if inbound.message is Message.transfer_suspension:
        changes["suspended_by"] = process.role.other
    if inbound.message is Message.transfer_start:
        changes |= {"suspended_by": None, "code": None, "reason": ()}
    return changes


def _no_address(detail: str) -> HansaError:
    return HansaError(
        Code.invalid_field, "The data address does not fit the format.", detail, field="dataAddress"
    )


def _known(tx: ReadTx, transfer_id: str) -> TransferProcess:
    process = tx.get(TRANSFERS, transfer_id)
    if process is None:
        raise not_found("transfer")
    return process


def _newest_start(process: TransferProcess, inbound: Inbound) -> bool:
    """Say whether a repeated start is not an older one: only that may bring a newer token."""
    name = inbound.message.value
    starts = [item for item in process.taken if item.partition(" ")[0] == name]
    known = entry(inbound.message, inbound.id)
    return known not in starts or known == starts[-1]
