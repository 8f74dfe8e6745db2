"""Check what a publisher says and turn it into a dataset record. No I/O."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from hansa.catalogue.model import (
    NO_ENTITIES,
    Dataset,
    DatasetDraft,
    Offer,
    OfferDraft,
    Resource,
    Selection,
)
from hansa.catalogue.words import words_of_dataset
from hansa.kernel import Code, HansaError, Ids
from hansa.policy import Cut, compile_policy, only_as_a_whole

OFFERS_MAX = 32
_TEXT_MAX = {"title": 300, "description": 20_000, "licence": 2_000, "attribution": 2_000}
_LISTS_MAX = {"attributes": 1_000, "labels": 32, "keywords": 64, "themes": 32, "visible_to": 1_000}
_ID_LENGTH_MAX = 400
_MEDIA_TYPE = re.compile(
    r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}(?:; ?[ -~]{1,80})?"
)
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,98}[a-z0-9])?")


def _invalid(field: str, title: str, detail: str = "") -> HansaError:
    return HansaError(Code.invalid_field, title, detail, field=field, status=422)


def slug(text: str) -> str:
    """Give a name for an address: small letters, digits and hyphens, 1 to 80 characters."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:80].strip("-") or "dataset"


def check_draft(draft: DatasetDraft) -> None:
    """Refuse a draft that breaks a bound; HansaError invalid_field names the member."""
    if not draft.title.strip():
        raise _invalid("title", "A dataset needs a title.", "Say in a few words what it holds.")
    for field, length_max in _TEXT_MAX.items():
        if len(getattr(draft, field) or "") > length_max:
            raise _invalid(field, f"`{field}` is too long.", f"At most {length_max} characters.")
    for field, count_max in _LISTS_MAX.items():
        if len(getattr(draft, field) or ()) > count_max:
            raise _invalid(field, f"`{field}` has too many items.", f"At most {count_max}.")
    if not 1 <= len(draft.offers) <= OFFERS_MAX:
        raise _invalid("offers", "A dataset needs at least one offer.", f"At most {OFFERS_MAX}.")
    if draft.name is not None and not _NAME.fullmatch(draft.name):
        raise _invalid("name", "A name is small letters, digits and hyphens.", "At most 100.")
    for field, value in (("id", draft.id), *((("offers", o.id)) for o in draft.offers)):
        if value is not None and not 0 < len(value) <= _ID_LENGTH_MAX:
            raise _invalid(field, "An id has 1 to 400 characters.")
    if draft.bbox is not None:
        _check_bbox(draft.bbox)
    if draft.resource is not None:
        _check_resource(draft, draft.resource)
    span = draft.temporal
    if span is not None and span.start and span.end and span.start > span.end:
        raise _invalid("temporal", "The period ends before it starts.")


def _check_resource(draft: DatasetDraft, resource: Resource) -> None:
    if draft.selection not in (Selection(), NO_ENTITIES):
        raise _invalid("resource", "A dataset is entities or bytes.", "Leave types and prefix out.")
    if not _MEDIA_TYPE.fullmatch(resource.media_type):
        raise _invalid("resource.media_type", "This is no media type.", "For example text/csv.")
    if not (0 < len(resource.name) <= 255 and resource.name.isprintable()):
        raise _invalid("resource.name", "The file needs a name.", "1 to 255 printable characters.")
    if resource.kind == "file" and (resource.size is None or resource.digest is None):
        raise _invalid("resource", "The size and digest of a file must be known.")


def _check_bbox(bbox: tuple[float, float, float, float]) -> None:
    west, south, east, north = bbox
    if not all(math.isfinite(side) for side in bbox) or not (
        -180 <= west <= east <= 180 and -90 <= south <= north <= 90
    ):
        raise _invalid(
            "bbox",
            "The box is not a box on the earth.",
            "Give west, south, east, north in degrees (WGS84).",
        )


def check_offer(
    odrl: Mapping[str, Any], *, path: str, target: str, selection: Cut, whole: bool = False
) -> None:
    """Refuse an offer that we could not enforce, with the path of what cannot be.

    `whole`: the dataset is bytes, which go as a whole or not at all. HansaError policy_unsupported,
    policy_invalid or policy_conflict; `path` starts at `path`.
    """
    try:
        compiled = compile_policy(odrl, target=target, selection=selection)
        if whole and compiled.data_terms:
            raise only_as_a_whole(compiled.data_terms[0])
    except HansaError as error:
        inner = str(error.facts.get("path", ""))
        facts = {name: value for name, value in error.facts.items() if name != "path"}
        facts["path"] = facts["field"] = f"{path}.{inner}" if inner else path
        raise HansaError(
            error.code, error.title, error.detail, status=error.status, **facts
        ) from error


def make_offers(
    drafts: Sequence[OfferDraft],
    *,
    target: str,
    selection: Cut,
    ids: Ids,
    known: Sequence[Offer] = (),
    whole: bool = False,
) -> tuple[Offer, ...]:
    """Give each offer its unique id and the shape of the catalogue (DSP 2025-1 contract schema).

    An offer that is in `known` word for word keeps its id; changed terms get a new one, so that
    nobody who negotiates by id can be given other terms than were read.
    """
    made: list[Offer] = []
    kept = {offer.id: offer for offer in known}
    for number, draft in enumerate(drafts):
        body = {name: value for name, value in draft.odrl.items() if name not in _REPLACED}
        offer_id = draft.id
        if offer_id is None or (offer_id in kept and _body(kept[offer_id].odrl) != body):
            offer_id = f"urn:uuid:{ids.uuid()}"
        odrl = {"@id": offer_id, "@type": "Offer", **body}
        check_offer(odrl, path=f"offers[{number}]", target=target, selection=selection, whole=whole)
        made.append(
            Offer(id=offer_id, odrl=odrl, template=draft.template, parameters=draft.parameters)
        )
    if len({offer.id for offer in made}) != len(made):
        raise _invalid("offers", "Two offers have the same id.", "Leave the ids out.")
    return tuple(made)


_REPLACED = ("@id", "@type", "@context", "target")


def _body(odrl: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in odrl.items() if name not in _REPLACED}


def make_dataset(
    draft: DatasetDraft,
    *,
    publisher: str,
    publisher_name: str,
    ids: Ids,
    now: datetime,
    known: Dataset | None = None,
) -> Dataset:
    """Turn a draft into the record that is kept; `known` is the one that it replaces."""
    check_draft(draft)
    if draft.resource is not None:
        draft = msgspec.structs.replace(draft, selection=NO_ENTITIES)
    dataset_id = known.id if known is not None else draft.id or f"urn:uuid:{ids.new()}"
    offers = make_offers(
        draft.offers,
        target=dataset_id,
        selection=draft.selection.cut(),
        ids=ids,
        known=() if known is None else known.offers,
        whole=draft.resource is not None,
    )
    plain = {
        field: getattr(draft, field)
        for field in draft.__struct_fields__
        if field not in ("id", "name", "offers")
    }
    dataset = Dataset(
        id=dataset_id,
        name=draft.name or (known.name if known is not None else slug(draft.title)),
        publisher=publisher,
        publisher_name=publisher_name,
        created=now if known is None else known.created,
        modified=now,
        offers=offers,
        **plain,
    )
    return msgspec.structs.replace(dataset, words=words_of_dataset(dataset))
