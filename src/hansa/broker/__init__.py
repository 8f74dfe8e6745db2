"""The NGSI-LD context broker: entities, their history, and queries within a scope."""

from hansa.broker.batch import Written
from hansa.broker.following import Changes, Follower
from hansa.broker.http import Access, Resolve, app, routes
from hansa.broker.model import (
    AllOf,
    AnyOf,
    AttributeFacts,
    Change,
    EntityTypeFacts,
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
from hansa.broker.ports import Contexts, Dialect
from hansa.broker.schema import MIGRATIONS, dialect_of
from hansa.broker.service import Broker
from hansa.broker.store_postgres import PostgresDialect
from hansa.broker.store_sqlite import SqliteDialect, sqlite_functions
from hansa.broker.wire_ngsi_ld_1_9 import NORMALIZED, SIMPLIFIED, View

__all__ = [
    "Access",
    "AllOf",
    "AnyOf",
    "AttributeFacts",
    "Broker",
    "Change",
    "Changes",
    "Contexts",
    "Dialect",
    "EntityTypeFacts",
    "Follower",
    "GeoQuery",
    "MIGRATIONS",
    "NORMALIZED",
    "Order",
    "Page",
    "PostgresDialect",
    "Query",
    "Resolve",
    "SIMPLIFIED",
    "Slice",
    "SqliteDialect",
    "Summary",
    "TemporalQuery",
    "Term",
    "TypeSelection",
    "View",
    "Written",
    "app",
    "dialect_of",
    "routes",
    "sqlite_functions",
]
