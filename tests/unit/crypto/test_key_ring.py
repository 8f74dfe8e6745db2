"""A ring signs, rotates, bans, and keeps its private keys sealed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from hansa.kernel import Code, FixedClock, HansaError
from hansa.kernel.crypto import KeyRing, KeyState, Sealer, SigningKey, jose
from hansa.kernel.crypto.key_ring import KEY
from hansa.kernel.store import Store
from hansa.kernel.store.sqlite import SqliteDatabase

SECRET = b"a node's secret of 32 bytes or so"
DID = "did:web:localhost%3A7711:delft"


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
async def database(tmp_path: Path, clock: FixedClock) -> AsyncIterator[SqliteDatabase]:
    opened = SqliteDatabase.open(tmp_path / "keys.sqlite", clock=clock)
    yield opened
    await opened.close()


@pytest.fixture
def store(database: SqliteDatabase) -> Store:
    return database.store("delft")


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def ring(store: Store, clock: FixedClock, secret: bytes = SECRET) -> KeyRing:
    made = KeyRing(store, secret, controller=DID, clock=clock)
    await made.load()
    return made


async def test_the_first_key_is_made_and_found_again(store: Store, clock: FixedClock) -> None:
    first = await ring(store, clock)
    again = await ring(store, clock)
    assert first.kid == again.kid
    token = jose.read(again.sign({"a": 1}, "JWT", {"cty": "x"}))
    assert token.header == {
        "alg": "ES256", "typ": "JWT", "kid": f"{DID}#{first.kid}", "cty": "x",
    }  # fmt: skip
    assert token.verify(first.published()[0].key) == {"a": 1}


async def test_rings_of_two_participants_are_apart(
    database: SqliteDatabase, store: Store, clock: FixedClock
) -> None:
    other = await ring(database.store("rijswijk"), clock)
    assert other.kid != (await ring(store, clock)).kid


async def test_private_keys_are_not_in_the_file(
    tmp_path: Path, store: Store, database: SqliteDatabase, clock: FixedClock
) -> None:
    made = await ring(store, clock)
    key = made._signing()[1]
    await database.close()
    raw = b"".join(path.read_bytes() for path in files(tmp_path))
    assert key.der() not in raw
    assert key.der()[36:68] not in raw


async def test_another_secret_does_not_open_the_keys(store: Store, clock: FixedClock) -> None:
    await ring(store, clock)
    with pytest.raises(HansaError) as caught:
        await ring(store, clock, b"another secret of 32 bytes or so.")
    assert caught.value.code is Code.settings_invalid


async def test_a_sealed_key_of_another_participant_is_refused(
    database: SqliteDatabase, store: Store, clock: FixedClock
) -> None:
    await ring(store, clock)
    stolen = await store.read(lambda tx: tx.find(KEY))
    other = database.store("rijswijk")
    await other.write(lambda tx: tx.put(KEY, stolen[0]))
    with pytest.raises(HansaError) as caught:
        await ring(other, clock)
    assert caught.value.code is Code.settings_invalid


async def test_rotation_keeps_the_old_key_published_for_a_while(
    store: Store, clock: FixedClock
) -> None:
    made = await ring(store, clock)
    old, version = made.kid, made.version
    new = await made.rotate(publish_until=clock.now() + timedelta(hours=1))
    assert made.version > version
    assert made.kid == new != old
    assert [key.kid for key in made.published()] == [new, old]
    retired = next(key for key in made.history() if key.kid == old)
    assert (retired.state, retired.sealed) == (KeyState.retired, None)
    again = await ring(store, clock)
    assert again.kid == new
    clock.move(3600)
    assert [key.kid for key in made.published()] == [new]
    await made.rotate(publish_until=clock.now())
    assert old not in {key.kid for key in made.history()}


async def test_a_banned_active_key_is_replaced_at_once(store: Store, clock: FixedClock) -> None:
    made = await ring(store, clock)
    old = made.kid
    await made.ban(f"{DID}#{old}", "it leaked")
    assert made.kid != old
    assert [key.kid for key in made.published()] == [made.kid]
    assert {key.kid: key.state for key in made.history()}[old] is KeyState.banned
    again = await ring(store, clock)
    with pytest.raises(HansaError) as caught:
        again.check_not_banned(old)
    assert (caught.value.code, caught.value.status) == (Code.key_banned, 401)
    again.check_not_banned(again.kid)


async def test_a_banned_retired_key_is_published_no_more(store: Store, clock: FixedClock) -> None:
    made = await ring(store, clock)
    old = made.kid
    new = await made.rotate(publish_until=clock.now() + timedelta(days=1))
    await made.ban(old)
    assert [key.kid for key in made.published()] == [new]


async def test_a_key_of_someone_else_can_be_banned(store: Store, clock: FixedClock) -> None:
    made = await ring(store, clock)
    await made.ban("did:web:example.org#key-1")
    with pytest.raises(HansaError) as caught:
        made.check_not_banned("did:web:example.org#key-1", "x")
    assert caught.value.code is Code.key_banned
    assert len(made.published()) == 1


def test_a_sealer_opens_only_its_own() -> None:
    sealer = Sealer(SECRET, "a")
    sealed = sealer.seal(b"plain", b"context")
    assert sealer.open(sealed, b"context") == b"plain"
    assert sealer.seal(b"plain", b"context") != sealed
    tries = [
        (sealer, sealed, b"other"),
        (Sealer(SECRET, "b"), sealed, b"context"),
        (sealer, sealed[:-1] + bytes([sealed[-1] ^ 1]), b"context"),
        (sealer, sealed[:20], b"context"),
        (sealer, b"", b"context"),
    ]
    for opener, text, context in tries:
        with pytest.raises(HansaError) as caught:
            opener.open(text, context)
        assert caught.value.code is Code.settings_invalid


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(HansaError) as caught:
        Sealer(b"short", "a")
    assert (caught.value.code, caught.value.facts["field"]) == (Code.settings_invalid, "secret")


def test_a_signing_key_survives_its_der() -> None:
    key = SigningKey.generate()
    again = SigningKey.of_der(key.der())
    assert again.public == key.public
    assert key.public.verify("ES256", b"m", again.sign(b"m"))
