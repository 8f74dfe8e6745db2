"""The two halves: whole, disjoint, comparable, and named after their source."""

from __future__ import annotations

import gzip
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
import shapely

from hansa.kernel import HansaError
from hansa.story import EAST, HALVES, WEST, area, building_entities, buildings_dataset, half
from hansa.story.delft import buildings_of, distance_m

ROOT = Path(__file__).resolve().parents[3]


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / f"scripts/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_halves_are_disjoint_complete_and_comparable() -> None:
    west = {building.id for building in buildings_of(WEST.key)}
    east = {building.id for building in buildings_of(EAST.key)}

    assert not west & east
    assert len(west | east) == len(area().buildings) == 1_114
    assert abs(len(west) - len(east)) < 0.02 * len(area().buildings)


def test_no_building_touches_the_border() -> None:
    border = shapely.LineString(area().border)

    for building in area().buildings:
        assert not shapely.Polygon(building.footprint[0], building.footprint[1:]).intersects(border)


def test_each_building_stands_on_its_side_of_the_border() -> None:
    west, south, east, north = 4.35, 51.99, 4.39, 52.02
    line = area().border
    side = shapely.Polygon(
        [(west, north), (line[0][0], north), *line, (line[-1][0], south), (west, south)]
    )

    for building in area().buildings:
        inside = side.contains(shapely.Polygon(building.footprint[0]))
        assert inside == (building.half == WEST.key), building.id
    assert east > max(x for building in area().buildings for x, _ in building.footprint[0])


def test_footprints_are_valid_rings_in_wgs84() -> None:
    for building in area().buildings:
        shell = building.footprint[0]
        assert shell[0] == shell[-1]
        assert len(shell) >= 4
        assert shapely.LinearRing(shell).is_ccw
        assert all(4.35 < x < 4.39 and 51.99 < y < 52.01 for x, y in shell)


def test_the_building_registered_by_mistake_is_left_out_and_permits_are_kept() -> None:
    statuses = [building.status for building in area().buildings]

    assert "NL.IMBAG.Pand.0503100000018495" not in {building.id for building in area().buildings}
    assert statuses.count("demolition permitted") == 5


def test_entities_carry_units_and_the_attribution() -> None:
    entities = building_entities("delft-west")

    assert len(entities) == len(buildings_of("west"))
    for entity in entities:
        assert entity["id"].startswith(buildings_dataset("west").id_prefix)
        assert "3DBAG" in entity["source"]["value"]
        assert "CC BY 4.0" in entity["source"]["value"]
        assert entity["location"]["value"]["type"] == "Polygon"
        assert entity["height"]["unitCode"] == "MTR"
        assert json.loads(json.dumps(entity)) == entity
        assert ("floorArea" in entity) == ("floorsAboveGround" in entity)
    known = {attribute.name for attribute in buildings_dataset("west").attributes}
    assert {name for entity in entities for name in entity} - {"id", "type"} == known


def test_the_dataset_names_source_and_licence() -> None:
    for city in HALVES:
        dataset = buildings_dataset(city.participant)
        assert "3DBAG" in dataset.attribution
        assert dataset.licence.endswith("/by/4.0/")
        assert city.title in dataset.title


def test_an_unknown_half_is_refused() -> None:
    with pytest.raises(HansaError) as refusal:
        half("delft-north")

    assert refusal.value.code == "not_found"
    assert refusal.value.facts["field"] == "half"


def test_distance_is_metric() -> None:
    line = ((4.36, 52.0), (4.37, 52.0))

    assert distance_m((4.365, 52.001), line) == pytest.approx(111.27, abs=0.1)
    assert distance_m((4.37 + 0.001, 52.0), line) == pytest.approx(68.68, abs=0.1)


def test_the_script_makes_the_committed_extract_again(shared: Path) -> None:
    pytest.importorskip("pyproj")
    source = shared / "data/delft-3dbag/delft.city.jsonl.gz"
    document = _script("extract_delft").extract(
        gzip.decompress(source.read_bytes()).decode().splitlines()
    )
    committed = ROOT / "src/hansa/story/data/delft.json.gz"

    assert committed.stat().st_size < 300_000
    kept = json.loads(gzip.decompress(committed.read_bytes()))
    assert {k: v for k, v in document.items() if k not in ("buildings", "border")} == {
        k: v for k, v in kept.items() if k not in ("buildings", "border")
    }
    assert [b["id"] for b in document["buildings"]] == [b["id"] for b in kept["buildings"]]
    assert [b["half"] for b in document["buildings"]] == [b["half"] for b in kept["buildings"]]


def test_the_script_makes_the_committed_profiles_again(shared: Path) -> None:
    text = (shared / "data/energy/selp_series.csv").read_text()
    document = json.loads(json.dumps(_script("extract_load_profiles").extract(text)))
    committed = ROOT / "src/hansa/story/data/load_profiles.json.gz"

    assert document == json.loads(gzip.decompress(committed.read_bytes()))
