"""The NGSI-LD API over HTTP (NGSI-LD 1.9.1 6)."""

from hansa.broker.http.access import Access, Resolve
from hansa.broker.http.app import BODY_BYTES_MAX, app, routes

__all__ = ["BODY_BYTES_MAX", "Access", "Resolve", "app", "routes"]
