"""The catalogue with EDC at the other end: its query, its pages, its way to overlook a filter."""

from __future__ import annotations

from typing import Any

import pytest
from asgi_client import Answer, call
from catalogue_world import NORTH, SOUTH, Doorkeeper, Members, answered, draft
from starlette.applications import Starlette

from hansa.catalogue import Catalogue, RemoteCatalogues, wanted_of
from hansa.kernel import FixedClock
from hansa.kernel.jsonld import DSP_CONTEXT_URL
from hansa.kernel.outbound import OutboundResponse

EDC = [DSP_CONTEXT_URL, "https://w3id.org/edc/dspace/v0.0.1"]
BASE = "http://localhost:7711/north/dsp/2025-1"


async def ask(app: Starlette, **query: Any) -> Answer:
    spec = {"@type": "QuerySpec", "sortOrder": "ASC", "filterExpression": [], **query}
    message = {"@context": EDC, "@type": "CatalogRequestMessage", "filter": [spec]}
    headers = {"Authorization": f"Bearer {SOUTH}"}
    return await call(
        app, "POST", "/north/dsp/2025-1/catalog/request", json=message, headers=headers
    )


async def test_edc_reads_page_by_page_with_offset_and_limit(
    app: Starlette, catalogue: Catalogue
) -> None:
    made = await catalogue.publish_all([draft(f"Number {n}") for n in range(5)])
    found: list[str] = []
    for offset in (0, 2, 4):
        answer = await ask(app, offset=offset, limit=2)
        assert answer.status == 200
        found += [dataset["@id"] for dataset in answer.json()["dataset"]]
    assert found == [dataset.id for dataset in made]
    assert "dataset" not in (await ask(app, offset=6, limit=2)).json()


async def test_more_than_a_page_is_refused(app: Starlette) -> None:
    expression = {"operandLeft": "id", "operator": "=", "operandRight": "x"}
    answer = await ask(app, offset=0, limit=50, filterExpression=[expression])
    assert (answer.status, answer.json()["@type"]) == (400, "CatalogError")
    assert "field: filter.filterExpression" in answer.json()["reason"]


class Provider:
    """EDC as provider: it overlooks filters, and pages by links that are posted to."""

    def __init__(self, pages: int) -> None:
        self.pages = pages
        self.asked: list[tuple[str, str]] = []

    async def request(
        self, method: str, url: str, *, json: Any = None, **_: Any
    ) -> OutboundResponse:
        self.asked.append((method, url))
        number = int(url.partition("continuationToken=")[2] or 0)
        dataset = {
            "@id": f"d{number}",
            "@type": "Dataset",
            "name": "rain" if number else "river",
            "hasPolicy": [{"@id": f"o{number}", "@type": "Offer", "permission": []}],
        }
        body = {
            "@context": EDC,
            "@type": "Catalog",
            "@id": "c",
            "participantId": NORTH,
            "dataset": [dataset],
        }
        links = [f'<{BASE}/catalog/request?continuationToken={number - 1}>; rel="prev"']
        if number + 1 < self.pages:
            links.append(f'<{BASE}/catalog/request?continuationToken={number + 1}>; rel="next"')
        return answered(body, headers={"link": ", ".join(links)})


def reading(provider: Provider) -> RemoteCatalogues:
    return RemoteCatalogues(provider, Doorkeeper(), Members({NORTH: BASE}), clock=FixedClock())


async def test_edcs_pages_are_followed_by_posting_to_the_next() -> None:
    provider = Provider(pages=3)
    found = await reading(provider).fetch(NORTH)
    assert [dataset.id for dataset in found.datasets] == ["d0", "d1", "d2"]
    assert not found.truncated
    assert [method for method, _ in provider.asked] == ["POST"] * 3


@pytest.mark.parametrize(("word", "expected"), [("river", ["d0"]), ("rain", ["d1", "d2"])])
async def test_what_edc_overlooks_is_searched_here(word: str, expected: list[str]) -> None:
    found = await reading(Provider(pages=3)).fetch(NORTH, wanted=wanted_of(word))
    assert [dataset.id for dataset in found.datasets] == expected
