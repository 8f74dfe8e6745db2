"""Reading other participants' catalogues: pages, cache, faults that are never fatal."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from asgi_client import call
from catalogue_world import (
    EAST,
    NORTH,
    SOUTH,
    Answer,
    Doorkeeper,
    Members,
    Wire,
    answered,
    draft,
    full_draft,
)
from starlette.applications import Starlette

from hansa.catalogue import (
    FORMATS_OF_ENTITIES,
    Catalogue,
    RemoteCatalogues,
    RemoteDataset,
    RemoteLimits,
    matches,
    read_catalog,
)
from hansa.kernel import Code, FixedClock, HansaError
from hansa.kernel.jsonld import DSP_CONTEXT_URL
from hansa.kernel.outbound import OutboundResponse

BASE = "http://localhost:7711/north/dsp/2025-1"


def catalog(did: str, *ids: str, **members: Any) -> dict[str, Any]:
    datasets = [
        {
            "@id": dataset_id,
            "@type": "Dataset",
            "hasPolicy": [{"@id": f"{dataset_id}#offer", "permission": [{"action": "use"}]}],
            "distribution": [],
        }
        for dataset_id in ids
    ]
    return {
        "@context": [DSP_CONTEXT_URL],
        "@type": "Catalog",
        "@id": "urn:c",
        "participantId": did,
        "dataset": datasets,
        **members,
    }


def remote(answer: Answer, clock: FixedClock | None = None, **limits: Any) -> RemoteCatalogues:
    return RemoteCatalogues(
        Wire(answer),
        Doorkeeper(),
        Members({NORTH: BASE, SOUTH: "http://localhost:7712/south/dsp/2025-1/"}),
        clock=clock or FixedClock(),
        limits=RemoteLimits(**limits),
    )


def through(app: Starlette) -> Answer:
    async def forward(method: str, url: str, headers: Mapping[str, str]) -> OutboundResponse:
        body = {"@context": [DSP_CONTEXT_URL], "@type": "CatalogRequestMessage"}
        answer = await call(
            app, method, url, headers=headers, json=body if method == "POST" else None
        )
        return OutboundResponse(answer.status, answer.headers, answer.body)

    return forward


async def test_all_that_was_published_arrives(app: Starlette, catalogue: Catalogue) -> None:
    made = await catalogue.publish(full_draft())
    read = await remote(through(app)).fetch(NORTH, title="North")
    assert read.reachable
    (found,) = read.datasets
    for member in (
        *("id", "title", "description", "publisher", "publisher_name", "types", "bbox"),
        *("temporal", "licence", "attribution", "labels", "keywords", "themes", "modified"),
    ):
        assert getattr(found, member) == getattr(made, member), member
    assert [(o.id, o.odrl) for o in found.offers] == [(o.id, o.odrl) for o in made.offers]
    assert [(a.name, a.kind, a.title, a.unit_code, a.unit) for a in found.attributes] == [
        ("energyConsumption", "Property", "Energy", "KWH", "kWh"),
        ("location", "GeoProperty", "", None, None),
    ]
    assert (found.endpoint_url, found.formats) == (BASE, FORMATS_OF_ENTITIES)
    assert matches(found, "energy shops", theme=made.themes[0], type=made.types[0])
    assert not matches(found, "canal")
    assert await remote(through(app)).dataset(NORTH, made.id) == found


async def test_every_page_is_read(app: Starlette, catalogue: Catalogue) -> None:
    made = await catalogue.publish_all([draft(f"Number {n}") for n in range(450)])
    read = await remote(through(app)).fetch(NORTH)
    assert [d.id for d in read.datasets] == [d.id for d in made]
    assert not read.truncated
    some = await remote(through(app), pages_max=1).fetch(NORTH)
    assert (len(some.datasets), some.truncated) == (200, True)
    some = await remote(through(app), datasets_max=250).fetch(NORTH)
    assert (len(some.datasets), some.truncated) == (250, True)


async def test_a_dataset_that_is_not_ours_to_see_is_not_found(app: Starlette) -> None:
    with pytest.raises(HansaError) as refused:
        await remote(through(app)).dataset(NORTH, "urn:uuid:unknown")
    assert refused.value.code is Code.not_found


async def test_a_catalogue_is_kept_for_some_seconds() -> None:
    clock = FixedClock()
    count = 0

    def answer(*_: Any) -> OutboundResponse:
        nonlocal count
        count += 1
        return answered(catalog(NORTH, f"urn:d:{count}"))

    catalogues = remote(answer, clock)
    assert await catalogues.fetch(NORTH) is await catalogues.fetch(NORTH)
    assert count == 1
    await catalogues.fetch(NORTH, refresh=True)
    assert count == 2
    clock.move(4.9)
    await catalogues.fetch(NORTH)
    assert count == 2
    clock.move(0.2)
    assert (await catalogues.fetch(NORTH)).datasets[0].id == "urn:d:3"
    await asyncio.gather(*(catalogues.fetch(NORTH, refresh=True) for _ in range(5)))
    assert count == 4


async def test_members_are_read_side_by_side_and_a_silent_one_is_named() -> None:
    async def slow() -> OutboundResponse:
        await asyncio.sleep(3600)
        raise AssertionError

    def answer(method: str, url: str, headers: Mapping[str, str]) -> Any:
        return slow() if "7712" in url else answered(catalog(NORTH, "urn:d"))

    north, south = await remote(answer, timeout_s=2).fetch_all()
    assert (north.did, north.reachable, len(north.datasets)) == (NORTH, True, 1)
    assert (south.did, south.title) == (SOUTH, "south")
    assert (south.reachable, south.code) == (False, "outbound_timeout")


def _down(*_: Any) -> OutboundResponse:
    raise HansaError(Code.outbound_failed, "localhost:7711 could not be reached.")


_ERROR = {"@type": "CatalogError", "code": "membership_suspended", "reason": ["Suspended."]}


BOMB = [{"@context": {"z": "http://x/z"}, "http://x/b": [1]} for _ in range(60_000)]


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (_down, "outbound_failed", "could not be reached"),
        (answered(_ERROR, 401), "counterparty_refused", "401. membership_suspended: Suspended."),
        (OutboundResponse(500, {}, b"<html>"), "counterparty_refused", "It answered 500."),
        (OutboundResponse(200, {}, b"<html>"), "outbound_failed", "JSON"),
        (answered([1]), "invalid_request", "Catalog"),
        (answered(catalog(EAST, "urn:d")), "counterparty_refused", "another participant"),
        (answered({**catalog(NORTH), "@type": "Dataset"}), "invalid_request", "Catalog"),
        (answered({**catalog(NORTH), "@context": {}, "http://x/": BOMB}), "too_complex", "JSON-LD"),
    ],
)
async def test_a_peer_that_fails_is_reported_not_raised(answer: Any, code: str, said: str) -> None:
    read = await remote(answer if callable(answer) else lambda *_: answer).fetch(NORTH)
    assert (read.reachable, read.code, read.datasets) == (False, code, ())
    assert said in (read.error or "")


async def test_reading_a_large_catalogue_holds_up_nothing_else() -> None:
    """What a provider answers, up to the bounds, is read beside the event loop."""
    words = [f"word {i}" for i in range(9_000)]
    large = {**catalog(NORTH, "urn:d"), "@context": {"@vocab": "http://x/"}, "http://x/w": words}
    reading = asyncio.create_task(remote(lambda *_: answered(large), timeout_s=60).fetch(NORTH))
    turns = 0
    while not reading.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 100


@pytest.mark.parametrize(
    "link",
    [
        '<http://evil.example/x>; rel="next"',
        '<http://localhost:9/x>; rel="next"',
        '<http://[::1/x>; rel="next"',
        f'<{BASE}/catalog/request?limit=200>; rel="next"',
        '</x>; rel="previous"',
    ],
)
async def test_our_token_follows_no_link_to_elsewhere(link: str) -> None:
    wire = Wire(lambda *_: answered(catalog(NORTH, "urn:d"), headers={"link": link}))
    catalogues = RemoteCatalogues(wire, Doorkeeper(), Members({NORTH: BASE}), clock=FixedClock())
    assert (await catalogues.fetch(NORTH)).reachable
    assert len(wire.calls) == 1


async def test_a_catalogue_inside_cannot_speak_for_its_owner_elsewhere() -> None:
    inner = catalog(EAST, "urn:theirs")
    body = catalog(NORTH, "urn:own", catalog=[inner])
    read = await remote(lambda *_: answered(body)).fetch(NORTH)
    assert [d.id for d in read.datasets] == ["urn:own"]
    assert [(d.id, d.publisher) for d in read_catalog(body)] == [
        ("urn:own", NORTH),
        ("urn:theirs", EAST),
    ]


def test_what_is_odd_about_a_dataset_does_not_lose_it() -> None:
    dct, dcat = "http://purl.org/dc/terms/", "http://www.w3.org/ns/dcat#"
    odd = {
        "@id": "urn:d",
        "hasPolicy": {"@id": "urn:o"},
        "distribution": {"format": 7, "accessService": ["urn:s", None]},
        "dct:title": [{"@value": "Title", "@language": "en"}],
        dct + "description": {"@list": []},
        dct + "modified": "yesterday",
        dct + "temporal": {dcat + "startDate": "2026-01-01T00:00:00"},
        dct + "spatial": {dcat + "bbox": "POLYGON((1 2,3"},
        dcat + "keyword": ["a", "a", 5, None, {"x": 1}],
    }
    body = catalog(NORTH, service=[{"@id": "urn:s", "endpointURL": "https://s/dsp"}])
    body["dataset"] = [odd, "noise", {"@id": "urn:without-offer"}, {"hasPolicy": [{"@id": "o"}]}]
    (found,) = read_catalog(body)
    assert isinstance(found, RemoteDataset)
    assert (found.title, found.description, found.bbox) == ("Title", "", None)
    assert (found.modified, found.keywords) == (None, ("a", "5"))
    assert found.temporal is not None
    assert found.temporal.start is not None
    assert (found.endpoint_url, found.formats) == ("https://s/dsp", ("7",))
