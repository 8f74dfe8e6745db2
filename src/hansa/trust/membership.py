"""A participant's own membership: asking for it, receiving it, seeing how it stands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlencode

import msgspec
import structlog

from hansa.identity import (
    AUTHORITY_ROLE,
    MEMBERSHIP_CREDENTIAL,
    Caller,
    DidResolver,
    Identity,
    did_of,
    document_json,
    membership_in,
)
from hansa.kernel import Clock, Code, HansaError, Ids
from hansa.kernel.outbound import Client, OutboundResponse
from hansa.kernel.store import Action, Kind, Store, Tx
from hansa.trust import wire_join_1 as wire
from hansa.trust.anchors import Anchors
from hansa.trust.model import Anchor, DirectoryEntry, Joining, MembershipView, RequestState
from hansa.trust.status import StatusHolder

_log = structlog.get_logger("hansa.trust")

MACHINE = "joining"
ASK = "ask"
POLL = "poll"
JOINING: Kind[Joining] = Kind("joining", Joining, lambda _: "own")
_KEY = "own"
_MESSAGE_CHARS_MAX = 2000
_WAIT_FIRST_S = 1.0
_WAIT_MAX_S = 30.0
_FINAL = frozenset({400, 403, 404, 409, 413, 422})
_MEMBERS_BYTES_MAX = 8 * 1024 * 1024
_PAGES_MAX = 100


class MembershipClient:
    """Join a data space, and know whether we are in it."""

    def __init__(
        self,
        identity: Identity,
        store: Store,
        client: Client,
        resolver: DidResolver,
        anchors: Anchors,
        status: StatusHolder,
        *,
        title: str,
        clock: Clock,
        ids: Ids,
        on_decision: Callable[[str, str | None], None] = lambda authority_url, refused: None,
    ) -> None:
        self.identity = identity
        self.status = status
        self._store = store
        self._client = client
        self._resolver = resolver
        self._anchors = anchors
        self._title = title
        self._clock = clock
        self._ids = ids
        self._on_decision = on_decision
        self._joining: Joining | None = None

    async def load(self) -> None:
        """Read how the membership stood, and follow the status list it names."""
        self._joining = await self._store.read(lambda tx: tx.get(JOINING, _KEY))
        for each in await self.identity.wallet.memberships():
            if each.status_list is not None and self._anchors.is_authority(each.issuer):
                self.status.follow(each.status_list)

    async def join(self, authority_url: str, message: str = "") -> MembershipView:
        """Ask an authority for membership, and trust it from now on.

        Its DID follows from its URL and must be the one that its document states. Asking again
        while a request waits, or as a member, changes nothing. HansaError invalid_field,
        did_unresolvable, conflict for a second authority.
        """
        url = authority_url.rstrip("/")
        did = did_of(url)
        if did == self.identity.did:
            raise _bad("authority_url", "That is our own URL.", "Give the authority's.")
        if len(message) > _MESSAGE_CHARS_MAX:
            raise _bad(
                "message", "The message is too long.", f"At most {_MESSAGE_CHARS_MAX} characters."
            )
        held = self._joining
        if held is not None and held.state != "refused":
            if held.authority_did == did:
                return await self.view()
            raise HansaError(
                Code.conflict,
                f"A membership with {held.authority_did} is there or asked for.",
                "A participant belongs to one data space; use another participant.",
            )
        document = await self._resolver.resolve(did)
        now = self._clock.now()
        anchor = Anchor(did=did, url=url, document=document_json(document), pinned_at=now)
        joining = Joining(
            state="requested", authority_did=did, authority_url=url, message=message, asked_at=now
        )

        def job(tx: Tx) -> None:
            Anchors.pin_in(tx, anchor)
            tx.put(JOINING, joining)
            self._enqueue(tx, ASK, {})

        await self._store.write(job)
        self._anchors.take(anchor)
        self._joining = joining
        return await self.view()

    def _enqueue(self, tx: Tx, name: str, body: dict[str, str], wait_s: float = 0) -> None:
        action_id = self._ids.new()
        due = self._clock.now() + timedelta(seconds=wait_s) if wait_s else None
        tx.enqueue(
            Action(id=action_id, machine=MACHINE, process=action_id, name=name, body=body, due=due)
        )

    async def work(self, action: Action) -> None:
        """Do an action of the outbox: send the request, or ask how it stands.

        Goes on for as long as the authority's operator takes, with growing waits.
        """
        joining = self._joining
        if joining is None or joining.state != "requested":
            await self._store.write(lambda tx: tx.complete(action.id))
            return
        try:
            if action.name == ASK:
                await self._ask(joining, action)
            else:
                await self._poll(joining, action)
        except HansaError as error:
            wait_s = min(_WAIT_MAX_S, _WAIT_FIRST_S * 2 ** min(action.attempts, 10))
            _log.info("joining.waits", reason=error.code.value, wait_s=wait_s)
            await self._again(action, wait_s, error.code.value)

    async def _again(self, action: Action, wait_s: float, note: str) -> None:
        due = self._clock.now() + timedelta(seconds=wait_s)
        await self._store.write(lambda tx: tx.reschedule(action.id, due=due, error=note))

    async def _ask(self, joining: Joining, action: Action) -> None:
        body = wire.RequestBody(title=self._title, url=self.identity.url, message=joining.message)
        answer = await self._call(joining, "POST", "requests", msgspec.json.encode(body))
        if answer.status in _FINAL:
            await self._refused(
                joining, action, f"The authority answered: {wire.problem_title(answer)}"
            )
            return
        found = wire.answer_of(answer, wire.RequestAnswer)
        known = msgspec.structs.replace(joining, request_id=found.id)

        def job(tx: Tx) -> None:
            current = tx.get(JOINING, _KEY)
            if current is not None and current.state == "requested":
                tx.put(JOINING, known)
                self._enqueue(tx, POLL, {"id": found.id}, _WAIT_FIRST_S)
            tx.complete(action.id)

        await self._store.write(job)
        await self._reload()

    async def _poll(self, joining: Joining, action: Action) -> None:
        answer = await self._call(joining, "GET", f"requests/{action.body['id']}")
        if answer.status == 404:  # the authority lost it: ask anew

            def anew(tx: Tx) -> None:
                self._enqueue(tx, ASK, {}, _WAIT_FIRST_S)
                tx.complete(action.id)

            await self._store.write(anew)
            return
        found = wire.answer_of(answer, wire.RequestAnswer)
        if found.state == RequestState.refused.value:
            await self._refused(joining, action, found.reason or "No reason was given.")
        elif found.credential is not None:
            await self._accept(found.credential, joining, found.id)
            await self._store.write(lambda tx: tx.complete(action.id))
        else:
            wait_s = min(_WAIT_MAX_S, _WAIT_FIRST_S * 1.5 ** min(action.attempts, 20))
            await self._again(action, wait_s, found.state)

    async def _call(
        self, joining: Joining, method: str, path: str, body: bytes | None = None
    ) -> OutboundResponse:
        token = await self.identity.token_for(joining.authority_did, presentation=False)
        return await self._client.request(
            method,
            f"{joining.authority_url}/trust/{path}",
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            body=body,
            body_bytes_max=wire.BODY_BYTES_MAX,
        )

    async def _refused(self, joining: Joining, action: Action, reason: str) -> None:
        refused = msgspec.structs.replace(joining, state="refused", reason=reason[:500])

        def job(tx: Tx) -> None:
            current = tx.get(JOINING, _KEY)
            if current is not None and current.state == "requested":
                tx.put(JOINING, refused)
            tx.complete(action.id)

        await self._store.write(job)
        await self._reload()
        if self._joining == refused:
            self._on_decision(refused.authority_url, refused.reason)

    async def receive(self, caller: Caller, delivery: wire.Delivery) -> None:
        """Take a credential that the authority delivers; the same one again changes nothing.

        HansaError issuer_untrusted for anybody else, conflict when it answers no request of ours,
        and all that the wallet refuses.
        """
        joining = self._joining
        if AUTHORITY_ROLE not in caller.roles or joining is None:
            raise HansaError(
                Code.issuer_untrusted,
                "Only our authority delivers credentials here.",
                f"{caller.did} is not the authority that we asked.",
            )
        if joining.state == "refused" or delivery.request_id != (
            joining.request_id or delivery.request_id
        ):
            raise HansaError(
                Code.conflict, "The credential answers no request of ours.", field="request_id"
            )
        await self._accept(delivery.credential, joining, delivery.request_id)

    async def _accept(self, jwt: str, joining: Joining, request_id: str) -> None:
        kept = await self.identity.wallet.store(jwt)
        if MEMBERSHIP_CREDENTIAL not in kept.types or kept.issuer != joining.authority_did:
            raise HansaError(Code.issuer_untrusted, "The credential is not of our authority.")
        if kept.status_list is not None:  # who is a member can also judge others
            self.status.follow(kept.status_list)
            await self.status.refresh()
        member = msgspec.structs.replace(
            joining,
            state="member",
            request_id=request_id,
            reason=None,
            since=joining.since or self._clock.now(),
            credential_id=kept.id,
        )
        await self._store.write(lambda tx: tx.put(JOINING, member))
        self._joining = member
        if joining.state != "member":
            self._on_decision(member.authority_url, None)

    async def _reload(self) -> None:
        self._joining = await self._store.read(lambda tx: tx.get(JOINING, _KEY))

    async def view(self) -> MembershipView:
        """Give the membership for people and for the API."""
        joining = self._joining
        if joining is None:
            return MembershipView(state="none")
        state = joining.state
        if state == "member" and await self._is_suspended():
            state = "suspended"
        return MembershipView(
            state=state,
            since=joining.since,
            credential_id=joining.credential_id,
            reason=joining.reason,
            authority_did=joining.authority_did,
            authority_url=joining.authority_url,
            status_age_s=self.status.age_s(),
            reachable=self.status.reachable,
        )

    async def _is_suspended(self) -> bool:
        for each in await self.identity.wallet.memberships():
            membership = membership_in(each)
            if membership is None:
                continue
            try:
                self.status.check(membership)
            except HansaError as error:
                return error.code is Code.membership_suspended
        return False

    async def directory(self) -> list[DirectoryEntry]:
        """List the members of the data space, as its authority knows them now.

        HansaError membership_missing before joining, outbound_* and counterparty_refused.
        """
        joining = self._joining
        if joining is None or joining.state != "member":
            raise HansaError(
                Code.membership_missing,
                "We are not a member of a data space yet.",
                next="hansa join URL",
            )
        items: list[DirectoryEntry] = []
        after: str | None = None
        for _ in range(_PAGES_MAX):
            token = await self.identity.token_for(joining.authority_did)
            query = f"?{urlencode({'after': after})}" if after else ""
            answer = await self._client.request(
                "GET",
                f"{joining.authority_url}/trust/members{query}",
                headers={"Authorization": f"Bearer {token}"},
                body_bytes_max=_MEMBERS_BYTES_MAX,
            )
            page = wire.answer_of(answer, wire.DirectoryPage)
            items.extend(page.items)
            if page.next is None or not page.items:
                break
            after = page.items[-1].did
        return items


def _bad(field: str, title: str, detail: str) -> HansaError:
    return HansaError(Code.invalid_field, title, detail, field=field)
