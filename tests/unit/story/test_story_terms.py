"""The contract's limits: an area that cuts, at the border, inside the provider's half."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import shapely

from hansa.story import AREA_WKT, CONSUMER, PROVIDER, area, contract, energy_dataset, half, shops
from hansa.story.terms import energy_title

NOW = datetime(2026, 11, 20, 9, 37, tzinfo=UTC)


def test_the_area_covers_a_good_part_of_the_providers_shops() -> None:
    polygon = shapely.from_wkt(AREA_WKT)
    inside = [
        shop
        for shop in shops(PROVIDER)
        if polygon.covers(shapely.Polygon(shop.building.footprint[0]))
    ]

    assert 0.2 <= len(inside) / len(shops(PROVIDER)) <= 0.4
    assert len({shop.trade.category for shop in inside}) >= 4


def test_the_area_lies_at_the_border_and_holds_no_building_of_the_consumer() -> None:
    polygon = shapely.from_wkt(AREA_WKT)
    border = shapely.LineString(area().border)

    assert polygon.is_valid
    assert not polygon.crosses(border)
    assert polygon.distance(border) < 1e-5  # about a metre
    others = [b for b in area().buildings if b.half == half(CONSUMER).key]
    assert not any(polygon.intersects(shapely.Polygon(b.footprint[0])) for b in others)


def test_the_period_starts_the_day_before_and_holds_for_thirty_days() -> None:
    terms = contract(NOW)

    assert terms.start == datetime(2026, 11, 19, tzinfo=UTC)
    assert terms.end - terms.start == timedelta(days=30)
    assert terms == contract(NOW + timedelta(hours=5))
    assert terms.attributes == ("location", "category", "power")


def test_titles_tell_the_cities_apart() -> None:
    assert energy_title(PROVIDER) == energy_dataset(PROVIDER).title
    assert energy_title(PROVIDER) != energy_title(CONSUMER)
