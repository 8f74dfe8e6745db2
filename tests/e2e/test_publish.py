"""Files of a city: published with terms, found by the other city, and traded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.space import CONSUMER, PROVIDER, Space, wait_for

from hansa.kernel import HansaError

C = f"/participants/{CONSUMER}"
P = f"/participants/{PROVIDER}"


def trade(space: Space, dataset_id: str) -> str:
    """Negotiate the dataset as the other city; give the id of a running transfer."""
    client = space.client(CONSUMER)
    dataset = client.get(f"{C}/datasets/{dataset_id}")
    negotiation = client.post(
        f"{C}/negotiations",
        {
            "provider_did": dataset["publisher"]["did"],
            "dataset_id": dataset_id,
            "offer_id": dataset["offers"][0]["id"],
        },
    )
    done = wait_for(
        lambda: (
            (n := client.get(f"{C}/negotiations/{negotiation['id']}"))["state"] == "FINALIZED" and n
        ),
        "the contract",
    )
    transfer = client.post(f"{C}/transfers", {"agreement_id": done["agreement_id"]})
    wait_for(
        lambda: client.get(f"{C}/transfers/{transfer['id']}")["state"] == "STARTED", "the start"
    )
    return str(transfer["id"])


def read(space: Space, transfer: str, path: str) -> Any:
    """Read through a transfer."""
    status, _, body = space.client(CONSUMER).raw(
        "GET", f"/api/v1{C}/transfers/{transfer}/data/{path}"
    )
    assert status in (200, 206), body
    return json.loads(body)


def publish(space: Space, *arguments: str) -> dict[str, Any]:
    """Run `hansa publish` on the provider's node."""
    done = space.hansa("publish", *arguments, "--node", PROVIDER, "--json")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_air_quality_is_published_with_its_places_and_traded(
    space: Space, shared: Path, tmp_path: Path
) -> None:
    folder = shared / "data/air-quality"
    no2 = folder / "air_quality_no2_long.csv"
    suggested = json.loads(space.hansa("publish", str(no2), "--node", PROVIDER, "--suggest").stdout)
    assert suggested["pivot"]["parameters"][0]["unit_code"] == "GQ"
    suggested["geometry"] = {
        "kind": "places",
        "places": {
            "key": "location",
            "source": "air_quality_stations.csv",
            "place_key": "location",
            "longitude": "coordinates.longitude",
            "latitude": "coordinates.latitude",
        },
    }
    mapping = tmp_path / "mapping.json"
    mapping.write_text(json.dumps(suggested))
    answer = publish(
        space, str(no2), "--title", "Nitrogen dioxide", "--mapping", str(mapping),
        "--places", str(folder / "air_quality_stations.csv"),
        "--terms", "attributes", "--set", "attributes=no2,location",
    )  # fmt: skip
    assert answer["accepted"] == 2068
    transfer = trade(space, answer["dataset"]["id"])
    (type_name,) = answer["dataset"]["types"]
    entities = read(space, transfer, f"entities?type={type_name}&limit=10")
    assert len(entities) == 3
    for entity in entities:
        assert set(entity) - {"id", "type", "@context"} == {"no2", "location"}
        assert entity["no2"]["unitCode"] == "GQ"
    near_paris = "georel=near;maxDistance==30000&geometry=Point&coordinates=[2.35,48.86]"
    (paris,) = read(space, transfer, f"entities?type={type_name}&{near_paris}")
    assert paris["location"]["value"]["type"] == "Point"
    history = read(
        space, transfer,
        f"temporal/entities/{paris['id']}?timerel=between&timeAt=2019-05-20T00:00:00Z"
        "&endTimeAt=2019-05-21T00:00:00Z&options=temporalValues",
    )  # fmt: skip
    assert 20 <= len(history["no2"]["values"]) <= 24


def test_water_flow_keeps_its_hours_across_the_clock_change(space: Space, shared: Path) -> None:
    answer = publish(
        space, str(shared / "data/river/water-flow.csv"), "--title", "Water flow in a pipe"
    )
    assert (answer["accepted"], answer["rejected"]) == (1268, [])
    attribute = answer["dataset"]["attributes"][0]
    assert attribute["unit_code"] == "G51"
    transfer = trade(space, answer["dataset"]["id"])
    (type_name,) = answer["dataset"]["types"]
    (found,) = read(
        space, transfer,
        f"temporal/entities?type={type_name}&timerel=between&timeAt=2022-03-26T22:00:00Z"
        "&endTimeAt=2022-03-27T04:00:00Z&options=temporalValues",
    )  # fmt: skip
    course = space.client(PROVIDER).get(f"{P}/map/layers/own-water-flow-in-a-pipe/history")
    assert len(course["points"]) > 40  # the last two days that there are, with their gaps
    instants = [at for _, at in found[attribute["name"]]["values"]]
    assert instants == [f"2022-03-26T{h}:00:00Z" for h in (22, 23)] + [
        f"2022-03-27T0{h}:00:00Z" for h in range(4)
    ]


def test_bad_rows_are_reported_with_line_and_reason(space: Space, tmp_path: Path) -> None:
    file = tmp_path / "trees.csv"
    rows = [f"{n},52.00{n % 7},4.36,{n % 9 + 3}.5" for n in range(1, 41)]
    rows[1], rows[2], rows[3] = "2,north,4.36,8", "3,52.0,4.36,tall", "4,152,4.36,3"
    file.write_text("id,lat,lon,height [m]\n" + "\n".join(rows) + "\n")
    answer = publish(space, str(file), "--title", "Trees with faults")
    assert answer["accepted"] == 37
    assert answer["rejected_count"] == 3
    assert [row["line"] for row in answer["rejected"]] == [3, 4, 5]
    assert all(row["field"] and row["reason"] for row in answer["rejected"])


@pytest.mark.parametrize(
    ("arguments", "needle"),
    [
        (["--terms", "nonsense"], "no such template"),
        (["--terms", "area", "--set", "area=somewhere"], "area"),
        (["--terms", "attributes"], "attributes"),
        (["--terms", "members", "--set", "colour=red"], "colour"),
        (["--terms", "attributes", "--set", "attributes=height,width"], "no attribute width"),
        (["--terms", "until", "--set", "until=2020-01-01"], "has passed"),
    ],
)
def test_terms_that_do_not_fit_are_refused_before_anything_is_written(
    space: Space, tmp_path: Path, arguments: list[str], needle: str
) -> None:
    file = tmp_path / "trees.csv"
    file.write_text("id,lat,lon,height [m]\n1,52.0,4.36,7.5\n")
    before = space.client(PROVIDER).get(f"{P}/overview")["counts"]["entities"]
    done = space.hansa(
        "publish", str(file), "--title", f"Refused {needle}", "--node", PROVIDER, *arguments,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert needle in done.stderr
    assert space.client(PROVIDER).get(f"{P}/overview")["counts"]["entities"] == before


def test_what_publish_says_can_be_followed(space: Space, tmp_path: Path) -> None:
    file = tmp_path / "benches.csv"
    file.write_text("lat,lon,no2_ug_m3,seen\n52.0,4.36,7.5,2026-03-01 14:30\n")
    done = space.hansa("publish", str(file), "--node", PROVIDER)
    assert "1 row accepted" in done.stdout
    assert "Note: 'seen' holds local times" in done.stderr
    node = space.node(PROVIDER)
    link = next(line for line in done.stdout.splitlines() if line.startswith("Look: "))
    path = link.removeprefix(f"Look: {node.url}")
    client = space.client(PROVIDER)
    signed_in = client.post("/sign-in-links")["url"].removeprefix(node.url)
    cookie = client.raw("GET", signed_in)[1]["set-cookie"].partition(";")[0]
    status, _, page = client.raw("GET", path, headers={"Cookie": cookie, "Authorization": ""})
    assert status == 200
    assert "µg/m³" in page.decode()


def test_a_policy_that_cannot_be_enforced_is_refused(space: Space) -> None:
    with pytest.raises(HansaError) as caught:
        space.client(PROVIDER).post(
            f"{P}/datasets",
            {"title": "x", "template": "members", "parameters": {"unknown": 1}},
        )
    assert caught.value.status in (400, 422)
