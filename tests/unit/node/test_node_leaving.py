"""A dataset of bytes that is withdrawn takes its uploaded file along, when nothing sends it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from hansa.exchange import DataAddress, Role
from hansa.node import leaving
from hansa.node.management.data import DatasetBody
from hansa.node.management.resources import ResourceFrom
from node_world import OPERATOR, Json, World, until

WEST = "/participants/west"


async def upload(world: World) -> Json:
    async def parts() -> AsyncIterator[bytes]:
        yield b"plan"

    body = DatasetBody(title="Plan", template="members")
    found = await world.management.upload_resource(OPERATOR, "west", body, parts(), name="plan.bin")
    dataset: Json = found["dataset"]
    return dataset


def files(world: World) -> list[Path]:
    return [path for path in (world.west.shelf.folder / "uploads").glob("*") if path.is_file()]


def gone(world: World) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        events = await world.west.journal.latest()
        return not files(world) and any(e.kind == "dataset.file_deleted" for e in events)

    return look


async def test_an_upload_goes_with_its_dataset(world: World) -> None:
    dataset = await upload(world)
    assert len(files(world)) == 1
    found = await world.done("DELETE", f"{WEST}/datasets/{dataset['id']}")
    assert found == {"id": dataset["id"], "title": "Plan", "file": "deleted"}
    await until(gone(world), "the file to be deleted")


async def test_a_file_of_the_operators_own_stays(world: World) -> None:
    folder = world.west.shelf.folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "own.bin").write_bytes(b"own")
    found = await world.management.publish_resource(
        OPERATOR,
        "west",
        DatasetBody(title="Own", template="members"),
        ResourceFrom(location="own.bin"),
    )
    answer = await world.done("DELETE", f"{WEST}/datasets/{found['dataset']['id']}")
    assert answer["file"] is None
    assert (folder / "own.bin").read_bytes() == b"own"


async def test_a_push_that_runs_keeps_the_file_until_it_ends(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving, "LOOK_AGAIN_S", 0.05)
    dataset = await upload(world)
    agreed = await world.agree(dataset)
    nowhere = DataAddress(
        endpoint_type="https://w3id.org/idsa/v4.1/HTTP", endpoint="http://localhost:1/nobody"
    )
    mine = await world.east.exchange.request_transfer(
        agreed["agreement_id"], "HttpData-PUSH", address=nowhere
    )

    async def started() -> str:
        found = await world.west.exchange.transfers(role=Role.provider.value)
        return found[0].id if found and found[0].live else ""

    theirs = await until(started, "the push to run")
    found = await world.done("DELETE", f"{WEST}/datasets/{dataset['id']}")
    assert found["file"] == "in_use"

    async def looked() -> bool:
        actions = await world.west.store.read(lambda tx: tx.actions(leaving.MACHINE))
        return bool(actions) and actions[0].error == "Running transfers that still send it: 1."

    await until(looked, "the file to be waited for")
    assert len(files(world)) == 1
    await world.west.exchange.terminate_transfer(theirs, "Enough.")
    await until(gone(world), "the file to be deleted")
    assert mine.id
