"""Tell the story of a space: two cities join, publish, find each other, negotiate and trade.

Everything here goes through the management API of the three nodes, as an operator's own program
would. Each step looks first at what is there, so telling the story again changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

import msgspec

from hansa.client import Client
from hansa.kernel.clock import iso
from hansa.kernel.errors import Code, HansaError
from hansa.story import terms
from hansa.story.buildings import buildings_dataset
from hansa.story.energy import energy_dataset
from hansa.story.model import StoryDataset

T = TypeVar("T")
Json = dict[str, Any]

AUTHORITY = "authority"
PROVIDER = terms.PROVIDER
CONSUMER = terms.CONSUMER


class Narrator(Protocol):
    """Who prints the steps."""

    def done(self, step: str, text: str, url: str | None = None, ok: bool = True) -> None:
        """Tell that a step ended."""
        ...


class Place(Protocol):
    """A node, as far as the story needs it."""

    @property
    def participant(self) -> str:
        """Give the id of its participant."""
        ...

    @property
    def url(self) -> str:
        """Give its base URL."""
        ...


def tell(clients: Mapping[str, Client], places: Sequence[Place], narrator: Narrator) -> None:
    """Tell the whole story; HansaError names the step that failed and what to do."""
    urls = {place.participant: place.url for place in places}
    for step in (_join, _fill, _publish):
        _both(step, clients, urls, narrator)
    dataset = _find(clients, narrator)
    agreement = _negotiate(clients, dataset, narrator)
    transfer = _transfer(clients, agreement, narrator)
    _read(clients, agreement, transfer, urls, narrator)


def _await(what: str, look: Callable[[], T | None], timeout_s: float = 20.0) -> T:
    deadline = time.monotonic() + timeout_s
    pause_s = 0.002
    while True:
        found = look()
        if found is not None:
            return found
        if time.monotonic() > deadline:
            raise HansaError(
                Code.unavailable,
                f"The story stopped: {what} did not happen within {timeout_s:.0f} s.",
                f"Look at `hansa logs {CONSUMER}`, then run `hansa up` again.",
            )
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.3, 0.1)


def _both(
    step: Callable[[str, Client, Mapping[str, str]], tuple[str, str]],
    clients: Mapping[str, Client],
    urls: Mapping[str, str],
    narrator: Narrator,
) -> None:
    """Take a step for both cities at once: they are separate nodes and need not wait."""
    with ThreadPoolExecutor(2) as threads:
        taken = [threads.submit(step, city, clients[city], urls) for city in (PROVIDER, CONSUMER)]
        for one in taken:
            narrator.done(*one.result())


def _join(city: str, client: Client, urls: Mapping[str, str]) -> tuple[str, str]:
    _join_one(city, client, f"{urls[AUTHORITY]}/{AUTHORITY}")
    return f"join:{city}", f"{city} is a member: its wallet holds the credential"


def _join_one(city: str, client: Client, authority_url: str) -> None:
    base = f"/participants/{city}"

    def state() -> str:
        return str(client.get(f"{base}/overview")["membership"]["state"])

    def is_member() -> bool | None:
        now = state()
        if now in ("refused", "suspended"):
            raise HansaError(
                Code.membership_missing,
                f"{city} is {now} by the authority.",
                "Decide otherwise on the authority's Members page, or start anew with "
                "`hansa up --fresh`.",
            )
        return True if now == "member" else None

    if state() == "none":
        client.post(f"{base}/join", {"authority_url": authority_url, "message": "The story"})
    _await(f"membership of {city}", is_member)


def _fill(city: str, client: Client, _: Mapping[str, str]) -> tuple[str, str]:
    body = {"kind": "delft-energy", "half": city}
    filled = client.post(f"/participants/{city}/sources", body)
    return (
        f"fill:{city}",
        f"{city} holds {filled['entities']} entities and {filled['instances']} measured "
        "quarter-hours (derived, synthetic)",
    )


def _publish(city: str, client: Client, _: Mapping[str, str]) -> tuple[str, str]:
    base = f"/participants/{city}"
    present = {item["title"] for item in client.get(f"{base}/datasets")["items"]}
    for publication in publications(city):
        if publication["title"] not in present:
            client.post(f"{base}/datasets", publication)
    return f"publish:{city}", f"{city} publishes its data, each with its terms"


def publications(city: str) -> list[Json]:
    """Give what a city of the story publishes: its buildings openly, its energy use tailored."""
    contract = terms.contract(datetime.now(UTC))
    limits = {
        "area": terms.AREA_WKT,
        "attributes": list(contract.attributes),
        "period": {"start": iso(contract.start), "end": iso(contract.end)},
        "until": iso(contract.end),
    }
    if city != PROVIDER:
        limits.pop("area")
    return [
        _publication(buildings_dataset(city), "members", {}),
        {
            **_publication(energy_dataset(city), "tailored", limits),
            "temporal": {"start": iso(contract.start)},
        },
    ]


def _publication(dataset: StoryDataset, template: str, parameters: Json) -> Json:
    return {
        "title": dataset.title,
        "name": dataset.name,
        "description": dataset.description,
        "types": [dataset.entity_type],
        "id_prefix": dataset.id_prefix,
        "attributes": msgspec.to_builtins(dataset.attributes),
        "template": template,
        "parameters": parameters,
        "licence": dataset.licence,
        "attribution": dataset.attribution,
        "labels": list(dataset.labels),
        "keywords": list(dataset.keywords),
        "bbox": list(dataset.bbox),
    }


def _find(clients: Mapping[str, Client], narrator: Narrator) -> Json:
    wanted = terms.energy_title(PROVIDER)
    base = f"/participants/{CONSUMER}"

    def look() -> Json | None:
        items: list[Json] = clients[CONSUMER].get(f"{base}/catalogue", {"q": "energy"})["items"]
        return next((i for i in items if i["title"] == wanted and not i["own"]), None)

    dataset = _await("the catalogue entry", look)
    narrator.done("discover", f"{CONSUMER} finds “{wanted}” in its neighbour's catalogue")
    return dataset


def _negotiate(clients: Mapping[str, Client], dataset: Json, narrator: Narrator) -> Json:
    client, base = clients[CONSUMER], f"/participants/{CONSUMER}"

    def agreed() -> Json | None:
        items: list[Json] = client.get(f"{base}/agreements")["items"]
        return next(
            (
                item
                for item in items
                if item["dataset_id"] == dataset["id"]
                and item["role"] == "consumer"
                and item["state"] == "active"
            ),
            None,
        )

    holding = agreed()
    if holding is not None:
        narrator.done("negotiate", f"their agreement still holds: {holding['terms']['summary']}")
        return holding
    offer = dataset["offers"][0]
    negotiation = client.post(
        f"{base}/negotiations",
        {
            "provider_did": dataset["publisher"]["did"],
            "dataset_id": dataset["id"],
            "offer_id": offer["id"],
        },
    )

    def finalized() -> Json | None:
        now = client.get(f"{base}/negotiations/{negotiation['id']}")
        if now["state"] == "TERMINATED":
            raise HansaError(
                Code.counterparty_refused,
                "The negotiation was refused.",
                str(now.get("error") or ""),
            )
        return agreed() if now["state"] == "FINALIZED" else None

    agreement = _await("the contract", finalized)
    narrator.done("negotiate", f"they have a contract: {agreement['terms']['summary']}")
    return agreement


def _transfer(clients: Mapping[str, Client], agreement: Json, narrator: Narrator) -> Json:
    client, base = clients[CONSUMER], f"/participants/{CONSUMER}"

    def started() -> Json | None:
        items: list[Json] = client.get(f"{base}/transfers")["items"]
        return next(
            (
                item
                for item in items
                if item["agreement_id"] == agreement["id"] and item["state"] == "STARTED"
            ),
            None,
        )

    transfer = started()
    if transfer is None:
        client.post(f"{base}/transfers", {"agreement_id": agreement["id"]})
        transfer = _await("the transfer", started)
    narrator.done("transfer", f"the transfer runs: {CONSUMER} holds an access token")
    return transfer


def _read(
    clients: Mapping[str, Client],
    agreement: Json,
    transfer: Json,
    urls: Mapping[str, str],
    narrator: Narrator,
) -> None:
    consumer, provider = clients[CONSUMER], clients[PROVIDER]
    path = f"/api/v1/participants/{CONSUMER}/transfers/{transfer['id']}/data/entities"
    status, headers, _ = consumer.raw("GET", f"{path}?type=EnergyUse&limit=20&count=true")
    if status != 200:
        raise HansaError(
            Code.policy_denied,
            f"The governed read was answered with {status}.",
            f"Look at the transfer's page, and at `hansa logs {PROVIDER}`.",
        )
    visible = headers.get("ngsild-results-count", "?")
    _, whole, _ = provider.raw(
        "GET", f"/{PROVIDER}/ngsi-ld/v1/entities?type=EnergyUse&limit=0&count=true"
    )
    withheld = ", ".join(agreement["terms"]["attributes"]["withheld"]) or "none"
    narrator.done(
        "read",
        f"first governed answer: {visible} of {whole.get('ngsild-results-count', '?')} shops; "
        f"withheld: {withheld}",
        f"{urls[CONSUMER]}/console/{CONSUMER}/transfers/{transfer['id']}",
    )
    map_url = f"{urls[CONSUMER]}/console/{CONSUMER}/map"
    narrator.done("map", f"see both on one map: {map_url}", map_url)
