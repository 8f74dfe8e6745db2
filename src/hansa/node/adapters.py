"""What one room needs and another has: the node is the only place that knows both."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from hansa.catalogue import Catalogue
from hansa.dataplane import DataAddress as PlaneAddress
from hansa.dataplane import DataFlow, FlowRole, Flows, GoverningAgreement, Progress
from hansa.dataplane import Opened as PlaneOpened
from hansa.exchange import (
    Agreement,
    AgreementState,
    DataAddress,
    Exchange,
    OfferedDataset,
    Opened,
    TransferProcess,
    TransferProgress,
    TransferState,
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


class Plane:
    """The data plane, as the exchange asks for it."""

    def __init__(self, flows: Flows) -> None:
        self._flows = flows

    async def check(self, transfer: TransferProcess, agreement: Agreement) -> None:
        """Return when a plane of ours can do it; HansaError invalid_field, policy_unsupported."""
        await self._flows.check(flow_of(transfer))

    async def prepare(
        self, transfer: TransferProcess, agreement: Agreement, address: DataAddress | None
    ) -> Opened:
        """Get ready to consume; give where a push is to go."""
        return _opened(await self._flows.prepare(flow_of(transfer), _place(address)))

    async def requested(self, transfer: TransferProcess, address: DataAddress) -> None:
        """Keep where the consumer wants a push; HansaError outbound_blocked (400), invalid_field.

        The address is the consumer's mistake, not a failure of ours that may pass.
        """
        try:
            await self._flows.requested(flow_of(transfer), plane_address(address))
        except HansaError as error:
            if error.code is not Code.outbound_blocked:
                raise
            raise HansaError(
                error.code,
                error.title,
                "Give a `dataAddress` that can be reached from outside.",
                status=400,
                field="dataAddress",
            ) from error

    async def start(self, transfer: TransferProcess, agreement: Agreement) -> Opened:
        """Open (or renew) the access of a transfer that we provide."""
        return _opened(await self._flows.start(flow_of(transfer)))

    async def received(self, transfer: TransferProcess, address: DataAddress | None) -> None:
        """Keep the access to a transfer that we consume."""
        await self._flows.started(flow_of(transfer), _place(address))

    async def stop(self, transfer: TransferProcess) -> None:
        """Cut the access of a transfer that is suspended, completed or terminated."""
        reason = "; ".join(transfer.reason) or None
        target = transfer.state if transfer.pending is None else transfer.pending.to
        if TransferState.SUSPENDED in (transfer.state, target) and target not in _OVER:
            await self._flows.suspend(transfer.id, reason)
        elif target == TransferState.COMPLETED:
            await self._flows.complete(transfer.id)
        else:
            await self._flows.terminate(transfer.id, reason)

    async def progress(self, transfer: TransferProcess) -> TransferProgress | None:
        """Say how far a push of ours is; a foreign plane does not tell us."""
        flow = await self._flows.find(transfer.id)
        return None if flow is None or flow.plane or not flow.sends else _told(flow.progress)


class OwnExchange:
    """The exchange, as the data flows tell it what they came to."""

    def __init__(self) -> None:
        self.exchange: Exchange | None = None

    async def ready(self, flow: DataFlow) -> None:
        """Go on with the message that waited for the flow."""
        await self._exchange().plane_ready(flow.id)

    async def completed(self, flow: DataFlow) -> None:
        """Complete the transfer: all data were moved."""
        await self._exchange().plane_completed(flow.id)

    async def errored(self, flow: DataFlow, reason: str) -> None:
        """Show what went wrong."""
        await self._exchange().plane_errored(flow.id, reason)

    def _exchange(self) -> Exchange:
        assert self.exchange is not None, "the exchange is wired after the data plane"
        return self.exchange


_OVER = (TransferState.COMPLETED.value, TransferState.TERMINATED.value)


def flow_of(transfer: TransferProcess) -> DataFlow:
    """Give the data flow that a transfer asks for."""
    return DataFlow(
        id=transfer.id,
        role=FlowRole(transfer.role.value),
        profile=transfer.format,
        agreement_id=transfer.agreement_id,
        dataset_id=transfer.dataset_id,
        counterparty=transfer.counterparty,
        created=transfer.created,
        modified=transfer.created,
        renews=not transfer.dialect,  # foreign dialects know no token renewal
    )


def _told(progress: Progress) -> TransferProgress:
    """Give what the consumer may know: of an error at our own side, only that there is one."""
    error = progress.error and (progress.told or "The provider can't send at the moment.")
    return TransferProgress(
        items=progress.items,
        bytes=progress.bytes,
        total=progress.total_bytes,
        last_item=progress.last_at,
        attempts=progress.attempts,
        next_try=progress.next_at,
        error=error or None,
    )


def _opened(answer: PlaneOpened) -> Opened:
    address = None if answer.address is None else wire_address(answer.address)
    return Opened(address, ready=answer.ready)


def _place(address: DataAddress | None) -> PlaneAddress | None:
    return None if address is None else plane_address(address)


def wire_address(address: PlaneAddress) -> DataAddress:
    """Give an address of the data plane as the protocol writes it."""
    properties = dict(address.properties)
    if address.authorization:
        properties |= {"authorization": address.authorization, "authType": address.auth_type}
    return DataAddress(
        endpoint_type=address.endpoint_type,
        endpoint=address.endpoint or None,
        properties=properties,
    )


def plane_address(address: DataAddress) -> PlaneAddress:
    """Give an address of the protocol as the data plane keeps it."""
    rest = dict(address.properties)
    secret = rest.pop("authorization", "")
    return PlaneAddress(
        endpoint=address.endpoint or "",
        authorization=secret.removeprefix("Bearer ").removeprefix("bearer "),
        endpoint_type=address.endpoint_type,
        auth_type=rest.pop("authType", "bearer"),
        properties=rest,
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
