"""What an operator sees and does in trade, over the management API of a running node."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hansa.client import Agreement, Approval, Moment, Negotiation, Page, Transfer
from hansa.kernel import FixedClock
from hansa.node.management.agreements import in_order
from hansa.node.management.rates import Rates
from node_world import World

EAST, WEST = "/participants/east", "/participants/west"


async def test_each_message_is_told_in_one_sentence(world: World) -> None:
    dataset = await world.publish()
    found = await world.agree(dataset)
    said = [(m["from"]["title"], m["type"], m["summary"]) for m in found["messages"]]
    assert [who for who, _, _ in said] == ["East", "West", "East", "West"]
    assert said[0][2].startswith("East asks for “Marks”: ")
    assert said[1][2] == "West agrees and sends the agreement."
    assert said[2][2] == "East has checked the agreement and confirms it."
    assert said[3][2] == "West concludes the contract."
    assert found["actions"] == ["replay"]
    assert found["refusal"] is None
    typed = msgspec.convert(found, Negotiation)
    assert all(message.delivered for message in typed.messages)
    assert typed.filled is not None
    assert typed.filled.template == "members"


def test_a_timeline_is_in_the_order_of_instants() -> None:
    moments = ("12:00:00Z", "12:00:00.000500Z", "12:00:00.250000Z", "12:00:01Z")
    items = [{"id": "x", "at": f"2026-01-31T{moment}"} for moment in moments]
    assert in_order(sorted(items, key=lambda item: item["at"])) == items


async def test_the_timeline_holds_all_that_happened_in_order(world: World) -> None:
    found = await world.agree(await world.publish())
    transfer = await world.flow(found["agreement_id"])
    msgspec.convert(transfer, Transfer)
    path = f"{EAST}/transfers/{transfer['id']}/data/entities?type=Mark"
    assert (await world.api("GET", path))[0] == 200
    agreement = f"{EAST}/agreements/{found['agreement_id']}"
    await world.done("POST", f"{agreement}/end", {"reason": "The project is over."})
    items = (await world.done("GET", f"{agreement}/timeline"))["items"]
    kinds = [item["kind"] for item in items]
    assert kinds[:5] == ["negotiation"] * 4 + ["signed"]
    assert kinds.count("usage") == 1
    ended = next(item for item in items if item["kind"] == "ended")
    assert ended["summary"] == "East ended the agreement: The project is over."
    assert ended["by"]["title"] == "East"
    assert items == in_order(items)
    assert all(msgspec.convert(item, Moment).summary for item in items)
    msgspec.convert(await world.done("GET", agreement), Agreement)


async def test_a_refusal_says_who_and_why_and_what_next(world: World) -> None:
    dataset = await world.publish()
    began = await world.ask(dataset)
    path = f"{EAST}/negotiations/{began['id']}"
    await world.done("GET", f"{path}?wait=FINALIZED&timeout_s=20")
    transfer = await world.flow((await world.done("GET", path))["agreement_id"])
    ending = f"{WEST}/agreements/{transfer['agreement_id']}/end"
    await world.done("POST", ending, {"reason": "Misuse."})
    wait = f"{EAST}/transfers/{transfer['id']}?wait=TERMINATED&timeout_s=20"
    refusal = (await world.done("GET", wait))["refusal"]
    assert refusal["by"] == "counterparty"
    assert refusal["title"] == "West"
    assert refusal["code"] == "agreement_ended"
    assert refusal["reasons"] == ["Misuse."]
    assert refusal["sentence"] == "West ended the transfer: Misuse."
    assert refusal["next"] == f"Negotiate a new contract: hansa negotiate {dataset['id']}"


async def test_an_opening_offer_waits_for_the_consumers_operator(world: World) -> None:
    dataset = await world.publish()
    body = {
        "consumer_did": world.east.did,
        "dataset_id": dataset["id"],
        "offer_id": dataset["offers"][0]["id"],
    }
    offered = await world.done("POST", f"{WEST}/negotiations/offers", body)
    path = f"{WEST}/negotiations/{offered['id']}?wait=OFFERED&timeout_s=20"
    assert (await world.done("GET", path))["state"] == "OFFERED"
    (item,) = (await world.done("GET", f"{EAST}/approvals"))["items"]
    assert item["kind"] == "negotiation"
    assert item["actions"] == ["counter", "accept", "terminate"]
    assert item["summary"].startswith(f"West offers “{item['dataset_title']}”: ")
    msgspec.convert(item, Approval)
    await world.done("POST", f"{EAST}/negotiations/{item['id']}/accept")
    wait = f"{EAST}/negotiations/{item['id']}?wait=FINALIZED&timeout_s=20"
    assert (await world.done("GET", wait))["state"] == "FINALIZED"
    assert (await world.done("GET", f"{EAST}/approvals"))["items"] == []


async def test_a_draft_of_other_terms_sends_nothing(world: World) -> None:
    found = await world.agree(await world.publish())
    path = f"{EAST}/negotiations/{found['id']}"
    body = {"template": "purpose", "parameters": {"purpose": "planning"}}
    draft = await world.done("POST", f"{path}/draft", body)
    assert "planning" in draft["terms"]["purpose"]
    assert len((await world.done("GET", path))["messages"]) == 4


async def test_a_replay_begins_a_new_negotiation_on_the_same_terms(world: World) -> None:
    found = await world.agree(await world.publish())
    again = await world.done("POST", f"{EAST}/negotiations/{found['id']}/replay")
    assert again["id"] != found["id"]
    wait = f"{EAST}/negotiations/{again['id']}?wait=FINALIZED&timeout_s=20"
    after = await world.done("GET", wait)
    assert after["state"] == "FINALIZED"
    assert after["terms"]["sentences"] == found["terms"]["sentences"]


async def test_lists_come_in_pages_that_link_to_the_next(world: World) -> None:
    dataset = await world.publish()
    made = [(await world.agree(dataset))["id"] for _ in range(3)]
    seen: list[str] = []
    path: str | None = f"{EAST}/negotiations?limit=2&state=FINALIZED"
    while path is not None:
        status, found, headers = await world.api("GET", path)
        assert status == 200
        seen += [item.id for item in msgspec.convert(found, Page[Negotiation]).items]
        link = headers.get("link")
        path = link[1 : link.index(">")].removeprefix("/api/v1") if link else None
        assert (found["next"] is None) == (path is None)
    assert seen == made[::-1]


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "field"),
    [
        ("POST", f"{EAST}/negotiations", {"dataset_id": "x"}, "invalid_field", "provider_did"),
        ("POST", f"{EAST}/negotiations", {"wish": 1}, "unknown_field", "wish"),
        ("GET", f"{EAST}/negotiations?limit=0", None, "invalid_field", "limit"),
        ("GET", f"{EAST}/negotiations?limit=many", None, "invalid_field", "limit"),
        ("POST", f"{EAST}/negotiations/nobody/accept", {}, "not_found", None),
        ("POST", f"{EAST}/transfers", {"agreement_id": " "}, "invalid_field", "agreement_id"),
    ],
)
async def test_a_wrong_request_names_its_member(
    world: World, method: str, path: str, body: Any, code: str, field: str | None
) -> None:
    status, found, _ = await world.api(method, path, body)
    assert 400 <= status < 500
    assert (found["code"], found.get("field")) == (code, field)


async def test_what_waits_shows_how_its_terms_differ_from_those_published(world: World) -> None:
    dataset = await world.publish(approval="operator")
    asked = {"template": "purpose", "parameters": {"purpose": "planning"}}
    odrl = (await world.done("POST", f"{EAST}/terms", asked))["odrl"]
    body = {
        "provider_did": world.west.did,
        "dataset_id": dataset["id"],
        "offer_id": dataset["offers"][0]["id"],
    }
    plain = await world.done("POST", f"{EAST}/negotiations", body)
    wait = f"{EAST}/negotiations/{plain['id']}?wait=REQUESTED&timeout_s=20"
    assert (await world.done("GET", wait))["state"] == "REQUESTED"
    (item,) = (await world.done("GET", f"{WEST}/approvals"))["items"]
    assert item["changes"] == {"added": [], "left_out": []}
    countered = {"offer": odrl}
    await world.done("POST", f"{WEST}/negotiations/{item['id']}/counter", countered)
    offered = f"{EAST}/negotiations/{plain['id']}?wait=OFFERED&timeout_s=20"
    assert (await world.done("GET", offered))["state"] == "OFFERED"
    (item,) = (await world.done("GET", f"{EAST}/approvals"))["items"]
    assert any("planning" in text for text in item["changes"]["added"])
    assert item["summary"].startswith("West makes another offer: ")
    await world.done("POST", f"{EAST}/negotiations/{item['id']}/accept")
    final = f"{EAST}/negotiations/{plain['id']}?wait=FINALIZED&timeout_s=20"
    found = await world.done("GET", final)
    assert found["state"] == "FINALIZED"
    assert "planning" in found["terms"]["purpose"]


def test_a_rate_is_the_mean_at_first_and_then_that_of_the_last_minute() -> None:
    clock = FixedClock()
    rates = Rates(clock)
    first = rates.rate("t", 100, 1_000, age_s=50)
    assert (first.items, first.bytes) == (2.0, 20.0)
    clock.move(10)
    later = rates.rate("t", 130, 1_600, age_s=60)
    assert (later.items, later.bytes) == (3.0, 60.0)
    clock.move(100)
    assert rates.rate("t", 130, 1_600, age_s=160).items == 0.0


async def test_who_ended_it_is_not_sent_to_ask_the_other_side_why(world: World) -> None:
    dataset = await world.publish()
    transfer = await world.flow((await world.agree(dataset))["agreement_id"])
    path = f"{EAST}/transfers/{transfer['id']}"
    await world.done("POST", f"{path}/terminate", {"reason": "Enough."})
    found = await world.done("GET", f"{path}?wait=TERMINATED&timeout_s=20")
    assert (found["refusal"]["by"], found["refusal"]["reasons"]) == ("own", ["Enough."])
    again = f"hansa transfer start {transfer['agreement_id']}"
    assert found["refusal"]["next"] == f"To begin again: {again}"
