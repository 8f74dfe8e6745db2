"""Carrying out decisions: what a process does next in the state that it has just entered."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from hansa.exchange.errors import conflict, illegal
from hansa.exchange.kinds import AGREEMENTS, NEGOTIATIONS
from hansa.exchange.model import (
    ContractNegotiation,
    Decide,
    NegotiationState,
    Process,
    Role,
    TransferProcess,
    TransferState,
)
from hansa.exchange.policies import agreement_flaws, agreement_of, check_policy
from hansa.exchange.service.core import Asked, Core, Stale
from hansa.exchange.service.judging import check_active, machine_of, termination_of
from hansa.exchange.service.work import NEGOTIATION_MACHINE, Work
from hansa.exchange.state import Message
from hansa.kernel import HansaError
from hansa.kernel.store import Action

P = TypeVar("P", bound=Process)
_NEGOTIATING = {
    (Role.provider, NegotiationState.REQUESTED): Decide("agree"),
    (Role.provider, NegotiationState.ACCEPTED): Decide("agree"),
    (Role.provider, NegotiationState.VERIFIED): Decide("finalize"),
    (Role.consumer, NegotiationState.OFFERED): Decide("wait"),
    (Role.consumer, NegotiationState.AGREED): Decide("verify"),
}
"""The states in which the next move is ours, and what the usual course asks for."""
_TRANSFERRING = {(Role.provider, TransferState.REQUESTED): Decide("start")}
_PLAIN = {
    "accept": Message.accepted,
    "verify": Message.verification,
    "finalize": Message.finalized,
    "complete": Message.transfer_completion,
}


class Decisions(Core):
    """What a decision does; the operator's own decisions come here too."""

    def follow(self, work: Work, process: P, asked: Asked | None) -> P:
        """Carry out what was decided about the state that `process` has just entered.

        Raises Stale when the decider was asked about another step.
        """
        if process.state in machine_of(process).terminal or process.pending is not None:
            return process
        if asked is None or asked.step.process.entered != process.entered:
            raise Stale
        if isinstance(process, ContractNegotiation):
            flaws = self.flaws(work, process)
            if flaws:
                code = "agreement_mismatch"
                return work.decide(process, Message.termination, code=code, reason=flaws)
        decision = asked.decision
        if decision.kind == "follow":
            usual = _usual(process, altered=asked.step.altered)
            decision = msgspec.structs.replace(usual, after_s=decision.after_s)
        if decision.kind == "follow":
            return process
        if decision.after_s > 0:
            work.plan(process, decision)
            return process
        return self._carry_out(work, process, decision, asked.error)

    def check_fresh(self, process: Process, state: str, asked: Asked | None) -> None:
        """Raise Stale, as `follow` would, before anything is written for entering `state`."""
        if state in machine_of(process).terminal:
            return
        entered = {**process.entered, state: process.entered.get(state, 0) + 1}
        if state == process.state:
            entered = process.entered
        if asked is None or asked.step.process.entered != entered:
            raise Stale

    async def work_decision(self, action: Action) -> None:
        """Carry out a decision whose time has come, unless the process has moved on."""
        decision = msgspec.convert(action.body["decision"], Decide)

        def job(work: Work) -> None:
            work.tx.complete(action.id)
            process = work.process(action.machine != NEGOTIATION_MACHINE, action.process)
            if process is None or process.pending is not None:
                return
            if process.entered == action.body["entered"]:
                self._carry_out(work, process, decision, None)

        await self.commit(job)

    def _carry_out(self, work: Work, process: P, decision: Decide, error: str | None) -> P:
        """Do it; what cannot be done here is left to the operator, with the error shown."""
        if decision.kind != "wait":
            try:
                return self._do(work, process, decision)
            except HansaError as refused:
                error = (
                    f"{refused.code.value}: The decision {decision.kind} failed. {refused.title}"
                )
        ours = _ours(process) is not None
        if ours or error is not None:
            process = msgspec.structs.replace(process, waiting=ours, error=error)
            work.put(process)
        return process

    def _do(self, work: Work, process: P, decision: Decide) -> P:
        kind = decision.kind
        if kind == "refuse":
            return self.terminate_now(work, process, decision.reason, decision.code)
        done: Any = None
        if kind in _PLAIN:
            done = work.decide(process, _PLAIN[kind])
        elif isinstance(process, TransferProcess):
            if kind in ("start", "resume"):
                done = self.start_now(work, process)
            elif kind == "suspend":
                done = self.suspend_now(work, process, decision.reason, decision.code)
        elif kind == "agree":
            done = self.agree_now(work, process)
        elif kind in ("offer", "request"):
            message = Message.offer if kind == "offer" else Message.request
            done = self.counter_now(work, process, decision.terms or process.offer, message)
        if done is None:
            raise conflict("It does not fit this process.", "Choose another decision.")
        return done  # type: ignore[no-any-return]

    # -- one decision each -------------------------------------------------------------------

    def agree_now(self, work: Work, process: ContractNegotiation) -> ContractNegotiation:
        """Send the agreement to what is on the table."""
        agreement = agreement_of(
            process.offer,
            agreement_id=self.new_pid(),
            target=process.dataset_id,
            assigner=self.did,
            assignee=process.counterparty,
            at=self.clock.now(),
        )
        return work.decide(process, Message.agreement, agreement=agreement)

    def counter_now(
        self, work: Work, process: ContractNegotiation, terms: dict[str, Any], message: Message
    ) -> ContractNegotiation:
        """Answer with other terms; HansaError policy_invalid."""
        made = {**terms, "@type": "Offer", "target": process.dataset_id}
        check_policy(made, "Offer")
        return work.decide(process, message, offer=made)

    def terminate_now(self, work: Work, process: P, reason: str, code: str) -> P:
        """End a process with a reason."""
        return work.decide(
            process,
            termination_of(process),
            code=code or "terminated",
            reason=(reason or "Ended by decision.",),
        )

    def suspend_now(
        self, work: Work, process: TransferProcess, reason: str, code: str
    ) -> TransferProcess:
        """Stop the data for now."""
        return work.decide(
            process,
            Message.transfer_suspension,
            code=code or "suspended",
            reason=(reason or "Paused by decision.",),
        )

    def start_now(self, work: Work, process: TransferProcess) -> TransferProcess:
        """Start what was requested of us, or go on with what this side suspended.

        HansaError conflict (the other side suspended it), agreement_ended, illegal_state.
        """
        suspended = process.state is TransferState.SUSPENDED
        if suspended and process.suspended_by is not process.role:
            raise conflict(
                "The counterparty suspended this transfer.", "Only that side can resume it."
            )
        if process.state not in (TransferState.SUSPENDED, TransferState.REQUESTED):
            raise illegal(process, Message.transfer_start)
        agreement = work.tx.get(AGREEMENTS, process.agreement_id)
        assert agreement is not None
        check_active(agreement)
        return work.decide(process, Message.transfer_start)

    def flaws(self, work: Work, process: ContractNegotiation) -> tuple[str, ...]:
        """Say what is wrong with an agreement that has just come in."""
        if process.role is not Role.consumer or process.state is not NegotiationState.AGREED:
            return ()
        agreement = process.agreement or {}
        agreement_id = str(agreement.get("@id"))
        flaws = agreement_flaws(
            agreement,
            process.offer,
            target=process.dataset_id,
            assigner=process.counterparty,
            assignee=self.did,
        )
        others = work.tx.find(NEGOTIATIONS, {"agreement": agreement_id})
        taken = any(
            other.id != process.id and other.state is not NegotiationState.TERMINATED
            for other in others
        )
        if taken or work.tx.get(AGREEMENTS, agreement_id) is not None:
            flaws.append("The agreement's id belongs to another agreement.")
        return tuple(flaws)


def _usual(process: Process, *, altered: bool) -> Decide:
    """Give what the usual course asks for in a state; `follow` when nothing."""
    if altered:
        return Decide.wait()
    done = isinstance(process, TransferProcess) and process.moved
    if done and process.state is TransferState.STARTED:
        return Decide("complete")
    return _ours(process) or Decide.follow()


def _ours(process: Process) -> Decide | None:
    """Give what the usual course asks for when the next move is ours; else None."""
    if isinstance(process, ContractNegotiation):
        return _NEGOTIATING.get((process.role, process.state))
    return _TRANSFERRING.get((process.role, process.state))
