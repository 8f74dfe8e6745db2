"""Attack the management API from its own description: no 5xx, and each refusal is a problem."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from tests.e2e.space import CONSUMER, Space


@pytest.fixture
def described(space: Space) -> Any:
    """Give the API's description as the running node serves it; streams and sources left out."""
    status, _, body = space.client(CONSUMER).raw("GET", "/api/v1/openapi.json")
    assert status == 200
    document = json.loads(body)
    document["paths"] = {
        path: operations
        for path, operations in document["paths"].items()
        if not path.endswith(("/stream", "/sources"))
    }
    return schemathesis.openapi.from_dict(document)


def attack(strategy: Any, send: Callable[[Any], Any], label: str) -> None:
    """Send some made-up requests of one operation."""

    @settings(max_examples=5, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=strategy)
    def one(case: Any) -> None:
        response = send(case)
        assert response.status_code < 500, (label, response.status_code, response.content[:300])
        if response.status_code >= 400:
            problem = json.loads(response.content)
            assert problem["code"], label
            assert problem["title"], label

    one()


def test_no_request_makes_the_node_fail(space: Space, described: Any) -> None:
    node = space.node(CONSUMER)
    headers = {"Authorization": f"Bearer {node.operator_token}"}

    def send(case: Any) -> Any:
        if "p" in (case.path_parameters or {}):
            case.path_parameters["p"] = CONSUMER
        return case.call(base_url=node.url, headers=headers, timeout=60)

    tried = 0
    for result in described.get_all_operations():
        operation = result.ok()
        attack(operation.as_strategy(), send, operation.label)
        tried += 1
    assert tried >= 30
    assert space.client(CONSUMER).get("/node")["name"] == CONSUMER
