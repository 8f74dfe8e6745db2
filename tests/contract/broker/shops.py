"""A few shops, and short ways to ask for them."""

from __future__ import annotations

from typing import Any

import orjson

from hansa.broker import (
    NORMALIZED,
    Broker,
    GeoQuery,
    Query,
    Slice,
    TypeSelection,
    View,
)
from hansa.broker.query import parse_geo_query, parse_q, parse_type_selection
from hansa.kernel.jsonld import expand_ngsi_ld_name as expand
from hansa.policy import Scope

EVERYTHING = Scope.everything()


def shop(number: int, **attributes: Any) -> dict[str, Any]:
    """Give a shop with these attributes, concise."""
    return {"id": urn(number), "type": "Shop", **attributes}


def urn(number: int) -> str:
    """Give the id of a shop."""
    return f"urn:ngsi-ld:Shop:{number}"


def point(x: float, y: float) -> dict[str, Any]:
    """Give a GeoJSON point."""
    return {"type": "Point", "coordinates": [x, y]}


def box(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    """Give a GeoJSON rectangle."""
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def near(georel: str, geometry: dict[str, Any], name: str = "location") -> GeoQuery:
    """Give a geographic query."""
    coordinates = orjson.dumps(geometry["coordinates"]).decode()
    return parse_geo_query(georel, geometry["type"], coordinates, name, expand)


def types(text: str) -> TypeSelection | None:
    """Give a selector of types."""
    return parse_type_selection(text, expand)


async def numbers(
    broker: Broker, q: str | None = None, scope: Scope = EVERYTHING, **query: Any
) -> list[int]:
    """Give the numbers of the shops that match, in order."""
    asked = Query(q=parse_q(q, expand) if q else None, **query)
    page = await broker.query(scope, asked, Slice(limit=1000))
    return [int(orjson.loads(item)["id"].rpartition(":")[2]) for item in page.items]


async def one(
    broker: Broker, number: int, view: View = NORMALIZED, scope: Scope = EVERYTHING
) -> dict[str, Any]:
    """Give one shop."""
    found: dict[str, Any] = orjson.loads(await broker.retrieve(scope, urn(number), view))
    return found


async def count(broker: Broker, scope: Scope = EVERYTHING, **query: Any) -> int | None:
    """Give the count of all that match."""
    page = await broker.query(scope, Query(**query), Slice(limit=0, count=True))
    return page.count
