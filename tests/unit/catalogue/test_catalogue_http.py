"""The Dataspace Protocol's catalogue endpoints: answers, refusals and their order."""

from __future__ import annotations

from typing import Any

import pytest
from asgi_client import Answer, call
from catalogue_world import EAST, SOUTH, Doorkeeper, draft, full_draft
from starlette.applications import Starlette

from hansa.catalogue import Catalogue
from hansa.kernel.jsonld import DSP_CONTEXT_URL

REQUEST = "/north/dsp/2025-1/catalog/request"
MESSAGE = {"@context": [DSP_CONTEXT_URL], "@type": "CatalogRequestMessage"}
AS_SOUTH = {"Authorization": f"Bearer {SOUTH}"}


async def ask(app: Starlette, url: str = REQUEST, json: Any = MESSAGE, **more: Any) -> Answer:
    return await call(app, "POST", url, json=json, headers=AS_SOUTH, **more)


def refused(answer: Answer, status: int, code: str) -> list[str]:
    body = answer.json()
    assert (answer.status, body["@type"], body["code"]) == (status, "CatalogError", code)
    assert body["@context"] == [DSP_CONTEXT_URL]
    reason: list[str] = body["reason"]
    return reason


async def test_the_version_document_is_public(app: Starlette) -> None:
    answer = await call(app, "GET", "/north/.well-known/dspace-version")
    assert answer.status == 200
    assert answer.json() == {
        "protocolVersions": [
            {
                "version": "2025-1",
                "path": "/dsp/2025-1",
                "binding": "HTTPS",
                "identifierType": "did:web",
            }
        ]
    }


async def test_an_empty_catalogue_leaves_the_array_out(app: Starlette) -> None:
    answer = await ask(app)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert "dataset" not in answer.json()
    assert "link" not in answer.headers


async def test_pages_are_linked_both_ways(app: Starlette, catalogue: Catalogue) -> None:
    made = await catalogue.publish_all([draft(f"Number {n}") for n in range(5)])
    first = await ask(app, f"{REQUEST}?limit=2&q=number")
    assert first.headers["link"].count("rel=") == 1
    following = first.headers["link"].split(">")[0].strip("<")
    assert following.startswith("http://localhost:7711/north/dsp/2025-1/catalog/request?")
    second = await ask(app, following)
    ids = [d["@id"] for d in second.json()["dataset"]]
    assert ids == [made[2].id, made[3].id]
    assert 'rel="next"' in second.headers["link"]
    assert 'rel="previous"' in second.headers["link"]


async def test_search_by_words(app: Starlette, catalogue: Catalogue) -> None:
    made = await catalogue.publish(full_draft())
    await catalogue.publish(draft("Water"))
    answer = await ask(app, f"{REQUEST}?q=energy")
    assert [d["@id"] for d in answer.json()["dataset"]] == [made.id]


async def test_one_dataset_by_id(app: Starlette, catalogue: Catalogue) -> None:
    made = await catalogue.publish(draft(id="https://delft.example/set/1"))
    for path in (made.id, "https%3A%2F%2Fdelft.example%2Fset%2F1"):
        answer = await call(
            app, "GET", f"/north/dsp/2025-1/catalog/datasets/{path}", headers=AS_SOUTH
        )
        assert answer.status == 200
        assert answer.json()["@id"] == made.id
        assert answer.json()["@context"] == [DSP_CONTEXT_URL]


async def test_unknown_and_invisible_datasets_answer_alike(
    app: Starlette, catalogue: Catalogue
) -> None:
    hidden = await catalogue.publish(draft(visible_to=(EAST,)))
    base = "/north/dsp/2025-1/catalog/datasets/"
    bodies = []
    for dataset_id in (hidden.id, "urn:uuid:unknown"):
        answer = await call(app, "GET", base + dataset_id, headers=AS_SOUTH)
        refused(answer, 404, "not_found")
        bodies.append(answer.body)
    assert bodies[0] == bodies[1]
    assert "dataset" not in (await ask(app)).json()


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_who_is_not_authenticated_is_refused_before_anything_is_looked_at(
    app: Starlette, method: str
) -> None:
    url = REQUEST + "?limit=x" if method == "POST" else REQUEST.replace("request", "datasets/1")
    answer = await call(app, method, url, body=b"{", headers={"content-type": "text/plain"})
    refused(answer, 401, "token_missing")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_an_unknown_participant_is_a_catalogue_error(app: Starlette) -> None:
    refused(await ask(app, REQUEST.replace("north", "nowhere")), 404, "not_found")
    answer = await call(app, "GET", "/nowhere/.well-known/dspace-version")
    refused(answer, 404, "not_found")


DEEP: Any = 1
for _ in range(400):
    DEEP = {"http://x/a": DEEP}


@pytest.mark.parametrize(
    ("message", "status", "code", "named"),
    [
        ([], 400, "invalid_request", ""),
        ({**MESSAGE, "@type": "ContractRequestMessage"}, 400, "invalid_field", "@type"),
        ({**MESSAGE, "filter": [{"property": "x"}]}, 400, "invalid_field", "filter[0]"),
        ({**MESSAGE, "filter": "x"}, 400, "invalid_field", "filter"),
        ({"@type": "CatalogRequestMessage"}, 400, "invalid_field", "@context"),
        (
            {**MESSAGE, "@context": {"@vocab": "https://x/", "a": "https://unknown"}},
            400,
            "invalid_field",
            "@type",
        ),
        ({**MESSAGE, "@context": "https://unknown/context"}, 400, "context_unavailable", ""),
        ({**MESSAGE, "@context": {}, "http://x/": DEEP}, 400, "too_complex", "@context"),
    ],
)
async def test_a_wrong_message_is_refused_by_member(
    app: Starlette, message: Any, status: int, code: str, named: str
) -> None:
    reason = refused(await ask(app, json=message), status, code)
    assert not named or f"field: {named}" in reason


async def test_both_roads_of_json_ld_and_an_empty_filter_are_accepted(app: Starlette) -> None:
    for message in (
        {**MESSAGE, "filter": []},
        {**MESSAGE, "@context": DSP_CONTEXT_URL},
        {**MESSAGE, "@context": [DSP_CONTEXT_URL, "https://w3id.org/edc/dspace/v0.0.1"]},
        {
            "@context": {"p": "https://w3id.org/dspace/2025/1/"},
            "@type": "p:CatalogRequestMessage",
        },
    ):
        assert (await ask(app, json=message)).status == 200, message


@pytest.mark.parametrize(
    ("query", "code", "named"),
    [
        ("?limit=0", "invalid_field", "limit"),
        ("?limit=201", "invalid_field", "limit"),
        ("?limit=-1", "invalid_field", "limit"),
        ("?limit=%C2%B2", "invalid_field", "limit"),
        ("?cursor=x", "invalid_field", "cursor"),
        ("?page=2", "unknown_field", "page"),
        ("?q=" + "x" * 501, "invalid_field", "q"),
    ],
)
async def test_a_wrong_parameter_is_refused_by_name(
    app: Starlette, query: str, code: str, named: str
) -> None:
    assert f"field: {named}" in refused(await ask(app, REQUEST + query), 400, code)


async def test_bodies_have_bounds(app: Starlette) -> None:
    refused(await ask(app, json={**MESSAGE, "x": "x" * 70_000}), 413, "body_too_large")
    for body in (b"", b"{", b"\xff", b"[" * 60_000):
        answer = await call(app, "POST", REQUEST, body=body, headers=AS_SOUTH)
        refused(answer, 400, "invalid_json")
    answer = await call(
        app, "POST", REQUEST, body=b"{}", headers={**AS_SOUTH, "content-type": "text/xml"}
    )
    refused(answer, 415, "unsupported_media_type")


async def test_a_defect_of_ours_is_a_catalogue_error_without_details(
    app: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(Doorkeeper, "authenticate", broken)
    reason = refused(await ask(app), 500, "internal")
    assert "secret" not in " ".join(reason)
