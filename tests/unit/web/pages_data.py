"""A made-up city at a canal, for looking at the pages: houses, shops, their electricity."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

from hansa.kernel import iso

Json = dict[str, Any]

WEST = "did:web:localhost%3A7711:delft-west"
EAST = "did:web:localhost%3A7712:delft-ost"
HANSA = "did:web:localhost%3A7710:authority"
ATTRIBUTION = (
    "Buildings: made up for tests. In the product: © 3DBAG by tudelft3d and 3DGI, CC BY 4.0"
)
LON, LAT = 4.3500, 52.0060
BORDER = (
    "POLYGON ((4.3560 52.0062, 4.3600 52.0056, 4.3606 52.0090, 4.3564 52.0096, 4.3560 52.0062))"
)
LONG = (
    "Stromverbrauch der Handwerksbetriebe und Ladengeschäfte im "
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaftsviertel"
)


def _turn(x_m: float, y_m: float, angle: float) -> tuple[float, float]:
    x = x_m * math.cos(angle) - y_m * math.sin(angle)
    y = x_m * math.sin(angle) + y_m * math.cos(angle)
    return round(LON + x / 68_500, 7), round(LAT + y / 111_320, 7)


def houses() -> list[Json]:
    """Make about 900 houses in rotated blocks along two canals, west and east of a border."""
    found: list[Json] = []
    seed = 7
    for row in range(14):
        for block in range(9):
            if row in (4, 9) or (row + block) % 11 == 5:
                continue
            x0, y0, along = -520 + block * 122, -470 + row * 68, 0.0
            while along < 96:
                seed = (seed * 1_103_515_245 + 12_345) % 2**31
                width = 6 + seed % 9
                depth = 9 + seed // 16 % 9
                tall = 5 + seed // 256 % 11 + (18 if seed % 97 == 0 else 0)
                corners = [(0, 0), (width, 0), (width, depth), (0, depth), (0, 0)]
                ring = [_turn(x0 + along + a, y0 + b, 0.42) for a, b in corners]
                found.append(
                    {
                        "id": f"urn:ngsi-ld:Building:NL.TEST.{len(found):05d}",
                        "ring": ring,
                        "height": float(tall),
                        "area": width * depth,
                        "west": ring[0][0] < 4.3572,
                        "shop": seed // 4096 % 6 == 0,
                        "trade": ("Bakkerij", "Slagerij", "Timmerwerkplaats")[seed // 65_536 % 3],
                    }
                )
                along += width + (0.3 if seed % 5 else 4)
    return found


HOUSES = houses()


def load_kw(house: Json, at: datetime) -> float:
    """Give the made-up electricity of a shop at an instant: a weekday curve on its area."""
    hour = at.hour + at.minute / 60
    day = 1.0 if at.weekday() < 5 else 0.6 if at.weekday() == 5 else 0.2
    bump = math.exp(-((hour - 11) ** 2) / 9) + 0.7 * math.exp(-((hour - 16) ** 2) / 8)
    wobble = 1 + 0.12 * math.sin(house["area"] + hour * 1.7)
    return round(float(house["area"] * (0.006 + 0.05 * bump * day) * wobble), 3)


def feature(house: Json, properties: Json) -> Json:
    """Give a GeoJSON feature of a house."""
    return {
        "type": "Feature",
        "id": house["id"],
        "geometry": {"type": "Polygon", "coordinates": [house["ring"]]},
        "properties": {"id": house["id"], **properties},
    }


def base_layer(*, west: bool) -> Json:
    """Give the building footprints of one half with heights."""
    return {
        "type": "FeatureCollection",
        "features": [
            feature(h, {"type": "Building", "height": h["height"]})
            for h in HOUSES
            if h["west"] == west
        ],
    }


def shops(*, west: bool, at: datetime, border_only: bool = False) -> Json:
    """Give the shops of one half with their electricity at an instant."""
    return {
        "type": "FeatureCollection",
        "features": [
            feature(
                h,
                {
                    "type": "Building",
                    "title": f"{h['trade']} {h['id'][-5:]}",
                    "electricityDemand": load_kw(h, at),
                    "height": h["height"],
                    "observedAt": iso(at),
                },
            )
            for h in HOUSES
            if h["shop"] and h["west"] == west and (not border_only or near_border(h))
        ],
    }


def near_border(house: Json) -> bool:
    """Say whether a house lies in the contract's area (roughly)."""
    x, y = house["ring"][0]
    return 4.3566 < x < 4.3604 and 52.0061 < y < 52.0091


def quarter(at: datetime) -> datetime:
    """Round down to the quarter-hour."""
    return at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)


def course(house: Json, now: datetime, count: int = 96 * 2) -> list[list[Any]]:
    """Give two days of quarter-hours with one gap."""
    last = quarter(now)
    points: list[list[Any]] = []
    for i in range(count):
        at = last - timedelta(minutes=15 * (count - 1 - i))
        gap = count * 5 // 9 <= i < count * 5 // 9 + 9
        points.append([iso(at), None if gap else load_kw(house, at)])
    return points


def terms(now: datetime, *, who: str, whom: str, text: str = "") -> Json:
    """Give the plain terms of the story's contract."""
    return {
        "summary": text
        or f"{who} lets {whom} read the electricity of shops and workshops near the border, "
        "for planning the energy network, until the end of the year.",
        "sentences": [],
        "who": who,
        "what": "Electricity of shops and workshops, every quarter-hour",
        "whom": whom,
        "where": {
            "wkt": BORDER,
            "bbox": [4.356, 52.0056, 4.3606, 52.0096],
            "text": "along the border of the two cities",
        },
        "when": {
            "start": iso(now - timedelta(days=21)),
            "end": iso(now + timedelta(days=40)),
            "text": "what was observed in these nine weeks",
        },
        "purpose": "planning of the energy network",
        "attributes": {
            "granted": ["electricityDemand", "floorArea", "location"],
            "withheld": ["owner", "yearOfConstruction"],
        },
        "limits": ["members of the space only", "no passing on to others"],
        "until": iso(now + timedelta(days=40)),
    }


def dataset_views(now: datetime, *, much: bool) -> list[Json]:
    """Give own and received datasets."""
    attributes = [
        {"name": "electricityDemand", "title": "Electricity demand", "unit_code": "KWT",
         "unit": "kW", "kind": "number"},
        {"name": "floorArea", "title": "Floor area", "unit_code": "MTK", "unit": "m²",
         "kind": "number"},
        {"name": "location", "title": "Location", "unit_code": None, "unit": None,
         "kind": "geometry"},
        {"name": "yearOfConstruction", "title": "Year of construction", "unit_code": None,
         "unit": None, "kind": "text"},
        {"name": "owner", "title": "Owner", "unit_code": None, "unit": None, "kind": "text"},
    ]  # fmt: skip
    west, east = {"did": WEST, "title": "Delft West"}, {"did": EAST, "title": "Delft Ost"}
    odrl = {"@type": "Offer", "@id": "urn:uuid:offer-1", "permission": [{"action": "use"}]}
    shared: Json = {
        "types": ["Building"],
        "themes": ["energy"],
        "keywords": ["buildings", "shops"],
        "attributes": attributes,
        "bbox": [4.3424, 52.0010, 4.3640, 52.0118],
        "temporal": {"start": iso(now - timedelta(days=400)), "end": None},
        "labels": ["derived", "synthetic"],
        "licence": "CC BY 4.0",
        "attribution": ATTRIBUTION,
        "modified": iso(now - timedelta(minutes=9)),
        "freshness_s": 540,
        "entities": 412,
        "agreement_id": None,
    }
    first = {
        **shared,
        "id": "urn:uuid:d-east",
        "title": LONG if much else "Electricity of shops",
        "description": "What shops and workshops draw from the grid, every quarter-hour. Standard "
        "load profiles on floor area; made for trying out, not measured.",
        "publisher": east,
        "own": False,
        "agreement_id": "a-1",
        "offers": [
            {"id": "o-1", "terms": terms(now, who="Delft Ost", whom="Delft West"), "odrl": odrl}
        ],
    }
    second = {
        **shared,
        "id": "urn:uuid:d-west",
        "title": "Energy of craftsmen, west of the canal",
        "description": "The same for the western half.",
        "publisher": west,
        "own": True,
        "offers": [
            {"id": "o-2", "terms": terms(now, who="Delft West", whom="any member"), "odrl": odrl}
        ],
    }
    third = {
        **shared,
        "id": "urn:uuid:d-air",
        "title": "Air quality, hourly",
        "description": "Nitrogen dioxide and fine dust at five stations.",
        "types": ["AirQualityObserved"],
        "themes": ["environment"],
        "keywords": ["air"],
        "labels": [],
        "publisher": east,
        "own": False,
        "entities": 5,
        "offers": [
            {
                "id": "o-3",
                "terms": {
                    **terms(now, who="Delft Ost", whom="any member"),
                    "summary": "Delft Ost lets every member read the air quality, for any purpose.",
                    "where": None,
                    "when": None,
                    "purpose": None,
                    "until": None,
                    "limits": [],
                    "attributes": {"granted": [], "withheld": []},
                },
                "odrl": odrl,
            }
        ],
    }
    return [first, second, third]


def map_layers(now: datetime, *, stopped: str | None) -> Json:
    """Give the layers of the map of Delft West."""
    api = "/api/v1/participants/delft-west/map/layers"
    demand = {"name": "electricityDemand", "unit": "kW", "title": "Electricity demand",
              "min": 0, "max": 9}  # fmt: skip
    nothing: Json = {"history_url": None, "labels": [], "terms": None, "stopped": None}
    end = quarter(now)
    return {
        "bbox": [4.3424, 52.0010, 4.3640, 52.0118],
        "attribution": [ATTRIBUTION],
        "layers": [
            {**nothing, "id": "buildings", "title": "Buildings", "kind": "own",
             "url": f"{api}/buildings", "geometry": "polygon", "attribute": None,
             "publisher": {"did": WEST, "title": "Delft West"}, "extrude": {"height": "height"}},
            {**nothing, "id": "shops-west", "title": "Electricity of craftsmen", "kind": "own",
             "url": f"{api}/shops-west", "geometry": "polygon", "attribute": demand,
             "labels": ["derived", "synthetic"], "extrude": {"height": "height"},
             "publisher": {"did": WEST, "title": "Delft West"}},
            {**nothing, "id": "shops-east", "title": "Electricity of shops", "kind": "received",
             "url": f"{api}/shops-east", "geometry": "polygon", "attribute": demand,
             "labels": ["derived", "synthetic"], "extrude": {"height": "height"},
             "publisher": {"did": EAST, "title": "Delft Ost"}, "stopped": stopped,
             "terms": "Near the border, for planning the energy network, until 31 December.",
             "area": BORDER, "transfer_id": "t-1"},
        ],
        "tiles": None,
        "time": {"start": iso(end - timedelta(days=2)), "end": iso(end), "step_s": 900},
    }  # fmt: skip


TEMPLATES: list[Json] = [
    {
        "id": "members-read",
        "title": "Members may read it",
        "sentence": "Every member of the space may read the whole dataset.",
        "parameters": [],
        "allows": ["A neighbouring city fetches all rows", "A company that is a member reads it"],
        "denies": ["Anybody who is not a member", "A member that is suspended"],
    },
    {
        "id": "area-period-attributes",
        "title": "Only a part of it",
        "sentence": "Members may read chosen attributes, in an area, of a period, until a day.",
        "parameters": [
            {"name": "area", "title": "Area", "kind": "area", "required": False,
             "help": "Only what lies inside is let through."},
            {"name": "attributes", "title": "Attributes", "kind": "attributes", "required": True,
             "help": "What is not ticked is withheld."},
            {"name": "period", "title": "Time of observation", "kind": "period",
             "required": False, "help": ""},
            {"name": "until", "title": "Agreement ends on", "kind": "date", "required": False,
             "help": ""},
        ],
        "allows": ["Shops near the border, this autumn"],
        "denies": ["A shop outside the area, also when asked for by its id", "Its owner's name"],
    },
    {
        "id": "purpose",
        "title": "For one purpose",
        "sentence": "Members may read it for the purpose you name, nothing else.",
        "parameters": [
            {"name": "purpose", "title": "Purpose", "kind": "choice", "required": True, "help": "",
             "options": [{"value": "planning", "title": "Planning"},
                         {"value": "research", "title": "Research"}]},
            {"name": "age", "title": "Not older than", "kind": "duration", "required": False,
             "help": "Older values are not let through."},
        ],
        "allows": ["A member that states this purpose"],
        "denies": ["A member that states another one, or none"],
    },
]  # fmt: skip
