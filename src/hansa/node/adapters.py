"""What one room needs and another has: the node is the only place that knows both."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from hansa.catalogue import Catalogue
from hansa.dataplane import GoverningAgreement
from hansa.exchange import (
    Agreement,
    AgreementState,
    Exchange,
    OfferedDataset,
)
from hansa.identity import Caller, Identity, Membership
from hansa.kernel import Clock, Code, HansaError
from hansa.kernel.problem import too_often
from hansa.kernel.rate import Rate
from hansa.policy import Cut

_CALLERS_MAX = 10_000
_PROOF_LIFE_S = 60


class Gate:
    """Authenticate counterparties, know their standing, and what each one last showed."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._callers: OrderedDict[str, Caller] = OrderedDict()
        self.on_caller: Callable[[Caller], Awaitable[None]] | None = None
        self.rate: Rate | None = None

    async def authenticate(self, headers: Mapping[str, str], *, membership: bool = True) -> Caller:
        """Give the caller; HansaError 401 says what failed, too_many_requests (429) how long."""
        caller = await self._identity.authenticate(headers, membership=membership)
        if self.rate is not None:
            if wait_s := self.rate.wait_s(caller.did):
                raise too_often(wait_s)
            self.rate.count(caller.did)
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

    def check(self, consumer: str, membership: Membership | None) -> None:
        """Return while a consumer is a member in good standing; it does no I/O.

        HansaError membership_missing, membership_suspended, status_unavailable.
        """
        self._identity.check_standing(consumer, membership)

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


class Agreements:
    """The exchange's agreements, as enforcement asks for them."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self.exchange: Exchange | None = None
        self.vouched: Callable[[str], Awaitable[dict[str, Any] | None]] | None = None

    async def agreement(self, agreement_id: str) -> GoverningAgreement | None:
        """Give an agreement as it stands now, or None."""
        assert self.exchange is not None, "the exchange is wired after the data plane"
        try:
            agreement = await self.exchange.agreement(agreement_id)
        except HansaError as error:
            if error.code is Code.not_found:
                return await self._vouched(agreement_id)
            raise
        return await self.governing(agreement)

    async def _vouched(self, agreement_id: str) -> GoverningAgreement | None:
        """Give an agreement that a foreign control plane told us, or None."""
        policy = None if self.vouched is None else await self.vouched(agreement_id)
        if policy is None:
            return None
        return GoverningAgreement(
            id=agreement_id,
            odrl=policy,
            target=str(policy["target"]),
            selection=await self._selection(str(policy["target"])),
            assignee=str(policy["assignee"]),
            purpose=declared_purpose(policy),
        )

    async def _selection(self, dataset_id: str) -> Cut:
        """Give what of the broker makes up a dataset; a withdrawn one selects nothing."""
        try:
            dataset = await self._catalogue.get(dataset_id)
        except HansaError as error:
            if error.code is not Code.not_found:
                raise
            return Cut(types=frozenset())
        return dataset.selection.cut()

    async def governing(self, agreement: Agreement) -> GoverningAgreement:
        """Give what enforcement needs of an agreement."""
        selection = await self._selection(agreement.dataset_id)
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


def renewal_proof(identity: Identity, clock: Clock) -> Callable[[str, str], Awaitable[str]]:
    """Give what signs the proof of a token renewal with a participant's DID.

    Data Plane Signaling 1.0, token renewal: `iss` = `sub` = ours, `aud` = the provider's, and the
    present access token in `token`. It lasts a minute.
    """

    async def prove(provider: str, access_token: str) -> str:
        now = int(clock.now().timestamp())
        claims = {
            "iss": identity.did,
            "sub": identity.did,
            "aud": provider,
            "iat": now,
            "exp": now + _PROOF_LIFE_S,
            "token": access_token,
        }
        return identity.keys.sign(claims, "JWT")

    return prove


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
