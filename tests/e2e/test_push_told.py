"""What the consumer's side shows of pushes that go to its own broker or server, past its node."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any

import msgspec
import pytest
from tests.e2e.push_world import OPERATOR, Cities, Json, lamp, until
from tests.e2e.test_push_mqtt import address as broker_address
from tests.e2e.test_push_sftp import address as server_address
from tests.e2e.test_push_sftp import shelve

from hansa.client import Transfer
from mosquitto import Listener, Mosquitto
from sshd import Sshd

MQTT, SFTP = "Mqtt-PUSH", "Sftp-PUSH"


async def shown(cities: Cities, path: str, who: str = "leiden") -> Json:
    """Read from the management API."""
    url = f"{cities.url}/api/v1/participants/{who}{path}"
    headers = {"Authorization": f"Bearer {OPERATOR}"}
    async with cities.http.get(url, headers=headers) as answer:
        found: Json = await answer.json()
        assert answer.status == 200, found
        return found


async def seen(cities: Cities, transfer: str, **wanted: Any) -> Json:
    """Look as the consumer until the progress says this; give it."""
    found: Json = {}

    async def there() -> bool:
        found.update((await shown(cities, f"/transfers/{transfer}"))["progress"])
        return all(found[name] == value for name, value in wanted.items())

    await until(there, f"{wanted} at the consumer, not {found}")
    return found


async def test_items_and_bytes_grow_at_the_consumer(cities: Cities, broker: Mosquitto) -> None:
    listener = Listener(broker.port, "city/#")
    try:
        await listener.ready()
        await cities.write(lamp(1, power=1), lamp(2, power=2))
        agreement = await cities.agree(await cities.publish())
        mine, theirs = await cities.ask_for(agreement, MQTT, broker_address(broker.port))
        first = await seen(cities, mine, items=2)
        assert first["source"] == "provider"
        assert (first["error"], first["attempts"], first["due"]) == (None, 0, None)
        await cities.write(lamp(3, power=3))
        second = await seen(cities, mine, items=3)
        assert second["bytes"] > first["bytes"] > 0
        assert second["last_at"] >= first["last_at"]
        provided = (await shown(cities, f"/transfers/{theirs}", "delft"))["progress"]
        assert provided["source"] == "own"
        assert [provided[name] for name in ("items", "bytes", "last_at")] == [
            second[name] for name in ("items", "bytes", "last_at")
        ]
        told = [
            item["summary"]
            for item in (await shown(cities, f"/agreements/{agreement}/timeline"))["items"]
            if item["kind"] == "told"
        ]
        assert told == [f"delft says that it has sent 3 items, {second['bytes']} bytes so far."]
    finally:
        listener.close()


async def test_a_file_on_its_way_to_the_own_server_is_seen(cities: Cities, server: Sshd) -> None:
    content = os.urandom(700_000)
    agreement = await cities.agree(await shelve(cities, "plan.gpkg", content))
    mine, _ = await cities.ask_for(agreement, SFTP, server_address(server, "in.gpkg"))
    found = await seen(cities, mine, bytes=len(content), state="COMPLETED")
    assert (found["source"], found["total_bytes"]) == ("provider", len(content))


async def test_why_the_own_broker_refuses_is_told(cities: Cities, broker: Mosquitto) -> None:
    await cities.write(lamp(1, power=1))
    dataset = await cities.publish()
    for changes, error in (
        (
            {"password": "wrong"},
            "The MQTT broker refused the connection: not authorised. Check user name and password.",
        ),
        (
            {"topic": "other/lamps"},
            "The MQTT broker refused the message: not authorised."
            " Check that its user may publish to the topic.",
        ),
    ):
        place = broker_address(broker.port, **changes)
        mine, _ = await cities.ask_for(await cities.agree(dataset), MQTT, place)
        found = await seen(cities, mine, error=error)
        assert (found["items"], found["bytes"], found["last_at"]) == (0, 0, None)
        assert (found["attempts"], found["due"]) == (1, None), "no try can mend it"
    agreement = (await shown(cities, f"/transfers/{mine}"))["agreement_id"]
    items = (await shown(cities, f"/agreements/{agreement}/timeline"))["items"]
    assert [item["summary"] for item in items if item["kind"] == "told"] == [f"delft says: {error}"]


async def test_a_broker_that_is_away_is_told_with_the_next_try(cities: Cities) -> None:
    await cities.write(lamp(1, power=1))
    agreement = await cities.agree(await cities.publish())
    with socket.socket() as nobody:  # it is taken, and nobody listens
        nobody.bind(("127.0.0.1", 0))
        place = broker_address(nobody.getsockname()[1])
        mine, _ = await cities.ask_for(agreement, MQTT, place)
        error = "The MQTT broker could not be reached. Connection refused."
        found = await seen(cities, mine, error=error)
    assert found["attempts"] >= 1
    assert found["due"] is not None


async def test_why_the_own_server_refuses_is_told(cities: Cities, server: Sshd) -> None:
    import asyncssh

    other = asyncssh.generate_private_key("ssh-ed25519")
    dataset = await shelve(cities, "plan.gpkg", b"the plan")
    for changes, error in (
        (
            {"hostKey": other.export_public_key().decode()},
            "The SFTP server has another key than the one named.",
        ),
        (
            {"privateKey": other.export_private_key().decode()},
            "The SFTP server does not let this user in.",
        ),
    ):
        place = server_address(server, "in.gpkg", **changes)
        mine, _ = await cities.ask_for(await cities.agree(dataset), SFTP, place)
        await seen(cities, mine, error=f"{error} Give a data address that fits.")


async def test_an_error_of_the_providers_own_is_not_told_in_detail(
    cities: Cities, server: Sshd
) -> None:
    agreement = await cities.agree(await shelve(cities, "plan.gpkg", b"the plan"))
    (cities.folder / "files" / cities.provider.id / "plan.gpkg").unlink()
    mine, theirs = await cities.ask_for(agreement, SFTP, server_address(server, "in.gpkg"))
    await seen(cities, mine, error="The provider can't send at the moment.")
    own = (await cities.flow(theirs)).progress.error
    assert own == "unavailable: The file is not there any more as it was published."


async def test_what_the_own_plane_counts_is_never_asked_for(
    cities: Cities, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    ask = cities.consumer.asking._ask

    async def noting(transfer: Any) -> Any:
        asked.append(transfer.format)
        return await ask(transfer)

    monkeypatch.setattr(cities.consumer.asking, "_ask", noting)
    await cities.write(lamp(1, power=1))
    agreement = await cities.agree(await cities.publish())
    pushed, _ = await cities.ask_for(agreement, "NgsiLd-PUSH")
    pulled, _ = await cities.ask_for(agreement, "HttpData-PULL")
    found = await seen(cities, pushed, items=1)
    assert found["source"] == "own"
    await shown(cities, f"/transfers/{pulled}")
    await shown(cities, f"/agreements/{agreement}/timeline")
    assert asked == []


async def test_who_looks_often_asks_seldom_and_a_list_asks_nothing(
    cities: Cities, broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    ask = cities.consumer.asking._ask

    async def noting(transfer: Any) -> Any:
        asked.append(transfer.id)
        return await ask(transfer)

    monkeypatch.setattr(cities.consumer.asking, "_ask", noting)
    monkeypatch.setattr(cities.consumer.asking, "_clock", clock := Standing())
    agreement = await cities.agree(await cities.publish())
    mine, _ = await cities.ask_for(agreement, MQTT, broker_address(broker.port))
    (item,) = (await shown(cities, "/transfers"))["items"]
    assert (item["progress"]["source"], item["progress"]["bytes"]) == ("provider", None)
    assert asked == []
    await asyncio.gather(*(shown(cities, f"/transfers/{mine}") for _ in range(10)))
    assert asked == [mine], "who looks meanwhile waits for the same answer"
    clock.now_s += 1.9
    await shown(cities, f"/transfers/{mine}")
    assert asked == [mine]
    (item,) = (await shown(cities, "/transfers"))["items"]
    assert item["progress"]["bytes"] == 0, "what was told last"
    clock.now_s += 0.1
    await shown(cities, f"/agreements/{agreement}/timeline")
    assert asked == [mine, mine]


class Standing:
    """A clock that stands still."""

    now_s = 0.0

    def monotonic_s(self) -> float:
        return self.now_s


async def test_a_provider_that_does_not_tell_is_no_error(
    cities: Cities, broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreement = await cities.agree(await cities.publish())
    mine, _ = await cities.ask_for(agreement, MQTT, broker_address(broker.port))

    async def nothing(transfer: Any) -> None:
        return None

    monkeypatch.setattr(cities.provider.exchange.ports.data_plane, "progress", nothing)
    found = await shown(cities, f"/transfers/{mine}")
    progress = found["progress"]
    assert [progress[name] for name in ("source", "bytes", "items", "error", "rate_bytes_s")] == [
        "provider", None, None, None, None,
    ]  # fmt: skip

    assert msgspec.convert(found, Transfer).progress is not None
