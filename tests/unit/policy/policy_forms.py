"""Short ways to write policies and questions in these tests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from hansa.kernel import Code, HansaError
from hansa.policy import PROFILE_IRI, CompiledPolicy, Cut, Usage, compile_policy

DATASET = "urn:uuid:9d9c5cbc-0000-4000-8000-000000000001"
CITY = "did:web:localhost%3A7712:delft-south"
OTHER = "did:web:localhost%3A7713:leiden"
OWNER = "did:web:localhost%3A7711:delft-north"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SQUARE = "POLYGON ((4.35 52, 4.36 52, 4.36 52.01, 4.35 52.01, 4.35 52))"
HANSA = PROFILE_IRI + "#"
EVERYTHING = Cut()


def c(left: str, operator: str, right: Any) -> dict[str, Any]:
    """Write an atomic constraint; `hansa:` is written out."""
    name = left.replace("hansa:", HANSA)
    return {"leftOperand": name, "operator": operator, "rightOperand": right}


def rule(*constraints: Any, action: Any = "use", **more: Any) -> dict[str, Any]:
    return {"action": action, "constraint": list(constraints), **more}


def agreement(
    *permissions: dict[str, Any], prohibition: list[dict[str, Any]] | None = None, **more: Any
) -> dict[str, Any]:
    policy = {
        "@id": "urn:uuid:agreement",
        "@type": "Agreement",
        "target": DATASET,
        "assigner": OWNER,
        "assignee": CITY,
        "permission": list(permissions),
        **({"prohibition": prohibition} if prohibition else {}),
        **more,
    }
    return {name: value for name, value in policy.items() if value is not None}


def compiled(odrl: dict[str, Any], selection: Cut = EVERYTHING) -> CompiledPolicy:
    return compile_policy(odrl, target=DATASET, selection=selection)


def ask(**changes: Any) -> Usage:
    asked: dict[str, Any] = {
        "action": "read",
        "target": DATASET,
        "assignee": CITY,
        "now": NOW,
        **changes,
    }
    return Usage(**asked)


def refusal(do: Callable[[], object]) -> HansaError:
    with pytest.raises(HansaError) as caught:
        do()
    return caught.value


def assert_refused(odrl: Any, code: Code, path: str) -> HansaError:
    """Assert that a policy does not compile, for this reason, at this path."""
    error = refusal(lambda: compiled(odrl))
    assert (error.code, error.facts["path"]) == (code, path), error
    assert error.facts["next"]
    assert error.status == 422
    return error
