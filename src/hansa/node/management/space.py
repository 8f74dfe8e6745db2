"""The node, who is in the space, what moves: what an operator sees first."""

from __future__ import annotations

import shlex
from collections.abc import AsyncGenerator
from urllib.parse import urlsplit

import msgspec
from starlette.requests import Request

from hansa.exchange import AgreementState, TransferProcess
from hansa.identity import Caller
from hansa.kernel import Code, HansaError, iso
from hansa.node.journal import Event, Moved
from hansa.node.management import views
from hansa.node.management.access import Access, Json, given
from hansa.node.participant import Participant
from hansa.trust import Authority, RequestState

_LIST_MAX = 200
_EVENTS = 50


class Space(Access):
    """The node and its space."""

    async def authenticate(self, request: Request) -> Caller:
        """Give the operator behind a request of the management API."""
        return await self.host.operators.authenticate_operator(
            request.headers, self.host.session_cookie(request), method=request.method
        )

    async def sign_in_link(self, caller: Caller) -> Json:
        """Make a one-time sign-in link for this node's pages."""
        self.operator(caller)
        token = await self.host.operators.invite()
        return {"url": f"{self.host.base_url}/signin?token={token}", "valid_s": 600}

    async def node(self, caller: Caller) -> Json:
        """Give the node and its participants."""
        self.operator(caller)
        return self.host.describe()

    async def overview(self, caller: Caller, participant: str) -> Json:
        """Give state, counts, flows, the latest events, the authority and the membership."""
        p = self.participant(caller, participant)
        transfers = await p.exchange.transfers(state="STARTED", limit=_LIST_MAX)
        flows = [await self._flow(p, transfer) for transfer in transfers]
        membership, authority = await self._membership(p)
        counts = await self._counts(p, len(transfers))
        state, sentence = _sentence(p, counts, membership, authority, flows)
        return {
            "participant": p.describe(),
            "state": state,
            "sentence": sentence,
            "counts": counts,
            "flows": flows,
            "events": (await self.events(caller, participant, after=None))["items"][:10],
            "authority": authority,
            "membership": membership,
        }

    async def _counts(self, p: Participant, transfers: int) -> dict[str, int]:
        agreements = await p.exchange.agreements(state=AgreementState.active.value, limit=_LIST_MAX)
        members, requests = 0, 0
        if p.authority is not None:
            members = len(await p.authority.members())
            requests = len(await p.authority.requests(RequestState.pending))
        return {
            "datasets": await p.catalogue.count(),
            "agreements": len(agreements),
            "transfers": transfers,
            "members": members,
            "requests": requests,
            "entities": await p.count_entities(),
        }

    async def _flow(self, p: Participant, transfer: TransferProcess) -> Json:
        known = await p.known_dataset(transfer.dataset_id)
        usage = await p.usage.usage(transfer.id)
        flow = await p.flows.find(transfer.id)
        said = p.asking.last(transfer.id) if flow is not None and flow.passes_by else None
        counted = flow.progress.error if flow is not None else None
        here, there = p.describe(), views.party(transfer.counterparty, p.title_of)
        own = {"did": here["did"], "title": here["title"]}
        incoming = transfer.role.value == "consumer"
        age_s = (p.clock.now() - transfer.created).total_seconds()
        rate = self.rates.rate(f"{p.id} {transfer.id}", usage.entities, usage.bytes, age_s=age_s)
        return {
            "transfer_id": transfer.id,
            "from": there if incoming else own,
            "to": own if incoming else there,
            "title": known.title if known else transfer.dataset_id,
            "state": transfer.state.value,
            "items_per_min": round(rate.items * 60, 1),
            "last_at": views.moment(said.last_item if said else usage.last_at),
            "direction": "in" if incoming else "out",
            "error": said.error if said else counted,
        }

    async def _membership(self, p: Participant) -> tuple[Json, Json | None]:
        if p.membership is None:
            return {"state": "member", "since": None, "credential_id": None, "reason": None}, None
        view = await p.membership.view()
        authority = None
        if view.authority_did is not None:
            authority = {
                "did": view.authority_did,
                "title": p.title_of(view.authority_did),
                "url": view.authority_url,
                "status_age_s": view.status_age_s,
                "reachable": view.reachable,
            }
        membership = {
            "state": view.state,
            "since": views.moment(view.since),
            "credential_id": view.credential_id,
            "reason": view.reason,
        }
        return membership, authority

    async def members(self, caller: Caller, participant: str) -> Json:
        """Give the members of the space: the authority's own list, or its directory."""
        p = self.participant(caller, participant)
        if p.authority is not None:
            found = await p.authority.members()
            return {"items": [msgspec.to_builtins(member) for member in found]}
        await p.directory.members()
        return {"items": [msgspec.to_builtins(party) for party in p.directory.parties()]}

    async def join_requests(self, caller: Caller, participant: str) -> Json:
        """Give the requests to join that this authority got, newest first."""
        authority = self._authority(caller, participant)
        return {"items": [msgspec.to_builtins(r) for r in await authority.requests()]}

    async def approve_request(self, caller: Caller, participant: str, request_id: str) -> Json:
        """Take the asking participant in."""
        done = await self._authority(caller, participant).approve(request_id)
        self._note(participant, "member.approved", f"Took in {done.title}", done.did)
        result: Json = msgspec.to_builtins(done)
        return result

    async def refuse_request(
        self, caller: Caller, participant: str, request_id: str, *, reason: str
    ) -> Json:
        """Turn a request down."""
        done = await self._authority(caller, participant).refuse(request_id, reason)
        self._note(participant, "member.refused", f"Refused {done.title}: {reason}", done.did)
        result: Json = msgspec.to_builtins(done)
        return result

    async def suspend_member(
        self, caller: Caller, participant: str, did: str, *, reason: str
    ) -> Json:
        """Suspend a member: its calls are refused everywhere within a second."""
        done = await self._authority(caller, participant).suspend(did, reason)
        self._note(participant, "member.suspended", f"Suspended {done.title}: {reason}", did)
        result: Json = msgspec.to_builtins(done)
        return result

    async def reinstate_member(self, caller: Caller, participant: str, did: str) -> Json:
        """End a suspension."""
        done = await self._authority(caller, participant).reinstate(did)
        self._note(participant, "member.reinstated", f"Reinstated {done.title}", did)
        result: Json = msgspec.to_builtins(done)
        return result

    async def join(
        self, caller: Caller, participant: str, *, authority_url: str, message: str
    ) -> Json:
        """Ask an authority for membership."""
        p = self.participant(caller, participant)
        if p.membership is None:
            raise HansaError(Code.illegal_state, "An authority does not join: others join it.")
        try:
            with given("authority_url"):
                view = await p.membership.join(authority_url, message)
        except HansaError as error:
            if error.code is not Code.did_unresolvable or urlsplit(authority_url).path.strip("/"):
                raise
            url = f"{authority_url.rstrip('/')}/authority"
            raise HansaError(
                Code.invalid_field,
                f"No authority answers at {authority_url}.",
                "The URL of an authority ends in its own name on its node.",
                field="authority_url",
                next=f"hansa join {shlex.quote(url)}",
            ) from error
        p.journal.note("membership.requested", f"Asked {authority_url} for membership")
        return {"state": view.state, "reason": view.reason}

    async def events(self, caller: Caller, participant: str, *, after: str | None) -> Json:
        """Give what happened, newest first; `next` continues with older events."""
        p = self.participant(caller, participant)
        found = await p.journal.latest(before=after, limit=_EVENTS)
        items = [
            {"id": e.id, "at": iso(e.at), "kind": e.kind, "text": e.text, "subject": e.subject}
            for e in found
        ]
        return {"items": items, "next": found[-1].id if len(found) == _EVENTS else None}

    async def keeps(self, caller: Caller, participant: str, event_id: str) -> bool:
        """Say whether an event is still kept."""
        return await self.participant(caller, participant).journal.keeps(event_id)

    def follow(
        self, caller: Caller, participant: str, *, after: str | None = None
    ) -> AsyncGenerator[Event | Moved | None, None]:
        """Give events as they come, with `after` first those since that event."""
        return self.participant(caller, participant).journal.follow(after)

    def _authority(self, caller: Caller, participant: str) -> Authority:
        p = self.participant(caller, participant)
        if p.authority is None:
            raise HansaError(
                Code.not_found,
                "This participant is no authority.",
                "Ask the node of the authority.",
            )
        return p.authority

    def _note(self, participant: str, kind: str, text: str, subject: str) -> None:
        self.host.participant(participant).journal.note(kind, text, subject)


def _sentence(
    p: Participant,
    counts: dict[str, int],
    membership: Json,
    authority: Json | None,
    flows: list[Json],
) -> tuple[str, str]:
    """Say in one sentence how things stand, and whether somebody should look."""
    if p.authority is not None:
        waiting = counts["requests"]
        if waiting:
            ask = "request to join waits" if waiting == 1 else "requests to join wait"
            return "attention", f"{waiting} {ask} for you."
        members = counts["members"]
        word = "member" if members == 1 else "members"
        return "well", f"The space has {members} {word}, and nobody waits."
    state = membership["state"]
    if state != "member":
        words = {
            "none": "This city is in no data space yet: ask an authority for membership.",
            "requested": "The authority has not decided on the membership yet.",
            "refused": f"The authority refused the membership: {membership['reason']}",
            "suspended": "The membership is suspended: no call of this city is answered.",
        }
        return "attention", words.get(state, str(state))
    if authority is not None and not authority["reachable"]:
        return "attention", "The authority can't be reached; its last status list still counts."
    into = sum(flow["direction"] == "in" for flow in flows)
    out = len(flows) - into
    if not flows:
        return "well", "All is well; nothing moves at the moment."
    how = f"{into} flow{'s' * (into != 1)} in, {out} out."
    failing = sum(flow["error"] is not None for flow in flows)
    if failing:
        return "attention", f"{failing} of the flows can't deliver: {how}"
    return "well", f"All is well: {how}"
