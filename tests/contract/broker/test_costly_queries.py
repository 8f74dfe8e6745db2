"""Queries that would hold up everybody else are refused, in list, count and history alike."""

from __future__ import annotations

from math import cos, pi, sin
from typing import Any

import pytest
from shops import EVERYTHING, count, near, numbers, point, shop

from hansa.broker import Broker, Query, TemporalQuery
from hansa.kernel import Code, HansaError
from hansa.policy import Area, Cut, Scope


def star(positions: int) -> dict[str, Any]:
    """Give a polygon whose edges all cross each other."""
    step = positions // 2 * 2 * pi / positions
    ring = [[4.36 + cos(i * step) / 10, 52 + sin(i * step) / 10] for i in range(positions)]
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}


@pytest.fixture
async def places(broker: Broker) -> Broker:
    """Give a broker with a shop in the middle of the star."""
    await broker.upsert([shop(1, location=point(4.36, 52.0)), shop(2, location=point(5, 52.0))])
    return broker


async def test_a_large_geometry_that_crosses_itself_is_refused(places: Broker) -> None:
    costly = near("within", star(401))
    with pytest.raises(HansaError) as listed:
        await numbers(places, geo=costly)
    with pytest.raises(HansaError) as counted:
        await count(places, geo=costly)
    with pytest.raises(HansaError) as past:
        await places.temporal(EVERYTHING, Query(geo=costly), TemporalQuery())
    for refused in (listed, counted, past):
        assert (refused.value.code, refused.value.status) == (Code.too_complex, 400)
        assert refused.value.facts["field"] == "coordinates"


async def test_a_small_one_is_repaired_and_a_large_sound_one_is_read(places: Broker) -> None:
    around = [[4.36 + cos(i * pi / 200) / 10, 52 + sin(i * pi / 200) / 10] for i in range(400)]
    sound = {"type": "Polygon", "coordinates": [[*around, around[0]]]}
    assert await numbers(places, geo=near("within", star(5))) in ([1], [])
    assert await numbers(places, geo=near("intersects", sound)) == [1]


async def test_a_large_stored_geometry_that_crosses_itself_is_nowhere(places: Broker) -> None:
    await places.upsert([shop(3, location=star(401)), shop(4, location=star(7))])
    around = {"type": "Polygon", "coordinates": [[[4, 51], [5, 51], [5, 53], [4, 53], [4, 51]]]}
    assert await numbers(places, geo=near("within", around)) == [1, 4]
    assert await numbers(places, geo=near("near;maxDistance==100", point(4.36, 52.0))) == [1, 4]
    assert await numbers(places, geo=near("near;minDistance==1000", point(4.36, 52.0))) == [2]
    area = Area("POLYGON((4 51, 5 51, 4.9 53, 4 53, 4 51))", (4.0, 51.0, 5.0, 53.0))
    assert await numbers(places, scope=Scope(permits=(Cut(area=area),))) == [1, 4]
