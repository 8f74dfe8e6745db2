"""Publishing, finding and paging."""

from __future__ import annotations

import pytest
from catalogue_world import COUNTED, EAST, NORTH, SOUTH, USE, caller, draft, full_draft

from hansa.catalogue import (
    Catalogue,
    DatasetDraft,
    OfferDraft,
    Page,
    Selection,
    draft_of,
)
from hansa.catalogue.paging import Cursor
from hansa.kernel import Code, FixedClock, HansaError


async def test_a_published_dataset_is_found_as_it_was_described(catalogue: Catalogue) -> None:
    made = await catalogue.publish(full_draft())
    found = await catalogue.get(made.id)
    assert found == made
    assert found.name == "energy-use-of-shops"
    assert found.publisher == NORTH
    assert found.labels == ("derived", "synthetic")
    assert len({offer.id for offer in found.offers}) == 2
    assert all(offer.odrl["@id"] == offer.id for offer in found.offers)
    assert await catalogue.by_name("energy-use-of-shops") == made


async def test_a_constraint_that_cannot_be_enforced_is_refused_with_its_path(
    catalogue: Catalogue,
) -> None:
    with pytest.raises(HansaError) as refused:
        await catalogue.publish(draft(offers=(OfferDraft(odrl=USE), OfferDraft(odrl=COUNTED))))
    assert refused.value.code is Code.policy_unsupported
    assert refused.value.status == 422
    assert refused.value.facts["path"].startswith("offers[1].permission[0].constraint[0]")
    assert refused.value.facts["field"] == refused.value.facts["path"]
    assert await catalogue.count() == 0


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"title": "  "}, "title"),
        ({"title": "x" * 301}, "title"),
        ({"description": "x" * 20_001}, "description"),
        ({"keywords": ("k",) * 65}, "keywords"),
        ({"offers": ()}, "offers"),
        ({"name": "Not A Name"}, "name"),
        ({"id": ""}, "id"),
        ({"bbox": (5.0, 52.0, 4.0, 53.0)}, "bbox"),
        ({"bbox": (4.0, 52.0, float("nan"), 53.0)}, "bbox"),
    ],
)
async def test_a_draft_out_of_bounds_is_refused_by_member(
    catalogue: Catalogue, changes: dict[str, object], field: str
) -> None:
    with pytest.raises(HansaError) as refused:
        await catalogue.publish(draft(**changes))
    assert (refused.value.code, refused.value.facts["field"]) == (Code.invalid_field, field)


async def test_names_are_unique(catalogue: Catalogue) -> None:
    first, second = await catalogue.publish(draft()), await catalogue.publish(draft())
    assert (first.name, second.name) == ("energy-use-of-shops", "energy-use-of-shops-2")
    with pytest.raises(HansaError) as refused:
        await catalogue.publish(draft(name="energy-use-of-shops"))
    assert refused.value.code is Code.already_exists


async def test_an_offer_belongs_to_one_dataset_only(catalogue: Catalogue) -> None:
    offer = OfferDraft(odrl=USE, id="urn:offer:1")
    await catalogue.publish(draft(offers=(offer,)))
    with pytest.raises(HansaError) as refused:
        await catalogue.publish(draft(offers=(offer,)))
    assert refused.value.code is Code.already_exists
    with pytest.raises(HansaError) as refused:
        await catalogue.publish(draft(offers=(offer, offer)))
    assert refused.value.code is Code.invalid_field


async def test_several_are_published_all_or_none(catalogue: Catalogue) -> None:
    with pytest.raises(HansaError):
        await catalogue.publish_all([draft(id="urn:a"), draft(id="urn:a")])
    assert await catalogue.count() == 0


async def test_changed_terms_get_a_new_offer_id_and_unchanged_ones_keep_theirs(
    catalogue: Catalogue, clock: FixedClock
) -> None:
    made = await catalogue.publish(full_draft())
    keep, change = made.offers
    clock.move(60)
    changed = await catalogue.update(
        made.id,
        draft_of(
            made,
            title="Energy, corrected",
            offers=(
                OfferDraft(odrl=keep.odrl, id=keep.id),
                OfferDraft(odrl=USE, id=change.id),
            ),
        ),
    )
    assert changed.offers[0].id == keep.id
    assert changed.offers[1].id != change.id
    assert changed.created == made.created
    assert changed.modified > made.modified
    assert changed.name == made.name
    assert await catalogue.find_offer(None, change.id) is None
    assert (await catalogue.search("corrected")).items == (changed,)
    assert (await catalogue.search("shops")).items == ()


async def test_withdrawing_takes_dataset_and_offers_away(catalogue: Catalogue) -> None:
    made = await catalogue.publish(full_draft())
    await catalogue.withdraw(made.id)
    assert await catalogue.find_offer(None, made.offers[0].id) is None
    assert (await catalogue.datasets()).items == ()
    assert (await catalogue.search(publisher=made.publisher)).items == ()
    for attempt in (catalogue.withdraw(made.id), catalogue.get(made.id)):
        with pytest.raises(HansaError) as refused:
            await attempt
        assert refused.value.code is Code.not_found
    with pytest.raises(HansaError) as refused:
        await catalogue.update(made.id, full_draft())
    assert refused.value.code is Code.not_found


@pytest.mark.parametrize(
    "query",
    [
        "energy",
        "ENERGY shops",
        "consumption",
        "energyConsumption",
        "building",
        "buildings",
        "energ",
    ],
)
async def test_search_takes_whole_words_of_title_description_keywords_attributes_and_types(
    catalogue: Catalogue, query: str
) -> None:
    made = await catalogue.publish(full_draft())
    await catalogue.publish(draft("Water levels", description="Level of the canal"))
    found = (await catalogue.search(query)).items
    assert found == (() if query == "energ" else (made,))


async def test_search_needs_every_word_and_every_facet(catalogue: Catalogue) -> None:
    made = await catalogue.publish(full_draft())
    theme = made.themes[0]
    assert (await catalogue.search("energy canal")).items == ()
    assert (await catalogue.search("energy", theme=theme, publisher=NORTH)).items == (made,)
    assert (await catalogue.search("energy", publisher=SOUTH)).items == ()
    assert (await catalogue.search(type=made.types[0])).items == (made,)


async def test_accents_case_and_plural_do_not_matter(catalogue: Catalogue) -> None:
    made = await catalogue.publish(draft("Gebäude in Süddelft", keywords=("Schools",)))
    for query in ("gebaude", "GEBÄUDE", "suddelft school"):
        assert (await catalogue.search(query)).items == (made,), query


async def test_an_offer_is_found_only_by_who_may_see_its_dataset(catalogue: Catalogue) -> None:
    made = await catalogue.publish(draft(visible_to=(SOUTH,)))
    offer_id = made.offers[0].id
    found = await catalogue.find_offer(caller(SOUTH), offer_id, made.id)
    assert found is not None
    assert (found.dataset, found.offer) == (made, made.offers[0])
    assert await catalogue.find_offer(caller(EAST), offer_id) is None
    assert await catalogue.find_offer(caller(SOUTH), offer_id, "urn:uuid:another") is None
    assert await catalogue.find_offer(caller(SOUTH), "urn:uuid:unknown") is None


async def test_each_caller_sees_what_is_meant_for_it(catalogue: Catalogue) -> None:
    everyone = await catalogue.publish(draft("For all"))
    south = await catalogue.publish(draft("For south", visible_to=(SOUTH, EAST)))
    nobody = await catalogue.publish(draft("For nobody", visible_to=()))
    assert (await catalogue.datasets(caller(SOUTH))).items == (everyone, south)
    assert (await catalogue.datasets(caller("did:web:x"))).items == (everyone,)
    assert (await catalogue.datasets()).items == (everyone, south, nobody)
    assert (await catalogue.search("south", caller("did:web:x"))).items == ()
    assert await catalogue.get(south.id, caller(EAST)) == south
    with pytest.raises(HansaError) as refused:
        await catalogue.get(south.id, caller("did:web:x"))
    assert refused.value.code is Code.not_found


async def _walk(catalogue: Catalogue, query: str, limit: int) -> list[Page]:
    pages = [await catalogue.search(query, caller(SOUTH), limit=limit)]
    while pages[-1].next is not None:
        pages.append(
            await catalogue.search(query, caller(SOUTH), cursor=pages[-1].next, limit=limit)
        )
    return pages


def _mixed(number: int) -> DatasetDraft:
    return draft(
        f"Dataset {number}",
        visible_to=(SOUTH,) if number % 3 == 0 else None,
        keywords=("even",) if number % 2 == 0 else ("odd",),
    )


@pytest.mark.parametrize("limit", [1, 4, 10, 11, 30])
@pytest.mark.parametrize("query", ["", "dataset", "even dataset"])
async def test_pages_are_complete_in_order_and_walk_both_ways(
    catalogue: Catalogue, limit: int, query: str
) -> None:
    made = await catalogue.publish_all([_mixed(number) for number in range(20)])
    wanted = [d.id for d in made if "even" not in query or "even" in d.keywords]
    pages = await _walk(catalogue, query, limit)
    assert [d.id for page in pages for d in page.items] == wanted
    assert pages[0].previous is None
    for page, before in zip(pages[:0:-1], pages[-2::-1], strict=True):
        back = await catalogue.search(query, caller(SOUTH), cursor=page.previous, limit=limit)
        assert back.items == before.items
        assert back.next is not None


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 201}, "limit"),
        ({"cursor": "urn:uuid:1"}, "cursor"),
        ({"cursor": "Pg"}, "cursor"),
        ({"cursor": "é"}, "cursor"),
        ({"cursor": ""}, "cursor"),
    ],
)
async def test_a_page_out_of_bounds_is_refused(
    catalogue: Catalogue, parameters: dict[str, object], field: str
) -> None:
    with pytest.raises(HansaError) as refused:
        await catalogue.search("", None, **parameters)  # type: ignore[arg-type]
    assert (refused.value.code, refused.value.facts["field"]) == (Code.invalid_field, field)


async def test_a_long_query_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(HansaError) as refused:
        await catalogue.search("x" * 501)
    assert refused.value.facts["field"] == "q"


def test_a_selection_becomes_the_cut_that_a_policy_starts_from() -> None:
    cut = Selection(types=("https://t",), id_prefix="urn:x:").cut()
    assert (cut.types, cut.id_prefix, cut.attributes) == (frozenset({"https://t"}), "urn:x:", None)
    assert Selection().cut().unrestricted


@pytest.mark.parametrize("query", ["dataset even", "even dataset", "odd even", "third even"])
async def test_words_that_many_datasets_have_are_searched_by_the_rarer(
    catalogue: Catalogue, query: str
) -> None:
    made = await catalogue.publish_all(
        [
            draft(f"Dataset {n}", keywords=("even" if n % 2 else "odd", "third" if n % 3 else "x"))
            for n in range(150)
        ]
    )
    wanted = [d.id for d in made if set(query.split()) <= set(d.words)]
    pages = await _walk(catalogue, query, 20)
    assert [d.id for page in pages for d in page.items] == wanted
    last = await catalogue.search(
        query, caller(SOUTH), cursor=str(Cursor("~", backwards=True)), limit=200
    )
    assert [d.id for d in last.items] == wanted
