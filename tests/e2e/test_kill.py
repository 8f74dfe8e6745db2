"""Kill -9: nothing acknowledged is lost, and what was begun goes on.

At every commit and send boundary of the story (injected), and at seeded random moments. The number
of random kills is `SOAK_KILLS` (`make soak`: 100); boundaries are sampled unless it is set.
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
from tests.ports import PATIENCE_S

from hansa.kernel import HansaError
from hansa.node.processes import find

KILLS = int(os.environ.get("SOAK_KILLS", "4"))
SOAK = "SOAK_KILLS" in os.environ
NODES = (AUTHORITY, PROVIDER, CONSUMER)
C = f"/participants/{CONSUMER}"


@pytest.fixture(scope="module")
def offer(space: Space) -> dict[str, str]:
    """Give the body that asks for the story's dataset."""
    items = space.client(CONSUMER).get(f"{C}/catalogue", {"q": "energy"})["items"]
    dataset = next(item for item in items if not item["own"])
    return {
        "provider_did": dataset["publisher"]["did"],
        "dataset_id": dataset["id"],
        "offer_id": dataset["offers"][0]["id"],
    }


def finish(space: Space, negotiation_id: str, timeout_s: float = 2 * PATIENCE_S) -> dict[str, Any]:
    """Wait until a negotiation is final on both sides; give the agreement."""

    def final() -> str | None:
        try:
            now = space.client(CONSUMER).get(f"{C}/negotiations/{negotiation_id}")
        except HansaError:
            return None
        assert now["state"] != "TERMINATED", now
        return now["agreement_id"] if now["state"] == "FINALIZED" else None

    agreement_id = wait_for(final, "the contract", timeout_s)

    def both() -> tuple[dict[str, Any], dict[str, Any]] | None:
        try:
            return (
                space.client(PROVIDER).get(f"/participants/{PROVIDER}/agreements/{agreement_id}"),
                space.client(CONSUMER).get(f"{C}/agreements/{agreement_id}"),
            )
        except HansaError:
            return None

    provider, consumer = wait_for(both, "both sides to show the agreement", timeout_s)
    assert provider["odrl"] == consumer["odrl"]
    return consumer


def read_once(space: Space, agreement_id: str) -> None:
    """Start a transfer under the agreement and read one governed page."""
    client = space.client(CONSUMER)
    transfer: dict[str, Any] = {}

    def answered() -> bool:
        try:
            if not transfer:
                transfer.update(client.post(f"{C}/transfers", {"agreement_id": agreement_id}))
            path = f"/api/v1{C}/transfers/{transfer['id']}/data/entities?type=EnergyUse&limit=1"
            return client.raw("GET", path)[0] == 200
        except HansaError:
            return False

    wait_for(answered, "a governed answer", 2 * PATIENCE_S)


BOUNDARIES = [
    (node, point, number)
    for node in (PROVIDER, CONSUMER)
    for point in ("commit.before", "commit.after", "send.before", "send.after")
    for number in (1, 2, 3, 4)
]
SAMPLE = BOUNDARIES if SOAK else BOUNDARIES[1::7]


@pytest.fixture
def kept_up(space: Space) -> Iterator[threading.Lock]:
    """Start again each node that ended, as an operator with `hansa up` would.

    Who ends and starts one by hand holds the lock.
    """
    stopping, by_hand = threading.Event(), threading.Lock()

    def keep() -> None:
        while not stopping.wait(0.05):
            for name in NODES:
                with by_hand:
                    if find(space.node(name)).pid is None and space.ended(name):
                        space.restart(name)

    thread = threading.Thread(target=keep)
    thread.start()
    yield by_hand
    stopping.set()
    thread.join(4 * PATIENCE_S)
    for name in NODES:
        wait_for(lambda name=name: find(space.node(name)).ready, f"{name} to be back")


@pytest.mark.parametrize(("node", "point", "number"), SAMPLE)
def test_a_kill_at_a_boundary_loses_nothing(
    space: Space, offer: dict[str, str], kept_up: threading.Lock, node: str, point: str, number: int
) -> None:
    with kept_up:
        space.kill(node)
        process = space.start(node, HANSA_FAULT_KILL=f"{point}:{number}")
    try:
        go_through(space, offer)
    finally:
        with kept_up:
            if process.poll() is None:  # it did not come to its end: it must not later
                space.kill(node)
                space.restart(node)


def go_through(space: Space, offer: dict[str, str]) -> None:
    """Conclude a contract and read a page of its data."""

    def asked() -> str | None:
        try:
            return str(space.client(CONSUMER).post(f"{C}/negotiations", offer)["id"])
        except HansaError:
            return None

    negotiation_id = wait_for(asked, "an acknowledged request", 2 * PATIENCE_S)
    agreement = finish(space, negotiation_id)
    read_once(space, agreement["id"])


@pytest.fixture
def trading(space: Space, offer: dict[str, str]) -> Iterator[list[str]]:
    """Negotiate all the time in the background; give the ids that were acknowledged."""
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
        client.close()

    thread = threading.Thread(target=trade)
    thread.start()
    yield acknowledged
    stopping.set()
    thread.join(2 * PATIENCE_S)


def test_random_kills_lose_nothing_that_was_acknowledged(space: Space, trading: list[str]) -> None:
    chance = random.Random(20_261_121)
    for number in range(KILLS):
        time.sleep(chance.uniform(0.05, 0.6))
        victim = chance.choice(NODES)
        space.kill(victim)
        time.sleep(chance.uniform(0, 0.2))
        space.restart(victim)
        if SOAK:
            line = f"kill {number + 1} of {KILLS}: {victim}, {len(trading)} acknowledged\n"
            sys.stderr.write(line)
    space.up("--no-story")
    acknowledged = list(trading)
    assert acknowledged
    for negotiation_id in acknowledged:
        finish(space, negotiation_id)
    known = space.client(CONSUMER).get(f"{C}/agreements")["items"]
    read_once(space, known[0]["id"])
