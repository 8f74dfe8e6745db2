"""Our messages against the official schemas, and the official examples against our reader."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pyld import jsonld
from referencing import Registry, Resource

from exchange_world import World, message, world_in
from hansa.exchange import DataAddress, TransferProgress
from hansa.exchange.wire_dsp_2025_1 import PROGRESS, decode, read_answer, read_document

BASE = "https://w3id.org/dspace/2025/1/"
Validate = Callable[[Any], None]


@cache
def _registry(folder: Path) -> Registry[Any]:
    """Read all schemas; repair the references that lack a slash after `#`."""
    resources = []
    for path in sorted(folder.glob("*/*.json")):
        text = path.read_text().replace(".json#definitions/", ".json#/definitions/")
        resources.append(Resource.from_contents(json.loads(text)))
    return Registry().with_resources([(item.id() or "", item) for item in resources])


def _area(wire_type: str) -> str:
    return "transfer" if wire_type.startswith("Transfer") else "negotiation"


def _validate(shared: Path, document: dict[str, Any]) -> None:
    wire_type = document["@type"]
    words = "".join(f"-{char.lower()}" if char.isupper() else char for char in wire_type)[1:]
    registry = _registry(shared / "vectors/dsp-2025-1/schemas")
    schema = registry.contents(f"{BASE}{_area(wire_type)}/{words}-schema.json")
    jsonschema.Draft201909Validator(schema, registry=registry).validate(document)


def _examples(shared: Path) -> list[Path]:
    return sorted((shared / "vectors/dsp-2025-1/examples").glob("*/*.json"))


async def test_all_official_examples_of_this_room_are_read(shared: Path) -> None:
    read: set[str] = set()
    for path in _examples(shared):
        document = await read_document(path.read_bytes()) if "common" not in str(path) else {}
        if path.parent.name not in ("negotiation", "transfer"):
            continue
        wire_type = document["@type"]
        if wire_type.endswith("Message"):
            inbound = decode(document, wire_type)
            assert inbound.message.wire_type == wire_type
            for name, value in (
                ("consumer_pid", "consumerPid"),
                ("provider_pid", "providerPid"),
                ("callback", "callbackAddress"),
            ):
                assert getattr(inbound, name) == document.get(value)
        else:
            answer = read_answer(path.read_bytes())
            assert answer.consumer_pid == document["consumerPid"]
            assert answer.provider_pid == document["providerPid"]
            assert answer.state == document.get("state")
            assert list(answer.reasons) == document.get("reason", [])
        read.add(path.name)
    assert len(read) == 18


def test_the_official_examples_match_the_official_schemas(shared: Path) -> None:
    """Proves that the repaired schemas are strict enough to prove anything."""
    for path in _examples(shared):
        if path.parent.name in ("negotiation", "transfer"):
            _validate(shared, json.loads(path.read_text()))
    with pytest.raises(jsonschema.ValidationError):
        _validate(shared, {"@type": "TransferProcess", "@context": "x"})


class Recorder:
    """Everything that crosses the wire, both ways."""

    def __init__(self, world: World) -> None:
        self.seen: list[dict[str, Any]] = []
        self._send = world.wire.request
        world.wire.request = self.request  # type: ignore[method-assign]

    async def request(self, method: str, url: str, **arguments: Any) -> Any:
        if arguments.get("json") is not None:
            self.seen.append(arguments["json"])
        answer = await self._send(method, url, **arguments)
        if answer.body:
            self.seen.append(answer.json())
        return answer


async def test_everything_we_send_matches_the_official_schemas(
    shared: Path, tmp_path: Path
) -> None:
    async with world_in(tmp_path) as world:
        recorder = Recorder(world)
        mine, _ = await world.transferring()
        await world.consumer.exchange.suspend_transfer(mine, "Pause.")
        await world.settle()
        await world.consumer.exchange.resume_transfer(mine)
        await world.settle()
        await world.consumer.exchange.complete_transfer(mine)
        await world.settle()
        (agreement,) = await world.consumer.exchange.agreements()
        again = await world.consumer.exchange.request_transfer(agreement.id)
        await world.settle()
        await world.consumer.exchange.terminate_transfer(again.id, "Enough.")
        await world.settle()
        await _push(world, agreement.id)
        await _offers(world)
        await _errors(world, recorder)
        for document in recorder.seen:
            _validate(shared, document)
        types = {document["@type"] for document in recorder.seen}
        addressed = [item["@type"] for item in recorder.seen if "dataAddress" in item]
        assert set(addressed) == {"TransferRequestMessage", "TransferStartMessage"}
        assert types == {
            "ContractRequestMessage", "ContractOfferMessage", "ContractAgreementMessage",
            "ContractAgreementVerificationMessage", "ContractNegotiationEventMessage",
            "ContractNegotiationTerminationMessage", "ContractNegotiation",
            "ContractNegotiationError", "TransferRequestMessage", "TransferStartMessage",
            "TransferSuspensionMessage", "TransferCompletionMessage",
            "TransferTerminationMessage", "TransferProcess", "TransferError",
        }  # fmt: skip


async def _push(world: World, agreement_id: str) -> None:
    """Push to an address of ours, and tell it again when we resume."""
    place = DataAddress(
        endpoint_type="https://w3id.org/idsa/v4.1/HTTP",
        endpoint="https://in.example/box",
        properties={"authorization": "secret", "authType": "bearer"},
    )
    pushed = await world.consumer.exchange.request_transfer(
        agreement_id, "HttpData-PUSH", address=place
    )
    await world.settle()
    await world.consumer.exchange.suspend_transfer(pushed.id, "Pause.")
    await world.settle()
    await world.consumer.exchange.resume_transfer(pushed.id)
    await world.settle()
    assert await world.transfer_states() == ("STARTED", "STARTED")


async def test_what_we_add_to_a_transfer_process_matches_its_schema_and_survives_expansion(
    shared: Path, tmp_path: Path
) -> None:
    async with world_in(tmp_path) as world:
        await _push(world, await world.negotiated())
        (push,) = await world.provider.exchange.transfers()
        world.provider.plane.told[push.id] = TransferProgress(items=12, bytes=3_400, error="No.")
        _, shown = await world.get(world.provider, f"/transfers/{push.id}")
    _validate(shared, shown)

    def load(url: str, options: Any) -> dict[str, Any]:
        text = (shared / "vectors/dsp-2025-1/contexts" / _CONTEXTS[url]).read_text()
        return {"document": json.loads(text), "documentUrl": url, "contextUrl": None}

    (expanded,) = jsonld.expand(shown, {"documentLoader": load})
    assert expanded["@type"] == [f"{BASE}TransferProcess"]
    (literal,) = expanded[PROGRESS]
    assert literal == {"@type": "@json", "@value": {"items": 12, "bytes": 3_400, "error": "No."}}
    assert read_answer(json.dumps(shown).encode()).state == "STARTED"


_CONTEXTS = {
    f"{BASE}context.jsonld": "dspace.jsonld",
    f"{BASE}odrl-profile.jsonld": "odrl.jsonld",
}


async def _offers(world: World) -> None:
    """Open by an offer, counter it, accept, and terminate one."""
    from exchange_world import DATASET, OFFER
    from hansa.exchange import Decide

    await world.provider.exchange.offer(world.consumer.did, DATASET, OFFER)
    await world.settle()
    (mine,) = await world.consumer.exchange.negotiations(limit=1)
    world.provider.decision = Decide.offer({**OFFER, "@id": "urn:uuid:o9"})
    await world.consumer.exchange.counter(mine.id, OFFER)
    await world.settle()
    await world.consumer.exchange.accept(mine.id)
    await world.settle()
    assert await world.states() == ("FINALIZED", "FINALIZED")
    world.provider.decision = Decide.refuse("no", "Not to you.")
    await world.consumer.exchange.negotiate(world.provider.did, DATASET, OFFER)
    await world.settle()


async def _errors(world: World, recorder: Recorder) -> None:
    for path, token in (
        ("/negotiations/request", None),
        ("/negotiations/x/termination", None),
        ("/transfers/request", "nonsense"),
        ("/transfers/x/start", None),
    ):
        _, error = await world.post(world.provider, path, message("X"), token=token)
        recorder.seen.append(error)
