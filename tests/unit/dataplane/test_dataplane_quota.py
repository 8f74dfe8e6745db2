"""What others send has so much room, and the disk keeps its floor: refused for now, never lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from bytes_world import TRANSFER, Side, World, content, sha, until, world_in
from dataplane_world import NORTH

from hansa.dataplane import FlowState, Quota
from hansa.dataplane.quota import free_bytes, told
from hansa.dataplane.received import Part
from hansa.dataplane.resources import write_whole
from hansa.kernel import Code, HansaError

SIZE = 3_000_000
EARLIER = "transfer-0"
NEXT = "hansa transfer forget"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with world_in(tmp_path) as world:
        yield world


async def shows(side: Side, words: str) -> str:
    """Wait until the transfer of a side shows an error with these words; give it whole."""
    shown = ""

    async def there() -> bool:
        nonlocal shown
        shown = (await side.flows.get(TRANSFER)).progress.error or ""
        return words in shown

    try:
        await until(there, f"{words!r} in the error")
    except AssertionError as error:
        raise AssertionError(f"{error}; it is {shown!r}") from None
    return shown


async def whole(world: World, data: bytes) -> None:
    """Wait until all of the data are there."""

    async def done() -> bool:
        return (await world.provider.flows.get(TRANSFER)).state is FlowState.COMPLETED

    await until(done, "the push to be done")
    received = await world.consumer.received.get(TRANSFER)
    assert received is not None
    assert received.digest == sha(data)
    assert (await world.consumer.flows.get(TRANSFER)).progress.error is None


async def test_a_push_without_room_waits_is_shown_on_both_sides_and_goes_on(world: World) -> None:
    quota = world.consumer.received.quota
    quota.bytes_max = SIZE - 1
    data = content(SIZE)
    world.provider.publish(data)
    await world.push()
    shown = await shows(world.consumer, "storage_full: There is no room left for received files.")
    assert "of 2,999,999 bytes are taken (`received.bytes_max`)" in shown
    assert NEXT in shown
    await shows(world.provider, "The receiver answered 507. It has no room for this now.")
    assert world.provider.pushes.running(TRANSFER), "it tries again"
    quota.bytes_max = SIZE
    await whole(world, data)
    assert await quota.used_bytes() == SIZE


async def test_deleting_what_another_transfer_brought_makes_room(world: World) -> None:
    received = world.consumer.received
    received.quota.bytes_max = SIZE
    part = received.part(EARLIER)
    await part.open()
    await part.append(content(SIZE // 2))
    await received.keep(part, transfer_id=EARLIER, agreement_id="a", name="x", media_type="a/b")
    data = content(SIZE, seed=2)
    world.provider.publish(data)
    await world.push()
    await shows(world.provider, "507")
    assert await received.forget(EARLIER)
    await whole(world, data)


@pytest.mark.parametrize("way", ["push", "pull"])
async def test_the_disk_keeps_its_floor_whatever_comes(world: World, way: str) -> None:
    world.consumer.free_bytes = 1_000
    data = content(SIZE)
    world.provider.publish(data)
    if way == "push":
        await world.push()
    else:
        await world.pull()
        await world.consumer.downloads.start(TRANSFER)
    shown = await shows(world.consumer, "storage_full: The disk has too little room")
    assert "(`received.free_bytes_min`)" in shown
    assert NEXT in shown
    assert await world.consumer.received.part_size(TRANSFER) <= 1_000
    world.consumer.free_bytes = 10 * SIZE
    if way == "push":
        await whole(world, data)
    else:
        assert (await world.consumer.downloads.download(TRANSFER)).digest == sha(data)


async def test_nothing_is_fetched_that_would_have_no_room_in_the_end(world: World) -> None:
    world.consumer.received.quota.bytes_max = SIZE - 1
    data = content(SIZE)
    world.provider.publish(data)
    await world.pull()
    await world.consumer.downloads.start(TRANSFER)
    await shows(world.consumer, "storage_full: There is no room left for received files.")
    assert await world.consumer.received.part_size(TRANSFER) == 0
    world.consumer.received.quota.bytes_max = SIZE
    assert (await world.consumer.downloads.download(TRANSFER)).digest == sha(data)


async def test_a_download_that_is_cut_while_the_disk_is_full_goes_on(world: World) -> None:
    data, received, full = content(SIZE), world.consumer.received, True
    file = received.part(TRANSFER).path

    def free(folder: Path) -> int:
        return 0 if full and file.exists() and file.stat().st_size else 10 * SIZE

    received.quota._free = free
    world.provider.publish(data)
    await world.pull()
    world.to_provider.cuts = [("down", 1_500_000)]
    await world.consumer.downloads.start(TRANSFER)
    await shows(world.consumer, "storage_full: The disk has too little room")
    full = False
    assert (await world.consumer.downloads.download(TRANSFER)).digest == sha(data)


async def test_what_is_broken_off_twice_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quota = Quota(tmp_path, free_bytes_min=0)
    part = Part(tmp_path / "x.part", SIZE, quota)
    await part.open()
    begun, go_on = threading.Event(), threading.Event()

    def slow(descriptor: int, block: bytes) -> None:
        begun.set()
        go_on.wait()
        write_whole(descriptor, block)

    monkeypatch.setattr("hansa.dataplane.received.write_whole", slow)
    writing = asyncio.ensure_future(part.append(content(SIZE)))
    await asyncio.to_thread(begun.wait)
    for _ in range(2):
        writing.cancel()
        await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(writing, return_exceptions=True)

    async def written() -> bool:
        return part.size == SIZE

    await until(written, "the block to be written")
    assert await quota.used_bytes() == SIZE


async def test_a_file_that_a_crash_kept_from_being_noted_is_forgotten(world: World) -> None:
    received = world.consumer.received
    part = received.part(EARLIER)
    await part.open()
    await part.append(content(SIZE))
    await part.close()
    (received.folder / EARLIER).mkdir()
    part.path.replace(received.folder / EARLIER / "x")  # the last step before the note
    await received.forget(EARLIER)
    assert not list((received.folder / EARLIER).iterdir())
    assert await received.quota.used_bytes() == 0


async def test_bytes_of_unknown_length_are_taken_as_long_as_there_is_room(world: World) -> None:
    world.consumer.received.quota.bytes_max = SIZE
    prepared = await world.consumer.flows.prepare(world.consumer.flow("HttpData-PUSH", NORTH))
    assert prepared.address is not None
    url = prepared.address.endpoint
    token = {"Authorization": f"Bearer {prepared.address.authorization}"}

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield content(100_000)

    async with aiohttp.ClientSession() as http:
        try:
            async with http.post(url, headers=token, data=endless()) as answer:
                assert answer.status == 507
                body = await answer.json()
                assert body["code"] == "storage_full"
                assert "received." not in str(body), "the receiver's own settings and sizes"
        except aiohttp.ClientError:
            pass  # it was still writing when the connection was closed
        await shows(world.consumer, "storage_full")
    assert 0 < await world.consumer.received.part_size(TRANSFER) <= SIZE


async def test_a_sender_is_told_no_sizes_and_settings(tmp_path: Path) -> None:
    quota = Quota(tmp_path / "r", bytes_max=100, free_bytes_min=0)
    with pytest.raises(HansaError) as refused:
        await quota.check(101)
    assert "received.bytes_max" in str(refused.value)
    outside = told(refused.value)
    assert (outside.code, outside.title) == (Code.storage_full, refused.value.title)
    assert "received." not in str(outside)
    assert "100" not in str(outside)
    assert not outside.facts


async def test_what_lies_on_disk_counts_after_a_restart(tmp_path: Path) -> None:
    quota = Quota(tmp_path / "r", bytes_max=100, free_bytes_min=0)
    await quota.check(100)
    (tmp_path / "r" / "t").mkdir(parents=True)
    (tmp_path / "r" / "x.part").write_bytes(b"x" * 60)
    (tmp_path / "r" / "t" / "whole").write_bytes(b"x" * 30)
    again = Quota(tmp_path / "r", bytes_max=100, free_bytes_min=0)
    await again.check(10)
    with pytest.raises(HansaError) as refused:
        await again.check(11)
    assert refused.value.code is Code.storage_full
    assert refused.value.status == 507
    assert refused.value.facts["field"] == "received.bytes_max"
    assert NEXT in refused.value.facts["next"]


def test_the_free_disk_is_asked_of_the_nearest_folder_that_is_there(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "not" / "yet") > 0
