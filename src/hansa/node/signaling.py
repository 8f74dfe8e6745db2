"""Data Plane Signaling of one participant, wired: registered planes, both sides, its operator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
from starlette.requests import Request

from hansa.dataplane import (
    SIGNALING_PATH,
    Flows,
    ForeignPlanes,
    Grants,
    HttpProfiles,
    Peers,
    Serving,
    Signaling,
)
from hansa.exchange import Exchange
from hansa.identity import Operators
from hansa.kernel import Code, HansaError
from hansa.kernel.crypto import Sealer
from hansa.kernel.store import Store
from hansa.node.adapters import Gate
from hansa.node.shared import Shared


class Signaller(Protocol):
    """What signaling needs of a participant."""

    id: str
    url: str
    did: str
    authority_did: str | None
    store: Store
    gate: Gate
    exchange: Exchange
    flows: Flows
    grants: Grants


def signaling_of(participant: Signaller, shared: Shared) -> Signaling:
    """Put signaling together for a participant whose flows and exchange are there."""
    sealer = Sealer(shared.secret, "signaling")
    exchange, flows = participant.exchange, participant.flows

    async def is_own_agreement(agreement_id: str) -> bool:
        return await _or_none(exchange.agreement(agreement_id)) is not None

    async def agreement_of(transfer_id: str) -> dict[str, Any] | None:
        transfer = await _or_none(exchange.transfer(transfer_id))
        if transfer is None:
            return None
        agreement = await _or_none(exchange.agreement(transfer.agreement_id))
        return None if agreement is None else dict(agreement.policy)

    peers = Peers(
        participant.store,
        url=f"{participant.url}/{SIGNALING_PATH}",
        did=participant.did,
        sealer=sealer,
        client=shared.client,
        clock=shared.clock,
        allow_http=shared.settings.outbound.allow_loopback,
    )
    serving = Serving(
        participant.store,
        flows=flows,
        peers=peers,
        client=shared.client,
        is_own_agreement=is_own_agreement,
        agreement_changed=participant.grants.agreement_changed,
        clock=shared.clock,
        ids=shared.ids,
    )
    foreign = ForeignPlanes(
        participant.store,
        flows=flows,
        peers=peers,
        client=shared.client,
        sealer=sealer,
        did=participant.did,
        dataspace=lambda: participant.authority_did or participant.did,
        claims=lambda did: _claims(participant, did),
        ids=shared.ids,
    )
    flows.register(HttpProfiles(flows.plane_for, peers.check_url))
    flows.register_foreign(foreign)
    return Signaling(peers, serving, foreign, agreement_of, _configured(participant.id, shared))


async def operator_only(operators: Operators, request: Request) -> None:
    """Return for the node's operator with its token; a page's cookie does not count here."""
    await operators.authenticate_operator(request.headers, None, method=request.method)


def _configured(participant_id: str, shared: Shared) -> list[dict[str, Any]]:
    """Read the registrations that the settings name; HansaError settings_invalid."""
    found: list[dict[str, Any]] = []
    for given in shared.settings.participants:
        for name in given.planes if given.id == participant_id else ():
            try:
                found.append(
                    msgspec.json.decode((shared.folder / name).read_bytes(), type=dict[str, Any])
                )
            except (OSError, msgspec.MsgspecError) as error:
                raise HansaError(
                    Code.settings_invalid,
                    f"{name} holds no registration of a plane.",
                    "It is a JSON object; see docs/reference/data-plane-signaling.md.",
                    field="participants.planes",
                ) from error
    return found


def _claims(participant: Signaller, did: str) -> Mapping[str, Any]:
    """Give what a counterparty showed us, as a foreign plane is told it."""
    caller = participant.gate.last(did)
    claims: dict[str, Any] = {"did": did, "roles": sorted(caller.roles)}
    if caller.membership is not None:
        claims["membership"] = {
            "authority": caller.membership.authority,
            "validUntil": caller.membership.valid_until.isoformat(),
        }
    return claims


async def _or_none(found: Any) -> Any:
    try:
        return await found
    except HansaError as error:
        if error.code is not Code.not_found:
            raise
        return None
