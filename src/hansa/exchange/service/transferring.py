"""Transfer processes and the agreements they run under, both roles (DSP 2025-1 8)."""

from __future__ import annotations

from typing import Any

from hansa.exchange.errors import illegal, not_found
from hansa.exchange.kinds import AGREEMENTS, NEGOTIATIONS, TRANSFERS, peer_key
from hansa.exchange.model import (
    Agreement,
    AgreementState,
    NegotiationState,
    Role,
    TransferProcess,
    TransferState,
)
from hansa.exchange.service.core import Core
from hansa.exchange.service.work import Work, check_pids, conflict, judge, owned
from hansa.exchange.state import Message, Verdict, entry
from hansa.exchange.wire_dsp_2025_1 import Inbound
from hansa.kernel import Code, HansaError
from hansa.kernel.store import ReadTx

PULL_FORMATS = ("HttpData-PULL",)
AGREEMENT_ENDED = "agreement_ended"
_TRANSFERS_MAX = 10_000


class Transfers(Core):
    """What can be done with transfers and agreements, by us and by the counterparty."""

    # -- decided here ------------------------------------------------------------------------

    async def request_transfer(
        self, agreement_id: str, format: str = "HttpData-PULL"
    ) -> TransferProcess:
        """Ask the provider for the data of an agreement, as consumer.

        HansaError not_found, agreement_ended, conflict (we are the provider), invalid_field.
        """
        _check_format(format)

        def job(work: Work) -> TransferProcess:
            agreement = _agreement(work.tx, agreement_id)
            _check_active(agreement)
            if agreement.role is not Role.consumer:
                raise conflict(
                    "The data of this agreement is our own.", "Its consumer asks for transfers."
                )
            negotiation = work.tx.get(NEGOTIATIONS, agreement.negotiation_id)
            assert negotiation is not None
            pid, now = self.new_pid(), self.clock.now()
            process = TransferProcess(
                id=pid,
                role=Role.consumer,
                counterparty=agreement.counterparty,
                callback=negotiation.callback,
                consumer_pid=pid,
                provider_pid=None,
                agreement_id=agreement_id,
                dataset_id=agreement.dataset_id,
                format=format,
                created=now,
                modified=now,
            )
            return work.decide(process, Message.transfer_request)

        return await self.commit(job)

    async def suspend_transfer(
        self, transfer_id: str, reason: str, *, code: str = "suspended"
    ) -> TransferProcess:
        """Stop the data for now; only this side may resume."""
        return await self._decide(
            transfer_id, Message.transfer_suspension, code=code, reason=(reason,)
        )

    async def resume_transfer(self, transfer_id: str) -> TransferProcess:
        """Go on with a transfer that this side suspended; a pull gets a new data address."""

        def job(work: Work) -> TransferProcess:
            process = _known(work.tx, transfer_id)
            suspended = process.state is TransferState.SUSPENDED
            if suspended and process.suspended_by is not process.role:
                raise conflict(
                    "The counterparty suspended this transfer.", "Only that side can resume it."
                )
            if not suspended:
                raise illegal(process, Message.transfer_start)
            _check_active(_agreement(work.tx, process.agreement_id))
            return work.decide(process, Message.transfer_start)

        return await self.commit(job)

    async def complete_transfer(self, transfer_id: str) -> TransferProcess:
        """Say that all data has been moved."""
        return await self._decide(transfer_id, Message.transfer_completion)

    async def terminate_transfer(
        self, transfer_id: str, reason: str, *, code: str = "terminated"
    ) -> TransferProcess:
        """End a transfer with a reason. Access is cut when this returns."""
        return await self._decide(
            transfer_id, Message.transfer_termination, code=code, reason=(reason,)
        )

    async def _decide(self, transfer_id: str, message: Message, **changes: Any) -> TransferProcess:
        return await self.commit(
            lambda work: work.decide(_known(work.tx, transfer_id), message, **changes)
        )

    async def end_agreement(self, agreement_id: str, reason: str) -> Agreement:
        """End an agreement from this side: no new transfer, and each running one is terminated.

        The protocol has no message for it; the counterparty learns it from the terminations
        (code `agreement_ended`). Access is cut when this returns.
        """

        def job(work: Work) -> Agreement:
            ended = work.end_agreement(
                _agreement(work.tx, agreement_id), by=self.did, reason=reason
            )
            found = work.tx.find(TRANSFERS, {"agreement": agreement_id}, limit=_TRANSFERS_MAX)
            for transfer in found:
                if transfer.state not in (TransferState.COMPLETED, TransferState.TERMINATED):
                    message = Message.transfer_termination
                    work.decide(transfer, message, code=AGREEMENT_ENDED, reason=(reason,))
            return ended

        return await self.commit(job)

    # -- sent by the counterparty ------------------------------------------------------------

    async def receive_transfer_request(self, caller: str, inbound: Inbound) -> TransferProcess:
        """Take a consumer's request (DSP 2025-1 8.3.1); a repeat gives the same process.

        HansaError not_found unless the caller is the assignee, agreement_ended, invalid_field.
        """
        assert inbound.consumer_pid is not None
        assert inbound.callback is not None
        try:
            _check_format(inbound.format)
            return await self.commit(lambda work: self._requested(work, caller, inbound))
        except HansaError as error:
            error.facts.setdefault("consumer_pid", inbound.consumer_pid)
            raise

    def _requested(self, work: Work, caller: str, inbound: Inbound) -> TransferProcess:
        for known in work.tx.find(
            TRANSFERS, {"peer": peer_key(caller, inbound.consumer_pid or "")}
        ):
            if known.role is Role.provider:
                if known.agreement_id != inbound.agreement_id:
                    raise conflict("This pid belongs to another transfer.", "Use a fresh one.")
                return known
        agreement = self._agreed(work, caller, inbound.agreement_id)
        _check_active(agreement)
        pid, now = self.new_pid(), self.clock.now()
        process = TransferProcess(
            id=pid,
            role=Role.provider,
            counterparty=caller,
            callback=inbound.callback or "",
            consumer_pid=inbound.consumer_pid,
            provider_pid=pid,
            agreement_id=agreement.id,
            dataset_id=agreement.dataset_id,
            format=inbound.format,
            created=now,
            modified=now,
        )
        taken = work.take(process, inbound, TransferState.REQUESTED)
        return work.decide(taken, Message.transfer_start)

    def _agreed(self, work: Work, caller: str, agreement_id: str) -> Agreement:
        """Give the caller's agreement with us.

        A consumer that asks for a transfer knows that the negotiation is final: this counts as
        the acknowledgement when ours is still on its way.
        """
        agreement = work.tx.get(AGREEMENTS, agreement_id)
        if agreement is None:
            for process in work.tx.find(NEGOTIATIONS, {"agreement": agreement_id}):
                pending = process.pending
                finalizing = pending is not None and pending.message == Message.finalized
                if process.counterparty == caller and pending is not None and finalizing:
                    work.tx.complete(pending.action)
                    work.move(process, NegotiationState.FINALIZED, pending=None)
            agreement = work.tx.get(AGREEMENTS, agreement_id)
        mine = agreement is not None and agreement.role is Role.provider
        if agreement is None or not mine or agreement.counterparty != caller:
            raise not_found("agreement")
        return agreement

    async def receive_transfer_message(
        self, caller: str, pid: str, inbound: Inbound
    ) -> TransferProcess:
        """Take any later message of a transfer; a repeat changes nothing.

        The data address of a start is kept before the start takes effect and before the provider
        is answered, so that no acknowledged address is lost.
        HansaError not_found (unknown or foreign), invalid_field (pids), illegal_state.
        """
        kept = await self._keep_address(caller, pid, inbound)

        def job(work: Work) -> TransferProcess:
            process = owned(work.tx, TransferProcess, pid, caller)
            check_pids(process, inbound)
            verdict, after = judge(process, inbound)
            if verdict is Verdict.repeat:
                return work.renewed(process, inbound)
            if verdict is Verdict.illegal:
                raise illegal(process, inbound.message)
            return self._apply_to_transfer(work, process, inbound, after)

        try:
            return await self.commit(job)
        finally:
            if kept:  # unless it is live: something that ends it came in between
                await self.stop_access(pid)

    async def _keep_address(self, caller: str, pid: str, inbound: Inbound) -> bool:
        """Give the data plane the address of a start that is going to take effect."""
        if inbound.message is not Message.transfer_start or inbound.address is None:
            return False
        process = await self.store.read(lambda tx: owned(tx, TransferProcess, pid, caller))
        check_pids(process, inbound)
        verdict, _ = judge(process, inbound)
        if verdict is Verdict.illegal:
            raise illegal(process, inbound.message)
        renewal = verdict is Verdict.repeat
        if process.role is not Role.consumer:
            return False
        if renewal and not (process.live and _newest_start(process, inbound)):
            return False
        await self.ports.data_plane.received(process, inbound.address)
        return True

    def _apply_to_transfer(
        self, work: Work, process: TransferProcess, inbound: Inbound, after: str
    ) -> TransferProcess:
        message, changes = inbound.message, dict[str, Any]()
        if message in (Message.transfer_suspension, Message.transfer_termination):
            changes = {"code": inbound.code, "reason": inbound.reason}
        if message is Message.transfer_suspension:
            changes["suspended_by"] = process.role.other
        if message is Message.transfer_start:
            changes |= {"suspended_by": None, "code": None, "reason": ()}
        taken = work.take(process, inbound, after, **changes)
        if message is Message.transfer_start and taken.role is Role.provider:
            # The consumer resumed: a pull needs a new address, sent in a start of ours.
            return work.restart(taken)
        if message is Message.transfer_termination and inbound.code == AGREEMENT_ENDED:
            reason = "; ".join(inbound.reason) or "The counterparty ended the agreement."
            agreement = _agreement(work.tx, taken.agreement_id)
            work.end_agreement(agreement, by=taken.counterparty, reason=reason)
        return taken


def _known(tx: ReadTx, transfer_id: str) -> TransferProcess:
    process = tx.get(TRANSFERS, transfer_id)
    if process is None:
        raise not_found("transfer")
    return process


def _agreement(tx: ReadTx, agreement_id: str) -> Agreement:
    agreement = tx.get(AGREEMENTS, agreement_id)
    if agreement is None:
        raise not_found("agreement")
    return agreement


def _newest_start(process: TransferProcess, inbound: Inbound) -> bool:
    """Say whether a repeated start is not an older one: only that may bring a newer token."""
    name = inbound.message.value
    starts = [item for item in process.taken if item.partition(" ")[0] == name]
    known = entry(inbound.message, inbound.id)
    return known not in starts or known == starts[-1]


def _check_active(agreement: Agreement) -> None:
    if agreement.state is not AgreementState.active:
        raise HansaError(
            Code.agreement_ended,
            "The agreement has ended.",
            f"Reason: {agreement.ended_reason}. Negotiate a new one."
            if agreement.ended_reason
            else "Negotiate a new one.",
            status=400,
        )


def _check_format(name: str) -> None:
    if name not in PULL_FORMATS:
        raise HansaError(
            Code.invalid_field,
            f"The format {name!r} is not offered.",
            f"Use one of: {', '.join(PULL_FORMATS)}.",
            field="format",
        )
