"""Datasets and their offers: publish, search, the Dataspace Protocol's view, others' catalogues."""

from hansa.catalogue.draft import slug
from hansa.catalogue.filtering import Wanted, about, wanted_of
from hansa.catalogue.http import Served, routes
from hansa.catalogue.model import (
    FORMATS_OF_A_RESOURCE,
    FORMATS_OF_ENTITIES,
    Approval,
    Attribute,
    Bbox,
    Dataset,
    DatasetDraft,
    FoundOffer,
    Offer,
    OfferDraft,
    Page,
    Party,
    RemoteCatalogue,
    RemoteDataset,
    RemoteOffer,
    RemotePage,
    RemoteResource,
    Resource,
    Selection,
    Temporal,
)
from hansa.catalogue.ports import Authenticator, Parties, Tokens
from hansa.catalogue.remote import RemoteCatalogues, RemoteLimits
from hansa.catalogue.service import Catalogue, draft_of
from hansa.catalogue.wire_dsp_2025_1 import read_catalog
from hansa.catalogue.words import Described, matches

__all__ = [
    "FORMATS_OF_A_RESOURCE",
    "FORMATS_OF_ENTITIES",
    "Approval",
    "Attribute",
    "Authenticator",
    "Bbox",
    "Catalogue",
    "Dataset",
    "DatasetDraft",
    "Described",
    "FoundOffer",
    "Offer",
    "OfferDraft",
    "Page",
    "Parties",
    "Party",
    "RemoteCatalogue",
    "RemoteCatalogues",
    "RemoteDataset",
    "RemoteLimits",
    "RemoteOffer",
    "RemotePage",
    "RemoteResource",
    "Resource",
    "Selection",
    "Served",
    "Temporal",
    "Tokens",
    "Wanted",
    "about",
    "draft_of",
    "matches",
    "read_catalog",
    "routes",
    "slug",
    "wanted_of",
]
