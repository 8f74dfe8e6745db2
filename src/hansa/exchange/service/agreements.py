"""Agreements: taken in from elsewhere, looked up for a transfer, and ended."""

from __future__ import annotations

from typing import Any

from hansa.exchange.errors import conflict, not_found
from hansa.exchange.kinds import AGREEMENTS, NEGOTIATIONS, TRANSFERS
from hansa.exchange.model import (
    Agreement,
    NegotiationState,
    Role,
    TransferState,
)
from hansa.exchange.policies import check_policy
from hansa.exchange.service.deciding import Decisions
from hansa.exchange.service.judging import check_active
from hansa.exchange.service.work import Work
from hansa.exchange.state import Message
from hansa.exchange.wire_dsp_2025_1 import check_url
from hansa.kernel import Code, HansaError, parse_instant
from hansa.kernel.store import ReadTx

AGREEMENT_ENDED = "agreement_ended"
_TRANSFERS_MAX = 10_000


class Agreements(Decisions):
    """What can be done with agreements."""

    async def import_agreement(
        self,
        policy: dict[str, Any],
        *,
        role: Role,
        counterparty: str,
        dataset_id: str,
        callback: str | None = None,
    ) -> Agreement:
        """Take in an agreement that was concluded elsewhere; the same one twice is one.

        `policy` is the ODRL Agreement. HansaError policy_invalid, invalid_field (parties, target,
        callback), conflict when its id belongs to another agreement.
        """
        check_policy(policy, "Agreement")
        assigner, assignee = (self.did, counterparty)
        if role is Role.consumer:
            assigner, assignee = assignee, assigner
        expected = {"target": dataset_id, "assigner": assigner, "assignee": assignee}
        for name, value in expected.items():
            if policy[name] != value:
                raise HansaError(
                    Code.invalid_field,
                    f"The agreement's {name} is not {value}.",
                    "Check the role, the counterparty and the dataset.",
                    field=f"policy.{name}",
                )
        agreement = Agreement(
            id=str(policy["@id"]),
            role=role,
            counterparty=counterparty,
            negotiation_id="",
            dataset_id=dataset_id,
            policy=policy,
            signed_at=_signed_at(policy) or self.clock.now(),
            callback=None if callback is None else check_url(callback, "callback"),
        )

        def job(work: Work) -> Agreement:
            known = work.tx.get(AGREEMENTS, agreement.id)
            if known is not None and (known.role, known.policy) == (role, policy):
                return known
            if known is not None or work.tx.find(NEGOTIATIONS, {"agreement": agreement.id}):
                raise conflict(
                    "This id belongs to another agreement.", "An agreement is not changed."
                )
            work.tx.insert(AGREEMENTS, agreement)
            work.changed[agreement.id] = agreement
            return agreement

        return await self.commit(job)

    async def end_agreement(self, agreement_id: str, reason: str) -> Agreement:
        """End an agreement from this side: no new transfer, and each running one is terminated.

        The protocol has no message for it; the counterparty learns it from the terminations
        (code `agreement_ended`). Access is cut when this returns.
        """

        def job(work: Work) -> Agreement:
            ended = work.end_agreement(
                known_agreement(work.tx, agreement_id), by=self.did, reason=reason
            )
            found = work.tx.find(TRANSFERS, {"agreement": agreement_id}, limit=_TRANSFERS_MAX)
            for transfer in found:
                if transfer.state not in (TransferState.COMPLETED, TransferState.TERMINATED):
                    self.terminate_now(work, transfer, reason, AGREEMENT_ENDED)
            return ended

        return await self.commit(job)

    def agreed(self, tx: ReadTx, caller: str, agreement_id: str) -> Agreement:
        """Give the caller's agreement with us, active; not_found, agreement_ended."""
        agreement = tx.get(AGREEMENTS, agreement_id)
        mine = agreement is not None and agreement.role is Role.provider
        if agreement is None or not mine or agreement.counterparty != caller:
            raise not_found("agreement")
        check_active(agreement)
        return agreement

    async def finalize_for(self, caller: str, agreement_id: str) -> None:
        """Make a negotiation final whose finalization the caller knows.

        A consumer that asks for a transfer has had our finalization: this counts as its
        acknowledgement when that is still on its way. Nothing happens when none is.
        """

        def job(work: Work) -> None:
            for process in work.tx.find(NEGOTIATIONS, {"agreement": agreement_id}):
                pending = process.pending
                finalizing = pending is not None and pending.message == Message.finalized
                if process.counterparty == caller and pending is not None and finalizing:
                    work.tx.complete(pending.action)
                    work.move(process, NegotiationState.FINALIZED, pending=None)

        await self.commit(job)


def _signed_at(policy: dict[str, Any]) -> Any:
    try:
        return parse_instant(str(policy.get("timestamp", "")))
    except ValueError:
        return None


def known_agreement(tx: ReadTx, agreement_id: str) -> Agreement:
    """Give an agreement; not_found."""
    agreement = tx.get(AGREEMENTS, agreement_id)
    if agreement is None:
        raise not_found("agreement")
    return agreement
