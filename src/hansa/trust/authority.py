"""The authority: who may be a member, and proof of it for all others."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec
import structlog

from hansa.identity import Caller, Identity, did_of, vcdm
from hansa.kernel import Clock, Code, HansaError, Ids
from hansa.kernel.outbound import Client, OutboundResponse
from hansa.kernel.store import Action, ReadTx, Store, Tx
from hansa.trust import wire_bitstring_1_0 as bitstring
from hansa.trust import wire_join_1 as wire
from hansa.trust.model import DirectoryEntry, JoinRequest, Member, MemberState, RequestState
from hansa.trust.register import LIST_NAME, MEMBER, REQUEST, Register, suspended

_log = structlog.get_logger("hansa.trust")

MACHINE = "membership"
DELIVER = "deliver"
PUSH_STATUS = "push_status"
CREDENTIAL_LIFE = timedelta(days=365)
PENDING_MAX = 1_000
MEMBERS_MAX = 10_000
REASON_CHARS_MAX = 500
_SIGN_EVERY = timedelta(seconds=1)
_PUSH_ATTEMPTS_MAX = 3
_PUSH_TIMEOUT_S = 3.0
_QUEUED_MAX = 2
_HOPELESS = frozenset({400, 409, 413, 422})


class Authority:
    """One participant in its role as authority of a data space.

    Members, requests and actions are rows of its store; the status list follows `register`.
    """

    def __init__(
        self,
        identity: Identity,
        store: Store,
        register: Register,
        client: Client,
        *,
        title: str,
        clock: Clock,
        ids: Ids,
        approve_automatically: bool = False,
        on_request: Callable[[JoinRequest], None] = lambda request: None,
    ) -> None:
        assert register.did == identity.did, "the register belongs to another authority"
        self.identity = identity
        self.title = title
        self.register = register
        self._store = store
        self._client = client
        self._clock = clock
        self._ids = ids
        self._automatic = approve_automatically
        self._on_request = on_request
        self._changing = asyncio.Lock()
        self._signed: tuple[int, datetime, str] | None = None
        self._encoded: tuple[int, str] = (-1, "")

    # what applicants and members ask

    async def request(self, caller: Caller, body: wire.RequestBody) -> JoinRequest:
        """Take a join request; the same DID asking again gets the request it has.

        HansaError invalid_field when the URL is not the caller's own, membership_suspended,
        too_many_requests.
        """
        url = body.url.rstrip("/")
        if did_of(url) != caller.did:
            raise HansaError(
                Code.invalid_field,
                "The URL is not that of your DID.",
                f"Give the URL under which {caller.did} is found.",
                field="url",
            )
        asked = JoinRequest(
            id=self._ids.new(),
            did=caller.did,
            title=body.title,
            url=url,
            message=body.message,
            state=RequestState.pending,
            at=self._clock.now(),
        )
        taken = await self._store.write(lambda tx: self._take_request(tx, asked))
        if taken.id == asked.id:
            self._on_request(taken)
        return taken

    def _take_request(self, tx: Tx, asked: JoinRequest) -> JoinRequest:
        member = tx.get(MEMBER, asked.did)
        if member is not None and member.state is MemberState.suspended:
            raise suspended()
        for held in tx.find(REQUEST, {"did": asked.did}):
            if held.state is RequestState.pending:
                return held
            if held.state is RequestState.approved and member is not None:
                self._enqueue(tx, DELIVER, member.did)  # it may have lost its wallet
                return held
            tx.delete(REQUEST, held.id)
        if tx.count(REQUEST, {"state": RequestState.pending.value}) >= PENDING_MAX:
            raise HansaError(
                Code.too_many_requests,
                "Too many requests wait for this authority's operator.",
                "Ask again later.",
            )
        tx.put(REQUEST, asked)
        return self._approve_in(tx, asked) if self._automatic else asked

    async def answer(self, caller: Caller, request_id: str) -> wire.RequestAnswer:
        """Give the state of a caller's own request, with the credential once there is one.

        HansaError not_found also for a request of someone else.
        """

        def job(tx: ReadTx) -> tuple[JoinRequest | None, Member | None]:
            return tx.get(REQUEST, request_id), tx.get(MEMBER, caller.did)

        found, member = await self._store.read(job)
        if found is None or found.did != caller.did:
            raise _no_request(request_id)
        active = member is not None and member.state is MemberState.active
        ready = active and found.state is RequestState.approved
        return wire.RequestAnswer(
            id=found.id,
            state=found.state.value,
            reason=found.reason,
            credential=self._credential(member) if ready and member is not None else None,
        )

    async def directory(self, after: str | None = None, limit: int = 1_000) -> list[DirectoryEntry]:
        """List members for members, by DID."""
        found = await self._store.read(lambda tx: tx.find(MEMBER, after=after, limit=limit))
        return [wire.directory_entry(member) for member in found]

    async def status_list(self, name: str = LIST_NAME) -> str:
        """Give the signed status list, never older than a second; HansaError not_found."""
        if name != LIST_NAME:
            raise HansaError(Code.not_found, "There is no such status list.")
        async with self._changing:
            return self._sign_list()

    def _sign_list(self) -> str:
        now, version = self._clock.now(), self.register.version
        if self._signed is not None:
            held_version, issued, jwt = self._signed
            if held_version == version and timedelta(0) <= now - issued < _SIGN_EVERY:
                return jwt
            now = max(now, issued + timedelta(microseconds=1))
        if self._encoded[0] != version:
            self._encoded = (version, bitstring.encode(bytes(self.register.bits)))
        payload = bitstring.payload(
            self.register.status_list, self.identity.did, self._encoded[1], now
        )
        jwt = self.identity.keys.sign(payload, vcdm.CREDENTIAL_TYP, {"cty": "vc"})
        self._signed = (version, now, jwt)
        return jwt

    def _credential(self, member: Member) -> str:
        payload = wire.membership_payload(member, self.identity.did, self.register.status_list)
        return self.identity.keys.sign(payload, vcdm.CREDENTIAL_TYP, {"cty": "vc"})

    # what the operator does

    async def members(self) -> list[Member]:
        """List all members, by DID."""
        return await self._store.read(lambda tx: tx.find(MEMBER, limit=MEMBERS_MAX))

    async def requests(self, state: RequestState | None = None) -> list[JoinRequest]:
        """List join requests, the newest first."""
        where = {} if state is None else {"state": state.value}
        return await self._store.read(
            lambda tx: tx.find(REQUEST, where, limit=MEMBERS_MAX, newest_first=True)
        )

    async def approve(self, request_id: str) -> JoinRequest:
        """Make the applicant a member; its credential is delivered. Twice is as once.

        HansaError not_found, illegal_state for a refused request.
        """

        def job(tx: Tx) -> JoinRequest:
            found = _request(tx, request_id)
            if found.state is RequestState.refused:
                raise _decided(found)
            return found if found.state is RequestState.approved else self._approve_in(tx, found)

        return await self._store.write(job)

    def _approve_in(self, tx: Tx, request: JoinRequest) -> JoinRequest:
        now = self._clock.now()
        approved = msgspec.structs.replace(request, state=RequestState.approved, decided_at=now)
        tx.put(REQUEST, approved)
        tx.put(
            MEMBER,
            Member(
                did=request.did,
                title=request.title,
                url=request.url,
                state=MemberState.active,
                since=now,
                valid_until=now + CREDENTIAL_LIFE,
                credential_id=f"urn:uuid:{self._ids.uuid()}",
                status_index=self._free_index(tx),
            ),
        )
        self._enqueue(tx, DELIVER, request.did)
        return approved

    def _free_index(self, tx: Tx) -> int:
        """Choose a bit by chance, so that a list tells nothing about the order of joining."""
        for _ in range(1_000):
            chance = hashlib.sha256(self._ids.token().encode()).digest()
            index = int.from_bytes(chance[:8]) % bitstring.BITS_MIN
            if not tx.count(MEMBER, {"status_index": str(index)}):
                return index
        raise HansaError(
            Code.conflict, "The status list is full.", "This authority has too many members."
        )

    async def refuse(self, request_id: str, reason: str) -> JoinRequest:
        """Refuse a pending request with a reason that the applicant reads.

        HansaError not_found, illegal_state when it was approved, invalid_field.
        """
        stated = _reason(reason)

        def job(tx: Tx) -> JoinRequest:
            found = _request(tx, request_id)
            if found.state is RequestState.approved:
                raise _decided(found)
            refused = msgspec.structs.replace(
                found, state=RequestState.refused, reason=stated, decided_at=self._clock.now()
            )
            tx.put(REQUEST, refused)
            return refused

        return await self._store.write(job)

    async def suspend(self, did: str, reason: str) -> Member:
        """Make a member's credential count no more, everywhere within a second."""
        stated = _reason(reason)
        return await self._change(
            did,
            lambda member: msgspec.structs.replace(
                member, state=MemberState.suspended, reason=stated
            ),
        )

    async def reinstate(self, did: str) -> Member:
        """Let a suspended member's credential count again."""
        return await self._change(
            did,
            lambda member: msgspec.structs.replace(member, state=MemberState.active, reason=None),
        )

    async def _change(self, did: str, change: Callable[[Member], Member]) -> Member:
        def job(tx: Tx) -> Member:
            member = tx.get(MEMBER, did)
            if member is None:
                raise HansaError(Code.not_found, f"{did} is not a member.", field="did")
            changed = change(member)
            if changed.state is not member.state:
                for other in tx.find(MEMBER, limit=MEMBERS_MAX):
                    self._enqueue(tx, PUSH_STATUS, other.did)
            tx.put(MEMBER, changed)
            return changed

        async with self._changing:  # a list that is signed meanwhile waits for the new bits
            changed = await self._store.write(job)
            self.register.apply(changed)
        return changed

    # what happens after a commit

    def _enqueue(self, tx: Tx, name: str, did: str) -> None:
        """Put work for a member into the outbox; one that waits already does for this one too."""
        process = f"{name}:{did}"
        queued = [each for each in tx.actions(MACHINE, process) if not each.dead]
        if len(queued) < _QUEUED_MAX:
            action = Action(
                id=self._ids.new(), machine=MACHINE, process=process, name=name, body={"did": did}
            )
            tx.enqueue(action)

    async def work(self, action: Action) -> None:
        """Do an action of the outbox: deliver a credential, push the status list."""
        did = str(action.body["did"])
        member = await self._store.read(lambda tx: tx.get(MEMBER, did))
        if member is not None and action.name == DELIVER:
            await self._deliver(member)
        elif member is not None:
            await self._push(member, action)
        await self._store.write(lambda tx: tx.complete(action.id))

    async def _deliver(self, member: Member) -> None:
        if member.state is not MemberState.active:
            return
        requests = await self._store.read(lambda tx: tx.find(REQUEST, {"did": member.did}))
        delivery = wire.Delivery(
            request_id=requests[-1].id if requests else "", credential=self._credential(member)
        )
        token = await self.identity.token_for(member.did, presentation=False)
        answer = await self._client.request(
            "POST",
            f"{member.url}/trust/credentials",
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            body=msgspec.json.encode(delivery),
            body_bytes_max=wire.BODY_BYTES_MAX,
        )
        _expect_taken(answer, "credential")

    async def _push(self, member: Member, action: Action) -> None:
        """Push the newest list. It is given up soon: members also fetch it every second."""
        try:
            answer = await self._client.request(
                "POST",
                f"{member.url}/trust/status",
                headers={"Content-Type": "application/vc+jwt"},
                body=(await self.status_list()).encode("ascii"),
                timeout_s=_PUSH_TIMEOUT_S,
                body_bytes_max=wire.BODY_BYTES_MAX,
            )
            _expect_taken(answer, "status list")
        except HansaError as error:
            if action.attempts + 1 < _PUSH_ATTEMPTS_MAX and not error.facts.get("permanent"):
                raise
            _log.info("status.not_pushed", member=member.did, reason=error.code.value)


def _expect_taken(answer: OutboundResponse, what: str) -> None:
    if not answer.ok:
        raise HansaError(
            Code.counterparty_refused,
            f"The member did not take the {what}: it answered {answer.status}.",
            permanent=answer.status in _HOPELESS,
        )


def _request(tx: Tx, request_id: str) -> JoinRequest:
    found = tx.get(REQUEST, request_id)
    if found is None:
        raise _no_request(request_id)
    return found


def _no_request(request_id: str) -> HansaError:
    return HansaError(
        Code.not_found, f"There is no join request {request_id[:100]!r}.", "List them first."
    )


def _decided(request: JoinRequest) -> HansaError:
    return HansaError(
        Code.illegal_state,
        f"The request was {request.state.value} already.",
        "Suspend the member instead."
        if request.state is RequestState.approved
        else "The applicant has to ask again.",
        status=409,
    )


def _reason(reason: str) -> str:
    stated = reason.strip()
    if not 0 < len(stated) <= REASON_CHARS_MAX:
        raise HansaError(
            Code.invalid_field,
            "A reason is needed.",
            f"Give 1 to {REASON_CHARS_MAX} characters; the other side reads it.",
            field="reason",
        )
    return stated
