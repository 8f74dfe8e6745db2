"""The catalogue on the wire of the Dataspace Protocol 2025-1 (sections 4 to 6)."""

from hansa.catalogue.wire_dsp_2025_1.read import (
    CatalogueDocument,
    read_catalog,
    read_catalog_document,
    read_dataset,
)
from hansa.catalogue.wire_dsp_2025_1.terms import HANSA
from hansa.catalogue.wire_dsp_2025_1.write import (
    catalog_document,
    catalog_error,
    dataset_document,
    version_document,
)

__all__ = [
    "HANSA",
    "CatalogueDocument",
    "catalog_document",
    "catalog_error",
    "dataset_document",
    "read_catalog",
    "read_catalog_document",
    "read_dataset",
    "version_document",
]
