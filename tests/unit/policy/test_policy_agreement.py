"""An Offer becomes an Agreement as DSP 2025-1 wants it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from policy_forms import CITY, DATASET, OTHER, OWNER, ask, c, refusal, rule
from test_policy_templates import FILLED

from hansa.kernel import Code
from hansa.policy import (
    TEMPLATES,
    Cut,
    Phase,
    compile_policy,
    merge_offer_into_agreement,
    offer_from_template,
    validate_policy,
)

SIGNED = datetime(2026, 11, 20, 13, 0, 0, 123_456, tzinfo=timezone(timedelta(hours=1)))


def merge(offer: dict[str, Any], **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "assigner": OWNER,
        "assignee": CITY,
        "target": DATASET,
        "agreement_id": "urn:uuid:a",
        "timestamp": SIGNED,
        **changes,
    }
    return merge_offer_into_agreement(offer, **values)


def template_offer(template: str) -> dict[str, Any]:
    return offer_from_template(template, FILLED[template], offer_id="urn:uuid:o")


@pytest.fixture(scope="session")
def schema_errors(shared: Path) -> Callable[[dict[str, Any], str], list[str]]:
    """Give a check against the protocol's own schema: (document, definition) -> messages."""
    folder = shared / "vectors" / "dsp-2025-1" / "schemas" / "negotiation"
    schema = json.loads((folder / "contract-schema.json").read_text())

    def errors(document: dict[str, Any], definition: str) -> list[str]:
        part = {**schema, "allOf": [{"$ref": f"#/definitions/{definition}"}]}
        validator = jsonschema.Draft201909Validator(part)
        return [error.message for error in validator.iter_errors(document)]

    return errors


@pytest.mark.parametrize("template", [template.id for template in TEMPLATES])
def test_offers_and_agreements_are_valid_in_dsp(
    template: str, schema_errors: Callable[[dict[str, Any], str], list[str]]
) -> None:
    offer = template_offer(template)
    assert schema_errors(offer, "Offer") == []
    assert schema_errors({**offer, "target": DATASET}, "MessageOffer") == []
    assert schema_errors({**offer, "target": DATASET}, "Offer"), "no target inside a catalogue"
    agreement = merge(offer)
    assert schema_errors(agreement, "Agreement") == []
    assert schema_errors({**agreement, "permission": []}, "Agreement")


def test_the_agreement_carries_the_rules_and_names_everyone() -> None:
    offer = template_offer("tailored")
    agreement = merge(offer)
    assert agreement == {
        "@id": "urn:uuid:a",
        "@type": "Agreement",
        "target": DATASET,
        "assigner": OWNER,
        "assignee": CITY,
        "timestamp": "2026-11-20T12:00:00Z",
        "profile": offer["profile"],
        "permission": offer["permission"],
    }
    validate_policy(agreement, Phase.enforce)
    decision = compile_policy(agreement, target=DATASET, selection=Cut()).decide(ask())
    assert decision.permitted
    assert decision.expires_at == datetime(2026, 12, 31, 23, tzinfo=UTC)


def test_the_agreement_shares_nothing_with_the_offer() -> None:
    offer = template_offer("area")
    agreement = merge(offer)
    agreement["permission"][0]["constraint"].clear()
    assert offer == template_offer("area")


def test_what_edc_adds_is_left_behind_and_lists_are_never_empty() -> None:
    offer = {
        "@id": "urn:x",
        "@type": "odrl:Offer",
        "odrl:permission": rule(),
        "prohibition": [],
        "obligations": [],
        "edctype": "x",
        "odrl:conflict": "prohibit",
        "@context": "https://w3id.org/dspace/2025/1/context.jsonld",
    }
    agreement = merge(offer)
    assert agreement["permission"] == [rule()]
    assert agreement["conflict"] == "prohibit"
    assert agreement.keys().isdisjoint({"prohibition", "obligations", "edctype", "@context"})


def test_an_offer_with_the_same_parties_may_name_them() -> None:
    offer = {**template_offer("area"), "target": DATASET, "assigner": OWNER, "assignee": CITY}
    assert merge(offer) == merge(template_offer("area"))


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"target": "urn:uuid:foreign"}, "target"),
        ({"assigner": OTHER}, "assigner"),
        ({"assignee": OTHER}, "assignee"),
        ({"@type": "Agreement"}, "@type"),
        ({"@type": "Set"}, "@type"),
        ({"action": "use"}, "action"),
        ({"@context": [{"h": "https://w3id.org/hansa/odrl/1#"}]}, "@context"),
    ],
)
def test_an_offer_about_something_else_is_refused(change: dict[str, Any], path: str) -> None:
    error = refusal(lambda: merge({**template_offer("area"), **change}))
    assert (error.code, error.facts["path"]) == (Code.policy_invalid, path)


def test_an_offer_that_can_not_be_enforced_is_refused() -> None:
    offer = {"@id": "urn:x", "@type": "Offer", "permission": [rule(c("percentage", "lteq", "5"))]}
    error = refusal(lambda: merge(offer))
    assert error.code is Code.policy_unsupported
    assert error.facts["path"] == "permission[0].constraint[0].leftOperand"


def test_a_timestamp_without_zone_is_a_mistake_of_the_program() -> None:
    with pytest.raises(ValueError, match="zone"):
        merge(template_offer("area"), timestamp=datetime(2026, 1, 1))
