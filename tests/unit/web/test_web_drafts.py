"""Uploads between the two steps of publishing."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hansa.kernel import Code, CountingIds, FixedClock, HansaError
from hansa.web import drafts
from hansa.web.drafts import Drafts


async def body(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.fixture
def made(clock: FixedClock) -> Drafts:
    return Drafts(clock, CountingIds())


async def test_a_draft_belongs_to_its_owner_and_goes_when_dropped(made: Drafts) -> None:
    key = await made.keep_file("me", "../../etc/x.csv", body(b"a,b\n", b"1,2\n"))
    upload = await made.get("me", key)
    assert (upload.name, upload.size_bytes) == ("x.csv", 8)
    assert upload.path is not None
    assert upload.path.read_bytes() == b"a,b\n1,2\n"
    with pytest.raises(HansaError) as caught:
        await made.get("you", key)
    assert caught.value.code is Code.not_found
    await made.drop(key)
    assert not upload.path.exists()


async def test_a_draft_goes_after_half_an_hour(made: Drafts, clock: FixedClock) -> None:
    key = await made.keep_url("me", "https://example.org/a/stations.geojson?x=1")
    assert (await made.get("me", key)).name == "stations.geojson"
    clock.move(1_801)
    with pytest.raises(HansaError) as caught:
        await made.get("me", key)
    assert caught.value.code is Code.not_found


async def test_a_file_beyond_the_bound_leaves_nothing(
    made: Drafts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafts, "FILE_BYTES_MAX", 4)
    with pytest.raises(HansaError) as caught:
        await made.keep_file("me", "x.csv", body(b"12", b"345"))
    assert caught.value.code is Code.body_too_large
    assert made._folder is not None
    assert not list(made._folder.iterdir())


async def test_the_oldest_draft_gives_way(made: Drafts) -> None:
    first = await made.keep_url("me", "https://example.org/0")
    for i in range(16):
        await made.keep_url("me", f"https://example.org/{i}")
    with pytest.raises(HansaError) as caught:
        await made.get("me", first)
    assert caught.value.code is Code.not_found
