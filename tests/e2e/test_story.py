"""The story on real processes: what the contract lets through, and how it is stopped."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest
from tests.e2e.space import AUTHORITY, CONSUMER, PROVIDER, Space, wait_for

from hansa.kernel import HansaError
from hansa.kernel.settings import TrustSettings

C = f"/participants/{CONSUMER}"
P = f"/participants/{PROVIDER}"
TYPE = "EnergyUse"


def running_transfer(space: Space) -> dict[str, Any]:
    """Give a transfer of the story that runs, starting one when there is none."""
    client = space.client(CONSUMER)

    def started() -> dict[str, Any] | None:
        items = client.get(f"{C}/transfers")["items"]
        return next(
            (
                item
                for item in items
                if item["state"] == "STARTED" and item["dataset_title"].startswith("Energy use")
            ),
            None,
        )

    found = started()
    if found is None:
        agreement = new_agreement(space)
        client.post(f"{C}/transfers", {"agreement_id": agreement["id"]})
        found = wait_for(started, "a started transfer")
    return found


def new_agreement(space: Space) -> dict[str, Any]:
    """Negotiate the story's contract once more."""
    client = space.client(CONSUMER)
    items = client.get(f"{C}/catalogue", {"q": "energy"})["items"]
    dataset = next(item for item in items if not item["own"])
    negotiation = client.post(
        f"{C}/negotiations",
        {
            "provider_did": dataset["publisher"]["did"],
            "dataset_id": dataset["id"],
            "offer_id": dataset["offers"][0]["id"],
        },
    )

    def final() -> dict[str, Any] | None:
        now = client.get(f"{C}/negotiations/{negotiation['id']}")
        return now if now["state"] == "FINALIZED" else None

    agreed = wait_for(final, "the contract")
    return client.get(f"{C}/agreements/{agreed['agreement_id']}")


def governed(space: Space, transfer: dict[str, Any], query: str) -> tuple[int, dict[str, str], Any]:
    """Read through a transfer; give status, headers and JSON body."""
    status, headers, body = space.client(CONSUMER).raw(
        "GET", f"/api/v1{C}/transfers/{transfer['id']}/data/{query}"
    )
    return status, headers, json.loads(body) if body else None


def test_the_consumer_sees_exactly_what_the_contract_allows(space: Space) -> None:
    transfer = running_transfer(space)
    status, headers, entities = governed(
        space, transfer, f"entities?type={TYPE}&limit=100&count=true"
    )
    assert status == 200
    assert int(headers["ngsild-results-count"]) == len(entities) == 31
    for entity in entities:
        assert set(entity) - {"id", "type", "@context"} == {"location", "category", "power"}
    whole_status, whole_headers, _ = space.client(PROVIDER).raw(
        "GET", f"/{PROVIDER}/ngsi-ld/v1/entities?type={TYPE}&limit=0&count=true"
    )
    assert whole_status == 200
    assert int(whole_headers["ngsild-results-count"]) == 120


def test_what_is_hidden_does_not_exist(space: Space) -> None:
    transfer = running_transfer(space)
    _, _, visible = governed(space, transfer, f"entities?type={TYPE}&limit=100")
    _, _, body = space.client(PROVIDER).raw(
        "GET", f"/{PROVIDER}/ngsi-ld/v1/entities?type={TYPE}&limit=200"
    )
    hidden = {e["id"] for e in json.loads(body)} - {e["id"] for e in visible}
    assert len(hidden) == 89
    status, _, problem = governed(space, transfer, f"entities/{min(hidden)}")
    assert status == 404
    assert problem["type"].endswith("ResourceNotFound")
    status, _, found = governed(space, transfer, f"entities?type={TYPE}&q=annualEnergy>0")
    assert (status, found) == (200, [])
    status, _, found = governed(space, transfer, "entities?type=Building")
    assert (status, found) == (200, [])
    _, _, types = governed(space, transfer, "types")
    assert types["typeList"] == [TYPE]


def test_history_is_cut_to_the_period(space: Space) -> None:
    transfer = running_transfer(space)
    query = f"temporal/entities?type={TYPE}&timerel=before&timeAt=2100-01-01T00:00:00Z&limit=1"
    status, _, found = governed(space, transfer, query)
    assert status in (200, 206)
    (entity,) = found
    assert set(entity) - {"id", "type", "@context"} <= {"location", "category", "power"}
    instants = [point["observedAt"] for point in entity["power"]]
    agreement = space.client(CONSUMER).get(f"{C}/agreements/{transfer['agreement_id']}")
    assert min(instants) >= agreement["terms"]["when"]["start"]


def test_the_governed_endpoint_is_read_only_and_wants_its_token(space: Space) -> None:
    base = f"/{PROVIDER}/data/ngsi-ld/v1/entities"
    provider = space.client(PROVIDER)
    status, _, body = provider.raw("GET", f"{base}?type={TYPE}")
    assert status == 401  # the operator's token is no access token
    transfer = running_transfer(space)
    access = space.client(CONSUMER).get(f"{C}/transfers/{transfer['id']}/access")
    authorization = {"Authorization": access["authorization"]}
    status, _, body = provider.raw("GET", f"{base}?type={TYPE}&limit=1", None, authorization)
    assert status == 200, body
    status, _, _ = provider.raw(
        "POST", base, b"{}", {**authorization, "Content-Type": "application/json"}
    )
    assert status in (403, 405)
    status, _, _ = provider.raw(
        "GET", f"/{PROVIDER}/ngsi-ld/v1/entities?type={TYPE}", None, authorization
    )
    assert status == 401


def test_a_gis_reads_the_layer_by_url_with_basic_authentication(space: Space) -> None:
    transfer = running_transfer(space)
    access = space.client(CONSUMER).get(f"{C}/transfers/{transfer['id']}/access")["qgis"]
    login = f"{access['basic']['user']}:{access['basic']['password']}".encode()
    path = "/" + access["url"].split("/", 3)[3]
    headers = {"Authorization": f"Basic {base64.b64encode(login).decode()}"}
    status, answered, body = space.client(PROVIDER).raw("GET", path, None, headers)
    assert status == 200, body
    assert answered["content-type"].startswith("application/geo+json")
    assert len(json.loads(body)["features"]) == 31


def test_ending_the_agreement_stops_the_next_request(space: Space) -> None:
    transfer = running_transfer(space)
    access = space.client(CONSUMER).get(f"{C}/transfers/{transfer['id']}/access")
    authorization = {"Authorization": access["authorization"]}
    provider = space.client(PROVIDER)
    agreement = transfer["agreement_id"]
    provider.post(f"{P}/agreements/{agreement}/end", {"reason": "Tested"})
    status, _, body = provider.raw(
        "GET", f"/{PROVIDER}/data/ngsi-ld/v1/entities?type={TYPE}", None, authorization
    )
    assert status in (401, 403)
    assert b"ended" in body
    wait_for(
        lambda: space.client(CONSUMER).get(f"{C}/agreements/{agreement}")["state"] == "ended",
        "the consumer to know",
    )
    ended = space.client(CONSUMER).get(f"{C}/transfers/{transfer['id']}")
    assert ended["state"] == "TERMINATED"
    with pytest.raises(HansaError):
        space.client(CONSUMER).get(f"{C}/transfers/{transfer['id']}/access")


def test_a_suspended_member_is_refused_within_a_second_and_can_come_back(space: Space) -> None:
    transfer = running_transfer(space)
    did = quote(space.client(CONSUMER).get("/node")["participants"][0]["did"], safe="")
    authority = space.client(AUTHORITY)
    assert TrustSettings().status_refresh_s <= 1, "what the nodes of this space run with"
    authority.post(f"/participants/{AUTHORITY}/members/{did}/suspend", {"reason": "Tested"})
    try:
        answer = wait_for(
            lambda: (a := governed(space, transfer, f"entities?type={TYPE}"))[0] != 200 and a,
            "the refusal",
        )
        assert answer[0] == 401
        assert "suspended" in json.dumps(answer[2])
    finally:
        authority.post(f"/participants/{AUTHORITY}/members/{did}/reinstate")
    wait_for(lambda: governed(space, transfer, f"entities?type={TYPE}")[0] == 200, "the return")


def test_protocol_endpoints_are_closed_to_strangers(space: Space) -> None:
    provider = space.client(PROVIDER)
    no_token = {"Authorization": ""}
    for method, path in (
        ("POST", "catalog/request"),
        ("GET", "catalog/datasets/urn:uuid:none"),
        ("POST", "negotiations/request"),
        ("GET", "negotiations/urn:uuid:none"),
        ("POST", "transfers/request"),
        ("GET", "transfers/urn:uuid:none"),
    ):
        status, _, body = provider.raw(
            method,
            f"/{PROVIDER}/dsp/2025-1/{path}",
            b"{}" if method == "POST" else None,
            {**no_token, "Content-Type": "application/json"},
        )
        assert status == 401, path
        assert json.loads(body)["@type"].endswith("Error")
    for path in ("did.json", ".well-known/dspace-version"):
        status, _, _ = provider.raw("GET", f"/{PROVIDER}/{path}", None, no_token)
        assert status == 200
