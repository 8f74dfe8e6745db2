"""A map and its pages live through whatever another city's endpoint answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from hansa.catalogue import RemoteDataset
from hansa.dataplane import FetchedAnswer
from hansa.kernel import Code, HansaError
from hansa.node.management import layers

DATASET = RemoteDataset(id="urn:d", title="D", publisher="did:web:west.example", offers=())
LAYER = layers.Layer(id="received", dataset=DATASET, transfer_id="urn:uuid:1")
GOOD = {"id": "urn:ngsi-ld:X:1", "type": "X", "location": {"type": "Point", "coordinates": [4, 5]}}
AT = datetime(2026, 11, 21, tzinfo=UTC)


class City:
    """Stand where the participant stands: its provider answers with `body`."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.consumer = self

    async def fetch(self, *asked: Any) -> FetchedAnswer:
        return FetchedAnswer(200, {"content-type": "application/json"}, self.body)


def answering(body: Any) -> Any:
    return City(body if isinstance(body, bytes) else msgspec.json.encode(body))


ODD: list[Any] = [1, None, "x", [], {}, {"id": 5, "type": "X"}, {"id": "urn:x:2"}]


async def test_what_is_no_entity_is_left_out() -> None:
    found = await layers.features(answering([*ODD, GOOD]), LAYER, None)
    assert [feature["id"] for feature in found] == [GOOD["id"]]


@pytest.mark.parametrize("body", [[GOOD], 5, None, *ODD])
async def test_an_answer_that_is_no_entity_is_not_found(body: Any) -> None:
    assert await layers.entity(answering(body), LAYER, "urn:ngsi-ld:X:1") is None


async def test_an_entity_is_found() -> None:
    assert await layers.entity(answering(GOOD), LAYER, "urn:ngsi-ld:X:1") == GOOD


@pytest.mark.parametrize(
    "values", [5, None, [], {"values": 5}, {"values": [1, [], [1], [1, 2], [1, "x"]]}]
)
async def test_a_history_of_odd_values_is_empty(values: Any) -> None:
    city = answering([{**GOOD, "power": values}])
    assert await layers.history(city, LAYER, "power", AT, AT, None) == {GOOD["id"]: []}


async def test_what_is_no_json_is_the_providers_fault() -> None:
    for body in (b"<html>", b"[" * 100_000):
        with pytest.raises(HansaError) as caught:
            await layers.features(answering(body), LAYER, None)
        assert caught.value.code is Code.counterparty_refused
