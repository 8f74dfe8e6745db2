"""Contract negotiation, both roles (DSP 2025-1 6)."""

from __future__ import annotations

from typing import Any

import msgspec

from hansa.dialect import makes_agreements_anew, restored_offer
from hansa.exchange.errors import conflict, illegal, not_found
from hansa.exchange.kinds import NEGOTIATIONS, peer_key
from hansa.exchange.model import ContractNegotiation, NegotiationState, Role, Step
from hansa.exchange.policies import check_policy, same_terms
from hansa.exchange.service.core import Asked
from hansa.exchange.service.deciding import Decisions
from hansa.exchange.service.judging import check_pids, judge, moved, owned
from hansa.exchange.service.work import Work
from hansa.exchange.state import Message, Verdict
from hansa.exchange.wire_dsp_2025_1 import Inbound, check_url
from hansa.kernel import Code, HansaError
from hansa.kernel.store import ReadTx


class Negotiations(Decisions):
    """What can be done with negotiations, by us and by the counterparty."""

    # -- decided here ------------------------------------------------------------------------

    async def negotiate(
        self,
        provider_did: str,
        dataset_id: str,
        offer: dict[str, Any],
        *,
        callback: str | None = None,
    ) -> ContractNegotiation:
        """Ask a provider for a contract on one of its offers, as consumer.

        `offer` is the offer from the provider's catalogue, `callback` the provider's DSP base
        when the directory does not know it. HansaError did_unresolvable, policy_invalid,
        invalid_field. The request is sent after this returns.
        """
        return await self._open(Role.consumer, provider_did, dataset_id, offer, callback)

    async def offer(
        self,
        consumer_did: str,
        dataset_id: str,
        offer: dict[str, Any],
        *,
        callback: str | None = None,
    ) -> ContractNegotiation:
        """Open a negotiation as provider with an offer of ours (DSP 2025-1 6.3.2)."""
        return await self._open(Role.provider, consumer_did, dataset_id, offer, callback)

    async def _open(
        self,
        role: Role,
        counterparty: str,
        dataset_id: str,
        offer: dict[str, Any],
        callback: str | None,
    ) -> ContractNegotiation:
        made = {**offer, "@type": "Offer", "target": dataset_id}
        check_policy(made, "Offer")
        if callback is not None:
            base = check_url(callback, "callback")
        else:
            base = (await self.ports.parties.dsp_base(counterparty)).rstrip("/")
        process = self._new_negotiation(role, counterparty, base, dataset_id, made)
        message = Message.request if role is Role.consumer else Message.offer
        return await self.commit(lambda work: work.decide(process, message))

    def _new_negotiation(
        self,
        role: Role,
        counterparty: str,
        callback: str,
        dataset_id: str,
        offer: dict[str, Any],
        peer_pid: str | None = None,
    ) -> ContractNegotiation:
        pid, now = self.new_pid(), self.clock.now()
        return ContractNegotiation(
            id=pid,
            role=role,
            counterparty=counterparty,
            callback=callback,
            consumer_pid=pid if role is Role.consumer else peer_pid,
            provider_pid=pid if role is Role.provider else peer_pid,
            dataset_id=dataset_id,
            offer=offer,
            created=now,
            modified=now,
        )

    async def counter(self, negotiation_id: str, offer: dict[str, Any]) -> ContractNegotiation:
        """Answer the offer on the table with another one: ours to make in our role."""

        def job(work: Work) -> ContractNegotiation:
            process = _known(work.tx, negotiation_id)
            message = Message.request if process.role is Role.consumer else Message.offer
            return self.counter_now(work, process, offer, message)

        return await self.commit(job)

    async def accept(self, negotiation_id: str) -> ContractNegotiation:
        """Accept the provider's offer, as consumer."""
        return await self._send(negotiation_id, Message.accepted)

    async def agree(self, negotiation_id: str) -> ContractNegotiation:
        """Send the agreement to what is on the table, as provider: the operator's yes."""
        return await self.commit(lambda work: self.agree_now(work, _known(work.tx, negotiation_id)))

    async def verify(self, negotiation_id: str) -> ContractNegotiation:
        """Confirm the provider's agreement, as consumer."""
        return await self._send(negotiation_id, Message.verification)

    async def finalize(self, negotiation_id: str) -> ContractNegotiation:
        """Conclude the contract, as provider."""
        return await self._send(negotiation_id, Message.finalized)

    async def _send(self, negotiation_id: str, message: Message) -> ContractNegotiation:
        return await self.commit(lambda work: work.decide(_known(work.tx, negotiation_id), message))

    async def terminate_negotiation(
        self, negotiation_id: str, reason: str, *, code: str = "terminated"
    ) -> ContractNegotiation:
        """End a negotiation with a reason, from either side, unless it is over."""
        return await self.commit(
            lambda work: self.terminate_now(work, _known(work.tx, negotiation_id), reason, code)
        )

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
        if not same_terms(restored_offer(offer, found.offer, inbound.dialect), found.offer):
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
        process = self._new_negotiation(
            Role.provider,
            caller,
            inbound.callback,
            found.dataset_id,
            published,
            inbound.consumer_pid,
        )
        return await self._begin(process, inbound, NegotiationState.REQUESTED, published)

    async def _begin(
        self,
        process: ContractNegotiation,
        inbound: Inbound,
        state: NegotiationState,
        published: dict[str, Any] | None = None,
    ) -> ContractNegotiation:
        """Take the message that opens a negotiation, unless one like it was faster."""
        changes = {"dialect": inbound.dialect}

        async def foresee() -> Step:
            entered = moved(process, state, self.clock.now(), **changes)
            return Step(process=entered, message=inbound.message.value, published=published)

        def job(work: Work, asked: Asked | None) -> ContractNegotiation:
            again = self._repeated(work.tx, process.counterparty, inbound)
            if again is not None:
                return again
            return self.follow(work, work.take(process, inbound, state, **changes), asked)

        return await self.settle(foresee, job)

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
        role = Role.consumer
        process = self._new_negotiation(
            role, caller, inbound.callback, str(target), offer, inbound.provider_pid
        )
        return await self._begin(process, inbound, NegotiationState.OFFERED)

    async def receive_negotiation_message(
        self,
        caller: str,
        pid: str,
        inbound: Inbound,
        found: ContractNegotiation | None = None,
    ) -> ContractNegotiation:
        """Take any later message of a negotiation; a repeat changes nothing.

        `found` is the process as it was just read, if it was. HansaError not_found (unknown or
        foreign), invalid_field (pids), illegal_state.
        """
        seen = [found] if found is not None else []

        async def foresee() -> Step | None:
            process = seen.pop() if seen else await self.store.read(find)
            check_pids(process, inbound)
            verdict, after = judge(process, inbound)
            if verdict is not Verdict.apply:
                return None
            changes = _effects(process, inbound)
            entered = moved(process, after, self.clock.now(), pending=None, **changes)
            answered = inbound.message is Message.request
            return Step(
                process=entered,
                message=inbound.message.value,
                published=process.offer if answered else None,
                altered=answered and not same_terms(entered.offer, process.offer),
            )

        def find(tx: ReadTx) -> ContractNegotiation:
            return owned(tx, ContractNegotiation, pid, caller)

        def job(work: Work, asked: Asked | None) -> ContractNegotiation:
            process = find(work.tx)
            check_pids(process, inbound)
            verdict, after = judge(process, inbound)
            if verdict is Verdict.repeat:
                return self._repeated_agreement(work, process, inbound)
            if verdict is Verdict.illegal:
                raise illegal(process, inbound.message)
            self.check_fresh(process, after, asked)
            taken = work.take(process, inbound, after, **_effects(process, inbound))
            return self.follow(work, taken, asked)

        return await self.settle(foresee, job)

    def _repeated_agreement(
        self, work: Work, process: ContractNegotiation, inbound: Inbound
    ) -> ContractNegotiation:
        """Answer a message that took effect before. An agreement comes again as it was.

        Some (EDC) make it anew when they send it again: while it is not verified, the same terms
        under another id replace the first, which the counterparty has forgotten.
        """
        made = inbound.agreement
        if made is None or made.get("@id") == process.agreement_id:
            return process
        again: ContractNegotiation = msgspec.structs.replace(process, agreement=made)
        anew = process.state is NegotiationState.AGREED and makes_agreements_anew(process.dialect)
        if not anew or self.flaws(work, again):
            raise illegal(process, inbound.message)
        again = work.log(again, "received", inbound.message.wire_type, inbound.body)
        work.put(again)
        return again


def _effects(process: ContractNegotiation, inbound: Inbound) -> dict[str, Any]:
    """Give what a message that takes effect changes, besides the state."""
    changes = dict[str, Any]()
    if inbound.dialect is not None:
        changes["dialect"] = inbound.dialect
    if inbound.offer is not None:
        if inbound.offer.get("target", process.dataset_id) != process.dataset_id:
            raise _foreign_target(process)
        changes["offer"] = {**inbound.offer, "target": process.dataset_id}
    if inbound.message is Message.agreement:
        changes["agreement"] = inbound.agreement
    if inbound.message is Message.termination:
        changes |= {"code": inbound.code, "reason": inbound.reason}
    return changes


def _known(tx: ReadTx, negotiation_id: str) -> ContractNegotiation:
    process = tx.get(NEGOTIATIONS, negotiation_id)
    if process is None:
        raise not_found("negotiation")
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
