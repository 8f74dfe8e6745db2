"""The authority away: the last status list counts for a while, then every call is refused."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.space import AUTHORITY, CONSUMER, Space, wait_for

C = f"/participants/{CONSUMER}"
BOUND_S = "10"


def test_without_the_authority_calls_are_refused_after_the_bound_and_come_back(
    fresh_space: Space,
) -> None:
    space = fresh_space
    space.up(HANSA_TRUST__STATUS_AGE_MAX_S=BOUND_S)
    transfer = space.client(CONSUMER).get(f"{C}/transfers")["items"][0]["id"]

    def read() -> tuple[int, Any]:
        status, _, body = space.client(CONSUMER).raw(
            "GET", f"/api/v1{C}/transfers/{transfer}/data/entities?type=EnergyUse&limit=1"
        )
        return status, json.loads(body)

    assert read()[0] == 200
    space.kill(AUTHORITY)
    assert read()[0] == 200, "the last list still counts"
    status, problem = wait_for(lambda: (answer := read())[0] != 200 and answer, "the bound to pass")
    assert status == 401
    assert problem["code"] == "status_unavailable"
    overview = space.client(CONSUMER).get(f"{C}/overview")
    assert overview["authority"]["reachable"] is False
    assert overview["state"] == "attention"
    space.up("--no-story", HANSA_TRUST__STATUS_AGE_MAX_S=BOUND_S)
    wait_for(lambda: read()[0] == 200, "the return")
