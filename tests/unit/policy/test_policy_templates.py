"""Templates: form to ODRL, ODRL to form and sentence, and errors that help."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from policy_forms import SQUARE, refusal

from hansa.kernel import Code
from hansa.policy import (
    PROFILE_IRI,
    TEMPLATES,
    Filled,
    explain,
    offer_from_template,
    read_template,
    validate_policy,
)

FILLED: dict[str, dict[str, Any]] = {
    "members": {},
    "purpose": {"purpose": "energy planning"},
    "area": {"area": SQUARE},
    "period": {"period": {"start": "2026-11-01T00:00:00Z", "end": "2026-12-01T00:00:00Z"}},
    "attributes": {"attributes": ["electricityUse", "location"]},
    "recent": {"max_age": "P7D"},
    "delayed": {"min_age": "PT15M"},
    "until": {"until": "2026-12-31T23:00:00Z"},
    "count": {"count": 100},
    "tailored": {
        "area": SQUARE,
        "period": {"start": "2026-11-01T00:00:00Z", "end": "2026-12-01T00:00:00Z"},
        "attributes": ["electricityUse", "floorArea", "location"],
        "until": "2026-12-31T23:00:00Z",
    },
}


def offer(template: str, **parameters: Any) -> dict[str, Any]:
    return offer_from_template(template, parameters, offer_id="urn:uuid:o")


def right(odrl: dict[str, Any], left: str) -> list[Any]:
    (permission,) = odrl["permission"]
    return [
        constraint["rightOperand"]
        for constraint in permission["constraint"]
        if constraint["leftOperand"].endswith(left)
    ]


def test_there_is_an_example_of_every_template() -> None:
    assert {template.id for template in TEMPLATES} == set(FILLED)
    for template in TEMPLATES:
        assert template.sentence.endswith(".")
        assert template.allows
        assert template.denies
        for parameter in template.parameters:
            assert parameter.help.endswith(".")


@pytest.mark.parametrize("template", FILLED)
def test_form_to_odrl_to_form_and_sentence(template: str) -> None:
    odrl = offer(template, **FILLED[template])
    validate_policy(odrl)
    assert odrl["@type"] == "Offer"
    assert odrl["@id"] == "urn:uuid:o"
    assert odrl["profile"] == PROFILE_IRI
    assert "target" not in odrl
    back = read_template(odrl)
    assert back == Filled(template=template, parameters=FILLED[template])
    assert back is not None
    assert offer(back.template, **back.parameters) == odrl
    terms = explain(odrl)
    assert terms.summary.startswith("Every member of the data space may use")
    assert not any("can't enforce" in sentence for sentence in terms.sentences)


@pytest.mark.parametrize("template", FILLED)
def test_right_operands_are_strings_or_lists_of_strings(template: str) -> None:
    for constraint in offer(template, **FILLED[template])["permission"][0]["constraint"]:
        operand = constraint["rightOperand"]
        values = operand if isinstance(operand, list) else [operand]
        assert all(isinstance(value, str) for value in values)


def test_templates_encode_to_the_json_of_the_management_api() -> None:
    items = msgspec.json.decode(msgspec.json.encode(TEMPLATES))
    for item in items:
        assert {"id", "title", "sentence", "parameters", "allows", "denies"} <= item.keys()
        for parameter in item["parameters"]:
            assert parameter.keys() == {"name", "title", "kind", "required", "help"}


@pytest.mark.parametrize(
    "drawn",
    [
        [4.35, 52.0, 4.36, 52.01],
        ["4.35", "52", "4.36", "52.01"],
        {"wkt": SQUARE},
        {
            "type": "Polygon",
            "coordinates": [[[4.35, 52], [4.36, 52], [4.36, 52.01], [4.35, 52.01], [4.35, 52]]],
        },
        {
            "type": "Feature",
            "geometry": {
                "type": "MultiPolygon",
                "coordinates": [
                    [[[4.35, 52], [4.36, 52], [4.36, 52.01], [4.35, 52.01], [4.35, 52]]]
                ],
            },
        },
    ],
)
def test_an_area_may_be_drawn_in_several_forms(drawn: Any) -> None:
    assert right(offer("area", area=drawn), "#area") == [SQUARE]


def test_two_drawn_polygons_are_one_area() -> None:
    one = [[[0, 0], [1, 0], [1, 1], [0, 0]]]
    two = [[[5, 5], [6, 5], [6, 6], [5, 5]]]
    drawn = {"type": "MultiPolygon", "coordinates": [one, two]}
    (wkt,) = right(offer("area", area=drawn), "#area")
    assert wkt.startswith("MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)), ((5 5,")


@pytest.mark.parametrize(
    ("zone", "start", "end"),
    [
        (None, "2026-10-25T00:00:00Z", "2026-10-26T00:00:00Z"),
        ("UTC", "2026-10-25T00:00:00Z", "2026-10-26T00:00:00Z"),
        ("Europe/Amsterdam", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
    ],
)
def test_a_day_begins_and_ends_where_the_zone_says(zone: str | None, start: str, end: str) -> None:
    """The clock goes back on that Sunday, so in Amsterdam it has 25 hours."""
    day = {"start": "2026-10-25", "end": "2026-10-25"}
    odrl = offer("period", period=day, time_zone=zone)
    assert right(odrl, "#observationTime") == [start, end]
    assert right(offer("until", until="2026-10-25", time_zone=zone), "dateTime") == [end]


@pytest.mark.parametrize(
    ("period", "values"),
    [
        ("2026-11-01/2026-11-30", ["2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"]),
        ("2026-11-01/..", ["2026-11-01T00:00:00Z"]),
        ("../2026-11-30T10:00:00+01:00", ["2026-11-30T09:00:00Z"]),
        ({"start": "2026-11-01"}, ["2026-11-01T00:00:00Z"]),
        ({"start": None, "end": "2026-11-30"}, ["2026-12-01T00:00:00Z"]),
    ],
)
def test_a_period_may_be_open_on_one_side(period: Any, values: list[str]) -> None:
    odrl = offer("period", period=period)
    assert right(odrl, "#observationTime") == values
    back = read_template(odrl)
    assert back is not None
    assert offer(back.template, **back.parameters) == odrl


def test_words_may_come_as_text_with_commas() -> None:
    assert right(offer("attributes", attributes="a, b,,a"), "#attribute") == [["a", "b"]]
    many = offer("purpose", purpose="planning, research")
    assert right(many, "purpose") == [["planning", "research"]]
    assert read_template(many) == Filled(
        template="purpose", parameters={"purpose": ["planning", "research"]}
    )
    odd = offer("purpose", purpose=["plan, and act"])
    back = read_template(odd)
    assert back is not None
    assert offer(back.template, **back.parameters) == odd


def test_blank_fields_count_as_left_out() -> None:
    odrl = offer("tailored", area=SQUARE, period="", attributes=[], until=None, purpose="")
    assert read_template(odrl) == Filled(template="area", parameters={"area": SQUARE})


@pytest.mark.parametrize(
    ("template", "parameters", "field"),
    [
        ("purpose", {}, "parameters.purpose"),
        ("purpose", {"purpose": ""}, "parameters.purpose"),
        ("purpose", {"purpose": " , "}, "parameters.purpose"),
        ("purpose", {"purpose": 5}, "parameters.purpose"),
        ("purpose", {"purpose": ["a", 5]}, "parameters.purpose"),
        ("purpose", {"purpose": [f"p{n}" for n in range(1001)]}, "parameters.purpose"),
        ("members", {"area": SQUARE}, "parameters.area"),
        ("area", {"area": SQUARE, "colour": "red"}, "parameters.colour"),
        ("area", {"area": "a city"}, "parameters.area"),
        ("area", {"area": 5}, "parameters.area"),
        ("area", {"area": [1, 2, 3]}, "parameters.area"),
        ("area", {"area": ["a", "b", "c", "d"]}, "parameters.area"),
        ("area", {"area": [float("nan"), 0, 1, 1]}, "parameters.area"),
        ("area", {"area": [4.36, 52, 4.36, 52.01]}, "parameters.area"),
        ("area", {"area": {"type": "Point", "coordinates": [4, 52]}}, "parameters.area"),
        ("area", {"area": {"type": "Polygon"}}, "parameters.area"),
        ("area", {"area": {"type": "Polygon", "coordinates": [[[4]]]}}, "parameters.area"),
        ("area", {"area": {"type": "Polygon", "coordinates": 7}}, "parameters.area"),
        (
            "area",
            {"area": {"type": "Polygon", "coordinates": [[[0, 0]] * 10_001]}},
            "parameters.area",
        ),
        ("attributes", {"attributes": ["no good"]}, "parameters.attributes"),
        ("attributes", {"attributes": "type"}, "parameters.attributes"),
        ("recent", {"max_age": "a week"}, "parameters.max_age"),
        ("delayed", {"min_age": 900}, "parameters.min_age"),
        ("until", {"until": "soon"}, "parameters.until"),
        ("until", {"until": "2026-02-30"}, "parameters.until"),
        ("until", {"until": "2026-12-31T23:00:00"}, "parameters.until"),
        ("until", {"until": "9999-12-31"}, "parameters.until"),
        ("until", {"until": "2026-12-31", "time_zone": "Delft"}, "parameters.time_zone"),
        ("until", {"until": "2026-12-31", "time_zone": "../etc"}, "parameters.time_zone"),
        ("period", {"period": "2026"}, "parameters.period"),
        ("period", {"period": "../.."}, "parameters.period"),
        ("period", {"period": {"from": "2026-11-01"}}, "parameters.period"),
        ("period", {"period": "2026-11-02/2026-11-01"}, "parameters.period"),
        ("tailored", {}, "parameters.area"),
        ("tailored", {"time_zone": "UTC"}, "parameters.area"),
        ("nothing", {}, "template"),
    ],
)
def test_an_error_names_the_field_and_the_next_step(
    template: str, parameters: dict[str, Any], field: str
) -> None:
    error = refusal(lambda: offer(template, **parameters))
    assert error.code is Code.invalid_field
    assert error.facts["field"] == field
    assert error.facts["next"]
    assert error.status == 400


def test_terms_that_no_template_says_are_not_forced_into_one() -> None:
    plain = offer("area", area=SQUARE)
    permission = plain["permission"][0]
    others: list[dict[str, Any]] = [
        {**plain, "permission": [permission, permission]},
        {**plain, "permission": [{**permission, "action": "read"}]},
        {**plain, "permission": [{**permission, "constraint": permission["constraint"][1:]}]},
        {**plain, "permission": [{**permission, "constraint": permission["constraint"] * 2}]},
        {**plain, "prohibition": [permission]},
        {**plain, "obligation": [{"action": "delete"}]},
        {
            **plain,
            "permission": [
                {"action": "use", "constraint": [{"or": permission["constraint"]}]},
            ],
        },
    ]
    for odrl in others:
        assert read_template(odrl) is None
