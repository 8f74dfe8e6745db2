"""Files into NGSI-LD entities: read, suggest a mapping, apply it; bad rows are set aside."""

from hansa.ingest.check import check_mapping, decode_mapping
from hansa.ingest.model import (
    FILE_BYTES_MAX,
    AttributeInfo,
    Column,
    Constant,
    Geometry,
    Instance,
    Kind,
    Layer,
    Mapping,
    ObservedAt,
    OnProgress,
    Parameter,
    Pivot,
    Places,
    Progress,
    Reason,
    Rejection,
    Row,
    Summary,
    ValueType,
)
from hansa.ingest.service import Result, apply, as_temporal
from hansa.ingest.source import Source, read_source
from hansa.ingest.suggest import suggest_mapping

__all__ = [
    "FILE_BYTES_MAX",
    "AttributeInfo",
    "Column",
    "Constant",
    "Geometry",
    "Instance",
    "Kind",
    "Layer",
    "Mapping",
    "ObservedAt",
    "OnProgress",
    "Parameter",
    "Pivot",
    "Places",
    "Progress",
    "Reason",
    "Rejection",
    "Result",
    "Row",
    "Source",
    "Summary",
    "ValueType",
    "apply",
    "as_temporal",
    "check_mapping",
    "decode_mapping",
    "read_source",
    "suggest_mapping",
]
