"""What the data plane's tests share: agreements, members, and peers that answer as told."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from hansa.dataplane import GoverningAgreement, Grants, UsageLedger
from hansa.identity import Caller, Membership
from hansa.kernel import Code, FixedClock, HansaError, SystemIds
from hansa.kernel.outbound import OutboundResponse
from hansa.kernel.store.sqlite import SqliteDatabase
from hansa.policy import PROFILE_IRI, Cut

NORTH = "did:web:localhost%3A7711:north"
SOUTH = "did:web:localhost%3A7712:south"
EAST = "did:web:localhost%3A7713:east"
ENDPOINT = "http://localhost:7711/north/data/ngsi-ld/v1"
TARGET = "urn:uuid:dataset"
TYPE = "https://example.org/Building"
SELECTION = Cut(types=frozenset({TYPE}))
END = datetime(2026, 1, 1, 18, tzinfo=UTC)


def constraint(left: str, operator: str, right: str) -> dict[str, str]:
    return {"leftOperand": left, "operator": operator, "rightOperand": right}


def odrl(*constraints: dict[str, str], assignee: str = SOUTH) -> dict[str, Any]:
    """Give an agreement that permits use under the constraints."""
    return {
        "@id": "urn:uuid:agreement",
        "@type": "Agreement",
        "profile": PROFILE_IRI,
        "target": TARGET,
        "assigner": NORTH,
        "assignee": assignee,
        "permission": [{"action": "use", "constraint": list(constraints)}],
    }


UNTIL_SIX = constraint("odrl:dateTime", "lt", "2026-01-01T18:00:00Z")
ONE_ATTRIBUTE = constraint("hansa:attribute", "eq", "https://example.org/energy")
DAY_OLD = constraint("hansa:dataAge", "lteq", "P1D")
FOR_RESEARCH = constraint("odrl:purpose", "eq", "https://example.org/research")


class Agreements:
    """Knows agreements by id; `ended` and replaced ones are seen at the next read."""

    def __init__(self) -> None:
        self.known: dict[str, GoverningAgreement] = {}
        self.reads = 0

    def add(
        self,
        agreement_id: str,
        *constraints: dict[str, str],
        assignee: str = SOUTH,
        purpose: str | None = None,
    ) -> None:
        self.known[agreement_id] = GoverningAgreement(
            id=agreement_id,
            odrl=odrl(*constraints, assignee=assignee),
            target=TARGET,
            selection=SELECTION,
            assignee=assignee,
            purpose=purpose,
        )

    def end(self, agreement_id: str, reason: str | None = None) -> None:
        self.known[agreement_id] = msgspec.structs.replace(
            self.known[agreement_id], active=False, ended_reason=reason
        )

    async def agreement(self, agreement_id: str) -> GoverningAgreement | None:
        self.reads += 1
        return self.known.get(agreement_id)


class Roll:
    """Knows who is suspended, and whether the status list is to be had."""

    def __init__(self) -> None:
        self.suspended: set[str] = set()
        self.reachable = True
        self.asked: list[tuple[str, int | None]] = []

    def check(self, consumer: str, membership: Membership | None) -> None:
        self.asked.append((consumer, None if membership is None else membership.status_index))
        if not self.reachable:
            raise HansaError(Code.status_unavailable, "The status list is too old.")
        if consumer in self.suspended:
            raise HansaError(Code.membership_suspended, "The member is suspended.")


def membership(index: int = 7, until: datetime | None = None) -> Membership:
    return Membership(
        authority="did:web:localhost%3A7710:authority",
        credential_id=f"urn:uuid:{index}",
        status_list="http://localhost:7710/authority/trust/status/1",
        status_index=index,
        valid_until=until or datetime(2027, 1, 1, tzinfo=UTC),
    )


def caller(did: str = SOUTH, **members: Any) -> Caller:
    return Caller(did=did, kind="participant", **{"membership": membership(), **members})


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def basic(user: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


class Plane:
    """One participant's data plane on a file that can be opened again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = FixedClock()
        self.agreements = Agreements()
        self.roll = Roll()
        self.database = SqliteDatabase.open(path, clock=self.clock)
        self.wire()

    def wire(self, participant: str = "north") -> Grants:
        self.store = self.database.store(participant)
        self.usage = UsageLedger(self.store, self.clock, block_calls=10, block_s=0.02)
        self.grants = Grants(
            self.store,
            endpoint=ENDPOINT,
            agreements=self.agreements,
            standing=self.roll,
            usage=self.usage,
            clock=self.clock,
            ids=SystemIds(),
        )
        return self.grants

    async def restart(self) -> None:
        await self.database.close()
        self.database = SqliteDatabase.open(self.path, clock=self.clock)
        self.wire()
        await self.grants.load()

    async def refusal(self, headers: dict[str, str]) -> HansaError:
        """Give the error with which a request is refused; fail when it is let through."""
        try:
            await self.grants.authorise(headers)
        except HansaError as error:
            return error
        raise AssertionError("the request was let through")


class Base64Sealer:
    """Stands for encryption: readable by nobody who looks for the plain text."""

    def seal(self, plain: bytes, context: bytes) -> bytes:
        return base64.b64encode(context + b"\0" + plain)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        found, _, plain = base64.b64decode(sealed).partition(b"\0")
        if found != context:
            raise HansaError(Code.settings_invalid, "It was sealed for another purpose.")
        return plain


class _Body:
    def __init__(self, parts: list[bytes]) -> None:
        self._parts = parts

    async def iter_any(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            yield part


class _Streamed:
    def __init__(self, answer: OutboundResponse) -> None:
        self.status = answer.status
        self.headers = answer.headers
        middle = len(answer.body) // 2
        self.content = _Body([answer.body[:middle], answer.body[middle:]])


class Provider:
    """A client behind which one provider gives the same answer to everything."""

    def __init__(self, answer: OutboundResponse) -> None:
        self.answer = answer
        self.calls: list[tuple[str, str, dict[str, str], bytes | None]] = []

    async def request(
        self, method: str, url: str, *, headers: Any = None, body: Any = None, **_: Any
    ) -> OutboundResponse:
        self.calls.append((method, url, dict(headers), body))
        return self.answer

    @asynccontextmanager
    async def stream(
        self, method: str, url: str, *, headers: Any = None, body: Any = None, **_: Any
    ) -> AsyncIterator[_Streamed]:
        self.calls.append((method, url, dict(headers), body))
        yield _Streamed(self.answer)
