"""Kill -9: nothing acknowledged is lost, and what was begun goes on.

At every commit and send boundary of the story (injected), and at seeded random moments. The number
of random kills is `HANSA_SOAK_KILLS` (`make soak`: 100); boundaries are sampled unless it is set.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e.space import AUTHORITY, CONSUMER, PROVIDER, Space, wait_for

from hansa.kernel import HansaError
from hansa.node.processes import find, start, wait_ready

KILLS = int(os.environ.get("HANSA_SOAK_KILLS", "4"))
SOAK = "HANSA_SOAK_KILLS" in os.environ
NODES = (AUTHORITY, PROVIDER, CONSUMER)
C = f"/participants/{CONSUMER}"


def restart(space: Space, name: str) -> None:
    """Start one node again, as `hansa up` does."""
    folder = space.node(name)
    wait_ready([(folder, start(folder))])


def energy_offer(space: Space) -> dict[str, str]:
    """Give the body that asks for the story's dataset."""
    items = space.client(CONSUMER).get(f"{C}/catalogue", {"q": "energy"})["items"]
    dataset = next(item for item in items if not item["own"])
    return {
        "provider_did": dataset["publisher"]["did"],
        "dataset_id": dataset["id"],
        "offer_id": dataset["offers"][0]["id"],
    }


def finish(space: Space, negotiation_id: str, timeout_s: float = 40) -> dict[str, Any]:
    """Wait until a negotiation is final on both sides; give the agreement."""

    def final() -> str | None:
        try:
            now = space.client(CONSUMER).get(f"{C}/negotiations/{negotiation_id}")
        except HansaError:
            return None
        assert now["state"] != "TERMINATED", now
        return now["agreement_id"] if now["state"] == "FINALIZED" else None

    agreement_id = wait_for(final, "the contract", timeout_s)
    provider = space.client(PROVIDER).get(f"/participants/{PROVIDER}/agreements/{agreement_id}")
    consumer = space.client(CONSUMER).get(f"{C}/agreements/{agreement_id}")
    assert provider["odrl"] == consumer["odrl"]
    return consumer


def read_once(space: Space, agreement_id: str) -> None:
    """Start a transfer under the agreement and read one governed page."""
    client = space.client(CONSUMER)
    transfer = client.post(f"{C}/transfers", {"agreement_id": agreement_id})

    def started() -> bool:
        try:
            return client.get(f"{C}/transfers/{transfer['id']}")["state"] == "STARTED"
        except HansaError:
            return False

    wait_for(started, "the transfer", 40)
    status, _, body = client.raw(
        "GET", f"/api/v1{C}/transfers/{transfer['id']}/data/entities?type=EnergyUse&limit=1"
    )
    assert status == 200, body


BOUNDARIES = [
    (node, point, number)
    for node in (PROVIDER, CONSUMER)
    for point in ("commit.before", "commit.after", "send.before", "send.after")
    for number in (1, 2, 3, 4)
]
SAMPLE = BOUNDARIES if SOAK else BOUNDARIES[::5]


@pytest.mark.parametrize(("node", "point", "number"), SAMPLE)
def test_a_kill_at_a_boundary_loses_nothing(
    space: Space, node: str, point: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer = energy_offer(space)
    space.kill(node)
    monkeypatch.setenv("HANSA_FAULT_KILL", f"{point}:{number}")
    restart_armed(space, node)
    monkeypatch.delenv("HANSA_FAULT_KILL")
    negotiation = None
    for _ in range(40):
        if find(space.node(node)).pid is None:
            restart(space, node)
        try:
            negotiation = space.client(CONSUMER).post(f"{C}/negotiations", offer)
            break
        except HansaError:
            time.sleep(0.05)
    assert negotiation is not None
    deadline = time.monotonic() + 3
    while find(space.node(node)).pid is not None and time.monotonic() < deadline:
        state = space_state(space, negotiation["id"])
        if state == "FINALIZED":
            break
        time.sleep(0.02)
    if find(space.node(node)).pid is None:
        restart(space, node)
    agreement = finish(space, negotiation["id"])
    read_once(space, agreement["id"])


def restart_armed(space: Space, name: str) -> None:
    """Start a node that will kill itself; it may do so before it is ready."""
    folder = space.node(name)
    process = start(folder)
    deadline = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < deadline:
        if find(folder).ready:
            return
        time.sleep(0.02)


def space_state(space: Space, negotiation_id: str) -> str:
    """Give the consumer's state of a negotiation, or nothing while it is away."""
    try:
        return str(space.client(CONSUMER).get(f"{C}/negotiations/{negotiation_id}")["state"])
    except HansaError:
        return ""


@pytest.fixture
def trading(space: Space) -> Iterator[list[str]]:
    """Negotiate all the time in the background; give the ids that were acknowledged."""
    offer = energy_offer(space)
    acknowledged: list[str] = []
    stopping = threading.Event()

    def trade() -> None:
        client = space.client(CONSUMER)
        while not stopping.is_set():
            try:
                acknowledged.append(client.post(f"{C}/negotiations", offer)["id"])
            except HansaError:
                client.close()
            time.sleep(0.05)

    thread = threading.Thread(target=trade)
    thread.start()
    yield acknowledged
    stopping.set()
    thread.join(20)


def test_random_kills_lose_nothing_that_was_acknowledged(space: Space, trading: list[str]) -> None:
    chance = random.Random(20_261_121)
    for number in range(KILLS):
        time.sleep(chance.uniform(0.05, 0.6))
        victim = chance.choice(NODES)
        space.kill(victim)
        time.sleep(chance.uniform(0, 0.2))
        restart(space, victim)
        if SOAK:
            line = f"kill {number + 1} of {KILLS}: {victim}, {len(trading)} acknowledged\n"
            sys.stderr.write(line)
    space.up("--no-story")
    acknowledged = list(trading)
    assert acknowledged
    for negotiation_id in acknowledged:
        finish(space, negotiation_id, 90)
    known = space.client(CONSUMER).get(f"{C}/agreements")["items"]
    read_once(space, known[0]["id"])
