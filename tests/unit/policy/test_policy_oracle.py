"""The physically filtered copy: what a scope means, case by case."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from policy_forms import SQUARE

from hansa.policy import Cut, Scope, Window, filter_copy
from hansa.policy.geometry import read_area
from hansa.policy.oracle import entity_location

DEFAULT = "https://uri.etsi.org/ngsi-ld/default-context/"
LOCATION = "https://uri.etsi.org/ngsi-ld/location"
INSIDE = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [4.355, 52.005]}}
ON_EDGE = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [4.35, 52.005]}}
OUTSIDE = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [4.37, 52.005]}}
AREA = read_area(SQUARE, "test")


def value(number: float, at: str | None = None) -> dict[str, Any]:
    return {"type": "Property", "value": number, **({"observedAt": at} if at else {})}


def shop(**attributes: Any) -> dict[str, Any]:
    return {"id": "urn:ngsi-ld:Shop:1", "type": "Shop", **attributes}


def see(
    entity: dict[str, Any], *permits: Cut, denies: tuple[Cut, ...] = ()
) -> dict[str, Any] | None:
    found = filter_copy([entity], Scope(permits, denies))
    return found[0] if found else None


def names(*short: str) -> frozenset[str]:
    return frozenset(DEFAULT + name for name in short)


def test_the_owner_sees_a_copy_of_everything_and_nothing_shows_nothing() -> None:
    entities = [shop(level=value(1)), shop(level=[value(1), value(2)])]
    assert filter_copy(entities, Scope.everything()) == entities
    assert filter_copy(entities, Scope.nothing()) == []


def test_attributes_are_cut_and_an_entity_without_any_is_gone() -> None:
    entity = shop(level=value(1), owner=value(2), scope="/a", createdAt="2026-01-01T00:00:00Z")
    cut = Cut(attributes=names("level"))
    assert see(entity, cut) == {
        "id": "urn:ngsi-ld:Shop:1",
        "type": "Shop",
        "scope": "/a",
        "createdAt": "2026-01-01T00:00:00Z",
        "level": value(1),
    }
    assert see(entity, Cut(attributes=names("other"))) is None
    assert see({"id": "urn:x", "type": "Shop"}, Cut()) is None, "nothing to see, so not there"


def test_names_may_be_iris() -> None:
    entity = shop(**{DEFAULT + "level": value(1)})
    assert see(entity, Cut(attributes=names("level"))) == entity


def test_types_and_identifiers_are_cut() -> None:
    entity = {"id": "urn:ngsi-ld:Shop:1", "type": ["Shop", "Cafe"], "level": value(1)}
    assert see(entity, Cut(types=names("Cafe"))) == entity
    assert see(entity, Cut(types=names("Home"))) is None
    assert see(entity, Cut(id_prefix="urn:ngsi-ld:Shop:")) == entity
    assert see(entity, Cut(id_prefix="urn:ngsi-ld:Home:")) is None


@pytest.mark.parametrize(("place", "visible"), [(INSIDE, True), (ON_EDGE, True), (OUTSIDE, False)])
def test_an_area_cuts_whole_entities(place: dict[str, Any], visible: bool) -> None:
    entity = shop(level=value(1), location=place)
    assert (see(entity, Cut(area=AREA)) is not None) is visible


def test_what_crosses_the_edge_is_outside() -> None:
    crossing = {
        "type": "GeoProperty",
        "value": {"type": "LineString", "coordinates": [[4.355, 52.005], [4.37, 52.005]]},
    }
    assert see(shop(level=value(1), location=crossing), Cut(area=AREA)) is None


@pytest.mark.parametrize(
    "place",
    [
        None,
        {"type": "GeoProperty", "value": "somewhere"},
        {"type": "GeoProperty", "value": {"type": "Point"}},
        {"type": "GeoProperty", "value": {"type": "Blob", "coordinates": [1, 2]}},
        {"type": "GeoProperty", "value": {"type": "Point", "coordinates": []}},
        {**INSIDE, "datasetId": "urn:other-place"},
    ],
)
def test_what_has_no_place_lies_in_no_area(place: dict[str, Any] | None) -> None:
    entity = shop(level=value(1), **({"location": place} if place else {}))
    assert see(entity, Cut(area=AREA)) is None
    assert see(entity, Cut(), denies=(Cut(area=AREA),)) == entity


def test_the_area_filters_also_when_the_place_itself_is_withheld() -> None:
    cut = Cut(area=AREA, attributes=names("level"))
    assert see(shop(level=value(1), location=INSIDE), cut) == shop(level=value(1))
    assert see(shop(level=value(1), location=OUTSIDE), cut) is None


def test_a_window_cuts_instances_and_lets_static_facts_through() -> None:
    window = Cut(
        observed=Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC))
    )
    history = [value(n, at) for n, at in enumerate(BOUNDS)]
    entity = shop(level=history, name=value(9), owner=value(3, "2020-01-01T00:00:00Z"))
    assert see(entity, window) == shop(level=history[1:3], name=value(9))


BOUNDS = (
    "2026-10-31T23:59:59.999999Z",
    "2026-11-01T00:00:00Z",
    "2026-11-02T00:59:59.999999+01:00",
    "2026-11-02T00:00:00Z",
)


def test_an_empty_window_leaves_the_static_facts() -> None:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    entity = shop(level=value(1, "2026-11-01T00:00:00Z"), name=value(9))
    assert see(entity, Cut(observed=Window(at, at))) == shop(name=value(9))


def test_permits_unite_instance_by_instance() -> None:
    early = Cut(observed=Window(None, datetime(2026, 1, 1, tzinfo=UTC)), attributes=names("level"))
    entity = shop(
        level=[value(1, "2025-06-01T00:00:00Z"), value(2, "2026-06-01T00:00:00Z")], a=value(5)
    )
    assert see(entity, early, Cut(attributes=names("a"))) == shop(
        level=[value(1, "2025-06-01T00:00:00Z")], a=value(5)
    )


def test_denies_cut_out_of_what_is_permitted() -> None:
    entity = shop(level=value(1), owner=value(2))
    assert see(entity, Cut(), denies=(Cut(attributes=names("owner")),)) == shop(level=value(1))
    assert see(entity, Cut(), denies=(Cut(),)) is None


def test_the_place_is_the_one_observed_last() -> None:
    def at(place: dict[str, Any], when: str | None) -> dict[str, Any]:
        return {**place, **({"observedAt": when} if when else {})}

    late, early = "2026-11-02T00:00:00Z", "2026-11-01T00:00:00Z"
    history = [at(INSIDE, late), at(OUTSIDE, early), at(OUTSIDE, None)]
    assert entity_location(shop(location=history)) == INSIDE["value"]
    assert (
        entity_location(shop(**{LOCATION: [at(INSIDE, early), at(OUTSIDE, early)]}))
        == (OUTSIDE["value"])
    )
    assert entity_location(shop(level=value(1))) is None


def test_the_copy_shares_order_and_never_changes_the_original() -> None:
    entities = [{**shop(level=[value(n)], owner=value(n)), "id": f"urn:x:{n}"} for n in range(5)]
    before = repr(entities)
    found = filter_copy(entities, Scope((Cut(attributes=names("level")),)))
    assert [entity["id"] for entity in found] == [f"urn:x:{n}" for n in range(5)]
    assert repr(entities) == before
