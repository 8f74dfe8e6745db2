"""Token renewal: in time, once for all, and without loss when answers or processes are lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from glob import glob
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import pytest
from dataplane_world import NORTH, SOUTH, Base64Sealer, Plane, bearer, caller

from hansa.dataplane import (
    AccessStore,
    Consumer,
    DataAddress,
    Renewing,
    TokenEndpoint,
    UsageLedger,
)
from hansa.dataplane.model import GRANT
from hansa.kernel import Code, HansaError
from hansa.kernel.crypto import SigningKey, jose
from hansa.kernel.outbound import OutboundResponse

REFRESH = "https://north.example/data/token"
KEY = SigningKey.generate()


class OneKey:
    """Knows the consumer's key."""

    async def check(self, token: jose.Unverified, signer: str, purpose: str) -> dict[str, Any]:
        return token.verify(KEY.public)


class Wire:
    """The consumer's client: everything goes to the provider of this test."""

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        self.renewals = 0
        self.fetches = 0
        self.lose: list[str] = []
        self.gate: asyncio.Event | None = None

    def endpoint(self) -> TokenEndpoint:
        return TokenEndpoint(self.plane.grants, OneKey(), NORTH, self.plane.clock)

    async def request(
        self, method: str, url: str, *, headers: Any = None, body: Any = None, **_: Any
    ) -> OutboundResponse:
        lowered = {name.lower(): value for name, value in headers.items()}
        if url == REFRESH:
            return await self._renew(lowered, dict(parse_qsl(body.decode())))
        self.fetches += 1
        try:
            await self.plane.grants.authorise(lowered)
        except HansaError as error:
            return OutboundResponse(error.status, {}, error.code.value.encode())
        return OutboundResponse(200, {"content-type": "application/json"}, b"[]")

    async def _renew(self, headers: dict[str, str], form: dict[str, str]) -> OutboundResponse:
        self.renewals += 1
        if self.gate is not None:
            await self.gate.wait()
        try:
            answer = await self.endpoint().renew(headers, form)
        except HansaError as error:
            body = msgspec.json.encode({"error": "invalid_grant", "code": error.code.value})
            return OutboundResponse(400, {}, body)
        if self.lose:
            raise HansaError(Code.outbound_timeout, self.lose.pop())
        return OutboundResponse(200, {}, msgspec.json.encode(answer))

    @asynccontextmanager
    async def stream(self, method: str, url: str, **given: Any) -> AsyncIterator[Any]:
        answer = await self.request(method, url, headers=given["headers"])

        class Content:
            async def iter_any(self) -> AsyncIterator[bytes]:
                yield answer.body

        class Response:
            status, headers, content = answer.status, answer.headers, Content()

        yield Response()


class World:
    """A provider and a consumer, each with its own store, on one clock."""

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        plane.agreements.add("a1")
        plane.grants.refresh_endpoint = REFRESH
        self.wire = Wire(plane)
        self.open()

    def open(self) -> None:
        """Make the consumer anew, as after a crash."""
        store = self.plane.database.store("south")
        self.access = AccessStore(store, Base64Sealer(), self.plane.clock)
        self.renewing = Renewing(self.access, self.wire, self._prove, self.plane.clock)
        usage = UsageLedger(store, self.plane.clock)
        self.consumer = Consumer(self.wire, self.access, usage, self.renewing)

    async def _prove(self, provider: str, token: str) -> str:
        claims = {"iss": SOUTH, "sub": SOUTH, "aud": provider, "token": token}
        return jose.sign(claims, KEY, {"kid": f"{SOUTH}#key", "typ": "JWT"})

    async def begin(self, *, believes_s: int | None = None, renewable: bool = True) -> DataAddress:
        address = await self.plane.grants.start("t1", "a1", caller(), renewable=renewable)
        if believes_s is not None:
            properties = address.properties | {"expiresIn": str(believes_s)}
            address = msgspec.structs.replace(address, properties=properties)
        await self.receive(address)
        return address

    async def receive(self, address: DataAddress) -> None:
        await self.access.received("t1", address, agreement_id="a1", provider=NORTH)

    async def fetch(self) -> tuple[int, str]:
        answer = await self.consumer.fetch("t1", "entities")
        return answer.status, answer.body.decode()

    async def token(self) -> str:
        return (await self.access.get("t1")).authorization


@pytest.fixture
async def world(plane: Plane) -> World:
    return World(plane)


async def test_a_token_is_renewed_before_it_ends(world: World) -> None:
    first = (await world.begin()).authorization
    assert await world.fetch() == (200, "[]")
    assert (world.wire.renewals, await world.token()) == (0, first)
    world.plane.clock.move(3_400)
    assert await world.fetch() == (200, "[]")
    assert world.wire.renewals == 1
    assert await world.token() != first
    for _ in range(30):
        world.plane.clock.move(3_400)
        assert await world.fetch() == (200, "[]")
    grant = await world.plane.grants.get("t1")
    assert grant is not None
    assert len(grant.tokens) == len(grant.lives) <= 5, "bounded"
    assert len(grant.renewals) == 1, "only the line in use goes on"


async def test_an_ended_token_is_refused_with_its_reason(world: World) -> None:
    address = await world.begin()
    world.plane.clock.move(3_600)
    refusal = await world.plane.refusal(bearer(address.authorization))
    assert (refusal.code, refusal.status) == (Code.token_expired, 401)


async def test_a_refused_token_is_renewed_and_the_request_repeated(world: World) -> None:
    await world.begin(believes_s=1_000_000)
    world.plane.clock.move(3_700)
    assert await world.fetch() == (200, "[]")
    assert (world.wire.renewals, world.wire.fetches) == (1, 2)
    world.plane.clock.move(3_700)
    await world.access.renewed(
        await described(world), await world.token(), await refresh_token(world), 1_000_000
    )
    async with world.consumer.stream("t1", "entities") as answer:
        assert answer.status == 200
        assert [part async for part in answer.parts] == [b"[]"]


async def test_requests_at_once_share_one_renewal(world: World) -> None:
    await world.begin()
    world.plane.clock.move(3_700)
    world.wire.gate = asyncio.Event()
    requests = [asyncio.create_task(world.fetch()) for _ in range(20)]
    await asyncio.sleep(0.01)
    world.wire.gate.set()
    assert await asyncio.gather(*requests) == [(200, "[]")] * 20
    assert world.wire.renewals == 1


async def test_one_who_gives_up_waiting_breaks_no_renewal(world: World) -> None:
    await world.begin()
    world.plane.clock.move(3_700)
    world.wire.gate = asyncio.Event()
    impatient = asyncio.create_task(world.fetch())
    patient = asyncio.create_task(world.fetch())
    await asyncio.sleep(0.01)
    impatient.cancel()
    world.wire.gate.set()
    assert await patient == (200, "[]")
    assert world.wire.renewals == 1


async def test_a_lost_answer_is_asked_for_again(world: World) -> None:
    first = (await world.begin()).authorization
    world.plane.clock.move(3_400)
    world.wire.lose = ["twice", "once"]
    for _ in range(2):
        assert await world.fetch() == (200, "[]"), "the old token still lasts"
        assert await world.token() == first
    assert await world.fetch() == (200, "[]")
    assert await world.token() != first
    assert world.wire.renewals == 3


async def test_a_lost_answer_after_the_end_is_told_and_then_asked_for_again(world: World) -> None:
    await world.begin()
    world.plane.clock.move(3_700)
    world.wire.lose = ["lost"]
    with pytest.raises(HansaError) as caught:
        await world.fetch()
    assert caught.value.code is Code.outbound_timeout
    assert await world.fetch() == (200, "[]")


async def test_a_crash_between_answer_and_write_costs_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.begin()
    world.plane.clock.move(3_700)

    async def die(*_: Any) -> None:
        raise HansaError(Code.unavailable, "The process died here.")

    with monkeypatch.context() as patched:
        patched.setattr(world.access, "renewed", die)
        with pytest.raises(HansaError) as caught:
            await world.fetch()
        assert caught.value.code is Code.unavailable
    world.open()
    assert await world.fetch() == (200, "[]")
    assert world.wire.renewals == 2


async def test_the_provider_restarts_between_renewal_and_first_use(world: World) -> None:
    await world.begin()
    refresh, token = await refresh_token(world), await world.token()
    made = await world.plane.grants.renew(refresh, token, SOUTH)
    await world.plane.restart()
    await world.plane.grants.check_renewable(refresh, token, SOUTH)
    (await world.plane.grants.authorise(bearer(made.access))).check()
    await world.plane.restart()
    with pytest.raises(HansaError) as caught:
        await world.plane.grants.check_renewable(refresh, token, SOUTH)
    assert caught.value.code is Code.token_unknown, "void, since its successor was used"
    assert made.refresh is not None
    await world.plane.grants.check_renewable(made.refresh, made.access, SOUTH)


async def test_a_first_answer_that_arrives_late_is_good_as_well(world: World) -> None:
    await world.begin()
    refresh, token = await refresh_token(world), await world.token()
    late = await world.plane.grants.renew(refresh, token, SOUTH)
    later = await world.plane.grants.renew(refresh, token, SOUTH)
    (await world.plane.grants.authorise(bearer(late.access))).check()
    (await world.plane.grants.authorise(bearer(later.access))).check()
    assert later.refresh is not None
    assert late.refresh is not None
    await world.plane.grants.check_renewable(later.refresh, later.access, SOUTH)
    with pytest.raises(HansaError):
        await world.plane.grants.check_renewable(late.refresh, late.access, SOUTH)


async def test_a_refresh_token_that_is_repeated_for_long_still_counts(world: World) -> None:
    await world.begin()
    refresh, token = await refresh_token(world), await world.token()
    for _ in range(20):
        made = await world.plane.grants.renew(refresh, token, SOUTH)
    (await world.plane.grants.authorise(bearer(made.access))).check()
    grant = await world.plane.grants.get("t1")
    assert grant is not None
    assert (len(grant.tokens), len(grant.renewals)) <= (7, 4), "bounded"


async def test_what_ended_while_it_was_renewed_stays_ended(world: World) -> None:
    await world.begin()
    world.plane.clock.move(3_700)
    world.wire.gate = asyncio.Event()
    request = asyncio.create_task(world.fetch())
    await asyncio.sleep(0.01)
    await world.access.dropped("t1", "The agreement ended.")
    world.wire.gate.set()
    with pytest.raises(HansaError) as caught:
        await request
    assert (caught.value.code, caught.value.detail) == (
        Code.transfer_ended,
        "The agreement ended.",
    )
    assert (await described(world)).refresh is None


async def test_a_newer_address_is_not_overwritten_by_a_renewal(world: World) -> None:
    await world.begin()
    before = await described(world)
    newer = await world.plane.grants.start("t1", "a1", caller(), renewable=True)
    await world.receive(newer)
    await world.access.renewed(before, "older", "older", 60)
    assert await world.token() == newer.authorization


async def test_a_suspended_member_sees_why_and_is_not_renewed(world: World) -> None:
    await world.begin()
    world.plane.roll.suspended.add(SOUTH)
    assert await world.fetch() == (401, "membership_suspended")
    assert (world.wire.renewals, world.wire.fetches) == (1, 1)
    world.plane.clock.move(3_700)
    with pytest.raises(HansaError) as caught:
        await world.fetch()
    assert caught.value.code is Code.counterparty_refused
    assert "membership_suspended" in caught.value.detail


async def test_an_access_that_is_not_renewable_lasts_as_long_as_the_transfer(world: World) -> None:
    address = await world.begin(renewable=False)
    assert address.properties == {}
    world.plane.clock.move(10_000_000)
    assert await world.fetch() == (200, "[]")
    assert world.wire.renewals == 0


async def test_a_refresh_token_needs_a_life(world: World) -> None:
    address = DataAddress(
        endpoint="https://north.example/",
        authorization="token",
        properties={"refreshToken": "r", "expiresIn": "soon"},
    )
    with pytest.raises(HansaError) as caught:
        await world.receive(address)
    assert caught.value.facts["field"] == "expiresIn"


@pytest.mark.parametrize("life_s", [0, -1, "3600", 10**9 + 1, 10**18, 2**63 - 1])
async def test_a_life_that_is_no_span_of_time_is_a_refusal_and_no_defect(
    world: World, life_s: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.begin()
    before = await world.token()
    world.plane.clock.move(3_700)

    async def odd(headers: object, form: object) -> OutboundResponse:
        body = {"access_token": "a", "token_type": "Bearer", "expires_in": life_s}
        return OutboundResponse(200, {}, msgspec.json.encode(body))

    monkeypatch.setattr(world.wire, "_renew", odd)
    with pytest.raises(HansaError) as caught:
        await world.fetch()
    assert caught.value.code is Code.counterparty_refused
    assert "can't be read" in caught.value.title
    assert await world.token() == before


async def test_tokens_of_a_renewal_are_neither_stored_nor_logged(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = await world.begin()
    refresh = await refresh_token(world)
    made = await world.plane.grants.renew(refresh, address.authorization, SOUTH)
    kept = b"".join(Path(name).read_bytes() for name in glob(f"{tmp_path}/*"))  # noqa: ASYNC240
    printed = capsys.readouterr()
    assert b"t1" in kept
    for secret in (refresh, made.access, str(made.refresh), address.authorization):
        assert secret.encode() not in kept
        assert secret not in printed.out + printed.err + repr(made) + repr(address)


async def test_a_grant_from_before_renewals_is_read(world: World) -> None:
    await world.begin(renewable=False)
    raw = msgspec.to_builtins(await world.plane.grants.get("t1"))
    for name in ("lives", "renewals", "vouched"):
        raw.pop(name)
    assert msgspec.convert(raw, GRANT.type).renewals == ()


async def described(world: World) -> Any:
    return await world.access.describe("t1")


async def refresh_token(world: World) -> str:
    found = world.access.refresh_token(await described(world))
    assert found is not None
    return found
