"""Searching others' catalogues: who searches, what is read, and how far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from asgi_client import call
from catalogue_world import NORTH, SOUTH, Doorkeeper, Members, answered, draft
from starlette.applications import Starlette

from hansa.catalogue import Catalogue, RemoteCatalogues, RemoteLimits, Wanted, wanted_of
from hansa.kernel import Code, FixedClock, HansaError
from hansa.kernel.jsonld import DSP_CONTEXT_URL
from hansa.kernel.outbound import OutboundResponse

BASE = "http://localhost:7711/north/dsp/2025-1"
ENERGY = "https://themes.example/energy"


class Posts:
    """A client that remembers what was posted; `answer` gives (url, message) to a response."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer
        self.sent: list[tuple[str, Any]] = []

    async def request(
        self, method: str, url: str, *, json: Any = None, **_: Any
    ) -> OutboundResponse:
        self.sent.append((url, json))
        result = self._answer(method, url, json)
        found: OutboundResponse = await result if hasattr(result, "__await__") else result
        return found


def reading(posts: Posts, **limits: Any) -> RemoteCatalogues:
    parties = Members({NORTH: BASE})
    return RemoteCatalogues(
        posts, Doorkeeper(), parties, clock=FixedClock(), limits=RemoteLimits(**limits)
    )


def through(app: Starlette) -> Posts:
    async def forward(method: str, url: str, message: Any) -> OutboundResponse:
        headers: Mapping[str, str] = {"Authorization": f"Bearer {SOUTH}"}
        answer = await call(app, method, url, headers=headers, json=message)
        return OutboundResponse(answer.status, answer.headers, answer.body)

    return Posts(forward)


def page(*titles: str, link: str = "") -> OutboundResponse:
    datasets = [
        {
            "@id": f"urn:d:{title}",
            "@type": "Dataset",
            "http://purl.org/dc/terms/title": title,
            "hasPolicy": [{"@id": f"urn:o:{title}"}],
        }
        for title in titles
    ]
    body = {
        "@context": [DSP_CONTEXT_URL],
        "@type": "Catalog",
        "participantId": NORTH,
        "dataset": datasets,
    }
    return answered(body, headers={"link": link} if link else {})


def refusing_filters(method: str, url: str, message: Any) -> OutboundResponse:
    if "filter" in message:
        return answered({"@type": "CatalogError", "code": "400", "reason": ["no"]}, 400)
    return page("Roofs of the city", "Canals")


async def test_the_provider_searches(app: Starlette, catalogue: Catalogue) -> None:
    await catalogue.publish_all([draft(f"Number {n}") for n in range(300)])
    roof = await catalogue.publish(draft("Roofs", themes=(ENERGY,), bbox=(4, 52, 5, 53)))
    posts = through(app)
    wanted = wanted_of("roof", theme=ENERGY, bbox=(4.5, 52, 6, 53), publisher=NORTH)
    found = await reading(posts).fetch(NORTH, wanted=wanted)
    assert ([d.id for d in found.datasets], found.truncated) == ([roof.id], False)
    (only,) = posts.sent
    assert only[1]["filter"][0]["text"] == "roof"


async def test_a_search_reads_one_page_and_says_when_there_is_more(
    app: Starlette, catalogue: Catalogue
) -> None:
    await catalogue.publish_all([draft(f"Number {n}") for n in range(300)])
    posts = through(app)
    found = await reading(posts).fetch(NORTH, wanted=wanted_of("number"))
    assert (len(found.datasets), found.truncated, len(posts.sent)) == (200, True, 1)


async def test_several_values_of_one_kind_become_several_filters(
    app: Starlette, catalogue: Catalogue
) -> None:
    both = await catalogue.publish(draft("Both", themes=(ENERGY, "https://t/2")))
    await catalogue.publish(draft("One", themes=(ENERGY,)))
    wanted = wanted_of(theme=ENERGY) & wanted_of(theme="https://t/2")
    found = await reading(through(app)).fetch(NORTH, wanted=wanted)
    assert [d.id for d in found.datasets] == [both.id]


async def test_a_provider_without_our_filters_is_read_and_looked_through() -> None:
    posts = Posts(refusing_filters)
    others = reading(posts)
    found = await others.fetch(NORTH, wanted=wanted_of("roofs"))
    assert [d.title for d in found.datasets] == ["Roofs of the city"]
    assert len(posts.sent) == 2
    # from then on it is known, and what was read is kept
    found = await others.fetch(NORTH, wanted=wanted_of("canals"))
    assert [d.title for d in found.datasets] == ["Canals"]
    assert all("filter" not in message for _, message in posts.sent[1:])


async def test_another_refusal_of_a_search_is_shown_as_it_is() -> None:
    posts = Posts(lambda *_: answered({"code": "unavailable"}, 503))
    found = await reading(posts).fetch(NORTH, wanted=wanted_of("roofs"))
    assert (found.code, len(posts.sent)) == (Code.counterparty_refused.value, 1)


async def test_a_continuation_is_posted_with_the_same_message() -> None:
    """As EDC pages: an address with a token, `prev` instead of `previous`, posted to again."""
    token = f"{BASE}/catalog/request?continuationToken="

    def answer(method: str, url: str, message: Any) -> OutboundResponse:
        assert method == "POST"
        assert message["@type"] == "CatalogRequestMessage"
        back = f'<{token}0>; rel="prev"'
        if url.endswith("=1"):
            return page("two", link=f'{back}, <{token}2>; rel="next"')
        if url.endswith("=2"):
            return page("three", link=back)
        return page("one", link=f'<{token}1>; rel="next"')

    posts = Posts(answer)
    pages = [found async for found in reading(posts).pages(NORTH)]
    assert [[d.title for d in found.datasets] for found in pages] == [["one"], ["two"], ["three"]]
    assert [found.more for found in pages] == [True, True, False]


async def test_pages_that_lead_in_a_circle_end() -> None:
    link = f'<{BASE}/catalog/request?limit=200>; rel="prev", <{BASE}/x?1>; rel=next'

    def answer(method: str, url: str, message: Any) -> OutboundResponse:
        if url.endswith("x?1"):
            return page("b", link=f'<{BASE}/x?2>; rel="next"')
        return page("a", link=link if "limit" in url else f'<{BASE}/x?1>; rel="next"')

    posts = Posts(answer)
    assert [p.datasets[0].title async for p in reading(posts).pages(NORTH)] == ["a", "b", "a"]


async def test_pages_have_a_bound(app: Starlette, catalogue: Catalogue) -> None:
    await catalogue.publish_all([draft(f"Number {n}") for n in range(450)])
    found = [page async for page in reading(through(app), pages_max=2).pages(NORTH)]
    assert ([len(page.datasets) for page in found], found[-1].more) == ([200, 200], True)


async def test_what_is_kept_of_others_has_a_bound() -> None:
    posts = Posts(lambda *_: page("a", "b", "c"))
    others = reading(posts, kept_datasets_max=7)
    for number in range(4):
        await others.fetch(NORTH, wanted=Wanted(words=(f"w{number}",)))
    await others.fetch(NORTH, wanted=Wanted(words=("w3",)))
    assert len(posts.sent) == 4
    await others.fetch(NORTH, wanted=Wanted(words=("w0",)))
    assert len(posts.sent) == 5


async def test_one_dataset_is_asked_of_every_member() -> None:
    there = msgspec.json.decode(page("Roofs").body)["dataset"][0]

    def answer(method: str, url: str, message: Any) -> OutboundResponse:
        assert method == "GET"
        if "7712" in url:
            raise HansaError(Code.outbound_failed, "It could not be reached.")
        if not url.endswith("/catalog/datasets/urn:d:Roofs"):
            return answered({"@type": "CatalogError"}, 404)
        return answered({"@context": [DSP_CONTEXT_URL], **there})

    members = Members({SOUTH: "http://localhost:7712/south/dsp/2025-1", NORTH: BASE})
    others = RemoteCatalogues(Posts(answer), Doorkeeper(), members, clock=FixedClock())
    found = await others.locate("urn:d:Roofs")
    assert found is not None
    assert (found.id, found.publisher) == ("urn:d:Roofs", NORTH)
    assert await others.locate("urn:d:Other") is None


@pytest.mark.parametrize("text", ["x" * 501, " ".join(f"w{n}" for n in range(17))])
def test_a_search_has_bounds(text: str) -> None:
    with pytest.raises(HansaError) as refused:
        wanted_of(text)
    assert refused.value.facts["field"] == "q"
