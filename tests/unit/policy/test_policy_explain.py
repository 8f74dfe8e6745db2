"""The plain-language view: exact JSON shape, sentences, and foreign terms named as such."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from policy_forms import CITY, DATASET, OTHER, OWNER, SQUARE, agreement, c, refusal, rule

from hansa.kernel import Code
from hansa.policy import AttributeInfo, PlainTerms, explain, offer_from_template

NAMES = {OWNER: "Delft North", CITY: "Delft South", DATASET: "Energy use of shops"}
ATTRIBUTES = (
    AttributeInfo(name="electricityUse", title="Electricity use"),
    AttributeInfo(name="floorArea"),
    AttributeInfo(name="location"),
    AttributeInfo(name="owner", title="Owner"),
)
MEMBER = c("hansa:membership", "eq", "active")


def tailored() -> PlainTerms:
    parameters = {
        "area": SQUARE,
        "period": "2026-11-01/2026-11-30",
        "attributes": ["electricityUse", "floorArea", "location"],
        "until": "2026-12-31",
        "purpose": "energy planning",
        "time_zone": "Europe/Amsterdam",
    }
    odrl = offer_from_template("tailored", parameters, offer_id="urn:uuid:o")
    parties = {"@type": "Agreement", "target": DATASET, "assigner": OWNER, "assignee": CITY}
    zone = ZoneInfo("Europe/Amsterdam")
    return explain({**odrl, **parties}, attributes=ATTRIBUTES, names=NAMES, zone=zone)


def test_the_story_in_words() -> None:
    terms = tailored()
    assert terms.summary == (
        "Delft South may use Energy use of shops: only inside an area of about 0.76 km²; only "
        "values observed from 1 November 2026, 00:00 CET until just before 1 December 2026, "
        "00:00 CET; only the attributes Electricity use, floorArea and location; for the "
        "purpose “energy planning”; until 1 January 2027, 00:00 CET."
    )
    assert terms.sentences == (
        "Delft North lets Delft South use Energy use of shops.",
        "Use is allowed only by members of the data space in good standing.",
        "Use is allowed only before 1 January 2027, 00:00 CET.",
        "Use is allowed only for the purpose “energy planning”.",
        "Visible is only what lies wholly inside an area of about 0.76 km² between longitude "
        "4.3500° and 4.3600° and latitude 52.0000° and 52.0100°.",
        "Visible are only values observed from 1 November 2026, 00:00 CET until just before "
        "1 December 2026, 00:00 CET. Facts without an observation time stay visible.",
        "Visible attributes: Electricity use, floorArea and location.",
        "Withheld: Owner.",
    )


def test_the_json_is_that_of_the_management_api() -> None:
    body = msgspec.json.decode(msgspec.json.encode(tailored()))
    where, when = body.pop("where"), body.pop("when")
    assert where.keys() == {"wkt", "bbox", "text"}
    assert where["bbox"] == [4.35, 52.0, 4.36, 52.01]
    assert when.keys() == {"start", "end", "text"}
    assert (when["start"], when["end"]) == ("2026-10-31T23:00:00Z", "2026-11-30T23:00:00Z")
    assert body.pop("attributes") == {
        "granted": ["electricityUse", "floorArea", "location"],
        "withheld": ["owner"],
    }
    assert isinstance(body.pop("summary"), str)
    assert isinstance(body.pop("sentences"), list)
    assert body == {
        "who": "Delft North",
        "what": "Energy use of shops",
        "whom": "Delft South",
        "purpose": "“energy planning”",
        "limits": ["Only by members of the data space in good standing"],
        "until": "2026-12-31T23:00:00Z",
    }


def test_an_offer_is_open_to_members_or_to_those_it_names() -> None:
    offer = {"@id": "urn:x", "@type": "Offer", "permission": [rule(MEMBER)]}
    assert explain(offer).whom == "every member of the data space"
    assert explain(offer).who == "the provider"
    assert explain(offer).summary == "Every member of the data space may use all of this dataset."
    named = rule(c("odrl:recipient", "isAnyOf", [CITY, OTHER]))
    assert explain({**offer, "permission": [named]}, names=NAMES).whom == f"Delft South or {OTHER}"
    assert explain({**offer, "permission": [rule()]}).whom == "whoever concludes the agreement"


def test_all_of_the_data_is_said() -> None:
    terms = explain(agreement(rule()))
    assert "All of the data is visible." in terms.sentences
    assert (terms.where, terms.when, terms.purpose, terms.until) == (None, None, None, None)
    shown = explain(agreement(rule()), attributes=ATTRIBUTES).attributes
    assert len(shown.granted) == 4
    assert not shown.withheld


def test_ages_types_roles_and_beginnings_are_limits() -> None:
    terms = explain(
        agreement(
            rule(
                c("hansa:dataAge", "lteq", "P7D"),
                c("hansa:dataAge", "gteq", "PT15M"),
                c("hansa:entityType", "isAnyOf", ["Shop", "Workshop"]),
                c("hansa:role", "isAnyOf", "operator"),
                c("dateTime", "gteq", "2026-06-01T00:00:00Z"),
                c("dateTime", "lteq", "2026-07-01T00:00:00Z"),
            )
        )
    )
    assert terms.limits == (
        "Things of type Shop or Workshop",
        "No younger than 15 minutes",
        "No older than 7 days",
        "Only by who has the role “operator”",
        "Only from 1 June 2026, 00:00 UTC on",
    )
    assert terms.when is not None
    assert terms.when.text == "no younger than 15 minutes, and no older than 7 days"
    assert (terms.when.start, terms.until) == (None, "2026-07-01T00:00:00Z")


@pytest.mark.parametrize(
    ("operator", "text"),
    [
        ("gteq", "observed from 1 November 2026, 00:00 UTC"),
        ("gt", "observed after 1 November 2026, 00:00 UTC"),
        ("lt", "observed before 1 November 2026, 00:00 UTC"),
        ("lteq", "observed up to and including 1 November 2026, 00:00 UTC"),
    ],
)
def test_the_bounds_of_a_period_are_said_exactly(operator: str, text: str) -> None:
    terms = explain(agreement(rule(c("hansa:observationTime", operator, "2026-11-01T00:00:00Z"))))
    assert terms.when is not None
    assert terms.when.text == text


def test_several_parts_are_told_one_by_one() -> None:
    far = "POLYGON ((5 52, 5.01 52, 5.01 52.01, 5 52))"
    terms = explain(
        agreement(
            rule(c("hansa:area", "isPartOf", SQUARE), c("hansa:attribute", "eq", "level")),
            rule(
                c("hansa:area", "isPartOf", far),
                c("dateTime", "lt", "2027-01-01T00:00:00Z"),
                action="read",
            ),
        ),
        attributes=ATTRIBUTES,
    )
    assert terms.summary == f"{CITY} may use 2 parts of {DATASET}."
    assert terms.sentences[1] == "Visible is the sum of these parts:"
    assert terms.sentences[2].startswith("Part 1: wholly inside an area of about 0.76 km²")
    assert terms.sentences[3].endswith("before 1 January 2027, 00:00 UTC; for read only.")
    assert terms.where is not None
    assert terms.where.bbox == (4.35, 52, 5.01, 52.01)
    assert terms.until is None, "the first part has no end"
    assert len(terms.attributes.granted) == 4


def test_what_is_cut_out_and_what_is_forbidden() -> None:
    terms = explain(
        agreement(
            rule(),
            prohibition=[
                rule(c("hansa:attribute", "eq", "owner")),
                rule(c("dateTime", "lt", "2026-06-01T00:00:00Z")),
            ],
            conflict="prohibit",
        ),
        attributes=ATTRIBUTES,
    )
    assert terms.attributes.withheld == ("owner",)
    assert terms.limits == (
        "Left out: only the attributes owner.",
        "Use is forbidden before 1 June 2026, 00:00 UTC.",
        "Where a permission and a prohibition meet, the prohibition counts.",
    )
    assert "with exceptions" in terms.summary


def test_logic_is_put_into_words() -> None:
    either = {"or": [c("purpose", "eq", "a"), {"and": [MEMBER, c("purpose", "neq", "b")]}]}
    one = {"xone": [c("purpose", "eq", "a"), c("purpose", "eq", "b")]}
    ordered = {"andSequence": [c("purpose", "eq", "a"), MEMBER]}
    terms = explain(agreement(rule(either, one, ordered)))
    assert terms.sentences[1:4] == (
        "Use is allowed only for the purpose “a”, or by members of the data space in good "
        "standing, and for another purpose than “b”.",
        "Use is allowed only under exactly one of these conditions: for the purpose “a”; for the "
        "purpose “b”.",
        "Use is allowed only for the purpose “a”, and then by members of the data space in good "
        "standing.",
    )


@pytest.mark.parametrize(
    ("kind", "until"),
    [
        ("and", "2026-06-01T00:00:00Z"),
        ("or", "2026-09-01T00:00:00Z"),
        ("xone", None),
    ],
)
def test_the_end_under_logic(kind: str, until: str | None) -> None:
    ends = [c("dateTime", "lt", f"2026-0{month}-01T00:00:00Z") for month in (6, 9)]
    assert explain(agreement(rule({kind: ends}))).until == until


def test_the_earlier_of_two_ends_counts_and_the_later_of_two_parts() -> None:
    ends = [c("dateTime", "lt", f"2026-0{month}-01T00:00:00Z") for month in (9, 6)]
    assert explain(agreement(rule(*ends))).until == "2026-06-01T00:00:00Z"
    assert explain(agreement(*map(rule, ends))).until == "2026-09-01T00:00:00Z"
    assert explain(agreement(rule(ends[0]), rule())).until is None


FOREIGN: list[dict[str, Any]] = [
    agreement(rule(c("odrl:percentage", "lteq", "5"))),
    agreement(rule(c("cx-policy:Membership", "eq", "active"))),
    agreement(rule(), obligation=[{"action": "delete"}]),
    agreement({"action": "use", "duty": [{"action": "delete"}]}),
    agreement(rule(), profile="https://example.com/profile"),
    agreement(rule(), **{"@type": "Ticket"}),
    agreement(rule(), conflict=5),
    agreement(rule(), timestamp=5),
    agreement(rule(), **{"@context": "https://example.com/context"}),
    agreement(rule({"xone": [c("hansa:attribute", "eq", "a"), c("hansa:attribute", "eq", "b")]})),
]


@pytest.mark.parametrize("odrl", FOREIGN, ids=range(len(FOREIGN)))
def test_terms_that_can_not_be_enforced_are_shown_and_named(odrl: dict[str, Any]) -> None:
    terms = explain(odrl)
    assert any("can't enforce" in sentence for sentence in terms.sentences)
    assert any("can't enforce" in limit for limit in terms.limits)
    assert "enforce" in terms.summary


def test_what_grants_nothing_says_so() -> None:
    terms = explain(agreement(prohibition=[rule()], permission=None))
    assert terms.summary == "These terms permit nothing that this node can enforce."
    assert terms.sentences[0] == "What is not permitted is denied, and nothing is permitted."


def test_attributes_that_the_data_do_not_have_are_named() -> None:
    odrl = agreement(rule(c("hansa:attribute", "isAnyOf", ["location", "colour"])))
    terms = explain(odrl, attributes=ATTRIBUTES)
    assert terms.attributes.granted == ("location",)
    assert "The terms also name colour, which the data do not have." in terms.sentences
    assert explain(odrl).attributes.granted == ("colour", "location")


def test_long_lists_are_cut_with_their_number() -> None:
    odrl = agreement(rule(c("hansa:attribute", "isAnyOf", [f"a{n:03}" for n in range(100)])))
    assert "a019 and 80 more" in explain(odrl).sentences[1]


def test_what_is_no_policy_is_refused() -> None:
    assert refusal(lambda: explain("policy")).code is Code.policy_invalid  # type: ignore[arg-type]
