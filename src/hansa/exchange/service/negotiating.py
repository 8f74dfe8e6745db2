"""Contract negotiation, both roles (DSP 2025-1 6)."""

from __future__ import annotations

from typing import Any

from hansa.exchange.errors import illegal, not_found
from hansa.exchange.kinds import AGREEMENTS, NEGOTIATIONS, peer_key
from hansa.exchange.model import (
    ContractNegotiation,
    Decide,
    NegotiationRequest,
    NegotiationState,
    Role,
)
from hansa.exchange.policies import agreement_flaws, agreement_of, check_policy, same_terms
from hansa.exchange.service.core import Core
from hansa.exchange.service.work import Work, check_pids, conflict, judge, owned
from hansa.exchange.state import Message, Verdict
from hansa.exchange.wire_dsp_2025_1 import Inbound
from hansa.kernel import Code, HansaError
from hansa.kernel.store import ReadTx


class Negotiations(Core):
    """What can be done with negotiations, by us and by the counterparty."""

    # -- decided here ------------------------------------------------------------------------

    async def negotiate(
        self, provider_did: str, dataset_id: str, offer: dict[str, Any]
    ) -> ContractNegotiation:
        """Ask a provider for a contract on one of its offers, as consumer.

        `offer` is the offer from the provider's catalogue. HansaError did_unresolvable,
        policy_invalid. The request is sent after this returns.
        """
        asked = {**offer, "@type": "Offer", "target": dataset_id}
        check_policy(asked, "Offer")
        callback = await self.ports.parties.dsp_base(provider_did)
        pid, now = self.new_pid(), self.clock.now()
        process = ContractNegotiation(
            id=pid,
            role=Role.consumer,
            counterparty=provider_did,
            callback=callback.rstrip("/"),
            consumer_pid=pid,
            provider_pid=None,
            dataset_id=dataset_id,
            offer=asked,
            created=now,
            modified=now,
        )
        return await self.commit(lambda work: work.decide(process, Message.request))

    async def offer(
        self, consumer_did: str, dataset_id: str, offer: dict[str, Any]
    ) -> ContractNegotiation:
        """Open a negotiation as provider with an offer of ours (DSP 2025-1 6.3.2)."""
        made = {**offer, "@type": "Offer", "target": dataset_id}
        check_policy(made, "Offer")
        callback = await self.ports.parties.dsp_base(consumer_did)
        pid, now = self.new_pid(), self.clock.now()
        process = ContractNegotiation(
            id=pid,
            role=Role.provider,
            counterparty=consumer_did,
            callback=callback.rstrip("/"),
            consumer_pid=None,
            provider_pid=pid,
            dataset_id=dataset_id,
            offer=made,
            created=now,
            modified=now,
        )
        return await self.commit(lambda work: work.decide(process, Message.offer))

    async def counter(self, negotiation_id: str, offer: dict[str, Any]) -> ContractNegotiation:
        """Answer the offer on the table with another one: ours to make in our role."""

        def job(work: Work) -> ContractNegotiation:
            process = _known(work.tx, negotiation_id)
            made = {**offer, "@type": "Offer", "target": process.dataset_id}
            check_policy(made, "Offer")
            message = Message.request if process.role is Role.consumer else Message.offer
            return work.decide(process, message, offer=made)

        return await self.commit(job)

    async def accept(self, negotiation_id: str) -> ContractNegotiation:
        """Accept the provider's offer, as consumer."""
        return await self.commit(
            lambda work: work.decide(_known(work.tx, negotiation_id), Message.accepted)
        )

    async def agree(self, negotiation_id: str) -> ContractNegotiation:
        """Send the agreement to what is on the table, as provider: the operator's yes."""
        return await self.commit(lambda work: self._agree(work, _known(work.tx, negotiation_id)))

    async def terminate_negotiation(
        self, negotiation_id: str, reason: str, *, code: str = "terminated"
    ) -> ContractNegotiation:
        """End a negotiation with a reason, from either side, unless it is over."""

        def job(work: Work) -> ContractNegotiation:
            process = _known(work.tx, negotiation_id)
            return work.decide(process, Message.termination, code=code, reason=(reason,))

        return await self.commit(job)

    def _agree(self, work: Work, process: ContractNegotiation) -> ContractNegotiation:
        agreement = agreement_of(
            process.offer,
            agreement_id=self.new_pid(),
            target=process.dataset_id,
            assigner=self.did,
            assignee=process.counterparty,
            at=self.clock.now(),
        )
        return work.decide(process, Message.agreement, agreement=agreement)

    # -- sent by the counterparty ------------------------------------------------------------

    async def receive_request(self, caller: str, inbound: Inbound) -> ContractNegotiation:
        """Take a consumer's first request (DSP 2025-1 6.3.1); a repeat gives the same process.

        HansaError not_found for an offer that the caller may not see, policy_invalid for
        terms that differ from those published.
        """
        offer = inbound.offer or {}
        if inbound.callback is None or inbound.provider_pid is not None:
            raise HansaError(
                Code.invalid_field,
                "A first request has a `callbackAddress` and no `providerPid`.",
                "Send later ones to /negotiations/{providerPid}/request.",
                field="callbackAddress",
                consumer_pid=inbound.consumer_pid,
            )
        assert inbound.consumer_pid is not None
        known = await self.store.read(lambda tx: self._repeated(tx, caller, inbound))
        if known is not None:
            return known
        found = await self.ports.offers.find(caller, offer.get("target"), offer["@id"])
        if found is None:
            raise _with_pid(not_found("offer"), inbound)
        if not same_terms(offer, found.offer):
            raise _with_pid(
                HansaError(
                    Code.policy_conflict,
                    "The terms are not those of the published offer.",
                    "Take the offer from the catalogue as it stands.",
                    field="offer",
                ),
                inbound,
            )
        published = {**found.offer, "@type": "Offer", "target": found.dataset_id}
        request = NegotiationRequest(
            caller=caller, dataset_id=found.dataset_id, offer=offer, published=published
        )
        decision = await self.ports.negotiator.decide(request)
        pid, now = self.new_pid(), self.clock.now()
        process = ContractNegotiation(
            id=pid,
            role=Role.provider,
            counterparty=caller,
            callback=inbound.callback,
            consumer_pid=inbound.consumer_pid,
            provider_pid=pid,
            dataset_id=found.dataset_id,
            offer=published,
            created=now,
            modified=now,
        )

        def job(work: Work) -> ContractNegotiation:
            again = self._repeated(work.tx, caller, inbound)
            if again is not None:
                return again
            taken = work.take(process, inbound, NegotiationState.REQUESTED)
            return self._follow(work, taken, decision)

        return await self.commit(job)

    def _repeated(self, tx: ReadTx, caller: str, inbound: Inbound) -> ContractNegotiation | None:
        pid = inbound.consumer_pid if inbound.message is Message.request else inbound.provider_pid
        role = Role.provider if inbound.message is Message.request else Role.consumer
        for process in tx.find(NEGOTIATIONS, {"peer": peer_key(caller, pid or "")}):
            if process.role is role:
                asked = (inbound.offer or {}).get("target", process.dataset_id)
                if asked != process.dataset_id:
                    raise _with_pid(
                        conflict("This pid belongs to another negotiation.", "Use a fresh one."),
                        inbound,
                    )
                return process
        return None

    async def receive_offer(self, caller: str, inbound: Inbound) -> ContractNegotiation:
        """Take a provider's opening offer (DSP 2025-1 6.3.2); it waits for a decision of ours."""
        offer = inbound.offer or {}
        target = offer.get("target")
        if inbound.callback is None or inbound.consumer_pid is not None or not target:
            raise HansaError(
                Code.invalid_field,
                "An opening offer has a `callbackAddress`, an `offer.target`, no `consumerPid`.",
                field="callbackAddress",
                provider_pid=inbound.provider_pid,
            )
        pid, now = self.new_pid(), self.clock.now()
        process = ContractNegotiation(
            id=pid,
            role=Role.consumer,
            counterparty=caller,
            callback=inbound.callback,
            consumer_pid=pid,
            provider_pid=inbound.provider_pid,
            dataset_id=str(target),
            offer=offer,
            created=now,
            modified=now,
        )

        def job(work: Work) -> ContractNegotiation:
            again = self._repeated(work.tx, caller, inbound)
            return again or work.take(process, inbound, NegotiationState.OFFERED)

        return await self.commit(job)

    async def receive_negotiation_message(
        self, caller: str, pid: str, inbound: Inbound
    ) -> ContractNegotiation:
        """Take any later message of a negotiation; a repeat changes nothing.

        HansaError not_found (unknown or foreign), invalid_field (pids), illegal_state.
        """
        decision = Decide.wait()
        if inbound.message is Message.request:
            decision = await self._decide_counter(caller, pid, inbound)

        def job(work: Work) -> ContractNegotiation:
            process = owned(work.tx, ContractNegotiation, pid, caller)
            check_pids(process, inbound)
            verdict, after = judge(process, inbound)
            if verdict is Verdict.repeat:
                return _same_agreement(process, inbound)
            if verdict is Verdict.illegal:
                raise illegal(process, inbound.message)
            return self._apply_to_negotiation(work, process, inbound, after, decision)

        return await self.commit(job)

    async def _decide_counter(self, caller: str, pid: str, inbound: Inbound) -> Decide:
        process = await self.store.read(lambda tx: owned(tx, ContractNegotiation, pid, caller))
        check_pids(process, inbound)
        if judge(process, inbound)[0] is not Verdict.apply:
            raise illegal(process, inbound.message)
        offer = inbound.offer or {}
        request = NegotiationRequest(
            caller=caller,
            dataset_id=process.dataset_id,
            offer=offer,
            published=process.offer,
            altered=not same_terms(offer, process.offer),
            negotiation_id=pid,
        )
        return await self.ports.negotiator.decide(request)

    def _apply_to_negotiation(
        self,
        work: Work,
        process: ContractNegotiation,
        inbound: Inbound,
        after: str,
        decision: Decide,
    ) -> ContractNegotiation:
        """Let a message take effect and decide what follows from it."""
        message, changes = inbound.message, dict[str, Any]()
        if inbound.offer is not None:
            if inbound.offer.get("target", process.dataset_id) != process.dataset_id:
                raise _foreign_target(process)
            changes["offer"] = {**inbound.offer, "target": process.dataset_id}
        if message is Message.agreement:
            changes["agreement"] = inbound.agreement
        if message is Message.termination:
            changes |= {"code": inbound.code, "reason": inbound.reason}
        taken = work.take(process, inbound, after, **changes)
        if message is Message.agreement:
            return self._verify(work, taken)
        if message is Message.verification:
            return work.decide(taken, Message.finalized)
        if message is Message.accepted:
            return self._agree(work, taken)
        if message is Message.request:
            return self._follow(work, taken, decision)
        return taken

    def _verify(self, work: Work, process: ContractNegotiation) -> ContractNegotiation:
        """Check the agreement against what we asked for; verify it, or terminate and say why."""
        agreement = process.agreement or {}
        flaws = agreement_flaws(
            agreement,
            process.offer,
            target=process.dataset_id,
            assigner=process.counterparty,
            assignee=self.did,
        )
        if work.tx.get(AGREEMENTS, str(agreement.get("@id"))) is not None:
            flaws.append("The agreement's id belongs to another agreement.")
        if not flaws:
            return work.decide(process, Message.verification)
        return work.decide(
            process, Message.termination, code="agreement_mismatch", reason=tuple(flaws)
        )

    def _follow(
        self, work: Work, process: ContractNegotiation, decision: Decide
    ) -> ContractNegotiation:
        if decision.kind == "agree":
            return self._agree(work, process)
        if decision.kind == "refuse":
            return work.decide(
                process, Message.termination, code=decision.code, reason=(decision.reason,)
            )
        if decision.kind == "offer":
            offer = {**(decision.terms or {}), "@type": "Offer", "target": process.dataset_id}
            return work.decide(process, Message.offer, offer=offer)
        return process


def _known(tx: ReadTx, negotiation_id: str) -> ContractNegotiation:
    process = tx.get(NEGOTIATIONS, negotiation_id)
    if process is None:
        raise not_found("negotiation")
    return process


def _same_agreement(process: ContractNegotiation, inbound: Inbound) -> ContractNegotiation:
    agreement = inbound.agreement
    if agreement is not None and agreement.get("@id") != process.agreement_id:
        raise illegal(process, inbound.message)
    return process


def _foreign_target(process: ContractNegotiation) -> HansaError:
    return HansaError(
        Code.invalid_field,
        "The offer's target is not the dataset of this negotiation.",
        field="offer.target",
        consumer_pid=process.consumer_pid,
        provider_pid=process.provider_pid,
    )


def _with_pid(error: HansaError, inbound: Inbound) -> HansaError:
    error.facts.setdefault("consumer_pid", inbound.consumer_pid)
    error.facts.setdefault("provider_pid", inbound.provider_pid)
    return error
