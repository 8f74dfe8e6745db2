"""The NGSI-LD context broker: entities, their history, and queries within a scope."""

from hansa.broker.errors import problem_details
from hansa.broker.http import Access, app
from hansa.broker.model import (
    AllOf,
    AnyOf,
    GeoQuery,
    Order,
    Page,
    Query,
    Slice,
    Summary,
    TemporalQuery,
    Term,
    TypeSelection,
)
from hansa.broker.ports import Dialect
from hansa.broker.schema import MIGRATIONS, dialect_of
from hansa.broker.service import Broker, Written
from hansa.broker.store_sqlite import SqliteDialect, sqlite_functions
from hansa.broker.wire_ngsi_ld_1_9 import NORMALIZED, SIMPLIFIED, View

__all__ = [
    "MIGRATIONS",
    "NORMALIZED",
    "SIMPLIFIED",
    "Access",
    "AllOf",
    "AnyOf",
    "Broker",
    "Dialect",
    "GeoQuery",
    "Order",
    "Page",
    "Query",
    "Slice",
    "SqliteDialect",
    "Summary",
    "TemporalQuery",
    "Term",
    "TypeSelection",
    "View",
    "Written",
    "dialect_of",
    "app",
    "problem_details",
    "sqlite_functions",
]
