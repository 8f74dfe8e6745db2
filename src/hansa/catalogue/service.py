"""The catalogue of one participant: publish, find, list, search."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from hansa.catalogue.draft import make_dataset
from hansa.catalogue.filtering import OFFSET_MAX, Wanted, wanted_of
from hansa.catalogue.model import (
    DATASET,
    Bbox,
    Dataset,
    DatasetDraft,
    FoundOffer,
    OfferDraft,
    Page,
)
from hansa.catalogue.paging import Cursor, page_of
from hansa.identity import Caller
from hansa.kernel import Clock, Code, HansaError, Ids
from hansa.kernel.store import ReadTx, Store, Tx

PAGE_MAX = 200


def _reader(caller: Caller | None) -> str | None:
    """Give the DID whose view is wanted; None is the owner's view of everything."""
    return None if caller is None or caller.kind == "operator" else caller.did


def _may_see(dataset: Dataset, reader: str | None) -> bool:
    return reader is None or dataset.visible_to is None or reader in dataset.visible_to


def _not_found(dataset_id: str) -> HansaError:
    return HansaError(
        Code.not_found,
        "There is no such dataset.",
        "Ask for the catalogue to see what there is.",
        field="id",
    )


class Catalogue:
    """What one participant publishes. Every read takes the caller whose view it is."""

    def __init__(self, store: Store, *, did: str, name: str, ids: Ids, clock: Clock) -> None:
        self.did = did
        self.name = name
        self._store = store
        self._ids = ids
        self._clock = clock

    async def publish(self, draft: DatasetDraft) -> Dataset:
        """Publish a dataset with its offers.

        HansaError policy_unsupported when a constraint cannot be enforced (with `path`),
        invalid_field when a bound is broken, already_exists when id, name or offer id is taken.
        """
        return (await self.publish_all([draft]))[0]

    async def publish_all(self, drafts: Iterable[DatasetDraft]) -> list[Dataset]:
        """Publish several datasets in one transaction: all of them or none."""
        made = [
            (
                draft,
                make_dataset(
                    draft,
                    publisher=self.did,
                    publisher_name=self.name,
                    ids=self._ids,
                    now=self._clock.now(),
                ),
            )
            for draft in drafts
        ]

        def job(tx: Tx) -> list[Dataset]:
            kept: list[Dataset] = []
            for draft, dataset in made:
                named = _with_free_name(tx, dataset, explicit=draft.name is not None)
                _check_free_offers(tx, named)
                tx.insert(DATASET, named)
                kept.append(named)
            return kept

        return await self._store.write(job)

    async def update(self, dataset_id: str, draft: DatasetDraft) -> Dataset:
        """Replace what is said about a dataset; an offer whose terms change gets a new id."""
        known = await self.get(dataset_id)
        changed = make_dataset(
            draft,
            publisher=self.did,
            publisher_name=self.name,
            ids=self._ids,
            now=self._clock.now(),
            known=known,
        )

        def job(tx: Tx) -> Dataset:
            present = tx.get(DATASET, dataset_id)
            if present is None:
                raise _not_found(dataset_id)
            if present.modified != known.modified:
                raise HansaError(
                    Code.conflict, "The dataset was changed meanwhile.", "Read it again and retry."
                )
            named = changed
            if changed.name != present.name:
                named = _with_free_name(tx, changed, explicit=True)
            _check_free_offers(tx, named)
            tx.put(DATASET, named)
            return named

        return await self._store.write(job)

    async def withdraw(
        self, dataset_id: str, then: Callable[[Tx, Dataset], None] | None = None
    ) -> None:
        """Take a dataset and its offers out of the catalogue. Agreements made on it stay.

        `then` is done in the same transaction, with the dataset as it was.
        """

        def job(tx: Tx) -> None:
            present = tx.get(DATASET, dataset_id)
            if present is None:
                raise _not_found(dataset_id)
            tx.delete(DATASET, dataset_id)
            if then is not None:
                then(tx, present)

        await self._store.write(job)

    async def get(self, dataset_id: str, caller: Caller | None = None) -> Dataset:
        """Give one dataset; HansaError not_found also when the caller may not see it."""
        dataset = await self._store.read(lambda tx: tx.get(DATASET, dataset_id))
        if dataset is None or not _may_see(dataset, _reader(caller)):
            raise _not_found(dataset_id)
        return dataset

    def get_in(self, tx: ReadTx, dataset_id: str) -> Dataset | None:
        """Give a dataset as a transaction sees it, or None. The owner's view."""
        return tx.get(DATASET, dataset_id)

    async def by_name(self, name: str) -> Dataset | None:
        """Give the dataset with this name (slug), or None. The owner's view."""
        found = await self._store.read(lambda tx: tx.find(DATASET, {"name": name}, limit=1))
        return found[0] if found else None

    async def find_offer(
        self, caller: Caller | None, offer_id: str, dataset_id: str | None = None
    ) -> FoundOffer | None:
        """Give an offer that the caller may negotiate, or None.

        None also when the dataset is not visible to the caller, or is not `dataset_id`.
        """
        found = await self._store.read(lambda tx: tx.find(DATASET, {"offer": offer_id}, limit=1))
        if not found or not _may_see(found[0], _reader(caller)):
            return None
        dataset = found[0]
        offer = dataset.offer(offer_id)
        if offer is None or (dataset_id is not None and dataset.id != dataset_id):
            return None
        return FoundOffer(offer=offer, dataset=dataset)

    async def datasets(
        self, caller: Caller | None = None, *, cursor: str | None = None, limit: int = 50
    ) -> Page:
        """List what the caller may see, one page (at most 200) in order of id."""
        return await self.search("", caller, cursor=cursor, limit=limit)

    async def search(
        self,
        query: str = "",
        caller: Caller | None = None,
        *,
        publisher: str | None = None,
        type: str | None = None,
        theme: str | None = None,
        bbox: Bbox | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page:
        """Find datasets that have every word of the query and the wanted facets; see `find`.

        HansaError invalid_field also for a query of more than 500 characters.
        """
        wanted = wanted_of(query, publisher=publisher, type=type, theme=theme, bbox=bbox)
        return await self.find(wanted, caller, cursor=cursor, limit=limit)

    async def find(
        self, wanted: Wanted, caller: Caller | None, *, cursor: str | None = None, limit: int = 50
    ) -> Page:
        """Find what is wanted among what the caller may see, one page in order of id.

        HansaError invalid_field for a limit outside 1 to 200 or a foreign cursor. A page may hold
        fewer than `limit` and still have a `next`: its work is bounded.
        """
        if not 1 <= limit <= PAGE_MAX:
            raise _out_of_bounds("limit", f"1 to {PAGE_MAX}.")
        if not 0 <= wanted.offset <= OFFSET_MAX:
            raise _out_of_bounds("offset", f"0 to {OFFSET_MAX}. Follow the links of the pages.")
        at = Cursor.parse(cursor)
        conditions = wanted.conditions(_reader(caller))
        accept = wanted.accepts if wanted.boxes else None
        skip = wanted.offset if at.key is None else 0
        return await self._store.read(
            lambda tx: page_of(tx, conditions, accept, at, limit, skip=skip)
        )

    async def count(self) -> int:
        """Count the datasets. The owner's view."""
        return await self._store.read(lambda tx: tx.count(DATASET))


def _out_of_bounds(field: str, bounds: str) -> HansaError:
    return HansaError(Code.invalid_field, f"The {field} is out of bounds.", bounds, field=field)


def _with_free_name(tx: Tx, dataset: Dataset, *, explicit: bool) -> Dataset:
    if not tx.find(DATASET, {"name": dataset.name}, limit=1):
        return dataset
    if explicit:
        raise HansaError(
            Code.already_exists,
            f"The name {dataset.name} is taken.",
            "Choose another, or update the dataset that has it.",
            field="name",
        )
    number = 2
    while tx.find(DATASET, {"name": f"{dataset.name}-{number}"}, limit=1):
        number += 1
    return msgspec.structs.replace(dataset, name=f"{dataset.name}-{number}")


def _check_free_offers(tx: Tx, dataset: Dataset) -> None:
    """DSP 2025-1 contract schema: an offer belongs to one dataset only."""
    for offer in dataset.offers:
        found = tx.find(DATASET, {"offer": offer.id}, limit=1)
        if found and found[0].id != dataset.id:
            raise HansaError(
                Code.already_exists,
                "An offer with this id exists.",
                "Leave the id out to get a fresh one.",
                field="offers",
            )


def draft_of(dataset: Dataset, **changes: Any) -> DatasetDraft:
    """Give the draft that would republish a dataset as it is, with `changes` to its members."""
    offers = tuple(
        OfferDraft(odrl=o.odrl, template=o.template, parameters=o.parameters, id=o.id)
        for o in dataset.offers
    )
    plain = {
        field: getattr(dataset, field)
        for field in DatasetDraft.__struct_fields__
        if field != "offers"
    }
    return DatasetDraft(**{**plain, "offers": offers, **changes})
