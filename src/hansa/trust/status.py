"""The authority's status list, as a member holds it (`StatusChecker`)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec
import structlog

from hansa.identity import Credential, Membership, Signatures, vcdm
from hansa.kernel import Clock, Code, HansaError
from hansa.kernel.crypto import jose
from hansa.kernel.outbound import Client
from hansa.kernel.store import Kind, Store
from hansa.kernel.telemetry import STATUS_AGE
from hansa.trust import wire_bitstring_1_0 as bitstring
from hansa.trust.anchors import Anchors
from hansa.trust.ports import OnChange
from hansa.trust.register import suspended

_log = structlog.get_logger("hansa.trust")

LISTS_MAX = 16
_LEEWAY = timedelta(seconds=30)
_PERSIST_EVERY = timedelta(seconds=10)
_TIMEOUT_S = 3.0
_ASSERTION = "assertionMethod"


class KeptList(msgspec.Struct, frozen=True, kw_only=True):
    """The last list as it is kept; `issued` is the authority's own time of signing."""

    url: str
    authority: str
    issued: datetime
    valid_until: datetime
    encoded: str


KEPT: Kind[KeptList] = Kind("status-list", KeptList, lambda each: each.url)


class _Held(msgspec.Struct, frozen=True, kw_only=True):
    url: str
    authority: str
    issued: datetime
    valid_until: datetime
    bits: bytes


class StatusHolder:
    """Hold the newest verified list of the pinned authority, and judge memberships by it.

    A list's age counts from the moment at which the authority signed it, so replaying an old list
    renews nothing; a list signed before the one that is held never replaces it. `start` fetches
    each `refresh_s`; a list older than `age_max_s` refuses everybody as status_unavailable.
    """

    def __init__(
        self,
        store: Store,
        client: Client,
        signatures: Signatures,
        anchors: Anchors,
        *,
        clock: Clock,
        refresh_s: float = 1.0,
        age_max_s: float = 60.0,
    ) -> None:
        self._store = store
        self._client = client
        self._signatures = signatures
        self._anchors = anchors
        self._clock = clock
        self._refresh_s = refresh_s
        self._age_max = timedelta(seconds=age_max_s)
        self._lists: dict[str, _Held] = {}
        self._persisted: dict[str, datetime] = {}
        self._wanted: dict[str, bool] = {}  # URL of a list: was it reached the last time
        self._fresh: Mapping[str, bool] = {}
        self._listeners: list[OnChange] = []
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def load(self) -> None:
        """Take up the lists that were held before a restart; they age on."""
        for kept in await self._store.read(lambda tx: tx.find(KEPT, limit=LISTS_MAX)):
            if not self._anchors.is_authority(kept.authority):
                continue
            self._wanted.setdefault(kept.url, False)
            self._persisted[kept.url] = kept.issued
            self._lists[kept.url] = _Held(
                url=kept.url,
                authority=kept.authority,
                issued=kept.issued,
                valid_until=kept.valid_until,
                bits=bitstring.decode(kept.encoded),
            )
        self._fresh = self._freshness()

    def on_change(self, listener: OnChange) -> None:
        """Register what is called when bits changed or a list became too old."""
        self._listeners.append(listener)

    def follow(self, url: str) -> None:
        """Fetch this list from now on; at most 16."""
        if url not in self._wanted and len(self._wanted) < LISTS_MAX:
            self._wanted[url] = False
            self._woken.set()

    def check(self, membership: Membership) -> None:
        """Return for a member in good standing; it does no I/O.

        HansaError membership_suspended, status_unavailable.
        """
        held = self._lists.get(membership.status_list)
        if held is None or held.authority != membership.authority:
            if self._anchors.is_authority(membership.authority):
                self.follow(membership.status_list)
            raise _unavailable("No status list of the authority has been received yet.", "unknown")
        if not self._is_fresh(held):
            raise _unavailable(
                f"The authority's last status list is older than {self._age_max.seconds} seconds.",
                "stale",
            )
        try:
            found = bitstring.is_set(held.bits, membership.status_index)
        except IndexError:
            raise _unavailable("The status list has no such entry.", "range") from None
        if found:
            raise suspended()

    def _is_fresh(self, held: _Held) -> bool:
        now = self._clock.now()
        return now - held.issued <= self._age_max and now < held.valid_until

    def age_s(self) -> float | None:
        """Give the age of the newest list in seconds, or None without one."""
        issued = [
            held.issued
            for held in self._lists.values()
            if self._anchors.is_authority(held.authority)
        ]
        return max(0.0, (self._clock.now() - max(issued)).total_seconds()) if issued else None

    @property
    def reachable(self) -> bool:
        """Say whether the last attempt to fetch a list succeeded."""
        return any(self._wanted.values())

    async def start(self) -> None:
        """Begin to fetch; `stop` ends it."""
        assert self._task is None, "the status holder runs already"
        self._task = asyncio.create_task(self._run(), name="hansa-status")

    async def stop(self) -> None:
        """End fetching."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        while True:
            try:
                await self.refresh()
            except Exception as error:  # noqa: BLE001 - it fails closed, and must go on trying
                _log.error("status.refresh_failed", exc_info=error)
            self._woken.clear()
            try:
                await asyncio.wait_for(self._woken.wait(), self._refresh_s)
            except TimeoutError:
                continue

    async def refresh(self) -> None:
        """Fetch every list that is followed, once."""
        await asyncio.gather(*(self._fetch(url) for url in list(self._wanted)))
        self._notice_age()

    async def _fetch(self, url: str) -> None:
        try:
            answer = await self._client.request(
                "GET",
                url,
                headers={"Accept": "application/vc+jwt"},
                timeout_s=_TIMEOUT_S,
                body_bytes_max=bitstring.TOKEN_BYTES_MAX,
            )
            if answer.status != 200:
                raise HansaError(
                    Code.counterparty_refused, f"The authority answered {answer.status}."
                )
            await self.receive(answer.body, url)
        except HansaError as error:
            if self._wanted.get(url):
                _log.warning("status.unreachable", url=url, reason=error.code.value)
            self._wanted[url] = False
        else:
            self._wanted[url] = True

    def _notice_age(self) -> None:
        """Tell the listeners when a list has become too old, or counts again."""
        age_s = self.age_s()
        if age_s is not None:
            STATUS_AGE.set(age_s)
        fresh = self._freshness()
        if fresh != self._fresh:
            self._fresh = fresh
            self._tell()

    def _freshness(self) -> dict[str, bool]:
        return {url: self._is_fresh(held) for url, held in self._lists.items()}

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()

    async def receive(self, body: bytes, url: str | None = None) -> bool:
        """Verify a list that was fetched or pushed; True when it is newer than the one held.

        HansaError token_malformed, issuer_untrusted, token_signature, token_expired.
        """
        try:
            text = body.decode("ascii").strip()
        except UnicodeDecodeError:
            raise jose.malformed("It is not a JWT.", "shape") from None
        token = jose.read(text, bytes_max=bitstring.TOKEN_BYTES_MAX)
        if token.typ != vcdm.CREDENTIAL_TYP:
            raise jose.malformed(f"Its `typ` must be {vcdm.CREDENTIAL_TYP}.", "typ", "typ")
        found = vcdm.read_credential(token.claims)
        if not self._anchors.is_authority(found.issuer):
            raise HansaError(
                Code.issuer_untrusted,
                "The issuer of the status list is not trusted here.",
                issuer=found.issuer,
            )
        await self._signatures.check(token, found.issuer, _ASSERTION)
        self._check_time(found)
        if bitstring.LIST_TYPE not in found.types or url not in (None, found.id):
            raise jose.malformed("It is not the status list that was asked for.", "list", "id")
        bits = bitstring.bits_of(found.claims)
        held = self._lists.get(found.id)
        if held is not None and found.valid_from <= held.issued:
            return False
        if held is None and len(self._lists) >= LISTS_MAX:
            raise jose.malformed("There are too many status lists.", "list", "id")
        await self._take(found, bits, held)
        return True

    def _check_time(self, found: Credential) -> None:
        now = self._clock.now()
        if found.valid_from > now + _LEEWAY or now >= found.valid_until:
            raise HansaError(
                Code.token_expired,
                "The status list is outside its time.",
                "Compare the clocks of both sides: they may differ by 30 seconds.",
            )

    async def _take(self, found: Credential, bits: bytes, held: _Held | None) -> None:
        self._lists[found.id] = _Held(
            url=found.id,
            authority=found.issuer,
            issued=found.valid_from,
            valid_until=found.valid_until,
            bits=bits,
        )
        self._wanted.setdefault(found.id, False)
        changed = held is None or held.bits != bits
        if changed:
            self._fresh = self._freshness()
            self._tell()
        last = self._persisted.get(found.id)
        if changed or last is None or found.valid_from - last >= _PERSIST_EVERY:
            kept = KeptList(
                url=found.id,
                authority=found.issuer,
                issued=found.valid_from,
                valid_until=found.valid_until,
                encoded=str(found.claims["encodedList"]),
            )
            self._persisted[found.id] = found.valid_from
            await self._store.write(lambda tx: tx.put(KEPT, kept))
            await self._anchors.keep_document()


def _unavailable(detail: str, reason: str) -> HansaError:
    return HansaError(
        Code.status_unavailable,
        "The status of the membership can't be checked now.",
        detail,
        reason=reason,
    )
