"""Do a request once: a repeat with the same `Idempotency-Key` gets the first one's answer."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import msgspec

from hansa.kernel import Clock, Code, HansaError, Ids
from hansa.kernel.crypto import Sealer
from hansa.kernel.store import Kind, Store, Tx

KEPT = timedelta(hours=24)
_KEY = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)
_FORGET_MAX = 4


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """A request under a key: what was asked, and the answer, encrypted, once there is one.

    An answer may hold a secret that is shown once and kept nowhere else in clear.
    """

    id: str
    key: str
    asked: str
    at: datetime
    answer: bytes | None = None


DONE: Kind[Done] = Kind(
    "node_once", Done, key=lambda done: done.id, indexes={"key": lambda done: done.key}
)


class Once:
    """Keys of one participant, kept for 24 hours."""

    def __init__(self, store: Store, sealer: Sealer, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._sealer = sealer
        self._clock = clock
        self._ids = ids

    async def do(self, key: str, asked: bytes, call: Callable[[], Awaitable[bytes]]) -> bytes:
        """Give the answer of `call`, or the one that it gave before under this key.

        A key is noted before the work begins, so after a crash in between its repeat is refused
        rather than done twice. A refused request frees its key. HansaError invalid_field (no key
        of 1 to 255 visible signs), conflict (another request, or no answer yet).
        """
        if not _KEY.fullmatch(key):
            raise HansaError(
                Code.invalid_field,
                "The `Idempotency-Key` is no key.",
                "Send 1 to 255 visible ASCII characters, for example a UUID.",
                field="Idempotency-Key",
            )
        digest = hashlib.sha256(asked).hexdigest()
        mine = Done(id=self._ids.new(), key=key, asked=digest, at=self._clock.now())
        known = await self._store.write(lambda tx: self._begin(tx, mine))
        if known is not None:
            return self._sealer.open(_again(known, digest), known.id.encode())
        try:
            answer = await call()
        except BaseException:
            await self._store.write(lambda tx: tx.delete(DONE, mine.id))
            raise
        sealed = self._sealer.seal(answer, mine.id.encode())
        kept = msgspec.structs.replace(mine, answer=sealed)
        await self._store.write(lambda tx: tx.put(DONE, kept))
        return answer

    def _begin(self, tx: Tx, mine: Done) -> Done | None:
        for old in tx.find(DONE, limit=_FORGET_MAX):
            if mine.at - old.at > KEPT:
                tx.delete(DONE, old.id)
        found = tx.find(DONE, {"key": mine.key}, limit=1, newest_first=True)
        if found:
            return found[0]
        tx.insert(DONE, mine)
        return None


def _again(known: Done, digest: str) -> bytes:
    if known.asked != digest:
        raise HansaError(
            Code.conflict,
            "This `Idempotency-Key` belongs to another request.",
            "Use a fresh key for each request.",
            field="Idempotency-Key",
        )
    if known.answer is None:
        raise HansaError(
            Code.conflict,
            "The first request with this `Idempotency-Key` has no answer.",
            "It is still worked, or was cut off: read the list before you send it with a new key.",
            field="Idempotency-Key",
        )
    return known.answer
