"""Tell other programs what happens: signed requests, in order, until they have arrived.

A webhook is a position in the journal. An event and the action that delivers it are committed
together; the outbox tries again after 1 s, doubling to an hour. Form and signature are those of
Standard Webhooks 1.0: `webhook-id` (the event's id, the same at each try), `webhook-timestamp`,
`webhook-signature` (`v1,` and the HMAC-SHA256 of `id.timestamp.body` in Base64).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from hansa.kernel import Clock, Code, HansaError, Ids, iso
from hansa.kernel.crypto import Sealer
from hansa.kernel.outbound import OutboundClient
from hansa.kernel.store import Action, Kind, ReadTx, Store, Tx
from hansa.node.journal import EVENTS, Event, Journal

MACHINE = "node.webhook"
DISABLED_AFTER = timedelta(hours=24)
BACKOFF_S, BACKOFF_MAX_S = 1.0, 3600.0
_FOR_EVER = 1_000_000_000
ATTEMPTS = _FOR_EVER
_HOOKS_MAX = 20
_PAGE = 200
_TIMEOUT_S = 10.0
_ANSWER_BYTES_MAX = 64 * 1024
_PREFIX = "whsec_"
_PATTERN = re.compile(r"\*|[a-z_]+\.(\*|[a-z_]+)", re.ASCII)
_GONE = 410
Json = dict[str, Any]


class Hook(msgspec.Struct, frozen=True, kw_only=True):
    """A receiver: where, what, how far it is. `position` is the last event it needs no more."""

    id: str
    url: str
    events: tuple[str, ...]
    secret: bytes
    position: str
    created: datetime
    state: Literal["active", "disabled"] = "active"
    delivered: int = 0
    attempts: int = 0
    last_at: datetime | None = None
    failing_since: datetime | None = None
    error: str | None = None

    def wants(self, event: Event) -> bool:
        """Say whether an event is one of those asked for."""
        noun = event.kind.partition(".")[0]
        return any(wish in ("*", event.kind, f"{noun}.*") for wish in self.events)

    @property
    def shown_url(self) -> str:
        """Give the URL without its query, where many keep a key."""
        plain = self.url.partition("#")[0]
        path, query, _ = plain.partition("?")
        return path + ("?***" if query else "")

    @property
    def place(self) -> str:
        """Give scheme and host alone: some keep a key in the path."""
        return "/".join(self.url.split("/")[:3]).partition("?")[0].partition("#")[0]


HOOKS: Kind[Hook] = Kind("node_webhook", Hook, key=lambda hook: hook.id)


class Webhooks:
    """The webhooks of one participant."""

    def __init__(
        self,
        store: Store,
        client: OutboundClient,
        sealer: Sealer,
        journal: Journal,
        *,
        participant: str,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._store = store
        self._client = client
        self._sealer = sealer
        self._journal = journal
        self._participant = participant
        self._clock = clock
        self._ids = ids
        journal.also = self._noted

    # -- what an operator does -------------------------------------------------------------------

    async def add(self, url: str, events: tuple[str, ...], secret: str | None) -> tuple[Hook, str]:
        """Add a receiver of what happens from now on; give it with its secret.

        HansaError outbound_blocked (a URL that may not be called), invalid_field, too_complex.
        """
        self._client.check(url)
        for wish in events:
            if not _PATTERN.fullmatch(wish):
                raise HansaError(
                    Code.invalid_field,
                    f"{wish!r} names no events.",
                    "Write `*`, `negotiation.*` or `transfer.started`.",
                    field="events",
                )
        key = _read_secret(secret) if secret else base64.b64decode(_fresh_secret(self._ids))
        await self._journal.settled()
        hook_id = self._ids.new()
        hook = Hook(
            id=hook_id,
            url=url,
            events=events,
            secret=self._sealer.seal(key, hook_id.encode()),
            position=self._ids.new(),
            created=self._clock.now(),
        )

        def job(tx: Tx) -> None:
            if tx.count(HOOKS) >= _HOOKS_MAX:
                raise HansaError(
                    Code.too_complex,
                    f"There are {_HOOKS_MAX} webhooks already.",
                    "Remove one first: hansa webhook list",
                )
            tx.insert(HOOKS, hook)

        await self._store.write(job)
        return hook, _PREFIX + base64.b64encode(key).decode()

    async def list(self) -> list[tuple[Hook, int]]:
        """Give each receiver with the number of events that wait for it (at most 2,000)."""
        return await self._store.read(
            lambda tx: [(hook, _waiting(tx, hook)) for hook in tx.find(HOOKS, limit=_HOOKS_MAX)]
        )

    async def remove(self, hook_id: str) -> Hook:
        """Forget a receiver and what waits for it; HansaError not_found."""

        def job(tx: Tx) -> Hook:
            hook = _known(tx, hook_id)
            for action in tx.actions(MACHINE, hook_id):
                tx.complete(action.id)
            tx.delete(HOOKS, hook_id)
            return hook

        return await self._store.write(job)

    async def test(self, hook_id: str) -> Json:
        """Send a test event now and say what came; a success makes a disabled receiver active."""
        hook = await self._store.read(lambda tx: _known(tx, hook_id))
        event = Event(
            id=self._ids.new(),
            at=self._clock.now(),
            kind="webhook.test",
            text="A test: nothing happened.",
            subject=hook_id,
        )
        begin = time.perf_counter()
        status, error = await self._send(hook, event)
        if error is None:
            await self._store.write(lambda tx: self._well(tx, hook_id, None))
        ms = round((time.perf_counter() - begin) * 1000)
        return {"ok": error is None, "status": status, "error": error, "ms": ms}

    # -- what goes on by itself ------------------------------------------------------------------

    def _noted(self, tx: Tx, event: Event) -> None:
        """Put in the delivery of an event, in the transaction that keeps the event."""
        for hook in tx.find(HOOKS, limit=_HOOKS_MAX):
            if hook.state == "active" and hook.wants(event):
                self._enqueue(tx, hook.id)

    def _enqueue(self, tx: Tx, hook_id: str) -> None:
        if not tx.actions(MACHINE, hook_id, limit=1):
            action_id = self._ids.new()
            tx.enqueue(Action(id=action_id, machine=MACHINE, process=hook_id, name="deliver"))

    async def work(self, action: Action) -> None:
        """Deliver what waits for a receiver, in order; HansaError when it has to be tried again."""

        def following(tx: Tx) -> tuple[Hook, Event] | None:
            hook = tx.get(HOOKS, action.process)
            event = _next(tx, hook) if hook is not None and hook.state == "active" else None
            if hook is None or event is None:
                tx.complete(action.id)
                return None
            return hook, event

        while (found := await self._store.write(following)) is not None:
            hook, event = found
            status, error = await self._send(hook, event)
            if error is None:
                await self._store.write(lambda tx, e=event.id: self._well(tx, action.process, e))  # type: ignore[misc]
                continue
            disabled = await self._store.write(
                lambda tx, s=status, r=error: self._failed(tx, action, s, r)  # type: ignore[misc]
            )
            if disabled:
                text = f"Webhook disabled, {hook.place} can't be reached: {error}"
                self._journal.note("webhook.disabled", text, hook.id)
                return
            raise HansaError(Code.outbound_failed, f"The webhook was not delivered: {error}")

    def _well(self, tx: Tx, hook_id: str, event_id: str | None) -> None:
        """Note a success; go on after the event, and with what waits when it was disabled."""
        hook = tx.get(HOOKS, hook_id)
        if hook is None:
            return
        tx.put(
            HOOKS,
            msgspec.structs.replace(
                hook,
                position=event_id or hook.position,
                delivered=hook.delivered + (event_id is not None),
                state="active",
                attempts=0,
                failing_since=None,
                error=None,
                last_at=self._clock.now(),
            ),
        )
        if event_id is None and _next(tx, hook) is not None:
            self._enqueue(tx, hook_id)

    def _failed(self, tx: Tx, action: Action, status: int | None, error: str) -> bool:
        """Note a failed try; True when the receiver is given up, after a day or when it is gone."""
        hook = tx.get(HOOKS, action.process)
        if hook is None:
            tx.complete(action.id)
            return True
        now = self._clock.now()
        since = hook.failing_since or now
        disabled = status == _GONE or now - since >= DISABLED_AFTER
        tx.put(
            HOOKS,
            msgspec.structs.replace(
                hook,
                state="disabled" if disabled else "active",
                attempts=hook.attempts + 1,
                failing_since=since,
                error=error,
                last_at=now,
            ),
        )
        if disabled:
            tx.complete(action.id)
        return disabled

    async def _send(self, hook: Hook, event: Event) -> tuple[int | None, str | None]:
        """Send one event; give the status and None, or what went wrong."""
        data = {"participant": self._participant, **event_data(event)}
        body = msgspec.json.encode({"type": event.kind, "timestamp": iso(event.at), "data": data})
        stamp = str(int(self._clock.now().timestamp()))
        key = self._sealer.open(hook.secret, hook.id.encode())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": event.id,
            "webhook-timestamp": stamp,
            "webhook-signature": signature(key, event.id, stamp, body),
        }
        try:
            answer = await self._client.request(
                "POST",
                hook.url,
                headers=headers,
                body=body,
                timeout_s=_TIMEOUT_S,
                body_bytes_max=_ANSWER_BYTES_MAX,
            )
        except HansaError as error:
            return None, error.title
        if answer.ok:
            return answer.status, None
        return answer.status, f"The receiver answered {answer.status}."


def event_data(event: Event) -> Json:
    """Give an event as the management API shows it."""
    return {"id": event.id, "at": iso(event.at), "kind": event.kind, "text": event.text,
            "subject": event.subject}  # fmt: skip


def signature(key: bytes, event_id: str, stamp: str, body: bytes) -> str:
    """Give the value of `webhook-signature` (Standard Webhooks 1.0, symmetric)."""
    signed = f"{event_id}.{stamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def _waiting(tx: ReadTx, hook: Hook) -> int:
    count, position = 0, hook.position
    while found := tx.find(EVENTS, after=position, limit=_PAGE):
        count += sum(hook.wants(event) for event in found)
        position = found[-1].id
    return count


def _next(tx: ReadTx, hook: Hook) -> Event | None:
    """Give the next event that a receiver wants."""
    position = hook.position
    while found := tx.find(EVENTS, after=position, limit=_PAGE):
        for event in found:
            if hook.wants(event):
                return event
        position = found[-1].id
    return None


def _known(tx: ReadTx, hook_id: str) -> Hook:
    hook = tx.get(HOOKS, hook_id)
    if hook is None:
        raise HansaError(Code.not_found, "There is no such webhook.", "See: hansa webhook list")
    return hook


def _fresh_secret(ids: Ids) -> bytes:
    token = ids.token(32).encode()
    return base64.b64encode(hashlib.sha256(b"hansa webhook " + token).digest())


def _read_secret(text: str) -> bytes:
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except ValueError:
        key = b""
    if not 24 <= len(key) <= 64:
        raise HansaError(
            Code.invalid_field,
            "This is no secret of a webhook.",
            f"Write {_PREFIX} and 24 to 64 random bytes in Base64, or leave it out.",
            field="secret",
        )
    return key
