"""Whatever arrives as a policy is read or refused with a code and a path; nothing else happens."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from policy_strategies import DATASET, policies

from hansa.kernel import Code, HansaError
from hansa.policy import Cut, Phase, compile_policy, explain, read_template, validate_policy

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(("use", "Offer", "Agreement", "odrl:lt", "dateTime", "P1D", "urn:x", "@list")),
)
keys = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        (
            *("@id", "@type", "@context", "permission", "prohibition", "action", "constraint"),
            *("leftOperand", "operator", "rightOperand", "and", "or", "xone", "@value", "@list"),
            *("target", "assignee", "odrl:permission", "profile", "conflict", "duty", "unit"),
        )
    ),
)
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=4)),
    max_leaves=12,
)


REFUSALS = (Code.policy_invalid, Code.policy_unsupported, Code.policy_conflict)


def refusal(use: Callable[[], object]) -> HansaError | None:
    try:
        use()
    except HansaError as error:
        return error
    return None


def check(odrl: Any) -> None:
    for use in (
        lambda: compile_policy(odrl, target=DATASET, selection=Cut()),
        lambda: validate_policy(odrl, Phase.publish),
        lambda: explain(odrl),
    ):
        error = refusal(use)
        if error is not None:
            assert error.code in REFUSALS
            assert isinstance(error.facts["path"], str)
            assert error.facts["next"]
            assert len(str(error)) < 4_000
    if isinstance(odrl, dict):
        read_template(odrl)


@settings(max_examples=150, deadline=None)
@given(anything)
def test_any_json_is_read_or_refused(odrl: Any) -> None:
    check(odrl)


@settings(max_examples=150, deadline=None)
@given(policies, st.data())
def test_a_policy_with_one_member_replaced_is_read_or_refused(
    odrl: dict[str, Any], data: st.DataObject
) -> None:
    odrl = deepcopy(odrl)
    node: Any = odrl
    for _ in range(data.draw(st.integers(0, 6))):
        inside = list(node.values()) if isinstance(node, dict) else node
        containers = [item for item in inside if isinstance(item, dict | list) and item]
        if not containers:
            break
        node = data.draw(st.sampled_from(containers))
    if isinstance(node, dict):
        node[data.draw(st.one_of(st.sampled_from(sorted(node)), keys))] = data.draw(anything)
    else:
        node[data.draw(st.integers(0, len(node) - 1))] = data.draw(anything)
    check(odrl)
