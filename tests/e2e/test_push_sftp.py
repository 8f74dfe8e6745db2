"""Files and exports of one city sent to another one's SFTP server: a real OpenSSH."""

from __future__ import annotations

import asyncio
import json
import os
from hashlib import sha256

import pytest
from tests.e2e.push_world import OPERATOR, Cities, lamp, until

from hansa.dataplane.planes.sftp_push import SftpSink
from hansa.dataplane.push import Item
from hansa.exchange import DataAddress
from sshd import Sshd

NAME = "Sftp-PUSH"
LARGE = 40 * 1024 * 1024


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Hold each upload in its middle until it is set: what comes then meets it there."""
    opened, write = asyncio.Event(), SftpSink.write

    async def held(self: SftpSink, item: Item) -> None:
        if int(item.position) > LARGE // 2:
            await opened.wait()
        await write(self, item)

    monkeypatch.setattr(SftpSink, "write", held)
    return opened


def address(server: Sshd, path: str, **changes: str) -> DataAddress:
    told = {
        "path": path,
        "username": server.user,
        "privateKey": server.client_key,
        "hostKey": server.host_key,
        **changes,
    }
    endpoint = f"sftp://localhost:{server.port}"
    return DataAddress(endpoint_type="SFTP", endpoint=endpoint, properties=told)


async def shelve(cities: Cities, name: str, content: bytes) -> str:
    """Put a file into the provider's folder and publish it; give the dataset's id."""
    folder = cities.folder / "files" / cities.provider.id
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    body = {"title": name, "template": "members", "resource": {"location": name}}
    url = f"{cities.url}/api/v1/participants/{cities.provider.id}/datasets"
    headers = {"Authorization": f"Bearer {OPERATOR}"}
    async with cities.http.post(url, json=body, headers=headers) as answer:
        found = await answer.json()
        assert answer.status < 300, found
        return str(found["dataset"]["id"])


async def test_a_file_is_sent_and_the_transfer_completes(cities: Cities, server: Sshd) -> None:
    content = os.urandom(700_000)
    agreement = await cities.agree(await shelve(cities, "plan.gpkg", content))
    mine, theirs = await cities.ask_for(agreement, NAME, address(server, "in.gpkg"))
    for transfer in (mine, theirs):
        await cities.state(transfer, "COMPLETED")
    assert (server.files / "in.gpkg").read_bytes() == content
    progress = (await cities.flow(theirs)).progress
    assert (progress.bytes, progress.total_bytes) == (len(content), len(content))
    assert progress.digest == f"sha-256:{sha256(content).hexdigest()}"
    usage = await cities.provider.usage.usage(theirs)
    assert usage.bytes == len(content)


@pytest.mark.parametrize("side", ["consumer", "provider"])
async def test_suspended_in_the_middle_it_goes_on_where_it_was(
    cities: Cities, server: Sshd, gate: asyncio.Event, side: str
) -> None:
    content = os.urandom(1024 * 1024) * (LARGE // 1024 // 1024)
    agreement = await cities.agree(await shelve(cities, "scan.las", content))
    (server.files / "in").mkdir()
    mine, theirs = await cities.ask_for(agreement, NAME, address(server, "in/"))

    async def begun() -> bool:
        return (await cities.flow(theirs)).progress.bytes > 1_000_000

    await until(begun, "the first bytes")
    by, own = (cities.consumer, mine) if side == "consumer" else (cities.provider, theirs)
    await by.exchange.suspend_transfer(own, "a break")
    for transfer in (mine, theirs):
        await cities.state(transfer, "SUSPENDED")
    stood = (await cities.flow(theirs)).progress.bytes
    assert stood < LARGE
    assert not (server.files / "in" / "scan.las").exists()
    gate.set()
    await by.exchange.resume_transfer(own)
    for transfer in (mine, theirs):
        await cities.state(transfer, "COMPLETED")
    assert (server.files / "in" / "scan.las").read_bytes() == content
    usage = await cities.provider.usage.usage(theirs)
    assert LARGE <= usage.bytes < LARGE + stood, "it did not begin anew"


@pytest.mark.parametrize("side", ["consumer", "provider"])
async def test_terminated_in_the_middle_the_file_never_gets_its_name(
    cities: Cities, server: Sshd, gate: asyncio.Event, side: str
) -> None:
    agreement = await cities.agree(await shelve(cities, "scan.las", b"x" * LARGE))
    mine, theirs = await cities.ask_for(agreement, NAME, address(server, "scan.las"))

    async def begun() -> bool:
        return (await cities.flow(theirs)).progress.bytes > 1_000_000

    await until(begun, "the first bytes")
    by, own = (cities.consumer, mine) if side == "consumer" else (cities.provider, theirs)
    await by.exchange.terminate_transfer(own, "enough")
    for transfer in (mine, theirs):
        await cities.state(transfer, "TERMINATED")
    gate.set()
    assert not cities.provider.pushing.pushes.running(theirs)
    assert not (server.files / "scan.las").exists()


async def test_entities_are_sent_as_an_export_of_what_the_contract_shows(
    cities: Cities, server: Sshd
) -> None:
    await cities.write(*(lamp(n, power=n, owner=f"Ann {n}") for n in range(450)))
    shown = {"leftOperand": "hansa:attribute", "operator": "isAnyOf", "rightOperand": ["power"]}
    agreement = await cities.agree(await cities.publish(), shown)
    mine, theirs = await cities.ask_for(agreement, NAME, address(server, "lamps.ndjson"))
    for transfer in (mine, theirs):
        await cities.state(transfer, "COMPLETED")
    content = (server.files / "lamps.ndjson").read_bytes()
    found = [json.loads(line) for line in content.splitlines()]
    assert found == [lamp(n, power=n) for n in range(450)]
    assert (server.files / "lamps.ndjson.sha256").read_text().split()[0] == (
        sha256(content).hexdigest()
    )
    progress = (await cities.flow(theirs)).progress
    assert (progress.items, progress.bytes) == (450, len(content))


async def test_the_same_export_goes_to_our_own_inbox_over_http(cities: Cities) -> None:
    await cities.write(*(lamp(n, power=n, owner=f"Ann {n}") for n in range(450)))
    shown = {"leftOperand": "hansa:attribute", "operator": "isAnyOf", "rightOperand": ["power"]}
    agreement = await cities.agree(await cities.publish(), shown)
    mine, theirs = await cities.ask_for(agreement, "HttpData-PUSH")
    for transfer in (mine, theirs):
        await cities.state(transfer, "COMPLETED")
    kept = await cities.consumer.carrying.received.get(mine)
    assert kept is not None
    content = cities.consumer.carrying.received.path(kept).read_bytes()
    assert [json.loads(line) for line in content.splitlines()] == [
        lamp(n, power=n) for n in range(450)
    ]


async def test_terms_that_cut_data_refuse_a_file(cities: Cities, server: Sshd) -> None:
    cut = {"leftOperand": "hansa:attribute", "operator": "eq", "rightOperand": "power"}
    agreement = await cities.agree(await shelve(cities, "plan.gpkg", b"x"), cut)
    transfer = await cities.consumer.exchange.request_transfer(
        agreement, NAME, address=address(server, "in.gpkg")
    )

    async def ended() -> bool:
        return str((await cities.consumer.exchange.transfer(transfer.id)).state) == "TERMINATED"

    await until(ended, "the refusal")
    now = await cities.consumer.exchange.transfer(transfer.id)
    assert "given as a whole or not at all" in str(now.reason), now.reason
    assert list(server.files.iterdir()) == []


async def test_a_wrong_server_key_is_told(cities: Cities, server: Sshd) -> None:
    import asyncssh

    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    agreement = await cities.agree(await shelve(cities, "plan.gpkg", b"the plan"))
    wrong = address(server, "in.gpkg", hostKey=other)
    _, theirs = await cities.ask_for(agreement, NAME, wrong)

    async def told() -> bool:
        return "another key" in ((await cities.flow(theirs)).progress.error or "")

    await until(told, "the reason")
    assert list(server.files.iterdir()) == []
