"""Data Plane Signaling of one participant, wired: registered planes, both sides, its operator."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from pathlib import Path
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
    Workload,
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
        workload=_workload(participant.id, shared),
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


class _Given(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file that `workload` names; `credential` is the file with the workload's own JWT."""

    broker: str
    resource: str
    credential: str
    scope: str = ""


def _workload(participant_id: str, shared: Shared) -> Workload | None:
    """Read how tokens are got by exchange, if the settings say it; HansaError settings_invalid."""
    for named in shared.settings.participants:
        if named.id != participant_id or not named.workload:
            continue
        try:
            given = msgspec.json.decode((shared.folder / named.workload).read_bytes(), type=_Given)
        except (OSError, msgspec.MsgspecError) as error:
            raise HansaError(
                Code.settings_invalid,
                f"{named.workload} does not say how tokens are exchanged.",
                "It is a JSON object; see docs/reference/data-plane-signaling.md.",
                field="participants.workload",
            ) from error
        file = shared.folder / given.credential
        return Workload(
            broker=given.broker,
            resource=given.resource,
            credential=partial(asyncio.to_thread, _credential, file),
            scope=given.scope,
        )
    return None


def _credential(file: Path) -> str:
    """Read the workload's own JWT; HansaError unavailable."""
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise HansaError(
            Code.unavailable, "The workload's credential can't be read.", file.name
        ) from error


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
