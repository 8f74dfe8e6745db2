"""What one room needs and another has: the node is the only place that knows both."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from hansa.catalogue import Catalogue
from hansa.dataplane import AccessStore, GoverningAgreement, Grants
from hansa.dataplane import DataAddress as PlaneAddress
from hansa.exchange import (
    Agreement,
    AgreementState,
    DataAddress,
    Decide,
    Exchange,
    NegotiationRequest,
    OfferedDataset,
    Role,
    TransferProcess,
    TransferState,
)
from hansa.identity import Caller, Identity, Membership
from hansa.kernel import Clock, Code, HansaError
from hansa.policy import Cut, Usage, compile_policy

_CALLERS_MAX = 10_000


class Gate:
    """Authenticate counterparties, and remember what each one last showed."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._callers: OrderedDict[str, Caller] = OrderedDict()
        self.on_caller: Callable[[Caller], Awaitable[None]] | None = None

    async def authenticate(self, headers: Mapping[str, str], *, membership: bool = True) -> Caller:
        """Give the caller; HansaError 401 says what failed."""
        caller = await self._identity.authenticate(headers, membership=membership)
        if caller.membership is not None:
            known = self._callers.get(caller.did)
            self._callers[caller.did] = caller
            if known != caller and self.on_caller is not None:
                await self.on_caller(caller)
            self._callers.move_to_end(caller.did)
            if len(self._callers) > _CALLERS_MAX:
                self._callers.popitem(last=False)
        return caller

    async def authorization_for(self, did: str) -> str:
        """Give the `Authorization` header value for a counterparty: a self-issued token."""
        return f"Bearer {await self._identity.token_for(did)}"

    def last(self, did: str) -> Caller:
        """Give what a participant last showed; without membership when it showed nothing yet."""
        return self._callers.get(did) or Caller(did=did, kind="participant")


class PublishedOffers:
    """The catalogue's offers, as negotiation asks for them."""

    def __init__(self, catalogue: Catalogue, gate: Gate) -> None:
        self._catalogue = catalogue
        self._gate = gate

    async def find(
        self, caller_did: str, dataset_id: str | None, offer_id: str
    ) -> OfferedDataset | None:
        """Give an offer that this caller may see, or None."""
        found = await self._catalogue.find_offer(self._gate.last(caller_did), offer_id, dataset_id)
        return None if found is None else OfferedDataset(found.dataset.id, found.offer.odrl)


class PolicyNegotiator:
    """Answer requests by policy: agree to what was published, while it can still come true."""

    def __init__(self, catalogue: Catalogue, did: str, clock: Clock) -> None:
        self._catalogue = catalogue
        self._did = did
        self._clock = clock

    async def decide(self, request: NegotiationRequest) -> Decide:
        """Agree to an unaltered offer that is active or will be; else refuse, saying why."""
        if request.altered:
            return Decide.refuse(
                "terms_altered",
                "The terms are not those that were offered. Accept them as they are.",
            )
        dataset = await self._catalogue.get(request.dataset_id)
        agreement = {
            **request.published,
            "@type": "Agreement",
            "target": dataset.id,
            "assigner": self._did,
            "assignee": request.caller,
        }
        policy = compile_policy(agreement, target=dataset.id, selection=dataset.selection.cut())
        decision = policy.decide(
            Usage(
                action="read",
                target=dataset.id,
                assignee=request.caller,
                purpose=declared_purpose(agreement),
                now=self._clock.now(),
            )
        )
        if decision.permitted or decision.expires_at is not None:
            return Decide.agree()
        reasons = "; ".join(reason.message for reason in decision.reasons)
        return Decide.refuse(decision.code, reasons or "The offer permits nothing any more.")


class Agreements:
    """The exchange's agreements, as enforcement asks for them."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self.exchange: Exchange | None = None

    async def agreement(self, agreement_id: str) -> GoverningAgreement | None:
        """Give an agreement as it stands now, or None."""
        assert self.exchange is not None, "the exchange is wired after the data plane"
        try:
            agreement = await self.exchange.agreement(agreement_id)
        except HansaError as error:
            if error.code is Code.not_found:
                return None
            raise
        return await self.governing(agreement)

    async def governing(self, agreement: Agreement) -> GoverningAgreement:
        """Give what enforcement needs of an agreement; a withdrawn dataset selects nothing."""
        try:
            dataset = await self._catalogue.get(agreement.dataset_id)
            selection = dataset.selection.cut()
        except HansaError as error:
            if error.code is not Code.not_found:
                raise
            selection = Cut(types=frozenset())
        return GoverningAgreement(
            id=agreement.id,
            odrl=agreement.policy,
            target=agreement.dataset_id,
            selection=selection,
            assignee=agreement.assignee,
            active=agreement.state is AgreementState.active,
            purpose=declared_purpose(agreement.policy),
            ended_reason=agreement.ended_reason,
        )


class MemberStanding:
    """Who is a member in good standing now, as enforcement asks it; does no I/O."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def check(self, consumer: str, membership: Membership | None) -> None:
        """Return, or raise membership_missing, membership_suspended, status_unavailable."""
        self._identity.check_standing(consumer, membership)


class Plane:
    """The data plane, as the exchange asks for it."""

    def __init__(self, grants: Grants, access: AccessStore, gate: Gate) -> None:
        self._grants = grants
        self._access = access
        self._gate = gate

    async def start(self, transfer: TransferProcess, agreement: Agreement) -> DataAddress:
        """Open (or renew) the access of a transfer that we provide."""
        caller = self._gate.last(transfer.counterparty)
        address = await self._grants.start(transfer.id, agreement.id, caller)
        return DataAddress(
            endpoint_type=address.endpoint_type,
            endpoint=address.endpoint,
            properties={
                "authorization": address.authorization,
                "authType": address.auth_type,
            },
        )

    async def received(self, transfer: TransferProcess, address: DataAddress) -> None:
        """Keep the access to a transfer that we consume."""
        secret = address.properties.get("authorization", "")
        await self._access.received(
            transfer.id,
            PlaneAddress(
                endpoint=address.endpoint or "",
                authorization=secret.removeprefix("Bearer ").removeprefix("bearer "),
                endpoint_type=address.endpoint_type,
                auth_type=address.properties.get("authType", "bearer"),
            ),
            agreement_id=transfer.agreement_id,
            provider=transfer.counterparty,
        )

    async def stop(self, transfer: TransferProcess) -> None:
        """Cut the access of a transfer that is suspended, completed or terminated."""
        reason = "; ".join(transfer.reason) or None
        if transfer.role is Role.consumer:
            if transfer.state is not TransferState.SUSPENDED:
                await self._access.dropped(transfer.id, reason)
        elif transfer.state is TransferState.SUSPENDED or (
            transfer.pending is not None and transfer.pending.to == TransferState.SUSPENDED
        ):
            await self._grants.suspend(transfer.id, reason)
        else:
            await self._grants.terminate(transfer.id, reason)


def declared_purpose(odrl: Mapping[str, Any]) -> str | None:
    """Give the purpose that a party declared by agreeing to terms that name one.

    The agreement is the declaration: its parties signed that the data is used for this.
    """
    for rule in odrl.get("permission", []):
        for constraint in rule.get("constraint", []):
            name = str(constraint.get("leftOperand", "")).rpartition(":")[2].rpartition("/")[2]
            value = constraint.get("rightOperand")
            if name == "purpose" and constraint.get("operator") in ("eq", "isAnyOf"):
                first = value[0] if isinstance(value, list) and value else value
                return first if isinstance(first, str) else None
    return None
