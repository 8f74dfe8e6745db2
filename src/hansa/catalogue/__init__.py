"""Datasets and their offers: publish, search, the Dataspace Protocol's view, others' catalogues."""

from hansa.catalogue.draft import slug
from hansa.catalogue.http import Served, routes
from hansa.catalogue.model import (
    HTTP_PULL,
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
    Selection,
    Temporal,
)
from hansa.catalogue.ports import Authenticator, Client, Parties, Tokens
from hansa.catalogue.remote import RemoteCatalogues, RemoteLimits
from hansa.catalogue.service import Catalogue, Offers, draft_of
from hansa.catalogue.wire_dsp_2025_1 import read_catalog
from hansa.catalogue.words import Described, matches

__all__ = [
    "HTTP_PULL",
    "Attribute",
    "Authenticator",
    "Bbox",
    "Catalogue",
    "Client",
    "Dataset",
    "DatasetDraft",
    "Described",
    "FoundOffer",
    "Offer",
    "OfferDraft",
    "Offers",
    "Page",
    "Parties",
    "Party",
    "RemoteCatalogue",
    "RemoteCatalogues",
    "RemoteDataset",
    "RemoteLimits",
    "RemoteOffer",
    "Selection",
    "Served",
    "Temporal",
    "Tokens",
    "draft_of",
    "matches",
    "read_catalog",
    "routes",
    "slug",
]
