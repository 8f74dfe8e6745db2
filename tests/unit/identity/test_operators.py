"""Who may operate a node: the token, sign-in links, sessions, and where a request comes from."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hansa.identity import Operators, check_origin
from hansa.kernel import Code, FixedClock, HansaError, SystemIds
from hansa.kernel.store import NODE
from hansa.kernel.store.sqlite import SqliteDatabase

TOKEN = "the-operators-token-of-this-node"
PAGE = {
    "host": "localhost:7711",
    "origin": "http://localhost:7711",
    "sec-fetch-site": "same-origin",
}


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
async def database(folder: Path, clock: FixedClock) -> AsyncIterator[SqliteDatabase]:
    opened = SqliteDatabase.open(folder / "node.sqlite", clock=clock)
    yield opened
    await opened.close()


def make(database: SqliteDatabase, clock: FixedClock) -> Operators:
    return Operators(
        database.store(NODE), TOKEN, did="did:web:x", name="Ada", clock=clock, ids=SystemIds()
    )


@pytest.fixture
def operators(database: SqliteDatabase, clock: FixedClock) -> Operators:
    return make(database, clock)


async def signed_in(operators: Operators) -> str:
    cookie = await operators.sign_in(await operators.invite())
    assert cookie is not None
    return cookie


async def refusal(
    operators: Operators, headers: dict[str, str], cookie: str | None = None, method: str = "GET"
) -> HansaError:
    with pytest.raises(HansaError) as caught:
        await operators.authenticate_operator(headers, cookie, method=method)
    return caught.value


async def test_the_token_makes_the_operator(operators: Operators) -> None:
    headers = {"authorization": f"Bearer {TOKEN}"}
    caller = await operators.authenticate_operator(headers, None, method="POST")
    assert (caller.kind, caller.did, caller.name) == ("operator", "did:web:x", "Ada")


@pytest.mark.parametrize("value", ["Bearer wrong", f"Basic {TOKEN}", "Bearer ", TOKEN, "Bearer ä"])
async def test_a_wrong_token_is_refused_even_with_a_session(
    operators: Operators, value: str
) -> None:
    cookie = await signed_in(operators)
    error = await refusal(operators, {"authorization": value}, cookie)
    assert (error.code, error.status) == (Code.token_unknown, 401)
    assert TOKEN not in error.detail


async def test_a_link_counts_once(operators: Operators) -> None:
    link = await operators.invite()
    assert await operators.sign_in(link) is not None
    assert await operators.sign_in(link) is None


async def test_a_link_counts_for_ten_minutes(operators: Operators, clock: FixedClock) -> None:
    first, second = await operators.invite(), await operators.invite()
    clock.move(599)
    assert await operators.sign_in(first) is not None
    clock.move(1)
    assert await operators.sign_in(second) is None


async def test_an_unknown_link_does_not_count(operators: Operators) -> None:
    assert await operators.sign_in("x") is None
    assert await operators.sign_in("") is None


async def test_unused_links_are_bounded(operators: Operators, clock: FixedClock) -> None:
    for _ in range(100):
        await operators.invite()
    with pytest.raises(HansaError) as caught:
        await operators.invite()
    assert caught.value.code is Code.too_many_requests
    clock.move(600)
    await operators.invite()


async def test_a_session_ends_after_twelve_idle_hours(
    operators: Operators, clock: FixedClock
) -> None:
    cookie = await signed_in(operators)
    for _ in range(3):
        clock.move(12 * 3600 - 1)
        assert await operators.caller(cookie) is not None
    clock.move(12 * 3600)
    assert await operators.caller(cookie) is None
    error = await refusal(operators, {}, cookie)
    assert (error.code, error.status) == (Code.sign_in_required, 401)
    assert error.facts["next"] == "hansa open"


async def test_a_session_ends_after_thirty_days_in_any_case(
    operators: Operators, clock: FixedClock
) -> None:
    cookie = await signed_in(operators)
    for _ in range(65):
        clock.move(11 * 3600)
        assert await operators.caller(cookie) is not None
    clock.move(11 * 3600)
    assert await operators.caller(cookie) is None


async def test_a_session_survives_a_restart_and_ends_at_sign_out(
    database: SqliteDatabase, operators: Operators, clock: FixedClock
) -> None:
    cookie = await signed_in(operators)
    again = make(database, clock)
    assert await again.caller(cookie) is not None
    await again.sign_out(cookie)
    assert await operators.caller(cookie) is None


async def test_nobody_without_token_or_session(operators: Operators) -> None:
    for cookie in (None, "", "x"):
        assert (await refusal(operators, {}, cookie)).code is Code.sign_in_required


async def test_secrets_are_kept_as_hashes(
    folder: Path, database: SqliteDatabase, operators: Operators
) -> None:
    link, cookie = await operators.invite(), await signed_in(operators)
    await database.close()
    raw = read_all(folder)
    for secret in (link, cookie, TOKEN):
        assert secret.encode() not in raw


def read_all(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def test_a_session_changes_things_only_from_our_own_pages(operators: Operators) -> None:
    cookie = await signed_in(operators)
    await operators.authenticate_operator({}, cookie, method="GET")
    await operators.authenticate_operator(PAGE, cookie, method="POST")
    error = await refusal(operators, {"host": "localhost:7711"}, cookie, "POST")
    assert (error.code, error.status) == (Code.forbidden, 403)


@pytest.mark.parametrize(
    "changes",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "http://localhost:7712"},
        {"sec-fetch-site": "none"},
        {"origin": "http://localhost:7712"},
        {"origin": "null"},
        {"host": None},
        {"sec-fetch-site": None, "origin": None},
        {"sec-fetch-site": None, "origin": "http://evil.example"},
        {"sec-fetch-site": None, "origin": "http://localhost"},
    ],
)
def test_a_request_from_elsewhere_is_refused(changes: dict[str, str | None]) -> None:
    headers = {k: v for k, v in {**PAGE, **changes}.items() if v is not None}
    with pytest.raises(HansaError) as caught:
        check_origin(headers)
    assert caught.value.code is Code.forbidden


@pytest.mark.parametrize("left_out", ["origin", "sec-fetch-site", ""])
def test_a_request_from_our_own_page_is_taken(left_out: str) -> None:
    check_origin({k: v for k, v in PAGE.items() if k != left_out})
    check_origin({k.title(): v for k, v in PAGE.items() if k != left_out})


def test_a_short_operator_token_is_refused(database: SqliteDatabase, clock: FixedClock) -> None:
    with pytest.raises(HansaError) as caught:
        Operators(database.store(NODE), "short", did="d", name="n", clock=clock, ids=SystemIds())
    assert caught.value.code is Code.settings_invalid
