"""Read the languages in which entities are asked for (NGSI-LD 1.9.1 4.9-4.11, 4.17)."""

from hansa.broker.query.geometry import geometry_from_geojson, parse_geo_query
from hansa.broker.query.grammar import parse_q
from hansa.broker.query.types import parse_type_selection
from hansa.broker.query.values import (
    canonical_instant,
    instant,
    is_uri,
    iso_from_micros,
    micros,
    required_instant,
)

__all__ = [
    "canonical_instant",
    "geometry_from_geojson",
    "instant",
    "is_uri",
    "iso_from_micros",
    "micros",
    "parse_geo_query",
    "parse_q",
    "parse_type_selection",
    "required_instant",
]
