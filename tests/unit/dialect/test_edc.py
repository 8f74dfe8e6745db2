"""EDC's forms, as captured from a running EDC 0.15.1, and the standard's own left alone."""

from __future__ import annotations

from typing import Any

import pytest

from hansa import dialect
from hansa.dialect import BARE, EDC, PageWanted
from hansa.kernel import Code, HansaError

STANDARD = "https://w3id.org/dspace/2025/1/context.jsonld"
MARK = "https://w3id.org/edc/dspace/v0.0.1"
NAMES = "https://w3id.org/edc/v0.0.1/ns/"
HTTP = "https://w3id.org/idsa/v4.1/HTTP"
QUERY = {
    "@type": "QuerySpec",
    "limit": 50,
    "offset": 100,
    "sortOrder": "ASC",
    "filterExpression": [],
}


def properties(**values: str) -> list[dict[str, str]]:
    return [{"@type": "EndpointProperty", "name": n, "value": v} for n, v in values.items()]


def named(**values: str) -> list[dict[str, str]]:
    return properties(**{NAMES + name: value for name, value in values.items()})


def values(address: dict[str, Any]) -> dict[str, str]:
    return {item["name"]: item["value"] for item in address["endpointProperties"]}


PULL = {
    "@type": "DataAddress",
    "endpointType": HTTP,
    "endpointProperties": named(
        endpoint="http://localhost:1/public",
        authType="bearer",
        endpointType=HTTP,
        authorization="eyJ.x.y",
    ),
}
PUSH = {
    "@type": "DataAddress",
    "endpointType": "HttpData",
    "endpointProperties": named(baseUrl="http://localhost:1/sink"),
}
OURS = {
    "@type": "DataAddress",
    "endpointType": HTTP,
    "endpoint": "http://localhost:2/data",
    "endpointProperties": properties(authorization="secret", authType="bearer"),
}


@pytest.mark.parametrize(
    ("context", "found"),
    [
        ([STANDARD, MARK], EDC),
        ([STANDARD], None),
        (STANDARD, None),
        (MARK, EDC),
        ([{"x": MARK}], None),
        (None, None),
    ],
)
def test_the_dialect_is_known_by_the_context(context: object, found: str | None) -> None:
    assert dialect.recognise({"@context": context}) == found


@pytest.mark.parametrize("document", [None, [], "text", 3])
def test_what_is_no_object_has_no_dialect(document: object) -> None:
    assert dialect.recognise(document) is None


def test_a_pull_address_is_read_and_its_secret_is_sent_as_it_stands() -> None:
    read = dialect.read_address(PULL)
    assert read["endpoint"] == "http://localhost:1/public"
    assert read["endpointType"] == HTTP
    assert values(read) == {"authorization": "eyJ.x.y", "authType": BARE}
    assert dialect.authorization(values(read)["authType"], "eyJ.x.y") == "eyJ.x.y"


def test_a_push_address_is_read() -> None:
    read = dialect.read_address(PUSH)
    assert (read["endpoint"], read["endpointType"]) == ("http://localhost:1/sink", HTTP)
    assert values(read) == {}


@pytest.mark.parametrize(
    ("code", "secret", "kind"), [("Bearer abc", "abc", "bearer"), ("abc", "abc", BARE)]
)
def test_the_header_of_a_push_is_read(code: str, secret: str, kind: str) -> None:
    sent = {**PUSH, "endpointProperties": named(baseUrl="http://a/", authKey="Authorization")}
    sent["endpointProperties"] += named(authCode=code)
    assert values(dialect.read_address(sent)) == {"authorization": secret, "authType": kind}


def test_the_standards_form_is_read_as_it_stands() -> None:
    assert dialect.read_address(OURS) == OURS
    assert dialect.authorization("bearer", "secret") == "Bearer secret"


@pytest.mark.parametrize("broken", [{}, {"endpointProperties": 3}, {"endpointProperties": [3]}])
def test_a_broken_address_is_left_to_who_checks_shapes(broken: dict[str, Any]) -> None:
    assert dialect.read_address(broken) == broken


def test_to_the_standard_nothing_is_added() -> None:
    for destination in (False, True):
        assert dialect.write_address(OURS, None, destination=destination) == OURS


def test_to_edc_a_pull_address_is_written_in_both_forms() -> None:
    written = dialect.write_address(OURS, EDC, destination=False)
    assert written["endpoint"] == OURS["endpoint"]
    assert values(written) == {
        "authorization": "secret",
        "authType": "bearer",
        NAMES + "authorization": "secret",
        NAMES + "authType": "bearer",
        NAMES + "endpointType": HTTP,
        NAMES + "endpoint": "http://localhost:2/data",
    }


def test_to_edc_a_destination_is_http_data() -> None:
    written = dialect.write_address(OURS, EDC, destination=True)
    assert written["endpointType"] == "HttpData"
    assert values(written) == {
        NAMES + "type": "HttpData",
        NAMES + "baseUrl": "http://localhost:2/data",
        NAMES + "authKey": "Authorization",
        NAMES + "authCode": "Bearer secret",
    }
    back = dialect.read_address(written)
    assert (back["endpoint"], values(back)) == (OURS["endpoint"], values(OURS))


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("0123456789abcdef", "0123456789abcdef"),
        ("eyJh.eyJi.sig-_0123", "eyJh.eyJi.sig-_0123"),
        ("Bearer 0123456789abcdef", None),
        ("Basic", None),
        ("", None),
        ('{"clientId":"somebody"}', None),
    ],
)
def test_a_token_without_a_scheme(header: str, token: str | None) -> None:
    assert dialect.bare_token(header) == token


def test_edcs_query_is_a_page() -> None:
    assert dialect.page_wanted([QUERY]) == PageWanted(offset=100, limit=50)
    assert dialect.page_wanted(QUERY) == PageWanted(offset=100, limit=50)


@pytest.mark.parametrize("other", [None, [], [{}], [{"@type": "Other"}], [QUERY, QUERY], ["x"]])
def test_any_other_filter_is_left_to_the_standard(other: object) -> None:
    assert dialect.page_wanted(other) is None


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("filterExpression", [{"operandLeft": "id", "operator": "=", "operandRight": "x"}]),
        ("sortField", "id"),
        ("sortOrder", "DESC"),
        ("offset", -1),
        ("offset", "1"),
        ("limit", 0),
        ("limit", True),
    ],
)
def test_a_query_that_asks_for_more_is_refused(member: str, value: object) -> None:
    with pytest.raises(HansaError) as refusal:
        dialect.page_wanted([{**QUERY, member: value}])
    assert refusal.value.code is Code.invalid_field
    assert refusal.value.facts["field"] == f"filter.{member}"


def test_only_edcs_409_means_too_early() -> None:
    assert dialect.refused_too_early(409, EDC)
    assert not dialect.refused_too_early(400, EDC)
    assert not dialect.refused_too_early(409, None)


def test_only_the_profile_that_edc_can_not_repeat_is_put_back() -> None:
    published = {"@id": "o", "profile": "p", "permission": [{"action": "use"}], "obligation": []}
    asked = {"@id": "o", "permission": [{"action": "read"}]}
    assert dialect.restored_offer(asked, published, EDC) == {**asked, "profile": "p"}
    assert dialect.restored_offer(asked, published, None) == asked
    other = {**asked, "profile": "q"}
    assert dialect.restored_offer(other, published, EDC) == other


@pytest.mark.parametrize(
    ("sent", "restored"),
    [
        ('[{"@value":"a"},{"@value":"b"}]', [{"@value": "a"}, {"@value": "b"}]),
        ('[{"@id":"urn:a"}]', [{"@id": "urn:a"}]),
        ("[{", "[{"),
        ('[{"other":1}]', '[{"other":1}]'),
        ("[" * 5_000, "[" * 5_000),
        ("a", "a"),
        (["a"], ["a"]),
    ],
)
def test_a_list_of_values_that_edc_wrote_as_text_is_a_list_again(
    sent: object, restored: object
) -> None:
    def offer(value: object) -> dict[str, Any]:
        constraint = {"leftOperand": "odrl:purpose", "operator": "isAnyOf", "rightOperand": value}
        return {"@id": "o", "permission": [{"action": "use", "constraint": [{"or": [constraint]}]}]}

    assert dialect.restored_offer(offer(sent), {}, EDC) == offer(restored)
    assert dialect.restored_offer(offer(sent), {}, None) == offer(sent)
