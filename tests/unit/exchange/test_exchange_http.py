"""Bad input gets the protocol's own error object, in the right order."""

from __future__ import annotations

from typing import Any

import pytest

from exchange_world import DATASET, OFFER, World, call, message

REQUEST = message(
    "ContractRequestMessage", consumerPid="urn:uuid:c1", callbackAddress="http://consumer/x",
    offer={**OFFER, "@type": "Offer", "target": DATASET},
)  # fmt: skip


async def test_authentication_comes_before_anything_else(world: World) -> None:
    world.provider.offers.clear()
    for path, kind in (
        ("/negotiations/request", "ContractNegotiationError"),
        ("/negotiations/urn:uuid:x/termination", "ContractNegotiationError"),
        ("/negotiations/urn:uuid:x/no/such/path", "ContractNegotiationError"),
        ("/transfers/request", "TransferError"),
    ):
        status, error = await world.post(
            world.provider, path, b"not json", token="nonsense", **{"content-type": "text/plain"}
        )
        assert (status, error["@type"], error["code"]) == (401, kind, "token_missing")
        assert error["reason"]
        assert error["providerPid"]
        assert error["consumerPid"]
    status, error = await world.get(world.provider, "/negotiations/x", token="a->b")
    assert (status, error["code"]) == (401, "token_audience")


async def test_an_unknown_participant_does_not_exist(world: World) -> None:
    answer = await call(
        world.provider.app, "POST", "/nobody/dsp/2025-1/negotiations/request", {}, b"{}"
    )
    assert (answer.status, answer.json()["code"]) == (404, "not_found")


def _without(name: str) -> dict[str, Any]:
    return {key: value for key, value in REQUEST.items() if key != name}


@pytest.mark.parametrize(
    ("body", "status", "code", "word"),
    [
        (b"{", 400, "invalid_json", "JSON"),
        (b"\xff\xfe", 400, "invalid_json", "JSON"),
        (b"[]", 400, "invalid_json", "object"),
        (b"[" * 100_000, 400, "invalid_json", "JSON"),
        (b"{}", 400, "invalid_request", "context"),
        ({**REQUEST, "@context": ["https://evil.example/c"]}, 400, "context_unavailable", "evil"),
        ({**REQUEST, "@type": "CatalogRequestMessage"}, 400, "invalid_field", "@type"),
        (_without("consumerPid"), 400, "invalid_field", "consumerPid"),
        (_without("offer"), 400, "invalid_field", "offer"),
        (_without("callbackAddress"), 400, "invalid_field", "callbackAddress"),
        ({**REQUEST, "consumerPid": 5}, 400, "invalid_field", "consumerPid"),
        ({**REQUEST, "consumerPid": ""}, 400, "invalid_field", "pid"),
        ({**REQUEST, "consumerPid": "x" * 600}, 400, "invalid_field", "pid"),
        ({**REQUEST, "providerPid": "urn:uuid:p"}, 400, "invalid_field", "providerPid"),
        ({**REQUEST, "callbackAddress": "file:///etc/passwd"}, 400, "invalid_field", "callback"),
        ({**REQUEST, "callbackAddress": "http://u:p@x/"}, 400, "invalid_field", "callback"),
        ({**REQUEST, "offer": {"@id": "x", "@type": "Offer"}}, 400, "policy_invalid", "offer"),
        ({**REQUEST, "offer": {**OFFER, "@id": 1}}, 400, "policy_invalid", "@id"),
        ({**REQUEST, "offer": {**OFFER, "permission": "x"}}, 400, "policy_invalid", "permission"),
    ],
)
async def test_malformed_requests_are_refused_by_name(
    world: World, body: Any, status: int, code: str, word: str
) -> None:
    found, error = await world.post(world.provider, "/negotiations/request", body)
    assert (found, error["@type"], error["code"]) == (status, "ContractNegotiationError", code)
    assert word in error["reason"][0]
    assert not await world.provider.exchange.negotiations()


async def test_a_policy_that_is_nested_too_deeply_is_refused(world: World) -> None:
    constraint: dict[str, Any] = {"leftOperand": "a", "operator": "eq", "rightOperand": "b"}
    for _ in range(60):
        constraint = {"and": [constraint]}
    offer = {**OFFER, "permission": [{"action": "use", "constraint": [constraint]}]}
    status, error = await world.post(
        world.provider, "/negotiations/request", {**REQUEST, "offer": offer}
    )
    assert (status, error["code"]) == (400, "too_complex")


@pytest.mark.parametrize(
    "constraint",
    [
        [{} for _ in range(10_001)],
        [{"and": [{}] * 5_000}, {"or": [{}] * 5_001}],
        {"and": [0] * 100_001},
        {"leftOperand": "a", "operator": "isAnyOf", "rightOperand": [[] for _ in range(10_001)]},
    ],
    ids=["wide", "spread", "values", "lists"],
)
async def test_a_policy_that_would_be_compared_for_long_is_not_compared(
    world: World, constraint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hansa.exchange.policies._canonical", None)
    offer = {**OFFER, "permission": [{"action": "use", "constraint": constraint}]}
    status, error = await world.post(
        world.provider, "/negotiations/request", {**REQUEST, "offer": offer}
    )
    assert (status, error["code"]) == (400, "too_complex")
    assert "too large" in error["reason"][0]


async def test_bounds_on_body_and_media_type(world: World) -> None:
    status, error = await world.post(
        world.provider, "/negotiations/request", b" " * (1024 * 1024 + 1)
    )
    assert (status, error["@type"], error["code"]) == (
        413, "ContractNegotiationError", "body_too_large",
    )  # fmt: skip
    status, error = await world.post(
        world.provider, "/transfers/request", REQUEST, **{"content-type": "text/html"}
    )
    assert (status, error["@type"], error["code"]) == (
        415, "TransferError", "unsupported_media_type",
    )  # fmt: skip


async def test_unknown_members_and_the_other_media_type_are_accepted(world: World) -> None:
    body = {**REQUEST, "@id": "urn:uuid:m", "x-note": {"deep": [1, 2]}}
    status, process = await world.post(
        world.provider, "/negotiations/request", body,
        **{"content-type": "application/ld+json; charset=utf-8"},
    )  # fmt: skip
    assert (status, process["state"]) == (201, "REQUESTED")


async def test_a_message_in_another_json_ld_form_is_read_alike(world: World) -> None:
    other = {
        "@context": {"d": "https://w3id.org/dspace/2025/1/", "o": "http://www.w3.org/ns/odrl/2/"},
        "@type": "d:ContractRequestMessage",
        "d:consumerPid": {"@id": "urn:uuid:c1"},
        "d:callbackAddress": "http://consumer/x",
        "d:offer": {
            "@id": OFFER["@id"],
            "@type": "o:Offer",
            "o:target": {"@id": DATASET},
            "o:permission": {
                "o:action": {"@id": "o:use"},
                "o:constraint": {
                    "o:leftOperand": {"@id": "o:dateTime"},
                    "o:operator": {"@id": "o:lteq"},
                    "o:rightOperand": "2030-01-01T00:00:00Z",
                },
            },
        },
    }
    status, process = await world.post(world.provider, "/negotiations/request", other)
    assert (status, process.get("reason")) == (201, None)
    again = await world.post(world.provider, "/negotiations/request", REQUEST)
    assert again == (201, process)


async def test_wrong_methods_and_paths(world: World) -> None:
    status, error = await world.get(world.provider, "/negotiations/request")
    assert (status, error["code"]) == (405, "method_not_allowed")
    status, error = await world.post(world.provider, "/negotiations/x", REQUEST)
    assert (status, error["code"]) == (405, "method_not_allowed")
    status, error = await world.post(world.provider, "/transfers/x/nothing", REQUEST)
    assert (status, error["@type"], error["code"]) == (404, "TransferError", "not_found")


async def test_a_defect_of_ours_shows_nothing_of_itself(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(world.provider, "find", fail)
    status, error = await world.post(world.provider, "/negotiations/request", REQUEST)
    assert (status, error["code"]) == (500, "internal")
    assert "secret" not in str(error)


async def test_both_sides_show_their_process(world: World) -> None:
    mine, theirs = await world.transferring()
    pids = await world.pids()
    for side, negotiation, transfer in (
        (world.consumer, pids["consumerPid"], mine),
        (world.provider, pids["providerPid"], theirs),
    ):
        status, process = await world.get(side, f"/negotiations/{negotiation}")
        assert (status, process) == (
            200, {**pids, "@type": "ContractNegotiation", "state": "FINALIZED"},
        )  # fmt: skip
        status, process = await world.get(side, f"/transfers/{transfer}")
        assert (status, process["state"]) == (200, "STARTED")


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"format": "x" * 513}, "format has 1 to 512"),
        ({"format": ""}, "format has 1 to 512"),
        (
            {
                "dataAddress": {
                    "@type": "DataAddress",
                    "endpointType": "x",
                    "endpointProperties": [{"name": f"n{n}", "value": "v"} for n in range(51)],
                }
            },
            "at most 50 properties",
        ),
    ],
    ids=["long", "empty", "properties"],
)
async def test_a_transfer_request_is_bounded(
    world: World, members: dict[str, Any], field: str
) -> None:
    asked = message(
        "TransferRequestMessage",
        consumerPid="urn:uuid:c",
        agreementId="urn:uuid:a",
        format="HttpData-PUSH",
        callbackAddress="http://consumer",
    )
    status, error = await world.post(world.provider, "/transfers/request", {**asked, **members})
    assert (status, error["code"]) == (400, "invalid_field")
    assert field in error["reason"][0]
