"""Filters of a catalogue request: what they find, for whom, and how others are refused."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from asgi_client import Answer, call
from catalogue_world import EAST, SOUTH, draft
from starlette.applications import Starlette

from hansa.catalogue import Catalogue, Selection
from hansa.kernel.jsonld import DSP_CONTEXT_URL

REQUEST = "/north/dsp/2025-1/catalog/request"
HANSA = "https://w3id.org/hansa/catalogue/1/"
ENERGY, WATER = "https://themes.example/energy", "https://themes.example/water"


async def ask(app: Starlette, *filters: Any, query: str = "", reader: str = SOUTH) -> Answer:
    message = {
        "@context": [DSP_CONTEXT_URL],
        "@type": "CatalogRequestMessage",
        "filter": list(filters),
    }
    headers = {"Authorization": f"Bearer {reader}"}
    return await call(app, "POST", REQUEST + query, json=message, headers=headers)


def wants(**members: Any) -> dict[str, Any]:
    return {"@type": HANSA + "Filter", **members}


def titles(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    name = "http://purl.org/dc/terms/title"
    return [dataset[name] for dataset in answer.json().get("dataset", [])]


@pytest.fixture
async def filled(app: Starlette, catalogue: Catalogue) -> Starlette:
    roof = Selection(types=("https://types.example/Roof",))
    await catalogue.publish_all(
        [
            draft("Roofs", themes=(ENERGY,), selection=roof, bbox=(4.3, 52.0, 4.4, 52.1)),
            draft("Shops", themes=(ENERGY, WATER), bbox=(5.0, 51.0, 5.1, 51.1)),
            draft("Canals", themes=(WATER,)),
            draft("Secret roofs", themes=(ENERGY,), selection=roof, visible_to=(EAST,)),
        ]
    )
    return app


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ([wants(theme=ENERGY)], ["Roofs", "Shops"]),
        ([wants(theme=ENERGY), wants(theme=WATER)], ["Shops"]),
        ([wants(text="roof")], ["Roofs"]),
        ([wants(text="shops canals")], []),
        ([wants(type="https://types.example/Roof")], ["Roofs"]),
        ([wants(publisher="did:web:elsewhere")], []),
        ([wants(bbox=[4.39, 52.0, 4.5, 53])], ["Roofs"]),
        ([wants(bbox=[4.0, 51.0, 6.0, 53], theme=WATER)], ["Shops"]),
        ([{"@type": HANSA + "Filter", HANSA + "text": "canals"}], ["Canals"]),
        ([wants()], ["Roofs", "Shops", "Canals"]),
        ([], ["Roofs", "Shops", "Canals"]),
    ],
)
async def test_a_filter_finds_what_meets_all_of_it(
    filled: Starlette, filters: list[Any], found: list[str]
) -> None:
    assert titles(await ask(filled, *filters)) == found


async def test_a_filter_shows_nobody_more_than_he_may_see(filled: Starlette) -> None:
    every = wants(theme=ENERGY)
    assert titles(await ask(filled, every, reader=EAST)) == ["Roofs", "Shops", "Secret roofs"]
    assert titles(await ask(filled, every, reader="did:web:stranger")) == ["Roofs", "Shops"]
    # not even the number of the pages tells of it
    page = await ask(filled, every, query="?limit=2", reader="did:web:stranger")
    assert "link" not in page.headers


async def test_parameters_and_filter_must_both_hold(filled: Starlette) -> None:
    assert titles(await ask(filled, wants(text="roofs"), query=f"?theme={WATER}")) == []
    assert titles(await ask(filled, query=f"?theme={ENERGY}&bbox=5,51,5.5,52")) == ["Shops"]


async def test_links_carry_the_parameters_and_take_the_same_message(filled: Starlette) -> None:
    found: list[str] = []
    query = f"?theme={ENERGY}&limit=1"
    for _ in range(3):
        answer = await ask(filled, wants(text="energy"), query=query)
        page = titles(answer)
        found += page
        if 'rel="next"' not in answer.headers.get("link", ""):
            break
        query = "?" + answer.headers["link"].partition("?")[2].partition(">")[0]
        assert "theme=" in query
    assert found == ["Roofs", "Shops"]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"@type": "QuerySpec2"}, "filter[0]"),
        ("roof", "filter[0]"),
        (None, "filter[0]"),
        (wants(colour="red"), "filter[0].colour"),
        (wants(text=""), "filter[0].text"),
        (wants(text=5), "filter[0].text"),
        (wants(text="x" * 600), "filter[0].text"),
        (wants(bbox=[4, 52, 3, 53]), "filter[0].bbox"),
        (wants(bbox=[4, 52, 5]), "filter[0].bbox"),
        (wants(bbox=[4, 52, 5, "NaN"]), "filter[0].bbox"),
    ],
)
async def test_a_filter_that_is_not_supported_is_400(
    filled: Starlette, wrong: Any, named: str
) -> None:
    answer = await ask(filled, wrong)
    assert (answer.status, answer.json()["code"]) == (400, "invalid_field")
    assert f"field: {named}" in answer.json()["reason"]


async def test_a_wrong_box_in_the_address_is_refused(filled: Starlette) -> None:
    answer = await ask(filled, query="?bbox=1,2,3")
    assert answer.status == 400
    assert "field: bbox" in answer.json()["reason"]


async def test_too_many_filters_are_refused(filled: Starlette) -> None:
    answer = await ask(filled, *[wants(text="a")] * 9)
    assert (answer.status, "field: filter" in answer.json()["reason"]) == (400, True)


async def test_pages_stay_right_while_the_catalogue_changes(
    app: Starlette, catalogue: Catalogue
) -> None:
    """What is withdrawn or published between two pages neither repeats nor hides another."""
    made = await catalogue.publish_all([draft(f"Number {n}") for n in range(6)])
    answer = await ask(app, query="?limit=2")
    await catalogue.withdraw(made[1].id)
    await catalogue.withdraw(made[2].id)
    late = await catalogue.publish(draft("Late"))
    ids = [dataset["@id"] for dataset in answer.json()["dataset"]]
    while 'rel="next"' in answer.headers.get("link", ""):
        query = "?" + answer.headers["link"].partition("?")[2].partition(">")[0]
        answer = await ask(app, query=query)
        ids += [dataset["@id"] for dataset in answer.json()["dataset"]]
    assert ids == [d.id for d in (*made[:2], *made[3:], late)]


async def test_a_long_page_is_packed_for_who_takes_it(app: Starlette, catalogue: Catalogue) -> None:
    await catalogue.publish_all([draft(f"Number {n}") for n in range(30)])
    message = {"@context": [DSP_CONTEXT_URL], "@type": "CatalogRequestMessage"}
    headers = {"Authorization": f"Bearer {SOUTH}"}
    plain = await call(app, "POST", REQUEST, json=message, headers=headers)
    packed = await call(
        app, "POST", REQUEST, json=message, headers={**headers, "Accept-Encoding": "br, gzip"}
    )
    assert "content-encoding" not in plain.headers
    assert (packed.headers["content-encoding"], packed.headers["vary"]) == (
        "gzip",
        "Accept-Encoding",
    )
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 5
