"""The typed client against a running node; it blocks, so it runs in a thread of its own."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from hansa.client import Event, Node, Participant, Step
from hansa.kernel import Code, HansaError
from node_world import World

T = TypeVar("T")


async def using(world: World, work: Callable[[Participant, Participant], T]) -> T:
    """Run `work` with East and West in a thread."""

    def job() -> T:
        with Node(world.url, world.token) as node:
            return work(node.participant("east"), node.participant("west"))

    return await asyncio.to_thread(job)


async def test_a_whole_trade_in_types(world: World) -> None:
    await world.publish()

    def trade(east: Participant, west: Participant) -> None:
        (dataset,) = east.catalogue("marks")
        began = east.negotiate(dataset)
        told = []
        for found, messages in east.follow_negotiation(began.id):
            told += [message.summary for message in messages]
            last = found
        assert last.state == "FINALIZED"
        assert len(told) == 4
        assert last.agreement_id is not None
        transfer = east.start_transfer(last.agreement_id)
        transfer = east.transfer(transfer.id, wait=("STARTED",))
        assert transfer.state == "STARTED"
        assert east.access(transfer.id).endpoint.startswith("http")
        assert next(east.agreements()).id == last.agreement_id
        assert [n.id for n in west.negotiations(state="FINALIZED")] == [last.pids.provider]
        ended = west.end_agreement(last.agreement_id, "Over.")
        assert ended.state == "ended"
        over = east.transfer(transfer.id, wait=("TERMINATED",))
        assert over.refusal is not None
        assert over.refusal.code == "agreement_ended"
        assert east.timeline(last.agreement_id)[-1].kind in ("ended", "transfer")

    await using(world, trade)


async def test_an_iterator_reads_page_after_page(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        await world.publish(f"Marks {number}")
    asked = list[str]()

    def listed(east: Participant, west: Participant) -> list[str]:
        real = west.client.get

        def counted(path: str, query: object = None) -> dict[str, object]:
            asked.append(path)
            return real(path, {**(query or {}), "limit": 2})  # type: ignore[dict-item]

        monkeypatch.setattr(west.client, "get", counted)
        return [dataset.title for dataset in west.datasets()]

    titles = await using(world, listed)
    assert sorted(titles) == [f"Marks {number}" for number in range(5)]
    assert len(asked) == 3


async def test_who_follows_gets_each_event_once_over_a_broken_connection(world: World) -> None:
    def follow(east: Participant, west: Participant) -> list[Event]:
        found = []
        for event in east.follow(after=first):
            found.append(event)
            if len(found) == 3:
                return found
        raise AssertionError

    world.east.journal.note("test.noted", "zero")
    await world.east.journal.settled()
    first = (await world.east.journal.latest(limit=1))[0].id
    task = asyncio.ensure_future(using(world, follow))
    world.east.journal.note("test.noted", "one")
    async with asyncio.timeout(60):
        while not world.east.journal._followers:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    for transport in [c.transport for c in world.server.server_state.connections]:  # type: ignore[union-attr]
        transport.abort()
    world.east.journal.note("test.noted", "two")
    world.east.journal.note("test.noted", "three")
    async with asyncio.timeout(60):
        assert [event.text for event in await task] == ["one", "two", "three"]


async def test_a_refusal_is_the_nodes_own_error(world: World) -> None:
    def ask(east: Participant, west: Participant) -> HansaError:
        with pytest.raises(HansaError) as caught:
            east.act_on_negotiation("urn:uuid:nobody", "accept")
        return caught.value

    error = await using(world, ask)
    assert error.code is Code.not_found
    assert error.status == 404


async def test_a_script_rehearses_a_refusal(world: World) -> None:
    dataset = await world.publish()

    def rehearse(east: Participant, west: Participant) -> None:
        step = Step(on="REQUESTED", do="refuse", code="rehearsed", reason="Not today.")
        west.put_script(dataset["id"], [step])
        began = east.negotiate(east.dataset(dataset["id"]))
        over = east.negotiation(began.id, wait=("FINALIZED",))
        assert over.refusal is not None
        assert over.refusal.reasons == ["Not today."]
        assert over.refusal.by == "counterparty"

    await using(world, rehearse)


async def test_bytes_are_fetched_and_gone_on_with(world: World, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4096

    file = tmp_path / "picture.bin"
    file.write_bytes(content)

    def fetch(east: Participant, west: Participant) -> None:
        query = {"title": "Picture", "template": "members", "name": "a picture.bin"}
        with file.open("rb") as opened:
            made = west.client.send(f"{west.base}/datasets/upload", query, opened)
        dataset = east.dataset(made["dataset"]["id"])
        assert dataset.resource is not None
        assert dataset.resource.digest == hashlib.sha256(content).hexdigest()
        began = east.negotiate(dataset)
        agreed = east.negotiation(began.id, wait=("FINALIZED",))
        assert agreed.agreement_id is not None
        transfer = east.start_transfer(agreed.agreement_id)
        east.transfer(transfer.id, wait=("STARTED",))
        target = tmp_path / "got.bin"
        assert east.fetch(transfer.id, target) == len(content)
        assert target.read_bytes() == content
        tag = target.with_name("got.bin.tag")
        assert not tag.exists()
        headers = _headers(east, transfer.id)
        etag = headers["etag"]
        assert headers["content-disposition"] == "attachment; filename*=UTF-8''a%20picture.bin"
        target.unlink()
        part = target.with_name("got.bin.part")
        part.write_bytes(content[:100_000])
        tag.write_text(etag, encoding="utf-8")
        assert east.fetch(transfer.id, target) == len(content)
        assert target.read_bytes() == content
        part.write_bytes(b"wrong" + content[5:100_000])
        tag.write_text(etag, encoding="utf-8")
        with pytest.raises(HansaError) as caught:  # it went on, and the digest told
            east.fetch(transfer.id, target)
        assert caught.value.code is Code.digest_mismatch
        part.write_bytes(b"wrong" + content[5:100_000])
        tag.write_text('"another version"', encoding="utf-8")
        assert east.fetch(transfer.id, target) == len(content)

    await using(world, fetch)


def _headers(east: Participant, transfer_id: str) -> dict[str, str]:
    with east.client.stream(f"{east.base}/transfers/{transfer_id}/file") as answer:
        return {name.lower(): value for name, value in answer.headers.items()}
