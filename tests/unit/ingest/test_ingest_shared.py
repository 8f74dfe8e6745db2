"""The open data of the shared folder, published as a stranger would."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from ingest_files import replaced

from hansa.ingest import Geometry, Mapping, Result, Source, apply, read_source, suggest_mapping
from hansa.kernel import HansaError


def _publish(
    source: Source, places: Source | None = None, mapping: Mapping | None = None, layer: str = ""
) -> Result:
    mapping = mapping or suggest_mapping(source, layer=layer, places=places)
    result = apply(mapping, source, dataset="shared", places=places)
    assert sum(1 for _ in result.history()) == result.summary.instances
    return result


def _open(shared: Path, path: str) -> Source:
    file = shared / "data" / path
    return read_source(file, file.name)


@pytest.mark.parametrize(
    ("name", "attribute", "rows", "stations"),
    [("no2", "no2", 2068, 3), ("pm25", "pm25", 1110, 2)],
)
def test_air_quality(shared: Path, name: str, attribute: str, rows: int, stations: int) -> None:
    places = _open(shared, "air-quality/air_quality_stations.csv")

    result = _publish(_open(shared, f"air-quality/air_quality_{name}_long.csv"), places)

    summary = result.summary
    assert (summary.rows, summary.instances, summary.entities) == (rows, rows, stations)
    assert summary.end == datetime(2019, 6, 21, tzinfo=UTC)
    assert {r.file for r in result.rejections} == {"air_quality_stations.csv"}
    assert len(result.rejections) == 8  # stations listed twice, with another last digit
    entities = {entity["id"].rpartition(":")[2]: entity for entity in result.entities()}
    assert "London-Westminster" in entities
    antwerp = entities["BETR801"]
    assert antwerp["type"] == "AirQualityObserved"
    assert antwerp["city"]["value"] == "Antwerpen"
    assert antwerp["location"]["value"]["coordinates"] == [4.43182, 51.20966]
    assert antwerp[attribute]["unitCode"] == "GQ"
    info = next(info for info in result.attributes if info.name == attribute)
    assert (info.unit, info.unit_code) == ("µg/m³", "GQ")


def test_zeros_are_values_and_gaps_stay_gaps(shared: Path) -> None:
    places = _open(shared, "air-quality/air_quality_stations.csv")

    result = _publish(_open(shared, "air-quality/air_quality_no2_long.csv"), places)

    values = [i.body["value"] for i in result.history()]
    assert values.count(0) == 19
    paris = [i for i in result.history() if i.entity_id.endswith("FR04014")]
    assert len(paris) == 1004


def test_the_stations_themselves(shared: Path) -> None:
    result = _publish(_open(shared, "air-quality/air_quality_stations.csv"))

    assert result.summary.entities == 58
    assert result.summary.rejected_by == {"duplicate": 8}
    assert result.summary.bbox is not None
    assert result.summary.bbox[0] == -72.0789  # the one in Connecticut is far, not swapped


def test_water_flow_over_the_clock_change(shared: Path) -> None:
    result = _publish(_open(shared, "river/water-flow.csv"))

    summary = result.summary
    assert (summary.rows, summary.instances, summary.entities) == (1268, 1268, 1)
    assert summary.start == datetime(2022, 3, 20, 10, tzinfo=UTC)
    night = [
        i.body["observedAt"]
        for i in result.history()
        if i.body["observedAt"].startswith(("2022-03-26T23", "2022-03-27T0"))
    ]
    assert night == ["2022-03-26T23:00:00Z"] + [f"2022-03-27T0{h}:00:00Z" for h in range(10)]
    entity = next(result.entities())
    assert entity["type"] == "WaterFlow"
    assert entity["waterFlow"]["unitCode"] == "G51"
    assert 24 < entity["waterFlow"]["value"] < 110


def test_water_flow_in_cubic_metres(shared: Path) -> None:
    source = _open(shared, "river/water-flow.csv")
    suggested = suggest_mapping(source)
    column = replaced(suggested.columns[0], convert_to="MQS")

    result = _publish(source, mapping=replaced(suggested, columns=(column,)))

    first = next(result.history())
    assert first.body["value"] == 0.10059
    assert first.body["unitCode"] == "MQS"


@pytest.mark.parametrize(
    ("layer", "entity_type", "count"),
    [("buildings", "Building", 144), ("streets", "RoadSegment", 35), ("plots", "Plot", 407)],
)
def test_geopackage(shared: Path, layer: str, entity_type: str, count: int) -> None:
    source = _open(shared, "buildings/bubenec.gpkg")
    assert {one.name for one in source.layers} == {"buildings", "plots", "streets", "tessellation"}

    result = _publish(source, layer=layer)

    assert result.summary.entities == count
    assert result.rejections == ()
    west, south, east, north = result.summary.bbox or (0, 0, 0, 0)
    assert 14.39 < west < east < 14.42
    assert 50.09 < south < north < 50.11
    assert next(result.entities())["type"] == entity_type


def test_city_model_of_delft(shared: Path) -> None:
    pytest.importorskip("pyproj")
    source = _open(shared, "citymodel/delft.json")
    counts = {layer.name: layer.rows for layer in source.layers}
    assert counts["Building"] == 160
    assert counts["Road"] == 143

    result = _publish(source)

    assert result.summary.entities == 160
    assert result.rejections == ()
    for entity in result.entities():
        assert entity["location"]["value"]["type"] in ("Polygon", "MultiPolygon")
        assert entity["height"]["unitCode"] == "MTR"
    assert any("zone" in note for note in result.mapping.notes)


def test_city_model_without_system(shared: Path) -> None:
    pytest.importorskip("pyproj")
    source = _open(shared, "citymodel/rotterdam_subset.json")
    suggested = suggest_mapping(source)
    assert "EPSG:28992" in " ".join(suggested.notes)
    with pytest.raises(HansaError) as refusal:
        _publish(source)
    assert refusal.value.facts["field"] == "mapping.geometry.crs"

    geometry = Geometry(kind="feature", crs="EPSG:28992")
    result = _publish(source, mapping=replaced(suggested, geometry=geometry))

    assert result.summary.entities == 16
    west, south, _, _ = result.summary.bbox or (0, 0, 0, 0)
    assert (west, south) == pytest.approx((4.449, 51.905), abs=0.001)


def test_city_sequence_of_delft(shared: Path) -> None:
    pytest.importorskip("pyproj")
    source = _open(shared, "delft-3dbag/delft.city.jsonl.gz")

    result = _publish(source)

    assert result.summary.entities == result.summary.rows == 1115
    first = next(result.entities())
    assert first["id"].endswith("NL.IMBAG.Pand.0503100000012869")
    assert first["oorspronkelijkbouwjaar"]["value"] == 1994
    assert first["tijdstipregistratie"]["value"]["@type"] == "DateTime"
    assert first["location"]["value"]["type"] == "Polygon"
