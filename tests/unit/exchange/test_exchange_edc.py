"""What the exchange does otherwise with a counterparty that writes as EDC does."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from exchange_world import DATASET, OFFER, World
from hansa.exchange import AGREEMENTS, NEGOTIATIONS, ContractNegotiation, OfferedDataset

STANDARD = ["https://w3id.org/dspace/2025/1/context.jsonld"]
EDC = [*STANDARD, "https://w3id.org/edc/dspace/v0.0.1"]


async def agreed(world: World, context: list[str]) -> tuple[ContractNegotiation, dict[str, Any]]:
    """Bring a consumer to AGREED by a message with this context; its verification hangs."""
    world.cut("/agreement", "/agreement/verification")
    began = await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
    await world.steps()
    pids = await world.pids()
    (theirs,) = await world.provider.exchange.negotiations()
    message = {
        **pids,
        "@context": context,
        "@type": "ContractAgreementMessage",
        "@id": "urn:m:1",
        "agreement": {**(theirs.agreement or {}), "@id": "urn:a:1"},
    }
    status, answer = await world.post(world.consumer, path(pids), message)
    assert status == 200, answer
    found = await world.consumer.exchange.negotiation(began.id)
    assert (found.state, found.agreement_id) == ("AGREED", "urn:a:1")
    return found, message


def path(pids: dict[str, Any]) -> str:
    return f"/negotiations/{pids['consumerPid']}/agreement"


def anew(message: dict[str, Any], **terms: Any) -> dict[str, Any]:
    agreement = {**message["agreement"], "@id": "urn:a:2", **terms}
    return {**message, "@id": "urn:m:2", "agreement": agreement}


async def test_an_agreement_made_anew_replaces_the_first(world: World) -> None:
    mine, message = await agreed(world, EDC)
    assert mine.dialect == "edc"
    status, answer = await world.post(world.consumer, path(message), anew(message))
    assert (status, answer["state"]) == (200, "AGREED")
    found = await world.consumer.exchange.negotiation(mine.id)
    assert found.agreement_id == "urn:a:2"
    received = await world.consumer.exchange.messages(mine.id)
    assert [each.type for each in received].count("ContractAgreementMessage") == 2


async def test_the_standard_knows_no_agreement_made_anew(world: World) -> None:
    mine, message = await agreed(world, STANDARD)
    status, error = await world.post(world.consumer, path(message), anew(message))
    assert (status, error["code"]) == (400, "illegal_state")
    assert (await world.consumer.exchange.negotiation(mine.id)).agreement_id == "urn:a:1"


@pytest.mark.parametrize(
    "terms", [{"permission": [{"action": "distribute"}]}, {"target": "other"}, {"assigner": "x"}]
)
async def test_an_agreement_made_anew_must_say_the_same(
    world: World, terms: dict[str, Any]
) -> None:
    mine, message = await agreed(world, EDC)
    status, _ = await world.post(world.consumer, path(message), anew(message, **terms))
    assert status == 400
    found = await world.consumer.exchange.negotiation(mine.id)
    assert (found.state, found.agreement_id) == ("AGREED", "urn:a:1")


@pytest.mark.parametrize(("context", "status"), [(EDC, 201), (STANDARD, 400)])
async def test_edc_asks_for_an_offer_without_its_profile(
    world: World, context: list[str], status: int
) -> None:
    published = {**OFFER, "profile": "https://example.org/profile"}
    world.provider.offers[OFFER["@id"]] = OfferedDataset(DATASET, published)
    message = {
        "@context": context,
        "@type": "ContractRequestMessage",
        "consumerPid": "urn:c:1",
        "callbackAddress": "http://localhost:1/dsp",
        "offer": {**OFFER, "@type": "Offer", "target": DATASET},
    }
    found, _ = await world.post(world.provider, "/negotiations/request", message)
    assert found == status


async def test_a_transfer_speaks_the_dialect_of_its_negotiation(world: World) -> None:
    mine, message = await agreed(world, EDC)
    world.heal()
    pids = {name: message[name] for name in ("consumerPid", "providerPid")}
    await world.steps()
    final = {**pids, "@context": EDC, "@type": "ContractNegotiationEventMessage"}
    events = f"/negotiations/{mine.id}/events"
    await world.post(world.consumer, events, {**final, "eventType": "FINALIZED"})
    found = await world.consumer.exchange.negotiation(mine.id)
    assert found.state == "FINALIZED", found.error
    transfer = await world.consumer.exchange.request_transfer(str(found.agreement_id))
    assert transfer.dialect == "edc"


@pytest.mark.parametrize(("dialect", "state"), [("edc", "STARTED"), (None, "TERMINATED")])
async def test_edc_may_not_know_yet_what_it_made_final(
    world: World, dialect: str | None, state: str
) -> None:
    """It refuses a transfer while it still writes its own state; elsewhere a 404 is believed."""
    agreement = await world.negotiated()
    (ours,) = await world.consumer.exchange.negotiations()
    spoken = msgspec.structs.replace(ours, dialect=dialect)
    await world.consumer.store.write(lambda tx: tx.put(NEGOTIATIONS, spoken))
    (theirs,) = await world.provider.exchange.agreements()
    await world.provider.store.write(lambda tx: tx.delete(AGREEMENTS, theirs.id))
    began = await world.consumer.exchange.request_transfer(agreement)
    await world.steps(2)
    await world.provider.store.write(lambda tx: tx.put(AGREEMENTS, theirs))
    await world.settle()
    found = await world.consumer.exchange.transfer(began.id)
    assert found.state == state, found


async def test_edc_is_believed_in_the_end_that_it_knows_no_agreement(world: World) -> None:
    agreement = await world.negotiated()
    (ours,) = await world.consumer.exchange.negotiations()
    spoken = msgspec.structs.replace(ours, dialect="edc")
    await world.consumer.store.write(lambda tx: tx.put(NEGOTIATIONS, spoken))
    await world.provider.store.write(lambda tx: tx.delete(AGREEMENTS, agreement))
    began = await world.consumer.exchange.request_transfer(agreement)
    await world.settle()
    found = await world.consumer.exchange.transfer(began.id)
    assert (found.state, found.code) == ("TERMINATED", "not_found"), found


@pytest.mark.parametrize("room", ["negotiations", "transfers"])
async def test_a_doubled_slash_finds_the_same_path(world: World, room: str) -> None:
    message = {"@context": EDC, "@type": "Unknown"}
    status, error = await world.post(world.provider, f"//{room}/request", message)
    assert (status, error["code"]) == (400, "invalid_field")
    assert "This path takes" in error["reason"][0]


async def forgotten(world: World, dialect: str | None) -> tuple[str, str]:
    """Let a consumer acknowledge FINALIZED and forget it; give both states after a while."""
    world.cut("/events")
    began = await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
    await world.steps()
    (ours,) = await world.provider.exchange.negotiations()
    assert ours.state == "VERIFIED"
    spoken = msgspec.structs.replace(ours, dialect=dialect)
    await world.provider.store.write(lambda tx: tx.put(NEGOTIATIONS, spoken))
    before = await world.consumer.exchange.negotiation(began.id)
    world.heal()
    await world.provider.work_all()
    assert await world.states() == ("FINALIZED", "FINALIZED")
    await world.consumer.store.write(lambda tx: tx.put(NEGOTIATIONS, before))
    await world.steps()
    return await world.states()


async def test_what_edc_acknowledged_and_forgot_is_sent_again(world: World) -> None:
    assert await forgotten(world, "edc") == ("FINALIZED", "FINALIZED")
    assert await world.provider.actions() == []


async def test_nobody_else_is_reminded(world: World) -> None:
    assert await forgotten(world, None) == ("VERIFIED", "FINALIZED")
