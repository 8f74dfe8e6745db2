"""The two cities behind a network that loses, repeats, delays, reorders and cuts.

Whatever the network did: when it is calm again, both sides show every negotiation and transfer in
the same state, or the disagreement is told on the process (`error`). In each state a `kill -9` of
either side, while the next message is on its way, changes nothing of that.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.faults import CALM, STORM, Proxy
from tests.e2e.space import AUTHORITY, CONSUMER, PROVIDER, Space, wait_for
from tests.ports import PATIENCE_S, free_port

from hansa.kernel import HansaError
from hansa.node.processes import wait_ready

CITIES = (PROVIDER, CONSUMER)
ROUNDS = int(os.environ.get("SOAK_FAULTS", "12"))
SEED = int(os.environ.get("SOAK_SEED", "20261121"))
ENDED = ("COMPLETED", "TERMINATED")


class Stormy(Space):
    """A space whose two cities reach each other through a proxy each."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.ports: dict[str, int] = {}
        self.proxies: dict[str, Proxy] = {}

    def begin(self) -> None:
        """Tell the story in calm weather, then put the proxies between the cities."""
        self.up()
        self.down()
        self.ports = {name: free_port() for name in CITIES}
        self.proxies = {
            name: Proxy(self.node(name).port, self.ports[name], seed=SEED + number)
            for number, name in enumerate(CITIES)
        }
        for proxy in self.proxies.values():
            proxy.start()
        started = [(self.node(name), self.start(name)) for name in (AUTHORITY, *CITIES)]
        wait_ready(started, 2 * PATIENCE_S)

    def start(self, name: str, **environment: str) -> Any:
        """Start a node, a city at the port behind its proxy."""
        if name in self.ports:
            environment["HANSA_NODE__PORT"] = str(self.ports[name])
        return super().start(name, **environment)

    def kill_and_restart(self, name: str) -> None:
        """Kill a node and start it again."""
        self.kill(name)
        self.restart(name)

    def weather(self, calm: bool) -> None:
        """Make it calm or stormy for both cities."""
        for proxy in self.proxies.values():
            proxy.weather = CALM if calm else STORM
            proxy.cut = False

    def post(self, name: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask a city to do something."""
        return self.client(name).post(f"/participants/{name}{path}", body or {})

    def get(self, name: str, path: str) -> dict[str, Any]:
        """Ask a city what is."""
        return self.client(name).get(f"/participants/{name}{path}")

    def close(self) -> None:
        """Stop the nodes, then the proxies."""
        try:
            super().close()
        finally:
            for proxy in self.proxies.values():
                proxy.stop()


@pytest.fixture(scope="module")
def stormy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stormy]:
    space = Stormy(tmp_path_factory.mktemp("stormy"))
    try:
        space.begin()
        yield space
    finally:
        space.close()


@pytest.fixture(autouse=True)
def calm_afterwards(stormy: Stormy) -> Iterator[None]:
    yield
    stormy.weather(calm=True)
    for proxy in stormy.proxies.values():
        proxy.release()


@pytest.fixture(scope="module")
def offer(stormy: Stormy) -> dict[str, str]:
    items = stormy.client(CONSUMER).get(f"/participants/{CONSUMER}/catalogue", {"q": "energy"})
    dataset = next(item for item in items["items"] if not item["own"])
    return {
        "provider_did": dataset["publisher"]["did"],
        "dataset_id": dataset["id"],
        "offer_id": dataset["offers"][0]["id"],
    }


def agreed(stormy: Stormy, offer: dict[str, str]) -> str:
    """Conclude a contract and give the agreement's id."""
    negotiation = stormy.post(CONSUMER, "/negotiations", offer)

    def final() -> str | None:
        now = stormy.get(CONSUMER, f"/negotiations/{negotiation['id']}")
        assert now["state"] != "TERMINATED", now
        return now["agreement_id"] if now["state"] == "FINALIZED" else None

    return wait_for(final, "the contract")


def peer_of(view: dict[str, Any]) -> str:
    """Give the counterparty's own id of a process."""
    other = "provider" if view["role"] == "consumer" else "consumer"
    return str(view["pids"][other])


def known(stormy: Stormy, kind: str, process_id: str) -> str:
    """Wait until the consumer noted the provider's id of a process; give it.

    The provider's next message may be on its way before its answer to the request is read.
    """

    def noted() -> str | None:
        found = peer_of(stormy.get(CONSUMER, f"/{kind}/{process_id}"))
        return None if found == "None" else found

    return wait_for(noted, f"the provider's id of {process_id}")


def both(stormy: Stormy, kind: str, process_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give a process of the consumer as the consumer and as the provider sees it."""
    mine = stormy.get(CONSUMER, f"/{kind}/{process_id}")
    try:
        theirs = stormy.get(PROVIDER, f"/{kind}/{peer_of(mine)}")
    except HansaError as error:
        if error.status != 404:
            raise
        theirs = {}
    return mine, theirs


def settled(stormy: Stormy, kind: str, process_id: str, timeout_s: float = 2 * PATIENCE_S) -> str:
    """Wait until nothing of a process is on its way and both sides agree; give the state."""
    seen: list[Any] = []

    def same() -> str | None:
        try:
            mine, theirs = both(stormy, kind, process_id)
        except HansaError:
            return None
        seen[:] = [mine, theirs]
        if mine["pending"] or theirs.get("pending"):
            return None
        never_began = not theirs and mine["state"] == "TERMINATED"
        told = bool(mine["error"] and theirs.get("error"))
        return mine["state"] if never_began or told or mine["state"] == theirs["state"] else None

    try:
        return wait_for(same, f"both sides to agree on {process_id}", timeout_s)
    except AssertionError:
        shown = [{k: s.get(k) for k in ("state", "pending", "error")} for s in seen]
        raise AssertionError(f"{kind} {process_id}: {shown}\n{stormy.logs()}") from None


def attempt(stormy: Stormy, name: str, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
    """Ask for something that the present state may refuse."""
    try:
        return stormy.post(name, path, body)
    except HansaError as error:
        if error.status not in (400, 404, 409):
            raise
        return None


def test_a_stormy_network_leaves_both_sides_in_the_same_state(
    stormy: Stormy, offer: dict[str, str]
) -> None:
    chance = random.Random(SEED)
    agreement = agreed(stormy, offer)
    stormy.weather(calm=False)
    negotiations: list[str] = []
    transfers: list[str] = []
    for number in range(ROUNDS):
        negotiations.append(stormy.post(CONSUMER, "/negotiations", offer)["id"])
        transfers.append(stormy.post(CONSUMER, "/transfers", {"agreement_id": agreement})["id"])
        if number % 5 == 4:
            proxy = stormy.proxies[chance.choice(CITIES)]
            proxy.cut = True
            time.sleep(chance.uniform(0.1, 0.6))
            proxy.cut = False
        for _ in range(4):
            disturb(stormy, chance, negotiations, transfers)
            time.sleep(chance.uniform(0, 0.15))
    stormy.weather(calm=True)
    harmed = sum((proxy.counts for proxy in stormy.proxies.values()), start=Counter[str]())
    assert harmed["drop"], harmed
    assert harmed["lose_answer"], harmed
    ends = [settled(stormy, "negotiations", item) for item in negotiations]
    assert set(ends) <= {"FINALIZED", "TERMINATED"}
    ends = [settled(stormy, "transfers", item) for item in transfers]
    assert set(ends) <= {"STARTED", "SUSPENDED", *ENDED}


def disturb(
    stormy: Stormy, chance: random.Random, negotiations: list[str], transfers: list[str]
) -> None:
    """Let one side do something to one process, as an operator might at any moment."""
    name = chance.choice(CITIES)
    if chance.random() < 0.15:
        kind, process_id, actions = "negotiations", chance.choice(negotiations), ("terminate",)
    else:
        kind, process_id = "transfers", chance.choice(transfers)
        actions = ("suspend", "resume", "suspend", "resume", "complete", "terminate")
    if name == PROVIDER:
        process_id = peer_of(stormy.get(CONSUMER, f"/{kind}/{process_id}"))
        if process_id == "None":
            return
    action = chance.choice(actions)
    body = {"reason": "a test"} if action in ("suspend", "terminate") else {}
    attempt(stormy, name, f"/{kind}/{process_id}/{action}", body)


# The message that is kept back, by the ending of its path, and where it goes to: with it the
# process stands in the state named, and a `kill -9` finds it there.
HELD_NEGOTIATION = [
    ("START", "/negotiations/request", PROVIDER),
    ("REQUESTED", "/agreement", CONSUMER),
    ("AGREED", "/agreement/verification", PROVIDER),
    ("VERIFIED", "/events", CONSUMER),
]


@pytest.mark.parametrize("victim", CITIES)
@pytest.mark.parametrize(("state", "ending", "receiver"), HELD_NEGOTIATION)
def test_a_kill_in_each_state_of_a_negotiation(
    stormy: Stormy, offer: dict[str, str], victim: str, state: str, ending: str, receiver: str
) -> None:
    proxy = stormy.proxies[receiver]
    proxy.hold(ending)
    negotiation = stormy.post(CONSUMER, "/negotiations", offer)["id"]
    wait_for(lambda: proxy.caught(ending), f"a message to {ending}")
    if state != "START":
        sender = PROVIDER if receiver == CONSUMER else CONSUMER
        pid = negotiation if sender == CONSUMER else known(stormy, "negotiations", negotiation)
        assert stormy.get(sender, f"/negotiations/{pid}")["state"] == state
    stormy.kill_and_restart(victim)
    proxy.release()
    assert settled(stormy, "negotiations", negotiation) == "FINALIZED"
    agreement = stormy.get(CONSUMER, f"/negotiations/{negotiation}")["agreement_id"]
    views = [stormy.get(name, f"/agreements/{agreement}") for name in CITIES]
    assert views[0]["odrl"] == views[1]["odrl"]


HELD_OFFER = [
    ("START", "/negotiations/offers", CONSUMER),
    ("OFFERED", "/events", PROVIDER),
    ("ACCEPTED", "/agreement", CONSUMER),
]


@pytest.mark.parametrize("victim", CITIES)
@pytest.mark.parametrize(("state", "ending", "receiver"), HELD_OFFER)
def test_a_kill_in_each_state_of_an_offered_negotiation(
    stormy: Stormy, offer: dict[str, str], victim: str, state: str, ending: str, receiver: str
) -> None:
    """The provider opens the negotiation with an offer, and the consumer's operator accepts it."""
    proxy = stormy.proxies[receiver]
    made = {k: v for k, v in offer.items() if k != "provider_did"}
    proxy.hold(ending)
    here = stormy.client(CONSUMER).get("/node")["participants"]
    made["consumer_did"] = next(item["did"] for item in here if item["id"] == CONSUMER)
    provided = stormy.post(PROVIDER, "/negotiations/offers", made)["id"]

    def offered() -> str | None:
        found = stormy.get(CONSUMER, "/negotiations")["items"]
        mine = next((item for item in found if peer_of(item) == provided), None)
        return mine["id"] if mine and mine["state"] == "OFFERED" else None

    if state == "START":
        wait_for(lambda: proxy.caught(ending), f"a message to {ending}")
        stormy.kill_and_restart(victim)
        proxy.release()
    negotiation = str(wait_for(offered, "the offer"))
    stormy.post(CONSUMER, f"/negotiations/{negotiation}/accept")
    if state != "START":
        wait_for(lambda: proxy.caught(ending), f"a message to {ending}")
        assert stormy.get(PROVIDER, f"/negotiations/{provided}")["state"] == state
        stormy.kill_and_restart(victim)
        proxy.release()
    assert settled(stormy, "negotiations", negotiation) == "FINALIZED"


HELD_TRANSFER = [
    ("REQUESTED", "/start", CONSUMER, None, "STARTED"),
    ("STARTED", "/suspension", PROVIDER, (CONSUMER, "suspend"), "SUSPENDED"),
    ("STARTED", "/suspension", CONSUMER, (PROVIDER, "suspend"), "SUSPENDED"),
    ("STARTED", "/completion", PROVIDER, (CONSUMER, "complete"), "COMPLETED"),
    ("STARTED", "/termination", CONSUMER, (PROVIDER, "terminate"), "TERMINATED"),
    ("SUSPENDED", "/start", PROVIDER, (CONSUMER, "resume"), "STARTED"),
    ("SUSPENDED", "/start", CONSUMER, (PROVIDER, "resume"), "STARTED"),
    ("SUSPENDED", "/termination", PROVIDER, (CONSUMER, "terminate"), "TERMINATED"),
]


def act(stormy: Stormy, name: str, transfer_id: str, action: str) -> None:
    """Let a side act on a transfer of the consumer's."""
    if name == PROVIDER:
        transfer_id = known(stormy, "transfers", transfer_id)
    body = {"reason": "a test"} if action in ("suspend", "terminate") else {}
    stormy.post(name, f"/transfers/{transfer_id}/{action}", body)


@pytest.mark.parametrize("victim", CITIES)
@pytest.mark.parametrize(("state", "ending", "receiver", "action", "end"), HELD_TRANSFER)
def test_a_kill_in_each_state_of_a_transfer(
    stormy: Stormy,
    offer: dict[str, str],
    victim: str,
    state: str,
    ending: str,
    receiver: str,
    action: tuple[str, str] | None,
    end: str,
) -> None:
    agreement = agreed(stormy, offer)
    proxy = stormy.proxies[receiver]
    if action is None:
        proxy.hold(ending)
        transfer = stormy.post(CONSUMER, "/transfers", {"agreement_id": agreement})["id"]
    else:
        transfer = stormy.post(CONSUMER, "/transfers", {"agreement_id": agreement})["id"]
        assert settled(stormy, "transfers", transfer) == "STARTED"
        if state == "SUSPENDED":
            act(stormy, action[0], transfer, "suspend")
            assert settled(stormy, "transfers", transfer) == "SUSPENDED"
        proxy.hold(ending)
        act(stormy, *action[:1], transfer, action[1])
    wait_for(lambda: proxy.caught(ending), f"a message to {ending}")
    stormy.kill_and_restart(victim)
    proxy.release()
    assert settled(stormy, "transfers", transfer) == end
    if end == "STARTED":
        path = f"/api/v1/participants/{CONSUMER}/transfers/{transfer}/data/entities"
        status = wait_for(
            lambda: stormy.client(CONSUMER).raw("GET", f"{path}?type=EnergyUse&limit=1")[0],
            "an answer",
        )
        assert status == 200


def test_a_cut_line_loses_nothing(stormy: Stormy, offer: dict[str, str]) -> None:
    """Cut the line in the middle of a negotiation, heal it, and see it end well."""
    for proxy in stormy.proxies.values():
        proxy.cut = True
    negotiation = stormy.post(CONSUMER, "/negotiations", offer)["id"]

    def shown() -> bool:
        return bool(stormy.get(CONSUMER, f"/negotiations/{negotiation}")["error"])

    wait_for(shown, "the error to be shown while nothing gets through")
    stormy.weather(calm=True)
    assert settled(stormy, "negotiations", negotiation) == "FINALIZED"


def logs_have_no_defects(folder: Path) -> list[str]:
    """Give the log lines that tell of a defect of ours."""
    lines = [line for file in folder.glob("*/node.log") for line in file.read_text().splitlines()]
    return [line for line in lines if '"unexpected"' in line or "Traceback" in line]


def test_no_defect_was_logged(stormy: Stormy) -> None:
    assert logs_have_no_defects(stormy.folder) == []
